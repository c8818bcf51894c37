// Requests that meet each other, and what could not be recorded.
#include <fcntl.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <fstream>
#include <future>

#include "common/base/file.hpp"
#include "common/rundir/paths.hpp"
#include "daemon/core/run_files.hpp"
#include "tests/integration/daemon_in_process.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/marked_program.hpp"
#include "tests/support/no_descriptors.hpp"

namespace operations_test {

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

/// Of a process that exists, as it was defined.
Json again(const char* id) {
    return Json{{"command", Json::array({"?"})}, {"working_directory", "/"}, {"process", id}};
}

RunId run(std::uint32_t process, std::uint32_t number) { return RunId{{process}, number}; }

const Json web{{"process", "web"}};

Json view_of(DaemonInProcess& daemon, const char* target) {
    return daemon.call("list_processes", Json{{"process", target}})["structuredContent"]["processes"][0];
}

/// A program that does not end, which a stop with a long grace has begun to wait for. Returns the call.
int stop_patiently(DaemonInProcess& daemon) {
    daemon.call("start_process", command("a", "web"));
    daemon.shims.obeys_stop = false;
    const int call = daemon.call_later("stop_process", Json{{"process", "web"}, {"grace_seconds", 60}});
    daemon.run_until([&] { return daemon.shims.find(run(1, 1))->heard.size() == 2; });
    return call;
}

}  // namespace

TEST_CASE("a stop that comes in while a restart is being recorded wins") {
    DaemonInProcess daemon;
    daemon.call("start_process", command("a", "web"));
    daemon.run_until([&] { return daemon.store.waiting == 0; });
    daemon.store.holds = true;
    const int restarting = daemon.call_later("restart_process", web);
    daemon.run_until([&] { return daemon.store.waiting == 1; });
    const int stopping = daemon.call_later("stop_process", web);
    daemon.run_until([&] { return daemon.store.waiting == 2; });
    daemon.store.release();
    const Json stopped = daemon.answer(stopping)["result"];
    CHECK(error_code(stopped).empty());
    CHECK(stopped["structuredContent"]["state"] == "stopped");
    CHECK(error_code(daemon.answer(restarting)["result"]) == "conflict");
    CHECK(daemon.shims.spawned() == 1);
    CHECK(daemon.shims.living() == 0);
}

TEST_CASE("a start that is stopped before its program runs says so") {
    DaemonInProcess daemon;
    daemon.shims.silent_after_commit = true;
    const int starting = daemon.call_later("start_process", command("a", "web"));
    daemon.run_until([&] { return daemon.shims.find(run(1, 1)) && !daemon.shims.find(run(1, 1))->heard.empty(); });
    const int stopping = daemon.call_later("stop_process", web);
    daemon.run_until([&] { return daemon.supervisor.find({1})->state == ProcessState::starting; });
    daemon.io.poll();
    auto shim = daemon.shims.find(run(1, 1));
    shim->state.exec_confirmed = 1;
    shim->state.pid = 1001;
    shim->push(rundir::MessageType::state);
    CHECK(daemon.answer(stopping)["result"]["structuredContent"]["state"] == "stopped");
    CHECK(error_code(daemon.answer(starting)["result"]) == "conflict");
}

TEST_CASE("a start of a process that exists joins what another is bringing about") {
    DaemonInProcess daemon;
    daemon.call("start_process", command("a", "web"));
    std::vector<int> calls;
    SECTION("another start") { daemon.shims.find(run(1, 1))->end(0); }
    SECTION("a restart") {
        daemon.shims.obeys_stop = false;
        calls.push_back(daemon.call_later("restart_process", web));
        daemon.run_until([&] { return daemon.shims.find(run(1, 1))->heard.size() == 2; });
    }
    for (int i = 0; i < 3; ++i) calls.push_back(daemon.call_later("start_process", again("p1")));
    daemon.io.poll();
    daemon.shims.obeys_stop = true;
    if (daemon.shims.living() > 0) daemon.shims.find(run(1, 1))->end(15, true);
    int created = 0;
    for (const int call : calls) {
        const Json answer = daemon.answer(call)["result"];
        CHECK(error_code(answer).empty());
        CHECK(answer["structuredContent"]["run"] == "p1.2");
        CHECK(answer["structuredContent"]["state"] == "running");
        created += answer["structuredContent"].value("created", true) ? 1 : 0;  // a restart does not say
    }
    CHECK(created == 1);
    CHECK(daemon.shims.spawned() == 2);
}

TEST_CASE("a start of a process that exists starts it as it was defined") {
    DaemonInProcess daemon;
    Json request = command("a", "web");
    request["environment"] = Json{{"NAME", "own"}};
    request["restart"] = "always";
    daemon.call("start_process", request);
    daemon.shims.find(run(1, 1))->end(3);
    // It waits to run again, and is not waited for.
    daemon.run_until([&] { return daemon.supervisor.find({1})->state == ProcessState::backoff; });
    const Json begun = daemon.call("start_process", again("p1"))["structuredContent"];
    CHECK(begun["created"] == true);
    CHECK(begun["run"] == "p1.2");
    CHECK(begun["command"] == Json::array({"a", "x"}));
    const auto spec = core::load_spec(daemon.data->path(), run(1, 2));
    REQUIRE(spec);
    CHECK(std::count(spec->environment.begin(), spec->environment.end(), "NAME=own") == 1);
    CHECK(spec->definition.restart == domain::RestartPolicy::always);
    // Where it runs, `restart` alone says that it is to be another run.
    CHECK(daemon.call("start_process", again("p1"))["structuredContent"]["created"] == false);
    Json fresh = again("p1");
    fresh["if_running"] = "restart";
    CHECK(daemon.call("start_process", fresh)["structuredContent"]["run"] == "p1.3");
    CHECK(error_code(daemon.call("start_process", again("p9"))) == "not_found");
    const Json entries = daemon.call("read_audit", Json::object())["structuredContent"]["entries"];
    CHECK(std::count_if(entries.begin(), entries.end(), [](const Json& each) { return each["action"] == "start"; }) ==
          3);
}

TEST_CASE("what waits to run again keeps its definition when its command is started, and tells what does not apply") {
    DaemonInProcess daemon;
    Json request = command("a", "web");
    request["environment"] = Json{{"PORT", "3001"}};
    request["restart"] = "always";
    request["grace_seconds"] = 3;
    daemon.call("start_process", request);
    daemon.shims.find(run(1, 1))->end(4);
    daemon.run_until([&] { return daemon.supervisor.find({1})->state == ProcessState::backoff; });
    Json asked = command("a");
    if (GENERATE(false, true)) asked["label"] = "web";
    SECTION("it runs now") {
        asked["environment"] = Json{{"PORT", "3002"}};
        asked["grace_seconds"] = 5;
        const Json begun = daemon.call("start_process", asked)["structuredContent"];
        CHECK(begun["created"] == true);
        CHECK(begun["run"] == "p1.2");
        CHECK(begun["ignored_settings"] == Json::array({"grace_seconds"}));
        CHECK(begun["ignored_variables"] == Json::array({"PORT"}));
        const auto spec = core::load_spec(daemon.data->path(), run(1, 2));
        REQUIRE(spec);
        CHECK(std::count(spec->environment.begin(), spec->environment.end(), "PORT=3001") == 1);
        CHECK(spec->definition.restart == domain::RestartPolicy::always);
        CHECK(spec->definition.grace_seconds == 3);
    }
    SECTION("another definition takes its place where that is asked for") {
        asked["if_running"] = "restart";
        CHECK(daemon.call("start_process", asked)["structuredContent"]["run"] == "p1.2");
        CHECK(core::load_spec(daemon.data->path(), run(1, 2))->definition.restart == domain::RestartPolicy::never);
    }
    SECTION("nothing is done where one that runs would be refused") {
        asked["if_running"] = "error";
        CHECK(error_code(daemon.call("start_process", asked)) == "conflict");
        CHECK(daemon.shims.spawned() == 1);
    }
}

TEST_CASE("one whose program is not there yet has no memory") {
    DaemonInProcess daemon;
    daemon.shims.silent_after_commit = true;
    daemon.call_later("start_process", command("a", "web"));
    daemon.run_until([&] { return daemon.shims.find(run(1, 1)) && !daemon.shims.find(run(1, 1))->heard.empty(); });
    CHECK(view_of(daemon, "web")["state"] == "starting");
    CHECK(!view_of(daemon, "web").contains("memory_bytes"));
}

TEST_CASE("one that waits to run again says how often it has failed, of how often it may") {
    DaemonInProcess daemon;
    Json request = command("a", "web");
    request["restart"] = "always";
    daemon.call("start_process", request);
    daemon.shims.find(run(1, 1))->end(3);
    daemon.run_until([&] { return daemon.supervisor.find({1})->state == ProcessState::backoff; });
    const Json cause = view_of(daemon, "web")["causes"][0];
    CHECK(cause["code"] == "runs_again");
    CHECK(cause["count"] == 1);
    CHECK(cause["most"] == 8);
}

TEST_CASE("a start or restart that comes in during a stop waits until that is answered") {
    DaemonInProcess daemon;
    daemon.call("start_process", command("a", "web"));
    daemon.shims.obeys_stop = false;
    const int stopping = daemon.call_later("stop_process", web);
    daemon.run_until([&] { return daemon.shims.find(run(1, 1))->heard.size() >= 2; });
    int following = 0;
    SECTION("a start") { following = daemon.call_later("start_process", command("a", "web")); }
    SECTION("a restart") { following = daemon.call_later("restart_process", web); }
    daemon.io.poll();
    daemon.shims.find(run(1, 1))->end(15, true);
    CHECK(daemon.answer(stopping)["result"]["structuredContent"]["state"] == "stopped");
    CHECK(daemon.answer(following)["result"]["structuredContent"]["run"] == "p1.2");
}

TEST_CASE("a start or restart that waits for a stop loses to the next stop") {
    DaemonInProcess daemon;
    const int patient = stop_patiently(daemon);
    auto shim = daemon.shims.find(run(1, 1));
    const std::size_t sleepers = daemon.clock.sleepers();
    int waiting = 0;
    SECTION("a start") { waiting = daemon.call_later("start_process", command("a", "web")); }
    SECTION("a restart") { waiting = daemon.call_later("restart_process", web); }
    daemon.run_until([&] { return daemon.clock.sleepers() > sleepers; });
    const int hasty = daemon.call_later("stop_process", web);
    daemon.run_until([&] { return shim->heard.size() == 3; });
    shim->end(9, true);
    CHECK(error_code(daemon.answer(patient)["result"]).empty());
    CHECK(error_code(daemon.answer(hasty)["result"]).empty());
    CHECK(error_code(daemon.answer(waiting)["result"]) == "conflict");
    CHECK(daemon.shims.spawned() == 1);
    CHECK(daemon.supervisor.find({1})->state == ProcessState::stopped);
}

TEST_CASE("a forced restart ends at once what another one, or a stop, is still ending") {
    DaemonInProcess daemon;
    const auto forced = [&daemon] {
        return daemon.call_later("restart_process", Json{{"process", "web"}, {"force", true}});
    };
    int first = 0;
    SECTION("a restart, which is its own as well") {
        daemon.call("start_process", command("a", "web"));
        daemon.shims.obeys_stop = false;
        first = daemon.call_later("restart_process", Json{{"process", "web"}, {"grace_seconds", 60}});
        daemon.run_until([&] { return daemon.shims.find(run(1, 1))->heard.size() == 2; });
        const int second = forced();
        for (const int call : {first, second}) {
            const Json answer = daemon.answer(call)["result"]["structuredContent"];
            CHECK(answer["run"] == "p1.2");
            CHECK(answer["old_pid"] == 1001);
            CHECK(answer["pid"] == 1002);
        }
        CHECK(daemon.shims.spawned() == 2);
    }
    SECTION("a stop") {
        first = stop_patiently(daemon);
        const int second = forced();
        CHECK(daemon.answer(first)["result"]["structuredContent"]["state"] == "stopped");
        CHECK(daemon.answer(second)["result"]["structuredContent"]["run"] == "p1.2");
    }
}

TEST_CASE("a restart brings its own grace to what another one, or a stop, is still ending") {
    DaemonInProcess daemon;
    int first = 0;
    bool is_stop = false;
    SECTION("a restart, which is its own as well") {
        daemon.call("start_process", command("a", "web"));
        daemon.shims.obeys_stop = false;
        first = daemon.call_later("restart_process", Json{{"process", "web"}, {"grace_seconds", 60}});
        daemon.run_until([&] { return daemon.shims.find(run(1, 1))->heard.size() == 2; });
    }
    SECTION("a stop") {
        first = stop_patiently(daemon);
        is_stop = true;
    }
    auto shim = daemon.shims.find(run(1, 1));
    const int hasty = daemon.call_later("restart_process", Json{{"process", "web"}, {"grace_seconds", 1}});
    daemon.run_until([&] { return shim->heard.size() == 3; });
    CHECK(shim->heard[2].grace_ms == 1000);
    CHECK_FALSE(shim->heard[2].force);
    shim->end(9, true);
    const Json answer = daemon.answer(first)["result"]["structuredContent"];
    CHECK(answer["state"] == (is_stop ? "stopped" : "running"));
    CHECK(daemon.answer(hasty)["result"]["structuredContent"]["run"] == "p1.2");
    CHECK(daemon.shims.spawned() == 2);
}

TEST_CASE("a restart that has joined another one loses to a stop that comes in before it is told") {
    DaemonInProcess daemon;
    daemon.call("start_process", command("a", "web"));
    daemon.shims.obeys_stop = false;
    const int first = daemon.call_later("restart_process", Json{{"process", "web"}, {"grace_seconds", 60}});
    daemon.run_until([&] { return daemon.shims.find(run(1, 1))->heard.size() == 2; });
    const int second = daemon.call_later("restart_process", Json{{"process", "web"}, {"force", true}});
    daemon.run_until([&] {
        const auto shim = daemon.shims.find(run(1, 2));
        return shim && shim->state.phase == rundir::Phase::started;
    });
    daemon.shims.obeys_stop = true;
    daemon.store.holds = true;
    CHECK(daemon.answer(first)["result"]["structuredContent"]["run"] == "p1.2");
    // The second one records now who has hastened the first.
    daemon.io.poll();
    CHECK(!daemon.is_answered(second));
    const std::size_t waiting = daemon.store.waiting;
    const int stopping = daemon.call_later("stop_process", web);
    daemon.run_until([&] { return daemon.store.waiting > waiting; });
    daemon.store.release();
    CHECK(daemon.answer(stopping)["result"]["structuredContent"]["state"] == "stopped");
    CHECK(error_code(daemon.answer(second)["result"]) == "conflict");
    CHECK(daemon.shims.living() == 0);
}

TEST_CASE("a restart waits for a stop as long as that may take, whatever the process's own grace") {
    DaemonInProcess daemon;
    const int patient = stop_patiently(daemon);
    const bool is_restart = GENERATE(true, false);
    const int waiting = is_restart ? daemon.call_later("restart_process", web)
                                   : daemon.call_later("start_process", command("a", "web"));
    daemon.advance(59s);  // the process's own grace is over since long
    CHECK(!daemon.is_answered(waiting));
    daemon.shims.obeys_stop = true;
    daemon.shims.find(run(1, 1))->end(9, true);
    CHECK(error_code(daemon.answer(patient)["result"]).empty());
    CHECK(daemon.answer(waiting)["result"]["structuredContent"]["run"] == "p1.2");
}

TEST_CASE("a stop whose keeper is suspended meanwhile says that, and how it goes on") {
    DaemonInProcess daemon;
    daemon.call("start_process", command("a", "web"));
    const tests::MarkedProgram keeper("");
    auto shim = daemon.shims.find(run(1, 1));
    shim->state.shim_pid = keeper.identity().pid;
    shim->state.shim_start_ticks = keeper.identity().start_ticks;
    shim->push(rundir::MessageType::state);
    daemon.shims.obeys_stop = false;
    const int stopping = daemon.call_later("stop_process", web);
    daemon.run_until([&] { return shim->heard.size() == 2; });
    daemon.io.poll();
    keeper.suspend();
    daemon.advance(41s);
    const Json refused = daemon.answer(stopping)["result"];
    CHECK(error_code(refused) == "unavailable");
    const std::string pid = std::to_string(keeper.identity().pid);
    CHECK(refused["content"][0]["text"].get<std::string>().find("kill -CONT " + pid) != std::string::npos);
}

TEST_CASE("no more is started than there are descriptors for, also by what an ended program left behind") {
    core::SupervisorOptions options;
    options.descriptors = {1024, 2};
    DaemonInProcess daemon(options);
    for (const char* label : {"one", "two"})
        CHECK(error_code(daemon.call("start_process", command(label, label))).empty());
    const bool is_left = GENERATE(false, true);
    if (is_left) {
        daemon.shims.find(run(1, 1))->end(0, false, true);
        daemon.run_until([&] { return daemon.supervisor.find({1})->state == ProcessState::exited; });
    }
    const Json refused = daemon.call("start_process", command("three", "three"));
    CHECK(error_code(refused) == "limit");
    CHECK(refused["content"][0]["text"].get<std::string>().find(
              "2 processes run, as many as this daemon may have open files for (its limit is 1024)") !=
          std::string::npos);
    CHECK(error_code(daemon.call("restart_process", Json{{"process", "two"}})).empty());
    CHECK(error_code(daemon.call("stop_process", Json{{"process", "one"}})).empty());
    CHECK(error_code(daemon.call("start_process", command("three", "three"))).empty());
}

TEST_CASE("each of two stops brings its own grace") {
    DaemonInProcess daemon;
    const int patient = stop_patiently(daemon);
    CHECK(view_of(daemon, "web")["grace_seconds"] == 60);
    auto shim = daemon.shims.find(run(1, 1));
    const int hasty = daemon.call_later("stop_process", Json{{"process", "web"}, {"grace_seconds", 1}});
    daemon.run_until([&] { return shim->heard.size() == 3; });
    CHECK(shim->heard[1].grace_ms == 60000);
    CHECK(view_of(daemon, "web")["grace_seconds"] == 1);
    CHECK(shim->heard[2].grace_ms == 1000);
    // The hasty one gives up at its own time, the other waits on.
    daemon.advance(32s);
    CHECK(error_code(daemon.answer(hasty)["result"]) == "timeout");
    CHECK(!daemon.is_answered(patient));
    const int last = daemon.call_later("stop_process", Json{{"process", "web"}, {"grace_seconds", 0}});
    daemon.run_until([&] { return shim->heard.size() == 4; });
    CHECK(view_of(daemon, "web")["grace_seconds"] == 0);
    shim->end(9, true);
    CHECK(error_code(daemon.answer(patient)["result"]).empty());
    CHECK(error_code(daemon.answer(last)["result"]).empty());
    CHECK_FALSE(view_of(daemon, "web").contains("grace_seconds"));
}

TEST_CASE("a restart that could not be recorded is not carried out by the next daemon") {
    auto data = std::make_shared<tests::TemporaryDirectory>();
    {
        DaemonInProcess daemon({}, data);
        daemon.call("start_process", command("a", "web"));
        daemon.run_until([&] { return daemon.store.waiting == 0; });
        daemon.store.fails = true;
        CHECK(error_code(daemon.call("restart_process", web)) == "io");
        Json other = command("b", "web");
        other["command"] = Json::array({"a", "x"});
        other["if_running"] = "restart";
        other["restart"] = "always";
        CHECK(error_code(daemon.call("start_process", other)) == "io");
        daemon.store.fails = false;
        // Nothing of it stayed: neither the policy nor the wish for another run.
        daemon.shims.find(run(1, 1))->end(0);
        daemon.run_until([&] { return daemon.supervisor.find({1})->state == ProcessState::exited; });
        daemon.run_until([&] { return daemon.store.waiting == 0; });
        CHECK(daemon.shims.spawned() == 1);
    }
    const auto state = rundir::run_paths(data->path(), run(1, 1)).state;
    auto fd = base::open_file(state, O_RDWR);
    rundir::StateWriter writer(fd->get(), rundir::RunState{});
    writer.state().phase = rundir::Phase::exited;
    writer.state().tree_empty = 1;
    REQUIRE(writer.commit() == 0);
    DaemonInProcess daemon({}, data);
    CHECK(view_of(daemon, "web")["state"] == "exited");
    CHECK(daemon.shims.spawned() == 0);
}

TEST_CASE("a removal needs no room in the database, and is one all the same") {
    auto data = std::make_shared<tests::TemporaryDirectory>();
    {
        DaemonInProcess daemon({}, data);
        daemon.call("start_process", command("a", "web"));
        daemon.shims.find(run(1, 1))->end(3);
        daemon.run_until([&] { return daemon.supervisor.find({1})->state == ProcessState::exited; });
        daemon.store.fails = true;
        CHECK(error_code(daemon.call("remove_process", web)).empty());
        CHECK_FALSE(daemon.supervisor.find({1}));
    }
    CHECK_FALSE(std::filesystem::exists(rundir::process_paths(data->path(), {1}).root));
    DaemonInProcess daemon({}, data);
    CHECK(daemon.call("list_processes", Json::object())["structuredContent"]["processes"].empty());
    // Its record by a name goes once the database has none.
    daemon.run_until([&] { return std::filesystem::is_empty(data->path() / "procs"); });
}

TEST_CASE("a new label stays where the start on its way is taken back") {
    DaemonInProcess daemon;
    daemon.call("start_process", command("a", "web"));
    daemon.shims.obeys_stop = false;
    Json anew = command("a", "web");
    anew["if_running"] = "restart";
    anew["restart"] = "always";
    const int starting = daemon.call_later("start_process", anew);
    daemon.run_until([&] { return daemon.shims.find(run(1, 1))->heard.size() == 2; });
    daemon.advance(60s);
    CHECK(error_code(daemon.answer(starting)["result"]) == "timeout");
    CHECK(error_code(daemon.call("rename_process", Json{{"process", "p1"}, {"label", "api"}})).empty());
    daemon.call("stop_process", Json{{"process", "p1"}, {"force", true}});
    const Json left = view_of(daemon, "p1");
    CHECK(left["label"] == "api");
    CHECK(left.value("restart_policy", "never") == "never");
}

TEST_CASE("a removal that is refused takes nothing") {
    DaemonInProcess daemon;
    daemon.call("start_process", command("a", "web"));
    daemon.shims.find(run(1, 1))->end(3);
    daemon.run_until([&] { return daemon.supervisor.find({1})->state == ProcessState::exited; });
    const auto mark = daemon.data->path() / "procs" / ".removed-p1";
    std::ofstream(mark) << "in the way";
    CHECK(error_code(daemon.call("remove_process", web)) == "io");
    CHECK(std::filesystem::exists(rundir::run_paths(daemon.data->path(), run(1, 1)).spec));
    CHECK(view_of(daemon, "web")["state"] == "exited");
    std::filesystem::remove(mark);
    CHECK(error_code(daemon.call("remove_process", web)).empty());
    CHECK_FALSE(daemon.supervisor.find({1}));
}

TEST_CASE("a start looks again for what it means after it has waited") {
    DaemonInProcess daemon;
    daemon.call("start_process", command("a", "web"));
    // Its program and its tree are gone, its shim is not: a removal holds the process until it gives up.
    auto shim = daemon.shims.find(run(1, 1));
    shim->end(0, false, true);
    shim->state.tree_empty = 1;
    shim->push(rundir::MessageType::state);
    daemon.run_until([&] { return daemon.supervisor.find({1})->state == ProcessState::exited; });
    const int removing = daemon.call_later("remove_process", web);
    daemon.io.poll();
    const int labelled = daemon.call_later("start_process", command("b", "web"));
    daemon.io.poll();
    const int unlabelled = daemon.call_later("start_process", command("a"));
    // Its look is behind those of both starts, on the one thread for them.
    daemon.call("list_processes", Json{{"working_directory", "/"}});
    daemon.advance(5s);
    CHECK(error_code(daemon.answer(removing)["result"]) == "conflict");
    shim->leave();
    const Json b = daemon.answer(labelled)["result"]["structuredContent"];
    CHECK(b["id"] == "p1");
    CHECK(b["command"][0] == "b");
    const Json a = daemon.answer(unlabelled)["result"]["structuredContent"];
    CHECK(a["id"] == "p2");
    CHECK(a["command"][0] == "a");
}

TEST_CASE("a look at a user's directory waits for no file of ours, nor one of ours for it") {
    DaemonInProcess daemon;
    std::promise<void> released;
    boost::asio::post(daemon.files, [release = released.get_future().share()] { release.wait(); });
    const Json listed = daemon.call("list_processes", Json{{"working_directory", "/"}});
    CHECK(listed["structuredContent"]["processes"].empty());
    released.set_value();
}

TEST_CASE("a shutdown has one deadline for all") {
    DaemonInProcess daemon;
    for (const char* label : {"one", "two", "three"}) daemon.call("start_process", command(label, label));
    daemon.shims.obeys_stop = false;
    const int leaving = daemon.call_later("shutdown_daemon", Json::object());
    daemon.run_until([&] { return daemon.shims.find(run(3, 1))->heard.size() >= 2; });
    daemon.io.poll();
    daemon.advance(41s);
    CHECK(daemon.answer(leaving)["result"]["structuredContent"]["kept"].size() == 3);
}

TEST_CASE("a shim that is killed is replaced, and its program goes on") {
    DaemonInProcess daemon;
    daemon.shims.hands_over = true;
    daemon.call("start_process", command("a", "web"));
    SECTION("at once") {}
    SECTION("however often that fails") { daemon.shims.refused = 3; }
    daemon.shims.find(run(1, 1))->leave();
    daemon.advance_until(
        100ms, [&] { return daemon.shims.replacements == 1 && daemon.shims.find(run(1, 1))->state.successors == 1; });
    CHECK(view_of(daemon, "web")["state"] == "running");
    CHECK(view_of(daemon, "web")["pid"] == 1001);
    daemon.shims.find(run(1, 1))->end(7);
    daemon.run_until([&] { return daemon.supervisor.find({1})->state == ProcessState::exited; });
    CHECK(view_of(daemon, "web")["exit_code"] == 7);
}

TEST_CASE("what may live of a lost run is not called stopped, nor forgotten, while it cannot be looked for") {
    DaemonInProcess daemon;
    daemon.call("start_process", command("a", "web"));
    daemon.shims.find(run(1, 1))->leave();
    daemon.run_until([&] { return daemon.supervisor.find({1})->state == ProcessState::lost; });
    {
        const tests::NoDescriptors none;
        const int stopping = daemon.call_later("stop_process", web);
        daemon.advance_until(100ms, [&] { return daemon.is_answered(stopping); });
        CHECK(error_code(daemon.answer(stopping)["result"]) == "timeout");
        CHECK(error_code(daemon.call("remove_process", web)) == "conflict");
    }
    CHECK(error_code(daemon.call("stop_process", web)).empty());
    CHECK(error_code(daemon.call("remove_process", web)).empty());
}

TEST_CASE("a stop that comes while a shim is being replaced is obeyed by the next") {
    DaemonInProcess daemon;
    daemon.shims.hands_over = true;
    daemon.call("start_process", command("a", "web"));
    daemon.shims.refused = 3;
    daemon.shims.find(run(1, 1))->leave();
    daemon.advance_until(10ms, [&] { return daemon.shims.refused < 3; });
    const int stopping = daemon.call_later("stop_process", web);
    daemon.run_until([&] { return daemon.supervisor.find({1})->state == ProcessState::stopping; });
    daemon.advance_until(100ms, [&] { return daemon.is_answered(stopping); });
    CHECK(daemon.answer(stopping)["result"]["structuredContent"]["state"] == "stopped");
    CHECK(daemon.shims.living() == 0);
}

}  // namespace operations_test
