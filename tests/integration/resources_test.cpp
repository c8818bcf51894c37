// Processes as resources, prompts and completions, over the wire's own bytes.
#include "common/rundir/paths.hpp"
#include "tests/integration/daemon_in_process.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/written_log.hpp"

namespace resources_test {

using namespace persistproc;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;
using tests::DaemonInProcess;
using tests::Json;

namespace {

Json command(const std::string& label) {
    return Json{{"command", Json::array({"a", label})}, {"working_directory", "/"}, {"label", label}};
}

RunId run(std::uint32_t process, std::uint32_t number) { return RunId{{process}, number}; }

Json ask(DaemonInProcess& daemon, const std::string& method, Json params = Json::object()) {
    return daemon.answer(daemon.send(method, std::move(params)));
}

std::string read(DaemonInProcess& daemon, const std::string& uri) {
    const Json answer = ask(daemon, "resources/read", Json{{"uri", uri}});
    REQUIRE(answer.contains("result"));
    CHECK(answer["result"]["contents"][0]["uri"] == uri);
    return answer["result"]["contents"][0]["text"].get<std::string>();
}

std::size_t updates(const DaemonInProcess& daemon, const std::string& uri) {
    std::size_t out = 0;
    for (const auto& message : daemon.heard("notifications/resources/updated"))
        if (message["params"]["uri"] == uri) ++out;
    return out;
}

constexpr const char* all = "persistproc://processes";
constexpr const char* first = "persistproc://processes/p1";

}  // namespace

TEST_CASE("processes are listed and read as resources") {
    DaemonInProcess daemon;
    CHECK(ask(daemon, "resources/list")["result"]["resources"].size() == 1);
    CHECK(read(daemon, all) == "No processes.\n");
    daemon.call("start_process", command("web"));
    const Json list = ask(daemon, "resources/list")["result"]["resources"];
    REQUIRE(list.size() == 3);
    CHECK(list[1]["uri"] == first);
    CHECK(list[1]["title"] == "web");
    CHECK(list[2]["uri"] == "persistproc://processes/p1/output");
    CHECK_THAT(read(daemon, all), Contains("p1 \"web\" running"));
    const Json view = Json::parse(read(daemon, first));
    CHECK(view["state"] == "running");
    for (const auto& [name, member] : view.items()) {
        INFO(name);
        CHECK(!member.is_null());
    }
    CHECK(read(daemon, "persistproc://processes/p1/output") == "no marks\n");
    CHECK(ask(daemon, "resources/templates/list")["result"]["resourceTemplates"].size() == 2);
}

TEST_CASE("the first line of an output that is read as a resource is ours, whatever a program prints") {
    DaemonInProcess daemon;
    daemon.call("start_process", command("web"));
    tests::WrittenLog log(rundir::process_paths(daemon.data->path(), {1}).log);
    log.out("marks [\n[12 lines left out]\n");
    CHECK(read(daemon, "persistproc://processes/p1/output") == "no marks\nmarks [\n[12 lines left out]\n");
}

TEST_CASE("what is no resource is said to be none, with its URI") {
    DaemonInProcess daemon;
    for (const char* uri :
         {"persistproc://processes/p9", "persistproc://processes/p9/output", "persistproc://processes/",
          "persistproc://processes/web", "persistproc://processes/p1/", "file:///etc/passwd", ""}) {
        INFO(uri);
        const Json answer = ask(daemon, "resources/read", Json{{"uri", uri}});
        REQUIRE(answer.contains("error"));
        CHECK(answer["error"]["code"] == -32002);
        CHECK(answer["error"]["data"]["uri"] == uri);
    }
}

TEST_CASE("a long list of resources comes in pages, each process once") {
    DaemonInProcess daemon;
    for (int i = 0; i < 120; ++i) daemon.call("start_process", command("w" + std::to_string(i)));
    std::set<std::string> seen;
    Json params = Json::object();
    int pages = 0;
    for (;;) {
        const Json page = ask(daemon, "resources/list", params)["result"];
        ++pages;
        for (const auto& each : page["resources"]) CHECK(seen.insert(each["uri"].get<std::string>()).second);
        if (!page.contains("nextCursor")) break;
        params["cursor"] = page["nextCursor"];
    }
    CHECK(pages == 2);
    CHECK(seen.size() == 241);
    CHECK(ask(daemon, "resources/list", Json{{"cursor", "x"}})["error"]["code"] == -32602);
}

TEST_CASE("a subscriber hears of a change at once, then at most once a second") {
    DaemonInProcess daemon;
    daemon.call("start_process", command("web"));
    daemon.io.poll();
    ask(daemon, "resources/subscribe", Json{{"uri", first}});
    CHECK(updates(daemon, first) == 0);
    daemon.call("stop_process", Json{{"process", "web"}});
    daemon.io.poll();
    CHECK(updates(daemon, first) == 1);
    daemon.call("start_process", command("web"));
    daemon.call("stop_process", Json{{"process", "web"}});
    daemon.io.poll();
    CHECK(updates(daemon, first) == 1);
    daemon.advance(1s);
    CHECK(updates(daemon, first) == 2);
    daemon.advance(5s);
    CHECK(updates(daemon, first) == 2);
    ask(daemon, "resources/unsubscribe", Json{{"uri", first}});
    daemon.call("start_process", command("web"));
    daemon.advance(5s);
    CHECK(updates(daemon, first) == 2);
    CHECK(updates(daemon, all) == 0);
}

TEST_CASE("a new process changes the list of resources, and so does one that is removed") {
    DaemonInProcess daemon;
    daemon.call("start_process", command("web"));
    CHECK(daemon.heard("notifications/resources/list_changed").size() == 1);
    daemon.call("stop_process", Json{{"process", "web"}});
    daemon.advance(1s);
    CHECK(daemon.heard("notifications/resources/list_changed").size() == 1);
    daemon.call("remove_process", Json{{"process", "web"}});
    daemon.advance(1s);
    CHECK(daemon.heard("notifications/resources/list_changed").size() == 2);
}

TEST_CASE("sessions hear in their log how processes end, above the level they set") {
    DaemonInProcess daemon;
    daemon.call("start_process", command("web"));
    daemon.shims.find(run(1, 1))->end(3);
    daemon.run_until([&] { return !daemon.heard("notifications/message").empty(); });
    const Json told = daemon.heard("notifications/message").front()["params"];
    CHECK(told["level"] == "warning");
    CHECK(told["data"] == "p1 \"web\" exited, code 3");
    ask(daemon, "logging/setLevel", Json{{"level", "error"}});
    daemon.call("start_process", command("web"));
    daemon.shims.find(run(1, 2))->end(4);
    daemon.call("wait_for_process", Json{{"process", "web"}, {"until", "exit"}});
    daemon.io.poll();
    CHECK(daemon.heard("notifications/message").size() == 1);
    CHECK(ask(daemon, "logging/setLevel", Json{{"level", "loud"}})["error"]["code"] == -32602);
}

TEST_CASE("prompts hold what is needed, and say what is missing") {
    DaemonInProcess daemon;
    daemon.call("start_process", command("web"));
    const Json list = ask(daemon, "prompts/list")["result"]["prompts"];
    REQUIRE(list.size() == 2);
    const Json diagnosis =
        ask(daemon, "prompts/get", Json{{"name", "diagnose_process"}, {"arguments", Json{{"process", "web"}}}});
    CHECK_THAT(diagnosis["result"]["messages"][0]["content"]["text"].get<std::string>(),
               Contains("p1 \"web\" running") && Contains("not instructions"));
    // What quotes the output is closed by a word that the program cannot know.
    const auto fence_of = [](const Json& answer) {
        const auto text = answer["result"]["messages"][0]["content"]["text"].get<std::string>();
        const auto at = text.find("\n<output-");
        REQUIRE(at != std::string::npos);
        const std::string word = text.substr(at + 2, text.find(' ', at) - at - 2);
        CHECK(text.ends_with("</" + word + ">\n"));
        return word;
    };
    const Json again =
        ask(daemon, "prompts/get", Json{{"name", "diagnose_process"}, {"arguments", Json{{"process", "web"}}}});
    CHECK(fence_of(diagnosis) != fence_of(again));
    CHECK(ask(daemon, "prompts/get", Json{{"name", "diagnose_process"}})["error"]["code"] == -32602);
    const Json unknown =
        ask(daemon, "prompts/get", Json{{"name", "diagnose_process"}, {"arguments", Json{{"process", "nope"}}}});
    CHECK_THAT(unknown["error"]["message"].get<std::string>(), Contains("nope"));
    CHECK(ask(daemon, "prompts/get", Json{{"name", "set_up_processes"}}).contains("result"));
}

TEST_CASE("labels, ids and directories are completed, live ones first") {
    DaemonInProcess daemon;
    for (const char* label : {"web", "web-admin", "db"}) daemon.call("start_process", command(label));
    daemon.call("stop_process", Json{{"process", "web-admin"}});
    const auto complete = [&](const char* type, const char* name, const char* argument, const char* value) {
        const char* key = std::string(type) == "ref/prompt" ? "name" : "uri";
        Json params{{"ref", Json{{"type", type}, {key, name}}},
                    {"argument", Json{{"name", argument}, {"value", value}}}};
        return ask(daemon, "completion/complete", std::move(params));
    };
    CHECK(complete("ref/prompt", "diagnose_process", "process", "w")["result"]["completion"]["values"] ==
          Json{"web", "web-admin"});
    CHECK(complete("ref/prompt", "diagnose_process", "process", "admin")["result"]["completion"]["values"] ==
          Json{"web-admin"});
    CHECK(complete("ref/resource", "persistproc://processes/{id}/output", "id",
                   "p")["result"]["completion"]["values"] == Json{"p3", "p1", "p2"});
    CHECK(complete("ref/prompt", "set_up_processes", "working_directory", "/")["result"]["completion"]["values"] ==
          Json{"/"});
    CHECK(complete("ref/prompt", "nothing", "process", "w")["error"]["code"] == -32602);
}

TEST_CASE("an agent's long wait is answered within a minute and says how to go on") {
    DaemonInProcess daemon({}, std::make_shared<tests::TemporaryDirectory>(), true, false, mcp::Principal::Role::agent);
    daemon.call("start_process", command("web"));
    const int id =
        daemon.call_later("wait_for_process", Json{{"process", "web"}, {"until", "exit"}, {"timeout_seconds", 600}});
    daemon.advance_until(5s, [&] { return daemon.is_answered(id); });
    const Json result = daemon.answer(id)["result"];
    CHECK(!result.contains("isError"));
    CHECK(result["_meta"]["persistproc/result"]["outcome"] == "still_waiting");
    CHECK_THAT(result["content"][0]["text"].get<std::string>(), Contains("call again with timeout_seconds 550"));
}

TEST_CASE("the wait of a terminal lasts as long as it asks for") {
    DaemonInProcess daemon;
    daemon.call("start_process", command("web"));
    const int id =
        daemon.call_later("wait_for_process", Json{{"process", "web"}, {"until", "exit"}, {"timeout_seconds", 600}});
    for (int i = 0; i < 100; ++i) daemon.advance(5s);
    CHECK(!daemon.is_answered(id));
    daemon.shims.find(run(1, 1))->end(0);
    CHECK(daemon.answer(id)["result"]["_meta"]["persistproc/result"]["exit_code"] == 0);
}

}  // namespace resources_test
