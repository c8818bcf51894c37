#include "common/mcp/http/session_id.hpp"

#include <algorithm>

#include "common/base/text.hpp"
#include "tests/support/catch.hpp"

namespace session_id_test {

namespace base = persistproc::base;
using namespace persistproc::mcp;
using namespace persistproc::mcp::http;

TEST_CASE("a session id names its revision to whoever holds the key") {
    SessionKey key{};
    key[0] = 1;
    const SessionIds ids(key);
    for (const Revision revision :
         {Revision::r2024_11_05, Revision::r2025_03_26, Revision::r2025_06_18, Revision::r2025_11_25}) {
        const std::string id = ids.make(revision);
        CHECK(std::all_of(id.begin(), id.end(), [](char c) { return c > 0x20 && c < 0x7f; }));
        const auto facts = SessionIds(key).read(id);
        REQUIRE(facts);
        CHECK(facts->revision == revision);
        CHECK(facts->client_name.empty());
        CHECK(ids.make(revision) != id);
    }
    SessionKey other = key;
    other[31] = 1;
    CHECK(!SessionIds(other).read(ids.make(newest_session_revision)));
}

TEST_CASE("a session id names its client, so that the next daemon knows who comes") {
    const SessionIds ids(SessionKey{});
    const auto named = [&](std::string_view name) {
        const auto facts = SessionIds(SessionKey{}).read(ids.make(newest_session_revision, name));
        REQUIRE(facts);
        CHECK(facts->revision == newest_session_revision);
        return facts->client_name;
    };
    CHECK(named("gemini 1") == "gemini 1");
    CHECK(named(std::string(150, 'x')) == std::string(100, 'x'));
    CHECK(base::is_utf8(named(std::string(99, 'x') + "\xc3\xa9")));
    CHECK(ids.has_made(ids.make(newest_session_revision, "gemini 1")));
}

TEST_CASE("an id with one other character is none") {
    const SessionIds ids(SessionKey{});
    const std::string id = ids.make(newest_session_revision);
    for (std::size_t i = 0; i < id.size(); ++i) {
        for (const char c : {'A', 'B', '-', '.', '=', '\x80'}) {
            std::string changed = id;
            if (changed[i] == c) continue;
            changed[i] = c;
            INFO(changed);
            CHECK(!ids.read(changed));
        }
    }
}

TEST_CASE("an id cut or grown is none") {
    const SessionIds ids(SessionKey{});
    const std::string id = ids.make(newest_session_revision);
    for (std::size_t size = 0; size < id.size(); ++size) CHECK(!ids.read(std::string_view(id).substr(0, size)));
    CHECK(!ids.read(id + "A"));
    CHECK(!ids.read("." + id));
}

}  // namespace session_id_test
