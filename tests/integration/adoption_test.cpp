#include <fcntl.h>
#include <signal.h>

#include <map>

#include "common/base/file.hpp"
#include "common/base/file_lock.hpp"
#include "common/base/random.hpp"
#include "common/rundir/paths.hpp"
#include "daemon/registry/database.hpp"
#include "daemon/registry/registry.hpp"
#include "tests/integration/daemon_in_process.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/marked_program.hpp"

namespace adoption_test {

using namespace persistproc;
using namespace std::chrono_literals;
using tests::DaemonInProcess;
using tests::error_code;
using tests::Json;

namespace {

constexpr RunId first_run{{1}, 1};

/// What the shim of the run wrote since is made up by `write`.
void write_state(const tests::TemporaryDirectory& data, const std::function<void(rundir::RunState&)>& write,
                 RunId run = first_run) {
    auto fd = base::open_file(rundir::run_paths(data.path(), run).state, O_RDWR);
    rundir::StateWriter writer(fd->get(), rundir::RunState{});
    writer.state().boot_id = base::current_boot_id();
    writer.state().started_wall_ns = base::to_ns(base::wall_now());
    writer.state().pid = 4711;
    write(writer.state());
    if (writer.commit() != 0) throw std::runtime_error("state could not be written");
}

/// One daemon starts a process and is gone; then as `write_state`.
std::shared_ptr<tests::TemporaryDirectory> left_behind(const std::function<void(rundir::RunState&)>& write,
                                                       const char* restart = "never") {
    auto data = std::make_shared<tests::TemporaryDirectory>();
    {
        DaemonInProcess daemon({}, data);
        daemon.call(
            "start_process",
            Json{{"command", Json::array({"a"})}, {"working_directory", "/"}, {"label", "web"}, {"restart", restart}});
    }
    write_state(*data, write);
    return data;
}

core::StoreSnapshot snapshot_of(const tests::TemporaryDirectory& data) {
    auto registry = registry::Registry::open(data.path());
    if (!registry) throw std::runtime_error(registry.error().message);
    auto snapshot = registry->load();
    if (!snapshot) throw std::runtime_error(snapshot.error().message);
    return std::move(*snapshot);
}

Json only_view(DaemonInProcess& daemon) {
    return daemon.call("list_processes", Json::object())["structuredContent"]["processes"][0];
}

}  // namespace

TEST_CASE("an exit that no daemon saw is known to the next") {
    auto data = left_behind([](rundir::RunState& state) {
        state.phase = rundir::Phase::exited;
        state.exit_value = 7;
    });
    DaemonInProcess daemon({}, data);
    const Json view = only_view(daemon);
    CHECK(view["id"] == "p1");
    CHECK(view["label"] == "web");
    CHECK(view["state"] == "exited");
    CHECK(view["exit_code"] == 7);
    CHECK(view["reason"] == "self");
}

TEST_CASE("a shim that died without a word leaves an outcome nobody invents") {
    std::string expected;
    auto data = left_behind([&](rundir::RunState& state) {
        state.phase = rundir::Phase::started;
        SECTION("in this boot") { expected = "shim_killed"; }
        SECTION("before a restart of the machine") {
            state.boot_id.fill(7);
            expected = "machine_restarted";
        }
    });
    DaemonInProcess daemon({}, data);
    const Json view = only_view(daemon);
    CHECK(view["state"] == "lost");
    CHECK(!view.contains("exit_code"));
    CHECK(!view.contains("signal"));
    CHECK(view["reason"] == "lost");
    CHECK(view["causes"] == Json::array({{{"code", expected}}}));
    const Json told = daemon.call("describe_process", Json{{"process", "p1"}})["structuredContent"];
    REQUIRE(told["failure"].is_object());
    // When it ended is as unknown.
    CHECK(!told["failure"].contains("lived_seconds"));
}

TEST_CASE("a state that knows less of a run than the store does not take the run from it") {
    auto data = left_behind([](rundir::RunState& state) {
        state.phase = rundir::Phase::prepared;
        state.pid = 0;
    });
    for (int daemons = 0; daemons < 2; ++daemons) {
        DaemonInProcess daemon({}, data);
        const Json view = only_view(daemon);
        CHECK(view["run"] == "p1.1");
        CHECK(view["state"] == "lost");
        CHECK(view["causes"][0]["code"] == "run_damaged");
    }
}

TEST_CASE("after a restart of the machine what always runs is run again, and nothing else") {
    const bool is_always = GENERATE(true, false);
    auto data = left_behind(
        [](rundir::RunState& state) {
            state.phase = GENERATE(rundir::Phase::started, rundir::Phase::exited);
            state.exit_value = 1;
            state.boot_id.fill(7);
        },
        is_always ? "always" : "on_failure");
    DaemonInProcess daemon({}, data);
    if (is_always) {
        daemon.advance_until(100ms,
                             [&] { return daemon.supervisor.find({1})->state == domain::ProcessState::running; });
        CHECK(only_view(daemon)["run"] == "p1.2");
        return;
    }
    CHECK(only_view(daemon)["run"] == "p1.1");
    CHECK_FALSE(daemon.supervisor.find({1})->runs_again);
}

TEST_CASE("a newer daemon's word for what is wanted stays until something is asked for") {
    auto data = left_behind([](rundir::RunState& state) { state.phase = rundir::Phase::exited; });
    const auto look = [&](const std::function<void(core::ProcessRecord&)>& change_it) {
        auto registry = registry::Registry::open(data->path());
        REQUIRE(registry);
        auto snapshot = registry->load();
        REQUIRE((snapshot && snapshot->processes.size() == 1));
        core::StoreChange change;
        change.processes = snapshot->processes;
        change_it(change.processes.front());
        REQUIRE(registry->commit({change}));
        return snapshot->processes.front().unknown.members;
    };
    look([](core::ProcessRecord& record) {
        record.wanted = core::Wanted::up;
        record.unknown.members.emplace_back("wanted", "\"sideways\"");
    });
    const auto nothing = [](core::ProcessRecord&) {};
    REQUIRE(look(nothing).size() == 1);
    for (int daemons = 0; daemons < 2; ++daemons) {
        DaemonInProcess daemon({}, data);
        CHECK(only_view(daemon)["state"] == "exited");
        daemon.call("shutdown_daemon", Json{{"keep", true}});
    }
    CHECK(look(nothing).size() == 1);
    {
        DaemonInProcess daemon({}, data);
        daemon.call("stop_process", Json{{"process", "web"}});
        CHECK(only_view(daemon)["state"] == "exited");
    }
    CHECK(look(nothing).empty());
}

TEST_CASE("what a power cut took of a run is not taken for a start that came to nothing") {
    auto data = left_behind([](rundir::RunState& state) { state.phase = rundir::Phase::exited; });
    const auto paths = rundir::run_paths(data->path(), first_run);
    const auto create_state = [&] {
        std::filesystem::remove(paths.state);
        base::BootId before{};
        before.fill(7);
        REQUIRE(rundir::create_state(paths.state, before));
    };
    const auto empty = [](const std::filesystem::path& path) { std::filesystem::resize_file(path, 0); };
    // The database was written by a daemon of this boot: a damaged file alone does not tell of a restart.
    std::string expected = "run_damaged";
    SECTION("no word of its shim") {
        create_state();
        expected = "machine_restarted";
    }
    SECTION("the state is empty") { empty(paths.state); }
    SECTION("the state is nothing but zeros") {
        empty(paths.state);
        std::filesystem::resize_file(paths.state, 4096);
    }
    SECTION("both are empty") {
        empty(paths.state);
        empty(paths.spec);
    }
    SECTION("neither is there") {
        std::filesystem::remove(paths.state);
        std::filesystem::remove(paths.spec);
    }
    SECTION("the spec is empty, and no word of its shim") {
        create_state();
        empty(paths.spec);
        expected = "machine_restarted";
    }
    for (int daemons = 0; daemons < 2; ++daemons) {
        DaemonInProcess daemon({}, data);
        const Json view = only_view(daemon);
        CHECK(view["id"] == "p1");
        CHECK(view["label"] == "web");
        CHECK(view["state"] == "lost");
        CHECK(view["causes"][0]["code"] == expected);
    }
}

TEST_CASE("an end whose output went with a power cut does not pass for complete") {
    std::uint64_t log_end = 1000;
    auto data = left_behind([&](rundir::RunState& state) {
        state.phase = rundir::Phase::exited;
        state.exit_value = 7;
        state.log_end = log_end;
        SECTION("of an earlier boot") { state.boot_id.fill(7); }
        SECTION("of this boot: somebody has removed it") { log_end = 0; }
    });
    for (int daemons = 0; daemons < 2; ++daemons) {
        DaemonInProcess daemon({}, data);
        const Json view = only_view(daemon);
        CHECK(view["state"] == "exited");
        CHECK(view["exit_code"] == 7);
        const Json lost{{"code", "output_lost"}, {"bytes", 1000}, {"text", "machine_restarted"}};
        if (log_end > 0)
            CHECK(view["causes"] == Json::array({lost}));
        else
            CHECK(!view.contains("causes"));
    }
}

TEST_CASE("a process whose directory went with a power cut is lost, and not forgotten") {
    auto data = std::make_shared<tests::TemporaryDirectory>();
    {
        DaemonInProcess daemon({}, data);
        const Json request{{"command", Json::array({"a"})}, {"working_directory", "/"}, {"label", "web"}};
        daemon.call("start_process", request);
        SECTION("the process's") {}
        SECTION("that of its second run") { daemon.call("restart_process", Json{{"process", "web"}}); }
    }
    core::ProcessRecord record;
    {
        auto registry = registry::Registry::open(data->path());
        REQUIRE(registry);
        auto snapshot = registry->load();
        REQUIRE((snapshot && snapshot->processes.size() == 1));
        record = snapshot->processes.front();
        record.boot = "before";
        core::StoreChange change;
        change.processes.push_back(record);
        REQUIRE(registry->commit({change}));
    }
    const auto process = rundir::process_paths(data->path(), {1});
    std::filesystem::remove_all(record.last_run == 1 ? process.root : process.runs / "2");
    for (int daemons = 0; daemons < 2; ++daemons) {
        DaemonInProcess daemon({}, data);
        const Json view = only_view(daemon);
        CHECK(view["label"] == "web");
        CHECK(view["run"] == to_string(RunId{{1}, record.last_run}));
        CHECK(view["state"] == "lost");
        CHECK(view["causes"][0]["code"] == "machine_restarted");
    }
    DaemonInProcess daemon({}, data);
    CHECK(error_code(daemon.call("start_process", Json{{"command", Json::array({"a"})}, {"working_directory", "/"}})) ==
          "");
    CHECK(only_view(daemon)["state"] == "running");
}

TEST_CASE("where no number is left a start is refused") {
    const Json another{{"command", Json::array({"b"})}, {"working_directory", "/"}};
    auto data = left_behind([](rundir::RunState& state) { state.phase = rundir::Phase::exited; });
    const auto change_store = [&](const std::function<void(core::StoreChange&, core::ProcessRecord)>& fill) {
        auto registry = registry::Registry::open(data->path());
        REQUIRE(registry);
        auto snapshot = registry->load();
        REQUIRE((snapshot && snapshot->processes.size() == 1));
        core::StoreChange change;
        fill(change, snapshot->processes.front());
        REQUIRE(registry->commit({change}));
    };
    const auto message_of = [](const Json& result) { return result["content"][0]["text"].get<std::string>(); };
    SECTION("of a process") {
        change_store([](core::StoreChange& change, const core::ProcessRecord&) {
            change.removed.push_back({domain::last_number - 1});
        });
        for (int daemons = 0; daemons < 2; ++daemons) {
            DaemonInProcess daemon({}, data);
            if (daemons == 0) CHECK(daemon.call("start_process", another)["structuredContent"]["id"] == "p999999999");
            const Json refused =
                daemon.call("start_process", Json{{"command", Json::array({"c"})}, {"working_directory", "/"}});
            CHECK(error_code(refused) == "limit");
            CHECK(message_of(refused).find("no ids are left") != std::string::npos);
        }
    }
    SECTION("of a run") {
        change_store([](core::StoreChange& change, core::ProcessRecord record) {
            record.last_run = domain::last_number;
            change.processes.push_back(std::move(record));
        });
        DaemonInProcess daemon({}, data);
        for (const char* tool : {"start_process", "restart_process"}) {
            const Json refused = daemon.call(
                tool, std::string_view(tool) == "start_process"
                          ? Json{{"command", Json::array({"a"})}, {"working_directory", "/"}, {"label", "web"}}
                          : Json{{"process", "web"}});
            CHECK(error_code(refused) == "limit");
            CHECK(message_of(refused).find("all numbers of runs") != std::string::npos);
        }
        CHECK(daemon.shims.spawned() == 0);
        CHECK(daemon.call("start_process", another)["structuredContent"]["id"] == "p2");
    }
}

TEST_CASE("a process whose directory somebody has removed is lost, and what lives of it is known") {
    const bool is_stopped = GENERATE(true, false);
    const Json request{{"command", Json::array({"a"})}, {"working_directory", "/"}, {"label", "web"}};
    auto data = std::make_shared<tests::TemporaryDirectory>();
    {
        DaemonInProcess daemon({}, data);
        daemon.call("start_process", request);
    }
    const auto before = snapshot_of(*data);
    REQUIRE(before.last_runs.size() == 1);
    const std::string mark = before.last_runs.front().mark;
    REQUIRE(mark.size() == 32);
    const auto paths = rundir::process_paths(data->path(), {1});
    SECTION("its directory") { std::filesystem::remove_all(paths.root); }
    SECTION("all of them") { std::filesystem::remove_all(paths.root.parent_path()); }
    SECTION("those of its runs") { std::filesystem::remove_all(paths.runs); }
    SECTION("that of its run") { std::filesystem::remove_all(paths.runs / "1"); }
    SECTION("what stood in that of its run") {
        std::filesystem::remove_all(paths.runs / "1");
        std::filesystem::create_directory(paths.runs / "1");
    }
    const tests::MarkedProgram program(mark);
    for (int daemons = 0; daemons < 2; ++daemons) {
        DaemonInProcess daemon({}, data);
        const Json view = only_view(daemon);
        CHECK(view["id"] == "p1");
        CHECK(view["label"] == "web");
        CHECK(view["state"] == "lost");
        CHECK(view["causes"][0]["code"] == "run_damaged");
        CHECK(view["causes"][1] == Json{{"code", "left_running"}, {"count", 1}});
        CHECK(error_code(daemon.call("remove_process", Json{{"process", "p1"}})) == "conflict");
    }
    CHECK(program.lives());
    DaemonInProcess daemon({}, data);
    const int asked = is_stopped ? daemon.call_later("stop_process", Json{{"process", "web"}})
                                 : daemon.call_later("start_process", request);
    daemon.advance_until(100ms, [&] { return daemon.is_answered(asked); });
    CHECK(error_code(daemon.answer(asked)["result"]) == "");
    CHECK(!program.lives());
    CHECK(only_view(daemon)["state"] == (is_stopped ? "lost" : "running"));
    CHECK(only_view(daemon)["run"] == (is_stopped ? "p1.1" : "p1.2"));
}

TEST_CASE("a process whose directory was away for one daemon, and is back for the next, runs on") {
    auto data = std::make_shared<tests::TemporaryDirectory>();
    {
        DaemonInProcess daemon({}, data);
        daemon.call("start_process",
                    Json{{"command", Json::array({"a"})}, {"working_directory", "/"}, {"label", "web"}});
    }
    const tests::MarkedProgram program(snapshot_of(*data).last_runs.front().mark);
    write_state(*data, [&](rundir::RunState& state) {
        state.phase = rundir::Phase::started;
        state.pid = program.identity().pid;
        state.start_ticks = program.identity().start_ticks;
    });
    const auto lock = base::FileLock::try_take(rundir::run_paths(data->path(), first_run).shim_lock);
    REQUIRE((lock && *lock));
    const auto root = rundir::process_paths(data->path(), {1}).root, away = data->path() / "away";
    std::filesystem::rename(root, away);
    {
        DaemonInProcess daemon({}, data);
        CHECK(only_view(daemon)["state"] == "lost");
        CHECK(only_view(daemon)["causes"][1] == Json{{"code", "left_running"}, {"count", 1}});
    }
    std::filesystem::rename(away, root);
    DaemonInProcess daemon({}, data, false);
    const auto shim = daemon.shims.add_running(first_run);
    shim->state.pid = program.identity().pid;
    shim->state.start_ticks = program.identity().start_ticks;
    daemon.adopt();
    const Json view = only_view(daemon);
    CHECK(view["state"] == "running");
    CHECK(view["run"] == "p1.1");
    CHECK(view["pid"] == program.identity().pid);
    CHECK(std::none_of(shim->heard.begin(), shim->heard.end(),
                       [](const auto& each) { return each.type == rundir::MessageType::stop; }));
    CHECK(program.lives());
    CHECK(daemon.shims.replacements == 0);
}

TEST_CASE("nobody is taken for a program from before the machine was restarted") {
    const tests::MarkedProgram another("");
    auto data = left_behind([&](rundir::RunState& state) {
        state.phase = rundir::Phase::started;
        state.boot_id.fill(7);
        state.pid = another.identity().pid;
        state.start_ticks = another.identity().start_ticks;
    });
    for (int daemons = 0; daemons < 2; ++daemons) {
        DaemonInProcess daemon({}, data);
        CHECK(only_view(daemon)["causes"] == Json::array({{{"code", "machine_restarted"}}}));
        CHECK(error_code(daemon.call("stop_process", Json{{"process", "web"}})) == "");
        CHECK(another.lives());
    }
    DaemonInProcess daemon({}, data);
    const Json again{{"command", Json::array({"a"})}, {"working_directory", "/"}, {"label", "web"}};
    CHECK(error_code(daemon.call("start_process", again)) == "");
    CHECK(another.lives());
}

TEST_CASE("what runs elsewhere is not touched by the daemon of a copy of its data directory") {
    const char* restart = GENERATE("never", "always");
    auto data = left_behind([](rundir::RunState&) {}, restart);
    const tests::MarkedProgram original(snapshot_of(*data).last_runs.front().mark);
    write_state(*data, [&](rundir::RunState& state) {
        state.phase = GENERATE(rundir::Phase::started, rundir::Phase::exited);
        state.exit_value = 7;
        state.pid = state.shim_pid = original.identity().pid;
        state.start_ticks = state.shim_start_ticks = original.identity().start_ticks;
        state.file_inode = 1;  // of the file that this is a copy of
    });
    {
        auto registry = registry::Registry::open(data->path());
        core::StoreChange change;
        change.processes = registry->load()->processes;
        const auto intent = GENERATE(core::Intent::none, core::Intent::restart);
        change.processes.front().intend(core::Wanted::up, intent);
        change.processes.front().intent_run = 1;
        change.processes.front().planned = core::Planned::up;
        REQUIRE(registry->commit({change}));
    }
    { DaemonInProcess daemon({}, data); }
    CHECK(snapshot_of(*data).processes.front().planned == core::Planned::up);
    for (int daemons = 0; daemons < 2; ++daemons) {
        DaemonInProcess daemon({}, data);
        const Json view = only_view(daemon);
        if (view["state"] == "lost")
            CHECK(view["causes"] == Json::array({{{"code", "data_copied"}}}));
        else
            CHECK(view["exit_code"] == 7);
        daemon.advance(60s);
        CHECK(daemon.shims.spawned() == 0);
        CHECK(error_code(daemon.call("stop_process", Json{{"process", "web"}})) == "");
        CHECK(original.lives());
    }
    DaemonInProcess daemon({}, data);
    SECTION("by a start of its own") {
        CHECK(error_code(daemon.call("restart_process", Json{{"process", "web"}})) == "");
        CHECK(only_view(daemon)["run"] == "p1.2");
    }
    SECTION("by a removal") { CHECK(error_code(daemon.call("remove_process", Json{{"process", "web"}})) == ""); }
    CHECK(original.lives());
}

TEST_CASE("a process that has ended keeps its row without its directory, until it is removed") {
    auto data = left_behind([](rundir::RunState& state) {
        state.phase = rundir::Phase::exited;
        state.exit_value = 7;
    });
    { DaemonInProcess daemon({}, data); }
    std::filesystem::remove_all(data->path() / "procs");
    for (int daemons = 0; daemons < 2; ++daemons) {
        DaemonInProcess daemon({}, data);
        const Json view = only_view(daemon);
        CHECK(view["state"] == "exited");
        CHECK(view["exit_code"] == 7);
    }
    {
        DaemonInProcess daemon({}, data);
        CHECK(error_code(daemon.call("remove_process", Json{{"process", "web"}})) == "");
    }
    CHECK(snapshot_of(*data).processes.empty());
}

TEST_CASE("a removal that a daemon did not come to the end of is known by its record") {
    auto data = left_behind([](rundir::RunState& state) { state.phase = rundir::Phase::exited; });
    { DaemonInProcess daemon({}, data); }
    {
        auto registry = registry::Registry::open(data->path());
        REQUIRE(registry);
        auto snapshot = registry->load();
        REQUIRE((snapshot && snapshot->processes.size() == 1));
        snapshot->processes.front().intent = core::Intent::remove;
        core::StoreChange change;
        change.processes = std::move(snapshot->processes);
        REQUIRE(registry->commit({change}));
    }
    const auto processes_of = [](DaemonInProcess& daemon) {
        return daemon.call("list_processes", Json::object())["structuredContent"]["processes"].size();
    };
    SECTION("its directory is there: it was not removed") {
        for (int daemons = 0; daemons < 2; ++daemons) {
            DaemonInProcess daemon({}, data);
            CHECK(processes_of(daemon) == 1);
        }
        CHECK(snapshot_of(*data).processes.front().intent == core::Intent::none);
    }
    SECTION("its directory is gone: so is its row") {
        std::filesystem::remove_all(rundir::process_paths(data->path(), {1}).root);
        {
            DaemonInProcess daemon({}, data);
            CHECK(processes_of(daemon) == 0);
        }
        CHECK(snapshot_of(*data).processes.empty());
    }
}

TEST_CASE("a removal that was answered is one after a power cut, which may bring its row back") {
    auto data = left_behind([](rundir::RunState& state) { state.phase = rundir::Phase::exited; });
    { DaemonInProcess daemon({}, data); }
    auto durable = snapshot_of(*data);
    const Json web{{"process", "web"}};
    {
        DaemonInProcess daemon({}, data);
        daemon.store.is_syncing = true;
        CHECK(error_code(daemon.call("remove_process", web)) == "");
        // Behind whatever is still done about it on the one file thread.
        CHECK(error_code(daemon.call("start_process",
                                     Json{{"command", Json::array({"a"})}, {"working_directory", "/gone"}})) != "");
    }
    {
        auto registry = registry::Registry::open(data->path());
        REQUIRE(registry);
        core::StoreChange change;
        change.processes = std::move(durable.processes);
        change.runs = std::move(durable.last_runs);
        REQUIRE(registry->commit({change}));
    }
    {
        DaemonInProcess daemon({}, data);
        CHECK(daemon.call("list_processes", Json::object())["structuredContent"]["processes"].empty());
        daemon.run_until([&] { return std::filesystem::is_empty(data->path() / "procs"); });
    }
    CHECK(snapshot_of(*data).processes.empty());
}

TEST_CASE("a start that failed is none after a power cut, which may bring its row back") {
    auto data = std::make_shared<tests::TemporaryDirectory>();
    core::StoreChange durable;
    {
        DaemonInProcess daemon({}, data);
        daemon.shims.exec_failure = {rundir::Stage::execve, ENOEXEC};
        daemon.store.is_syncing = true;
        daemon.store.holds_these = [&](const core::StoreChange& change) {
            for (const auto& each : change.processes) durable.processes.push_back(each);
            for (const auto& each : change.runs) durable.runs.push_back(each);
            return false;
        };
        const Json request{{"command", Json::array({"a"})}, {"working_directory", "/"}};
        CHECK(error_code(daemon.call("start_process", request)) == "exec_failed");
        daemon.run_until([&] { return !std::filesystem::exists(rundir::process_paths(data->path(), {1}).root); });
    }
    REQUIRE(!durable.processes.empty());
    for (auto& each : durable.processes) each.boot = "another";
    {
        auto registry = registry::Registry::open(data->path());
        REQUIRE(registry->commit({durable}));
    }
    {
        DaemonInProcess daemon({}, data);
        CHECK(daemon.call("list_processes", Json::object())["structuredContent"]["processes"].empty());
        daemon.run_until([&] { return std::filesystem::is_empty(data->path() / "procs"); });
    }
    CHECK(snapshot_of(*data).processes.empty());
}

TEST_CASE("a number is not given again while the removal of its process is on record, whatever the database knows") {
    auto data = std::make_shared<tests::TemporaryDirectory>();
    for (const char* mark : {".removed-p1", ".removed-p12", ".removed-p3"})
        std::filesystem::create_directories(data->path() / "procs" / mark / "log");
    const Json request{{"command", Json::array({"a"})}, {"working_directory", "/"}};
    {
        DaemonInProcess daemon({}, data);
        CHECK(daemon.call("start_process", request)["structuredContent"]["id"] == "p13");
        daemon.run_until([&] {
            const std::filesystem::directory_iterator names(data->path() / "procs");
            return std::distance(begin(names), end(names)) == 1;
        });
    }
    CHECK(snapshot_of(*data).next_process == 14);
}

TEST_CASE("a row that nothing of ours has made is left alone, and no directory is removed for it") {
    auto data = left_behind([](rundir::RunState& state) { state.phase = rundir::Phase::exited; });
    {
        auto registry = registry::Registry::open(data->path());
        REQUIRE(registry);
        core::StoreChange change;
        change.processes.emplace_back().id = {7};
        REQUIRE(registry->commit({change}));
    }
    for (int daemons = 0; daemons < 2; ++daemons) {
        DaemonInProcess daemon({}, data);
        CHECK(only_view(daemon)["id"] == "p1");
        CHECK(daemon.call("list_processes", Json::object())["structuredContent"]["processes"].size() == 1);
    }
    CHECK(snapshot_of(*data).processes.size() == 2);
}

TEST_CASE("what a later release has written of what runs is not run, and kept") {
    struct Written {
        const char* member;
        const char* value;
    };
    const Written table[] = {{"command", R"(["sleep","1",7])"},
                             {"command", R"({"argv":["x"]})"},
                             {"working_directory", "7"},
                             {"shell", R"("bash")"}};
    for (const auto& written : table) {
        INFO(written.member << " " << written.value);
        auto data = left_behind([](rundir::RunState& state) { state.phase = rundir::Phase::exited; }, "always");
        const auto doc_with = [&](const char* sql) {
            auto database = registry::Database::open(data->path() / "persistproc.db");
            REQUIRE(database);
            auto statement = database->prepare(sql);
            REQUIRE(statement);
            statement->bind(1, "$.definition." + std::string(written.member)).bind(2, std::string_view(written.value));
            const auto row = statement->step();
            REQUIRE(row);
            return *row ? statement->text(0) : std::string();
        };
        doc_with("UPDATE processes SET doc = json_set(doc, ?1, json(?2))");
        for (int daemons = 0; daemons < 2; ++daemons) {
            DaemonInProcess daemon({}, data);
            for (const char* tool : {"start_process", "restart_process"}) {
                Json target{{"process", "web"}};
                if (std::string_view(tool) == "start_process") {
                    target["command"] = Json::array({"web"});
                    target["working_directory"] = "/";
                }
                const Json refused = daemon.call(tool, std::move(target));
                CHECK(error_code(refused) == "unsupported");
                const std::string said = refused["content"][0]["text"];
                CHECK(said.find(std::string("its ") + written.member + " was written by a later release") !=
                      std::string::npos);
            }
            const Json view = only_view(daemon);
            CHECK(view["state"] == "exited");
            CHECK(view["causes"] == Json::array({{{"code", "not_understood"}, {"text", written.member}}}));
            if (std::string_view(written.member) == "command") CHECK(view["command"] == Json::array({"(unknown)"}));
            CHECK(daemon.shims.spawned() == 0);
        }
        CHECK(doc_with("SELECT json_extract(doc, ?1) FROM processes WHERE ?2 <> ''") ==
              (std::string_view(written.member) == "shell" ? "bash" : written.value));
        DaemonInProcess daemon({}, data);
        const Json again{{"command", Json::array({"b"})}, {"working_directory", "/"}, {"label", "web"}};
        CHECK(error_code(daemon.call("start_process", again)) == "");
        CHECK(only_view(daemon)["command"] == Json::array({"b"}));
    }
}

TEST_CASE("a label that is not understood is shown as the default one, and kept") {
    auto data = left_behind([](rundir::RunState& state) { state.phase = rundir::Phase::exited; });
    const auto change = [&](const char* sql) {
        auto database = registry::Database::open(data->path() / "persistproc.db");
        REQUIRE(database);
        auto statement = database->prepare(sql);
        REQUIRE(statement);
        const auto row = statement->step();
        REQUIRE(row);
        return *row ? statement->integer(0) : 0;
    };
    change("UPDATE processes SET doc = json_set(doc, '$.definition.label', 17)");
    {
        DaemonInProcess daemon({}, data);
        CHECK(only_view(daemon)["label"] == "a in /");
        daemon.call("stop_process", Json{{"process", "p1"}});
    }
    CHECK(change("SELECT json_extract(doc, '$.definition.label') FROM processes") == 17);
    DaemonInProcess daemon({}, data);
    CHECK(error_code(daemon.call("start_process", Json{{"command", Json::array({"a"})}, {"working_directory", "/"}})) ==
          "");
    CHECK(only_view(daemon)["label"] == "a in /");
    CHECK(only_view(daemon)["id"] == "p1");
}

TEST_CASE("an end on record without its time has none, and its reason is shown as it stands") {
    auto data = left_behind([](rundir::RunState& state) { state.phase = rundir::Phase::exited; });
    { DaemonInProcess daemon({}, data); }
    {
        auto database = registry::Database::open(data->path() / "persistproc.db");
        REQUIRE(database);
        REQUIRE(
            database->execute("UPDATE runs SET doc = json_set(json_remove(doc, '$.outcome.ended_at'), "
                              "'$.outcome.reason', 'ascended')"));
    }
    DaemonInProcess daemon({}, data);
    const Json view = only_view(daemon);
    CHECK(view["state"] == "exited");
    CHECK(view["reason"] == "ascended");
    CHECK(!view.contains("ended_at"));
}

TEST_CASE("a start asked for again with its key, after its daemon died, starts nothing") {
    const Json request{
        {"command", Json::array({"a"})}, {"working_directory", "/"}, {"request_key", "0123456789abcdef"}};
    auto data = std::make_shared<tests::TemporaryDirectory>();
    {
        DaemonInProcess daemon({}, data);
        const Json first = daemon.call("start_process", request)["structuredContent"];
        CHECK(first["run"] == "p1.1");
        const Json again = daemon.call("start_process", request)["structuredContent"];
        CHECK(again["run"] == "p1.1");
        CHECK(again["created"] == true);
    }
    auto fd = base::open_file(rundir::run_paths(data->path(), first_run).state, O_RDWR);
    rundir::StateWriter writer(fd->get(), rundir::RunState{});
    writer.state().phase = rundir::Phase::exited;
    writer.state().tree_empty = 1;
    REQUIRE(writer.commit() == 0);

    DaemonInProcess daemon({}, data);
    const Json again = daemon.call("start_process", request)["structuredContent"];
    CHECK(again["run"] == "p1.1");
    CHECK(again["state"] == "exited");
    CHECK(again["created"] == true);
    Json other = request;
    other["request_key"] = "another key, another start";
    CHECK(daemon.call("start_process", other)["structuredContent"]["run"] == "p1.2");
}

TEST_CASE("a start that came to nothing is as if it had never been") {
    auto data = left_behind([](rundir::RunState& state) { state.phase = rundir::Phase::aborted; });
    DaemonInProcess daemon({}, data);
    CHECK(daemon.call("list_processes", Json::object())["structuredContent"]["processes"].empty());
    CHECK(daemon.call("start_process", Json{{"command", "b"}, {"working_directory", "/"}})["structuredContent"]["id"] ==
          "p2");
}

TEST_CASE("a start that may have come to nothing yields its label to whoever has it since") {
    auto data = std::make_shared<tests::TemporaryDirectory>();
    {
        DaemonInProcess daemon({}, data);
        for (const char* label : {"web", "web-2"})
            daemon.call("start_process", Json{{"command", "a"}, {"working_directory", "/"}, {"label", label}});
    }
    {
        // Of the first nothing was heard, and its label was free before its row was gone.
        auto database = registry::Database::open(data->path() / "persistproc.db");
        REQUIRE(database);
        REQUIRE(database->execute("UPDATE processes SET doc = json_set(doc, '$.definition.label', 'web')"));
        REQUIRE(database->execute("UPDATE runs SET doc = '{}' WHERE process = 1"));
    }
    write_state(*data, [](rundir::RunState& state) { state.phase = rundir::Phase::prepared; });
    write_state(
        *data, [](rundir::RunState& state) { state.phase = rundir::Phase::exited; }, RunId{{2}, 1});
    const auto labels = [](DaemonInProcess& daemon) {
        std::map<std::string, std::string> out;
        const Json listed = daemon.call("list_processes", Json::object());
        for (const Json& each : listed["structuredContent"]["processes"]) out[each["id"]] = each["label"];
        return out;
    };
    const std::map<std::string, std::string> yielded{{"p1", "web (1)"}, {"p2", "web"}}, only_second{{"p2", "web"}};
    const auto process = data->path() / "procs" / "p1";
    SECTION("its directory cannot be read") {
        std::filesystem::rename(process / "runs", process / "aside");
        REQUIRE(base::atomic_write(process / "runs", "no directory"));
        for (int daemons = 0; daemons < 2; ++daemons) {
            DaemonInProcess daemon({}, data);
            CHECK(labels(daemon) == yielded);
            CHECK(daemon.supervisor.find({1})->state == ProcessState::unreachable);
        }
        std::filesystem::remove(process / "runs");
        std::filesystem::rename(process / "aside", process / "runs");
        DaemonInProcess daemon({}, data);
        CHECK(labels(daemon) == only_second);
    }
    SECTION("its shim lives, and says nothing") {
        auto lock = base::FileLock::try_take(rundir::run_paths(data->path(), first_run).shim_lock);
        REQUIRE((lock && *lock));
        DaemonInProcess daemon({}, data, false);
        async::TaskGroup tasks(daemon.io.get_executor());
        const auto adopt = [](core::Supervisor& supervisor) -> Task<> { co_await supervisor.adopt(); };
        tasks.spawn("adoption", adopt(daemon.supervisor));
        daemon.advance_until(10ms, [&] { return daemon.supervisor.is_adopted(); });
        CHECK(labels(daemon) == yielded);
    }
    SECTION("it is seen to have come to nothing") {
        DaemonInProcess daemon({}, data);
        CHECK(labels(daemon) == only_second);
    }
}

TEST_CASE("the restart policy hears of an end that no daemon saw") {
    auto data = left_behind(
        [](rundir::RunState& state) {
            state.phase = rundir::Phase::exited;
            state.exit_value = 1;
        },
        "on_failure");
    DaemonInProcess daemon({}, data);
    daemon.advance_until(30s, [&] { return daemon.supervisor.find({1})->state == ProcessState::running; });
    CHECK(only_view(daemon)["run"] == "p1.2");
}

TEST_CASE("a shim that lives and does not answer is neither killed nor replaced") {
    auto data = left_behind([](rundir::RunState& state) { state.phase = rundir::Phase::started; });
    auto lock = base::FileLock::try_take(rundir::run_paths(data->path(), first_run).shim_lock);
    REQUIRE((lock && *lock));
    DaemonInProcess daemon({}, data);
    CHECK(only_view(daemon)["state"] == "unreachable");
    CHECK(error_code(daemon.call("start_process", Json{{"command", Json::array({"a"})}, {"working_directory", "/"}})) ==
          "unavailable");
    CHECK(error_code(daemon.call("restart_process", Json{{"process", "web"}})) == "unavailable");
    CHECK(daemon.shims.spawned() == 0);
    SECTION("a shutdown says so") {
        const Json left = daemon.call("shutdown_daemon", Json::object())["structuredContent"];
        CHECK(left["stopped"].empty());
        CHECK(left["kept"] == Json::array({"p1"}));
        CHECK(left["reasons"] == Json::array({"p1 \"web\" runs, but its shim does not answer; the next daemon stops it "
                                              "as soon as that is possible"}));
        return;
    }
    // Its lock is free at last: now it is known to be dead.
    lock->reset();
    daemon.advance_until(3s, [&] { return daemon.supervisor.find({1})->state == ProcessState::lost; });
}

TEST_CASE("a shim that hangs up on every connection is asked again, and no more often") {
    auto data = left_behind([](rundir::RunState& state) { state.phase = rundir::Phase::started; });
    auto lock = base::FileLock::try_take(rundir::run_paths(data->path(), first_run).shim_lock);
    REQUIRE((lock && *lock));
    DaemonInProcess daemon({}, data, false);
    daemon.shims.hangs_up = true;
    daemon.adopt();
    for (int round = 0; round < 12; ++round) {
        const std::size_t before = daemon.shims.connections;
        daemon.advance_until(1s, [&] { return daemon.shims.connections > before; });
    }
    CHECK(daemon.shims.connections <= 14);
}

TEST_CASE("a backoff outlives the daemon") {
    auto data = std::make_shared<tests::TemporaryDirectory>();
    {
        DaemonInProcess daemon({}, data);
        daemon.call("start_process", Json{{"command", "a"}, {"working_directory", "/"}, {"restart", "always"}});
        daemon.shims.find(first_run)->end(1);
        daemon.run_until([&] { return daemon.supervisor.find({1})->state == ProcessState::backoff; });
    }
    auto fd = base::open_file(rundir::run_paths(data->path(), first_run).state, O_RDWR);
    rundir::StateWriter writer(fd->get(), rundir::RunState{});
    writer.state().phase = rundir::Phase::exited;
    writer.state().exit_value = 1;
    REQUIRE(writer.commit() == 0);
    DaemonInProcess daemon({}, data);
    daemon.advance_until(30s, [&] { return daemon.supervisor.find({1})->state == ProcessState::running; });
    CHECK(only_view(daemon)["run"] == "p1.2");
}

TEST_CASE("that a backoff was stopped is told by the next daemon, too") {
    auto data = std::make_shared<tests::TemporaryDirectory>();
    Json causes;
    {
        DaemonInProcess daemon({}, data);
        daemon.call("start_process", Json{{"command", "a"}, {"working_directory", "/"}, {"restart", "always"}});
        daemon.shims.find(first_run)->end(1);
        daemon.run_until([&] { return daemon.supervisor.find({1})->state == ProcessState::backoff; });
        causes = daemon.call("stop_process", Json{{"process", "p1"}})["structuredContent"]["causes"];
    }
    auto fd = base::open_file(rundir::run_paths(data->path(), first_run).state, O_RDWR);
    rundir::StateWriter writer(fd->get(), rundir::RunState{});
    writer.state().phase = rundir::Phase::exited;
    writer.state().exit_value = 1;
    writer.state().tree_empty = 1;
    REQUIRE(writer.commit() == 0);
    DaemonInProcess daemon({}, data);
    CHECK(only_view(daemon)["state"] == "exited");
    CHECK(only_view(daemon)["causes"][0]["code"] == "called_off");
    CHECK(only_view(daemon)["causes"] == causes);
}

TEST_CASE("who stopped what had ended, and who sent the signal, is known to the next daemon") {
    auto data = std::make_shared<tests::TemporaryDirectory>();
    std::string by;
    const bool is_stopped = GENERATE(true, false);
    {
        DaemonInProcess daemon({}, data);
        const char* restart = is_stopped ? "always" : "never";
        const Json begun =
            daemon.call("start_process", Json{{"command", "a"}, {"working_directory", "/"}, {"restart", restart}});
        by = begun["structuredContent"]["started_by"];
        if (is_stopped) {
            // It dies while the stop is on its way to the shim.
            daemon.shims.obeys_stop = false;
            daemon.call_later("stop_process", Json{{"process", "p1"}});
            daemon.run_until([&] { return daemon.supervisor.find({1})->state == ProcessState::stopping; });
        } else {
            daemon.call("signal_process", Json{{"process", "p1"}, {"signal", "TERM"}});
        }
    }
    auto fd = base::open_file(rundir::run_paths(data->path(), first_run).state, O_RDWR);
    rundir::StateWriter writer(fd->get(), rundir::RunState{});
    writer.state().phase = rundir::Phase::exited;
    writer.state().exit_value = 15;
    writer.state().killed = is_stopped ? 0 : 1;
    writer.state().tree_empty = 1;
    REQUIRE(writer.commit() == 0);
    for (int daemons = 0; daemons < 2; ++daemons) {
        DaemonInProcess daemon({}, data);
        const Json view = only_view(daemon);
        CHECK(view["causes"][0]["code"] == (is_stopped ? "called_off" : "signal_sent"));
        CHECK(view["causes"][0]["by"] == by);
        if (is_stopped) CHECK(view["state"] == "exited");
    }
}

TEST_CASE("of another version's run its format is told, and whether something of it lives") {
    auto data = left_behind([](rundir::RunState& state) {
        state.major = 3;
        state.minor = 4;
        state.phase = rundir::Phase::started;
    });
    const Json written{{"code", "written_by_newer"}, {"text", "3.4"}};
    auto lock = base::FileLock::try_take(rundir::run_paths(data->path(), first_run).shim_lock);
    REQUIRE((lock && *lock));
    DaemonInProcess daemon({}, data);
    CHECK(only_view(daemon)["state"] == "unsupported");
    CHECK(only_view(daemon)["causes"] == Json::array({written, {{"code", "left_running"}}}));
    const Json refused = daemon.call("stop_process", Json{{"process", "p1"}});
    CHECK(error_code(refused) == "unsupported");
    CHECK(refused["content"][0]["text"].get<std::string>().find("format 3.4") != std::string::npos);
    for (const char* until : {"exit", "ready", "port", "quiet"}) {
        const Json waited = daemon.call("wait_for_process", Json{{"process", "p1"}, {"until", until}});
        CHECK(error_code(waited) == "unsupported");
        CHECK(waited["content"][0]["text"] == refused["content"][0]["text"]);
    }
    const Json sent = daemon.call("signal_process", Json{{"process", "p1"}, {"signal", "TERM"}});
    CHECK(sent["content"][0]["text"] == refused["content"][0]["text"]);
    SECTION("it is named by a shutdown") {
        const Json left = daemon.call("shutdown_daemon", Json::object())["structuredContent"];
        CHECK(left["stopped"].empty());
        CHECK(left["untouched"] == Json::array({"p1"}));
    }
    SECTION("until it has ended") {
        lock->reset();
        CHECK(only_view(daemon)["causes"] == Json::array({written}));
        CHECK(daemon.call("shutdown_daemon", Json::object())["structuredContent"]["untouched"].empty());
    }
}

TEST_CASE("what cannot be read is neither deleted nor taken for dead") {
    auto data = left_behind([](rundir::RunState& state) { state.phase = rundir::Phase::started; });
    const auto process = data->path() / "procs" / "p1";
    std::filesystem::rename(process / "runs", process / "aside");
    REQUIRE(base::atomic_write(process / "runs", "no directory"));
    DaemonInProcess daemon({}, data);
    CHECK(only_view(daemon)["state"] == "unreachable");
    CHECK(std::filesystem::exists(process / "log"));
    const std::string refused = daemon.call("restart_process", Json{{"process", "web"}}).dump();
    CHECK_THAT(refused, Catch::Matchers::Contains("nobody can tell whether it runs") &&
                            Catch::Matchers::Contains("/runs") && !Catch::Matchers::Contains("shim"));
    std::filesystem::remove(process / "runs");
    std::filesystem::rename(process / "aside", process / "runs");
    daemon.advance_until(3s, [&] { return daemon.supervisor.find({1})->state == ProcessState::lost; });
}

TEST_CASE("a shutdown knows what runs before it says that all is stopped") {
    auto data = left_behind([](rundir::RunState& state) { state.phase = rundir::Phase::exited; });
    DaemonInProcess daemon({}, data, false);
    const int leaving = daemon.call_later("shutdown_daemon", Json::object());
    daemon.answer(daemon.send("ping", Json::object()));
    CHECK(!daemon.is_answered(leaving));
    daemon.adopt();
    daemon.answer(leaving);
    CHECK(daemon.supervisor.has_left());
}

TEST_CASE("a database that is gone is rebuilt from the run directories") {
    auto data = left_behind([](rundir::RunState& state) {
        state.phase = rundir::Phase::exited;
        state.exit_value = 3;
    });
    std::filesystem::remove(data->path() / "persistproc.db");
    std::filesystem::remove(data->path() / "persistproc.db-wal");
    DaemonInProcess daemon({}, data);
    const Json view = only_view(daemon);
    CHECK(view["id"] == "p1");
    CHECK(view["command"] == Json::array({"a"}));
    CHECK(view["label"] == "web");
    CHECK(view["started_by"] == "test 1");
    CHECK(view["exit_code"] == 3);
    CHECK(daemon.call("start_process", Json{{"command", "b"}, {"working_directory", "/"}})["structuredContent"]["id"] ==
          "p2");
}

TEST_CASE("tools wait for the adoption, initialize and tools/list do not") {
    auto data = std::make_shared<tests::TemporaryDirectory>();
    DaemonInProcess daemon({}, data, false);
    const int listing = daemon.call_later("list_processes", Json::object());
    CHECK(daemon.answer(daemon.send("tools/list", Json::object()))["result"].contains("tools"));
    CHECK(!daemon.is_answered(listing));
    daemon.adopt();
    CHECK(daemon.answer(listing)["result"]["structuredContent"]["processes"].empty());
}

TEST_CASE("a call that waits for the adoption too long is told how far it is") {
    auto data = left_behind([](rundir::RunState& state) { state.phase = rundir::Phase::started; });
    auto lock = base::FileLock::try_take(rundir::run_paths(data->path(), first_run).shim_lock);
    REQUIRE((lock && *lock));
    core::SupervisorOptions patient;
    patient.adoption_bound = 60s;
    DaemonInProcess daemon(std::move(patient), data, false);
    daemon.shims.add_running(first_run);
    daemon.shims.silent_after_hello = true;
    const auto told = [&] {
        const int listing = daemon.call_later("list_processes", Json::object());
        daemon.answer(daemon.send("ping", Json::object()));
        daemon.advance(19s);
        CHECK(!daemon.is_answered(listing));
        daemon.advance(1s);
        const Json result = daemon.answer(listing)["result"];
        CHECK(error_code(result) == "unavailable");
        return result["content"][0]["text"].get<std::string>();
    };
    CHECK(told().find("still reading what ran before it") != std::string::npos);
    async::TaskGroup tasks(daemon.io.get_executor());
    const auto adopt = [](core::Supervisor& supervisor) -> Task<> { co_await supervisor.adopt(); };
    tasks.spawn("adoption", adopt(daemon.supervisor));
    daemon.run_until([&] { return daemon.shims.connections == 1; });
    CHECK(told().find("0 of 1 process done") != std::string::npos);
    CHECK(!daemon.supervisor.adoption().is_done);
    // It answers at last: nothing was lost by giving up.
    daemon.shims.find(first_run)->push(rundir::MessageType::state);
    CHECK(only_view(daemon)["state"] == "running");
    CHECK(daemon.supervisor.adoption().is_done);
    CHECK(daemon.supervisor.adoption().adopted == 1);
}

TEST_CASE("of what has ended by the store's word the disk is still the truth") {
    auto data = std::make_shared<tests::TemporaryDirectory>();
    {
        DaemonInProcess daemon({}, data);
        daemon.call("start_process", Json{{"command", "a"}, {"working_directory", "/"}, {"label", "web"}});
        daemon.shims.find(first_run)->end(5);
        daemon.run_until([&] { return daemon.supervisor.find({1})->state == ProcessState::exited; });
    }
    const auto write = [&](RunId run, rundir::Phase phase) {
        auto fd = base::open_file(rundir::run_paths(data->path(), run).state, O_RDWR);
        rundir::StateWriter writer(fd->get(), rundir::RunState{});
        writer.state().phase = phase;
        writer.state().boot_id = base::current_boot_id();
        writer.state().exit_value = 5;
        REQUIRE(writer.commit() == 0);
    };
    write(first_run, rundir::Phase::exited);
    SECTION("its spec is not needed to know that") {
        REQUIRE(base::atomic_write(rundir::run_paths(data->path(), first_run).spec, "damaged"));
        DaemonInProcess daemon({}, data);
        CHECK(only_view(daemon)["state"] == "exited");
        CHECK(only_view(daemon)["exit_code"] == 5);
        CHECK(only_view(daemon)["started_by"] == "test 1");
    }
    SECTION("its shim may live on for what it left behind") {
        auto lock = base::FileLock::try_take(rundir::run_paths(data->path(), first_run).shim_lock);
        REQUIRE((lock && *lock));
        DaemonInProcess daemon({}, data, false);
        auto shim = daemon.shims.add_running(first_run);
        shim->state.phase = rundir::Phase::exited;
        shim->state.exit_value = 5;
        daemon.adopt();
        const Json view = only_view(daemon);
        CHECK(view["state"] == "exited");
        CHECK(view["causes"] == Json::array({{{"code", "left_running"}}}));
        CHECK(daemon.shims.connections == 1);
    }
    SECTION("a run may be there that the store never heard of") {
        const RunId second{{1}, 2};
        const auto runs = rundir::run_paths(data->path(), first_run).root.parent_path();
        std::filesystem::copy(runs / "1", runs / "2");
        write(second, rundir::Phase::started);
        DaemonInProcess daemon({}, data);
        CHECK(only_view(daemon)["run"] == "p1.2");
        CHECK(only_view(daemon)["state"] == "lost");
    }
}

TEST_CASE("an environment survives the daemon that was given it") {
    auto data = std::make_shared<tests::TemporaryDirectory>();
    {
        DaemonInProcess daemon({}, data);
        daemon.call("start_process",
                    Json{{"command", "a"}, {"working_directory", "/"}, {"environment", Json{{"TOKEN", "kept"}}}});
        daemon.call("stop_process", Json{{"process", "p1"}});
    }
    // The fake shims write no state: what the real one would have written.
    auto fd = base::open_file(rundir::run_paths(data->path(), first_run).state, O_RDWR);
    rundir::StateWriter writer(fd->get(), rundir::RunState{});
    writer.state().phase = rundir::Phase::exited;
    REQUIRE(writer.commit() == 0);
    DaemonInProcess daemon({}, data);
    const Json restarted = daemon.call("restart_process", Json{{"process", "p1"}});
    CHECK(restarted["structuredContent"]["run"] == "p1.2");
    const auto spec = base::read_file(rundir::run_paths(data->path(), RunId{{1}, 2}).spec).value();
    CHECK(spec.find("TOKEN=kept") != std::string::npos);
}

TEST_CASE("the shim of an unfinished start may leave after the next daemon has come") {
    auto data = left_behind([](rundir::RunState& state) { state.phase = rundir::Phase::prepared; });
    {
        // Nothing has been heard of it.
        auto database = registry::Database::open(data->path() / "persistproc.db");
        REQUIRE(database);
        auto statement = database->prepare("UPDATE runs SET doc = '{}'");
        REQUIRE(statement);
        REQUIRE(statement->run());
    }
    auto lock = base::FileLock::try_take(rundir::run_paths(data->path(), first_run).shim_lock);
    REQUIRE((lock && *lock));
    DaemonInProcess daemon({}, data, false);
    async::TaskGroup tasks(daemon.io.get_executor());
    const auto adopt = [](core::Supervisor& supervisor) -> Task<> { co_await supervisor.adopt(); };
    tasks.spawn("adoption", adopt(daemon.supervisor));
    daemon.run_until([&] { return daemon.clock.sleepers() >= 2; });
    lock->reset();
    daemon.advance_until(10ms, [&] { return daemon.supervisor.is_adopted(); });
    CHECK(daemon.call("list_processes", Json::object())["structuredContent"]["processes"].empty());
}

TEST_CASE("a restart on its way is carried through, however late the shim answers") {
    auto data = std::make_shared<tests::TemporaryDirectory>();
    {
        DaemonInProcess daemon({}, data);
        daemon.call("start_process", Json{{"command", "a"}, {"working_directory", "/"}});
        daemon.shims.obeys_stop = false;
        daemon.call_later("restart_process", Json{{"process", "p1"}});
        daemon.run_until([&] { return daemon.supervisor.find({1})->state == ProcessState::stopping; });
    }
    auto fd = base::open_file(rundir::run_paths(data->path(), first_run).state, O_RDWR);
    rundir::StateWriter writer(fd->get(), rundir::RunState{});
    writer.state().phase = rundir::Phase::started;
    REQUIRE(writer.commit() == 0);
    auto lock = base::FileLock::try_take(rundir::run_paths(data->path(), first_run).shim_lock);
    REQUIRE((lock && *lock));
    DaemonInProcess daemon({}, data);
    REQUIRE(daemon.supervisor.find({1})->state == ProcessState::unreachable);
    SECTION("by the next daemon") {
        daemon.shims.add_running(first_run);
        daemon.advance_until(3s, [&] { return daemon.supervisor.find({1})->run == 2; });
    }
    SECTION("unless it is stopped meanwhile") {
        CHECK(error_code(daemon.call("stop_process", Json{{"process", "p1"}})) == "unavailable");
        daemon.shims.add_running(first_run);
        daemon.advance_until(3s, [&] { return daemon.supervisor.find({1})->state == ProcessState::stopped; });
        CHECK(daemon.supervisor.find({1})->run == 1);
    }
}

TEST_CASE("a process whose adoption takes too long is not started anew") {
    auto data = left_behind([](rundir::RunState& state) { state.phase = rundir::Phase::prepared; });
    auto lock = base::FileLock::try_take(rundir::run_paths(data->path(), first_run).shim_lock);
    REQUIRE((lock && *lock));
    core::SupervisorOptions hasty;
    hasty.adoption_bound = 0s;
    DaemonInProcess daemon(std::move(hasty), data);
    CHECK(error_code(daemon.call("restart_process", Json{{"process", "p1"}})) == "unavailable");
    CHECK(daemon.shims.spawned() == 0);
}

TEST_CASE("an adoption that fails tells those who wait for it, at once") {
    auto data = std::make_shared<tests::TemporaryDirectory>();
    DaemonInProcess daemon({}, data, false);
    std::filesystem::remove_all(data->path() / "procs");
    REQUIRE(base::atomic_write(data->path() / "procs", "no directory"));
    const int listing = daemon.call_later("list_processes", Json::object());
    async::TaskGroup tasks(daemon.io.get_executor());
    bool failed = false;
    const auto adopt = [](core::Supervisor& supervisor, bool& out) -> Task<> {
        const auto adopted = co_await supervisor.adopt();
        out = !adopted;
    };
    tasks.spawn("adoption", adopt(daemon.supervisor, failed));
    daemon.run_until([&] { return failed; });
    CHECK(error_code(daemon.answer(listing)["result"]) == "io");
}

}  // namespace adoption_test
