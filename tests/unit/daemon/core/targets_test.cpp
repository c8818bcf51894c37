#include "daemon/core/targets.hpp"

#include <fmt/format.h>

#include "tests/support/catch.hpp"

namespace targets_test {

using namespace persistproc;
using core::Candidate;
using core::resolve_target;

namespace {

const std::vector<Candidate> candidates = {
    {{1}, "web", {"npm", "run", "dev"}, "/src/shop", 100, true},
    {{2}, "npm run dev in /src/blog", {"npm", "run", "dev"}, "/src/blog", 200, true},
    {{3}, "old", {"make", "watch"}, "/src/shop", 300, false},
    {{4}, "worker", {"python3", "a b.py"}, "/src", 300, true},
    {{5}, "100", {"redis-server"}, "/", 500, true},
    {{6}, "make 1", {"make", "watch"}, "/src/blog", 0, true},
};

std::string id_of(std::string_view target) {
    const auto id = resolve_target(target, candidates);
    return id ? to_string(*id) : std::string(base::code_name(id.error().code));
}

}  // namespace

TEST_CASE("a target is an id, a label, a PID or a command, in this order") {
    CHECK(id_of("p1") == "p1");
    CHECK(id_of("web") == "p1");
    CHECK(id_of("100") == "ambiguous");  // a label, and the PID of another
    CHECK(id_of("500") == "p5");
    CHECK(id_of("200") == "p2");
    CHECK(id_of("300") == "p4");  // the live one of two that had it
    CHECK(id_of("redis-server") == "p5");
    CHECK(id_of("python3 'a b.py'") == "p4");
    CHECK(id_of("python3 a b.py") == "p4");
    CHECK(id_of("npm run dev in /src/shop") == "p1");
    CHECK(id_of("npm run dev in /src/blog") == "p2");
    // The end of the directory tells it as well, in whole names.
    CHECK(id_of("npm run dev in shop") == "p1");
    CHECK(id_of("npm run dev in ./src/shop/") == "p1");
    CHECK(id_of("python3 'a b.py' in src") == "p4");
    for (const char* other : {"npm run dev in op", "npm run dev in /shop", "npm run dev in .", "npm run dev in "})
        CHECK(id_of(other) == "not_found");
    CHECK(id_of("make watch") == "p6");  // the live one of two with the same command
}

TEST_CASE("several matches are an error that tells them apart") {
    const auto id = resolve_target("npm run dev", candidates);
    REQUIRE(!id);
    CHECK(id.error().code == ErrorCode::ambiguous);
    for (const char* part : {"p1", "\"web\"", "/src/shop", "PID 100", "p2", "/src/blog", "PID 200"}) {
        INFO(part);
        CHECK(id.error().message.find(part) != std::string::npos);
    }
}

TEST_CASE("no match is an error that names the nearest") {
    CHECK(resolve_target("p1.3", candidates).error().message == "p1.3 is a run; its process is p1 \"web\"");
    CHECK(resolve_target("p9.3", candidates).error().message.starts_with("no process is \"p9.3\""));
    const auto id = resolve_target("webb", candidates);
    REQUIRE(!id);
    CHECK(id.error().code == ErrorCode::not_found);
    CHECK(id.error().message.find("p1 \"web\"") != std::string::npos);
    // Nothing is near: nothing is named.
    const auto far = resolve_target("zebra", candidates);
    REQUIRE(!far);
    CHECK(far.error().message == "no process is \"zebra\"; list the processes to see which there are");
    CHECK(id_of("p99") == "not_found");
    const std::vector<Candidate> short_one = {{{4}, "y", {"sleep", "9"}, "/", 700, true}};
    for (const char* other : {"z", "1", "?"})
        CHECK(resolve_target(other, short_one).error().message ==
              fmt::format("no process is \"{}\"; list the processes to see which there are", other));
    CHECK(resolve_target("yy", short_one).error().message == "no process is \"yy\"; nearest: p4 \"y\"");
    const auto near_sl = [](const char* target) {
        const std::vector<Candidate> only = {{{4}, "sl", {"sleep", "9"}, "/", 700, true}};
        return resolve_target(target, only).error().message.find("nearest: p4 \"sl\"") != std::string::npos;
    };
    for (const char* alike : {"SL", "Sl", "sll", "sl-2", "sl 2"}) CHECK(near_sl(alike));
    for (const char* other : {"sleepy", "sleep 1004", "slx2", "xyz"}) CHECK(!near_sl(other));
    std::vector<Candidate> shop = {{{1}, "shopper", {"a"}, "/", 0, false}, {{2}, "shop/api", {"b"}, "/", 0, false}};
    const auto of_shop = [&shop] { return resolve_target("shop", shop).error().message; };
    CHECK(of_shop() == "no process is \"shop\"; of project \"shop\": p2 \"shop/api\"");
    for (const char* name : {"shop/db", "shop/web", "shop/mail"})
        shop.push_back({{static_cast<std::uint32_t>(shop.size() + 1)}, name, {name}, "/", 0, false});
    CHECK(of_shop().ends_with("; of project \"shop\": p2 \"shop/api\", p3 \"shop/db\", p4 \"shop/web\", …"));
    CHECK(id_of("") == "invalid");
    CHECK(id_of(std::string(100000, 'x')) == "not_found");
    const auto none = resolve_target("web", {});
    REQUIRE(!none);
    CHECK(none.error().message.find("none yet") != std::string::npos);
}

}  // namespace targets_test
