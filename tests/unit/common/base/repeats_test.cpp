#include "common/base/repeats.hpp"

#include "tests/support/catch.hpp"

namespace repeats_test {

using namespace persistproc;
using base::Repeats;
using namespace std::chrono_literals;
using Lines = std::vector<std::string>;

TEST_CASE("what is said for ever is said ever less often, with the number") {
    Repeats repeats;
    MonoTime now{1h};
    CHECK(repeats.take("full", now) == Lines{"full"});
    std::size_t said = 0;
    std::uint64_t told = 1;
    for (int second = 2; second <= 24 * 3600; second += 2) {
        now += 2s;
        for (const auto& line : repeats.take("full", now)) {
            ++said;
            CHECK(line.starts_with("full ("));
            told += std::stoull(line.substr(6));
        }
    }
    // After 1, 3, 7, 15, 31, 63 minutes, then every hour.
    CHECK(said == 6 + 22);
    CHECK(told > 24 * 1800 - 1800);
    CHECK(told <= 24 * 1800);
}

TEST_CASE("what begins anew is said at once, and what is new always") {
    Repeats repeats;
    MonoTime now{1h};
    CHECK(repeats.take("full", now) == Lines{"full"});
    CHECK(repeats.take("full", now).empty());
    CHECK(repeats.take("other", now) == Lines{"other"});
    now += 1min;
    CHECK(repeats.take("third", now) == Lines{"full (1 time more)", "third"});
    now += 2min;
    CHECK(repeats.take("full", now) == Lines{"full"});
    CHECK(repeats.take("full", now).empty());
}

TEST_CASE("what is remembered of it is bounded, and nothing is lost unsaid") {
    Repeats repeats;
    const MonoTime now{1h};
    repeats.take("first", now);
    repeats.take("first", now);
    std::size_t said = 0;
    for (std::size_t i = 0; i < 2 * Repeats::kept_texts; ++i) {
        const auto lines = repeats.take("text " + std::to_string(i), now);
        CHECK(lines.front() == "text " + std::to_string(i));
        for (const auto& line : lines) said += line == "first (1 time more)" ? 1 : 0;
    }
    CHECK(said == 1);
    CHECK(repeats.take("first", now) == Lines{"first"});
}

}  // namespace repeats_test
