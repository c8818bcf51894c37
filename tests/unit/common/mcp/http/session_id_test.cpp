#include "common/mcp/http/session_id.hpp"

#include <algorithm>

#include "tests/support/catch.hpp"

namespace session_id_test {

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
        CHECK(SessionIds(key).find_revision(id) == revision);
        CHECK(ids.make(revision) != id);
    }
    SessionKey other = key;
    other[31] = 1;
    CHECK(!SessionIds(other).find_revision(ids.make(newest_session_revision)));
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
            CHECK(!ids.find_revision(changed));
        }
    }
}

TEST_CASE("an id cut or grown is none") {
    const SessionIds ids(SessionKey{});
    const std::string id = ids.make(newest_session_revision);
    for (std::size_t size = 0; size < id.size(); ++size)
        CHECK(!ids.find_revision(std::string_view(id).substr(0, size)));
    CHECK(!ids.find_revision(id + "A"));
    CHECK(!ids.find_revision("." + id));
}

}  // namespace session_id_test
