#include <boost/asio/post.hpp>
#include <csignal>
#include <future>
#include <map>
#include <set>

#include "common/base/file.hpp"
#include "common/rundir/paths.hpp"
#include "tests/integration/daemon_in_process.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/written_log.hpp"

namespace tools_test {

using namespace persistproc;
using namespace std::chrono_literals;
using tests::DaemonInProcess;
using tests::error_code;
using tests::Json;

namespace {

Json command(const char* word, const char* label = nullptr) {
    Json out{{"command", Json::array({word, "x"})}, {"working_directory", "/"}};
    if (label != nullptr) out["label"] = label;
    return out;
}

/// As an agent sees it.
struct AgentsDaemon : DaemonInProcess {
    AgentsDaemon()
        : DaemonInProcess({}, std::make_shared<tests::TemporaryDirectory>(), true, false, mcp::Principal::Role::agent) {
    }
};

RunId run(std::uint32_t process, std::uint32_t number) { return RunId{{process}, number}; }

/// Of p1, which has ended: one set of facts in every answer that tells how.
void check_told_everywhere(DaemonInProcess& daemon, const Json& causes, const std::string& words) {
    const Json one{{"process", "p1"}};
    const auto said = [](const Json& result) { return result["content"][0]["text"].get<std::string>(); };
    const Json listed = daemon.call("list_processes", one);
    CHECK(listed["structuredContent"]["processes"][0]["causes"] == causes);
    CHECK(said(listed).find(words) != std::string::npos);
    const Json described = daemon.call("describe_process", one);
    CHECK(described["structuredContent"]["causes"] == causes);
    for (const char* until : {"exit", "quiet"}) {
        const Json waited = daemon.call("wait_for_process", Json{{"process", "p1"}, {"until", until}});
        CHECK(waited["_meta"]["persistproc/result"]["causes"] == causes);
        const std::string text = said(waited);
        CHECK(text.find(words) != std::string::npos);
        CHECK(text.find(words) == text.rfind(words));
    }
    const Json output = daemon.call("get_process_output", one);
    CHECK(output["_meta"]["persistproc/result"]["causes"] == causes);
    CHECK(said(output).find(words) != std::string::npos);
}

Json cause_by(const char* code, const Json& by) { return Json::array({{{"code", code}, {"by", by}}}); }

}  // namespace

TEST_CASE("a process is started once, however often it is asked for") {
    DaemonInProcess daemon;
    const Json first = daemon.call("start_process", command("a"));
    CHECK(first["structuredContent"]["created"] == true);
    CHECK(first["structuredContent"]["id"] == "p1");
    CHECK(first["structuredContent"]["state"] == "running");
    CHECK(first["structuredContent"]["run"] == "p1.1");
    CHECK(first["structuredContent"]["pid"] == 1001);
    const Json second = daemon.call("start_process", command("a"));
    CHECK(second["structuredContent"]["created"] == false);
    CHECK(second["structuredContent"]["pid"] == 1001);
    CHECK(daemon.shims.spawned() == 1);
    Json refusing = command("a");
    refusing["if_running"] = "error";
    CHECK(error_code(daemon.call("start_process", refusing)) == "conflict");
    Json replacing = command("a");
    replacing["if_running"] = "restart";
    const Json replaced = daemon.call("start_process", replacing);
    CHECK(replaced["structuredContent"]["run"] == "p1.2");
    CHECK(daemon.shims.living() == 1);
}

TEST_CASE("rows of many are made once as long as nothing changes, and never shown when they are not true") {
    DaemonInProcess daemon;
    for (int i = 0; i < 101; ++i) {
        const std::string label = "web " + std::to_string(i);
        daemon.call("start_process", command("a", label.c_str()));
    }
    const auto rows = [&daemon] {
        const Json told = daemon.call("list_processes", {{"columns", true}});
        CHECK(told["content"].empty());
        return told["structuredContent"]["columns"];
    };
    daemon.advance(1s);
    const Json first = rows();
    CHECK(first["id"].size() == 101);
    CHECK(first["label"][0] == "web 0");
    CHECK_FALSE(first.contains("log_path"));
    const auto samplings = daemon.supervisor.samplings();
    CHECK(rows() == first);
    CHECK(daemon.supervisor.samplings() == samplings);
    daemon.call("rename_process", {{"process", "p1"}, {"label", "renamed"}});
    CHECK(rows()["label"][0] == "renamed");
    daemon.call("stop_process", {{"process", "p2"}});
    CHECK(rows()["state"][1] == "stopped");
    // What is sampled is never older than a second.
    daemon.advance(1s);
    const auto before = daemon.supervisor.samplings();
    CHECK(rows()["id"].size() == 101);
    CHECK(daemon.supervisor.samplings() > before);
    // What a row may need to be told by is there: a label that was made of the command, and a cause.
    daemon.call("start_process", {{"command", {"a", "b"}}, {"working_directory", "/"}});
    CHECK(rows()["command"][101] == Json::array({"a", "b"}));
    CHECK(rows()["command"][0] == nullptr);
}

TEST_CASE("two starts at once make one run") {
    DaemonInProcess daemon;
    const int a = daemon.call_later("start_process", command("a", "web"));
    const int b = daemon.call_later("start_process", command("a", "web"));
    const Json one = daemon.answer(a)["result"];
    const Json two = daemon.answer(b)["result"];
    CHECK(one["structuredContent"]["created"] != two["structuredContent"]["created"]);
    CHECK(one["structuredContent"]["id"] == two["structuredContent"]["id"]);
    CHECK(daemon.shims.spawned() == 1);
}

TEST_CASE("the view of a start with a wait is as of the end of the wait") {
    DaemonInProcess daemon;
    Json arguments = command("a", "web");
    arguments["wait"] = Json{{"port", 4}, {"timeout_seconds", 5}};
    const int call = daemon.call_later("start_process", std::move(arguments));
    daemon.run_until([&] { return daemon.shims.spawned() == 1 && daemon.supervisor.find({1})->is_live; });
    daemon.advance(100ms);
    daemon.shims.find(RunId{{1}, 1})->end(5);
    daemon.advance_until(50ms, [&] { return daemon.is_answered(call); });
    const Json view = daemon.answer(call)["result"]["structuredContent"];
    CHECK(view["wait"]["state"] == "exited");
    CHECK(view["state"] == "exited");
    CHECK(view["exit_code"] == 5);
    CHECK(view["created"] == true);
    CHECK(!view.contains("pid"));
    CHECK(view.contains("cursor"));
}

TEST_CASE("a wait that says nothing is refused, and a directory to list that is relative") {
    DaemonInProcess daemon;
    const auto said = [](const Json& result) { return result["content"][0]["text"].get<std::string>(); };
    Json arguments = command("a", "web");
    arguments["wait"] = Json::object();
    const Json refused = daemon.call("start_process", std::move(arguments));
    CHECK(error_code(refused) == "invalid");
    CHECK(said(refused).find("wait: says nothing; give a pattern, port, quiet_seconds or until") != std::string::npos);
    CHECK(daemon.shims.spawned() == 0);
    const Json listed = daemon.call("list_processes", Json{{"working_directory", "."}});
    CHECK(error_code(listed) == "invalid");
    CHECK(said(listed).find("working_directory: . is not an absolute path") != std::string::npos);
}

TEST_CASE("who asks for what failed hears of what ended badly") {
    AgentsDaemon daemon;
    const auto said = [&] {
        return daemon.call("list_processes", Json{{"state", "failed"}})["content"][0]["text"].get<std::string>();
    };
    CHECK(said() == "No process that could not be started.");
    daemon.call("start_process", command("a", "web"));
    daemon.shims.find(RunId{{1}, 1})->end(5);
    daemon.run_until([&] { return !daemon.supervisor.find({1})->is_live; });
    CHECK(said() == "No process that could not be started. 1 ended badly: ask for exited, killed or gave_up.");
}

TEST_CASE("a live label with another command is a conflict; an ended one takes it and keeps its id") {
    DaemonInProcess daemon;
    daemon.call("start_process", command("a", "web"));
    const Json taken = daemon.call("start_process", command("b", "web"));
    CHECK(error_code(taken) == "conflict");
    const auto said = [](const Json& result) { return result["content"][0]["text"].get<std::string>(); };
    CHECK(said(taken).find("label \"web\" is in use by p1 (a x in /, started by ") != std::string::npos);
    Json replacing = command("b", "web");
    replacing["if_running"] = "restart";
    CHECK(said(daemon.call("start_process", replacing))
              .find("); if_running \"restart\" replaces a process with the same command only; ") != std::string::npos);
    CHECK(said(taken).ends_with("\"web-2\" is free, or stop p1 first, and it takes the new command"));
    // In another directory it is another's work: nobody is told to stop that.
    daemon.call("start_process", command("a", "web-2"));
    Json elsewhere = command("a", "web");
    elsewhere["working_directory"] = "/usr";
    CHECK(said(daemon.call("start_process", elsewhere)).ends_with("\"web-3\" is free"));
    elsewhere["label"] = "web-2";
    CHECK(said(daemon.call("start_process", elsewhere)).ends_with("\"web-3\" is free"));
    daemon.call("stop_process", Json{{"process", "web"}});
    const Json again = daemon.call("start_process", command("b", "web"));
    CHECK(again["structuredContent"]["id"] == "p1");
    CHECK(again["structuredContent"]["run"] == "p1.2");
    CHECK(again["structuredContent"]["command"][0] == "b");
}

TEST_CASE("whatever does not apply to a process that is joined is named, with what applies it") {
    AgentsDaemon daemon;
    daemon.call("start_process", command("a", "web"));
    const std::map<std::string, Json> values = {{"restart", "on-failure:3"},
                                                {"stop_signal", "SIGINT"},
                                                {"grace_seconds", 3},
                                                {"description", "x"},
                                                {"ready", 3000},
                                                {"environment", {{"A", "secret"}}},
                                                {"tty", true}};
    // Which process is meant, what is to be done if it runs, and what is done in any case.
    const std::set<std::string> others = {"command", "working_directory", "label", "shell", "if_running", "wait",
                                          "size"};
    ops::StartRequest::fields([&](const auto& field) {
        const std::string name = field.name;
        if (!field.is_for(schema::by_agents) || others.contains(name)) return;
        INFO(name);
        REQUIRE(values.contains(name));
        Json arguments = command("a", "web");
        arguments[name] = values.at(name);
        const std::string text = daemon.call("start_process", arguments)["content"][0]["text"].get<std::string>();
        const std::string named = name == "environment" ? "environment A" : name;
        CHECK(text.find("; not applied to it: " + named + " (if_running=restart does it)") != std::string::npos);
        CHECK(text.find("secret") == std::string::npos);
    });
    Json sized = command("a", "web");
    sized["tty"] = true;
    sized["size"] = "90x20";
    const std::string text = daemon.call("start_process", sized)["content"][0]["text"].get<std::string>();
    CHECK(text.find("; not applied to it: tty, size (if_running=restart does it)") != std::string::npos);
}

TEST_CASE("of one that runs already an agent hears of a default it typed, and of none it did not") {
    DaemonInProcess daemon;
    Json restarted = command("a", "web");
    restarted["restart"] = "on-failure:3";
    daemon.call("start_process", restarted);
    const auto answer = [&](const char* restart) {
        Json arguments = command("a", "web");
        if (restart != nullptr) arguments["restart"] = restart;
        return daemon.call("start_process", arguments)["content"][0]["text"].get<std::string>();
    };
    CHECK(answer("never").find("not applied to it: restart (") != std::string::npos);
    CHECK(answer("on-failure").find("not applied to it: restart (") != std::string::npos);
    CHECK(answer("on-failure:3").find("not applied") == std::string::npos);
    CHECK(answer(nullptr).find("not applied") == std::string::npos);
}

TEST_CASE("a program that cannot be started leaves nothing behind") {
    DaemonInProcess daemon;
    daemon.shims.exec_failure = {rundir::Stage::execve, ENOENT};
    const Json failed = daemon.call("start_process", command("nope"));
    CHECK(error_code(failed) == "exec_failed");
    CHECK(failed["_meta"]["persistproc/error"]["os_error"] == ENOENT);
    CHECK(failed["content"][0]["text"].get<std::string>().find("nope") != std::string::npos);
    CHECK(daemon.call("list_processes", Json::object())["structuredContent"]["processes"].empty());
    daemon.run_until([&] { return !std::filesystem::exists(daemon.data->path() / "procs" / "p1"); });

    daemon.shims.exec_failure = {rundir::Stage::log, ENOTDIR};
    CHECK(error_code(daemon.call("start_process", command("a"))) == "io");

    daemon.shims.exec_failure.reset();
    daemon.shims.spawn_failure = Error{ErrorCode::unavailable, "no more processes"};
    CHECK(error_code(daemon.call("start_process", command("a"))) == "unavailable");
    CHECK(daemon.call("list_processes", Json::object())["structuredContent"]["processes"].empty());
    daemon.shims.spawn_failure.reset();
    // Ids are not used twice, not even those of starts that came to nothing.
    CHECK(daemon.call("start_process", command("a"))["structuredContent"]["id"] == "p4");
}

TEST_CASE("a start that comes to nothing leaves what has ended as it was") {
    DaemonInProcess daemon;
    daemon.call("start_process", command("a", "web"));
    daemon.shims.find(run(1, 1))->end(7);
    daemon.run_until([&] { return daemon.supervisor.find({1})->state == ProcessState::exited; });
    const auto view = [&] {
        return daemon.call("list_processes", Json::object())["structuredContent"]["processes"][0];
    };
    const Json before = view();
    SECTION("by its program") { daemon.shims.exec_failure = {rundir::Stage::execve, E2BIG}; }
    SECTION("by its shim") { daemon.shims.spawn_failure = Error{ErrorCode::unavailable, "no more processes"}; }
    SECTION("by the disk") { daemon.store.fails = true; }
    CHECK_FALSE(error_code(daemon.call("start_process", command("b", "web"))).empty());
    CHECK(view() == before);
    CHECK_FALSE(error_code(daemon.call("restart_process", Json{{"process", "web"}})).empty());
    CHECK(view() == before);
    daemon.run_until([&] { return !std::filesystem::exists(daemon.data->path() / "procs/p1/runs/2"); });

    daemon.store.fails = false;
    daemon.shims.exec_failure.reset();
    daemon.shims.spawn_failure.reset();
    const Json again = daemon.call("restart_process", Json{{"process", "web"}})["structuredContent"];
    CHECK(again["command"] == before["command"]);
    CHECK(again["restarts"] == 1);
    CHECK(again["run"] != "p1.2");
}

TEST_CASE("a start that comes to nothing lets what waits to run again wait") {
    DaemonInProcess daemon;
    Json request = command("a", "web");
    request["restart"] = "always";
    daemon.call("start_process", request);
    daemon.shims.find(run(1, 1))->end(7);
    const auto waits = [&] { return daemon.supervisor.find({1})->state == ProcessState::backoff; };
    daemon.run_until(waits);
    daemon.shims.exec_failure = {rundir::Stage::execve, E2BIG};
    CHECK(error_code(daemon.call("start_process", command("b", "web"))) == "exec_failed");
    CHECK(waits());
    daemon.shims.exec_failure.reset();
    daemon.clock.advance(std::chrono::seconds(1));
    daemon.run_until([&] { return daemon.supervisor.find({1})->state == ProcessState::running; });
    const Json view = daemon.call("list_processes", Json::object())["structuredContent"]["processes"][0];
    CHECK(view["command"][0] == "a");
    CHECK(view["restarts"] == 1);
}

TEST_CASE("a restart that cannot start keeps the process, as failed") {
    DaemonInProcess daemon;
    daemon.call("start_process", command("a"));
    daemon.shims.exec_failure = {rundir::Stage::execve, EACCES};
    CHECK(error_code(daemon.call("restart_process", Json{{"process", "p1"}})) == "exec_failed");
    const Json view = daemon.call("list_processes", Json::object())["structuredContent"]["processes"][0];
    CHECK(view["state"] == "failed");
    CHECK(view["reason"] == "exec_failed");
    CHECK(view["causes"] == Json::array({{{"code", "start_failed"}, {"stage", "execve"}, {"os_error", EACCES}}}));
    CHECK(!view.contains("pid"));
}

TEST_CASE("a slow stop delays nobody") {
    DaemonInProcess daemon;
    daemon.shims.obeys_stop = false;
    daemon.call("start_process", command("slow", "slow"));
    daemon.call("start_process", command("other", "other"));
    const int stopping = daemon.call_later("stop_process", Json{{"process", "slow"}});
    const Json listed = daemon.call("list_processes", Json::object());
    CHECK(listed["structuredContent"]["processes"].size() == 2);
    daemon.run_until([&] { return daemon.shims.find(run(1, 1))->heard.size() >= 2; });
    CHECK(daemon.call("list_processes", Json{{"process", "slow"}})["structuredContent"]["processes"][0]["state"] ==
          "stopping");
    CHECK(!daemon.is_answered(stopping));
    // Force from somebody else hastens it, and both are answered.
    const Json forced = daemon.call("stop_process", Json{{"process", "slow"}, {"force", true}});
    CHECK(forced["structuredContent"]["state"] == "stopped");
    CHECK(forced["structuredContent"]["signal"] == "SIGKILL");
    CHECK(forced["structuredContent"]["reason"] == "stopped");
    CHECK(daemon.answer(stopping)["result"]["structuredContent"]["state"] == "stopped");
    // Stopping what does not run succeeds.
    CHECK(error_code(daemon.call("stop_process", Json{{"process", "slow"}})).empty());
}

TEST_CASE("a stop wins over a restart on its way") {
    DaemonInProcess daemon;
    daemon.shims.obeys_stop = false;
    daemon.call("start_process", command("a"));
    const int restarting = daemon.call_later("restart_process", Json{{"process", "p1"}});
    daemon.run_until([&] { return daemon.shims.find(run(1, 1))->heard.size() >= 2; });
    const int stopping = daemon.call_later("stop_process", Json{{"process", "p1"}, {"force", true}});
    CHECK(daemon.answer(stopping)["result"]["structuredContent"]["state"] == "stopped");
    CHECK(error_code(daemon.answer(restarting)["result"]) == "conflict");
    CHECK(daemon.shims.spawned() == 1);
}

TEST_CASE("restarts are those on request and by policy, not the starts of what had ended") {
    DaemonInProcess daemon;
    Json request = command("a", "web");
    request["restart"] = "on-failure";
    const auto end = [&](std::uint32_t number, int code, ProcessState then) {
        daemon.shims.find(run(1, number))->end(code);
        daemon.run_until([&] { return daemon.supervisor.find({1})->state == then; });
    };
    const auto restarts = [](const Json& answer) { return answer["structuredContent"]["restarts"]; };
    daemon.call("start_process", request);
    end(1, 0, ProcessState::exited);
    CHECK(restarts(daemon.call("start_process", request)) == 0);
    end(2, 1, ProcessState::backoff);
    // What waits to run again is started, not waited for.
    CHECK(restarts(daemon.call("start_process", request)) == 0);
    end(3, 1, ProcessState::backoff);
    daemon.clock.advance(std::chrono::seconds(1));
    daemon.run_until([&] { return daemon.supervisor.find({1})->state == ProcessState::running; });
    CHECK(restarts(daemon.call("start_process", request)) == 1);
    end(4, 0, ProcessState::exited);
    CHECK(restarts(daemon.call("restart_process", Json{{"process", "web"}})) == 2);
    request["if_running"] = "restart";
    CHECK(restarts(daemon.call("start_process", request)) == 3);
}

TEST_CASE("a restart keeps id and definition, and tells both PIDs") {
    DaemonInProcess daemon;
    daemon.call("start_process", command("a", "web"));
    const Json restarted = daemon.call("restart_process", Json{{"process", "web"}});
    CHECK(restarted["structuredContent"]["old_pid"] == 1001);
    CHECK(restarted["structuredContent"]["pid"] == 1002);
    CHECK(restarted["structuredContent"]["restarts"] == 1);
    CHECK(restarted["structuredContent"]["run"] == "p1.2");
}

TEST_CASE("the restart policy runs a process again, until it gives up") {
    DaemonInProcess daemon;
    Json arguments = command("a");
    arguments["restart"] = "on_failure";
    daemon.call("start_process", arguments);
    for (std::uint32_t number = 1; number < 8; ++number) {
        daemon.shims.find(run(1, number))->end(1);
        daemon.run_until([&] { return daemon.supervisor.find({1})->state == ProcessState::backoff; });
        const std::size_t before = daemon.shims.spawned();
        daemon.advance(100ms);
        CHECK(daemon.shims.spawned() == before);  // not before its time
        daemon.advance(30s);
        daemon.run_until([&] { return daemon.supervisor.find({1})->state == ProcessState::running; });
        if (number == 1) CHECK(daemon.supervisor.find({1})->causes.empty());  // anything may fail once
    }
    // Between two crashes it runs, and is told as one that crashes until it has lived for long enough.
    const Json looping = daemon.call("list_processes", Json{{"process", "p1"}});
    const Json cause{{"code", "quick_failures"}, {"count", 7}, {"seconds", 10.0}};
    CHECK(looping["structuredContent"]["processes"][0]["causes"] == Json::array({cause}));
    CHECK(looping["content"][0]["text"].get<std::string>().find("7 runs in a row were shorter than 10s") !=
          std::string::npos);
    daemon.advance(9s);
    CHECK(!daemon.supervisor.find({1})->causes.empty());
    daemon.shims.find(run(1, 8))->end(1);
    daemon.run_until([&] { return daemon.supervisor.find({1})->state == ProcessState::gave_up; });
    check_told_everywhere(daemon, Json::array({{{"code", "quick_failures"}, {"count", 8}, {"seconds", 10.0}}}),
                          "8 runs in a row were shorter than 10s");
    CHECK(daemon.shims.living() == 0);
    CHECK(daemon.call("start_process", command("a"))["structuredContent"]["run"] == "p1.9");
}

TEST_CASE("a stop of one that waits to run again is told beside the outcome of its last run") {
    DaemonInProcess daemon;
    Json arguments = command("a");
    arguments["restart"] = "on_failure";
    daemon.call("start_process", arguments);
    daemon.shims.find(run(1, 1))->end(7);
    daemon.run_until([&] { return daemon.supervisor.find({1})->state == ProcessState::backoff; });
    const Json stopped = daemon.call("stop_process", Json{{"process", "p1"}});
    const Json& view = stopped["structuredContent"];
    CHECK(view["state"] == "exited");
    CHECK(view["exit_code"] == 7);
    CHECK(view["reason"] == "self");
    const std::string by = view["started_by"];
    CHECK(view["causes"] == Json::array({{{"code", "called_off"}, {"by", by}}}));
    const auto text = stopped["content"][0]["text"].get<std::string>();
    CHECK(text.find("(stopped by " + by + " after it had ended)") != std::string::npos);
    // Once more means nothing, and the next run is another matter.
    CHECK(daemon.call("stop_process", Json{{"process", "p1"}})["structuredContent"]["causes"] == view["causes"]);
    daemon.call("start_process", arguments);
    CHECK(!daemon.call("stop_process", Json{{"process", "p1"}})["structuredContent"]["causes"].is_array());
}

TEST_CASE("a stop that meets an end is told beside its outcome") {
    DaemonInProcess daemon;
    Json arguments = command("a");
    arguments["restart"] = "always";
    const Json by = daemon.call("start_process", arguments)["structuredContent"]["started_by"];
    const auto shim = daemon.shims.find(run(1, 1));
    int stopping = 0;
    SECTION("before the stop is on record") {
        daemon.store.holds = true;
        stopping = daemon.call_later("stop_process", Json{{"process", "p1"}});
        daemon.run_until([&] { return daemon.store.waiting > 0; });
        shim->end(7);
        daemon.run_until([&] { return daemon.supervisor.find({1})->state == ProcessState::exited; });
        daemon.store.release();
    }
    SECTION("before its shim hears of the stop") {
        daemon.shims.obeys_stop = false;
        stopping = daemon.call_later("stop_process", Json{{"process", "p1"}});
        daemon.run_until([&] { return daemon.supervisor.find({1})->state == ProcessState::stopping; });
        shim->state.stop_requested = 0;
        shim->end(7);
    }
    SECTION("by a shutdown") {
        daemon.shims.obeys_stop = false;
        stopping = daemon.call_later("shutdown_daemon", Json::object());
        daemon.run_until([&] { return daemon.supervisor.find({1})->state == ProcessState::stopping; });
        shim->state.stop_requested = 0;
        shim->end(7);
    }
    daemon.answer(stopping);
    const Json view = daemon.call("list_processes", Json::object())["structuredContent"]["processes"][0];
    CHECK(view["state"] == "exited");
    CHECK(view["exit_code"] == 7);
    CHECK(view["reason"] == "self");
    check_told_everywhere(daemon, cause_by("called_off", by), "stopped by " + by.get<std::string>() + " after it had");
    CHECK(daemon.shims.spawned() == 1);
}

TEST_CASE("what was stopped with everything is told as that") {
    DaemonInProcess daemon;
    const auto causes = [&] {
        return daemon.call("list_processes", Json::object())["structuredContent"]["processes"][0]["causes"];
    };
    daemon.call("start_process", command("a"));
    daemon.call("stop_process", Json{{"process", "p1"}});
    CHECK(!causes().is_array());
    daemon.call("start_process", command("a"));
    daemon.call("shutdown_daemon", Json::object());
    CHECK(causes() == Json::array({{{"code", "shut_down"}}}));
}

TEST_CASE("who restarted a run that failed is told with why it failed") {
    DaemonInProcess daemon;
    const auto why = [&](const char* member) {
        const Json told = daemon.call("describe_process", Json{{"process", "p1"}})["structuredContent"];
        return told.contains("failure") ? told["failure"].value(member, std::string()) : std::string();
    };
    const auto end = [&](std::uint32_t number) {
        daemon.shims.find(run(1, number))->end(7);
        daemon.run_until([&] { return daemon.supervisor.find({1})->ended_run == number; });
    };
    const std::string by = daemon.call("start_process", command("a"))["structuredContent"]["started_by"];
    SECTION("nobody") {
        end(1);
        CHECK(why("restarted_by").empty());
        CHECK(why("text").find("restarted") == std::string::npos);
    }
    SECTION("by a restart") {
        daemon.call("restart_process", Json{{"process", "p1"}});
        end(2);
        CHECK(why("restarted_by") == by);
        CHECK(why("text").find("restarted by " + by) != std::string::npos);
    }
    SECTION("its policy, after somebody's restart") {
        Json arguments = command("b");
        arguments["restart"] = "on_failure";
        daemon.call("start_process", arguments);
        daemon.call("restart_process", Json{{"process", "p2"}});
        daemon.shims.find(run(2, 2))->end(7);
        daemon.advance_until(100ms, [&] { return daemon.supervisor.find({2})->run == 3; });
        CHECK(daemon.supervisor.find({2})->restarted_by.empty());
    }
}

TEST_CASE("a kill from elsewhere is told in every answer, of one that runs again too") {
    DaemonInProcess daemon;
    Json arguments = command("a");
    arguments["restart"] = "always";
    daemon.call("start_process", command("a"));
    daemon.shims.find(run(1, 1))->end(SIGKILL, true);
    daemon.run_until([&] { return daemon.supervisor.find({1})->state == ProcessState::killed; });
    const Json causes = Json::array({{{"code", "killed_by_other"}}});
    check_told_everywhere(daemon, causes, "SIGKILL was not sent by persistproc");
    daemon.call("start_process", arguments);
    const int waiting = daemon.call_later("wait_for_process", Json{{"process", "p1"}, {"until", "exit"}});
    daemon.run_until([&] { return daemon.clock.sleepers() >= 1; });
    daemon.advance(11s);
    daemon.shims.find(run(1, 2))->end(SIGKILL, true);
    const Json ended = daemon.answer(waiting)["result"];
    CHECK(ended["_meta"]["persistproc/result"]["causes"][0] == causes[0]);
}

TEST_CASE("a signal that was asked for is the cause of the end that it brings, and says by whom") {
    DaemonInProcess daemon;
    const Json by = daemon.call("start_process", command("a"))["structuredContent"]["started_by"];
    const auto shim = daemon.shims.find(run(1, 1));
    const auto send = [&](const char* name) {
        return daemon.call("signal_process", Json{{"process", "p1"}, {"signal", name}});
    };
    const auto end = [&](int signal) {
        shim->end(signal, true);
        daemon.run_until([&] { return daemon.supervisor.find({1})->state == ProcessState::killed; });
    };
    SECTION("SIGKILL") {
        send("KILL");
        shim->state.kill_sent = 1;
        end(SIGKILL);
        auto causes = daemon.call("list_processes", Json::object())["structuredContent"]["processes"][0]["causes"];
        CHECK(causes[0]["code"] == "signal_sent");
        CHECK(causes[0]["by"] == by);
        CHECK(causes[0]["at"].is_string());
        CHECK(causes.size() == 1);
        check_told_everywhere(daemon, causes, "the signal was sent by " + by.get<std::string>());
    }
    SECTION("another one than it died of") {
        send("USR1");
        end(SIGSEGV);
        CHECK(!daemon.call("list_processes", Json::object())["structuredContent"]["processes"][0].contains("causes"));
    }
    SECTION("one that its shim never sent") {
        send("KILL");
        end(SIGKILL);
        check_told_everywhere(daemon, Json::array({{{"code", "killed_by_other"}}}),
                              "SIGKILL was not sent by persistproc");
    }
}

TEST_CASE("leftovers of a run that ended are stopped before the next begins") {
    DaemonInProcess daemon;
    daemon.call("start_process", command("a"));
    daemon.shims.find(run(1, 1))->end(0, false, true);
    daemon.run_until([&] { return daemon.supervisor.find({1})->state == ProcessState::exited; });
    CHECK(error_code(daemon.call("remove_process", Json{{"process", "p1"}})) == "conflict");
    const Json again = daemon.call("start_process", command("a"));
    CHECK(again["structuredContent"]["run"] == "p1.2");
    CHECK(daemon.shims.find(run(1, 1))->gone);
    CHECK(daemon.shims.living() == 1);
}

TEST_CASE("a stop says that it ended what an ended program had left running") {
    DaemonInProcess daemon;
    daemon.call("start_process", command("a", "web"));
    daemon.shims.find(run(1, 1))->end(0, false, true);
    daemon.run_until([&] { return daemon.supervisor.find({1})->state == ProcessState::exited; });
    const Json stopped = daemon.call("stop_process", Json{{"process", "web"}});
    const Json ended = Json::array({{{"code", "leftovers_ended"}}});
    CHECK(stopped["structuredContent"]["causes"] == ended);
    CHECK(stopped["content"][0]["text"].get<std::string>().ends_with(" (ended what it had left running)"));
    CHECK_FALSE(daemon.call("stop_process", Json{{"process", "web"}})["structuredContent"].contains("causes"));
}

TEST_CASE("a start and a restart say that they ended what an ended program had left running") {
    DaemonInProcess daemon;
    daemon.call("start_process", command("a", "web"));
    const Json ended = Json::array({{{"code", "leftovers_ended"}}});
    std::uint32_t number = 0;
    for (const char* tool : {"start_process", "restart_process"}) {
        daemon.shims.find(run(1, ++number))->end(0, false, true);
        daemon.run_until([&] { return daemon.supervisor.find({1})->state == ProcessState::exited; });
        const bool is_start = tool == std::string_view("start_process");
        const Json again = daemon.call(tool, is_start ? command("a", "web") : Json{{"process", "web"}});
        CHECK(again["structuredContent"]["causes"] == ended);
        CHECK(again["content"][0]["text"].get<std::string>().find(" (ended what it had left running)") !=
              std::string::npos);
        CHECK_FALSE(
            daemon.call("list_processes", Json::object())["structuredContent"]["processes"][0].contains("causes"));
    }
}

TEST_CASE("waiting for an exit ends with it, with the time, or at once") {
    DaemonInProcess daemon;
    daemon.call("start_process", command("a"));
    const int waiting =
        daemon.call_later("wait_for_process", Json{{"process", "p1"}, {"until", "exit"}, {"timeout_seconds", 5}});
    const int longer =
        daemon.call_later("wait_for_process", Json{{"process", "p1"}, {"until", "exit"}, {"timeout_seconds", 60}});
    daemon.run_until([&] { return daemon.clock.sleepers() >= 2; });
    daemon.advance(5s);
    const Json late = daemon.answer(waiting)["result"];
    CHECK(error_code(late) == "timeout");
    CHECK(late["_meta"]["persistproc/result"]["outcome"] == "timed_out");
    daemon.shims.find(run(1, 1))->end(7);
    const Json ended = daemon.answer(longer)["result"];
    CHECK(error_code(ended).empty());
    CHECK(ended["_meta"]["persistproc/result"]["exit_code"] == 7);
    const Json known = daemon.call("wait_for_process", Json{{"process", "p1"}, {"until", "exit"}});
    CHECK(known["_meta"]["persistproc/result"]["exit_code"] == 7);
    const Json never = daemon.call("wait_for_process", Json{{"process", "p1"}, {"until", "pattern"}, {"pattern", "x"}});
    CHECK(error_code(never) == "conflict");
}

TEST_CASE("a removal right after the end waits for the shim to leave") {
    DaemonInProcess daemon;
    daemon.call("start_process", command("a"));
    auto shim = daemon.shims.find(run(1, 1));
    shim->end(0, false, true);
    shim->state.tree_empty = 1;
    shim->push(rundir::MessageType::state);
    daemon.run_until([&] { return daemon.supervisor.find({1})->state == ProcessState::exited; });
    const int removing = daemon.call_later("remove_process", Json{{"process", "p1"}});
    daemon.call("list_processes", Json::object());
    CHECK(!daemon.is_answered(removing));
    shim->leave();
    CHECK(error_code(daemon.answer(removing)["result"]).empty());
}

TEST_CASE("a daemon that leaves lets nobody wait") {
    DaemonInProcess daemon;
    daemon.call("start_process", command("a"));
    const int waiting = daemon.call_later("wait_for_process", Json{{"process", "p1"}, {"until", "exit"}});
    daemon.run_until([&] { return daemon.clock.sleepers() >= 1; });
    SECTION("the process lives on") {
        daemon.call("shutdown_daemon", Json{{"keep", true}});
        CHECK(error_code(daemon.answer(waiting)["result"]) == "unavailable");
    }
    SECTION("the end of the process comes first") {
        daemon.call("shutdown_daemon", Json::object());
        CHECK(daemon.answer(waiting)["result"]["_meta"]["persistproc/result"]["outcome"] == "ended");
    }
}

TEST_CASE("the end of a run is told even when the next has begun") {
    DaemonInProcess daemon;
    daemon.call("start_process", command("a"));
    const int waiting = daemon.call_later("wait_for_process", Json{{"process", "p1"}, {"until", "exit"}});
    daemon.run_until([&] { return daemon.clock.sleepers() >= 1; });
    daemon.call("restart_process", Json{{"process", "p1"}});
    const Json ended = daemon.answer(waiting)["result"];
    CHECK(ended["_meta"]["persistproc/result"]["outcome"] == "ended");
    CHECK(ended["_meta"]["persistproc/result"]["run"] == "p1.1");
    CHECK(ended["_meta"]["persistproc/result"]["signal"] == "SIGTERM");
}

TEST_CASE("who gives up a call leaves nothing half-done") {
    DaemonInProcess daemon;
    daemon.call("start_process", command("a"));
    SECTION("a stop") {
        daemon.give_up(daemon.call_later("stop_process", Json{{"process", "p1"}}));
        daemon.run_until([&] { return daemon.supervisor.find({1})->state == ProcessState::stopped; });
    }
    SECTION("a restart") {
        daemon.give_up(daemon.call_later("restart_process", Json{{"process", "p1"}}));
        daemon.run_until([&] { return daemon.supervisor.find({1})->run == 2; });
    }
    SECTION("a removal") {
        daemon.call("stop_process", Json{{"process", "p1"}});
        daemon.give_up(daemon.call_later("remove_process", Json{{"process", "p1"}}));
        daemon.run_until([&] { return !daemon.supervisor.find({1}); });
        CHECK(!std::filesystem::exists(daemon.data->path() / "procs" / "p1"));
    }
    SECTION("a shutdown") {
        daemon.give_up(daemon.call_later("shutdown_daemon", Json::object()));
        daemon.run_until([&] { return daemon.supervisor.has_left(); });
        CHECK(daemon.shims.living() == 0);
    }
}

TEST_CASE("a start whose fate only the shim knows is neither failed nor forgotten") {
    DaemonInProcess daemon;
    daemon.shims.silent_after_commit = true;
    const int starting = daemon.call_later("start_process", command("a"));
    daemon.run_until([&] { return daemon.shims.spawned() == 1 && !daemon.shims.find(run(1, 1))->heard.empty(); });
    daemon.advance(16s);
    CHECK(error_code(daemon.answer(starting)["result"]) == "timeout");
    const auto first = [&] {
        return daemon.call("list_processes", Json::object())["structuredContent"]["processes"][0];
    };
    CHECK(first()["state"] == "unreachable");
    CHECK(std::filesystem::exists(daemon.data->path() / "procs" / "p1" / "runs" / "1" / "spec"));
    auto shim = daemon.shims.find(run(1, 1));
    shim->state.exec_confirmed = 1;
    shim->state.pid = 77;
    shim->push(rundir::MessageType::state);
    daemon.run_until([&] { return daemon.supervisor.find({1})->state == ProcessState::running; });
    CHECK(first()["pid"] == 77);
}

TEST_CASE("a shim that does not get ready is told to leave") {
    DaemonInProcess daemon;
    daemon.shims.silent_after_spawn = true;
    const int starting = daemon.call_later("start_process", command("a"));
    daemon.run_until([&] { return daemon.shims.spawned() == 1; });
    daemon.advance(16s);
    CHECK(error_code(daemon.answer(starting)["result"]) == "unavailable");
    CHECK(daemon.shims.living() == 0);
}

TEST_CASE("what an unfinished start left in the way is swept") {
    DaemonInProcess daemon;
    daemon.call("start_process", command("a"));
    const auto unfinished = daemon.data->path() / "procs" / "p1" / "runs" / ".new";
    std::filesystem::create_directory(unfinished);
    REQUIRE(base::atomic_write(unfinished / "spec", "half"));
    daemon.call("restart_process", Json{{"process", "p1"}});
    CHECK(!std::filesystem::exists(unfinished));
    CHECK(std::filesystem::exists(daemon.data->path() / "procs" / "p1" / "runs" / "2" / "state"));
}

TEST_CASE("a directory means the same however it is written") {
    DaemonInProcess daemon;
    daemon.call("start_process", command("a"));
    CHECK(daemon.call("list_processes", Json{{"working_directory", "/tmp/.."}})["structuredContent"]["processes"]
              .size() == 1);
}

TEST_CASE("arguments that are wrong are named") {
    DaemonInProcess daemon;
    daemon.call("start_process", command("a"));
    const auto text = [&](const char* tool, Json arguments) {
        const Json result = daemon.call(tool, std::move(arguments));
        CHECK(error_code(result) == "invalid");
        return result["content"][0]["text"].get<std::string>();
    };
    const auto says = [](const std::string& said, const char* what) {
        INFO(said);
        CHECK(said.find(what) != std::string::npos);
    };
    says(text("stop_process", Json::object()), "process: required");
    says(text("stop_process", Json{{"proces", "p1"}}),
         "proces: unknown argument (known: process, force, grace_seconds)");
    says(text("stop_process", Json{{"process", "p1"}, {"now", true}}),
         "now: unknown argument (known: process, force, grace_seconds)");
    says(text("start_process", Json{{"command", "a | b"}, {"working_directory", "/"}}), "command: \"|\" needs a shell");
    says(text("start_process", Json{{"command", "a"}, {"working_directory", "relative"}}),
         "working_directory: relative is not an absolute path");
    says(text("start_process", Json{{"command", "a"}, {"working_directory", "/nonexistent"}}), "does not exist");
    says(text("start_process", Json{{"command", Json::array()}, {"working_directory", "/"}}),
         "command: must name a program");
    says(text("get_process_output", Json{{"process", "p1"}, {"grep", "("}}), "(");
    says(text("get_process_output", Json{{"process", "p1"}, {"cursor", "nonsense"}}), "cursor: \"nonsense\" is not");
    says(text("wait_for_process", Json{{"process", "p1"}, {"until", "pattern"}}),
         "pattern: required when until is pattern");
    says(text("wait_for_process", Json{{"process", "p1"}, {"until", "exit"}, {"port", 80}}),
         "port: has no meaning when until is exit");
    says(text("signal_process", Json{{"process", "p1"}, {"signal", "SIGSEGV"}}), "signal: \"SIGSEGV\" cannot be sent");
    CHECK(error_code(daemon.call("stop_process", Json{{"process", "nobody"}})) == "not_found");
}

TEST_CASE("a process that does not run can be forgotten, a running one not") {
    DaemonInProcess daemon;
    daemon.call("start_process", command("a"));
    CHECK(error_code(daemon.call("remove_process", Json{{"process", "p1"}})) == "conflict");
    daemon.call("stop_process", Json{{"process", "p1"}});
    CHECK(error_code(daemon.call("remove_process", Json{{"process", "p1"}})).empty());
    CHECK(!std::filesystem::exists(daemon.data->path() / "procs" / "p1"));
    CHECK(daemon.call("list_processes", Json::object())["structuredContent"]["processes"].empty());
}

TEST_CASE("what keeps a process from being forgotten is told in words, with what is to be done") {
    DaemonInProcess daemon;
    Json arguments = command("a", "web");
    arguments["restart"] = "always";
    const auto refusal = [&] {
        const Json refused = daemon.call("remove_process", Json{{"process", "p1"}});
        CHECK(error_code(refused) == "conflict");
        return refused["content"][0]["text"].get<std::string>();
    };
    SECTION("it runs, waits to be restarted, or is being stopped") {
        daemon.call("start_process", arguments);
        CHECK(refusal() == "conflict: p1 \"web\" runs; stop it first: persistproc stop p1");
        daemon.shims.find(run(1, 1))->end(1);
        daemon.run_until([&] { return daemon.supervisor.find({1})->state == ProcessState::backoff; });
        CHECK(refusal() == "conflict: p1 \"web\" waits to be restarted; stop it first: persistproc stop p1");
        daemon.advance(1s);
        daemon.run_until([&] { return daemon.supervisor.find({1})->state == ProcessState::running; });
        daemon.shims.obeys_stop = false;
        const int stopping = daemon.call_later("stop_process", Json{{"process", "p1"}});
        daemon.run_until([&] { return daemon.supervisor.find({1})->state == ProcessState::stopping; });
        CHECK(refusal() == "conflict: p1 \"web\" is being stopped; wait until it has ended: persistproc wait p1");
        daemon.shims.find(run(1, 2))->end(0);
        daemon.answer(stopping);
    }
    SECTION("programs are left") {
        daemon.call("start_process", command("a", "web"));
        daemon.shims.find(run(1, 1))->end(0, false, true);
        daemon.run_until([&] { return daemon.supervisor.find({1})->state == ProcessState::exited; });
        CHECK(refusal() ==
              "conflict: p1 \"web\" has ended, but programs it started still run; stop it first: persistproc stop p1");
    }
    SECTION("its shim is silent") {
        daemon.shims.silent_after_commit = true;
        const int starting = daemon.call_later("start_process", arguments);
        daemon.run_until([&] { return daemon.shims.spawned() == 1 && !daemon.shims.find(run(1, 1))->heard.empty(); });
        daemon.advance(16s);
        CHECK(error_code(daemon.answer(starting)["result"]) == "timeout");
        CHECK(refusal() ==
              "conflict: p1 \"web\" may run, but its shim does not answer; stop it first: persistproc stop p1");
    }
}

TEST_CASE("a refusal names the process by id and label, of one that was made the ends alone") {
    DaemonInProcess daemon;
    const auto refused = [&](Json request) {
        request["if_running"] = "error";
        return daemon.call("start_process", request)["content"][0]["text"].get<std::string>();
    };
    daemon.call("start_process", command("a", "web"));
    CHECK_THAT(refused(command("a", "web")), Catch::Matchers::Contains("p1 \"web\" is already running (PID 1001)"));
    Json made = command("a");
    made["command"] = Json::array({"a", std::string(60, 'x'), "end"});
    daemon.call("start_process", made);
    const std::string text = refused(made);
    CHECK_THAT(text, Catch::Matchers::Contains("p2 \"a xxx") && Catch::Matchers::Contains("…") &&
                         Catch::Matchers::Contains("end in /\" is already running"));
    const std::string line = daemon.call("list_processes", Json::object())["content"][0]["text"];
    CHECK_THAT(line,
               Catch::Matchers::Contains(text.substr(text.find("p2"), text.find(" is already") - text.find("p2"))));
}

TEST_CASE("only the newest of those that ended are remembered") {
    core::SupervisorOptions options;
    options.keep_ended = 2;
    DaemonInProcess daemon(options);
    for (const char* word : {"a", "b", "c", "d"}) {
        const Json started = daemon.call("start_process", command(word));
        const std::string id = started["structuredContent"]["id"];
        daemon.call("stop_process", Json{{"process", id}});
    }
    daemon.advance(1s);
    daemon.run_until([&] { return daemon.supervisor.size() == 2; });
    const Json left = daemon.call("list_processes", Json::object())["structuredContent"]["processes"];
    CHECK(left[0]["id"] == "p3");
    CHECK(left[1]["id"] == "p4");
}

TEST_CASE("what runs again while others are forgotten is none of the oldest any more") {
    core::SupervisorOptions options;
    options.keep_ended = 1;
    DaemonInProcess daemon(options);
    daemon.store.holds_these = [](const core::StoreChange& change) { return !change.removed.empty(); };
    for (const char* word : {"a", "b", "c"}) {
        const Json started = daemon.call("start_process", command(word));
        const std::string id = started["structuredContent"]["id"];
        daemon.call("stop_process", Json{{"process", id}});
    }
    daemon.advance(1s);
    daemon.run_until([&] { return daemon.store.waiting == 1; });
    daemon.call("start_process", command("b"));
    daemon.call("stop_process", Json{{"process", "p2"}});
    daemon.store.release();
    daemon.run_until([&] { return !std::filesystem::exists(daemon.data->path() / "procs" / ".removed-p1"); });
    // Another removal, behind what is left of that pass.
    daemon.call("remove_process", Json{{"process", "p3"}});
    CHECK(daemon.supervisor.find({2}));
}

TEST_CASE("what ends after the clock was set back is the newest all the same") {
    core::SupervisorOptions options;
    options.keep_ended = 2;
    DaemonInProcess daemon(options);
    for (const std::uint32_t process : {1u, 2u, 3u}) {
        daemon.call("start_process", command(process == 1 ? "a" : process == 2 ? "b" : "c"));
        const auto shim = daemon.shims.find(run(process, 1));
        if (process < 3) shim->state.ended_wall_ns = base::to_ns(base::wall_now() + 6h);
        shim->end(0);
        daemon.run_until([&] { return daemon.supervisor.find({process})->state == ProcessState::exited; });
    }
    daemon.advance(1s);
    daemon.run_until([&] { return daemon.supervisor.size() == 2; });
    CHECK_FALSE(daemon.supervisor.find({1}));
}

TEST_CASE("values of variables stand in the spec and nowhere else") {
    DaemonInProcess daemon;
    Json arguments = command("a");
    arguments["environment"] = Json{{"TOKEN", "s3cr3t-value"}};
    const Json started = daemon.call("start_process", arguments);
    CHECK(started.dump().find("s3cr3t-value") == std::string::npos);
    CHECK(daemon.call("list_processes", Json::object()).dump().find("s3cr3t-value") == std::string::npos);
    const auto spec = base::read_file(rundir::run_paths(daemon.data->path(), run(1, 1)).spec).value();
    CHECK(spec.find("TOKEN=s3cr3t-value") != std::string::npos);
    CHECK(spec.find("SECRET=hunter2") != std::string::npos);
    CHECK(spec.find("PERSISTPROC_PORT") == std::string::npos);
    CHECK(spec.find("NOTIFY_SOCKET") == std::string::npos);
    const auto database = base::read_file(daemon.data->path() / "persistproc.db").value();
    CHECK(database.find("s3cr3t-value") == std::string::npos);
}

TEST_CASE("shutdown stops everything, or keeps it") {
    SECTION("stop") {
        DaemonInProcess daemon;
        daemon.call("start_process", command("a"));
        const Json report = daemon.call("shutdown_daemon", Json::object());
        CHECK(report["structuredContent"]["stopped"] == Json::array({"p1"}));
        CHECK(daemon.shims.living() == 0);
        CHECK(daemon.supervisor.has_left());
        CHECK(error_code(daemon.call("start_process", command("b"))) == "unavailable");
    }
    SECTION("keep") {
        DaemonInProcess daemon;
        daemon.call("start_process", command("a"));
        const Json report = daemon.call("shutdown_daemon", Json{{"keep", true}});
        CHECK(report["structuredContent"]["kept"] == Json::array({"p1"}));
        CHECK(daemon.shims.living() == 1);
        CHECK(daemon.supervisor.has_left());
    }
}

TEST_CASE("the list of tools is small, since every session pays for it") {
    AgentsDaemon daemon;
    const Json answer = daemon.answer(daemon.send("tools/list", Json::object()));
    CHECK(answer["result"]["tools"].size() == 7);
    CHECK(answer["result"].dump().size() <= 7450);
    // What is waited for where only a process is named.
    const Json& wait = answer["result"]["tools"][5];
    CHECK(wait["name"] == "wait_for_process");
    CHECK(wait["description"].get<std::string>().find("or (default) it ends") != std::string::npos);
}

TEST_CASE("a start is answered in a line, with what is needed to act") {
    AgentsDaemon daemon;
    const auto said = [](const Json& result) { return result["content"][0]["text"].get<std::string>(); };
    const Json started = daemon.call("start_process", command("a", "web"));
    CHECK(said(started) == "Started p1 \"web\", PID 1001; cursor p1:0");
    // The whole view is beside it, without what is absent.
    const Json& view = started["structuredContent"];
    CHECK(view["command"] == Json::array({"a", "x"}));
    CHECK(view["cursor"] == "p1:0");
    for (const char* absent : {"exit_code", "signal", "ended_at", "causes", "ready"}) CHECK(!view.contains(absent));
    CHECK(said(daemon.call("start_process", command("a", "web"))) ==
          "Already running: p1 \"web\" running, PID 1001; cursor p1:0");
    CHECK(said(daemon.call("restart_process", Json{{"process", "web"}})) ==
          "Restarted p1 \"web\", PID 1002 (was 1001); cursor p1:0");
    Json anew = command("a", "web");
    anew["if_running"] = "restart";
    const Json again = daemon.call("start_process", anew);
    CHECK(said(again) == "Restarted p1 \"web\", PID 1003 (was 1002); cursor p1:0");
    CHECK(again["structuredContent"]["old_pid"] == 1002);
    CHECK(said(daemon.call("stop_process", Json{{"process", "web"}})).starts_with("p1 \"web\" stopped, "));

    // A label that was made from a command is cut in its middle; one that was given is not.
    const std::string word(100, 'w');
    const std::string line = said(daemon.call("start_process", command(word.c_str())));
    CHECK(line.starts_with("Started p2 \"" + std::string(20, 'w') + "…"));
    CHECK(line.size() < 80);
    CHECK(said(daemon.call("start_process", command("b", word.c_str()))).find(word) != std::string::npos);
}

TEST_CASE("how a process is restarted and stopped is told where it is not as usual") {
    AgentsDaemon daemon;
    Json own = command("a", "own");
    own["restart"] = "on-failure:3";
    own["stop_signal"] = "INT";
    own["grace_seconds"] = 2.5;
    daemon.call("start_process", own);
    daemon.call("start_process", command("b", "usual"));
    const auto listed = [&](const char* process) {
        const Json answer = daemon.call("list_processes", Json{{"process", process}});
        return std::pair(answer["content"][0]["text"].get<std::string>(),
                         Json(answer["structuredContent"]["processes"][0]));
    };
    const auto [text, view] = listed("own");
    CHECK(text.find(", restart on_failure:3, stop_signal SIGINT, grace_seconds 2.5") != std::string::npos);
    CHECK(view["restart"] == "on_failure:3");
    CHECK(view["stop_signal"] == "SIGINT");
    const auto [usual_text, usual] = listed("usual");
    CHECK(usual_text.find("stop_signal") == std::string::npos);
    CHECK_FALSE(usual.contains("restart"));
    CHECK_FALSE(usual.contains("stop_signal"));
}

TEST_CASE("a list that was asked for nothing tells what lives, and of what ended the newest") {
    AgentsDaemon daemon;
    const auto said = [](const Json& result) { return result["content"][0]["text"].get<std::string>(); };
    daemon.call("start_process", command("a", "live"));
    for (int i = 0; i < 12; ++i) {
        const std::string label = "e" + std::to_string(i);
        daemon.call("start_process", command("b", label.c_str()));
        daemon.shims.find(run(static_cast<std::uint32_t>(i) + 2, 1))->end(i);
        daemon.call("wait_for_process", Json{{"process", label}});
        daemon.advance(1s);
    }
    const Json brief = daemon.call("list_processes", Json::object());
    const std::string text = said(brief);
    CHECK(text.starts_with("p1 \"live\" running, PID 1001\np13 \"e11\" exited, code 11, "));
    CHECK(text.ends_with("\n4 more ended: ask by state, working_directory or process"));
    CHECK(std::count(text.begin(), text.end(), '\n') == 9);
    const Json& views = brief["structuredContent"]["processes"];
    REQUIRE(views.size() == 9);
    CHECK(views[0].contains("command"));
    CHECK(views[1] == Json::parse(R"({"id":"p13","label":"e11","state":"exited","exit_code":11})"));
    CHECK(brief["structuredContent"]["more_ended"] == 4);
    const Json resource = daemon.answer(daemon.send("resources/read", Json{{"uri", "persistproc://processes"}}));
    CHECK(resource["result"]["contents"][0]["text"] == text + "\n");

    const Json asked = daemon.call("list_processes", Json{{"state", "exited"}});
    CHECK(asked["structuredContent"]["processes"].size() == 12);
    CHECK(asked["structuredContent"]["processes"][0].contains("command"));
    CHECK(said(daemon.call("list_processes", Json{{"process", "e3"}})).find("b x in /") != std::string::npos);
}

TEST_CASE("what is waited for follows from what is given, behind a start too") {
    AgentsDaemon daemon;
    const auto said = [](const Json& result) { return result["content"][0]["text"].get<std::string>(); };
    Json starting = command("a", "web");
    starting["wait"] = Json{{"pattern", "ready"}, {"timeout_seconds", 5}};
    const int start = daemon.call_later("start_process", starting);
    daemon.run_until([&] { return daemon.shims.spawned() == 1; });
    tests::WrittenLog log(rundir::process_paths(daemon.data->path(), {1}).log);
    log.out("getting ready\n");
    daemon.advance_until(10ms, [&] { return daemon.is_answered(start); });
    const Json started = daemon.answer(start)["result"];
    CHECK(said(started).starts_with("Started p1 \"web\", PID 1001; cursor p1:0\nlast line matched; cursor p1:"));
    CHECK(said(started).ends_with("\ngetting ready\n"));
    CHECK(started["structuredContent"]["created"] == true);
    CHECK(started["_meta"]["persistproc/result"]["outcome"] == "matched");
    CHECK(started["structuredContent"]["wait"]["outcome"] == "matched");
    CHECK(started["structuredContent"]["wait"]["next_cursor"] == started["_meta"]["persistproc/result"]["next_cursor"]);

    const int again = daemon.call_later("restart_process", Json{{"process", "web"}, {"wait", {{"until", "exit"}}}});
    daemon.run_until([&] {
        const auto found = daemon.supervisor.find({1});
        return found->run == 2 && found->state == ProcessState::running;
    });
    daemon.shims.find(run(1, 2))->end(3);
    const Json ended = daemon.answer(again)["result"];
    CHECK(said(ended).starts_with("Restarted p1 \"web\""));
    CHECK(said(ended).find(" (was 1001); cursor p1:0\np1 \"web\" exited, code 3; ") != std::string::npos);
    CHECK(ended["_meta"]["persistproc/result"]["exit_code"] == 3);

    // Where it fails first, the facts of that are there for clients that show nothing else.
    const int failing = daemon.call_later("restart_process", Json{{"process", "web"}, {"wait", {{"pattern", "x"}}}});
    daemon.run_until([&] {
        const auto found = daemon.supervisor.find({1});
        return found->run == 3 && found->state == ProcessState::running;
    });
    daemon.shims.find(run(1, 3))->end(4);
    const Json failed = daemon.answer(failing)["result"];
    CHECK(failed["isError"] == true);
    CHECK(failed["structuredContent"]["wait"]["outcome"] == "ended");
    CHECK(failed["structuredContent"]["wait"]["exit_code"] == 4);
    CHECK(failed["structuredContent"]["wait"].contains("failure"));

    starting["wait"] = Json{{"patern", "x"}};
    CHECK(said(daemon.call("start_process", starting)).find("wait.patern: unknown argument") != std::string::npos);
    CHECK(daemon.shims.spawned() == 3);
}

TEST_CASE("a wait that cannot be is refused before anything is done for it") {
    AgentsDaemon daemon;
    daemon.call("start_process", command("a", "web"));
    const std::pair<Json, std::string> wrong_said[] = {
        {{{"pattern", "("}}, "wait: pattern: "},
        {{{"pattern", "a\nb"}}, "wait: pattern: "},
        {{{"pattern", "a"}, {"port", 1}}, "wait: give a pattern or a port, not both"},
        {{{"until", "pattern"}}, "wait: pattern: required when until is pattern"},
        {{{"until", "exit"}, {"port", 1}}, "wait: port: has no meaning when until is exit"}};
    for (const auto& [wrong, words] : wrong_said) {
        Json starting = command("a", "web");
        starting["if_running"] = "restart";
        starting["wait"] = wrong;
        for (const Json& result : {daemon.call("start_process", starting),
                                   daemon.call("restart_process", Json{{"process", "web"}, {"wait", wrong}})}) {
            CHECK(error_code(result) == "invalid");
            const auto text = result["content"][0]["text"].get<std::string>();
            INFO(text);
            CHECK(text.find(words) != std::string::npos);
        }
    }
    CHECK(daemon.shims.spawned() == 1);
    CHECK(daemon.supervisor.find({1})->run == 1);
}

TEST_CASE("searches that take long keep nobody from reading, waiting or listing") {
    DaemonInProcess daemon;
    daemon.call("start_process", command("a", "web"));
    tests::WrittenLog log(rundir::process_paths(daemon.data->path(), {1}).log);
    log.out("needle\n");
    std::promise<void> release;
    const auto released = release.get_future().share();
    for (std::size_t i = 0; i < core::Workers::search_places; ++i)
        boost::asio::post(daemon.workers.searching, [released] { released.wait(); });
    const int search = daemon.call_later("get_process_output", Json{{"process", "web"}, {"grep", "needle"}});
    const Json read = daemon.call("get_process_output", Json{{"process", "web"}});
    CHECK(read["content"][0]["text"].get<std::string>().ends_with("needle\n"));
    CHECK(daemon.call("list_processes", Json::object())["structuredContent"]["processes"].size() == 1);
    const int wait = daemon.call_later(
        "wait_for_process",
        Json{{"process", "web"}, {"until", "pattern"}, {"pattern", "needle"}, {"timeout_seconds", 5}});
    daemon.advance_until(10ms, [&] { return daemon.is_answered(wait); });
    CHECK(!daemon.is_answered(search));
    release.set_value();
    daemon.advance_until(10ms, [&] { return daemon.is_answered(search); });
    CHECK(daemon.answer(search)["result"]["isError"] != true);
}

TEST_CASE("a large answer whose turn does not come is refused in time") {
    DaemonInProcess daemon({}, std::make_shared<tests::TemporaryDirectory>(), true, false, mcp::Principal::Role::agent);
    daemon.call("start_process", command("a", "web"));
    daemon.workers.large_answers.hold(true);
    const int large =
        daemon.call_later("get_process_output", Json{{"process", "web"}, {"lines", 0}, {"max_bytes", 1 << 20}});
    daemon.advance(29s);
    CHECK(!daemon.is_answered(large));
    daemon.advance(1s);
    const Json refused = daemon.answer(large)["result"];
    CHECK(error_code(refused) == "limit");
    const auto text = refused["content"][0]["text"].get<std::string>();
    CHECK(text.find("within 30 s; ask for max_bytes of 65536 at most") != std::string::npos);
    CHECK(daemon.workers.large_answers.waiting() == 0);
    daemon.workers.large_answers.hold(false);
    const Json small = daemon.call("get_process_output", Json{{"process", "web"}, {"lines", 0}, {"max_bytes", 65536}});
    CHECK(!small.contains("isError"));
}

TEST_CASE("waits that look at intervals look the less often the more there are") {
    DaemonInProcess daemon;
    daemon.call("start_process", command("a", "web"));
    constexpr int waits = 200;
    const Json port{{"process", "web"}, {"until", "port"}, {"port", 1}, {"timeout_seconds", 40}};
    for (int i = 0; i < waits; ++i) daemon.call_later("wait_for_process", port);
    const auto& waiter = daemon.services.waiter;
    const auto all_sleep = [&] { return daemon.clock.sleepers() >= waits; };
    daemon.run_until([&] { return waiter.polls() == waits && all_sleep(); });
    // The first ones looked when there were few.
    daemon.advance(200ms);
    daemon.run_until([&] { return waiter.polls() == 2 * waits && all_sleep(); });
    for (int i = 0; i < 3; ++i) daemon.advance(50ms);
    CHECK(waiter.polls() == 2 * waits);
    daemon.advance(50ms);
    daemon.run_until([&] { return waiter.polls() == 3 * waits && all_sleep(); });
}

TEST_CASE("a match is shown with few lines before it, and none of a logger") {
    const std::string is_long(100, 'x');
    const std::pair<std::string, std::string> printed_shown[] = {
        {"one\ntwo\nthree\nfour\nneedle\n", "two\nthree\nfour\nneedle\n"},
        {"one\n10:00:00 INFO GET /a\n\ntwo\nneedle\n", "two\nneedle\n"},
        {is_long + "\n" + is_long + "\ntwo\nneedle\n", is_long + "\ntwo\nneedle\n"},
    };
    for (const auto& [printed, shown] : printed_shown) {
        DaemonInProcess daemon;
        daemon.call("start_process", command("web", "web"));
        tests::WrittenLog log(rundir::process_paths(daemon.data->path(), {1}).log);
        log.out(printed);
        const int wait = daemon.call_later("wait_for_process",
                                           Json{{"process", "p1"}, {"pattern", "needle"}, {"timeout_seconds", 5}});
        daemon.advance_until(10ms, [&] { return daemon.is_answered(wait); });
        const auto text = daemon.answer(wait)["result"]["content"][0]["text"].get<std::string>();
        CHECK(text.substr(text.find('\n') + 1) == shown);
    }
}

TEST_CASE("what a program prints stands behind our own facts") {
    DaemonInProcess daemon;
    daemon.call("start_process", command("say", "say \"hi\"; next cursor p9:1:1"));
    tests::WrittenLog log(rundir::process_paths(daemon.data->path(), {1}).log);
    log.out("needle; next cursor p1:7:7\n");
    const int wait =
        daemon.call_later("wait_for_process",
                          Json{{"process", "p1"}, {"until", "pattern"}, {"pattern", "needle"}, {"timeout_seconds", 5}});
    daemon.advance_until(10ms, [&] { return daemon.is_answered(wait); });
    const Json result = daemon.answer(wait)["result"];
    const auto text = result["content"][0]["text"].get<std::string>();
    const std::string first = text.substr(0, text.find('\n'));
    CHECK(first.starts_with("last line matched; cursor p1:"));
    CHECK(first.find("needle") == std::string::npos);
    CHECK(text.ends_with("\nneedle; next cursor p1:7:7\n"));
    // What did not come is told with how the process stands.
    const int vain =
        daemon.call_later("wait_for_process", Json{{"process", "p1"}, {"pattern", "never"}, {"timeout_seconds", 0.1}});
    daemon.advance_until(10ms, [&] { return daemon.is_answered(vain); });
    const auto late = daemon.answer(vain)["result"]["content"][0]["text"].get<std::string>();
    CHECK(
        late.starts_with("timeout: p1 \"say \\\"hi\\\"; next cursor p9:1:1\" running; not yet after 0.1 s: pattern; "));
}

TEST_CASE("a line is not missed, at whatever step of a wait it is printed") {
    // A new log at every step of the wait, until the step comes after its first rounds.
    for (int step = 0; step < 24; ++step) {
        INFO("step " << step);
        DaemonInProcess daemon;
        daemon.call("start_process", command("a", "web"));
        tests::WrittenLog log(rundir::process_paths(daemon.data->path(), {1}).log);
        log.out("begin\n");
        const int wait = daemon.call_later(
            "wait_for_process",
            Json{{"process", "web"}, {"until", "pattern"}, {"pattern", "needle"}, {"timeout_seconds", 5}});
        // What the file threads have to say comes when it comes; a step without it is one in which nothing happened.
        for (int i = 0; i < step && !daemon.is_answered(wait); ++i) daemon.io.run_one_for(20ms);
        log.out("needle\n");
        daemon.advance_until(10ms, [&] { return daemon.is_answered(wait); });
        const Json result = daemon.answer(wait)["result"];
        CHECK(result["_meta"]["persistproc/result"]["outcome"] == "matched");
    }
}

}  // namespace tools_test
