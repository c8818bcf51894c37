// Processes of projects that come up and go down in order, over real files and a real database, with fake shims.
#include "daemon/core/plans.hpp"

#include <fcntl.h>

#include <boost/asio/co_spawn.hpp>

#include "common/base/file.hpp"
#include "common/base/file_lock.hpp"
#include "common/base/random.hpp"
#include "common/rundir/paths.hpp"
#include "daemon/core/run_files.hpp"
#include "tests/integration/daemon_in_process.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/marked_program.hpp"
#include "tests/support/project_order.hpp"
#include "tests/support/written_log.hpp"

namespace plans_test {

using namespace persistproc;
using core::UpOrder;
using core::UpProcess;
using core::UpStep;
using domain::Condition;
using domain::Dependency;
using tests::DaemonInProcess;
using tests::error_code;
using tests::Json;

namespace {

constexpr const char* file = "/shop/persistproc.toml";

RunId run(std::uint32_t process, std::uint32_t number) { return RunId{{process}, number}; }

Dependency on(std::string process, Condition until = Condition::started) {
    Dependency out;
    out.process = std::move(process);
    out.until = until;
    return out;
}

UpProcess process(const std::string& name, std::vector<Dependency> depends_on = {}, bool oneshot = false) {
    UpProcess out = tests::make_member(file, name, {"run-" + name}, "/", std::move(depends_on));
    out.definition.membership->oneshot = oneshot;
    out.environment = {{"SECRET", "of-" + name}};
    out.digests = {{"run", "1"}, {"env", "1"}};
    return out;
}

UpOrder order_of(std::vector<UpProcess> processes) {
    UpOrder out = tests::make_order(std::move(processes));
    out.base_environment = std::vector<std::string>{"PATH=/usr/bin"};
    return out;
}

/// db <- migrate (a oneshot) <- api.
UpOrder shop() {
    return order_of({process("db"), process("migrate", {on("db")}, true),
                     process("api", {on("db"), on("migrate", Condition::done)})});
}

template <class T>
Result<T> wait(DaemonInProcess& daemon, Task<Result<T>> task) {
    std::optional<Result<T>> out;
    auto keep = [](Task<Result<T>> asked, std::optional<Result<T>>* into) -> Task<> {
        auto got = co_await std::move(asked);
        into->emplace(std::move(got));
    };
    async::TaskGroup tasks(daemon.io.get_executor());
    tasks.spawn("asked", keep(std::move(task), &out));
    daemon.run_until([&] { return out.has_value(); });
    return *out;
}

std::string text(const std::vector<UpStep>& steps) {
    std::string out;
    for (const auto& each : steps) {
        static constexpr const char* words[] = {"kept", "begun", "replaced", "adopted", "restarted", "removed"};
        out += (out.empty() ? "" : ", ") + each.process + " " + words[static_cast<int>(each.what)];
    }
    return out;
}

std::string up(DaemonInProcess& daemon, UpOrder order) {
    auto steps = wait(daemon, daemon.supervisor.up(std::move(order), "test"));
    return steps ? text(*steps) : steps.error().message;
}

Json view_of(DaemonInProcess& daemon, const char* label) {
    return daemon.call("list_processes", Json{{"process", label}})["structuredContent"]["processes"][0];
}
std::string state_of(DaemonInProcess& daemon, const char* label) { return view_of(daemon, label)["state"]; }

void await_state(DaemonInProcess& daemon, std::uint32_t process, ProcessState state) {
    daemon.run_until([&] {
        const auto found = daemon.supervisor.find({process});
        return found && found->state == state;
    });
}

void await_run(DaemonInProcess& daemon, RunId id) {
    daemon.run_until([&] {
        const auto shim = daemon.shims.find(id);
        return shim && shim->state.phase == rundir::Phase::started;
    });
}

bool holds_values(const DaemonInProcess& daemon, RunId id) {
    return std::filesystem::exists(rundir::run_paths(daemon.data->path(), id).spec);
}

/// What its shim would have written; fake ones write nothing.
void write_state(const tests::TemporaryDirectory& data, RunId id, const std::function<void(rundir::RunState&)>& set) {
    auto fd = base::open_file(rundir::run_paths(data.path(), id).state, O_RDWR);
    REQUIRE(fd);
    rundir::StateWriter writer(fd->get(), rundir::RunState{});
    writer.state().boot_id = base::current_boot_id();
    writer.state().started_wall_ns = base::to_ns(base::wall_now());
    writer.state().pid = 4711;
    set(writer.state());
    REQUIRE(writer.commit() == 0);
}

}  // namespace

TEST_CASE("given a chain, when it comes up, then who waits says for what, and its values are in its spec alone") {
    DaemonInProcess daemon;
    CHECK(up(daemon, shop()) == "db begun, migrate begun, api begun");
    await_run(daemon, run(2, 1));
    const Json api = view_of(daemon, "shop/api");
    CHECK(api["state"] == "waiting");
    CHECK(!api.contains("run"));
    CHECK(api["project"] == Json{{"name", "shop"}, {"file", file}, {"process", "api"}});
    CHECK(api["causes"] == Json::array({Json{{"code", "waits_for"}, {"text", "migrate"}}}));
    CHECK(holds_values(daemon, run(3, 1)));
    CHECK(daemon.shims.spawned() == 2);
    daemon.shims.find(run(2, 1))->end(0);
    await_run(daemon, run(3, 1));
    await_state(daemon, 3, ProcessState::running);
    const auto progress = daemon.supervisor.plans().progress(file, {});
    CHECK(progress.failed.empty());
    CHECK(progress.pending.empty());
    CHECK(view_of(daemon, "shop/api")["run"] == "p3.1");
}

TEST_CASE("given a look at an up, when something would wait for another, then it says for which") {
    DaemonInProcess daemon;
    const auto look = [&](UpOrder order) {
        const auto steps = wait(daemon, daemon.supervisor.look_up(std::move(order)));
        REQUIRE(steps);
        std::string out = text(*steps);
        for (const auto& step : *steps)
            for (const auto& name : step.after) out += "; " + step.process + " after " + name;
        return out;
    };
    CHECK(look(shop()) == "db begun, migrate begun, api begun; migrate after db; api after db; api after migrate");
    UpOrder alone = shop();
    alone.chosen = {"api"};
    alone.without_dependencies = true;
    CHECK(look(std::move(alone)) == "api begun");
    up(daemon, shop());
    await_run(daemon, run(2, 1));
    daemon.shims.find(run(2, 1))->end(0);
    await_state(daemon, 3, ProcessState::running);
    CHECK(look(shop()) == "db kept, migrate kept, api kept");
    // What it needs is there, or is begun anew with it.
    UpOrder changed = shop();
    changed.processes[2].digests["env"] = "2";
    CHECK(look(changed) == "db kept, migrate kept, api replaced");
    changed.processes[0].digests["env"] = "2";
    CHECK(look(changed) == "db replaced, migrate kept, api replaced; api after db");
}

TEST_CASE("given what is up, when up is asked for again, then nothing happens but where the definition has changed") {
    DaemonInProcess daemon;
    up(daemon, shop());
    await_run(daemon, run(2, 1));
    daemon.shims.find(run(2, 1))->end(0);
    await_state(daemon, 3, ProcessState::running);
    UpOrder other = shop();
    // Another terminal has another environment.
    other.base_environment = std::vector<std::string>{"PATH=/bin", "TERM=dumb"};
    CHECK(up(daemon, std::move(other)) == "db kept, migrate kept, api kept");
    CHECK(daemon.shims.spawned() == 3);
    UpOrder changed = shop();
    changed.processes[2].digests["env"] = "2";
    CHECK(up(daemon, changed) == "db kept, migrate kept, api replaced");
    await_run(daemon, run(3, 2));
    await_state(daemon, 3, ProcessState::running);
    CHECK(daemon.shims.spawned() == 4);
    CHECK(up(daemon, changed) == "db kept, migrate kept, api kept");
}

TEST_CASE("given a oneshot that fails, when others need it, then they fail for that, and hold no values") {
    DaemonInProcess daemon;
    up(daemon, shop());
    await_run(daemon, run(2, 1));
    daemon.shims.find(run(2, 1))->end(1);
    await_state(daemon, 3, ProcessState::failed);
    const Json api = view_of(daemon, "shop/api");
    CHECK(api["reason"] == "dependency");
    CHECK(api["causes"][0]["text"] == "migrate");
    CHECK(api["causes"][0]["by"] == "exited with code 1");
    daemon.run_until([&] { return !holds_values(daemon, run(3, 1)); });
    CHECK(daemon.supervisor.plans().progress(file, {}).failed == std::vector<std::string>{"api", "migrate"});
    // Nor by a restart.
    const Json restarted = daemon.call("restart_process", Json{{"process", "shop/api"}});
    CHECK(error_code(restarted) == "conflict");
    const std::string said = restarted["content"][0]["text"];
    CHECK(said.find("needs migrate of its project, which exited with code 1") != std::string::npos);
    CHECK(daemon.shims.spawned() == 2);
    // What has failed is tried again by another up.
    CHECK(up(daemon, shop()) == "db kept, migrate begun, api begun");
    await_run(daemon, run(2, 2));
    daemon.shims.find(run(2, 2))->end(0);
    await_state(daemon, 3, ProcessState::running);
    // Also where it runs when that is done once more.
    UpOrder again = shop();
    again.again = {"migrate"};
    up(daemon, std::move(again));
    await_run(daemon, run(2, 3));
    daemon.shims.find(run(2, 3))->end(1);
    await_state(daemon, 2, ProcessState::exited);
    CHECK(error_code(daemon.call("restart_process", Json{{"process", "shop/api"}})) == "conflict");
    CHECK(daemon.supervisor.find({3})->run == 1);
}

TEST_CASE("given who waits, when it is stopped, then it stays down and what needs it fails") {
    DaemonInProcess daemon;
    UpOrder order = shop();
    order.processes.push_back(process("web", {on("api")}));
    order.chosen.insert("web");
    up(daemon, std::move(order));
    await_run(daemon, run(2, 1));
    const Json stopped = daemon.call("stop_process", Json{{"process", "shop/api"}});
    CHECK(stopped["structuredContent"]["state"] == "stopped");
    await_state(daemon, 4, ProcessState::failed);
    CHECK(view_of(daemon, "shop/web")["causes"][0] == Json{{"code", "dependency"}, {"text", "api"}});
    daemon.shims.find(run(2, 1))->end(0);
    await_state(daemon, 2, ProcessState::exited);
    daemon.io.poll();
    CHECK(daemon.shims.spawned() == 2);
    // That it would be begun is no change of its file.
    const auto looked = wait(daemon, daemon.supervisor.look_up(shop()));
    REQUIRE(looked);
    CHECK(text(*looked) == "web removed, db kept, migrate kept, api begun");
    for (const auto& each : *looked) CHECK(each.keys.empty());
}

TEST_CASE("given one whose turn has come, when it is stopped while its start is being recorded, then it does not run") {
    DaemonInProcess daemon;
    up(daemon, shop());
    await_run(daemon, run(2, 1));
    daemon.run_until([&] { return daemon.store.waiting == 0; });
    daemon.store.holds = true;
    daemon.shims.find(run(2, 1))->end(0);
    // That end, and the start of api.
    daemon.run_until([&] { return daemon.store.waiting == 2; });
    CHECK(state_of(daemon, "shop/api") == "starting");
    const int stopping = daemon.call_later("stop_process", Json{{"process", "shop/api"}});
    daemon.run_until([&] { return daemon.store.waiting == 3; });
    daemon.store.release();
    CHECK(daemon.answer(stopping)["result"]["structuredContent"]["state"] == "stopped");
    CHECK(daemon.shims.living() == 1);
    CHECK(state_of(daemon, "shop/db") == "running");
}

TEST_CASE("given a project with another name, when it is brought up, then labels made of that follow") {
    DaemonInProcess daemon;
    up(daemon, shop());
    await_run(daemon, run(2, 1));
    daemon.call("rename_process", Json{{"process", "shop/db"}, {"label", "mine"}});
    UpOrder order = shop();
    for (auto& each : order.processes) each.definition.membership->name = "store";
    CHECK(up(daemon, std::move(order)) == "db kept, migrate kept, api begun");
    CHECK(state_of(daemon, "mine") == "running");
    CHECK(state_of(daemon, "store/migrate") == "running");
    CHECK(state_of(daemon, "store/api") == "waiting");
}

TEST_CASE("given what is up, when it goes down, then each is told once nothing that needs it is left") {
    DaemonInProcess daemon;
    up(daemon, shop());
    await_run(daemon, run(2, 1));
    daemon.shims.find(run(2, 1))->end(0);
    await_state(daemon, 3, ProcessState::running);
    daemon.shims.obeys_stop = false;
    std::optional<Result<std::vector<std::string>>> answer;
    auto ask = [](DaemonInProcess* in, std::optional<Result<std::vector<std::string>>>* into) -> Task<> {
        std::vector<std::string> all;
        auto got = co_await in->supervisor.down(file, std::move(all), false, false, "test");
        into->emplace(std::move(got));
    };
    async::TaskGroup tasks(daemon.io.get_executor());
    tasks.spawn("down", ask(&daemon, &answer));
    const auto api = daemon.shims.find(run(3, 1)), db = daemon.shims.find(run(1, 1));
    const auto is_told = [](const auto& shim) {
        return !shim->heard.empty() && shim->heard.back().type == rundir::MessageType::stop;
    };
    daemon.run_until([&] { return is_told(api); });
    CHECK(!is_told(db));
    // Its program has ended, and its tree is not empty yet.
    api->end(15, true, true);
    daemon.run_until([&] { return daemon.supervisor.find({3})->ended_run == 1; });
    daemon.io.poll();
    CHECK(!is_told(db));
    api->empty();
    daemon.run_until([&] { return is_told(db); });
    db->end(15, true);
    daemon.run_until([&] { return answer.has_value(); });
    CHECK(*answer);
    CHECK(daemon.shims.living() == 0);
    // A oneshot that has done its work runs again after a down.
    daemon.shims.obeys_stop = true;
    CHECK(up(daemon, shop()) == "db begun, migrate begun, api begun");
    await_run(daemon, run(2, 2));
    daemon.shims.find(run(2, 2))->end(0);
    await_state(daemon, 3, ProcessState::running);
}

TEST_CASE("given what a lost run left running, when its project goes down, then nothing of it is left") {
    using namespace std::chrono_literals;
    auto data = std::make_shared<tests::TemporaryDirectory>();
    UpOrder order = order_of({process("db"), process("api", {on("db")})});
    std::string mark;
    {
        DaemonInProcess daemon({}, data);
        up(daemon, order);
        await_state(daemon, 2, ProcessState::running);
        const auto spec = core::load_spec(data->path(), run(2, 1));
        REQUIRE(spec);
        mark = base::to_hex(spec->nonce);
    }
    const tests::MarkedProgram program(mark);
    for (const std::uint32_t each : {1u, 2u})
        write_state(*data, run(each, 1), [](rundir::RunState& state) { state.phase = rundir::Phase::started; });
    DaemonInProcess daemon({}, data);
    await_state(daemon, 2, ProcessState::lost);
    std::optional<Result<std::vector<std::string>>> answer;
    auto ask = [](DaemonInProcess* in, std::optional<Result<std::vector<std::string>>>* into) -> Task<> {
        std::vector<std::string> all;
        auto got = co_await in->supervisor.down(file, std::move(all), false, false, "test");
        into->emplace(std::move(got));
    };
    async::TaskGroup tasks(daemon.io.get_executor());
    tasks.spawn("down", ask(&daemon, &answer));
    daemon.advance_until(100ms, [&] { return answer.has_value(); });
    CHECK(*answer);
    CHECK(!program.lives());
}

TEST_CASE("given a down on its way, when up is asked for, then what was not told to stop yet runs on") {
    DaemonInProcess daemon;
    up(daemon, shop());
    await_run(daemon, run(2, 1));
    daemon.shims.find(run(2, 1))->end(0);
    await_state(daemon, 3, ProcessState::running);
    daemon.shims.obeys_stop = false;
    std::optional<Result<std::vector<std::string>>> answer;
    auto ask = [](DaemonInProcess* in, std::optional<Result<std::vector<std::string>>>* into) -> Task<> {
        std::vector<std::string> all;
        auto got = co_await in->supervisor.down(file, std::move(all), false, false, "test");
        into->emplace(std::move(got));
    };
    async::TaskGroup tasks(daemon.io.get_executor());
    tasks.spawn("down", ask(&daemon, &answer));
    const auto api = daemon.shims.find(run(3, 1)), db = daemon.shims.find(run(1, 1));
    const auto is_told = [](const auto& shim) {
        return !shim->heard.empty() && shim->heard.back().type == rundir::MessageType::stop;
    };
    daemon.run_until([&] { return is_told(api); });
    CHECK(up(daemon, shop()) == "db kept, migrate begun, api begun");
    api->end(15, true);
    await_run(daemon, run(2, 2));
    daemon.shims.find(run(2, 2))->end(0);
    await_run(daemon, run(3, 2));
    CHECK(!is_told(db));
    CHECK(daemon.supervisor.find({1})->state == ProcessState::running);
    daemon.run_until([&] { return answer.has_value(); });
    REQUIRE(!*answer);
    CHECK(answer->error().code == ErrorCode::conflict);
}

TEST_CASE("given who waits, when somebody begins it before its turn, then its project goes on from there") {
    DaemonInProcess daemon;
    UpOrder order = shop();
    order.processes.push_back(process("web", {on("api")}));
    order.chosen.insert("web");
    up(daemon, std::move(order));
    await_run(daemon, run(2, 1));
    const Json as_it_is{{"process", "shop/api"}, {"command", Json::array({"run-api"})}, {"working_directory", "/"}};
    const Json begun = daemon.call("start_process", as_it_is);
    CHECK(error_code(begun).empty());
    CHECK(begun["structuredContent"]["lacking"] == Json::array({"migrate"}));
    const std::string said = begun["content"][0]["text"];
    CHECK(said.find("begun without migrate of its project") != std::string::npos);
    await_run(daemon, run(4, 1));
    // Its turn comes, and has been taken.
    daemon.shims.find(run(2, 1))->end(0);
    await_state(daemon, 2, ProcessState::exited);
    daemon.io.poll();
    CHECK(daemon.shims.spawned() == 4);
    CHECK(daemon.supervisor.plans().progress(file, {}).failed.empty());
}

TEST_CASE("given who waits, when a restart of it is asked for, then it waits on, and says for what") {
    DaemonInProcess daemon;
    up(daemon, shop());
    await_run(daemon, run(2, 1));
    const Json refused = daemon.call("restart_process", Json{{"process", "shop/api"}});
    CHECK(error_code(refused) == "conflict");
    CHECK(refused.dump().find("waits for migrate") != std::string::npos);
    CHECK(state_of(daemon, "shop/api") == "waiting");
    CHECK(daemon.shims.spawned() == 2);
    daemon.shims.find(run(2, 1))->end(0);
    await_state(daemon, 3, ProcessState::running);
    CHECK(daemon.shims.spawned() == 3);
}

TEST_CASE("given one whose turn has come, when it goes down while it is being restarted, then nothing is done") {
    DaemonInProcess daemon;
    const auto order = [](const char* digest) {
        UpOrder out = shop();
        out.processes[2].definition.command = {"/bin/sh"};
        for (const std::size_t each : {1u, 2u}) out.processes[each].digests["env"] = digest;
        return out;
    };
    up(daemon, order("1"));
    await_run(daemon, run(2, 1));
    daemon.shims.find(run(2, 1))->end(0);
    await_state(daemon, 3, ProcessState::running);
    up(daemon, order("2"));
    await_run(daemon, run(2, 2));
    const auto hold = [&daemon](std::string action) {
        daemon.store.holds_these = [action = std::move(action)](const core::StoreChange& change) {
            return !change.audit.empty() && change.audit.front().action == action;
        };
    };
    // The restart gets its turn before the one that the project begins.
    hold("rename");
    const int renaming = daemon.call_later("rename_process", Json{{"process", "p3"}, {"label", "mine"}});
    daemon.run_until([&] { return daemon.store.waiting == 1; });
    const int restarting =
        daemon.call_later("restart_process", Json{{"process", "p3"}, {"environment", Json{{"A", "1"}}}});
    daemon.advance(std::chrono::seconds(0));
    daemon.shims.find(run(2, 2))->end(0);
    await_state(daemon, 2, ProcessState::exited);
    daemon.shims.executes = daemon.shims.holds_reservations = true;
    daemon.store.release();
    hold("down");
    CHECK(error_code(daemon.answer(renaming)["result"]).empty());
    daemon.run_until([&] { return daemon.shims.reserving == 1; });
    async::TaskGroup tasks(daemon.io.get_executor());
    bool is_down = false;
    auto go_down = [](DaemonInProcess* on, bool* done) -> Task<> {
        std::vector<std::string> all;
        auto down = co_await on->supervisor.down(file, std::move(all), false, false, "test");
        *done = down.has_value();
    };
    tasks.spawn("down", go_down(&daemon, &is_down));
    daemon.run_until([&] { return daemon.store.waiting == 1; });
    daemon.shims.release_reservations();
    CHECK(error_code(daemon.answer(restarting)["result"]) == "conflict");
    daemon.store.release();
    daemon.run_until([&] { return is_down; });
    CHECK(daemon.shims.living() == 0);
}

TEST_CASE("given who waits, when what it needs is removed, then it does not begin") {
    DaemonInProcess daemon;
    up(daemon, shop());
    await_run(daemon, run(2, 1));
    daemon.shims.find(run(2, 1))->end(1);
    await_state(daemon, 3, ProcessState::failed);
    CHECK(error_code(daemon.call("remove_process", Json{{"process", "shop/migrate"}})).empty());
    CHECK(up(daemon, shop()) == "db kept, api begun, migrate begun");
    await_run(daemon, run(4, 1));
    daemon.call("stop_process", Json{{"process", "shop/migrate"}});
    daemon.call("remove_process", Json{{"process", "shop/migrate"}});
    await_state(daemon, 3, ProcessState::failed);
    CHECK(daemon.shims.spawned() == 3);
}

TEST_CASE("given who waits, when the daemon dies, then the next one begins it, once") {
    auto data = std::make_shared<tests::TemporaryDirectory>();
    {
        DaemonInProcess daemon({}, data);
        up(daemon, shop());
        await_run(daemon, run(2, 1));
        CHECK(state_of(daemon, "shop/api") == "waiting");
    }
    write_state(*data, run(1, 1), [](rundir::RunState& state) { state.phase = rundir::Phase::started; });
    std::string expected = "running";
    write_state(*data, run(2, 1), [&](rundir::RunState& state) {
        state.phase = rundir::Phase::exited;
        state.tree_empty = 1;
        SECTION("the migration has worked meanwhile") { state.exit_value = 0; }
        SECTION("the migration has failed meanwhile") {
            state.exit_value = 1;
            expected = "failed";
        }
    });
    auto lock = base::FileLock::try_take(rundir::run_paths(data->path(), run(1, 1)).shim_lock);
    REQUIRE((lock && *lock));
    DaemonInProcess daemon({}, data, false);
    daemon.shims.add_running(run(1, 1));
    daemon.adopt();
    await_state(daemon, 3, expected == "failed" ? ProcessState::failed : ProcessState::running);
    CHECK(view_of(daemon, "shop/api")["state"] == expected);
    daemon.io.poll();
    const auto begun = daemon.shims.find(run(3, 1));
    CHECK((begun != nullptr) == (expected == "running"));
    CHECK(!daemon.shims.find(run(3, 2)));
    CHECK(!daemon.shims.find(run(2, 2)));
}

TEST_CASE("given what ran before, when the daemon dies as it begins it anew, then the next one begins that run") {
    auto data = std::make_shared<tests::TemporaryDirectory>();
    UpOrder order = shop();
    SECTION("which ended as it was told to") {}
    SECTION("and is to run again after each end") {
        order.processes[0].definition.restart = domain::RestartPolicy::always;
    }
    {
        DaemonInProcess daemon({}, data);
        up(daemon, order);
        await_run(daemon, run(2, 1));
        daemon.shims.find(run(2, 1))->end(0);
        await_state(daemon, 3, ProcessState::running);
        REQUIRE(wait(daemon, daemon.supervisor.down(file, {}, false, false, "test")));
        daemon.run_until([&] { return daemon.store.waiting == 0; });
        for (const std::uint32_t each : {1u, 2u, 3u})
            write_state(*data, run(each, 1), [&](rundir::RunState& state) {
                state.phase = rundir::Phase::exited;
                state.tree_empty = 1;
                state.stop_requested = each == 2 ? 0 : 1;
            });
        daemon.shims.silent_after_spawn = true;
        up(daemon, order);
        daemon.run_until([&] { return daemon.shims.find(run(1, 2)) != nullptr; });
    }
    DaemonInProcess daemon({}, data, false);
    daemon.adopt();
    await_run(daemon, run(2, 2));
    CHECK(state_of(daemon, "shop/api") == "waiting");
    daemon.shims.find(run(2, 2))->end(0);
    await_state(daemon, 3, ProcessState::running);
    for (const std::uint32_t each : {1u, 2u, 3u}) CHECK(daemon.shims.find(run(each, 2)));
    CHECK(daemon.shims.spawned() == 3);
    CHECK(state_of(daemon, "shop/db") == "running");
}

TEST_CASE("given what is being replaced, when the daemon dies and what it needs fails, then it is not begun anew") {
    auto data = std::make_shared<tests::TemporaryDirectory>();
    UpOrder order = order_of({process("db"), process("api", {on("db")})});
    bool has_ended = false;
    SECTION("while it runs as before") {}
    SECTION("when its run before has ended") { has_ended = true; }
    {
        DaemonInProcess daemon({}, data);
        up(daemon, order);
        await_state(daemon, 2, ProcessState::running);
        for (auto& each : order.processes) each.digests["env"] = "2";
        up(daemon, order);
        await_run(daemon, run(1, 2));
        daemon.shims.obeys_stop = has_ended;
        daemon.shims.silent_after_spawn = true;
        const auto replaced = daemon.shims.find(run(2, 1));
        const auto is_told = [&] {
            return !replaced->heard.empty() && replaced->heard.back().type == rundir::MessageType::stop;
        };
        daemon.run_until([&] { return is_told() && (!has_ended || daemon.shims.find(run(2, 2))); });
    }
    const auto write_end = [&](RunId id, int exit_value, bool was_stopped) {
        write_state(*data, id, [&](rundir::RunState& state) {
            state.phase = rundir::Phase::exited;
            state.tree_empty = 1;
            state.exit_value = exit_value;
            state.stop_requested = was_stopped ? 1 : 0;
        });
    };
    write_end(run(1, 1), 0, true);
    write_end(run(1, 2), 1, false);
    std::optional<base::FileLock> lock;
    if (has_ended) {
        write_end(run(2, 1), 0, true);
    } else {
        write_state(*data, run(2, 1), [](rundir::RunState& state) { state.phase = rundir::Phase::started; });
        auto taken = base::FileLock::try_take(rundir::run_paths(data->path(), run(2, 1)).shim_lock);
        REQUIRE((taken && *taken));
        lock = std::move(*taken);
    }
    DaemonInProcess daemon({}, data, false);
    if (!has_ended) daemon.shims.add_running(run(2, 1));
    daemon.adopt();
    daemon.run_until([&] {
        const auto progress = daemon.supervisor.plans().progress(file, {});
        return progress.failed == std::vector<std::string>{"api", "db"};
    });
    daemon.io.poll();
    CHECK(state_of(daemon, "shop/api") == (has_ended ? "failed" : "running"));
    CHECK(!daemon.shims.find(run(2, 2)));
    const auto kept = daemon.shims.find(run(2, 1));
    if (kept)
        for (const auto& each : kept->heard) CHECK(each.type != rundir::MessageType::stop);
}

TEST_CASE("given what the file has no more, when up is asked for, then it is stopped first, and is no part any more") {
    DaemonInProcess daemon;
    up(daemon, order_of({process("web")}));
    await_state(daemon, 1, ProcessState::running);
    CHECK(up(daemon, order_of({process("site")})) == "web removed, site begun");
    CHECK(daemon.shims.find(run(1, 1))->gone);
    await_state(daemon, 2, ProcessState::running);
    CHECK(!view_of(daemon, "shop/web").contains("project"));
    CHECK(state_of(daemon, "shop/site") == "running");
}

TEST_CASE("given what the file has again, when up is asked for, then it is the same process, whatever it is to run") {
    DaemonInProcess daemon;
    UpOrder both = order_of({process("db"), process("api")});
    up(daemon, both);
    await_state(daemon, 2, ProcessState::running);
    CHECK(up(daemon, order_of({process("db")})) == "api removed, db kept");
    both.processes[1].definition.command = {"run-other"};
    both.processes[1].digests["run"] = "2";
    std::uint32_t last = 2;  // run of it
    SECTION("stopped as it was left") { CHECK(up(daemon, both) == "db kept, api begun"); }
    SECTION("started by itself meanwhile") {
        daemon.call("restart_process", Json{{"process", "shop/api"}});
        CHECK(up(daemon, both) == "db kept, api replaced");
        last = 3;
    }
    SECTION("with another name of the project") {
        for (auto& each : both.processes) each.definition.membership->name = "store";
        CHECK(up(daemon, both) == "db kept, api begun");
        CHECK(view_of(daemon, "store/api")["id"] == "p2");
        daemon.call("rename_process", Json{{"process", "p2"}, {"label", "shop/api"}});
    }
    await_run(daemon, run(2, last));
    await_state(daemon, 2, ProcessState::running);
    CHECK(view_of(daemon, "shop/api")["id"] == "p2");
    CHECK(view_of(daemon, "shop/api")["command"] == Json::array({"run-other"}));
}

TEST_CASE("given what the file has no more, when the next daemon is asked for it, then it knows what it was") {
    auto data = std::make_shared<tests::TemporaryDirectory>();
    UpOrder both = order_of({process("db"), process("api")});
    {
        DaemonInProcess daemon({}, data);
        up(daemon, both);
        await_state(daemon, 2, ProcessState::running);
        up(daemon, order_of({process("db")}));
        daemon.run_until([&] { return daemon.store.waiting == 0; });
    }
    for (const std::uint32_t each : {1u, 2u})
        write_state(*data, run(each, 1), [](rundir::RunState& state) {
            state.phase = rundir::Phase::exited;
            state.tree_empty = 1;
            state.stop_requested = 1;
        });
    DaemonInProcess daemon({}, data);
    both.processes[1].definition.command = {"run-other"};
    both.processes[1].digests["run"] = "2";
    std::string expected = "p2";
    SECTION("as it was left") {}
    SECTION("begun as something else by its label") {
        const Json mine{{"command", Json::array({"mine"})}, {"working_directory", "/"}, {"label", "shop/api"}};
        CHECK(daemon.call("start_process", mine)["structuredContent"]["id"] == "p2");
        expected = "p3";
    }
    up(daemon, both);
    const auto members = daemon.supervisor.plans().members(file);
    CHECK(to_string(members.at("api")) == expected);
}

TEST_CASE("given what runs already by that command, when up is asked for, then it becomes the project's") {
    DaemonInProcess daemon;
    Json started{{"command", Json::array({"run-db"})}, {"working_directory", "/"}};
    std::string expected;
    SECTION("with the values of the file it goes on") {
        started["environment"] = Json{{"SECRET", "of-db"}};
        expected = "db adopted";
    }
    SECTION("with other values it begins anew") {
        started["environment"] = Json{{"SECRET", "other"}};
        expected = "db replaced";
    }
    daemon.call("start_process", started);
    UpOrder order = shop();
    order.processes.resize(1);
    order.chosen = {"db"};
    CHECK(up(daemon, std::move(order)) == expected);
    if (expected == "db replaced") await_run(daemon, run(1, 2));
    await_state(daemon, 1, ProcessState::running);
    CHECK(view_of(daemon, "shop/db")["id"] == "p1");
    CHECK(daemon.shims.spawned() == (expected == "db adopted" ? 1 : 2));
}

TEST_CASE("given a start that comes to nothing, when others need it, then they fail, and it says why") {
    DaemonInProcess daemon;
    daemon.shims.exec_failure = {rundir::Stage::execve, ENOENT};
    up(daemon, shop());
    await_state(daemon, 3, ProcessState::failed);
    CHECK(view_of(daemon, "shop/db")["state"] == "failed");
    CHECK(view_of(daemon, "shop/db")["causes"][0]["code"] == "not_begun");
    CHECK(view_of(daemon, "shop/api")["causes"][0]["text"] == "db");
    daemon.shims.exec_failure.reset();
    CHECK(up(daemon, shop()) == "db begun, migrate begun, api begun");
    await_state(daemon, 1, ProcessState::running);
}

TEST_CASE("given a disk that takes no record, when up is asked for, then nothing is left of it") {
    DaemonInProcess daemon;
    daemon.store.fails = true;
    CHECK(up(daemon, shop()).find("no space left") != std::string::npos);
    daemon.store.fails = false;
    CHECK(daemon.call("list_processes", Json::object())["structuredContent"]["processes"].empty());
    CHECK(daemon.shims.spawned() == 0);
}

TEST_CASE("given a check, when others wait for it, then they begin once it holds, whichever is asked by now") {
    using namespace std::chrono_literals;
    DaemonInProcess daemon;
    const auto printed_by_db = [](const char* pattern) {
        domain::Check check;
        check.subject = domain::LogCheck{pattern};
        UpOrder out = shop();
        out.processes = {process("db"), process("api", {on("db", Condition::ready)})};
        out.processes[0].definition.ready = {check};
        out.processes[0].digests["ready"] = pattern;
        out.chosen = {"db", "api"};
        return out;
    };
    CHECK(up(daemon, printed_by_db("listens")) == "db begun, api begun");
    await_state(daemon, 1, ProcessState::running);
    CHECK(state_of(daemon, "shop/api") == "waiting");
    tests::WrittenLog log{rundir::process_paths(daemon.data->path(), {1}).log};
    log.out("serves\n");
    daemon.advance(1s);
    CHECK(daemon.supervisor.find({1})->ready == false);
    CHECK(state_of(daemon, "shop/api") == "waiting");
    CHECK(up(daemon, printed_by_db("serves")) == "db kept, api begun");
    daemon.advance_until(10ms, [&] { return daemon.supervisor.find({2})->state == ProcessState::running; });
    CHECK(daemon.supervisor.find({1})->run == 1);
    CHECK(daemon.shims.spawned() == 2);
}

TEST_CASE("given who waits for a line, when it is printed, then it begins, whatever else is printed") {
    using namespace std::chrono_literals;
    DaemonInProcess daemon;
    UpOrder order = shop();
    Dependency line = on("db", Condition::log);
    line.pattern = "port [0-9]+";
    order.processes = {process("db"), process("api", {line})};
    order.chosen = {"db", "api"};
    up(daemon, std::move(order));
    await_state(daemon, 1, ProcessState::running);
    tests::WrittenLog log{rundir::process_paths(daemon.data->path(), {1}).log};
    log.out("port none\nerror: no such table\n");
    daemon.advance(3s);
    CHECK(state_of(daemon, "shop/api") == "waiting");
    log.out("port 3000\n");
    daemon.advance_until(10ms, [&] { return daemon.supervisor.find({2})->state == ProcessState::running; });
}

TEST_CASE("given a restart with dependents, when what they need is not ready, then they wait, and all are named") {
    using namespace std::chrono_literals;
    DaemonInProcess daemon;
    domain::Check check;
    check.subject = domain::LogCheck{"up"};
    Dependency on_db = on("db", Condition::ready);
    on_db.restart = GENERATE(false, true);
    UpOrder order = shop();
    order.processes = {process("db"), process("api", {on_db}), process("web", {on("api")}), process("docs")};
    order.processes.front().definition.ready = {check};
    order.chosen = {"db", "api", "web", "docs"};
    CHECK(up(daemon, std::move(order)) == "db begun, api begun, web begun, docs begun");
    await_run(daemon, run(1, 1));
    tests::WrittenLog log{rundir::process_paths(daemon.data->path(), {1}).log};
    log.out("up\n");
    const auto runs = [&](std::uint32_t number) {
        const auto found = daemon.supervisor.find({number});
        return found->state == ProcessState::running ? found->run : 0;
    };
    daemon.advance_until(10ms, [&] { return runs(3) == 1; });

    const int asked = daemon.call_later("restart_process", Json{{"process", "shop/db"}, {"dependents", true}});
    daemon.run_until([&] { return runs(1) == 2; });
    daemon.advance(1s);
    CHECK(!daemon.is_answered(asked));
    CHECK(runs(2) == 1);
    CHECK(runs(3) == 1);
    log.run = 2;
    log.out("up\n");
    daemon.advance_until(10ms, [&] { return daemon.is_answered(asked); });
    const Json answer = daemon.answer(asked)["result"]["structuredContent"];
    CHECK(answer["run"] == "p1.2");
    CHECK(answer["dependents"] == Json::array({"shop/api", "shop/web"}));
    daemon.advance(1s);
    CHECK(runs(2) == 2);
    CHECK(runs(3) == 2);
    CHECK(runs(4) == 1);
}

TEST_CASE("given a restart with dependents, when what they need fails, then they run on, and it is said") {
    DaemonInProcess daemon;
    UpOrder order = shop();
    order.processes = {process("db"), process("api", {on("db", Condition::ready)})};
    domain::Check check;
    check.subject = domain::LogCheck{"up"};
    order.processes.front().definition.ready = {check};
    order.chosen = {"db", "api"};
    up(daemon, std::move(order));
    await_run(daemon, run(1, 1));
    tests::WrittenLog log{rundir::process_paths(daemon.data->path(), {1}).log};
    log.out("up\n");
    daemon.advance_until(std::chrono::milliseconds(10), [&] { return daemon.shims.find(run(2, 1)) != nullptr; });
    await_state(daemon, 2, ProcessState::running);
    const int asked = daemon.call_later("restart_process", Json{{"process", "shop/db"}, {"dependents", true}});
    await_run(daemon, run(1, 2));
    daemon.shims.find(run(1, 2))->end(1);
    const Json answer = daemon.answer(asked)["result"];
    CHECK(error_code(answer) == "conflict");
    CHECK(answer.dump().find("db restarted; api was not") != std::string::npos);
    CHECK(daemon.supervisor.find({2})->run == 1);
}

TEST_CASE("given an edge that restarts, when what it is to is begun anew, then up waits for both, and a look says so") {
    using namespace std::chrono_literals;
    using Names = std::vector<std::string>;
    DaemonInProcess daemon;
    domain::Check check;
    check.subject = domain::LogCheck{"up"};
    Dependency on_api = on("api", Condition::ready);
    on_api.restart = true;
    UpOrder order = order_of({process("api"), process("web", {on_api})});
    for (auto& each : order.processes) each.definition.ready = {check};
    up(daemon, order);
    await_run(daemon, run(1, 1));
    tests::WrittenLog api{rundir::process_paths(daemon.data->path(), {1}).log};
    tests::WrittenLog web{rundir::process_paths(daemon.data->path(), {2}).log};
    const auto pending = [&] { return daemon.supervisor.plans().progress(file, {}).pending; };
    api.out("up\n");
    daemon.advance_until(10ms, [&] { return daemon.shims.find(run(2, 1)) != nullptr; });
    web.out("up\n");
    daemon.advance_until(10ms, [&] { return pending().empty(); });

    UpOrder changed = order;
    changed.processes[0].digests["env"] = "2";
    const auto looked = wait(daemon, daemon.supervisor.look_up(UpOrder(changed)));
    REQUIRE(looked);
    CHECK(text(*looked) == "api replaced, web restarted");
    CHECK(looked->back().after == Names{"api"});
    CHECK(up(daemon, changed) == "api replaced, web restarted");
    await_run(daemon, run(1, 2));
    CHECK(pending() == Names{"api", "web"});
    // Whoever asks again meanwhile is told the same, and waits for the same.
    CHECK(up(daemon, changed) == "api kept, web restarted");
    api.run = 2;
    SECTION("it comes") {
        api.out("up\n");
        daemon.advance_until(10ms, [&] { return daemon.shims.find(run(2, 2)) != nullptr; });
        CHECK(pending() == Names{"web"});
        web.run = 2;
        SECTION("and what was restarted with it, too") {
            web.out("up\n");
            daemon.advance_until(10ms, [&] { return pending().empty(); });
        }
        SECTION("and what was restarted with it fails") {
            await_run(daemon, run(2, 2));
            daemon.shims.find(run(2, 2))->end(4);
            await_state(daemon, 2, ProcessState::exited);
            CHECK(daemon.supervisor.plans().progress(file, {}).failed == Names{"web"});
        }
    }
    SECTION("it fails: what was to be restarted with it runs on") {
        daemon.shims.find(run(1, 2))->end(4);
        await_state(daemon, 1, ProcessState::exited);
        CHECK(daemon.supervisor.plans().progress(file, {}).failed == Names{"api"});
        CHECK(pending().empty());
        CHECK(daemon.supervisor.find({2})->run == 1);
    }
}

TEST_CASE(
    "given what was to be begun anew and was not, when up is asked for again, then nothing is said to have changed") {
    DaemonInProcess daemon;
    up(daemon, shop());
    await_run(daemon, run(2, 1));
    daemon.shims.find(run(2, 1))->end(0);
    await_state(daemon, 3, ProcessState::running);
    UpOrder anew = shop();
    anew.again = {"migrate"};
    anew.anew = {"api"};
    CHECK(up(daemon, std::move(anew)) == "db kept, migrate begun, api replaced");
    await_run(daemon, run(2, 2));
    daemon.shims.find(run(2, 2))->end(1);
    await_state(daemon, 2, ProcessState::exited);
    CHECK(daemon.supervisor.find({3})->run == 1);
    const auto looked = wait(daemon, daemon.supervisor.look_up(shop()));
    REQUIRE(looked);
    CHECK(text(*looked) == "db kept, migrate begun, api replaced");
    for (const auto& each : *looked) CHECK(each.keys.empty());
}

TEST_CASE(
    "given what was up, when the machine is restarted, then it comes up again in its turn, and nothing else does") {
    auto data = std::make_shared<tests::TemporaryDirectory>();
    UpOrder order = shop();
    order.processes.push_back(process("worker", {on("api")}));
    order.processes.push_back(process("docs"));
    order.processes[3].definition.restart = domain::RestartPolicy::always;
    order.chosen = {"db", "migrate", "api", "worker", "docs"};
    {
        DaemonInProcess daemon({}, data);
        up(daemon, order);
        await_run(daemon, run(2, 1));
        daemon.shims.find(run(2, 1))->end(0);
        await_state(daemon, 4, ProcessState::running);
        CHECK(error_code(daemon.call("stop_process", Json{{"process", "shop/docs"}})) == "");
        daemon.run_until([&] { return daemon.store.waiting == 0; });
    }
    for (const std::uint32_t each : {1u, 2u, 3u, 4u, 5u})
        write_state(*data, run(each, 1), [&](rundir::RunState& state) {
            state.boot_id.fill(7);
            state.phase = each == 2 || each == 5 ? rundir::Phase::exited : rundir::Phase::started;
            state.stop_requested = each == 5 ? 1 : 0;
        });
    SECTION("at once") {}
    SECTION("also when the next daemon dies before it has begun anything") {
        DaemonInProcess daemon({}, data, false);
        daemon.shims.silent_after_spawn = true;
        daemon.adopt();
    }
    DaemonInProcess daemon({}, data);
    await_state(daemon, 3, ProcessState::running);
    daemon.advance_until(std::chrono::milliseconds(50), [&] { return daemon.shims.find(run(4, 2)) != nullptr; });
    CHECK(state_of(daemon, "shop/db") == "running");
    CHECK(state_of(daemon, "shop/migrate") == "exited");
    CHECK(state_of(daemon, "shop/docs") == "stopped");
    CHECK(!holds_values(daemon, run(5, 2)));
    CHECK(daemon.supervisor.plans().progress(file, {}).failed == std::vector<std::string>{"docs"});
}

TEST_CASE("given independent processes that end slowly, when all go down, then each is told before any has ended") {
    DaemonInProcess daemon;
    UpOrder order = shop();
    order.processes.clear();
    order.chosen.clear();
    constexpr std::uint32_t count = 12;
    for (std::uint32_t i = 0; i < count; ++i) {
        order.processes.push_back(process("w" + std::to_string(i)));
        order.chosen.insert("w" + std::to_string(i));
    }
    up(daemon, std::move(order));
    for (std::uint32_t i = 1; i <= count; ++i) await_state(daemon, i, ProcessState::running);
    daemon.shims.obeys_stop = false;
    std::size_t answered = 0;
    auto ask = [](DaemonInProcess* in, bool force, std::size_t* into) -> Task<> {
        std::vector<std::string> all;
        auto got = co_await in->supervisor.down(file, std::move(all), false, force, "test");
        if (got) ++*into;
    };
    async::TaskGroup tasks(daemon.io.get_executor());
    const auto stops_of = [&](std::uint32_t number) {
        const auto& heard = daemon.shims.find(run(number, 1))->heard;
        return std::count_if(heard.begin(), heard.end(),
                             [](const auto& each) { return each.type == rundir::MessageType::stop; });
    };
    const auto all_were_told = [&](std::ptrdiff_t times) {
        for (std::uint32_t i = 1; i <= count; ++i)
            if (stops_of(i) < times) return false;
        return true;
    };
    tasks.spawn("down", ask(&daemon, false, &answered));
    daemon.run_until([&] { return all_were_told(1); });
    CHECK(daemon.shims.living() == count);
    // Who is in a hurry gives them no more time.
    tasks.spawn("down by force", ask(&daemon, true, &answered));
    daemon.run_until([&] { return all_were_told(2); });
    for (std::uint32_t i = 1; i <= count; ++i) daemon.shims.find(run(i, 1))->end(9, true);
    daemon.run_until([&] { return answered == 2; });
    CHECK(daemon.shims.living() == 0);
}

TEST_CASE(
    "given a stop by a command, when another is asked for, then the command runs once, and the shorter grace counts") {
    using namespace std::chrono_literals;
    DaemonInProcess daemon;
    UpOrder order = shop();
    order.processes.resize(1);
    order.processes.front().definition.stop_command = {"quit"};
    order.processes.front().definition.grace_seconds = 60;
    order.chosen = {"db"};
    up(daemon, std::move(order));
    await_state(daemon, 1, ProcessState::running);
    const auto shim = daemon.shims.find(run(1, 1));
    const auto is_told = [&] { return shim->heard.back().type == rundir::MessageType::stop; };
    daemon.shims.holds_commands = true;
    const int first = daemon.call_later("stop_process", Json{{"process", "shop/db"}});
    daemon.run_until([&] { return daemon.shims.commands.size() == 1; });
    Json request{{"process", "shop/db"}};
    SECTION("as patiently") {}
    SECTION("less patiently") { request["grace_seconds"] = 2; }
    const int second = daemon.call_later("stop_process", request);
    daemon.advance(1s);
    CHECK(!is_told());
    if (request.contains("grace_seconds"))
        daemon.advance_until(100ms, is_told);
    else
        daemon.shims.release_commands();
    CHECK(daemon.answer(first)["result"]["structuredContent"]["state"] == "stopped");
    CHECK(daemon.answer(second)["result"]["structuredContent"]["state"] == "stopped");
    CHECK(daemon.shims.commands == std::vector<std::vector<std::string>>{{"quit"}});
    daemon.shims.release_commands();
}

TEST_CASE("given a name that is said again and again, when a restart is asked for, then there is one") {
    DaemonInProcess daemon;
    up(daemon, shop());
    await_run(daemon, run(1, 1));
    const Json names(std::vector<std::string>(20, "db"));
    Json request{{"action", "restart"}, {"directory", "/shop"}, {"names", names}, {"timeout_seconds", 0}};
    const Json answer = daemon.call("run_project", std::move(request));
    CHECK(answer["structuredContent"]["chosen"] == Json::array({"db"}));
    CHECK(daemon.supervisor.find({1})->run == 2);
    const auto again = std::make_shared<core::RestartedInOrder>();
    REQUIRE(wait(daemon, daemon.supervisor.restart_in_order(file, {"db", "db", "db"}, "test", MonoTime::max(), again)));
    CHECK(again->restarted == std::vector<std::string>{"db"});
    CHECK(daemon.supervisor.find({1})->run == 3);
}

TEST_CASE("given more processes than agents may start, when one restarts them again and again, then it is refused") {
    constexpr int more_than_half = 51;  // of what they may after a pause
    DaemonInProcess daemon({}, std::make_shared<tests::TemporaryDirectory>(), true, false, mcp::Principal::Role::agent);
    UpOrder order = shop();
    order.processes.clear();
    order.chosen.clear();
    for (int i = 0; i < more_than_half; ++i) {
        const std::string name = "w" + std::to_string(i);
        order.processes.push_back(process(name));
        order.chosen.insert(name);
    }
    up(daemon, order);
    for (std::uint32_t i = 1; i <= more_than_half; ++i) await_run(daemon, run(i, 1));
    const Json request{{"action", "restart"}, {"directory", "/shop"}, {"timeout_seconds", 0}};
    CHECK(error_code(daemon.call("run_project", request)).empty());
    CHECK(error_code(daemon.call("run_project", request)) == "limit");
    CHECK(daemon.supervisor.find({1})->run == 2);
}

TEST_CASE("given a restart of many that fails, when agents go on, then they have paid for what was begun alone") {
    DaemonInProcess daemon({}, std::make_shared<tests::TemporaryDirectory>(), true, false, mcp::Principal::Role::agent);
    UpOrder order = order_of({process("db")});
    for (int i = 0; i < 40; ++i) order.processes.push_back(process("w" + std::to_string(i), {on("db")}));
    order.chosen.clear();
    for (const auto& each : order.processes) order.chosen.insert(each.definition.membership->process);
    up(daemon, order);
    for (std::uint32_t i = 1; i <= 41; ++i) await_run(daemon, run(i, 1));
    daemon.shims.exec_failure = {rundir::Stage::execve, ENOENT};
    const Json request{{"action", "restart"}, {"directory", "/shop"}, {"timeout_seconds", 0}};
    // Of a hundred that they may start at once, two would have been too many that cost 41 each.
    for (int i = 0; i < 40; ++i) REQUIRE(error_code(daemon.call("run_project", request)) == "exec_failed");
}

TEST_CASE("given two who restart a process of a project at once, again and again, then one of it lives") {
    DaemonInProcess daemon;
    UpOrder order = shop();
    order.processes.resize(1);
    order.chosen = {"db"};
    up(daemon, std::move(order));
    await_state(daemon, 1, ProcessState::running);
    for (int i = 0; i < 100; ++i) {
        const int first = daemon.call_later("restart_process", Json{{"process", "shop/db"}});
        const int second = daemon.call_later("restart_process", Json{{"process", "shop/db"}});
        daemon.answer(first);
        daemon.answer(second);
        REQUIRE(daemon.shims.living() == 1);
    }
    CHECK(state_of(daemon, "shop/db") == "running");
}

TEST_CASE("given a start that failed unheard, when the next daemon looks, then what needs it does not begin") {
    auto data = std::make_shared<tests::TemporaryDirectory>();
    {
        DaemonInProcess daemon({}, data);
        daemon.shims.silent_after_commit = true;
        up(daemon, shop());
        daemon.run_until([&] {
            const auto shim = daemon.shims.find(run(1, 1));
            return shim && !shim->heard.empty() && shim->heard.back().type == rundir::MessageType::commit;
        });
    }
    write_state(*data, run(1, 1), [](rundir::RunState& state) {
        state.phase = rundir::Phase::exec_failed;
        state.stage = rundir::Stage::execve;
        state.os_error = ENOENT;
        state.tree_empty = 1;
    });
    DaemonInProcess daemon({}, data, false);
    daemon.adopt();
    await_state(daemon, 3, ProcessState::failed);
    CHECK(view_of(daemon, "shop/db")["causes"][0]["text"] == "run-db: no such program in PATH");
    CHECK(view_of(daemon, "shop/migrate")["reason"] == "dependency");
    CHECK(daemon.shims.spawned() == 0);
    CHECK(up(daemon, shop()) == "db begun, migrate begun, api begun");
    await_state(daemon, 1, ProcessState::running);
}

}  // namespace plans_test
