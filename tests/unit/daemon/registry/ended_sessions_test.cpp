#include "daemon/registry/ended_sessions.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include "common/base/file.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_directory.hpp"

namespace ended_sessions_test {

using namespace persistproc;
using registry::EndedSessions;
using registry::kept_ended_sessions;

namespace {

std::vector<std::string> found_in(const tests::TemporaryDirectory& directory) {
    auto sessions = EndedSessions::open(directory.path());
    REQUIRE(sessions);
    return sessions->found();
}

std::vector<std::string> numbered(std::size_t first, std::size_t count) {
    std::vector<std::string> ids;
    for (std::size_t i = 0; i < count; ++i) ids.push_back("id" + std::to_string(first + i));
    return ids;
}

}  // namespace

TEST_CASE("ended sessions stay dead") {
    tests::TemporaryDirectory directory;
    const auto file = directory.path() / "ended-sessions";
    {
        auto sessions = EndedSessions::open(directory.path());
        REQUIRE(sessions);
        CHECK(sessions->found().empty());
        CHECK(!std::filesystem::exists(file));
        REQUIRE(sessions->append({"a", "b"}));
        REQUIRE(sessions->append({"c"}));
    }
    CHECK(found_in(directory) == std::vector<std::string>{"a", "b", "c"});
    struct stat info {};
    REQUIRE(::stat(file.c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == 0600);
}

TEST_CASE("a record of ended sessions that was cut anywhere keeps its whole lines") {
    const std::string text = "first\nsecond\nthird\n";
    for (std::size_t size = 0; size <= text.size(); ++size) {
        tests::TemporaryDirectory directory;
        REQUIRE(base::atomic_write(directory.path() / "ended-sessions", text.substr(0, size)));
        const auto whole =
            static_cast<std::size_t>(std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(size), '\n'));
        {
            auto sessions = EndedSessions::open(directory.path());
            REQUIRE(sessions);
            CHECK(sessions->found().size() == whole);
            REQUIRE(sessions->append({"later"}));
        }
        const auto found = found_in(directory);
        REQUIRE(found.size() == whole + 1);
        CHECK(found.back() == "later");
    }
}

TEST_CASE("the newest ended sessions are kept, and the file is bounded") {
    tests::TemporaryDirectory directory;
    auto sessions = EndedSessions::open(directory.path());
    REQUIRE(sessions);
    REQUIRE(sessions->append(numbered(0, 2 * kept_ended_sessions)));
    CHECK(found_in(directory) == numbered(kept_ended_sessions, kept_ended_sessions));
    REQUIRE(sessions->append(numbered(2 * kept_ended_sessions, 1)));
    CHECK(found_in(directory) == numbered(kept_ended_sessions + 1, kept_ended_sessions));
    const auto text = base::read_file(directory.path() / "ended-sessions").value();
    CHECK(static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) == kept_ended_sessions);
}

TEST_CASE("ended sessions that cannot be read are an error, not none") {
    tests::TemporaryDirectory directory;
    std::filesystem::create_directory(directory.path() / "ended-sessions");
    auto sessions = EndedSessions::open(directory.path());
    REQUIRE(!sessions);
    CHECK(sessions.error().code == ErrorCode::denied);
}

}  // namespace ended_sessions_test
