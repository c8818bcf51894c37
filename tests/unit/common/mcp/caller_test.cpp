#include "common/mcp/caller.hpp"

#include "tests/support/catch.hpp"

namespace caller_test {

using namespace persistproc;
using namespace persistproc::mcp;

namespace {

Json meta(const char* text) { return Json{{"_meta", Json::parse(text)}}; }
Caller read(const Json& params) { return std::get<Caller>(read_envelope(params)); }

}  // namespace

TEST_CASE("a claim is a `_meta` with the key of the version, whatever its value") {
    for (const char* yes : {R"({"io.modelcontextprotocol/protocolVersion":"2026-07-28"})",
                            R"({"io.modelcontextprotocol/protocolVersion":null})",
                            R"({"io.modelcontextprotocol/protocolVersion":1,"x":2})"})
        CHECK(has_envelope(meta(yes)));
    for (const char* no :
         {"{}", "null", "[]", "1", R"("io.modelcontextprotocol/protocolVersion")",
          R"({"io.modelcontextprotocol/protocolversion":"2026-07-28"})", R"({"protocolVersion":"2026-07-28"})",
          R"({"io.modelcontextprotocol/clientCapabilities":{}})"})
        CHECK(!has_envelope(meta(no)));
    for (const Json& no : {Json(), Json::object(), Json::array(), Json("x")}) CHECK(!has_envelope(no));
}

TEST_CASE("an envelope says who asks") {
    const Caller caller = read(meta(R"({"io.modelcontextprotocol/protocolVersion":"2026-07-28",
        "io.modelcontextprotocol/clientCapabilities":{"sampling":{},"extensions":{"io.modelcontextprotocol/tasks":{}}},
        "io.modelcontextprotocol/clientInfo":{"name":"a\u001b[1m","version":"2"},
        "io.modelcontextprotocol/logLevel":"warning"})"));
    CHECK(caller.revision == modern_revision);
    CHECK(caller.name == "a\\x1b[1m 2");
    CHECK(caller.declares("sampling"));
    CHECK(!caller.declares("roots"));
    CHECK(caller.declares_extension(tasks_extension));
    CHECK(!caller.declares_extension("x"));
    CHECK(caller.log_level == LogLevel::warning);
    const Caller bare = read(meta(R"({"io.modelcontextprotocol/protocolVersion":"2026-07-28",
        "io.modelcontextprotocol/clientCapabilities":{"extensions":[]},"io.modelcontextprotocol/clientInfo":[],
        "io.modelcontextprotocol/logLevel":"WARNING"})"));
    CHECK(bare.name.empty());
    CHECK(!bare.log_level);
    CHECK(!bare.declares_extension(tasks_extension));
}

TEST_CASE("initialize says who asks, as far as it can be understood") {
    const Caller caller = read_initialize(Json::parse(
        R"({"protocolVersion":"2025-06-18","capabilities":{"roots":{}},"clientInfo":{"name":"n","version":"1"}})"));
    CHECK(caller.revision == Revision::r2025_06_18);
    CHECK(caller.name == "n 1");
    CHECK(caller.declares("roots"));
    CHECK(caller.log_level == LogLevel::info);
    for (const char* odd :
         {"{}", "[]", "null", R"({"protocolVersion":1,"capabilities":[],"clientInfo":"x"})",
          R"({"clientInfo":{"name":1,"version":[]}})", R"({"clientInfo":{"name":"","version":"1"}})",
          R"({"clientInfo":{"name":" \u00a0 ","version":"1"}})", R"({"clientInfo":{"version":"1"}})"}) {
        const Caller other = read_initialize(Json::parse(odd));
        CHECK(other.revision == newest_session_revision);
        CHECK(other.name.empty());
        CHECK(other.capabilities == Json::object());
    }
    // What is kept of a session's client is little, whatever it says of itself.
    const Json large = Json::parse(R"({"roots":{"listChanged":true},"sampling":{},"mine":{}})");
    Json capabilities = large;
    capabilities["experimental"] = Json{{"a", std::string(100'000, 'x')}};
    capabilities["extensions"] = Json{{std::string(tasks_extension), Json::object()}};
    const Caller chatty = read_initialize(Json{{"capabilities", capabilities}});
    CHECK(json_text(chatty.capabilities).size() < 200);
    CHECK(chatty.declares("roots"));
    CHECK(chatty.declares("experimental"));
    CHECK(chatty.declares_extension(tasks_extension));
    const std::string longest(1000, 'n');
    CHECK(read_initialize(Json{{"clientInfo", {{"name", longest}}}}).name == longest.substr(0, 100));
}

TEST_CASE("levels have names, and names have levels") {
    for (int each = 0; each < 8; ++each) {
        const auto level = static_cast<LogLevel>(each);
        CHECK(find_log_level(log_level_name(level)) == level);
    }
    for (const char* no : {"", "Info", "trace", "warn", "info "}) CHECK(!find_log_level(no));
}

TEST_CASE("a missing capability is named in the message and in the data") {
    const RpcError error = missing_capability(Json{{"sampling", Json::object()}});
    CHECK(error.code == rpc::missing_capability);
    CHECK(error.message == "Missing required client capability: sampling");
    CHECK(error.data.dump() == R"({"requiredCapabilities":{"sampling":{}}})");
}

}  // namespace caller_test
