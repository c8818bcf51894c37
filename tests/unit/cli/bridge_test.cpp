#include "cli/bridge/agent_environment.hpp"
#include "cli/bridge/agent_session.hpp"
#include "cli/bridge/line_reader.hpp"
#include "cli/bridge/message_scan.hpp"
#include "tests/support/catch.hpp"

namespace bridge_test {

using namespace persistproc::cli::bridge;

namespace {

/// The lines of `text`, cut at two places; a line that is too long is "!".
std::vector<std::string> lines_of(std::string_view text, std::size_t first, std::size_t second, std::size_t max) {
    LineReader reader(max);
    std::vector<Line> lines;
    reader.feed(text.substr(0, first), lines);
    reader.feed(text.substr(first, second - first), lines);
    reader.feed(text.substr(second), lines);
    if (auto rest = reader.finish()) lines.push_back(std::move(*rest));
    std::vector<std::string> out;
    for (const auto& line : lines) {
        CHECK((!line.is_too_long || line.text.empty()));
        out.push_back(line.is_too_long ? "!" : line.text);
    }
    return out;
}

using Words = std::vector<std::string>;

}  // namespace

TEST_CASE("lines are the same however they come") {
    const std::string text =
        "one\r\n\n  \r\n\rtwo \n0123456789\n0123456789\r\n0123456789x\nthree\rfour\n01234567890123456789\nlast";
    const Words expected{"one", "\rtwo ", "0123456789", "0123456789", "!", "three\rfour", "!", "last"};
    for (std::size_t first = 0; first <= text.size(); ++first)
        for (std::size_t second = first; second <= text.size(); second += 3)
            REQUIRE(lines_of(text, first, second, 10) == expected);
    CHECK(lines_of("", 0, 0, 10).empty());
    CHECK(lines_of("\r\n \t", 1, 2, 10).empty());
}

TEST_CASE("a message becomes one line") {
    CHECK(one_line("{\"a\":\r\n 1}\n") == "{\"a\":   1} ");
    CHECK(one_line("{}") == "{}");
}

TEST_CASE("a wait that is asked again has what is left of its time") {
    using namespace std::chrono_literals;
    const auto left = [](const std::string& arguments) {
        const std::string text =
            R"({"id":1,"method":"tools/call","params":{"name":"wait_for_process","arguments":)" + arguments + "}}";
        return with_rest_of_time(scan_message(text), text, 10s);
    };
    const auto seconds = [](const std::string& text) {
        constexpr std::string_view key = "\"timeout_seconds\":";
        const auto at = text.find(key);
        if (at == text.npos) return std::string();
        return text.substr(at + key.size(), text.find_first_of(",}", at) - at - key.size());
    };
    CHECK(seconds(left(R"({"process":"web","timeout_seconds":45})")) == "35.0");
    CHECK(seconds(left(R"({"process":"web","timeout_seconds":"1m"})")) == "50.0");
    CHECK(seconds(left(R"({"process":"web"})")) == "20.0");
    CHECK(seconds(left(R"({"process":"web","timeout_seconds":5})")) == "0.0");
    // What is wrong is passed on for the daemon to say so.
    CHECK(seconds(left(R"({"process":"web","timeout_seconds":-1})")) == "-1");
    CHECK(seconds(left(R"({"process":"web","nonsense":5})")).empty());
    const std::string list = R"({"id":1,"method":"tools/call","params":{"name":"list_processes","arguments":{}}})";
    CHECK(with_rest_of_time(scan_message(list), list, 10s) == list);
}

TEST_CASE("what only reads may be asked again") {
    const std::pair<const char*, bool> rows[] = {
        {R"({"id":1,"method":"tools/call","params":{"name":"list_processes","arguments":{}}})", true},
        {R"({"id":1,"method":"tools/call","params":{"name":"get_process_output","arguments":{}}})", true},
        {R"({"id":1,"method":"tools/call","params":{"name":"wait_for_process","arguments":{}}})", true},
        {R"({"id":1,"method":"tools/call","params":{"name":"start_process","arguments":{}}})", false},
        {R"({"id":1,"method":"tools/call","params":{"name":"stop_process","arguments":{}}})", false},
        {R"({"id":1,"method":"tools/call","params":{"name":"restart_process","arguments":{}}})", false},
        {R"({"id":1,"method":"tools/call","params":{"name":"ctrl","arguments":{}}})", false},
        {R"({"id":1,"method":"tools/call","params":{}})", false},
        {R"({"id":1,"method":"resources/read","params":{"uri":"x"}})", true},
        {R"({"id":1,"method":"tools/list"})", true},
        {R"({"id":1,"method":"initialize"})", false},
        {R"({"id":1,"method":"resources/subscribe","params":{"uri":"x"}})", false},
        {R"({"method":"tools/list"})", false},
    };
    for (const auto& [text, is_so] : rows) {
        INFO(text);
        CHECK(only_reads(scan_message(text)) == is_so);
    }
}

TEST_CASE("a start without a working directory takes the bridge's, and a relative one begins there") {
    const auto sent = [](const std::string& params) {
        const std::string text = R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":)" + params + "}";
        std::string out = with_directory(scan_message(text), text, "/src");
        return out == text ? std::string("as it was") : out.substr(out.find(R"("arguments":)") + 12);
    };
    CHECK(sent(R"({"name":"start_process","arguments":{"command":"a"}})") ==
          R"({"command":"a","working_directory":"/src"}}})");
    CHECK(sent(R"({"name":"start_process","arguments":{"working_directory":"api"}})") ==
          R"({"working_directory":"/src/api"}}})");
    CHECK(sent(R"({"name":"ctrl","arguments":{"action":"start"}})") ==
          R"({"action":"start","working_directory":"/src"}}})");
    CHECK(sent(R"({"name":"list_processes","arguments":{"working_directory":"."}})") ==
          R"({"working_directory":"/src/."}}})");
    CHECK(sent(R"({"name":"run_project","arguments":{"action":"up","directory":"api"}})") ==
          R"({"action":"up","directory":"/src/api"}}})");
    for (const char* params :
         {R"({"name":"run_project","arguments":{"action":"up","working_directory":"api"}})",
          R"({"name":"start_process","arguments":{"working_directory":"/api"}})",
          R"({"name":"list_processes","arguments":{"working_directory":"/api"}})",
          R"({"name":"get_process_output","arguments":{"working_directory":"api"}})",
          R"({"name":"start_process","arguments":{"working_directory":"~/api"}})",
          R"({"name":"start_process","arguments":{"working_directory":""}})",
          R"({"name":"start_process","arguments":{"working_directory":7}})",
          R"({"name":"start_process","arguments":[]})", R"({"name":"start_process"})",
          R"({"name":"list_processes","arguments":{}})", R"({"name":"ctrl","arguments":{"action":"stop"}})"})
        CHECK(sent(params) == "as it was");
}

TEST_CASE("an agent behind a bridge is asked for no working directory") {
    CHECK(
        without_required_directory(
            R"({"id":1,"result":{"tools":[{"name":"start_process","inputSchema":{"required":["command","working_directory"]}},{"name":"b"}]}})") ==
        R"({"id":1,"result":{"tools":[{"name":"start_process","inputSchema":{"required":["command"]}},{"name":"b"}]}})");
    for (const char* other : {R"({"id":1,"error":{"code":1}})", R"({"id":1,"result":{"tools":7}})", "no JSON"})
        CHECK(without_required_directory(other) == other);
}

TEST_CASE("of a message is known what it is, and whose") {
    const struct {
        const char* text;
        MessageKind kind;
        const char* id;
        const char* method;
    } rows[] = {
        {R"({"jsonrpc":"2.0","id":1,"method":"ping"})", MessageKind::request, "1", "ping"},
        {R"({"method":"ping","params":{"id":9,"method":"x"},"id":"a\"\u00e9\n"})", MessageKind::request,
         "\"a\\\"é\\n\"", "ping"},
        {R"({"id":-7,"method":""})", MessageKind::request, "-7", ""},
        {R"({"id":18446744073709551615,"method":"x"})", MessageKind::request, "18446744073709551615", "x"},
        {R"({"id":null,"method":"x"})", MessageKind::request, "null", "x"},
        {R"({"id":1.5,"method":"x"})", MessageKind::request, "null", "x"},
        {R"({"id":{"id":1},"method":"x"})", MessageKind::request, "null", "x"},
        {R"({"method":"notifications/initialized"})", MessageKind::notification, "null", "notifications/initialized"},
        {R"({"id":1,"result":{"method":"x"}})", MessageKind::response, "1", ""},
        {R"({"id":"x","error":{"code":1}})", MessageKind::response, "\"x\"", ""},
        {R"({"id":1,"method":7})", MessageKind::not_a_message, "1", ""},
        {R"({"params":{"method":"x","result":1}})", MessageKind::not_a_message, "null", ""},
        {"{}", MessageKind::not_a_message, "null", ""},
        {"7", MessageKind::not_a_message, "null", ""},
        {"\"x\"", MessageKind::not_a_message, "null", ""},
        {"", MessageKind::not_json, "", ""},
        {"{", MessageKind::not_json, "", ""},
        {"{\"id\":1,\"method\":\"x\"} x", MessageKind::not_json, "", ""},
        {"{\"id\":1,\"method\":\"\xff\"}", MessageKind::not_json, "", ""},
    };
    for (const auto& row : rows) {
        INFO(row.text);
        const ScannedMessage message = scan_message(row.text);
        CHECK(message.kind == row.kind);
        CHECK(message.id == row.id);
        CHECK(message.method == row.method);
        CHECK(!message.is_modern);
    }
}

TEST_CASE("the envelope is found where it is one, and nowhere else") {
    const auto scanned = [](const std::string& params) {
        return scan_message(R"({"id":1,"method":"tools/call","params":)" + params + "}");
    };
    const std::string key = R"("io.modelcontextprotocol/protocolVersion")";
    const ScannedMessage modern =
        scanned(R"({"arguments":{"name":"no"},"name":"do","_meta":{)" + key + R"(:"2026-07-28"}})");
    CHECK(modern.is_modern);
    CHECK(modern.version == "2026-07-28");
    CHECK(modern.name == "do");
    for (const char* odd : {"7", "null", "{}", "[]"}) {
        INFO(odd);
        const ScannedMessage message = scanned("{\"_meta\":{" + key + ":" + odd + "}}");
        CHECK(message.is_modern);
        CHECK(!message.version);
    }
    for (const std::string& legacy :
         {"{\"_meta\":{\"x\":{" + key + ":\"v\"}}}", "{\"x\":{" + key + ":\"v\"}}", "{" + key + ":\"v\"}",
          "[{\"_meta\":{" + key + ":\"v\"}}]", "{\"_meta\":[{" + key + ":\"v\"}]}",
          "{\"arguments\":{\"_meta\":{" + key + ":\"v\"}}}", std::string("{\"_meta\":{}}")}) {
        INFO(legacy);
        CHECK(!scanned(legacy).is_modern);
    }
    const auto named = [](const char* method) {
        return scan_message(std::string(R"({"id":1,"method":")") + method +
                            R"(","params":{"name":"n","uri":"u","taskId":"t"}})")
            .name;
    };
    CHECK(named("tools/call") == "n");
    CHECK(named("prompts/get") == "n");
    CHECK(named("resources/read") == "u");
    CHECK(named("tasks/get") == "t");
    CHECK(!named("tools/list"));
    CHECK(!scan_message(R"({"id":1,"method":"tools/call","params":{"name":7}})").name);
}

TEST_CASE("a cancellation names its request, a batch its requests") {
    const auto cancelled = [](const char* id) {
        return scan_message(std::string(R"({"method":"notifications/cancelled","params":{"requestId":)") + id + "}}")
            .cancelled_id;
    };
    CHECK(cancelled("7") == "7");
    CHECK(cancelled("\"7\"") == "\"7\"");
    CHECK(cancelled("{}") == "null");
    CHECK(scan_message(R"({"method":"notifications/other","params":{"requestId":7}})").cancelled_id.empty());

    const ScannedMessage batch = scan_message(
        R"([{"id":1,"method":"a","params":{"id":5}},{"method":"b"},[{"id":6,"method":"x"}],7,{"id":"z","method":"c"},)"
        R"({"id":3,"result":{}}])");
    CHECK(batch.kind == MessageKind::batch);
    CHECK(batch.batch_ids == Words{"1", "\"z\""});
    CHECK(scan_message("[]").kind == MessageKind::batch);
    CHECK(scan_message(std::string(100'000, '[') + std::string(100'000, ']')).kind == MessageKind::not_json);
    // Deeper than the daemon takes, and refused by it: known by its id all the same.
    const std::string deep = std::string(200, '[') + std::string(200, ']');
    CHECK(scan_message(R"({"id":1,"method":"x","params":)" + deep + "}").id == "1");
}

TEST_CASE("a session is learnt from its beginning, and from nothing else") {
    persistproc::mcp::client::ClientSession session;
    session.revision = persistproc::mcp::Revision::r2025_03_26;
    session.id = "old";
    for (const char* refused : {"", "[]", R"({"id":1,"error":{"code":-32602}})", R"({"result":7})"}) {
        INFO(refused);
        CHECK(!learn(session, "new", refused));
        CHECK(session.headers() == "MCP-Protocol-Version: 2025-03-26\r\nMcp-Session-Id: old\r\n");
    }
    CHECK(session.generation == 0);
    REQUIRE(learn(session, "s-1", R"({"id":1,"result":{"protocolVersion":"2025-06-18"}})"));
    CHECK(session.generation == 1);
    CHECK(session.headers() == "MCP-Protocol-Version: 2025-06-18\r\nMcp-Session-Id: s-1\r\n");
    // What is not known is not repeated in a header.
    REQUIRE(learn(session, "", R"({"result":{"protocolVersion":"x\r\nEvil: y"}})"));
    CHECK(session.headers().empty());
}

}  // namespace bridge_test
