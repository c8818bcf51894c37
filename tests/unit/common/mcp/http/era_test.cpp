// Which era a request belongs to and what a wrong one is told: tables of requests and their answers. The order of the
// rows is that of the rules; "beats" marks rows with two faults.
#include <fmt/format.h>

#include "tests/conformance/extra/param_headers.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/http_machine.hpp"

namespace era_test {

using namespace persistproc;
using namespace persistproc::mcp;
using tests::Answer;
using Machine = tests::HttpMachine;

namespace {

const std::string both(Machine::both);
const std::string version(Machine::modern_version);
const std::string claim = R"("io.modelcontextprotocol/protocolVersion":"2026-07-28")";
const std::string able = R"("io.modelcontextprotocol/clientCapabilities":{})";

std::string method(std::string_view name) { return "Mcp-Method: " + std::string(name) + "\r\n"; }
std::string name(std::string_view value) { return "Mcp-Name: " + std::string(value) + "\r\n"; }
std::string in(std::string_view session) { return "Mcp-Session-Id: " + std::string(session) + "\r\n"; }
std::string at(std::string_view revision) { return "MCP-Protocol-Version: " + std::string(revision) + "\r\n"; }

/// A request with this `_meta` alone in its params.
std::string with_meta(std::string_view method_name, const std::string& meta) {
    return Machine::legacy_body(method_name, R"({"_meta":{)" + meta + "}}");
}
std::string call_of(std::string_view tool, std::string_view arguments) {
    return Machine::modern_body("tools/call",
                                R"("name":")" + std::string(tool) + R"(","arguments":)" + std::string(arguments));
}

/// A POST and what answers it. In `headers` `{2025-06-18}` is a session of that revision, `{ended}` one that was
/// deleted, `{alien}` one signed by somebody else; `Accept` is there unless `headers` names it.
struct Row {
    std::string what;
    std::string headers;
    std::string body;
    unsigned status;
    int code = 0;          // of the JSON-RPC error; 0: a result, or no body at all
    std::string id = "1";  // as it is echoed, JSON text; of a result or an error
};

constexpr const char* session_revisions[] = {"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"};

class Table {
public:
    Table() {
        ToolDefinition marked;
        marked.name = "marked";
        marked.input_schema = Machine::marked_schema();
        checks_.add(marked);
        machine.header_check = [this](const Message& message, const http::RequestReader& reader) {
            return checks_.check(message, reader);
        };
        for (const char* revision : session_revisions) known_[revision] = machine.open_session(revision);
        known_["ended"] = machine.open_session();
        machine.send(Machine::request(in(known_["ended"]), "DELETE /mcp HTTP/1.1"));
        known_["alien"] = http::SessionIds(http::SessionKey{1}).make(Revision::r2025_11_25);
        const Answer discovered = machine.answer(
            Machine::post(Machine::modern_body("server/discover"), Machine::modern_headers("server/discover")));
        offered_ = discovered.response()["result"]["supportedVersions"];
        REQUIRE(offered_ == Json::array({"2026-07-28"}));
    }

    std::string fill(std::string text) const {
        for (const auto& [key, id] : known_) {
            const std::string place = '{' + key + '}';
            if (const auto found = text.find(place); found != std::string::npos) text.replace(found, place.size(), id);
        }
        return text;
    }

    void check(const Row& row) {
        INFO(row.what << "\n" << row.headers << row.body.substr(0, 500));
        std::string headers = fill(row.headers);
        if (headers.find("Accept:") == std::string::npos) headers += both;
        const Answer answer = machine.answer(Machine::post(row.body, headers));
        CHECK(answer.status == row.status);
        CHECK(answer.is_complete);
        CHECK(!answer.has("Mcp-Session-Id"));
        CHECK(!answer.has("Access-Control-Allow-Origin"));
        CHECK(machine.connection->is_idle());
        if (row.status == 202) {
            CHECK(answer.body.empty());
            return;
        }
        const Json json = answer.response();
        INFO(answer.body);
        REQUIRE(json.is_object());
        CHECK(json["id"].dump() == row.id);
        CHECK(json["jsonrpc"] == "2.0");
        CHECK(json.contains("result") == (row.code == 0));
        if (row.code == 0) return;
        CHECK(json["error"]["code"] == row.code);
        CHECK(json["error"]["message"].is_string());
        if (row.code != rpc::unsupported_version) return;
        CHECK(json["error"]["data"]["supported"] == offered_);
        CHECK(json["error"]["data"]["requested"].is_string());
        CHECK(json["error"]["data"]["requested"] != offered_[0]);
    }

    Machine machine;

private:
    conformance::HeaderChecks checks_;
    std::map<std::string, std::string> known_;
    Json offered_;
};

template <std::size_t N>
void check_all(const Row (&rows)[N]) {
    Table table;
    for (const Row& row : rows) table.check(row);
}

const std::string list = Machine::modern_body("tools/list");
const std::string list_headers = version + method("tools/list");
const std::string ping = Machine::legacy_body("ping");
const std::string note = R"({"jsonrpc":"2.0","method":"notifications/initialized"})";
const std::string reply = R"({"jsonrpc":"2.0","id":"ask-1","result":{}})";

}  // namespace

TEST_CASE("what is no message is told so before anything else") {
    const Row rows[] = {
        {"nothing", "", "", 400, rpc::parse_error, "null"},
        {"not JSON", "", "hello", 400, rpc::parse_error, "null"},
        {"cut", "", "{\"jsonrpc\":\"2.0\"", 400, rpc::parse_error, "null"},
        {"two texts", "", ping + ping, 400, rpc::parse_error, "null"},
        {"byte order mark", "", "\xEF\xBB\xBF" + ping, 400, rpc::parse_error, "null"},
        {"not UTF-8", "", "{\"jsonrpc\":\"2.0\",\"id\":\"\xff\",\"method\":\"ping\"}", 400, rpc::parse_error, "null"},
        {"a lone surrogate", "", R"({"jsonrpc":"2.0","id":"\ud800","method":"ping"})", 400, rpc::parse_error, "null"},
        {"a member twice", "", R"({"jsonrpc":"2.0","id":1,"id":2,"method":"ping"})", 400, rpc::parse_error, "null"},
        {"deep", "", std::string(65, '[') + std::string(65, ']'), 400, rpc::parse_error, "null"},
        {"very deep", "", std::string(500000, '['), 400, rpc::parse_error, "null"},
        {"many values", "", '[' + std::string(200000, '1') + std::string(1, ']'), 400, rpc::parse_error, "null"},
        {"a number that is none", "", R"({"jsonrpc":"2.0","id":1e999,"method":"ping"})", 400, rpc::parse_error, "null"},
        {"not JSON beats an unknown session", in("{ended}"), "{", 400, rpc::parse_error, "null"},
        {"not JSON beats an unknown version", at("2027-01-01"), "{", 400, rpc::parse_error, "null"},
        {"not JSON, said to be modern", list_headers, "{", 400, rpc::parse_error, "null"},
        {"a string", "", "\"ping\"", 400, rpc::invalid_request, "null"},
        {"a number", "", "1", 400, rpc::invalid_request, "null"},
        {"null", "", "null", 400, rpc::invalid_request, "null"},
        {"an object", "", "{}", 400, rpc::invalid_request, "null"},
        {"no jsonrpc", "", R"({"id":1,"method":"ping"})", 400, rpc::invalid_request},
        {"jsonrpc 1.0", "", R"({"jsonrpc":"1.0","id":1,"method":"ping"})", 400, rpc::invalid_request},
        {"jsonrpc as a number", "", R"({"jsonrpc":2.0,"id":1,"method":"ping"})", 400, rpc::invalid_request},
        {"no jsonrpc beats the claim", list_headers, R"({"id":1,"method":"ping","params":{"_meta":{)" + claim + "}}}",
         400, rpc::invalid_request},
        {"method is a number", "", R"({"jsonrpc":"2.0","id":1,"method":1})", 400, rpc::invalid_request},
        {"method is null", "", R"({"jsonrpc":"2.0","id":1,"method":null})", 400, rpc::invalid_request},
        {"neither method nor result", "", R"({"jsonrpc":"2.0","id":1})", 400, rpc::invalid_request},
        {"result and error", "", R"({"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":""}})", 400,
         rpc::invalid_request},
        {"a result that is no object", in("{2025-11-25}"), R"({"jsonrpc":"2.0","id":1,"result":5})", 400,
         rpc::invalid_request},
        {"no object beats an unknown session", in("{ended}"), "{}", 400, rpc::invalid_request, "null"},
    };
    check_all(rows);
}

TEST_CASE("ids: strings and integers come back as they are, others are refused") {
    const struct {
        std::string id;
        std::string echoed;  // empty: refused
    } ids[] = {
        {"0", "0"},
        {"-7", "-7"},
        {"9223372036854775807", "9223372036854775807"},
        {"-9223372036854775808", "-9223372036854775808"},
        {"18446744073709551615", "18446744073709551615"},
        {"\"\"", "\"\""},
        {"\"1\"", "\"1\""},
        {R"("a\"\\\n\u0001é")", R"("a\"\\\n\u0001é")"},
        {"\"" + std::string(10000, 'x') + "\"", "\"" + std::string(10000, 'x') + "\""},
        {"18446744073709551616", ""},
        {"1.0", ""},
        {"1e2", ""},
        {"1.5", ""},
        {"null", ""},
        {"true", ""},
        {"[]", ""},
        {"{}", ""},
        {"[1]", ""},
    };
    Table table;
    for (const auto& each : ids) {
        const bool is_good = !each.echoed.empty();
        const unsigned status = is_good ? 200 : 400;
        const int code = is_good ? 0 : rpc::invalid_request;
        const std::string echoed = is_good ? each.echoed : "null";
        table.check({"legacy", in("{2025-11-25}"), Machine::legacy_body("ping", {}, each.id), status, code, echoed});
        table.check(
            {"modern", list_headers, Machine::modern_body("tools/list", {}, {}, each.id), status, code, echoed});
    }
}

TEST_CASE("params: an object, null, or not there; the session is looked at first") {
    const auto with = [](std::string_view params) { return Machine::legacy_body("ping", params); };
    const Row rows[] = {
        {"absent", in("{2025-06-18}"), ping, 200},
        {"null", in("{2025-06-18}"), with("null"), 200},
        {"empty", in("{2025-06-18}"), with("{}"), 200},
        {"array", in("{2025-06-18}"), with("[]"), 200, rpc::invalid_params},
        {"string", in("{2025-06-18}"), with("\"a\""), 200, rpc::invalid_params},
        {"number", in("{2025-06-18}"), with("1"), 200, rpc::invalid_params},
        {"array without a session", "", with("[]"), 400, rpc::invalid_request},
        {"array in an ended session", in("{ended}"), with("[]"), 404, rpc::session_not_found},
        {"array, said to be modern", version, Machine::legacy_body("tools/list", "[]"), 400, rpc::invalid_params},
        {"array of a removed method", version, with("[]"), 404, rpc::method_not_found},
        {"array of initialize", "", Machine::legacy_body("initialize", "[]"), 200, rpc::invalid_params},
        {"array of a notification", in("{2025-06-18}"), R"({"jsonrpc":"2.0","method":"n","params":[]})", 202},
    };
    check_all(rows);
}

TEST_CASE("2026-07-28: faults of the envelope and of its headers, in their order") {
    const std::string wrong_version = at("2025-11-25");
    const std::string future = R"("io.modelcontextprotocol/protocolVersion":"2027-01-01")";
    const auto claimed = [](const std::string& value) {
        return "\"io.modelcontextprotocol/protocolVersion\":" + value + ',' + able;
    };
    const auto enabled = [](const std::string& value) {
        return claim + ",\"io.modelcontextprotocol/clientCapabilities\":" + value;
    };
    const Row rows[] = {
        // a
        {"claim is a number", list_headers, with_meta("tools/list", claimed("20260728")), 400, rpc::invalid_params},
        {"claim is null", list_headers, with_meta("tools/list", claimed("null")), 400, rpc::invalid_params},
        {"claim is an object", list_headers, with_meta("tools/list", claimed("{}")), 400, rpc::invalid_params},
        {"claim is a list", "", with_meta("tools/list", claimed(R"(["2026-07-28"])")), 400, rpc::invalid_params},
        {"a beats b", version + method("ping"), with_meta("tools/list", claimed("1")), 400, rpc::invalid_params},
        {"a beats a missing session", in("{ended}"), with_meta("tools/list", claimed("1")), 400, rpc::invalid_params},
        // b
        {"version header of a session", wrong_version + method("tools/list"), list, 400, rpc::header_mismatch},
        {"version header empty", at("") + method("tools/list"), list, 400, rpc::header_mismatch},
        {"version header unknown", at("2027-01-01") + method("tools/list"), list, 400, rpc::header_mismatch},
        {"another method", version + method("tools/call"), list, 400, rpc::header_mismatch},
        {"method in capitals", version + method("TOOLS/LIST"), list, 400, rpc::header_mismatch},
        {"method empty", version + method(""), list, 400, rpc::header_mismatch},
        {"method without a version header", method("tools/call"), list, 400, rpc::header_mismatch},
        {"b beats c", version + method("tools/list"), with_meta("tools/list", future + ',' + able), 400,
         rpc::header_mismatch},
        {"b, method, beats c", at("2027-01-01") + method("x"), with_meta("tools/list", future + ',' + able), 400,
         rpc::header_mismatch},
        {"b beats d", wrong_version + method("tools/list"), with_meta("tools/list", claim), 400, rpc::header_mismatch},
        {"b beats f", version + method("tools/list"), Machine::modern_body("nonsense"), 400, rpc::header_mismatch},
        // c
        {"unknown version", at("2027-01-01") + method("tools/list"), with_meta("tools/list", future + ',' + able), 400,
         rpc::unsupported_version},
        {"a version with sessions", at("2025-11-25") + method("tools/list"),
         with_meta("tools/list", claimed("\"2025-11-25\"")), 400, rpc::unsupported_version},
        {"an empty version", at("") + method("tools/list"), with_meta("tools/list", claimed("\"\"")), 400,
         rpc::unsupported_version},
        {"c beats d", at("2027-01-01"), with_meta("tools/list", future), 400, rpc::unsupported_version},
        {"c beats e", "", with_meta("tools/list", future + ',' + able), 400, rpc::unsupported_version},
        {"c beats f", "", with_meta("nonsense", future + ',' + able), 400, rpc::unsupported_version},
        {"c beats f, initialize", at("2027-01-01"), with_meta("initialize", future), 400, rpc::unsupported_version},
        // d
        {"no capabilities", list_headers, with_meta("tools/list", claim), 400, rpc::invalid_params},
        {"capabilities null", list_headers, with_meta("tools/list", enabled("null")), 400, rpc::invalid_params},
        {"capabilities a list", list_headers, with_meta("tools/list", enabled("[]")), 400, rpc::invalid_params},
        {"capabilities true", list_headers, with_meta("tools/list", enabled("true")), 400, rpc::invalid_params},
        {"d beats e", "", with_meta("tools/list", claim), 400, rpc::invalid_params},
        {"d beats f", version + method("nonsense"), with_meta("nonsense", claim), 400, rpc::invalid_params},
        // e
        {"no headers", "", list, 400, rpc::header_mismatch},
        {"no version header", method("tools/list"), list, 400, rpc::header_mismatch},
        {"no method header", version, list, 400, rpc::header_mismatch},
        {"no name", version + method("tools/call"), call_of("echo", "{}"), 400, rpc::header_mismatch},
        {"another name", version + method("tools/call") + name("hold"), call_of("echo", "{}"), 400,
         rpc::header_mismatch},
        {"name in capitals", version + method("tools/call") + name("ECHO"), call_of("echo", "{}"), 400,
         rpc::header_mismatch},
        {"name that is not base64", version + method("tools/call") + name("=?base64?ZWNobw?="), call_of("echo", "{}"),
         400, rpc::header_mismatch},
        {"name for no name", version + method("tools/call") + name("echo"), Machine::modern_body("tools/call"), 400,
         rpc::header_mismatch},
        {"no name of a prompt", version + method("prompts/get"),
         Machine::modern_body("prompts/get", R"("name":"plain")"), 400, rpc::header_mismatch},
        {"no name of a resource", version + method("resources/read"),
         Machine::modern_body("resources/read", R"("uri":"test://a")"), 400, rpc::header_mismatch},
        {"another resource", version + method("resources/read") + name("test://b"),
         Machine::modern_body("resources/read", R"("uri":"test://a")"), 400, rpc::header_mismatch},
        {"no name of a task", version + method("tasks/get"), Machine::modern_body("tasks/get", R"("taskId":"t")"), 400,
         rpc::header_mismatch},
        {"no name of a task to update", version + method("tasks/update"),
         Machine::modern_body("tasks/update", R"("taskId":"t")"), 400, rpc::header_mismatch},
        {"no name of a task to cancel", version + method("tasks/cancel"),
         Machine::modern_body("tasks/cancel", R"("taskId":"t")"), 400, rpc::header_mismatch},
        {"e beats f", version, Machine::modern_body("nonsense"), 400, rpc::header_mismatch},
        {"e beats g", version + method("tools/call") + "Mcp-Param-Region: eu\r\n", call_of("marked", "{}"), 400,
         rpc::header_mismatch},
        // f
        {"unknown method", version + method("nonsense"), Machine::modern_body("nonsense"), 404, rpc::method_not_found},
        {"initialize", version + method("initialize"), Machine::modern_body("initialize"), 404, rpc::method_not_found},
        {"ping", version + method("ping"), Machine::modern_body("ping"), 404, rpc::method_not_found},
        {"logging/setLevel", version + method("logging/setLevel"), Machine::modern_body("logging/setLevel"), 404,
         rpc::method_not_found},
        {"resources/subscribe", version + method("resources/subscribe"), Machine::modern_body("resources/subscribe"),
         404, rpc::method_not_found},
        {"resources/unsubscribe", version + method("resources/unsubscribe"),
         Machine::modern_body("resources/unsubscribe"), 404, rpc::method_not_found},
        {"tasks/list", version + method("tasks/list"), Machine::modern_body("tasks/list"), 404, rpc::method_not_found},
        {"tasks/result", version + method("tasks/result"), Machine::modern_body("tasks/result"), 404,
         rpc::method_not_found},
        {"a notification's name with an id", version + method("notifications/cancelled"),
         Machine::modern_body("notifications/cancelled"), 404, rpc::method_not_found},
        {"an empty method", version + method(""), Machine::modern_body(""), 404, rpc::method_not_found},
        {"a version as a method", version + method("tools/list "), Machine::modern_body("tools/list "), 400,
         rpc::header_mismatch},
        // h
        {"a list", list_headers, list, 200},
        {"blanks around the values", at("  2026-07-28\t") + method(" tools/list "), list, 200},
        {"headers in other cases", "mcp-protocol-version: 2026-07-28\r\nMCP-METHOD: tools/list\r\n", list, 200},
        {"a name that nobody needs", list_headers + name("x"), list, 200},
        {"a session that is none", list_headers + in("nonsense"), list, 200},
        {"an ended session", list_headers + in("{ended}"), list, 200},
        {"a live session of another revision", list_headers + in("{2025-03-26}"), list, 200},
        {"an event nobody knows", list_headers + "Last-Event-ID: s1-1\r\n", list, 200},
        {"keys of `_meta` that nobody knows", list_headers,
         Machine::modern_body("tools/list", {}, R"("com.example/x":1,"traceparent":"00-1-2-03","progressToken":1)"),
         200},
        {"odd client info", list_headers,
         Machine::modern_body("tools/list", {}, R"("io.modelcontextprotocol/clientInfo":7)"), 200},
        {"odd log level", list_headers,
         Machine::modern_body("tools/list", {}, R"("io.modelcontextprotocol/logLevel":"loud")"), 200},
        {"no `name`", version + method("tools/call"), Machine::modern_body("tools/call"), 200, rpc::invalid_params},
        {"`name` is no string", version + method("tools/call"), Machine::modern_body("tools/call", R"("name":1)"), 200,
         rpc::invalid_params},
        {"unknown tool", version + method("tools/call") + name("x"), call_of("x", "{}"), 200, rpc::invalid_params},
        {"unknown prompt", version + method("prompts/get") + name("x"),
         Machine::modern_body("prompts/get", R"("name":"x")"), 200, rpc::invalid_params},
        {"unknown resource", version + method("resources/read") + name("test://gone"),
         Machine::modern_body("resources/read", R"("uri":"test://gone")"), 200, rpc::invalid_params},
        {"bad cursor", list_headers, Machine::modern_body("tools/list", R"("cursor":"x")"), 200, rpc::invalid_params},
        {"a task without the extension", version + method("tasks/get") + name("t"),
         Machine::modern_body("tasks/get", R"("taskId":"t")"), 400, rpc::missing_capability},
        {"an unknown task", version + method("tasks/get") + name("t"),
         Machine::modern_body("tasks/get", R"("taskId":"t")", {}, "1",
                              R"({"extensions":{"io.modelcontextprotocol/tasks":{}}})"),
         200, rpc::invalid_params},
        {"a tool that needs sampling", version + method("tools/call") + name("needs_sampling"),
         call_of("needs_sampling", "{}"), 400, rpc::missing_capability},
        {"a resource that cannot be read", version + method("resources/read") + name("test://broken"),
         Machine::modern_body("resources/read", R"("uri":"test://broken")"), 200, rpc::internal_error},
        {"listen without `notifications`", version + method("subscriptions/listen"),
         Machine::modern_body("subscriptions/listen"), 200, rpc::invalid_params},
        {"listen without events", "Accept: application/json\r\n" + version + method("subscriptions/listen"),
         Machine::modern_body("subscriptions/listen", R"("notifications":{})"), 400, rpc::invalid_request},
    };
    check_all(rows);
}

TEST_CASE("names in headers: literal, or base64 of any text") {
    const auto read = [](const std::string& uri, const std::string& header) {
        return Row{header, version + method("resources/read") + name(header),
                   Machine::modern_body("resources/read", "\"uri\":" + Json(uri).dump()), 200};
    };
    const Row rows[] = {
        read("test://a", "test://a"),
        read("test://a", "\t test://a "),
        read("test://a", "=?base64?dGVzdDovL2E=?="),
        read("test://é", "=?base64?dGVzdDovL8Op?="),
        read(" a ", "=?base64?IGEg?="),
        read("a\r\nX-Injected: 1", "=?base64?YQ0KWC1JbmplY3RlZDogMQ==?="),
        read("=?base64?", "=?base64?"),
        read("=?BASE64?YQ==?=", "=?BASE64?YQ==?="),
        read("",
             "=?base64?"
             "?="),
        read(std::string("\0x", 2), "=?base64?AHg=?="),
    };
    check_all(rows);
}

TEST_CASE("arguments in headers: there when the argument is, and the same") {
    const auto row = [](const char* what, const std::string& headers, std::string_view arguments, bool is_good) {
        return Row{what, version + method("tools/call") + name("marked") + headers, call_of("marked", arguments),
                   is_good ? 200u : 400u, is_good ? 0 : rpc::header_mismatch};
    };
    const auto param = [](std::string_view key, std::string_view value) {
        return "Mcp-Param-" + std::string(key) + ": " + std::string(value) + "\r\n";
    };
    const Row rows[] = {
        row("none", "", "{}", true),
        row("string", param("Region", "eu"), R"({"region":"eu"})", true),
        row("string, header in capitals", param("REGION", "eu"), R"({"region":"eu"})", true),
        row("string in base64", param("Region", "=?base64?ZXU=?="), R"({"region":"eu"})", true),
        row("string that is missing", "", R"({"region":"eu"})", false),
        row("string that differs", param("Region", "us"), R"({"region":"eu"})", false),
        row("string in capitals", param("Region", "EU"), R"({"region":"eu"})", false),
        row("string in bad base64", param("Region", "=?base64?ZXU?="), R"({"region":"eu"})", false),
        row("empty string", param("Region", ""), R"({"region":""})", true),
        row("for an absent argument", param("Region", "eu"), "{}", false),
        row("for a null argument", param("Region", "null"), R"({"region":null})", false),
        row("null without a header", "", R"({"region":null})", true),
        row("integer", param("Count", "42"), R"({"count":42})", true),
        row("negative integer", param("Count", "-42"), R"({"count":-42})", true),
        row("integer with a zero before", param("Count", "042"), R"({"count":42})", true),
        row("integer with a plus", param("Count", "+42"), R"({"count":42})", false),
        row("integer as a float", param("Count", "42"), R"({"count":42.0})", true),
        row("integer that differs", param("Count", "43"), R"({"count":42})", false),
        row("integer with more", param("Count", "42x"), R"({"count":42})", false),
        row("integer beyond doubles", param("Count", "9007199254740993"), R"({"count":9007199254740993})", true),
        row("neighbour beyond doubles", param("Count", "9007199254740992"), R"({"count":9007199254740993})", false),
        row("integer that is missing", "", R"({"count":0})", false),
        row("boolean", param("Dry", "true"), R"({"dry":true})", true),
        row("false is there", "", R"({"dry":false})", false),
        row("false", param("Dry", "false"), R"({"dry":false})", true),
        row("boolean in capitals", param("Dry", "True"), R"({"dry":true})", false),
        row("boolean as a number", param("Dry", "1"), R"({"dry":true})", false),
        row("a member of a member", param("Zone", "b"), R"({"where":{"zone":"b"}})", true),
        row("a member of a member that is missing", "", R"({"where":{"zone":"b"}})", false),
        row("a member of no object", param("Zone", "b"), R"({"where":"b"})", false),
        row("another type is the tool's to refuse", param("Region", "[]"), R"({"region":[]})", true),
        row("all", param("Region", "eu") + param("Count", "1") + param("Dry", "true"),
            R"({"region":"eu","count":1,"dry":true})", true),
        row("one of two is wrong", param("Region", "eu") + param("Count", "2"), R"({"region":"eu","count":1})", false),
        row("a header that no argument has", param("Other", "x"), "{}", true),
        {"arguments are no object", version + method("tools/call") + name("marked"), call_of("marked", "[]"), 200,
         rpc::invalid_params},
        {"an unknown tool has no marks", version + method("tools/call") + name("x") + param("Region", "eu"),
         call_of("x", "{}"), 200, rpc::invalid_params},
    };
    check_all(rows);
}

TEST_CASE("a header that must be there once is refused twice") {
    Table table;
    const std::string marked = call_of("marked", R"({"region":"eu"})");
    const std::string good = version + method("tools/call") + name("marked") + "Mcp-Param-Region: eu\r\n";
    table.check({"once", good, marked, 200});
    for (const std::string& again : {version, method("tools/call"), name("marked"),
                                     std::string("mcp-param-region: us\r\n"), in("{2025-11-25}") + in("x")})
        CHECK(table.machine.answer(Machine::post(marked, table.fill(good + again))).status == 400);
}

TEST_CASE("the header says 2026-07-28, the body says nothing") {
    const auto body = [](std::string_view of) { return Machine::legacy_body(of); };
    const Row rows[] = {
        {"initialize", version, Machine::legacy_body("initialize", R"({"protocolVersion":"2025-11-25"})"), 400,
         rpc::header_mismatch},
        {"unknown", version, body("nonsense"), 404, rpc::method_not_found},
        {"ping", version, ping, 404, rpc::method_not_found},
        {"logging/setLevel", version, body("logging/setLevel"), 404, rpc::method_not_found},
        {"tools/list", list_headers, body("tools/list"), 400, rpc::invalid_params},
        {"server/discover", version + method("server/discover"), body("server/discover"), 400, rpc::invalid_params},
        {"subscriptions/listen", version, body("subscriptions/listen"), 400, rpc::invalid_params},
        {"`_meta` without the claim", list_headers, with_meta("tools/list", able), 400, rpc::invalid_params},
        {"`_meta` is a list", list_headers, Machine::legacy_body("tools/list", R"({"_meta":[]})"), 400,
         rpc::invalid_params},
        {"beats a live session", list_headers + in("{2025-11-25}"), body("tools/list"), 400, rpc::invalid_params},
        {"beats an ended session", version + in("{ended}"), body("nonsense"), 404, rpc::method_not_found},
        {"notification", version, note, 202},
        {"notification in an ended session", version + in("{ended}"), note, 202},
        {"cancellation", version, R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}})",
         202},
        {"batch", version, "[" + ping + "]", 400, rpc::invalid_request, "null"},
        {"batch in a session that has them", version + in("{2025-03-26}"), "[" + ping + "]", 400, rpc::invalid_request,
         "null"},
        {"a response without a session", version, reply, 400, rpc::invalid_request, "null"},
        {"a response in a session", version + in("{2025-11-25}"), reply, 202},
    };
    check_all(rows);
}

TEST_CASE("what belongs to a session needs one that lives") {
    const std::string live = in("{2025-11-25}");
    const Row rows[] = {
        {"request without a session", "", ping, 400, rpc::invalid_request},
        {"notification without a session", "", note, 400, rpc::invalid_request, "null"},
        {"response without a session", "", reply, 400, rpc::invalid_request, "null"},
        {"empty session", in(""), ping, 404, rpc::session_not_found},
        {"nonsense", in("nonsense"), ping, 404, rpc::session_not_found},
        {"signed by another key", in("{alien}"), ping, 404, rpc::session_not_found},
        {"ended", in("{ended}"), ping, 404, rpc::session_not_found},
        {"notification of an ended session", in("{ended}"), note, 404, rpc::session_not_found, "null"},
        {"response of an ended session", in("{ended}"), reply, 404, rpc::session_not_found, "null"},
        {"ping", live, ping, 200},
        {"a modern method", live, Machine::legacy_body("server/discover"), 200, rpc::method_not_found},
        {"unknown method", live, Machine::legacy_body("nonsense"), 200, rpc::method_not_found},
        {"bad log level", live, Machine::legacy_body("logging/setLevel", R"({"level":"loud"})"), 200,
         rpc::invalid_params},
        {"unknown resource", live, Machine::legacy_body("resources/read", R"({"uri":"test://gone"})"), 200,
         rpc::resource_not_found},
        {"notification", live, note, 202},
        {"unknown notification", live, R"({"jsonrpc":"2.0","method":"notifications/x"})", 202},
        {"response to no question", live, reply, 202},
        {"error to no question", live, R"({"jsonrpc":"2.0","id":"x","error":{"code":-1,"message":"no"}})", 202},
        // The header's version
        {"its own version", live + at("2025-11-25"), ping, 200},
        {"another version with sessions", live + at("2025-03-26"), ping, 200},
        {"the oldest", live + at("2024-11-05"), ping, 200},
        {"no version", live, ping, 200},
        {"unknown version", live + at("2027-01-01"), ping, 400, rpc::unsupported_version},
        {"nonsense as a version", live + at("1.0"), ping, 400, rpc::unsupported_version},
        {"empty version", live + at(""), ping, 400, rpc::unsupported_version},
        {"unknown version of a notification", live + at("2027-01-01"), note, 400, rpc::unsupported_version, "null"},
        {"unknown version of a response", live + at("2027-01-01"), reply, 400, rpc::unsupported_version, "null"},
        {"unknown version beats no session", at("2027-01-01"), ping, 400, rpc::unsupported_version},
        {"unknown version beats an ended session", at("2027-01-01") + in("{ended}"), ping, 400,
         rpc::unsupported_version},
    };
    check_all(rows);
}

TEST_CASE("batches: of 2025-03-26 alone, never with a claim or an initialize in them") {
    Table table;
    const std::string pings = "[" + ping + "]";
    const std::string opening = Machine::legacy_body("initialize", R"({"protocolVersion":"2025-03-26"})");
    for (const char* revision : session_revisions) {
        const std::string session = in(table.fill('{' + std::string(revision) + '}'));
        const bool has_batches = std::string(revision) == "2025-03-26";
        INFO(revision);
        const auto refused = [&](const char* what, const std::string& body) {
            table.check({what, session, body, 400, rpc::invalid_request, "null"});
        };
        refused("empty", "[]");
        refused("a claim in it", "[" + ping + "," + list + "]");
        refused("initialize in it", "[" + opening + "]");
        if (!has_batches) {
            refused("requests", pings);
            refused("notifications", "[" + note + "]");
            continue;
        }
        table.check({"notifications", session, "[" + note + "," + note + "]", 202});
        table.check({"responses", session, "[" + reply + "]", 202});
        const Answer answer =
            table.machine.answer(Machine::post("[" + ping + "," + note + ",7," + reply + "]", session + both));
        CHECK(answer.status == 200);
        const Json all = answer.response();
        REQUIRE(all.size() == 2);
        CHECK(all[0]["error"]["code"] == rpc::invalid_request);
        CHECK(all[0]["id"].is_null());
        CHECK(all[1] == Json::parse(R"({"jsonrpc":"2.0","id":1,"result":{}})"));
    }
    table.check({"without a session", "", pings, 400, rpc::invalid_request, "null"});
    table.check({"in an ended session", in("{ended}"), pings, 404, rpc::session_not_found, "null"});
    table.check({"empty beats an ended session", in("{ended}"), "[]", 400, rpc::invalid_request, "null"});
    table.check({"a claim beats no session", "", "[" + list + "]", 400, rpc::invalid_request, "null"});
    table.check({"initialize beats no session", "", "[" + opening + "]", 400, rpc::invalid_request, "null"});
}

TEST_CASE("initialize: its own revision, else the newest with sessions, and a new session each time") {
    const struct {
        const char* asked;
        const char* given;
    } rows[] = {{"2024-11-05", "2024-11-05"}, {"2025-03-26", "2025-03-26"}, {"2025-06-18", "2025-06-18"},
                {"2025-11-25", "2025-11-25"}, {"2026-07-28", "2025-11-25"}, {"2027-01-01", "2025-11-25"},
                {"", "2025-11-25"},           {"1.0", "2025-11-25"}};
    Table table;
    std::set<std::string> ids;
    for (const auto& row : rows) {
        for (const std::string& headers :
             {std::string(), in("{ended}"), in("{2025-06-18}"), at("2027-01-01"), at("2025-03-26")}) {
            INFO(row.asked << " " << headers);
            const std::string body =
                Machine::legacy_body("initialize", R"({"protocolVersion":")" + std::string(row.asked) + "\"}");
            const Answer answer = table.machine.answer(Machine::post(body, table.fill(headers) + both));
            CHECK(answer.status == 200);
            CHECK(answer.response()["result"]["protocolVersion"] == row.given);
            const std::string* id = answer.find("Mcp-Session-Id");
            REQUIRE(id != nullptr);
            CHECK(ids.insert(*id).second);
            CHECK(id->find_first_of(" \t\"") == std::string::npos);
            // Before notifications/initialized, as VS Code asks.
            const std::string early = Machine::legacy_body("logging/setLevel", R"({"level":"debug"})");
            CHECK(table.machine.answer(Machine::post(early, Machine::in(*id))).response()["result"] == Json::object());
            const Answer listed =
                table.machine.answer(Machine::post(Machine::legacy_body("tools/list"), Machine::in(*id)));
            CHECK(listed.response()["result"]["tools"].size() > 3);
            CHECK(!listed.response()["result"].contains("resultType"));
            CHECK(!listed.response()["result"].contains("ttlMs"));
        }
    }
    for (const char* params : {"{}", R"({"protocolVersion":1})", R"({"protocolVersion":null})"}) {
        const Row row{"no version", "", Machine::legacy_body("initialize", params), 200, rpc::invalid_params};
        table.check(row);
    }
}

TEST_CASE("GET and DELETE: of sessions alone") {
    Table table;
    const std::string events = "Accept: text/event-stream\r\n";
    const struct {
        const char* line;
        std::string headers;
        unsigned status;
        const char* allowed;  // null: no Allow
    } rows[] = {
        {"GET", events, 405, "POST, GET, DELETE"},
        {"GET", version + events, 405, "POST"},
        {"GET", version + events + in("{2025-11-25}"), 405, "POST"},
        {"GET", version + in("{ended}"), 405, "POST"},
        {"GET", events + in("nonsense"), 404, nullptr},
        {"GET", events + in("{ended}"), 404, nullptr},
        {"GET", events + in("{alien}"), 404, nullptr},
        {"GET", "Accept: application/json\r\n" + in("{2025-11-25}"), 406, nullptr},
        {"GET", events + in("{2025-11-25}") + at("2027-01-01"), 400, nullptr},
        {"GET", events + in("{2025-11-25}") + "Last-Event-ID: nonsense\r\n", 400, nullptr},
        {"GET", events + in("{2025-11-25}") + "Last-Event-ID: s1-1\r\n", 400, nullptr},
        {"GET", events + in("{2025-11-25}") + "Last-Event-ID: \r\n", 200, nullptr},
        {"GET", events + in("{2025-11-25}"), 200, nullptr},
        {"GET", "Accept: */*\r\n" + in("{2025-03-26}"), 200, nullptr},
        {"GET", in("{2024-11-05}"), 200, nullptr},
        {"DELETE", "", 400, nullptr},
        {"DELETE", version, 405, "POST"},
        {"DELETE", version + in("{2025-11-25}"), 405, "POST"},
        {"DELETE", in("nonsense"), 404, nullptr},
        {"DELETE", in("{ended}"), 404, nullptr},
        {"DELETE", in("{2025-06-18}") + at("2027-01-01"), 400, nullptr},
        {"DELETE", in("{2025-06-18}") + at("2025-11-25"), 200, nullptr},
        {"DELETE", in("{2025-06-18}"), 404, nullptr},
        {"GET", events + in("{2025-06-18}"), 404, nullptr},
        {"PUT", version, 405, "POST, GET, DELETE"},
        {"OPTIONS", "Origin: http://127.0.0.1:8947\r\n", 405, "POST, GET, DELETE"},
    };
    for (const auto& row : rows) {
        INFO(row.line << " " << row.headers);
        const Answer answer =
            table.machine.answer(Machine::request(table.fill(row.headers), std::string(row.line) + " /mcp HTTP/1.1"));
        CHECK(answer.status == row.status);
        CHECK(!answer.has("Mcp-Session-Id"));
        CHECK(!answer.has("Access-Control-Allow-Origin"));
        const std::string* allowed = answer.find("Allow");
        CHECK((allowed == nullptr ? "none" : *allowed) == (row.allowed == nullptr ? std::string("none") : row.allowed));
        if (row.status == 200) table.machine.connection->lost();
    }
    // What was deleted stays so, in every way it can be used.
    table.check({"request", in("{2025-06-18}"), ping, 404, rpc::session_not_found});
    table.check({"batch", in("{2025-06-18}"), "[" + ping + "]", 404, rpc::session_not_found, "null"});
}

TEST_CASE("before MCP: types, sizes, what the client takes") {
    Table table;
    const std::string live = table.fill(in("{2025-11-25}"));
    const auto status = [&](const std::string& request) { return table.machine.answer(request).status; };
    for (const bool is_modern : {false, true}) {
        const std::string body = is_modern ? list : ping;
        const std::string headers = is_modern ? list_headers : live;
        INFO(is_modern);
        const auto typed = [&](const std::string& type) {
            return "POST /mcp HTTP/1.1\r\nHost: localhost\r\n" + type +
                   "Content-Length: " + std::to_string(body.size()) + "\r\n" + headers + "\r\n" + body;
        };
        for (const char* good : {"application/json", "Application/JSON", "application/json; charset=utf-8",
                                 "application/json;charset=\"utf-8\";x=y"})
            CHECK(status(typed("Content-Type: " + std::string(good) + "\r\n")) == 200);
        for (const char* bad : {"text/plain", "application/json-rpc", "application/x-www-form-urlencoded",
                                "multipart/form-data", "text/json", "*/*", ""})
            CHECK(status(typed("Content-Type: " + std::string(bad) + "\r\n")) == 415);
        CHECK(status(typed("")) == 415);
        CHECK(status(Machine::post(body, headers + "Content-Encoding: gzip\r\n")) == 415);
        CHECK(status(Machine::post(body, headers + "Content-Encoding: identity\r\n")) == 200);

        const struct {
            const char* accept;
            const char* type;  // null: 406
        } accepts[] = {{"application/json, text/event-stream", "application/json"},
                       {"text/event-stream, application/json", "application/json"},
                       {"application/json", "application/json"},
                       {"text/event-stream", "text/event-stream"},
                       {"*/*", "application/json"},
                       {"", "application/json"},
                       {"application/*", "application/json"},
                       {"text/*", "text/event-stream"},
                       {"APPLICATION/JSON;q=0.1", "application/json"},
                       {"application/json;q=0, text/event-stream", "text/event-stream"},
                       {"text/html", nullptr},
                       {"application/json;q=0", nullptr},
                       {"application/xml, image/*", nullptr}};
        for (const auto& row : accepts) {
            INFO(row.accept);
            const Answer answer = table.machine.answer(Machine::post(body, headers + "Accept: " + row.accept + "\r\n"));
            CHECK(answer.status == (row.type == nullptr ? 406 : 200));
            if (row.type == nullptr) continue;
            CHECK(*answer.find("Content-Type") == row.type);
            CHECK(answer.response()["id"] == 1);
        }
        // An early failure is JSON with its status for everybody: nobody looks for events behind 404.
        const std::string unknown = is_modern ? Machine::modern_body("nonsense") : Machine::legacy_body("ping");
        const Answer refused = table.machine.answer(Machine::post(
            unknown, "Accept: text/event-stream\r\n" + (is_modern ? version + method("nonsense") : in("nonsense"))));
        CHECK(refused.status == 404);
        CHECK(*refused.find("Content-Type") == "application/json");

        // 4 MiB are taken, one byte more is not.
        const std::size_t bound = 4u << 20;
        const auto padded = [&](std::size_t size) { return body + std::string(size - body.size(), ' '); };
        CHECK(status(Machine::post(padded(bound), headers)) == 200);
        const Answer large = table.machine.answer(Machine::post(padded(bound + 1), headers));
        CHECK(large.status == 413);
        CHECK(*large.find("Connection") == "close");
        const auto chunked = [&](std::size_t size) {
            std::string out = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" + headers +
                              "Transfer-Encoding: chunked\r\n\r\n";
            const std::string whole = padded(size);
            for (std::size_t from = 0; from < size; from += 65536) {
                const std::string part = whole.substr(from, 65536);
                out += fmt::format("{:x}\r\n", part.size()) + part + "\r\n";
            }
            return out + "0\r\n\r\n";
        };
        CHECK(status(chunked(bound)) == 200);
        CHECK(status(chunked(bound + 1)) == 413);
    }
}

TEST_CASE("a request cut at any byte gets no answer, and its body cut is no JSON") {
    Table table;
    Machine& machine = table.machine;
    const std::string requests[] = {Machine::post(ping, table.fill(in("{2025-11-25}")) + both),
                                    Machine::modern_call("echo", R"({"a":"é"})")};
    for (const std::string& whole : requests) {
        const std::string expected = machine.send(machine.connection = machine.connect(), whole);
        REQUIRE(expected.find("HTTP/1.1 200") == 0);
        const auto body = whole.find("\r\n\r\n") + 4;
        for (std::size_t cut = 0; cut < whole.size(); ++cut) {
            INFO(whole.substr(0, cut));
            const auto connection = machine.connect();
            CHECK(machine.send(connection, std::string_view(whole).substr(0, cut)).empty());
            const auto other = machine.connect();
            machine.send(other, std::string_view(whole).substr(0, cut));
            CHECK(machine.send(other, std::string_view(whole).substr(cut)) == expected);
            connection->end_of_input();
            CHECK(machine.take(connection).empty());
            CHECK(connection->phase() == http::Connection::Phase::over);
            if (cut < body) continue;
            std::string shorter = whole.substr(0, cut);
            const std::string length = "Content-Length: " + std::to_string(whole.size() - body);
            shorter.replace(shorter.find(length), length.size(), "Content-Length: " + std::to_string(cut - body));
            const Answer answer = machine.answer(shorter);
            CHECK(answer.status == 400);
            CHECK(answer.response()["error"]["code"] == rpc::parse_error);
        }
    }
    CHECK(machine.server.open_calls() == 0);
}

}  // namespace era_test
