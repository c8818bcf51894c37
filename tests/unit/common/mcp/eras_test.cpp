// Both eras side by side on one channel, as clients on stdio use them.
#include "common/mcp/server.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/channel_client.hpp"

namespace eras_test {

using namespace persistproc;
using namespace persistproc::mcp;
using std::chrono::seconds;
using tests::ChannelClient;
using tests::SampleServer;

namespace {

const std::string tasks_declared = R"({"extensions":{"io.modelcontextprotocol/tasks":{}},"elicitation":{}})";

int code_of(const Json& response) { return response.contains("error") ? response["error"]["code"].get<int>() : 0; }
std::string text_of(const Json& response) { return response["result"]["content"][0]["text"].get<std::string>(); }

Json call_task(ChannelClient& client, std::string_view what) {
    const std::string arguments = R"("name":"task","arguments":{"do":")" + std::string(what) + "\"}";
    return client.modern("tools/call", arguments, {}, "\"call\"", tasks_declared)["result"];
}
Json of_task(ChannelClient& client, std::string_view verb, const std::string& id, std::string_view rest = {}) {
    return client.modern("tasks/" + std::string(verb), "\"taskId\":\"" + id + '"' + std::string(rest), {}, "1",
                         tasks_declared);
}

}  // namespace

TEST_CASE("a client probes with server/discover and then opens a session, or the other way round") {
    SampleServer sample;
    ChannelClient client(sample);
    const Json offer = client.modern("server/discover")["result"];
    CHECK(offer["resultType"] == "complete");
    CHECK(offer["supportedVersions"] == Json::array({"2026-07-28"}));
    CHECK(offer["ttlMs"] == 60000);
    CHECK(offer["cacheScope"] == "private");
    CHECK(offer["instructions"] == "Use it.");
    CHECK(offer["capabilities"]["tools"] == Json::parse(R"({"listChanged":true})"));
    CHECK(offer["capabilities"]["extensions"].contains("io.modelcontextprotocol/tasks"));
    const Json opened =
        client.legacy("initialize", R"({"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{}})")["result"];
    CHECK(opened["protocolVersion"] == "2025-06-18");
    CHECK(!opened.contains("resultType"));
    CHECK(!opened["capabilities"].contains("extensions"));
    CHECK(opened["capabilities"]["resources"] == Json::parse(R"({"subscribe":true,"listChanged":true})"));
    for (int round = 0; round < 2; ++round) {
        CHECK(client.legacy("ping")["result"] == Json::object());
        CHECK(code_of(client.modern("ping")) == rpc::method_not_found);
        CHECK(code_of(client.legacy("server/discover")) == rpc::method_not_found);
        CHECK(!client.legacy("tools/list")["result"].contains("resultType"));
        CHECK(client.modern("tools/list")["result"]["resultType"] == "complete");
        CHECK(client.legacy("tools/list")["result"]["tools"] == client.modern("tools/list")["result"]["tools"]);
    }
}

TEST_CASE("a full queue refuses one more call of every kind") {
    ServerLimits limits;
    limits.agent_calls = {.places = 1, .per_party = 1, .waiting_per_party = 1};
    SampleServer sample(limits);
    ChannelClient client(sample);
    client.initialize("2025-06-18");
    for (const char* id : {"10", "11"}) CHECK(client.legacy("tools/call", R"({"name":"hold"})", id).is_null());
    const std::pair<const char*, const char*> calls[] = {
        {"prompts/get", R"({"name":"plain"})"},
        {"resources/read", R"({"uri":"test://a"})"},
        {"resources/list", "{}"},
        {"completion/complete",
         R"({"ref":{"type":"ref/prompt","name":"triage"},"argument":{"name":"label","value":""}})"}};
    for (const auto& [method, params] : calls) {
        CAPTURE(method);
        const Json answer = client.legacy(method, params);
        REQUIRE(code_of(answer) == rpc::limit_reached);
        CHECK(answer["error"]["message"].get<std::string>().find("too many calls") != std::string::npos);
    }
    CHECK(sample.server.open_calls() == 2);
    for (int i = 0; i < 2; ++i) sample.release();
    CHECK(client.take().size() == 2);
    CHECK(client.legacy("resources/list", "{}")["result"]["resources"].size() == 2);
}

TEST_CASE("results of 2026-07-28 carry their hints, those of sessions do not") {
    const struct {
        const char* method;
        const char* members;
        int ttl;  // -1: no hints
    } rows[] = {{"tools/list", "", 60000},
                {"prompts/list", "", 60000},
                {"resources/list", "", 60000},
                {"resources/templates/list", "", 60000},
                {"resources/read", R"("uri":"test://a")", 0},
                {"prompts/get", R"("name":"plain")", -1},
                {"tools/call", R"("name":"echo")", -1},
                {"completion/complete",
                 R"("ref":{"type":"ref/prompt","name":"triage"},"argument":{"name":"label","value":""})", -1}};
    SampleServer sample;
    ChannelClient client(sample);
    client.initialize("2025-11-25");
    for (const auto& row : rows) {
        INFO(row.method);
        const Json modern = client.modern(row.method, row.members)["result"];
        CHECK(modern["resultType"] == "complete");
        CHECK(modern.contains("ttlMs") == (row.ttl >= 0));
        CHECK(modern.value("ttlMs", -1) == row.ttl);
        CHECK(modern.contains("cacheScope") == (row.ttl >= 0));
        CHECK(modern["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "srv");
        Json legacy = client.legacy(row.method, '{' + std::string(row.members) + '}')["result"];
        for (const char* key : {"resultType", "ttlMs", "cacheScope", "_meta"}) {
            CHECK(!legacy.contains(key));
            legacy[key] = modern.value(key, Json());
        }
        for (const auto& [key, value] : modern.items()) CHECK(legacy[key] == value);
    }
}

TEST_CASE("cancelling is exact: by id and type, in either era, and what was cancelled stays silent") {
    for (const bool is_modern : {false, true}) {
        INFO(is_modern);
        SampleServer sample;
        ChannelClient client(sample);
        client.initialize("2025-11-25");
        const auto hold = [&](const char* id) {
            return is_modern ? client.modern("tools/call", R"("name":"hold")", {}, id)
                             : client.legacy("tools/call", R"({"name":"hold"})", id);
        };
        CHECK(hold("1").is_null());
        CHECK(hold("\"1\"").is_null());
        CHECK(hold("2").is_null());
        client.cancel("3");
        client.cancel("null");
        client.cancel("1.0");
        CHECK(sample.ended == 0);
        client.cancel("\"1\"");
        CHECK(sample.ended == 1);
        client.cancel("\"1\"");
        CHECK(client.take().empty());
        CHECK(sample.server.open_calls() == 2);
        sample.release();
        const auto rest = client.take();
        REQUIRE(rest.size() == 2);
        CHECK(rest[0]["id"] == 1);
        CHECK(rest[1]["id"] == 2);
        CHECK(sample.ended == 3);
        client.cancel("1");
        CHECK(client.take().empty());
    }
}

TEST_CASE("requests of two channels are told apart, whatever their ids") {
    SampleServer sample;
    ChannelClient first(sample);
    ChannelClient second(sample);
    first.modern("tools/call", R"("name":"hold")", {}, "1");
    second.modern("tools/call", R"("name":"hold")", {}, "1");
    first.cancel("1");
    CHECK(sample.ended == 1);
    second.close();
    CHECK(sample.ended == 2);
    CHECK(sample.server.open_calls() == 0);
}

TEST_CASE("subscriptions share the channel; each is ended by its own id") {
    SampleServer sample;
    ChannelClient client(sample);
    const auto listen = [&](const char* id, const char* what) {
        return client.modern("subscriptions/listen", R"("notifications":)" + std::string(what), {}, id);
    };
    CHECK(listen("\"a\"", R"({"toolsListChanged":true})")["method"] == "notifications/subscriptions/acknowledged");
    CHECK(listen("2", R"({"toolsListChanged":true,"resourceSubscriptions":["test://a"]})")
              ["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"] == 2);
    // Not a session, so nothing comes twice.
    sample.server.tools_changed();
    CHECK(client.take().size() == 2);
    client.cancel("\"a\"");
    sample.server.tools_changed();
    const auto heard = client.take();
    REQUIRE(heard.size() == 1);
    CHECK(heard[0]["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"] == 2);
    client.cancel("2");
    CHECK(sample.resources.heard == std::vector<std::string>{"+test://a", "-test://a"});
    sample.server.tools_changed();
    CHECK(client.take().empty());
    listen("3", R"({"resourceSubscriptions":["test://a"]})");
    client.close();
    CHECK(sample.resources.heard.back() == "-test://a");
}

TEST_CASE("a channel without a session hears nothing that it did not ask for") {
    SampleServer sample;
    ChannelClient client(sample);
    client.modern("tools/list");
    sample.server.tools_changed();
    sample.server.resources_changed();
    sample.server.log(LogLevel::emergency, "x", Json("y"));
    CHECK(client.take().empty());
    client.initialize("2025-11-25");
    sample.server.tools_changed();
    sample.server.log(LogLevel::debug, "x", Json("y"));
    sample.server.log(LogLevel::info, "x", Json("y"));
    CHECK(client.take().size() == 2);
}

TEST_CASE("batches on a channel: one array in 2025-03-26, none with a claim in it") {
    SampleServer sample;
    ChannelClient client(sample);
    client.initialize("2025-03-26");
    const std::string ping = tests::HttpMachine::legacy_body("ping");
    const Json answer = client.ask("[" + ping + "," + ping + "]");
    CHECK(answer.is_array());
    CHECK(answer.size() == 2);
    CHECK(code_of(client.ask("[" + tests::HttpMachine::modern_body("tools/list") + "]")) == rpc::invalid_request);
    CHECK(client.legacy("ping")["result"] == Json::object());
}

TEST_CASE("broken lines are answered, and the channel goes on") {
    SampleServer sample;
    ChannelClient client(sample);
    const std::string whole = tests::HttpMachine::modern_body("tools/call", R"("name":"echo")");
    for (std::size_t cut = 1; cut < whole.size(); ++cut) {
        const Json answer = client.ask(whole.substr(0, cut));
        CHECK(code_of(answer) == rpc::parse_error);
        CHECK(answer["id"].is_null());
    }
    CHECK(text_of(client.ask(whole)) == "{}");
}

// ---- lists, prompts, completion, progress ----

TEST_CASE("lists come whole and in order; cursors of nobody are refused") {
    SampleServer sample;
    ChannelClient client(sample);
    for (const char* kind : {"tools", "prompts"}) {
        INFO(kind);
        const std::string method = std::string(kind) + "/list";
        const Json result = client.modern(method, "")["result"];
        CHECK(result["cacheScope"] == "private");
        CHECK(!result.contains("nextCursor"));
        std::string names;
        for (const auto& each : result[kind]) names += each["name"].get<std::string>() + ' ';
        CHECK(names == (kind == std::string("tools") ? "echo hold talk ask again needs_sampling let_go task marked "
                                                     : "triage plain "));
        for (const char* bad : {"\"\"", "\"x\"", "\"MQ\"", "7", "{}", "true"})
            CHECK(code_of(client.legacy(method, R"({"cursor":)" + std::string(bad) + "}")) == rpc::invalid_params);
        CHECK(client.legacy(method, R"({"cursor":null})").contains("result"));
    }
}

TEST_CASE("resources: pages of the provider, templates, contents, failures per era") {
    SampleServer sample;
    ChannelClient client(sample);
    client.initialize("2025-11-25");
    const Json first = client.legacy("resources/list")["result"];
    CHECK(first["resources"] == Json::parse(R"([{"uri":"test://a","name":"a"},{"uri":"test://b","name":"b"}])"));
    const Json second = client.legacy("resources/list", R"({"cursor":)" + first["nextCursor"].dump() + "}")["result"];
    CHECK(second["resources"].size() == 1);
    CHECK(!second.contains("nextCursor"));
    CHECK(code_of(client.legacy("resources/list", R"({"cursor":"x"})")) == rpc::invalid_params);
    CHECK(code_of(client.legacy("resources/list", R"({"cursor":1})")) == rpc::invalid_params);
    CHECK(client.legacy("resources/templates/list")["result"]["resourceTemplates"][0]["uriTemplate"] == "test://{id}");
    CHECK(client.legacy("resources/read", R"({"uri":"test://a"})")["result"]["contents"] ==
          Json::parse(R"([{"uri":"test://a","mimeType":"text/plain","text":"hello\n"}])"));
    const Json gone = client.legacy("resources/read", R"({"uri":"test://gone"})");
    CHECK(code_of(gone) == rpc::resource_not_found);
    CHECK(gone["error"]["data"]["uri"] == "test://gone");
    const Json modern = client.modern("resources/read", R"("uri":"test://gone")");
    CHECK(code_of(modern) == rpc::invalid_params);
    CHECK(modern["error"]["data"]["uri"] == "test://gone");
    CHECK(code_of(client.legacy("resources/read", "{}")) == rpc::invalid_params);
    CHECK(code_of(client.legacy("resources/read", R"({"uri":"test://broken"})")) == rpc::internal_error);
}

TEST_CASE("prompts: required arguments must be there, and all are strings") {
    const struct {
        const char* params;
        int code;
    } rows[] = {
        {R"({"name":"triage","arguments":{"label":"web"}})", 0},
        {R"({"name":"triage","arguments":{"label":"web","since":"10m","other":"x"}})", 0},
        {R"({"name":"triage","arguments":{"label":""}})", 0},
        {R"({"name":"triage","arguments":{"since":"10m"}})", rpc::invalid_params},
        {R"({"name":"triage"})", rpc::invalid_params},
        {R"({"name":"triage","arguments":null})", rpc::invalid_params},
        {R"({"name":"triage","arguments":{"label":1}})", rpc::invalid_params},
        {R"({"name":"triage","arguments":{"label":null}})", rpc::invalid_params},
        {R"({"name":"triage","arguments":["web"]})", rpc::invalid_params},
        {R"({"name":"plain"})", 0},
        {R"({"name":"plain","arguments":{}})", 0},
        {R"({"name":"none"})", rpc::invalid_params},
        {R"({"name":1})", rpc::invalid_params},
        {"{}", rpc::invalid_params},
    };
    SampleServer sample;
    ChannelClient client(sample);
    client.initialize("2025-11-25");
    for (const auto& row : rows) {
        INFO(row.params);
        CHECK(code_of(client.legacy("prompts/get", row.params)) == row.code);
    }
    CHECK(client.legacy("prompts/get", rows[0].params)["result"]["messages"] ==
          Json::parse(R"([{"role":"user","content":{"type":"text","text":"{\"label\":\"web\"}"}}])"));
}

TEST_CASE("completions: at most a hundred, and how many there are") {
    SampleServer sample;
    ChannelClient client(sample);
    const auto complete = [&](const std::string& ref, const std::string& argument) {
        return client.modern("completion/complete", R"("ref":)" + ref + R"(,"argument":)" + argument);
    };
    const std::string prompt = R"({"type":"ref/prompt","name":"triage"})";
    const std::string thing = R"({"type":"ref/resource","uri":"test://{id}"})";
    const struct {
        const char* value;
        std::size_t values, total;
        bool has_more;
    } rows[] = {{"", 100, 150, true},   {"w", 100, 150, true}, {"w0", 100, 100, false},
                {"w14", 10, 10, false}, {"w149", 1, 1, false}, {"x", 0, 0, false}};
    for (const auto& row : rows) {
        for (const auto& [ref, name] : {std::pair(prompt, "label"), std::pair(thing, "id")}) {
            const Json got = complete(
                ref, R"({"name":")" + std::string(name) + R"(","value":")" + row.value + "\"}")["result"]["completion"];
            INFO(row.value);
            CHECK(got["values"].size() == row.values);
            CHECK(got["total"] == row.total);
            CHECK(got["hasMore"] == row.has_more);
        }
    }
    const std::string good = R"({"name":"label","value":""})";
    CHECK(code_of(complete(prompt, R"({"name":"nothing","value":""})")) == rpc::invalid_params);
    CHECK(code_of(complete(prompt, R"({"name":"label"})")) == rpc::invalid_params);
    CHECK(code_of(complete(prompt, R"({"name":"label","value":1})")) == rpc::invalid_params);
    CHECK(code_of(complete(prompt, "[]")) == rpc::invalid_params);
    CHECK(code_of(complete("{}", good)) == rpc::invalid_params);
    CHECK(code_of(complete(R"({"type":"ref/tool","name":"x"})", good)) == rpc::invalid_params);
    CHECK(code_of(complete(R"({"type":"ref/prompt"})", good)) == rpc::invalid_params);
    CHECK(code_of(complete(R"({"type":"ref/resource","name":"triage"})", good)) == rpc::invalid_params);
    CHECK(code_of(client.modern("completion/complete")) == rpc::invalid_params);
}

TEST_CASE("progress rises and stops with the answer, under tokens of both kinds") {
    for (const char* token : {"7", "\"t\"", "-1", "\"\""}) {
        SampleServer sample;
        ChannelClient client(sample);
        client.modern("tools/call", R"("name":"hold")", "\"progressToken\":" + std::string(token));
        for (const double step : {1.0, 1.0, 0.5, -1.0, 2.0, 1.9, 2.5}) sample.seen.progress(step, std::nullopt, "");
        sample.seen.progress(std::numeric_limits<double>::quiet_NaN(), std::nullopt, "");
        std::string heard;
        for (const auto& message : client.take()) {
            CHECK(message["params"]["progressToken"].dump() == token);
            heard += message["params"]["progress"].dump() + ' ';
        }
        CHECK(heard == "1 2 2.5 ");
        sample.release();
        CHECK(client.take().size() == 1);
        sample.seen.progress(9, std::nullopt, "");
        CHECK(client.take().empty());
    }
    for (const char* token : {"1.5", "null", "true", "{}", "[]"}) {
        SampleServer sample;
        ChannelClient client(sample);
        client.modern("tools/call", R"("name":"hold")", "\"progressToken\":" + std::string(token));
        CHECK(!sample.seen.wants_progress());
    }
}

// ---- tasks ----

TEST_CASE("tasks: answered at once, worked on, completed") {
    SampleServer sample;
    ChannelClient client(sample);
    const Json made = call_task(client, "hold");
    CHECK(made["resultType"] == "task");
    CHECK(made["status"] == "working");
    CHECK(made["ttlMs"] == 600000);
    CHECK(made["pollIntervalMs"] == 1000);
    CHECK(made["createdAt"] == made["lastUpdatedAt"]);
    CHECK(!made.contains("content"));
    const std::string id = made["taskId"];
    CHECK(id.size() >= 22);
    const Json working = of_task(client, "get", id)["result"];
    CHECK(working["resultType"] == "complete");
    CHECK(working["status"] == "working");
    CHECK(!working.contains("result"));
    sample.clock.advance(seconds(5));
    sample.release();
    CHECK(client.take().empty());
    for (int round = 0; round < 2; ++round) {
        const Json done = of_task(client, "get", id)["result"];
        CHECK(done["status"] == "completed");
        CHECK(done["result"]["content"][0]["text"] == "done as a task");
        CHECK(done["createdAt"] == made["createdAt"]);
        CHECK(done["lastUpdatedAt"] != made["lastUpdatedAt"]);
        // What is over stays as it is.
        CHECK(of_task(client, "cancel", id)["result"]["resultType"] == "complete");
        CHECK(of_task(client, "update", id, R"(,"inputResponses":{"one":{}})")["result"]["resultType"] == "complete");
    }
}

TEST_CASE("tasks: without the extension the call is answered when it is done, and tasks are nobody's") {
    SampleServer sample;
    ChannelClient client(sample);
    client.initialize("2025-11-25", tasks_declared);
    CHECK(client.legacy("tools/call", R"({"name":"task","task":{"ttl":1}})").is_null());
    CHECK(client.modern("tools/call", R"("name":"task")", {}, "2").is_null());
    sample.release();
    for (const auto& response : client.take()) CHECK(text_of(response) == "done");
    const std::string id = call_task(client, "hold")["taskId"];
    for (const char* verb : {"get", "update", "cancel"}) {
        const Json refused = client.modern("tasks/" + std::string(verb), "\"taskId\":\"" + id + '"');
        CHECK(code_of(refused) == rpc::missing_capability);
        CHECK(refused["error"]["data"]["requiredCapabilities"] ==
              Json::parse(R"({"extensions":{"io.modelcontextprotocol/tasks":{}}})"));
        CHECK(code_of(client.legacy("tasks/" + std::string(verb))) == rpc::method_not_found);
        CHECK(code_of(of_task(client, verb, "nobody's", R"(,"inputResponses":{})")) == rpc::invalid_params);
        CHECK(code_of(client.modern("tasks/" + std::string(verb), {}, {}, "1", tasks_declared)) == rpc::invalid_params);
    }
}

TEST_CASE("tasks: questions are answered in parts") {
    SampleServer sample;
    ChannelClient client(sample);
    const std::string id = call_task(client, "ask")["taskId"];
    Json state = of_task(client, "get", id)["result"];
    CHECK(state["status"] == "input_required");
    CHECK(state["inputRequests"].size() == 2);
    CHECK(state["inputRequests"]["one"]["method"] == "elicitation/create");
    const auto update = [&](const std::string& responses) {
        return of_task(client, "update", id, R"(,"inputResponses":)" + responses);
    };
    CHECK(code_of(update("[]")) == rpc::invalid_params);
    CHECK(code_of(of_task(client, "update", id)) == rpc::invalid_params);
    CHECK(update(R"({"other":{},"two":"no object"})").contains("result"));
    CHECK(of_task(client, "get", id)["result"]["inputRequests"].size() == 2);
    CHECK(update(R"({"two":{"action":"accept"}})").contains("result"));
    state = of_task(client, "get", id)["result"];
    CHECK(state["status"] == "input_required");
    CHECK(state["inputRequests"].size() == 1);
    CHECK(state["inputRequests"].contains("one"));
    CHECK(update(R"({"two":{"action":"again"},"one":{"action":"decline"}})").contains("result"));
    state = of_task(client, "get", id)["result"];
    CHECK(state["status"] == "completed");
    CHECK(!state.contains("inputRequests"));
    CHECK(Json::parse(state["result"]["content"][0]["text"].get<std::string>()) ==
          Json::parse(R"({"one":{"action":"decline"},"two":{"action":"accept"}})"));
}

TEST_CASE("tasks: cancelled ones end their work and stay cancelled; a bug is a failure") {
    SampleServer sample;
    ChannelClient client(sample);
    for (const char* what : {"hold", "ask"}) {
        const int before = sample.ended;
        const std::string id = call_task(client, what)["taskId"];
        // The call was answered: its id cancels nothing any more, and the task outlives its channel.
        client.cancel("\"call\"");
        CHECK(sample.ended == before);
        CHECK(of_task(client, "cancel", id).contains("result"));
        CHECK(sample.ended == before + 1);
        CHECK(of_task(client, "cancel", id).contains("result"));
        const Json state = of_task(client, "get", id)["result"];
        CHECK(state["status"] == "cancelled");
        CHECK(!state.contains("result"));
        CHECK(!state.contains("inputRequests"));
    }
    const std::string id = call_task(client, "throw")["taskId"];
    const Json state = of_task(client, "get", id)["result"];
    CHECK(state["status"] == "failed");
    CHECK(state["error"] == Json::parse(R"({"code":-32603,"message":"Internal error in task"})"));
}

TEST_CASE("tasks: kept for their time and within their number") {
    SampleServer sample(ServerLimits{.tasks = 2});
    std::string first;
    {
        ChannelClient gone(sample);
        first = call_task(gone, "hold")["taskId"];
    }
    CHECK(sample.ended == 0);
    ChannelClient client(sample);
    CHECK(of_task(client, "get", first)["result"]["status"] == "working");
    sample.clock.advance(seconds(1));
    const std::string second = call_task(client, "hold")["taskId"];
    // A third is answered when it is done.
    CHECK(call_task(client, "hold").is_null());
    sample.clock.advance(seconds(598));
    CHECK(of_task(client, "get", first)["result"]["status"] == "working");
    sample.clock.advance(seconds(1));
    CHECK(code_of(of_task(client, "get", first)) == rpc::invalid_params);
    CHECK(sample.ended == 1);
    CHECK(of_task(client, "get", second)["result"]["status"] == "working");
    CHECK(call_task(client, "hold")["resultType"] == "task");
    sample.clock.advance(seconds(600));
    CHECK(code_of(of_task(client, "get", second)) == rpc::invalid_params);
}

TEST_CASE("tasks switched off are neither declared nor known") {
    SampleServer sample(ServerLimits{.tasks = 0});
    ChannelClient client(sample);
    CHECK(!client.modern("server/discover")["result"]["capabilities"].contains("extensions"));
    CHECK(code_of(of_task(client, "get", "x")) == rpc::method_not_found);
    CHECK(call_task(client, "hold").is_null());
}

}  // namespace eras_test
