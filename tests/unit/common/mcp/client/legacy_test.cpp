#include "tests/support/scripted_peer.hpp"

namespace legacy_test {

using namespace persistproc;
using namespace persistproc::tests;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

CallOptions repeatable() {
    CallOptions how;
    how.repeatable = true;
    return how;
}

Task<Result<Json>> accept_form(Json) {
    Json answer{{"action", "accept"}, {"content", {{"a", 30}}}};
    co_return mcp::client::json_value(std::move(answer));
}

}  // namespace

TEST_CASE("a quick session is one round trip, and introduces itself with the first request") {
    ScriptedPeer p;
    const auto running = p.start_connecting();
    const std::string greeting = p.hear(0);
    CHECK_THAT(greeting, StartsWith("POST /mcp HTTP/1.1\r\nHost: localhost:7\r\n") &&
                             Contains("Accept: application/json, text/event-stream\r\n") &&
                             Contains(R"("protocolVersion":"2025-11-25")") &&
                             Contains(R"("clientInfo":{"name":"t","version":"1"})") && !Contains("Mcp-Session-Id"));
    p.say(0, p.json(p.result(0, p.session_result("2025-06-18")), "Mcp-Session-Id: s-1\r\n"));
    p.take(running);
    CHECK(p.client->server().version == "4.5");
    CHECK(p.client->server().revision == mcp::Revision::r2025_06_18);
    CHECK(p.hear(0).empty());

    const auto call = p.call();
    const std::string both = p.hear(0);
    CHECK_THAT(both, Contains("notifications/initialized") && Contains("tools/call") &&
                         Contains("Mcp-Session-Id: s-1\r\n") && Contains("MCP-Protocol-Version: 2025-06-18\r\n"));
    p.say(0, p.http("202 Accepted", "", ""));
    CHECK(!call->is_done());
    p.say(0, p.json(p.result(1)));
    CHECK(outcome(call)->result == Json{{"n", 1}});
    // The connection is used again, and said once is enough.
    const auto next = p.call();
    CHECK_THAT(p.hear(0), !Contains("initialized"));
    p.say(0, p.json(p.result(2)));
    CHECK(outcome(next).has_value());
    CHECK(p.dials == 1);
}

TEST_CASE("who greets late asks without a session, and begins one where that is not enough") {
    ScriptedPeer p;
    p.options.greets_late = true;
    p.take(p.start_connecting());
    REQUIRE(p.dials == 1);
    CHECK(p.hear(0).empty());
    const auto call = p.call(repeatable());
    const std::string asked = p.hear(0);
    CHECK_THAT(asked, Contains("MCP-Protocol-Version: 2026-07-28\r\n") && Contains("Mcp-Method: tools/call\r\n") &&
                          Contains("Mcp-Name: do\r\n") &&
                          Contains(R"("io.modelcontextprotocol/clientInfo":{"name":"t","version":"1"})") &&
                          !Contains("initialize") && !Contains("Mcp-Session-Id"));
    SECTION("answered") {
        p.say(0, p.json(p.result(0)));
        CHECK(outcome(call)->result == Json{{"n", 1}});
        const auto next = p.call(repeatable());
        CHECK_THAT(p.hear(0), !Contains("initialize"));
        p.say(0, p.json(p.result(1)));
        CHECK(outcome(next).has_value());
        CHECK(p.dials == 1);
    }
    SECTION("answered by a stream") {
        p.say(0, p.stream_head + p.chunk(p.event(R"({"jsonrpc":"2.0","method":"notifications/x"})")));
        CHECK(!call->is_done());
        p.say(0, p.chunk(p.event(p.result(0))));
        CHECK(outcome(call)->result == Json{{"n", 1}});
    }
    SECTION("refused by one that knows sessions alone") {
        p.say(0, p.http("400 Bad Request", "Content-Type: application/json\r\n", p.refusal(0, -32600)));
        const Json greeting = p.hear_body(0);
        REQUIRE(greeting["method"] == "initialize");
        p.say(0, p.json(p.result(greeting["id"], p.session_result()), "Mcp-Session-Id: s-1\r\n"));
        const Json again = p.hear_body(0);
        REQUIRE(again["method"] == "tools/call");
        p.say(0, p.http("202 Accepted", "", "") + p.json(p.result(again["id"])));
        CHECK(outcome(call).has_value());
    }
    SECTION("cut off") {
        p.hang_up(0);
        CHECK(!call->is_done());
        p.pass(milliseconds(10));
        REQUIRE(p.dials == 2);
        CHECK(p.hear_body(1)["method"] == "initialize");
        p.die();
        CHECK(outcome(call).error().code == ErrorCode::unavailable);
    }
    SECTION("what is done at most once begins a session") {
        p.say(0, p.json(p.result(0)));
        REQUIRE(call->is_done());
        const auto deed = p.call();
        CHECK(p.hear_body(0)["method"] == "initialize");
    }
}

TEST_CASE("a session whose beginning is lost is begun again, once") {
    ScriptedPeer p;
    const auto running = p.start_connecting();
    p.hear(0);
    p.hang_up(0);
    p.pass(milliseconds(10));
    REQUIRE(p.dials == 2);
    SECTION("and answered") {
        const Json body = p.hear_body(1);
        p.say(1, p.json(p.result(body["id"], p.session_result())));
        p.take(running);
    }
    SECTION("or lost again") {
        p.hang_up(1);
        REQUIRE(running->value);
        CHECK((*running->value)->error().code == ErrorCode::unavailable);
        CHECK(p.dials == 2);
    }
}

TEST_CASE("sessions of servers that cannot be spoken to") {
    const struct {
        std::string answer;
        ErrorCode code;
        const char* says;
    } rows[] = {
        {ScriptedPeer::json(ScriptedPeer::result(0, R"({"protocolVersion":"2026-07-28"})")), ErrorCode::unsupported,
         "no revision"},
        {ScriptedPeer::json(ScriptedPeer::result(0, R"({"protocolVersion":7})")), ErrorCode::unsupported,
         "no revision"},
        {ScriptedPeer::json(ScriptedPeer::refusal(0, -32602)), ErrorCode::invalid, "begins no session: no"},
        {ScriptedPeer::json(ScriptedPeer::result(9, ScriptedPeer::session_result())), ErrorCode::corrupt,
         "another request"},
        {ScriptedPeer::json("[]"), ErrorCode::corrupt, "no MCP server at localhost:7"},
        {ScriptedPeer::json("hello"), ErrorCode::corrupt, "not JSON"},
        {ScriptedPeer::http("404 Not Found", "", "nothing here"), ErrorCode::corrupt, "HTTP status 404"},
        {ScriptedPeer::http("401 Unauthorized", "WWW-Authenticate: Bearer\r\n", ""), ErrorCode::denied, "token"},
        {ScriptedPeer::http("403 Forbidden", "", ""), ErrorCode::denied, "403"},
        {ScriptedPeer::http("503 Busy", "", ""), ErrorCode::unavailable, "503"},
        {"HTTP/0.9 nonsense\r\n\r\n", ErrorCode::corrupt, "not HTTP"},
        {"SSH-2.0-OpenSSH_9.2\r\n", ErrorCode::corrupt, "not HTTP"},
    };
    for (const auto& row : rows) {
        INFO(row.answer);
        ScriptedPeer p;
        const auto running = p.start_connecting();
        p.hear(0);
        p.say(0, row.answer);
        REQUIRE(running->value);
        const auto& connected = **running->value;
        REQUIRE(!connected);
        CHECK(connected.error().code == row.code);
        CHECK_THAT(connected.error().message, Contains(row.says));
    }
}

TEST_CASE("answers as JSON and as a stream, with every line end, read the same cut anywhere") {
    const std::string response = ScriptedPeer::result(1, R"({"text":"é"})");
    const std::string events =
        ": ka\n\nevent: message\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/x\"}\n\nid: 7\ndata: " +
        response + "\n\n";
    std::string with_cr, with_crlf;
    for (const char c : events) {
        with_cr += c == '\n' ? '\r' : c;
        with_crlf += c == '\n' ? std::string("\r\n") : std::string(1, c);
    }
    std::vector<std::string> answers{
        ScriptedPeer::json(response),
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n" +
            ScriptedPeer::chunk(response) + ScriptedPeer::last_chunk,
        "HTTP/1.1 100 Continue\r\n\r\n" + ScriptedPeer::json(response)};
    for (const auto& each : {events, with_cr, with_crlf})
        answers.push_back(ScriptedPeer::stream_head + ScriptedPeer::chunk(each) + ScriptedPeer::last_chunk);
    for (const auto& answer : answers) {
        for (std::size_t cut = 0; cut < answer.size(); ++cut) {
            INFO(answer << " cut at " << cut);
            ScriptedPeer p;
            int heard = 0;
            p.options.on_notification = [&](const std::string& method, const Json&) {
                CHECK(method == "notifications/x");
                ++heard;
            };
            p.open_session();
            const auto call = p.call();
            p.say(0, p.http("202 Accepted", "", ""));
            if (cut > 0) p.say(0, answer.substr(0, cut));
            // Of a stream nothing is waited for after the response.
            if (!call->is_done()) p.say(0, answer.substr(cut));
            REQUIRE(outcome(call).has_value());
            CHECK(outcome(call)->result["text"] == "é");
            CHECK(heard == (answer.find("event-stream") == std::string::npos ? 0 : 1));
        }
    }
}

TEST_CASE("an answer that ends with the connection is whole") {
    ScriptedPeer p;
    p.open_session();
    const auto call = p.call();
    p.say(0,
          p.http("202 Accepted", "", "") + "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + p.result(1));
    CHECK(!call->is_done());
    p.hear(0);
    p.hang_up(0);
    if (!outcome(call)) FAIL(outcome(call).error().message);
    CHECK(outcome(call)->result["n"] == 1);
}

TEST_CASE("death at every byte of an answer fails the call at once, and repeats what may be repeated") {
    const std::string accepted = ScriptedPeer::http("202 Accepted", "", "");
    const std::string answers[] = {accepted + ScriptedPeer::json(ScriptedPeer::result(1)),
                                   accepted + ScriptedPeer::stream_head +
                                       ScriptedPeer::chunk(ScriptedPeer::event(ScriptedPeer::result(1))) +
                                       ScriptedPeer::last_chunk};
    for (const auto& answer : answers) {
        const bool is_stream = answer.find("event-stream") != std::string::npos;
        // Of a stream the end of the response's event is enough.
        const std::size_t whole = is_stream ? answer.find("\n\n", answer.find("data:")) + 2 : answer.size();
        for (std::size_t cut = 0; cut <= answer.size(); ++cut) {
            INFO(answer << " cut at " << cut);
            {
                ScriptedPeer p;
                p.open_session();
                const auto call = p.call();
                p.hear(0);
                if (cut > 0) p.say(0, answer.substr(0, cut));
                p.hang_up(0);
                REQUIRE(call->is_done());
                if (cut >= whole) {
                    CHECK(outcome(call).has_value());
                } else {
                    REQUIRE(!outcome(call));
                    CHECK(outcome(call).error().code == ErrorCode::unavailable);
                    CHECK_THAT(outcome(call).error().message, Contains("the connection to the server was lost"));
                }
                // Never sent twice.
                CHECK(p.dials == 1);
            }
            ScriptedPeer p;
            p.open_session();
            const auto call = p.call(repeatable());
            p.hear(0);
            if (cut > 0) p.say(0, answer.substr(0, cut));
            p.hang_up(0);
            if (cut >= whole) {
                CHECK(outcome(call).has_value());
                continue;
            }
            p.pass(milliseconds(10));
            REQUIRE(p.dials == 2);
            const std::string again = p.hear(1);
            CHECK_THAT(again, Contains("notifications/initialized") && Contains(R"("id":2,"method":"tools/call")"));
            p.say(1, p.http("202 Accepted", "", "") + p.json(p.result(2)));
            CHECK(outcome(call).has_value());
        }
    }
}

TEST_CASE("a call is repeated once, no more") {
    ScriptedPeer p;
    p.open_session();
    const auto call = p.call(repeatable());
    p.hang_up(0);
    p.pass(milliseconds(9));
    REQUIRE(p.dials == 1);
    p.pass(milliseconds(1));
    REQUIRE(p.dials == 2);
    p.hang_up(1);
    REQUIRE(!outcome(call));
    CHECK(outcome(call).error().code == ErrorCode::unavailable);
    CHECK(p.dials == 2);
}

TEST_CASE("a server that is just starting is tried again with growing pauses, for a bounded time") {
    ScriptedPeer p;
    p.open_session();
    const auto call = p.call(repeatable());
    p.die();
    p.pass(milliseconds(10));
    CHECK(p.dials == 2);
    p.pass(milliseconds(4));
    CHECK(p.dials == 2);
    p.pass(milliseconds(1));
    CHECK(p.dials == 3);
    p.pass(milliseconds(10));
    CHECK(p.dials == 4);
    p.is_listening = true;
    p.pass(milliseconds(20));
    CHECK(p.dials == 5);
    CHECK_THAT(p.hear(1), Contains("tools/call"));
    CHECK(!call->is_done());

    ScriptedPeer gone;
    gone.open_session();
    const auto other = gone.call(repeatable());
    gone.die();
    for (int i = 0; i < 200; ++i) gone.pass(milliseconds(5));
    REQUIRE(!outcome(other));
    CHECK(outcome(other).error().code == ErrorCode::unavailable);
    CHECK(gone.dials < 15);

    ScriptedPeer first;
    first.is_listening = false;
    const auto connecting = first.start_connecting();
    REQUIRE(connecting->value);
    CHECK((*connecting->value)->error().code == ErrorCode::unavailable);
    CHECK(first.dials == 1);
}

TEST_CASE("a request that never left is sent over another connection, whatever it is") {
    ScriptedPeer p;
    p.open_session();
    // The server closes the idle connection: seen before it is used.
    p.hang_up(0);
    const auto call = p.call();
    REQUIRE(p.dials == 2);
    p.say(1, p.http("202 Accepted", "", "") + p.json(p.result(1)));
    CHECK(outcome(call).has_value());
}

TEST_CASE("a connection on which more came than was asked for is not used again") {
    for (const bool is_late : {false, true}) {
        ScriptedPeer p;
        p.open_session();
        const auto call = p.call();
        const std::string answer = p.http("202 Accepted", "", "") + p.json(p.result(1));
        const std::string unasked = p.json(p.result(2, R"({"n":"forged"})"));
        p.say(0, is_late ? answer : answer + unasked);
        CHECK(outcome(call).has_value());
        if (is_late) p.say(0, unasked);
        const auto next = p.call();
        CHECK(p.dials == 2);
        p.say(1, p.json(p.result(2)));
        REQUIRE(outcome(next).has_value());
        CHECK(outcome(next)->result["n"] == 1);
    }
}

TEST_CASE("an unknown session is begun again, and the request sent once more") {
    for (const std::string& lost :
         {ScriptedPeer::http("404 Not Found", "Content-Type: application/json\r\n", ScriptedPeer::refusal(1, -32001)),
          ScriptedPeer::http("404 Not Found", "Content-Type: text/plain\r\n", "gone")}) {
        INFO(lost);
        ScriptedPeer p;
        p.open_session();
        const auto call = p.call();
        p.hear(0);
        p.say(0, lost + lost);
        const Json again = p.hear_body(0);
        REQUIRE(again["method"] == "initialize");
        p.say(0, p.json(p.result(again["id"], p.session_result()), "Mcp-Session-Id: s-2\r\n"));
        const std::string repeated = p.hear(0);
        CHECK_THAT(repeated, Contains("Mcp-Session-Id: s-2\r\n") && Contains("initialized") && Contains("tools/call"));
        CHECK(!call->is_done());
        SECTION("and answered") {
            p.say(0, p.http("202 Accepted", "", "") + p.json(p.result(3)));
            CHECK(outcome(call).has_value());
        }
        SECTION("or refused again: once is enough") {
            p.say(0, lost + p.http("404 Not Found", "", ""));
            REQUIRE(outcome(call).has_value());
            CHECK(outcome(call)->status == 404);
            CHECK(outcome(call)->refusal->code == -32001);
        }
    }
}

TEST_CASE("wrong answers are told apart") {
    const struct {
        std::string answer;
        ErrorCode code;
        const char* says;
    } rows[] = {
        {ScriptedPeer::json(ScriptedPeer::result(7)), ErrorCode::corrupt, "another request"},
        {ScriptedPeer::json(ScriptedPeer::result("1")), ErrorCode::corrupt, "another request"},
        {ScriptedPeer::json(R"({"jsonrpc":"2.0","id":1})"), ErrorCode::corrupt, "neither a result nor"},
        {ScriptedPeer::json(R"({"jsonrpc":"2.0","id":1,"result":{},"error":{}})"), ErrorCode::corrupt, "neither"},
        {ScriptedPeer::json(R"({"jsonrpc":"2.0","id":1,"result":7})"), ErrorCode::corrupt, "not an object"},
        {ScriptedPeer::json(R"({"jsonrpc":"2.0","method":"x"})"), ErrorCode::corrupt, "no message"},
        {ScriptedPeer::json("[1]"), ErrorCode::corrupt, "no message"},
        {ScriptedPeer::json(""), ErrorCode::corrupt, "HTTP status 200"},
        {ScriptedPeer::json("{"), ErrorCode::corrupt, "not JSON"},
        {ScriptedPeer::http("202 Accepted", "", ""), ErrorCode::corrupt, "HTTP status 202"},
        {ScriptedPeer::http("204 No Content", "", ""), ErrorCode::corrupt, "HTTP status 204"},
        {ScriptedPeer::http("413 Too Large", "", "no"), ErrorCode::corrupt, "HTTP status 413"},
        {ScriptedPeer::http("401 Unauthorized", "", ""), ErrorCode::denied, "token"},
        {ScriptedPeer::http("500 Oops", "", "<html>"), ErrorCode::unavailable, "500"},
        {"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", ErrorCode::corrupt, "not HTTP"},
        {ScriptedPeer::stream_head + "zz\r\n", ErrorCode::corrupt, "not HTTP"},
        {ScriptedPeer::stream_head + ScriptedPeer::last_chunk, ErrorCode::unavailable, "ended before the answer"},
        {ScriptedPeer::stream_head + ScriptedPeer::chunk(ScriptedPeer::event(ScriptedPeer::result(9))) +
             ScriptedPeer::last_chunk,
         ErrorCode::unavailable, "ended before the answer"},
        {ScriptedPeer::stream_head + ScriptedPeer::chunk("data: {nonsense\n\ndata: 7\n\ndata: {}\n\n") +
             ScriptedPeer::last_chunk,
         ErrorCode::unavailable, "ended before the answer"},
    };
    for (const auto& row : rows) {
        INFO(row.answer);
        ScriptedPeer p;
        p.open_session();
        const auto call = p.call();
        p.say(0, p.http("202 Accepted", "", "") + row.answer);
        REQUIRE(call->is_done());
        REQUIRE(!outcome(call));
        CHECK(outcome(call).error().code == row.code);
        CHECK_THAT(outcome(call).error().message, Contains(row.says));
        CHECK(p.dials == 1);
    }
    ScriptedPeer p;
    p.open_session();
    const auto call = p.call();
    p.say(0, p.http("202 Accepted", "", "") + p.json(p.refusal(1, -32602, R"({"uri":"x"})")));
    REQUIRE(outcome(call).has_value());
    CHECK(outcome(call)->refusal->code == -32602);
    CHECK(outcome(call)->refusal->data == Json{{"uri", "x"}});
}

TEST_CASE("an answer whose stream ended is gone on with, after the pause the server asked for") {
    ScriptedPeer p;
    p.open_session();
    const auto call = p.call();
    p.say(0,
          p.http("202 Accepted", "", "") + p.stream_head + p.chunk("id: s3-0\nretry: 500\ndata: \n\n") + p.last_chunk);
    p.hear(0);
    p.pass(milliseconds(499));
    CHECK(p.hear(0).empty());
    p.pass(milliseconds(1));
    const std::string resumed = p.hear(0);
    CHECK_THAT(resumed, StartsWith("GET /mcp HTTP/1.1\r\n") && Contains("Last-Event-ID: s3-0\r\n") &&
                            Contains("Mcp-Session-Id: s-1\r\n") && Contains("Accept: text/event-stream\r\n"));
    // It may hang up again, as often as it says something.
    p.say(0,
          p.stream_head + p.chunk(p.event(R"({"jsonrpc":"2.0","method":"notifications/x"})", "s3-1")) + p.last_chunk);
    p.pass(milliseconds(500));
    CHECK_THAT(p.hear(0), Contains("Last-Event-ID: s3-1\r\n"));
    p.say(0, p.stream_head + p.chunk(p.event(p.result(1), "s3-2")));
    REQUIRE(outcome(call).has_value());
    CHECK(outcome(call)->result == Json{{"n", 1}});
}

TEST_CASE("resumption ends where it leads nowhere") {
    const std::string primed = ScriptedPeer::http("202 Accepted", "", "") + ScriptedPeer::stream_head +
                               ScriptedPeer::chunk("id: a\nretry: 100\ndata: \n\n");
    SECTION("the server is dead: known at once, not after the pause") {
        ScriptedPeer p;
        p.open_session();
        const auto call = p.call();
        p.say(0, primed);
        p.die();
        REQUIRE(call->is_done());
        REQUIRE(!outcome(call));
        CHECK(outcome(call).error().code == ErrorCode::unavailable);
    }
    SECTION("the connection alone is dead") {
        ScriptedPeer p;
        p.open_session();
        const auto call = p.call();
        p.say(0, primed);
        p.hang_up(0);
        CHECK(p.dials == 2);
        p.pass(milliseconds(100));
        CHECK_THAT(p.hear(1), Contains("Last-Event-ID: a\r\n"));
        p.say(1, p.stream_head + p.chunk(p.event(p.result(1))));
        CHECK(outcome(call).has_value());
    }
    SECTION("the server does not resume") {
        ScriptedPeer p;
        p.open_session();
        const auto call = p.call();
        p.say(0, primed + p.last_chunk);
        p.pass(milliseconds(100));
        p.hear(0);
        p.say(0, p.http("400 Bad Request", "", ""));
        REQUIRE(!outcome(call));
        CHECK(outcome(call).error().code == ErrorCode::unavailable);
        CHECK_THAT(outcome(call).error().message, Contains("HTTP status 400"));
    }
    SECTION("nothing ever comes") {
        ScriptedPeer p;
        p.open_session();
        const auto call = p.call();
        p.say(0, primed + p.last_chunk);
        int resumed = 0;
        for (int i = 0; i < 20 && !call->is_done(); ++i) {
            p.pass(milliseconds(100));
            if (p.hear(0).find("GET /mcp") == std::string::npos) continue;
            ++resumed;
            p.say(0, p.stream_head + p.last_chunk);
        }
        REQUIRE(call->is_done());
        CHECK(!outcome(call));
        CHECK(resumed == 4);
    }
}

TEST_CASE("the session's stream is opened, closed by the server, and opened again where it ended") {
    ScriptedPeer p;
    std::vector<std::string> heard;
    p.options.on_notification = [&](const std::string& method, const Json&) { heard.push_back(method); };
    p.open_whole_session(true);
    p.say(0, p.chunk("retry: 300\n\n" +
                     p.event(R"({"jsonrpc":"2.0","method":"notifications/tools/list_changed"})", "g-4")));
    CHECK(heard == std::vector<std::string>{"notifications/tools/list_changed"});
    p.say(0, p.last_chunk);
    p.pass(milliseconds(299));
    CHECK(p.hear(0).empty());
    p.pass(milliseconds(1));
    CHECK_THAT(p.hear(0), StartsWith("GET /mcp") && Contains("Last-Event-ID: g-4\r\n"));
    // Forgotten there: listened to from now on.
    p.say(0, p.http("400 Bad Request", "", ""));
    p.pass(seconds(5));
    CHECK_THAT(p.hear(0), StartsWith("GET /mcp") && !Contains("Last-Event-ID"));
}

TEST_CASE("no stream for the session is fine, and asked for once") {
    ScriptedPeer p;
    p.open_whole_session(false);
    const auto call = p.request("ping");
    CHECK_THAT(p.hear(0), Contains(R"("method":"ping")"));
    p.say(0, p.json(p.result(1, "{}")));
    CHECK(outcome(call).has_value());
    p.pass(seconds(60));
    CHECK(p.hear(0).empty());
    CHECK(p.dials == 1);
}

TEST_CASE("the server's questions are answered, on either stream") {
    for (const bool on_session_stream : {false, true}) {
        ScriptedPeer p;
        p.options.capabilities["elicitation"] = Json::object();
        p.options.questions["elicitation/create"] = accept_form;
        p.open_whole_session(on_session_stream);
        const auto call = p.call();
        const std::size_t call_end = on_session_stream ? 1 : 0;
        p.hear(call_end);
        if (!on_session_stream) p.say(0, p.stream_head);
        const auto ask = [&](std::string_view id, std::string_view method, std::string_view params) {
            p.say(0, p.chunk(p.event(R"({"jsonrpc":"2.0","id":)" + std::string(id) + R"(,"method":")" +
                                     std::string(method) + R"(","params":)" + std::string(params) + "}")));
            const std::size_t at = p.ends.size() - 1;
            const Json answer = p.hear_body(at);
            p.say(at, p.http("202 Accepted", "", ""));
            return answer;
        };
        CHECK(ask("\"p\"", "ping", "{}") == Json::parse(R"({"jsonrpc":"2.0","id":"p","result":{}})"));
        if (on_session_stream) {
            // The call's connection is busy: the answers went over another, which is used again.
            CHECK(p.dials == 3);
        }
        CHECK(ask("7", "elicitation/create",
                  R"({"message":"?","requestedSchema":{"properties":{"a":{"type":"integer","default":30}}}})") ==
              Json::parse(R"({"jsonrpc":"2.0","id":7,"result":{"action":"accept","content":{"a":30}}})"));
        CHECK(ask("8", "roots/list", "{}")["error"]["code"] == -32601);
        if (on_session_stream)
            p.say(call_end, p.json(p.result(1)));
        else
            p.say(0, p.chunk(p.event(p.result(1))));
        CHECK(outcome(call).has_value());
    }
}

TEST_CASE("a response may come on the session's stream") {
    ScriptedPeer p;
    p.open_whole_session(true);
    const auto call = p.call();
    p.hear(1);
    p.say(0, p.chunk(p.event(p.result(1))));
    CHECK(outcome(call).has_value());
}

TEST_CASE("progress reaches the call it belongs to") {
    ScriptedPeer p;
    p.open_session();
    std::string seen;
    CallOptions how;
    how.on_progress = [&](double at, std::optional<double> total, const std::string& text) {
        seen += std::to_string(static_cast<int>(at)) + "/" + std::to_string(static_cast<int>(total.value_or(0))) + text;
    };
    const auto call = p.call(how);
    CHECK_THAT(p.hear(0), Contains(R"("_meta":{"progressToken":1})"));
    const auto progress = [&](std::string_view token) {
        return p.chunk(p.event(R"({"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":)" +
                               std::string(token) + R"(,"progress":1,"total":2,"message":"half"}})"));
    };
    p.say(0, p.http("202 Accepted", "", "") + p.stream_head + progress("1") + progress("2") + progress("\"1\""));
    CHECK(seen == "1/2half");
    p.say(0, p.chunk(p.event(p.result(1))) + p.last_chunk);
    CHECK(outcome(call).has_value());
}

TEST_CASE("a call that is cancelled or out of time is cancelled at the server") {
    for (const bool by_timeout : {false, true}) {
        ScriptedPeer p;
        p.open_session();
        CallOptions how;
        if (by_timeout) how.timeout = seconds(3);
        const auto call = p.call(how);
        p.hear(0);
        p.say(0, p.http("202 Accepted", "", ""));
        if (by_timeout) {
            p.pass(milliseconds(2999));
            CHECK(!call->is_done());
            p.pass(milliseconds(1));
            REQUIRE(!outcome(call));
            CHECK(outcome(call).error().code == ErrorCode::timeout);
        } else {
            call->cancel.emit(boost::asio::cancellation_type::terminal);
            p.settle();
            CHECK(call->failed);
        }
        REQUIRE(p.dials == 2);
        const Json told = p.hear_body(1);
        CHECK(told["method"] == "notifications/cancelled");
        CHECK(told["params"]["requestId"] == 1);
        CHECK(!told.contains("id"));
    }
}

TEST_CASE("a client that goes ends its calls; one that is closed says good-bye") {
    ScriptedPeer p;
    p.open_session();
    const auto call = p.call();
    p.client.reset();
    p.settle();
    REQUIRE(!outcome(call));
    CHECK(outcome(call).error().code == ErrorCode::unavailable);

    ScriptedPeer polite;
    polite.open_whole_session(true);
    bool is_closed = false;
    boost::asio::co_spawn(polite.io, polite.client->close(), [&](std::exception_ptr) { is_closed = true; });
    CHECK(polite.is_closed(0));
    CHECK_THAT(polite.hear(1), StartsWith("DELETE /mcp") && Contains("Mcp-Session-Id: s-1\r\n"));
    SECTION("answered") { polite.say(1, polite.http("200 OK", "", "")); }
    SECTION("or not: nobody waits long") { polite.pass(seconds(2)); }
    CHECK(is_closed);
    CHECK(!outcome(polite.call()));
}

}  // namespace legacy_test
