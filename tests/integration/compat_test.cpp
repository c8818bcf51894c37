// The tools of the Python original, asked as its clients ask: every generation of names against the same processes.
#include <fmt/format.h>

#include "common/rundir/paths.hpp"
#include "tests/integration/daemon_in_process.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/written_log.hpp"

namespace compat_test {

using namespace persistproc;
using namespace std::chrono_literals;
using tests::error_code;
using tests::Json;

namespace {

struct CompatDaemon : tests::DaemonInProcess {
    CompatDaemon()
        : DaemonInProcess({}, std::make_shared<tests::TemporaryDirectory>(), true, true, mcp::Principal::Role::agent) {}
    /// The object that a Python client reads: the text of the answer, parsed.
    Json original(const std::string& tool, Json arguments) { return text_of(call(tool, std::move(arguments))); }
    static Json text_of(const Json& result) { return Json::parse(result["content"][0]["text"].get<std::string>()); }
    std::shared_ptr<tests::FakeShims::Shim> shim(std::uint32_t process, std::uint32_t number = 1) {
        return shims.find(RunId{{process}, number});
    }
};

Json start_arguments(const char* command) { return Json{{"command", command}, {"working_directory", "/"}}; }

bool has(const Json& text, const char* part) { return text.get<std::string>().find(part) != std::string::npos; }

std::vector<std::string> names_of(const Json& object) {
    std::vector<std::string> out;
    for (const auto& item : object.items()) out.push_back(item.key());
    return out;
}

}  // namespace

TEST_CASE("ctrl starts, restarts and stops") {
    CompatDaemon daemon;
    const Json started = daemon.original(
        "ctrl", Json{{"action", "start"}, {"command_or_label", "web --port 1"}, {"working_directory", "/"}});
    CHECK(names_of(started) == std::vector<std::string>{"action", "pid", "exit_code", "log_stdout", "log_stderr",
                                                        "log_combined", "label", "error"});
    CHECK(started["action"] == "start");
    CHECK(started["pid"] == 1001);
    CHECK(started["exit_code"].is_null());
    CHECK(started["label"] == "web --port 1 in /");
    CHECK(has(started["log_combined"], "p1/log/00000001.log"));
    CHECK(started["log_stdout"] == started["log_combined"]);
    CHECK(started["error"].is_null());

    const Json again = daemon.call(
        "ctrl", Json{{"action", "start"}, {"command_or_label", "web --port 1"}, {"working_directory", "/"}});
    CHECK(error_code(again).empty());
    CHECK(CompatDaemon::text_of(again)["error"] ==
          "Process with label 'web --port 1 in /' already running with PID 1001.");
    CHECK(CompatDaemon::text_of(again)["pid"].is_null());
    CHECK(daemon.shims.spawned() == 1);

    const Json restarted = daemon.original(
        "ctrl", Json{{"action", "restart"}, {"command_or_label", "web --port 1"}, {"working_directory", "/"}});
    CHECK(restarted["pid"] == 1002);
    CHECK(restarted["exit_code"] == -15);
    CHECK(restarted["error"].is_null());

    const Json stopped =
        daemon.original("ctrl", Json{{"action", "stop"}, {"pid", 1002}, {"command_or_label", nullptr}});
    CHECK(stopped["pid"] == 1002);
    CHECK(stopped["exit_code"] == -15);
    CHECK(stopped["label"] == "web --port 1 in /");
    CHECK(daemon.shims.living() == 0);
}

TEST_CASE("what ctrl refuses stands in its error") {
    CompatDaemon daemon;
    const auto error = [&](Json arguments) {
        const Json result = daemon.call("ctrl", std::move(arguments));
        CHECK(error_code(result).empty());
        return CompatDaemon::text_of(result)["error"].get<std::string>();
    };
    CHECK(error(Json{{"action", "start"}, {"working_directory", "/"}}) ==
          "command_or_label is required for start action");
    CHECK(error(Json{{"action", "start"}, {"command_or_label", "a"}}) ==
          "working_directory is required for start action");
    CHECK(has(error(Json{{"action", "start"}, {"command_or_label", "a && b"}, {"working_directory", "/"}}),
              "\"&&\" needs a shell; call start_process with \"shell\": true, or quote it"));
    CHECK(error(Json{{"action", "stop"}}) == "No pid, label, or command_or_label provided");
    CHECK(error(Json{{"action", "stop"}, {"pid", 77}}) == "PID 77 not found");
    CHECK(error(Json{{"action", "restart"}, {"label", "nobody"}}) == "No process found with label: nobody");
    daemon.shims.exec_failure = {rundir::Stage::execve, ENOENT};
    CHECK(has(error(Json{{"action", "start"}, {"command_or_label", "nope"}, {"working_directory", "/"}}), "nope"));
    // Its client raises on a failure of the call.
    CHECK(has(error(Json{{"action", "pause"}}), "action"));
    CHECK(has(error(Json{{"action", "stop"}, {"process", "p1"}}), "process"));
    CHECK(has(error(Json::object()), "action"));
}

TEST_CASE("an empty label is none, under the names that both have, too") {
    CompatDaemon daemon;
    Json arguments = start_arguments("web --port 1");
    arguments["label"] = "";
    const Json started = daemon.call("start_process", arguments);
    CHECK(error_code(started).empty());
    CHECK(CompatDaemon::text_of(started)["pid"] == 1001);
    // Ours, by what only ours takes.
    Json again{{"command", {"web", "--port", "1"}}, {"working_directory", "/"}, {"label", ""}};
    CHECK(error_code(daemon.call("start_process", again)).empty());
    CHECK(daemon.shims.spawned() == 1);
    const Json stopped = daemon.call("stop_process", Json{{"command", "web --port 1"}, {"label", ""}});
    CHECK(error_code(stopped).empty());
    CHECK(daemon.shims.living() == 0);
}

TEST_CASE("a command is looked for in its directory, a label everywhere") {
    CompatDaemon daemon;
    daemon.original("start", Json{{"command", "web"}, {"working_directory", "/usr"}});
    daemon.original("start", Json{{"command", "web"}, {"working_directory", "/"}});
    daemon.original("start", Json{{"command", "db 'a b'"}, {"working_directory", "/"}, {"label", "1001"}});
    const auto pid = [&](Json arguments) {
        const Json answer = daemon.original("get_process_status", std::move(arguments));
        return answer.contains("error") ? answer["error"].get<std::string>() : answer["pid"].dump();
    };
    CHECK(pid(Json{{"command_or_label", "web"}, {"working_directory", "/usr"}}) == "1001");
    CHECK(pid(Json{{"command_or_label", "web"}, {"working_directory", "/"}}) == "1002");
    CHECK(has(pid(Json{{"command_or_label", "web"}}), "names 2 processes"));
    CHECK(has(pid(Json{{"command_or_label", "web"}, {"working_directory", "/tmp"}}), "no process is \"web\""));
    CHECK(pid(Json{{"command_or_label", "1001"}, {"working_directory", "/tmp"}}) == "1003");
    CHECK(pid(Json{{"pid", 1001}}) == "1001");  // a PID, whatever label looks like it
    CHECK(pid(Json{{"command_or_label", "db \"a b\""}}) == "1003");
    // The first generation said command.
    const Json stopped = daemon.original("stop", Json{{"command", "web"}, {"working_directory", "/usr"}});
    CHECK(stopped["exit_code"] == -15);
    CHECK(daemon.shim(1)->gone);
    CHECK(!daemon.shim(2)->gone);
}

TEST_CASE("list filters and knows ended processes by their last PID") {
    CompatDaemon daemon;
    CHECK(daemon.original("list", Json::object())["processes"].empty());
    daemon.original("start", Json{{"command", "web x"}, {"working_directory", "/usr"}, {"label", "web"}});
    daemon.original("start", start_arguments("web x"));
    daemon.original("start", start_arguments("db"));
    daemon.original("stop", Json{{"label", "web"}});
    daemon.shim(3)->end(3);
    daemon.run_until([&] { return daemon.supervisor.find({3})->state == ProcessState::exited; });
    const auto listed = [&](Json filter) { return daemon.original("list", std::move(filter))["processes"]; };

    const Json all = listed(Json::object());
    REQUIRE(all.size() == 3);
    CHECK(names_of(all[0]) == std::vector<std::string>{"pid", "command", "working_directory", "status", "label",
                                                       "start_time", "end_time", "log_stdout", "log_stderr",
                                                       "log_combined"});
    CHECK(all[0]["pid"] == 1001);
    CHECK(all[0]["command"] == Json::array({"web", "x"}));
    CHECK(all[0]["working_directory"] == "/usr");
    CHECK(all[0]["status"] == "terminated");
    CHECK(all[0]["label"] == "web");
    CHECK(all[0]["end_time"].is_string());
    CHECK(all[1]["status"] == "running");
    CHECK(all[1]["end_time"].is_null());
    CHECK(all[2]["status"] == "exited");

    CHECK(listed(Json{{"pid", 1003}})[0]["command"] == Json::array({"db"}));
    CHECK(listed(Json{{"command_or_label", "web"}}).size() == 1);
    CHECK(listed(Json{{"command_or_label", "web x"}}).size() == 2);
    CHECK(listed(Json{{"command_or_label", "web x"}, {"working_directory", "/"}}).size() == 1);
    CHECK(listed(Json{{"working_directory", "/usr"}}).size() == 1);
    CHECK(listed(Json{{"pid", 4}}).empty());
    CHECK(listed(Json{{"pid", 0}})[0]["label"] == "persistproc-server");
}

TEST_CASE("output has times, streams and counts of what is not shown") {
    CompatDaemon daemon;
    daemon.original("start", start_arguments("web"));
    tests::WrittenLog log(rundir::process_paths(daemon.data->path(), {1}).log);
    constexpr std::int64_t second = 1'000'000'000;
    for (int i = 0; i < 5; ++i) {
        log.wall_ns = (1'780'000'000 + i) * second;  // 2026-05-28T20:26:40Z
        log.append(i == 3 ? logstore::Stream::err : logstore::Stream::out, fmt::format("line {}\x1b[1m\n", i));
    }
    const auto lines = [&](Json arguments) { return daemon.original("output", std::move(arguments))["output"]; };

    const Json all = daemon.original("output", Json{{"pid", 1001}});
    CHECK(names_of(all) == std::vector<std::string>{"output", "lines_before", "lines_after", "error"});
    REQUIRE(all["output"].size() == 5);
    CHECK(all["output"][0] == "2026-05-28T20:26:40.000Z line 0\n");
    const Json last = daemon.original("output", Json{{"command_or_label", "web"}, {"lines", 2}});
    CHECK(last["output"].size() == 2);
    CHECK(last["lines_before"] == 3);
    CHECK(last["lines_after"] == 0);
    CHECK(lines(Json{{"pid", 1001}, {"stream", "stderr"}}) == Json::array({"2026-05-28T20:26:43.000Z line 3\n"}));
    CHECK(lines(Json{{"pid", 1001}, {"stream", "stdout"}}).size() == 4);
    // From a time on, and before one; without an offset it is UTC.
    CHECK(lines(Json{{"pid", 1001}, {"since_time", "2026-05-28T20:26:42"}}).size() == 3);
    CHECK(lines(Json{{"pid", 1001}, {"before_time", "2026-05-28T20:26:42Z"}}).size() == 2);
    CHECK(lines(Json{{"pid", 1001}, {"since_time", "2026-05-29"}}).empty());
    CHECK(has(daemon.original("output", Json{{"pid", 1001}, {"since_time", "noon"}})["error"], "since_time: "));
    CHECK(has(daemon.original("output", Json{{"pid", 0}})["error"], "daemon.log"));
    CHECK(daemon.original("output", Json{{"pid", 9}})["output"].is_null());

    // The first generation: everything unless lines says otherwise, under a name that ours has too.
    const Json first = daemon.original("get_process_output", Json{{"pid", 1001}, {"stream", "combined"}});
    CHECK(first.size() == 5);
    const Json own = daemon.call("get_process_output", Json{{"process", "p1"}, {"lines", 1}});
    CHECK(has(own["content"][0]["text"], "running; 1 of 5 lines; cursor "));
    CHECK(own["_meta"]["persistproc/result"]["lines"] == 1);
    // A run that is over keeps its lines to itself once the next has begun.
    daemon.original("restart", Json{{"pid", 1001}});
    CHECK(lines(Json{{"pid", 1002}}).empty());
}

TEST_CASE("who asks as ours asks is answered as ever") {
    CompatDaemon daemon;
    Json arguments = start_arguments("web");
    arguments["if_running"] = "return";
    const Json started = daemon.call("start_process", arguments);
    CHECK(started["structuredContent"]["created"] == true);
    CHECK(!started["structuredContent"].contains("error"));
    CHECK(has(started["content"][0]["text"], "Started p1"));
    const Json restarted = daemon.call("restart_process", Json{{"process", "p1"}});
    CHECK(restarted["structuredContent"]["old_pid"] == 1001);
    const Json listed = daemon.call("list_processes", Json{{"process", "p1"}});
    CHECK(!listed["structuredContent"]["processes"][0].contains("status"));
    const Json stopped = daemon.call("stop_process", Json{{"process", "p1"}, {"force", true}});
    CHECK(stopped["structuredContent"]["state"] == "stopped");
    CHECK(error_code(daemon.call("stop_process", Json{{"process", "p9"}})) == "not_found");
    CHECK(error_code(daemon.call("stop_process", Json{{"process", "p1"}, {"pid", 1}})) == "invalid");
}

TEST_CASE("a start without a directory uses the daemon's, as the original's did") {
    CompatDaemon daemon;
    const std::string here = std::filesystem::current_path().string();
    const Json first = daemon.original("start_process", Json{{"command", "web"}, {"working_directory", nullptr}});
    CHECK(first["working_directory"] == here);
    CHECK(daemon.original("start", Json{{"command", "db"}})["label"] == "db in " + here);
}

TEST_CASE("a stop of what has ended tells how it ended") {
    CompatDaemon daemon;
    daemon.original("start", start_arguments("web"));
    daemon.shim(1)->end(7);
    daemon.run_until([&] { return daemon.supervisor.find({1})->state == ProcessState::exited; });
    const Json stopped = daemon.original("stop", Json{{"pid", 1001}});
    CHECK(stopped["exit_code"] == 7);
    CHECK(stopped["error"].is_null());
}

TEST_CASE("values of variables are in no answer of the original's tools") {
    CompatDaemon daemon;
    std::string said;
    Json arguments = start_arguments("web");
    arguments["environment"] = Json{{"TOKEN", "s3cr3t-value"}};
    said += daemon.call("start_process", arguments).dump();
    said += daemon
                .call("ctrl", Json{{"action", "start"},
                                   {"command_or_label", "db"},
                                   {"working_directory", "/"},
                                   {"environment", Json{{"TOKEN", "s3cr3t-value"}}}})
                .dump();
    for (const char* tool : {"list", "list_processes"}) said += daemon.call(tool, Json::object()).dump();
    said += daemon.call("get_process_status", Json{{"pid", 1001}}).dump();
    CHECK(said.find("s3cr3t-value") == std::string::npos);
    CHECK(daemon.shims.spawned() == 2);
}

TEST_CASE("the project's own client is answered as ever, and others know nothing of the original") {
    tests::DaemonInProcess daemon;
    for (const char* tool : {"ctrl", "list", "output", "start", "stop", "restart", "get_process_status",
                             "get_process_log_paths", "kill_persistproc"}) {
        const Json answer = daemon.answer(daemon.call_later(tool, Json::object()));
        CHECK(answer["error"]["code"] == -32602);
    }
    CHECK(error_code(daemon.call("stop_process", Json{{"pid", 1001}})) == "invalid");
}

TEST_CASE("the list of tools stays small with the original's") {
    CompatDaemon daemon;
    const Json tools = daemon.answer(daemon.send("tools/list", Json::object()))["result"]["tools"];
    std::set<std::string> names;
    for (const auto& tool : tools) {
        names.insert(tool["name"].get<std::string>());
        CHECK(!tool["description"].get<std::string>().empty());
        CHECK(tool["inputSchema"]["additionalProperties"] == false);
    }
    CHECK(names.size() == tools.size());
    CHECK(names.size() >= 14);
    CHECK(tools.dump().size() <= 12 * 1024);
}

}  // namespace compat_test
