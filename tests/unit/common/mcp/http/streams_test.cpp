// What follows a request: one answer or an event stream, its resumption in a session, its end with the connection in
// 2026-07-28, and what is said beside requests.
#include "tests/support/catch.hpp"
#include "tests/support/http_machine.hpp"

namespace streams_test {

using namespace persistproc;
using namespace persistproc::mcp;
using Catch::Matchers::Contains;
using std::chrono::seconds;
using tests::Answer;
using tests::take_answer;
using Machine = tests::HttpMachine;
using ConnectionPtr = std::shared_ptr<http::Connection>;

namespace {

const std::string token = R"("progressToken":"p")";
const std::string asks_forms = R"({"elicitation":{"form":{}}})";

std::string text_of(const Json& response) { return response["result"]["content"][0]["text"].get<std::string>(); }

/// The chunks that came on an open stream since last time.
std::vector<http::SseEvent> events_of(std::string bytes) {
    const std::string head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/event-stream\r\n\r\n";
    bytes = head + bytes;
    return take_answer(bytes).events;
}
std::vector<Json> messages_of(const std::string& bytes) {
    std::vector<Json> out;
    for (const auto& event : events_of(bytes))
        if (!event.data.empty()) out.push_back(Json::parse(event.data));
    return out;
}
std::vector<std::string> methods_of(const std::vector<Json>& messages) {
    std::vector<std::string> out;
    for (const auto& each : messages)
        out.push_back(each.contains("method") ? each["method"].get<std::string>() : "response");
    return out;
}

std::string listen(std::string_view notifications, std::string_view id = "\"L1\"") {
    return Machine::post(
        Machine::modern_body("subscriptions/listen", "\"notifications\":" + std::string(notifications), {}, id),
        Machine::modern_headers("subscriptions/listen"));
}

struct Stream {
    ConnectionPtr connection;
    Answer opened;
};
Stream open_stream(Machine& machine, const std::string& request) {
    Stream out;
    out.connection = machine.connect();
    std::string text = machine.send(out.connection, request);
    out.opened = take_answer(text);
    return out;
}
Stream open_get(Machine& machine, const std::string& session, const std::string& last = {}) {
    const std::string resume = last.empty() ? "" : "Last-Event-ID: " + last + "\r\n";
    return open_stream(machine, Machine::request(Machine::in(session) + resume));
}
unsigned post_note(Machine& machine, const std::string& session, const std::string& body) {
    const auto connection = machine.connect();
    std::string text = machine.send(connection, Machine::post(body, Machine::in(session)));
    return take_answer(text).status;
}
std::string cancelled(std::string_view id) {
    return R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":)" + std::string(id) + "}}";
}

}  // namespace

// ---- 2026-07-28 ----

TEST_CASE("modern: an answer without side messages is JSON, with what every result carries") {
    Machine machine;
    const Answer answer = machine.answer(Machine::modern_call("talk", "{}", {}, "\"c-7\""));
    CHECK(answer.status == 200);
    CHECK(*answer.find("Content-Type") == "application/json");
    CHECK(answer.response() == Json::parse(R"({"jsonrpc":"2.0","id":"c-7","result":{"resultType":"complete",
              "content":[{"type":"text","text":"talked"}],
              "_meta":{"io.modelcontextprotocol/serverInfo":{"name":"srv","version":"1"}}}})"));
    CHECK(machine.server.open_calls() == 0);
}

TEST_CASE("modern: side messages make it a stream without ids; the response ends it") {
    Machine machine;
    const Answer answer =
        machine.answer(Machine::modern_call("talk", "{}", token + R"(,"io.modelcontextprotocol/logLevel":"alert")"));
    CHECK(answer.status == 200);
    CHECK(*answer.find("Content-Type") == "text/event-stream");
    CHECK(answer.has("Cache-Control"));
    CHECK(*answer.find("X-Accel-Buffering") == "no");
    CHECK(answer.is_complete);
    for (const auto& event : answer.events) {
        CHECK(event.id.empty());
        CHECK(!event.retry_ms);
        CHECK(!event.data.empty());
    }
    const auto all = answer.messages();
    REQUIRE(methods_of(all) == std::vector<std::string>{"notifications/progress", "notifications/message",
                                                        "notifications/message", "response"});
    CHECK(all[0]["params"]["progressToken"] == "p");
    CHECK(all[1]["params"] == Json::parse(R"({"level":"alert","logger":"sample","data":"alert"})"));
    CHECK(all[2]["params"]["level"] == "emergency");
    CHECK(text_of(all[3]) == "talked");
}

TEST_CASE("modern: log messages come from the level that was asked for, and never unasked") {
    const struct {
        const char* meta;
        std::size_t messages;
    } rows[] = {{"", 0},
                {R"("io.modelcontextprotocol/logLevel":"debug")", 8},
                {R"("io.modelcontextprotocol/logLevel":"info")", 7},
                {R"("io.modelcontextprotocol/logLevel":"error")", 4},
                {R"("io.modelcontextprotocol/logLevel":"emergency")", 1},
                {R"("io.modelcontextprotocol/logLevel":"loud")", 0},
                {R"("io.modelcontextprotocol/logLevel":1)", 0}};
    Machine machine;
    for (const auto& row : rows) {
        INFO(row.meta);
        CHECK(machine.answer(Machine::modern_call("talk", "{}", row.meta)).messages().size() == row.messages + 1);
    }
}

TEST_CASE("modern: to hang up is to cancel, whatever was sent before") {
    Machine machine;
    for (const bool has_stream : {false, true}) {
        for (const bool is_half : {false, true}) {
            INFO(has_stream << is_half);
            const int before = machine.ended;
            machine.connection = machine.connect();
            machine.send(Machine::modern_call("hold", "{}", token));
            if (has_stream) machine.seen.progress(1, 2, "");
            CHECK(machine.connection->phase() ==
                  (has_stream ? http::Connection::Phase::streaming : http::Connection::Phase::waiting));
            CHECK(machine.server.open_calls() == 1);
            std::weak_ptr<CallChannel> call = machine.seen.channel;
            if (is_half)
                machine.connection->end_of_input();
            else
                machine.connection->lost();
            machine.settle();
            CHECK(machine.ended == before + 1);
            CHECK(machine.server.open_calls() == 0);
            CHECK(machine.connection->phase() == http::Connection::Phase::over);
            machine.seen.progress(2, 2, "");
            machine.seen = {};
            CHECK(call.expired());
            CHECK(machine.take().empty());
        }
    }
    CHECK(machine.sessions->size() == 0);
    CHECK(machine.sessions->open_streams() == 0);
}

TEST_CASE("modern: a call that waits for its turn is cancelled with its connection") {
    Machine machine(ServerLimits{.agent_calls = {.places = 1, .per_party = 1, .waiting_per_party = 9}});
    const ConnectionPtr first = machine.connect();
    const ConnectionPtr second = machine.connect();
    machine.send(first, Machine::modern_call("hold"));
    machine.send(second, Machine::modern_call("hold"));
    CHECK(machine.server.open_calls() == 2);
    second->lost();
    machine.settle();
    CHECK(machine.server.open_calls() == 1);
    CHECK(machine.started == 1);
    machine.release();
    CHECK_THAT(machine.take(first), Contains("held"));
    CHECK(machine.started == 1);
}

TEST_CASE("modern: two connections may use one id; the end of one leaves the other alone") {
    Machine machine;
    const ConnectionPtr first = machine.connect();
    const ConnectionPtr second = machine.connect();
    machine.send(first, Machine::modern_call("hold", "{}", {}, "7"));
    machine.send(second, Machine::modern_call("hold", "{}", {}, "7"));
    first->lost();
    machine.release();
    CHECK(machine.ended == 2);
    CHECK_THAT(machine.take(second), Contains(R"("id":7)") && Contains("held"));
    CHECK(machine.take(first).empty());
}

TEST_CASE("modern: a client that takes JSON alone hears nothing before the answer") {
    Machine machine;
    std::string call = Machine::modern_call("talk", "{}", token);
    call.replace(call.find(", text/event-stream"), 19, "");
    const Answer answer = machine.answer(call);
    CHECK(*answer.find("Content-Type") == "application/json");
    CHECK(text_of(answer.response()) == "talked");
}

TEST_CASE("modern: after five seconds a call becomes a stream, whose error is a message") {
    Machine machine;
    machine.send(Machine::modern_call("hold"));
    machine.pass(seconds(5));
    std::string head = machine.take();
    CHECK(take_answer(head).events.empty());
    machine.pass(seconds(15));
    CHECK_THAT(machine.take(), Contains(": ka\n\n"));
    machine.tasks.spawn("finish", machine.server.finish_calls(machine.clock.now(), machine.clock));
    const auto last = messages_of(machine.take());
    REQUIRE(last.size() == 1);
    CHECK(last[0]["error"]["code"] == rpc::internal_error);
    CHECK(machine.connection->is_idle());
}

TEST_CASE("modern: questions end the call, and come back answered") {
    Machine machine;
    const Answer asked = machine.answer(Machine::modern_call("again", "{}", {}, "1", asks_forms));
    const Json result = asked.response()["result"];
    CHECK(result["resultType"] == "input_required");
    CHECK(result["inputRequests"]["it"]["method"] == "elicitation/create");
    CHECK(result["requestState"] == "v1.\"state\"");
    CHECK(!result.contains("content"));
    const auto again = [&](const std::string& members) {
        const std::string body =
            Machine::modern_body("tools/call", R"("name":"again","arguments":{},)" + members, {}, "2", asks_forms);
        return machine.answer(Machine::post(body, Machine::modern_headers("tools/call", "again"))).response()["result"];
    };
    const std::string state = R"("requestState":"v1.\"state\"")";
    const Json done = again(R"("inputResponses":{"it":{"action":"accept"},"other":1},)" + state);
    CHECK(done["resultType"] == "complete");
    CHECK(done["content"][0]["text"] == R"(v1."state" {"action":"accept"})");
    for (const char* odd : {R"("inputResponses":{})", R"("inputResponses":[])", R"("inputResponses":null)",
                            R"("inputResponses":"it")", R"("inputResponses":{"other":{"action":"accept"}})"})
        CHECK(again(std::string(odd) + ',' + state)["resultType"] == "input_required");
    CHECK(again(R"("inputResponses":{"it":{}},"requestState":7)")["content"][0]["text"] == "no state {}");
}

TEST_CASE("modern: nobody is asked during a call") {
    Machine machine;
    const Answer answer = machine.answer(Machine::modern_call("ask", "{}", {}, "1", asks_forms));
    CHECK(*answer.find("Content-Type") == "application/json");
    CHECK(answer.response()["result"]["isError"] == true);
}

// ---- subscriptions/listen ----

TEST_CASE("a subscriber is found to be gone while it is told") {
    Machine machine;
    bool is_gone = false;
    // As the driver does when what it writes is refused.
    machine.on_change = [&] {
        if (std::exchange(is_gone, false)) machine.connection->lost();
    };
    machine.connection = machine.connect();
    const std::string opened = machine.send(listen(R"({"resourceSubscriptions":["test://a"]})"));
    CHECK(opened.find("notifications/subscriptions/acknowledged") != std::string::npos);
    is_gone = true;
    machine.server.resource_updated("test://a");
    CHECK(machine.connection->phase() == Machine::Connection::Phase::over);
    // Nobody is there any more to be told.
    machine.server.resource_updated("test://a");
    CHECK(machine.resources.heard.back() == "-test://a");
}

TEST_CASE("listen: the acknowledgement comes first and says what was granted") {
    const struct {
        const char* asked;
        const char* granted;
    } rows[] = {
        {"{}", "{}"},
        {R"({"toolsListChanged":true})", R"({"toolsListChanged":true})"},
        {R"({"toolsListChanged":false,"promptsListChanged":true})", R"({"promptsListChanged":true})"},
        {R"({"toolsListChanged":"true","unknown":true})", "{}"},
        {R"({"toolsListChanged":true,"promptsListChanged":true,"resourcesListChanged":true,
             "resourceSubscriptions":["test://a"]})",
         R"({"toolsListChanged":true,"promptsListChanged":true,"resourcesListChanged":true,
             "resourceSubscriptions":["test://a"]})"},
        {R"({"resourceSubscriptions":[]})", "{}"},
        {R"({"taskIds":["x"]})", "{}"},
    };
    for (const auto& row : rows) {
        for (const char* id : {"\"L1\"", "7", "\"7\"", "-1", R"("a\"b")"}) {
            INFO(row.asked << " " << id);
            Machine machine;
            const Stream stream = open_stream(machine, listen(row.asked, id));
            CHECK(stream.opened.status == 200);
            CHECK(*stream.opened.find("Content-Type") == "text/event-stream");
            CHECK(!stream.opened.has("Mcp-Session-Id"));
            CHECK(!stream.opened.is_complete);
            const auto all = stream.opened.messages();
            REQUIRE(all.size() == 1);
            CHECK(all[0]["method"] == "notifications/subscriptions/acknowledged");
            CHECK(all[0]["params"]["notifications"] == Json::parse(row.granted));
            CHECK(all[0]["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"].dump() == id);
        }
    }
}

TEST_CASE("listen: each stream gets what it asked for, under its own id, until it hangs up") {
    Machine machine;
    const Stream tools = open_stream(machine, listen(R"({"toolsListChanged":true})", "\"T\""));
    const Stream prompts = open_stream(machine, listen(R"({"promptsListChanged":true})", "5"));
    const Stream uris = open_stream(machine, listen(R"({"resourceSubscriptions":["test://a","test://b"]})", "\"U\""));
    const Stream more =
        open_stream(machine, listen(R"({"resourcesListChanged":true,"resourceSubscriptions":["test://a"]})", "6"));
    CHECK(machine.resources.heard == std::vector<std::string>{"+test://a", "+test://b"});
    const auto heard = [&] {
        std::string out;
        for (const Stream* each : {&tools, &prompts, &uris, &more}) {
            for (const auto& message : messages_of(machine.take(each->connection))) {
                const std::string method = message["method"];
                out += method.substr(std::string("notifications/").size()) + ' ';
                if (message["params"].contains("uri")) out += message["params"]["uri"].get<std::string>() + ' ';
                out += message["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"].dump() + '\n';
            }
        }
        return out;
    };
    machine.server.tools_changed();
    CHECK(heard() == "tools/list_changed \"T\"\n");
    machine.server.prompts_changed();
    CHECK(heard() == "prompts/list_changed 5\n");
    machine.server.resources_changed();
    CHECK(heard() == "resources/list_changed 6\n");
    machine.server.resource_updated("test://a");
    CHECK(heard() == "resources/updated test://a \"U\"\nresources/updated test://a 6\n");
    machine.server.resource_updated("test://b");
    CHECK(heard() == "resources/updated test://b \"U\"\n");
    machine.server.resource_updated("test://c");
    machine.server.log(LogLevel::emergency, "x", Json("y"));
    CHECK(heard().empty());
    uris.connection->end_of_input();
    CHECK(machine.resources.heard.back() == "-test://b");
    machine.server.resource_updated("test://a");
    CHECK(heard() == "resources/updated test://a 6\n");
    more.connection->lost();
    CHECK(machine.resources.heard.back() == "-test://a");
    machine.server.resource_updated("test://a");
    machine.server.resources_changed();
    CHECK(heard().empty());
    CHECK(machine.sessions->size() == 0);
}

TEST_CASE("listen: kept open by comments, ended with its result") {
    Machine machine;
    machine.connection = machine.connect();
    machine.send(listen(R"({"toolsListChanged":true})"));
    machine.pass(seconds(15));
    CHECK(machine.take() == "6\r\n: ka\n\n\r\n");
    machine.connection->finish();
    CHECK(machine.connection->phase() == http::Connection::Phase::streaming);
    machine.tasks.spawn("finish", machine.server.finish_calls(machine.clock.now() + seconds(5), machine.clock));
    const std::string rest = machine.take();
    CHECK(messages_of(rest) == std::vector<Json>{Json::parse(
                                   R"({"jsonrpc":"2.0","id":"L1","result":{"resultType":"complete","_meta":{
                                   "io.modelcontextprotocol/subscriptionId":"L1",
                                   "io.modelcontextprotocol/serverInfo":{"name":"srv","version":"1"}}}})")});
    CHECK_THAT(rest, Catch::Matchers::EndsWith("0\r\n\r\n"));
    CHECK(machine.connection->wants_half_close());
    machine.server.tools_changed();
    CHECK(machine.take().empty());
}

TEST_CASE("listen: bad ones and too many are refused in band") {
    Machine machine(ServerLimits{.subscriptions = 2, .subscribed_uris = 2});
    for (const char* bad : {"null", "[]", "true", R"({"resourceSubscriptions":"test://a"})",
                            R"({"resourceSubscriptions":[1]})", R"({"resourceSubscriptions":{}})"}) {
        const Answer answer = machine.answer(listen(bad));
        INFO(bad);
        CHECK(answer.status == 200);
        CHECK(answer.response()["error"]["code"] == rpc::invalid_params);
    }
    const std::string three = R"({"resourceSubscriptions":["test://a","test://b","test://c"]})";
    CHECK(machine.answer(listen(three)).response()["error"]["code"] == rpc::limit_reached);
    Stream first = open_stream(machine, listen("{}"));
    const Stream second = open_stream(machine, listen("{}"));
    // Who listens for longest makes room for one who does not yet, and is told that it is over.
    const Stream third = open_stream(machine, listen("{}"));
    CHECK(!third.opened.is_complete);
    const auto ended = messages_of(machine.take(first.connection));
    REQUIRE(ended.size() == 1);
    CHECK(ended[0]["id"] == "L1");
    CHECK(ended[0]["result"]["resultType"] == "complete");
    CHECK(machine.take(second.connection).empty());
    CHECK(machine.resources.heard.empty());
}

TEST_CASE("listen: the process that does most makes room, by however many connections") {
    Machine machine(ServerLimits{.subscriptions = 3, .subscribed_uris = 1});
    const bool is_asked_for = GENERATE(false, true);
    machine.admission.process = 7;
    const Stream modest[] = {open_stream(machine, listen("{}")), open_stream(machine, listen("{}"))};
    machine.admission.process = 8;
    const Stream greedy = open_stream(machine, listen("{}"));
    if (is_asked_for) {
        machine.admission.process = 0;
        machine.server.set_process_finder([](Principal) -> Task<pid_t> { co_return 8; });
    }
    const Stream next = open_stream(machine, listen("{}"));
    CHECK(!next.opened.is_complete);
    CHECK(messages_of(machine.take(greedy.connection)).size() == 1);
    for (const Stream& each : modest) CHECK(machine.take(each.connection).empty());
    // What is refused ends nobody's.
    machine.admission.process = 9;
    const std::string two = R"({"resourceSubscriptions":["test://a","test://b"]})";
    CHECK(machine.answer(listen(two)).response()["error"]["code"] == rpc::limit_reached);
    for (const Stream& each : modest) CHECK(machine.take(each.connection).empty());
}

TEST_CASE("listen: a client that has gone before the acknowledgement keeps no place") {
    Machine machine(ServerLimits{.subscriptions = 1});
    machine.limits.pending_output = 10;  // less than the head of the answer
    machine.send(machine.connection, listen(R"({"resourceSubscriptions":["test://a"]})"));
    CHECK(machine.connection->phase() == http::Connection::Phase::over);
    CHECK(machine.resources.heard.empty());
    machine.limits.pending_output = 1u << 20;
    CHECK(open_stream(machine, listen("{}")).opened.messages().size() == 1);
}

// ---- sessions ----

TEST_CASE("sessions: the first event of a POST stream primes 2025-11-25 alone") {
    const struct {
        const char* revision;
        bool is_primed;
    } rows[] = {{"2024-11-05", false}, {"2025-03-26", false}, {"2025-06-18", false}, {"2025-11-25", true}};
    for (const auto& row : rows) {
        // The header's version does not count: clients mix them up.
        for (const char* said : {"", "MCP-Protocol-Version: 2025-11-25\r\n", "MCP-Protocol-Version: 2025-06-18\r\n"}) {
            INFO(row.revision << " " << said);
            Machine machine;
            const std::string session = machine.open_session(row.revision);
            const std::string body = Machine::legacy_body("tools/call", R"({"name":"talk","_meta":{)" + token + "}}");
            const Answer answer = machine.answer(Machine::post(body, Machine::in(session) + said));
            REQUIRE(!answer.events.empty());
            CHECK(answer.events[0].data.empty() == row.is_primed);
            CHECK(answer.events[0].retry_ms.has_value() == row.is_primed);
            std::set<std::string> ids;
            for (const auto& event : answer.events) {
                CHECK(!event.id.empty());
                CHECK(ids.insert(event.id).second);
                if (&event != &answer.events[0]) CHECK(!event.retry_ms);
            }
            // Before logging/setLevel a session hears from info on.
            CHECK(answer.messages().size() == 1 + 7 + 1);
            CHECK(text_of(answer.response()) == "talked");
        }
    }
}

TEST_CASE("sessions: logging/setLevel rules what is sent from then on") {
    Machine machine;
    const std::string session = machine.open_session();
    const auto heard = [&] { return machine.answer(Machine::legacy_call("talk", session)).messages().size() - 1; };
    CHECK(heard() == 7);
    const struct {
        const char* level;
        std::size_t messages;
    } rows[] = {{"debug", 8}, {"error", 4}, {"emergency", 1}, {"info", 7}};
    for (const auto& row : rows) {
        const std::string body =
            Machine::legacy_body("logging/setLevel", R"({"level":")" + std::string(row.level) + "\"}");
        CHECK(machine.answer(Machine::post(body, Machine::in(session))).response()["result"] == Json::object());
        CHECK(heard() == row.messages);
    }
    for (const char* bad : {R"({"level":"Debug"})", R"({"level":1})", "{}", R"({"level":""})"}) {
        const Answer answer =
            machine.answer(Machine::post(Machine::legacy_body("logging/setLevel", bad), Machine::in(session)));
        CHECK(answer.response()["error"]["code"] == rpc::invalid_params);
    }
    CHECK(heard() == 7);
    CHECK(machine.answer(Machine::legacy_call("talk", machine.open_session())).messages().size() == 8);
}

TEST_CASE("sessions: a POST stream is taken up at any event; each event is in one place") {
    Machine machine;
    const std::string session = machine.open_session();
    machine.send(Machine::legacy_call("hold", session, "1", token));
    for (int step = 1; step <= 3; ++step) machine.seen.progress(step, 3, "");
    std::string text = machine.take();
    const Answer begun = take_answer(text);
    REQUIRE(begun.events.size() == 4);
    machine.connection->lost();
    machine.release();
    for (std::size_t last = 0; last < begun.events.size(); ++last) {
        const Stream resumed = open_get(machine, session, begun.events[last].id);
        CHECK(resumed.opened.is_complete);
        const auto all = resumed.opened.messages();
        REQUIRE(all.size() == begun.events.size() - last);
        for (std::size_t each = 0; each + 1 < all.size(); ++each)
            CHECK(all[each]["params"]["progress"] == last + each + 1);
        CHECK(text_of(all.back()) == "held");
        for (const auto& event : resumed.opened.events) CHECK(!event.id.empty());
        CHECK(resumed.connection->is_idle());
    }
    const std::string other = machine.open_session();
    CHECK(open_get(machine, other, begun.events[0].id).opened.status == 400);
}

TEST_CASE("sessions: what is said while no GET is open waits for the one that resumes") {
    Machine machine;
    const std::string session = machine.open_session();
    Stream get = open_get(machine, session);
    CHECK(get.opened.status == 200);
    CHECK(get.opened.events.empty());
    machine.server.tools_changed();
    auto events = events_of(machine.take(get.connection));
    REQUIRE(events.size() == 1);
    const std::string first = events[0].id;
    get.connection->lost();
    machine.server.prompts_changed();
    machine.server.resources_changed();
    Stream resumed = open_get(machine, session, first);
    CHECK(methods_of(resumed.opened.messages()) ==
          std::vector<std::string>{"notifications/prompts/list_changed", "notifications/resources/list_changed"});
    machine.server.tools_changed();
    CHECK(messages_of(machine.take(resumed.connection)).size() == 1);
    // A newer carrier takes over, and the older one ends.
    const Stream newer = open_get(machine, session, first);
    CHECK(newer.opened.messages().size() == 3);
    CHECK(machine.take(resumed.connection) == "0\r\n\r\n");
    machine.server.tools_changed();
    CHECK(machine.take(resumed.connection).empty());
    CHECK(messages_of(machine.take(newer.connection)).size() == 1);
    // Five minutes without a client, and nothing is kept any more.
    newer.connection->lost();
    machine.clock.advance(seconds(301));
    machine.server.tools_changed();
    CHECK(open_get(machine, session, first).opened.messages().size() == 4);
}

TEST_CASE("sessions: what belongs to a call never goes to the GET stream, nor the other way round") {
    Machine machine;
    const std::string session = machine.open_session();
    const Stream get = open_get(machine, session);
    machine.connection = machine.connect();
    machine.send(Machine::legacy_call("hold", session, "1", token));
    machine.seen.progress(1, 2, "");
    machine.server.tools_changed();
    CHECK(methods_of(messages_of(machine.take(get.connection))) ==
          std::vector<std::string>{"notifications/tools/list_changed"});
    std::string text = machine.take();
    CHECK(methods_of(take_answer(text).messages()) == std::vector<std::string>{"notifications/progress"});
}

TEST_CASE("sessions: updates of resources that were subscribed to, as long as they are") {
    Machine machine;
    const std::string session = machine.open_session();
    const Stream get = open_get(machine, session);
    const auto ask = [&](const char* method, const char* params) {
        return machine.answer(Machine::post(Machine::legacy_body(method, params), Machine::in(session))).response();
    };
    machine.server.resource_updated("test://a");
    CHECK(messages_of(machine.take(get.connection)).empty());
    CHECK(ask("resources/subscribe", R"({"uri":"test://a"})")["result"] == Json::object());
    CHECK(ask("resources/subscribe", R"({"uri":"test://a"})")["result"] == Json::object());
    machine.server.resource_updated("test://a");
    machine.server.resource_updated("test://b");
    const auto all = messages_of(machine.take(get.connection));
    REQUIRE(all.size() == 1);
    CHECK(all[0] ==
          Json::parse(R"({"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"test://a"}})"));
    CHECK(ask("resources/unsubscribe", R"({"uri":"test://a"})")["result"] == Json::object());
    CHECK(ask("resources/unsubscribe", R"({"uri":"test://a"})")["result"] == Json::object());
    machine.server.resource_updated("test://a");
    CHECK(messages_of(machine.take(get.connection)).empty());
    CHECK(ask("resources/subscribe", "{}")["error"]["code"] == rpc::invalid_params);
    CHECK(ask("resources/subscribe", R"({"uri":1})")["error"]["code"] == rpc::invalid_params);
    CHECK(machine.resources.heard == std::vector<std::string>{"+test://a", "-test://a"});
    // A session that ends takes its subscriptions with it.
    ask("resources/subscribe", R"({"uri":"test://b"})");
    machine.answer(Machine::request("Mcp-Session-Id: " + session + "\r\n", "DELETE /mcp HTTP/1.1"));
    machine.connection.reset();
    CHECK(machine.resources.heard.back() == "-test://b");
}

TEST_CASE("sessions: nothing but what was asked is sent before `initialized`") {
    Machine machine;
    const std::string body = Machine::legacy_body("initialize", R"({"protocolVersion":"2025-11-25"})");
    const std::string session = *machine.answer(Machine::post(body)).find("Mcp-Session-Id");
    const Stream get = open_get(machine, session);
    machine.server.tools_changed();
    CHECK(machine.take(get.connection).empty());
    machine.server.log(LogLevel::error, "x", Json("y"));
    CHECK(methods_of(messages_of(machine.take(get.connection))) == std::vector<std::string>{"notifications/message"});
    CHECK(post_note(machine, session, R"({"jsonrpc":"2.0","method":"notifications/initialized"})") == 202);
    machine.server.tools_changed();
    CHECK(methods_of(messages_of(machine.take(get.connection))) ==
          std::vector<std::string>{"notifications/tools/list_changed"});
}

TEST_CASE("sessions: after a restart a session that comes back hears of changes again") {
    Machine machine;
    const std::string session = machine.open_session();
    machine.forget_sessions();
    const Stream get = open_get(machine, session);
    CHECK(get.opened.status == 200);
    machine.server.tools_changed();
    CHECK(messages_of(machine.take(get.connection)).size() == 1);
}

TEST_CASE("sessions: a cancelled call ends its POST without a response, and no other") {
    for (const char* revision : {"2025-03-26", "2025-11-25"}) {
        for (const bool has_stream : {false, true}) {
            INFO(revision << has_stream);
            Machine machine;
            const std::string session = machine.open_session(revision);
            const std::string stranger = machine.open_session(revision);
            const ConnectionPtr first = machine.connect();
            const ConnectionPtr second = machine.connect();
            machine.send(second, Machine::legacy_call("hold", session, "\"1\"", token));
            machine.send(first, Machine::legacy_call("hold", session, "1", token));
            if (has_stream) machine.seen.progress(1, 2, "");
            std::string text = machine.take(first);
            CHECK(post_note(machine, stranger, cancelled("1")) == 202);
            CHECK(post_note(machine, session, cancelled("2")) == 202);
            CHECK(machine.ended == 0);
            CHECK(post_note(machine, session, cancelled("1")) == 202);
            machine.settle();
            CHECK(machine.ended == 1);
            text += machine.take(first);
            const Answer answer = take_answer(text);
            CHECK(answer.is_complete);
            CHECK(*answer.find("Content-Type") == "text/event-stream");
            for (const auto& message : answer.messages()) CHECK(message["method"] == "notifications/progress");
            CHECK(first->is_idle());
            CHECK(post_note(machine, session, cancelled("1")) == 202);
            machine.release();
            CHECK_THAT(machine.take(second), Contains(R"("id":"1")") && Contains("held"));
        }
    }
}

TEST_CASE("sessions: a tool may let the connection go; the answer waits for the client to come back") {
    Machine machine;
    const std::string session = machine.open_session();
    machine.connection = machine.connect();
    std::string text = machine.send(Machine::legacy_call("let_go", session));
    const Answer begun = take_answer(text);
    CHECK(begun.is_complete);
    REQUIRE(begun.events.size() == 1);
    CHECK(begun.events[0].data.empty());
    CHECK(begun.events[0].retry_ms == 1000u);
    CHECK(machine.connection->is_idle());
    CHECK(machine.server.open_calls() == 1);
    const Stream waiting = open_get(machine, session, begun.events[0].id);
    CHECK(!waiting.opened.is_complete);
    machine.release();
    const auto all = messages_of(machine.take(waiting.connection));
    REQUIRE(all.size() == 1);
    CHECK(text_of(all[0]) == "came back");
    CHECK(waiting.connection->is_idle());
    CHECK(open_get(machine, session, begun.events[0].id).opened.messages() == all);
    CHECK(machine.sessions->open_streams() == 0);
}

TEST_CASE("only clients of 2025-11-25 that take events can be let go") {
    for (const char* revision : {"2025-03-26", "2025-06-18"}) {
        Machine machine;
        const std::string session = machine.open_session(revision);
        CHECK(machine.send(Machine::legacy_call("let_go", session)).empty());
        machine.release();
        CHECK_THAT(machine.take(), Contains("stayed"));
    }
    Machine machine;
    const std::string session = machine.open_session();
    const std::string body = Machine::legacy_body("tools/call", R"({"name":"let_go"})");
    CHECK(machine.send(Machine::post(body, Machine::in(session, "Accept: application/json\r\n"))).empty());
    machine.release();
    CHECK_THAT(machine.take(), Contains("stayed"));
    CHECK(machine.send(Machine::modern_call("let_go")).empty());
    machine.release();
    CHECK_THAT(machine.take(), Contains("stayed"));
}

TEST_CASE("sessions: a batch on a stream is answered one message each") {
    Machine machine;
    const std::string session = machine.open_session("2025-03-26");
    const std::string talk = Machine::legacy_body("tools/call", R"({"name":"talk","_meta":{"progressToken":1}})", "1");
    const std::string ping = Machine::legacy_body("ping", {}, "2");
    for (const char* accept : {"Accept: application/json, text/event-stream\r\n", "Accept: text/event-stream\r\n"}) {
        INFO(accept);
        const Answer answer =
            machine.answer(Machine::post("[" + ping + "," + talk + "]", Machine::in(session, accept)));
        CHECK(*answer.find("Content-Type") == "text/event-stream");
        const auto all = answer.messages();
        std::set<int> answered;
        for (const auto& message : all) {
            REQUIRE(message.is_object());
            if (message.contains("result")) answered.insert(message["id"].get<int>());
        }
        CHECK(answered == std::set<int>{1, 2});
        CHECK(all.size() == 1 + 7 + 2);
    }
    const Answer one =
        machine.answer(Machine::post("[" + ping + "]", Machine::in(session, "Accept: text/event-stream\r\n")));
    CHECK(one.messages() == std::vector<Json>{Json::parse(R"({"jsonrpc":"2.0","id":2,"result":{}})")});
}

// ---- questions in a session ----

TEST_CASE("a question goes out on the stream of its call; a POSTed response answers it") {
    for (const char* revision : {"2025-06-18", "2025-11-25"}) {
        Machine machine;
        const std::string session = machine.open_session(revision, R"({"elicitation":{}})");
        machine.connection = machine.connect();
        std::string text = machine.send(Machine::legacy_call("ask", session));
        const Json question = take_answer(text).response();
        CHECK(question["method"] == "elicitation/create");
        CHECK(question["params"]["message"] == "Sure?");
        REQUIRE(question["id"].is_string());
        const auto reply = [&](const std::string& id, const std::string& rest) {
            return post_note(machine, session, R"({"jsonrpc":"2.0","id":)" + id + ',' + rest + '}');
        };
        CHECK(reply("\"someone else's\"", R"("result":{"action":"accept"})") == 202);
        CHECK(reply(question["id"].dump(), R"("result":5)") == 400);
        CHECK(machine.take().empty());
        CHECK(reply(question["id"].dump(), R"("result":{"action":"accept","content":{"sure":true}})") == 202);
        const auto last = messages_of(machine.take());
        REQUIRE(last.size() == 1);
        CHECK(Json::parse(text_of(last[0]))["it"] == Json::parse(R"({"action":"accept","content":{"sure":true}})"));
        CHECK(reply(question["id"].dump(), R"("result":{"action":"accept"})") == 202);
        CHECK(machine.connection->is_idle());
    }
}

TEST_CASE("a question that is refused, not answered, withdrawn or not allowed ends as a failure of the call") {
    Machine machine;
    const std::string session = machine.open_session("2025-11-25", R"({"elicitation":{}})");
    const auto ask = [&](const std::string& arguments = "{}") {
        machine.connection = machine.connect();
        return machine.send(Machine::legacy_call("ask", session, "1", {}, arguments));
    };
    const auto failure = [&] {
        const auto all = messages_of(machine.take());
        return all.empty() ? std::string() : text_of(all.back());
    };
    SECTION("refused") {
        std::string text = ask();
        const std::string id = take_answer(text).response()["id"].dump();
        CHECK(post_note(machine, session,
                        R"({"jsonrpc":"2.0","id":)" + id + R"(,"error":{"code":-1,"message":"not\nnow"}})") == 202);
        CHECK(failure() == "unavailable: the client refused: not\\x0anow");
    }
    SECTION("not answered") {
        ask();
        machine.clock.advance(seconds(599));
        CHECK(failure().empty());
        machine.clock.advance(seconds(1));
        CHECK(failure() == "timeout: the client did not answer in time");
    }
    SECTION("the call is cancelled") {
        ask();
        CHECK(post_note(machine, session, cancelled("1")) == 202);
        CHECK(messages_of(machine.take()).empty());
        CHECK(machine.server.open_calls() == 0);
    }
    SECTION("the connection breaks: the client finds the question when it comes back") {
        std::string text = ask();
        const Answer begun = take_answer(text);
        machine.connection->lost();
        const Stream resumed = open_get(machine, session, begun.events[0].id);
        REQUIRE(resumed.opened.messages() == begun.messages());
        const std::string id = begun.response()["id"].dump();
        CHECK(post_note(machine, session, R"({"jsonrpc":"2.0","id":)" + id + R"(,"result":{"action":"decline"}})") ==
              202);
        CHECK(messages_of(machine.take(resumed.connection)).size() == 1);
    }
    SECTION("another session cannot answer") {
        std::string text = ask();
        const std::string id = take_answer(text).response()["id"].dump();
        const std::string stranger = machine.open_session();
        CHECK(post_note(machine, stranger, R"({"jsonrpc":"2.0","id":)" + id + R"(,"result":{"action":"accept"}})") ==
              202);
        CHECK(failure().empty());
    }
    SECTION("a capability that was not declared") {
        for (const char* method : {"sampling/createMessage", "roots/list", "nonsense", "ping"}) {
            std::string text = ask(R"({"method":")" + std::string(method) + "\"}");
            const Answer answer = take_answer(text);
            CHECK(*answer.find("Content-Type") == "application/json");
            CHECK_THAT(text_of(answer.response()), Contains("unavailable: the client did not declare"));
        }
    }
    SECTION("a client that takes JSON alone") {
        const Answer answer = machine.answer(Machine::post(Machine::legacy_body("tools/call", R"({"name":"ask"})"),
                                                           Machine::in(session, "Accept: application/json\r\n")));
        CHECK_THAT(text_of(answer.response()), Contains("unavailable: this client takes no questions"));
    }
}

}  // namespace streams_test
