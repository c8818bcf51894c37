// One connection as a machine: bytes in, bytes out, a clock that the test advances.
#include "common/mcp/http/connection.hpp"

#include <array>

#include "tests/support/catch.hpp"
#include "tests/support/http_machine.hpp"

namespace connection_test {

using namespace persistproc;
using namespace persistproc::mcp;
using namespace persistproc::mcp::http;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;
using std::chrono::seconds;
using Phase = Connection::Phase;

namespace {

using Fixture = tests::HttpMachine;

const std::string ping = R"({"jsonrpc":"2.0","id":1,"method":"ping"})";
const std::string pong = R"({"jsonrpc":"2.0","id":1,"result":{}})";
const std::string call =
    R"({"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"hold","_meta":{"progressToken":5}}})";
const std::string held = R"({"jsonrpc":"2.0","id":2,"result":{"content":[{"type":"text","text":"held"}]}})";

/// The event ids in a stream's text, in order.
std::vector<std::string> event_ids(const std::string& text) {
    std::vector<std::string> out;
    for (auto at = text.find("id: s"); at != std::string::npos; at = text.find("id: s", at + 1))
        out.push_back(text.substr(at + 4, text.find('\n', at) - at - 4));
    return out;
}

}  // namespace

TEST_CASE("who may come in") {
    const struct {
        std::string request;
        const char* status;
    } rows[] = {
        {Fixture::request("", "GET /mcp HTTP/1.1", "evil.com"), "403"},
        {Fixture::request("", "GET /mcp HTTP/1.1", "evil.com:8947"), "403"},
        {Fixture::request("Origin: http://evil.com\r\n"), "403"},
        {Fixture::request("Origin: null\r\n"), "403"},
        {Fixture::request("Origin: http://127.0.0.1:3000\r\n"), "403"},
        {Fixture::request("Origin: http://127.0.0.1:8947\r\n"), "405"},
        {Fixture::request("Origin: https://ok.example\r\n"), "405"},
        {Fixture::request("Sec-Fetch-Site: cross-site\r\n"), "403"},
        {Fixture::request("Sec-Fetch-Site: same-site\r\n"), "403"},
        {Fixture::request("Sec-Fetch-Site: same-origin\r\n"), "403"},
        {Fixture::request("Sec-Fetch-Site: none\r\n"), "405"},
        {Fixture::request("Sec-Fetch-Site: none\r\nOrigin: http://127.0.0.1:8947\r\n"), "403"},
        {Fixture::request("Sec-Fetch-Site: same-origin\r\nOrigin: https://ok.example\r\n"), "405"},
        {Fixture::request("", "GET / HTTP/1.1"), "404"},
        {Fixture::request("", "GET /.well-known/oauth-protected-resource HTTP/1.1"), "404"},
        {Fixture::request("", "GET /mcpx HTTP/1.1"), "404"},
        {Fixture::request("", "PUT /mcp HTTP/1.1"), "405"},
        {Fixture::request("", "OPTIONS /mcp HTTP/1.1"), "405"},
        {Fixture::request("", "DELETE /mcp HTTP/1.1"), "400"},
        {Fixture::request("Mcp-Session-Id: nonsense\r\nAccept: text/event-stream\r\n"), "404"},
        {Fixture::request("Mcp-Session-Id: nonsense\r\nAccept: application/json\r\n"), "406"},
        {Fixture::request("Mcp-Session-Id: nonsense\r\n", "DELETE /mcp HTTP/1.1"), "404"},
        {Fixture::request("Content-Length: 2\r\n", "POST /mcp HTTP/1.1"), "415"},
        {Fixture::request("Content-Type: text/plain\r\nContent-Length: 2\r\n", "POST /mcp HTTP/1.1"), "415"},
        {Fixture::post("{}", "Content-Encoding: gzip\r\n"), "415"},
        {Fixture::post("{}", "Accept: text/html\r\n"), "406"},
        {Fixture::post("{}", "Expect: something\r\n"), "417"},
        {Fixture::request("Content-Type: application/json\r\nContent-Length: 4194305\r\n", "POST /mcp/ HTTP/1.1"),
         "413"},
        {Fixture::post("{"), "400"},
        {Fixture::post("[]"), "400"},
        {Fixture::post("{}"), "400"},
        {Fixture::post(ping), "400"},
        {Fixture::post(ping, "Mcp-Session-Id: nonsense\r\n"), "404"},
        {"BREW\n", "400"},
    };
    for (const auto& row : rows) {
        INFO(row.request);
        Fixture f;
        const std::string answer = f.send(row.request);
        CHECK_THAT(answer, StartsWith("HTTP/1.1 " + std::string(row.status) + " "));
        const bool is_allowed = row.request.find("https://ok.example\r\n") != std::string::npos;
        CHECK((answer.find("Access-Control") != std::string::npos) == is_allowed);
        if (std::string(row.status) == "405") CHECK_THAT(answer, Contains("Allow: POST, GET, DELETE\r\n"));
    }
}

TEST_CASE("the answer to HEAD is a head, and the connection goes on behind it") {
    Fixture f;
    const std::string answer = f.send(Fixture::request("", "HEAD /mcp HTTP/1.1"));
    CHECK_THAT(answer, StartsWith("HTTP/1.1 405") && Catch::Matchers::EndsWith("\r\n\r\n"));
    CHECK_THAT(f.send(Fixture::post("{")), StartsWith("HTTP/1.1 400"));
}

TEST_CASE("a request answers the same split at every byte") {
    Fixture f;
    const std::string whole = Fixture::post(ping, Fixture::in(f.open_session()));
    const std::string answer = f.send(whole);
    CHECK_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n") && Contains("\r\n\r\n" + pong));
    for (std::size_t cut = 1; cut < whole.size(); ++cut) {
        CHECK(f.send(std::string_view(whole).substr(0, cut)).empty());
        CHECK(f.send(std::string_view(whole).substr(cut)) == answer);
    }
    CHECK(f.send(whole + whole + whole) == answer + answer + answer);
}

TEST_CASE("who does not take answers is asked for no more requests") {
    Fixture f;
    const std::string whole = Fixture::post(ping, Fixture::in(f.open_session()));
    const std::string answer = f.send(whole);
    constexpr std::size_t many = 5000;
    std::string all;
    for (std::size_t i = 0; i < many; ++i) all += whole;
    f.connection->receive(all);
    CHECK(f.connection->output().size() <= f.limits.answers_ahead + answer.size());
    CHECK(!f.connection->wants_input());
    const bool has_ended = GENERATE(false, true);
    if (has_ended) f.connection->end_of_input();
    std::size_t taken = 0;
    for (std::string some = f.take(); !some.empty(); some = f.take()) taken += some.size();
    CHECK(taken == many * answer.size());
    CHECK(f.connection->phase() == (has_ended ? Phase::over : Phase::reading));
}

TEST_CASE("sessions: made, needed, ended for good, kept across a restart") {
    Fixture f;
    const std::string id = f.open_session("2025-06-18");
    CHECK_THAT(f.send(Fixture::post(R"({"jsonrpc":"2.0","method":"notifications/initialized"})", Fixture::in(id))),
               StartsWith("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n"));
    CHECK_THAT(f.send(Fixture::post(ping, Fixture::in(id) + "MCP-Protocol-Version: 2025-03-26\r\n")), Contains(pong));
    CHECK_THAT(f.send(Fixture::post(ping, Fixture::in(id) + "MCP-Protocol-Version: 2027-01-01\r\n")),
               StartsWith("HTTP/1.1 400") && Contains("-32022"));
    CHECK_THAT(f.send(Fixture::post("[" + ping + "]", Fixture::in(id))), StartsWith("HTTP/1.1 400"));
    f.forget_sessions();
    f.connection = f.connect();
    CHECK_THAT(f.send(Fixture::post(ping, Fixture::in(id))), Contains(pong));
    CHECK_THAT(f.send(Fixture::request("Mcp-Session-Id: " + id + "\r\n", "DELETE /mcp HTTP/1.1")),
               StartsWith("HTTP/1.1 200"));
    CHECK_THAT(f.send(Fixture::post(ping, Fixture::in(id))), StartsWith("HTTP/1.1 404"));
    f.forget_sessions();
    f.connection = f.connect();
    CHECK_THAT(f.send(Fixture::post(ping, Fixture::in(id))),
               StartsWith("HTTP/1.1 404") && Contains("-32001") && Contains(R"("id":1)"));
}

TEST_CASE("sessions beyond the bound are dropped unless something is open, and told so") {
    Fixture f;
    f.limits.sessions = 2;
    const std::string busy = f.open_session();
    CHECK(f.send(Fixture::post(call, Fixture::in(busy))).empty());
    auto other = f.connect();
    std::swap(other, f.connection);
    const std::string first = f.open_session();
    f.open_session();
    f.open_session();
    CHECK(f.sessions->size() == 3);
    CHECK_THAT(f.send(Fixture::post(ping, Fixture::in(first))), StartsWith("HTTP/1.1 404") && Contains("-32001"));
    // The state of an earlier process went with it.
    f.forget_sessions();
    f.connection = f.connect();
    CHECK_THAT(f.send(Fixture::post(ping, Fixture::in(first))), Contains(pong));
    f.open_session();
    f.open_session();
    CHECK_THAT(f.send(Fixture::post(ping, Fixture::in(first))), StartsWith("HTTP/1.1 404"));
    f.release();
    CHECK_THAT(f.take(other), Contains(held));
}

TEST_CASE("sessions of the client with most of them make room first") {
    Fixture f;
    f.limits.sessions = 4;
    const std::string victim = f.open_session("2025-11-25", "{}", "victim");
    const std::string first = f.open_session("2025-11-25", "{}", "attacker");
    for (int number = 0; number < 20; ++number) f.open_session("2025-11-25", "{}", "attacker");
    CHECK(f.sessions->size() == 4);
    CHECK_THAT(f.send(Fixture::post(ping, Fixture::in(victim))), Contains(pong));
    CHECK_THAT(f.send(Fixture::post(ping, Fixture::in(first))), StartsWith("HTTP/1.1 404"));
    // And of those the ones that nobody uses.
    const std::string used = f.open_session("2025-11-25", "{}", "attacker");
    CHECK_THAT(f.send(Fixture::post(ping, Fixture::in(used))), Contains(pong));
    for (int number = 0; number < 20; ++number) f.open_session("2025-11-25", "{}", "attacker");
    CHECK_THAT(f.send(Fixture::post(ping, Fixture::in(used))), Contains(pong));
}

TEST_CASE("sessions of the process with most of them make room first, whatever names it gives itself") {
    Fixture f;
    f.limits.sessions = 4;
    f.admission.process = 7;
    const std::string victim = f.open_session("2025-11-25", "{}", "victim");
    const std::string other = f.open_session("2025-11-25", "{}", "victim");
    f.admission.process = 8;
    for (int number = 0; number < 20; ++number) f.open_session("2025-11-25", "{}", "name " + std::to_string(number));
    CHECK(f.sessions->size() == 4);
    f.connection = f.connect();
    for (const std::string& each : {victim, other})
        CHECK_THAT(f.send(Fixture::post(ping, Fixture::in(each))), Contains(pong));
}

TEST_CASE("sessions of processes that have ended make room first, however few each has") {
    Fixture f;
    f.limits.sessions = 4;
    std::set<pid_t> living{7};
    f.is_there = [&living](pid_t process) { return living.contains(process); };
    f.forget_sessions();
    f.connection = f.connect();
    f.admission.process = 7;
    std::vector<std::string> sessions;
    for (int number = 0; number < 3; ++number) sessions.push_back(f.open_session());
    for (pid_t process = 100; process < 120; ++process) {
        f.admission.process = process;
        living.insert(process);
        f.open_session();
        living.erase(process);
    }
    CHECK(f.sessions->size() == 4);
    f.connection = f.connect();
    for (const std::string& each : sessions) CHECK_THAT(f.send(Fixture::post(ping, Fixture::in(each))), Contains(pong));
}

TEST_CASE("sessions with calls take no place of those at rest, and give theirs up when they rest") {
    Fixture f;
    f.limits.sessions = 2;
    f.admission.process = 7;
    const std::string victim = f.open_session();
    f.admission.process = 8;
    std::vector<std::shared_ptr<Connection>> calls;
    for (int number = 0; number < 4; ++number) {
        const std::string session = f.open_session();
        calls.push_back(f.connect());
        f.send(calls.back(), Fixture::post(call, Fixture::in(session)));
    }
    CHECK(f.sessions->size() == 5);
    f.connection = f.connect();
    CHECK_THAT(f.send(Fixture::post(ping, Fixture::in(victim))), Contains(pong));
    f.release();
    f.open_session();
    CHECK(f.sessions->size() == 2);
    CHECK_THAT(f.send(Fixture::post(ping, Fixture::in(victim))), Contains(pong));
}

TEST_CASE("the person's sessions and those of agents keep no places from each other") {
    Fixture f;
    f.limits.sessions = 2;
    f.admission.role = Principal::Role::client;
    const std::string person = f.open_session();
    f.admission.role = Principal::Role::agent;
    for (int number = 0; number < 20; ++number) f.open_session();
    CHECK(f.sessions->size() == 3);
    f.connection = f.connect();
    CHECK_THAT(f.send(Fixture::post(ping, Fixture::in(person))), Contains(pong));
}

TEST_CASE("while there are many sessions, whose a new one is, is known first") {
    Fixture f;
    f.limits.sessions = 8;
    std::vector<std::function<void(pid_t)>> asked;
    f.find_process = [&asked](std::uint64_t, std::function<void(pid_t)> then) { asked.push_back(std::move(then)); };
    f.forget_sessions();
    f.admission.socket = 5;
    const std::string hello =
        Fixture::legacy_body("initialize", R"({"protocolVersion":"2025-11-25","capabilities":{}})");
    const std::string first = f.open_session();
    f.connection = f.connect();
    CHECK_THAT(f.send(Fixture::post(hello)), StartsWith("HTTP/1.1 200"));
    CHECK(asked.empty());
    f.connection = f.connect();
    CHECK(f.send(Fixture::post(hello)).empty());
    REQUIRE(asked.size() == 1);
    CHECK(f.sessions->size() == 2);
    asked.back()(8);
    CHECK_THAT(f.take(), StartsWith("HTTP/1.1 200") && Contains("Mcp-Session-Id"));
    CHECK(f.sessions->size() == 3);
    // It is known now, also where it has another name.
    CHECK_THAT(f.send(Fixture::post(hello)), StartsWith("HTTP/1.1 200"));
    CHECK(asked.size() == 1);
    // Who does not wait for it has none.
    const auto gone = f.connect();
    CHECK(f.send(gone, Fixture::post(hello)).empty());
    const bool is_half = GENERATE(false, true);
    f.admission.has_left = [] { return true; };
    const auto left = f.connect();
    CHECK(f.send(left, Fixture::post(hello)).empty());
    if (is_half)
        left->end_of_input();
    else
        left->lost();
    CHECK(left->phase() == Phase::over);
    REQUIRE(asked.size() == 3);
    asked.back()(0);
    CHECK(f.sessions->size() == 4);
    // Nobody can tell: all of these count as one.
    asked[1](0);
    CHECK_THAT(f.take(gone), StartsWith("HTTP/1.1 200"));
    // An older one is asked for while it is used, and does not wait.
    f.admission.has_left = nullptr;
    f.connection = f.connect();
    CHECK_THAT(f.send(Fixture::post(ping, Fixture::in(first))), Contains(pong));
    CHECK(asked.size() == 4);
    CHECK_THAT(f.send(Fixture::post(ping, Fixture::in(first))), Contains(pong));
    CHECK(asked.size() == 4);
}

TEST_CASE("a session that has just said hello is not the one that makes room") {
    Fixture f;
    f.limits.sessions = 4;
    for (int number = 0; number < 20; ++number) {
        const std::string session = f.open_session("2025-11-25", "{}", "agent");
        f.open_session("2025-11-25", "{}", "agent");
        CHECK_THAT(f.send(Fixture::post(ping, Fixture::in(session))), Contains(pong));
    }
}

TEST_CASE("a session that nobody used for a day makes room once there are many, unless something is open") {
    Fixture f;
    f.limits.sessions = 6;
    const std::string busy = f.open_session();
    CHECK(f.send(Fixture::post(call, Fixture::in(busy))).empty());
    auto other = f.connect();
    std::swap(other, f.connection);
    const std::string idle = f.open_session();
    f.clock.advance(std::chrono::hours(23));
    f.connection = f.connect();
    const std::string used = f.open_session();
    f.clock.advance(std::chrono::hours(2));
    f.connection = f.connect();
    CHECK(f.sessions->size() == 3);
    f.open_session();
    CHECK(f.sessions->size() == 3);
    CHECK_THAT(f.send(Fixture::post(ping, Fixture::in(used))), Contains(pong));
    CHECK_THAT(f.send(Fixture::post(ping, Fixture::in(idle))), StartsWith("HTTP/1.1 404"));
}

TEST_CASE("batches belong to 2025-03-26") {
    Fixture f;
    const std::string id = f.open_session("2025-03-26");
    CHECK_THAT(f.send(Fixture::post("[" + ping + R"(,{"jsonrpc":"2.0","method":"n"}])", Fixture::in(id))),
               Contains("\r\n\r\n[" + pong + "]"));
    CHECK_THAT(f.send(Fixture::post(R"([{"jsonrpc":"2.0","method":"n"}])", Fixture::in(id))),
               StartsWith("HTTP/1.1 202"));
}

TEST_CASE("a call that ends soon is answered as JSON") {
    Fixture f;
    const std::string id = f.open_session();
    CHECK(f.send(Fixture::post(call, Fixture::in(id))).empty());
    CHECK(f.connection->phase() == Phase::waiting);
    f.pass(seconds(4));
    CHECK(f.take().empty());
    f.release();
    CHECK_THAT(f.take(), StartsWith("HTTP/1.1 200 OK\r\n") && Contains("application/json") && Contains(held));
    CHECK(f.connection->is_idle());
}

TEST_CASE("after five seconds a call becomes an event stream that is kept open") {
    Fixture f;
    const std::string id = f.open_session();
    f.send(Fixture::post(call, Fixture::in(id)));
    CHECK(f.connection->deadline() == f.clock.now() + seconds(5));
    f.pass(seconds(5));
    const std::string head = f.take();
    CHECK_THAT(head, StartsWith("HTTP/1.1 200 OK\r\n") && Contains("text/event-stream") &&
                         Contains("Cache-Control: no-store") && Contains("X-Accel-Buffering: no") &&
                         Contains("Transfer-Encoding: chunked") && Contains("retry: 1000\ndata: \n\n"));
    for (int i = 0; i < 3; ++i) {
        CHECK(f.connection->deadline() == f.clock.now() + seconds(15));
        f.pass(seconds(15));
        CHECK(f.take() == "6\r\n: ka\n\n\r\n");
    }
    f.release();
    const std::string rest = f.take();
    CHECK_THAT(rest, Contains("data: " + held + "\n\n\r\n0\r\n\r\n"));
    CHECK(f.connection->is_idle());
    CHECK(f.sessions->open_streams() == 0);
}

TEST_CASE("progress opens the stream at once; older sessions get no priming event") {
    Fixture f;
    const std::string id = f.open_session("2025-06-18");
    f.send(Fixture::post(call, Fixture::in(id)));
    f.seen.progress(1, 2.0, "half");
    const std::string text = f.take();
    CHECK_THAT(text, Contains("text/event-stream") &&
                         Contains(R"("progressToken":5,"progress":1,"total":2,"message":"half")") &&
                         !Contains("retry"));
    f.release();
    CHECK_THAT(f.take(), Contains(held));
}

TEST_CASE("a client that takes JSON alone gets one answer, however late") {
    Fixture f;
    const std::string id = f.open_session();
    f.send(Fixture::post(call, Fixture::in(id, "Accept: application/json\r\n")));
    f.seen.progress(1, 2.0, "half");
    f.pass(seconds(6));
    CHECK(f.take().empty());
    CHECK(f.connection->deadline() == MonoTime::max());
    f.release();
    CHECK_THAT(f.take(), Contains("application/json") && Contains(held));
}

TEST_CASE("a client that takes events alone gets an event") {
    Fixture f;
    const std::string id = f.open_session();
    CHECK_THAT(f.send(Fixture::post(ping, Fixture::in(id, "Accept: text/event-stream\r\n"))),
               Contains("Content-Type: text/event-stream") && Contains("data: " + pong + "\n\n"));
}

TEST_CASE("a broken stream is resumed after the last event seen") {
    Fixture f;
    const std::string id = f.open_session();
    f.send(Fixture::post(call, Fixture::in(id)));
    f.seen.progress(1, 3.0, "");
    f.seen.progress(2, 3.0, "");
    const auto ids = event_ids(f.take());
    REQUIRE(ids.size() == 3);
    f.connection->lost();
    f.seen.progress(3, 3.0, "");
    const auto resume = [&](const std::string& last) {
        f.connection = f.connect();
        return f.send(Fixture::request(Fixture::in(id) + "Last-Event-ID: " + last + "\r\n"));
    };
    const std::string again = resume(ids[1]);
    CHECK_THAT(again, StartsWith("HTTP/1.1 200") && Contains(R"("progress":2)") && Contains(R"("progress":3)") &&
                          !Contains(R"("progress":1,)"));
    f.connection->lost();
    f.release();
    // The response came while nobody listened; it waits for five minutes.
    for (int i = 0; i < 2; ++i)
        CHECK_THAT(resume(ids[2]), Contains(R"("progress":3)") && Contains(held) && Contains("0\r\n\r\n"));
    CHECK_THAT(resume(ids[2] + "9"), StartsWith("HTTP/1.1 400"));
    CHECK_THAT(resume("s1-1"), StartsWith("HTTP/1.1 400"));
    CHECK_THAT(resume("x"), StartsWith("HTTP/1.1 400"));
    f.forget_sessions();
    CHECK_THAT(resume(ids[2]), StartsWith("HTTP/1.1 400"));
}

TEST_CASE("the store of a stream is bounded") {
    Fixture f;
    f.limits.stored_events = 4;
    const std::string id = f.open_session();
    f.send(Fixture::post(call, Fixture::in(id)));
    for (int i = 1; i <= 10; ++i) f.seen.progress(i, std::nullopt, "");
    const auto ids = event_ids(f.take());
    REQUIRE(ids.size() == 11);
    f.connection->lost();
    f.connection = f.connect();
    CHECK_THAT(f.send(Fixture::request(Fixture::in(id) + "Last-Event-ID: " + ids[5] + "\r\n")),
               StartsWith("HTTP/1.1 400"));
    CHECK_THAT(f.send(Fixture::request(Fixture::in(id) + "Last-Event-ID: " + ids[6] + "\r\n")),
               StartsWith("HTTP/1.1 200"));
}

TEST_CASE("ended streams are kept for five minutes") {
    Fixture f;
    const std::string id = f.open_session();
    const auto run = [&] {
        f.send(Fixture::post(call, Fixture::in(id)));
        f.seen.progress(1, 3.0, "");
        f.release();
        return event_ids(f.take());
    };
    const auto ids = run();
    f.clock.advance(seconds(301));
    run();
    CHECK_THAT(f.send(Fixture::request(Fixture::in(id) + "Last-Event-ID: " + ids[0] + "\r\n")),
               StartsWith("HTTP/1.1 400"));
}

TEST_CASE("the GET stream: at once, kept open, replaced by a newer one, ended with its session") {
    Fixture f;
    const std::string id = f.open_session();
    const std::string get = Fixture::request(Fixture::in(id));
    CHECK_THAT(f.send(get), StartsWith("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream"));
    CHECK(f.connection->phase() == Phase::streaming);
    f.pass(seconds(15));
    CHECK_THAT(f.take(), Contains(": ka\n\n"));
    auto newer = f.connect();
    CHECK_THAT(f.send(newer, get), StartsWith("HTTP/1.1 200"));
    CHECK(f.take() == "0\r\n\r\n");
    CHECK(f.sessions->open_streams() == 1);
    CHECK_THAT(f.send(Fixture::request(Fixture::in(id), "DELETE /mcp HTTP/1.1")), StartsWith("HTTP/1.1 200"));
    CHECK(f.take(newer) == "0\r\n\r\n");
    CHECK(f.sessions->open_streams() == 0);
}

TEST_CASE("the client's end of a GET stream frees it") {
    Fixture f;
    const std::string id = f.open_session();
    f.send(Fixture::request(Fixture::in(id)));
    f.connection->end_of_input();
    CHECK(f.connection->phase() == Phase::over);
    CHECK(f.sessions->open_streams() == 0);
}

TEST_CASE("a GET stream that cannot be resumed is listened to from now on") {
    Fixture f;
    const std::string id = f.open_session();
    const std::string last = "Last-Event-ID: g7-3\r\n";
    CHECK_THAT(f.send(Fixture::request(Fixture::in(id) + last)), StartsWith("HTTP/1.1 200"));
    CHECK(f.sessions->open_streams() == 1);
    f.server.resources_changed();
    CHECK_THAT(f.take(), Contains("notifications/resources/list_changed"));
    // Also by a process that knows nothing of it.
    f.forget_sessions();
    f.connection = f.connect();
    CHECK_THAT(f.send(Fixture::request(Fixture::in(id) + last)), StartsWith("HTTP/1.1 200"));
    CHECK(f.sessions->open_streams() == 1);
}

TEST_CASE("the client's end of a GET stream that was resumed frees it too") {
    Fixture f;
    const std::string id = f.open_session();
    f.send(Fixture::request(Fixture::in(id)));
    const std::uint64_t number = f.sessions->find(id, {})->standing->number();
    auto resumed = f.connect();
    const std::string last = "Last-Event-ID: g" + std::to_string(number) + "-0\r\n";
    CHECK_THAT(f.send(resumed, Fixture::request(Fixture::in(id) + last)), StartsWith("HTTP/1.1 200"));
    CHECK(f.take() == "0\r\n\r\n");
    CHECK(f.sessions->open_streams() == 1);
    resumed->end_of_input();
    CHECK(f.sessions->open_streams() == 0);
}

TEST_CASE("streams are bounded per session; a call beyond waits for its one answer") {
    Fixture f;
    f.limits.streams_per_session = 1;
    const std::string id = f.open_session();
    f.send(Fixture::request(Fixture::in(id)));
    auto other = f.connect();
    CHECK(f.send(other, Fixture::post(call, Fixture::in(id))).empty());
    f.seen.progress(1, 3.0, "");
    CHECK(f.take(other).empty());
    f.release();
    CHECK_THAT(f.take(other), Contains("application/json") && Contains(held));
}

TEST_CASE("who has most streams gives one to who has fewer, its oldest first") {
    Fixture f;
    f.limits.streams = 4;
    std::vector<std::shared_ptr<Connection>> calls;
    const auto stream_in = [&](const std::string& session) {
        calls.push_back(f.connect());
        f.send(calls.back(), Fixture::post(call, Fixture::in(session)));
        f.seen.progress(1, 3.0, "");
        return f.take(calls.back());
    };
    const std::string greedy = f.open_session();
    for (int number = 0; number < 4; ++number) CHECK_THAT(stream_in(greedy), Contains("text/event-stream"));
    CHECK(f.sessions->open_streams() == 4);
    for (std::size_t number = 0; number < 3; ++number) {
        CHECK_THAT(stream_in(f.open_session()), Contains("text/event-stream"));
        CHECK(f.take(calls[number]) == "0\r\n\r\n");
    }
    CHECK(f.sessions->open_streams() == 4);
    // Where each has one, nobody loses it: the next call waits for its one answer.
    CHECK(stream_in(f.open_session()).empty());
    for (std::size_t number = 3; number < 7; ++number) CHECK(f.take(calls[number]).empty());
    // A call whose stream gave way is answered all the same, for who comes back.
    f.release();
    CHECK(f.server.open_calls() == 0);
    CHECK_THAT(f.take(calls.back()), Contains("application/json") && Contains(held));
    CHECK(f.sessions->open_streams() == 0);
}

TEST_CASE("a stream that could not be resumed gives way to nobody") {
    Fixture f;
    f.limits.streams = 2;
    const std::string older = f.open_session("2025-06-18");
    std::vector<std::shared_ptr<Connection>> calls;
    for (const std::string& session : {older, older, f.open_session()}) {
        calls.push_back(f.connect());
        f.send(calls.back(), Fixture::post(call, Fixture::in(session)));
        f.seen.progress(1, 3.0, "");
        CHECK(f.take(calls.back()).empty() == (calls.size() == 3));
    }
    f.release();
    for (const auto& each : calls) CHECK_THAT(f.take(each), Contains(held));
}

TEST_CASE("a GET's stream takes no call's place; among GETs the client with most gives one") {
    Fixture f;
    f.limits.streams = 1;
    f.limits.standing_streams = 3;
    const std::string victim = f.open_session("2025-11-25", "{}", "victim");
    const auto waiting = f.connect();
    f.send(waiting, Fixture::post(call, Fixture::in(victim)));
    f.seen.progress(1, 3.0, "");
    CHECK_THAT(f.take(waiting), Contains("text/event-stream"));
    const auto get = [&](const std::string& client) {
        auto out = f.connect();
        return std::pair(out, f.send(out, Fixture::request(Fixture::in(f.open_session("2025-11-25", "{}", client)))));
    };
    const auto standing = f.connect();
    CHECK_THAT(f.send(standing, Fixture::request(Fixture::in(victim))), StartsWith("HTTP/1.1 200"));
    std::vector<std::shared_ptr<Connection>> gets;
    for (int number = 0; number < 5; ++number) {
        const auto [connection, answer] = get("attacker");
        CHECK_THAT(answer, StartsWith(number < 2 ? "HTTP/1.1 200" : "HTTP/1.1 429"));
        if (number < 2) gets.push_back(connection);
    }
    CHECK(f.take(waiting).empty());
    CHECK(f.take(standing).empty());
    const auto [other, answer] = get("other");
    CHECK_THAT(answer, StartsWith("HTTP/1.1 200"));
    CHECK(f.take(gets[0]) == "0\r\n\r\n");
    CHECK(f.take(gets[1]).empty());
    f.release();
    CHECK_THAT(f.take(waiting), Contains(held));
}

TEST_CASE("among streams the process with most gives one, whatever names it gives itself") {
    Fixture f;
    f.limits.standing_streams = 5;
    const auto get = [&f](pid_t process, const std::string& client) {
        f.admission.process = process;
        auto out = f.connect();
        return std::pair(out, f.send(out, Fixture::request(Fixture::in(f.open_session("2025-11-25", "{}", client)))));
    };
    const std::array modest{get(7, "victim").first, get(7, "victim").first};
    const std::array greedy{get(8, "name 0").first, get(8, "name 1").first, get(8, "name 2").first};
    CHECK_THAT(get(8, "name 3").second, StartsWith("HTTP/1.1 429"));
    CHECK_THAT(get(9, "newcomer").second, StartsWith("HTTP/1.1 200"));
    CHECK(f.take(greedy[0]) == "0\r\n\r\n");
    for (const auto& each : modest) CHECK(f.take(each).empty());
}

TEST_CASE("a session has its GET's stream beside those of its calls, and an ended one has none") {
    Fixture f;
    f.limits.streams_per_session = 2;
    f.limits.streams = 2;
    f.limits.standing_streams = 0;
    const std::string id = f.open_session();
    std::vector<std::shared_ptr<Connection>> calls;
    for (int number = 0; number < 2; ++number) {
        calls.push_back(f.connect());
        f.send(calls.back(), Fixture::post(call, Fixture::in(id)));
        f.seen.progress(1, 3.0, "");
    }
    CHECK_THAT(f.send(Fixture::request(Fixture::in(id))),
               StartsWith("HTTP/1.1 429") && Contains("limit: too many event streams"));
    CHECK_THAT(f.send(Fixture::request(Fixture::in(id), "DELETE /mcp HTTP/1.1")), StartsWith("HTTP/1.1 200"));
    CHECK(f.sessions->open_streams() == 0);
    f.release();
    CHECK_THAT(f.take(calls[1]), Contains(held));
    CHECK(f.sessions->open_streams() == 0);
    const std::string left = f.open_session();
    const auto late = f.connect();
    f.send(late, Fixture::post(call, Fixture::in(left)));
    f.send(Fixture::request(Fixture::in(left), "DELETE /mcp HTTP/1.1"));
    f.seen.progress(1, 3.0, "");
    CHECK(f.sessions->open_streams() == 0);
    f.release();
    CHECK_THAT(f.take(late), Contains("application/json") && Contains(held));
    f.limits.standing_streams = 1;
    const std::string other = f.open_session();
    for (int number = 0; number < 2; ++number) {
        calls.push_back(f.connect());
        f.send(calls.back(), Fixture::post(call, Fixture::in(other)));
        f.seen.progress(1, 3.0, "");
    }
    CHECK_THAT(f.send(Fixture::request(Fixture::in(other))), StartsWith("HTTP/1.1 200"));
    CHECK(f.sessions->open_streams() == 3);
}

TEST_CASE("a cancelled call ends its POST with an empty stream") {
    Fixture f;
    const std::string id = f.open_session();
    f.send(Fixture::post(call, Fixture::in(id)));
    auto other = f.connect();
    CHECK_THAT(
        f.send(other, Fixture::post(R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2}})",
                                    Fixture::in(id))),
        StartsWith("HTTP/1.1 202"));
    CHECK_THAT(f.take(), Contains("text/event-stream") && Contains("0\r\n\r\n") && !Contains("result"));
    CHECK(f.server.open_calls() == 0);
}

TEST_CASE("a lost connection cancels nothing") {
    Fixture f;
    const std::string id = f.open_session();
    f.send(Fixture::post(call, Fixture::in(id)));
    f.connection->lost();
    f.settle();
    CHECK(f.server.open_calls() == 1);
    f.release();
    CHECK(f.server.open_calls() == 0);
    CHECK(f.take().empty());
}

TEST_CASE("what only reads ends with a connection that its answer cannot come to") {
    Fixture f;
    mcp::ToolDefinition reads = Fixture::define("reads");
    reads.annotations.read_only = true;
    auto read = [&f](Json, CallContext context) -> Task<ToolResult> {
        f.seen = context;
        co_await f.gate.wait();
        co_return Fixture::said("read");
    };
    f.server.add_tool(std::move(reads), std::move(read));
    const auto call_of = [](std::string_view tool, int number) {
        return R"({"jsonrpc":"2.0","id":)" + std::to_string(number) + R"(,"method":"tools/call","params":{"name":")" +
               std::string(tool) + R"(","_meta":{"progressToken":5}}})";
    };
    bool has_left = false;
    f.admission.has_left = [&has_left] { return has_left; };
    const std::string id = f.open_session();
    const auto ask = [&](std::string_view body) {
        f.connection = f.connect();
        f.send(Fixture::post(body, Fixture::in(id)));
    };
    SECTION("lost") {
        ask(call_of("reads", 1));
        f.connection->lost();
        f.settle();
        CHECK(f.server.open_calls() == 0);
    }
    SECTION("its end of input is the end of both directions, or of one") {
        ask(call_of("reads", 1));
        f.connection->end_of_input();
        f.settle();
        CHECK(f.server.open_calls() == 1);
        has_left = true;
        ask(call_of("reads", 2));
        f.connection->end_of_input();
        f.settle();
        CHECK(f.server.open_calls() == 1);
    }
    SECTION("while it waits for its turn") {
        for (int number = 1; number <= 20; ++number) {
            ask(call_of("reads", number));
            f.connection->lost();
        }
        f.settle();
        CHECK(f.server.open_calls() == 0);
    }
    SECTION("who has heard of an event may come back") {
        ask(call_of("reads", 1));
        f.seen.progress(1, 2.0, "");
        f.take();
        f.connection->lost();
        f.settle();
        CHECK(f.server.open_calls() == 1);
    }
    SECTION("of a batch those that read, and what changes something goes on") {
        const std::string old = f.open_session("2025-03-26");
        f.connection = f.connect();
        const std::string both = '[' + call_of("reads", 1) + ',' + call_of("hold", 2) + ']';
        f.send(Fixture::post(both, Fixture::in(old)));
        CHECK(f.server.open_calls() == 2);
        f.connection->lost();
        f.settle();
        CHECK(f.server.open_calls() == 1);
    }
}

TEST_CASE("a call that gives its place back keeps nobody from having it") {
    Fixture f(ServerLimits{.agent_calls = {.places = 1, .per_party = 1, .waiting_per_party = 99}});
    auto sleeps = [&f](Json, CallContext context) -> Task<ToolResult> {
        context.give_place_back();
        context.give_place_back();
        co_await f.gate.wait();
        co_return Fixture::said("slept");
    };
    f.server.add_tool(Fixture::define("sleeps"), std::move(sleeps));
    const std::string id = f.open_session();
    const auto ask = [&](std::string_view body) {
        f.connection = f.connect();
        return f.send(Fixture::post(body, Fixture::in(id)));
    };
    for (int number = 10; number < 30; ++number)
        CHECK(ask(R"({"jsonrpc":"2.0","id":)" + std::to_string(number) +
                  R"(,"method":"tools/call","params":{"name":"sleeps"}})")
                  .empty());
    CHECK_THAT(ask(R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo"}})"), Contains("result"));
    f.release();
    CHECK(f.server.open_calls() == 0);
    CHECK_THAT(ask(R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo"}})"), Contains("result"));
}

TEST_CASE("a half-closed client still gets its answer") {
    Fixture f;
    const std::string id = f.open_session();
    f.send(Fixture::post(call, Fixture::in(id)));
    f.connection->end_of_input();
    CHECK(f.connection->phase() == Phase::waiting);
    f.release();
    CHECK_THAT(f.take(), Contains(held));
    CHECK(f.connection->phase() == Phase::over);
}

TEST_CASE("deadlines of header, body and idleness") {
    Fixture f;
    SECTION("idle") {
        f.pass(seconds(59));
        CHECK(f.connection->phase() == Phase::reading);
        f.pass(seconds(1));
        CHECK(f.connection->phase() == Phase::draining);
        CHECK(f.take().empty());
        f.pass(seconds(5));
        CHECK(f.connection->phase() == Phase::over);
    }
    SECTION("header, however it trickles") {
        for (int i = 0; i < 9; ++i) {
            f.send("G");
            f.pass(seconds(1));
            CHECK(f.take().empty());
        }
        f.pass(seconds(1));
        CHECK_THAT(f.take(), StartsWith("HTTP/1.1 408"));
        CHECK(f.connection->phase() == Phase::draining);
    }
    SECTION("empty lines are no rest") {
        for (int i = 0; i < 4; ++i) f.send("\r\n");
        f.pass(seconds(59));
        CHECK(f.connection->phase() == Phase::reading);
        for (int i = 0; i < 9; ++i) {
            f.send("\r\n");
            f.pass(seconds(1));
        }
        CHECK(f.connection->phase() == Phase::reading);
        f.pass(seconds(1));
        CHECK_THAT(f.take(), StartsWith("HTTP/1.1 408"));
    }
    SECTION("body") {
        f.send(Fixture::request("Content-Type: application/json\r\nContent-Length: 5\r\n", "POST /mcp HTTP/1.1"));
        f.pass(seconds(29));
        CHECK(f.send("a").empty());
        f.pass(seconds(1));
        CHECK_THAT(f.take(), StartsWith("HTTP/1.1 408"));
    }
}

TEST_CASE("a refused body is not read; what comes after the refusal is thrown away") {
    Fixture f;
    CHECK_THAT(f.send(Fixture::request("Content-Length: 100\r\n", "POST /mcp HTTP/1.1")),
               Contains("Connection: close"));
    CHECK(f.connection->wants_half_close());
    CHECK(f.connection->wants_input());
    CHECK(f.send(std::string(100, 'x')).empty());
    CHECK(f.connection->phase() == Phase::draining);
    SECTION("until it ends") {
        f.connection->end_of_input();
        CHECK(f.connection->phase() == Phase::over);
    }
    SECTION("within bounds") {
        const std::string more(1u << 20, 'x');
        for (int i = 0; i < 7; ++i) f.send(more);
        CHECK(f.connection->phase() == Phase::draining);
        f.send(more);
        CHECK(f.connection->phase() == Phase::over);
    }
}

TEST_CASE("a client that asks before it sends is told to go on") {
    Fixture f;
    const std::string id = f.open_session();
    const std::string whole = Fixture::post(ping, Fixture::in(id) + "Expect: 100-continue\r\n");
    const auto body = whole.size() - ping.size();
    CHECK(f.send(whole.substr(0, body)) == "HTTP/1.1 100 Continue\r\n\r\n");
    CHECK_THAT(f.send(whole.substr(body)), StartsWith("HTTP/1.1 200") && Contains(pong));
    CHECK_THAT(f.send(whole), StartsWith("HTTP/1.1 200"));
}

TEST_CASE("HTTP/1.0 is answered without chunks, then closed") {
    Fixture f;
    const std::string id = f.open_session();
    std::string text = Fixture::post(call, Fixture::in(id));
    text.replace(text.find("HTTP/1.1"), 8, "HTTP/1.0");
    CHECK(f.send(text).empty());
    f.seen.progress(1, 2.0, "");
    f.release();
    CHECK_THAT(f.take(), Contains("application/json") && Contains("Connection: close") && Contains(held));
    CHECK(f.connection->wants_half_close());
}

TEST_CASE("a peer that does not read is dropped") {
    Fixture f;
    f.limits.pending_output = 1000;
    const std::string id = f.open_session();
    f.send(Fixture::post(call, Fixture::in(id)));
    for (int i = 1; i < 100; ++i) f.seen.progress(i, std::nullopt, "");
    CHECK(f.connection->phase() == Phase::over);
    CHECK(f.server.open_calls() == 1);
}

TEST_CASE("a last answer is kept for as long as the peer goes on taking it") {
    Fixture f;
    f.connection->receive(Fixture::post("{", "Connection: close\r\n"));
    REQUIRE(f.connection->wants_half_close());
    for (int i = 0; i < 3; ++i) {
        f.pass(seconds(20));
        REQUIRE(f.connection->output().size() > 10);
        f.connection->output().erase(0, 10);
        f.connection->output_taken();
    }
    CHECK(f.connection->phase() == Phase::draining);
    f.take();
    f.pass(seconds(4));
    CHECK(f.connection->phase() == Phase::draining);
    f.pass(seconds(1));
    CHECK(f.connection->phase() == Phase::over);
}

TEST_CASE("output that nobody takes ends the connection") {
    Fixture f;
    const std::string id = f.open_session();
    f.connection->receive(Fixture::request(Fixture::in(id)));
    for (int i = 0; i < 4; ++i) f.pass(seconds(15));
    CHECK(f.connection->phase() == Phase::over);
}

TEST_CASE("the end of the server: answers first, idle ones at once") {
    Fixture f;
    const std::string id = f.open_session();
    auto idle = f.connect();
    auto stream = f.connect();
    f.send(stream, Fixture::request(Fixture::in(id)));
    f.send(Fixture::post(call, Fixture::in(id)));
    for (const auto& each : {f.connection, idle, stream}) each->finish();
    CHECK(idle->wants_half_close());
    CHECK(f.take(stream) == "0\r\n\r\n");
    CHECK(stream->wants_half_close());
    CHECK(f.connection->phase() == Phase::waiting);
    f.release();
    CHECK_THAT(f.take(), Contains("Connection: close") && Contains(held));
    CHECK(f.connection->wants_half_close());
}

TEST_CASE("while a call runs, unread bytes are bounded and a later request is kept") {
    Fixture f;
    const std::string id = f.open_session();
    f.send(Fixture::post(call, Fixture::in(id)));
    CHECK(f.send(Fixture::post(ping, Fixture::in(id))).empty());
    CHECK(f.connection->wants_input());
    f.release();
    CHECK_THAT(f.take(), Contains(held) && Contains(pong));
    f.send(Fixture::post(call, Fixture::in(id)));
    f.send(std::string(70000, ' '));
    CHECK(!f.connection->wants_input());
}

TEST_CASE("a session that had a GET stream does not keep the sessions alive") {
    Fixture f;
    f.send(Fixture::request(Fixture::in(f.open_session())));
    f.connection->lost();
    f.connection.reset();
    const std::weak_ptr<Sessions> sessions = std::exchange(f.sessions, nullptr);
    CHECK(sessions.expired());
    f.server.tools_changed();
}

}  // namespace connection_test
