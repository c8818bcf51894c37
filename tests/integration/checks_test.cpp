#include <fcntl.h>

#include <future>

#include "common/base/file.hpp"
#include "common/base/file_lock.hpp"
#include "common/rundir/paths.hpp"
#include "tests/integration/daemon_in_process.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/written_log.hpp"

namespace checks_test {

using namespace persistproc;
using namespace std::chrono_literals;
using domain::ProcessState;
using tests::DaemonInProcess;
using tests::Json;

namespace {

const Json log_check{{"log", "up"}};
Json in_time(double seconds) { return {{"log", "up"}, {"timeout", seconds}}; }

/// A process whose lines say whether it is ready.
struct Checked {
    explicit Checked(Json more = {{"ready", log_check}},
                     std::shared_ptr<tests::TemporaryDirectory> data = std::make_shared<tests::TemporaryDirectory>())
        : daemon({}, std::move(data)) {
        Json request{{"command", Json::array({"a"})}, {"working_directory", "/"}, {"label", "web"}};
        request.update(more);
        daemon.call("start_process", std::move(request));
    }
    core::Located now() { return *daemon.supervisor.find({1}); }
    void until(std::function<bool(const core::Located&)> condition) {
        daemon.advance_until(10ms, [&] { return condition(now()); });
    }
    void become_ready(std::uint32_t run = 1) {
        log.run = run;
        log.out("up\n");
        until([](const auto& web) { return web.ready == true; });
    }
    /// What the newest shim was told, by type.
    bool was_told(std::uint32_t run, rundir::MessageType type) {
        const auto& heard = daemon.shims.find({{1}, run})->heard;
        return std::any_of(heard.begin(), heard.end(), [&](const auto& each) { return each.type == type; });
    }

    DaemonInProcess daemon;
    tests::WrittenLog log{rundir::process_paths(daemon.data->path(), {1}).log};
};

/// What the shim of the first run has written since its daemon is gone.
void write_state(const tests::TemporaryDirectory& data, const std::function<void(rundir::RunState&)>& write) {
    auto fd = base::open_file(rundir::run_paths(data.path(), {{1}, 1}).state, O_RDWR);
    rundir::StateWriter writer(fd->get(), rundir::RunState{});
    writer.state().boot_id = base::current_boot_id();
    writer.state().started_wall_ns = base::to_ns(base::wall_now());
    writer.state().pid = 4711;
    write(writer.state());
    if (writer.commit() != 0) throw std::runtime_error("state could not be written");
}

}  // namespace

TEST_CASE("given a line that is waited for, when it is printed, then the run is ready, and the next one is not") {
    Checked web;
    CHECK(web.now().ready == false);
    web.become_ready();
    web.daemon.call("restart_process", Json{{"process", "web"}});
    CHECK(web.now().run == 2);
    CHECK(web.now().ready == false);
    web.become_ready(2);
    web.daemon.call("stop_process", Json{{"process", "web"}});
    CHECK(web.now().ready == false);
}

TEST_CASE("given a line of an error that the pattern of a check matches, then the run is not ready") {
    Checked web;
    web.log.err("/home/me/shop/a.js:2\nset(up)\n^\n\nTypeError: bad\n    at up (/home/me/shop/a.js:2:3)\n");
    for (int i = 0; i < 20; ++i) web.daemon.advance(100ms);
    CHECK(web.now().ready == false);
    web.become_ready();
    const Json check{{"log", "TypeError"}};
    Checked named(Json{{"ready", check}});
    named.log.err("TypeError: bad\n");
    named.until([](const auto& each) { return each.ready == true; });
}

TEST_CASE("given one who waits until it is ready, when it fails and runs again, then the wait goes on to that run") {
    Checked web({{"ready", log_check}, {"restart", "on_failure"}});
    const int call = web.daemon.call_later("wait_for_process",
                                           Json{{"process", "web"}, {"until", "ready"}, {"timeout_seconds", 60}});
    web.daemon.shims.find({{1}, 1})->end(1);
    web.until([](const auto& each) { return each.run == 2 && each.state == ProcessState::running; });
    CHECK(!web.daemon.is_answered(call));
    web.become_ready(2);
    const Json result = web.daemon.answer(call)["result"];
    CHECK(result["_meta"]["persistproc/result"]["outcome"] == "ready");
    CHECK(result["_meta"]["persistproc/result"]["run"] == "p1.2");
    const std::string said = result["content"][0]["text"];
    CHECK(said.find("in its next run, p1.2; ready") != std::string::npos);
}

TEST_CASE("given one who waits until it is ready, when it ends for good first, then the wait fails at once") {
    Checked web;
    const int call = web.daemon.call_later("wait_for_process",
                                           Json{{"process", "web"}, {"until", "ready"}, {"timeout_seconds", 60}});
    web.daemon.shims.find({{1}, 1})->end(0);
    web.daemon.advance_until(10ms, [&] { return web.daemon.is_answered(call); });
    const Json result = web.daemon.answer(call)["result"];
    CHECK(tests::error_code(result) == "conflict");
    CHECK(result["content"][0]["text"].get<std::string>().find("before it was ready") != std::string::npos);
}

TEST_CASE("given a time that is over, when nothing is ready, then it is said why") {
    Checked web;
    const int call =
        web.daemon.call_later("wait_for_process", Json{{"process", "web"}, {"until", "ready"}, {"timeout_seconds", 1}});
    web.daemon.advance_until(100ms, [&] { return web.daemon.is_answered(call); });
    CHECK(tests::error_code(web.daemon.answer(call)["result"]) == "timeout");
    CHECK(web.now().state == ProcessState::running);
}

TEST_CASE("given a time for readiness, when it is over, then the run ends and the policy follows") {
    const bool is_run_again = GENERATE(false, true);
    Checked web({{"ready", in_time(5)}, {"restart", is_run_again ? "on_failure" : "never"}});
    web.until([](const auto& each) { return each.last_outcome.has_value(); });
    const Outcome outcome = *web.now().last_outcome;
    CHECK(outcome.reason == OutcomeReason::not_ready);
    REQUIRE(!outcome.causes.empty());
    CHECK(outcome.causes.front().code == CauseCode::checks_failed);
    if (is_run_again)
        web.until([](const auto& each) { return each.run == 2 && each.state == ProcessState::running; });
    else
        CHECK(!web.now().runs_again);
}

TEST_CASE("given a run whose health fails, when it was ready, then another follows under any policy") {
    Checked web({{"ready", log_check}, {"health", Json{{"file", "none"}, {"period", 0.5}, {"failures", 2}}}});
    web.become_ready();
    web.until([](const auto& each) { return each.last_outcome.has_value(); });
    CHECK(web.now().last_outcome->reason == OutcomeReason::unhealthy);
    web.until([](const auto& each) { return each.run == 2 && each.state == ProcessState::running; });
    CHECK(web.now().ready == false);
}

TEST_CASE("given a stop, when it meets a run that is ended for its checks, then that run was stopped") {
    Checked web({{"ready", in_time(5)}, {"restart", "always"}});
    web.daemon.shims.obeys_stop = false;
    web.until([&](const auto&) { return web.was_told(1, rundir::MessageType::stop); });
    const int call = web.daemon.call_later("stop_process", Json{{"process", "web"}, {"force", true}});
    web.daemon.answer(call);
    CHECK(web.now().state == ProcessState::stopped);
    CHECK(web.now().last_outcome->reason == OutcomeReason::stopped);
    CHECK(!web.now().runs_again);
}

TEST_CASE("given a restart, when it meets a run that is ended for its checks, then that end is hastened as it asks") {
    Checked web({{"ready", in_time(5)}, {"restart", "always"}, {"grace_seconds", 120}});
    web.daemon.shims.obeys_stop = false;
    web.until([&](const auto&) { return web.was_told(1, rundir::MessageType::stop); });
    auto shim = web.daemon.shims.find({{1}, 1});
    const std::size_t heard = shim->heard.size();
    Json request{{"process", "web"}};
    const bool is_forced = GENERATE(false, true);
    request.update(is_forced ? Json{{"force", true}} : Json{{"grace_seconds", 5}});
    const int call = web.daemon.call_later("restart_process", request);
    web.daemon.run_until([&] { return shim->heard.size() > heard; });
    CHECK(shim->heard[heard].force == is_forced);
    CHECK((is_forced || shim->heard[heard].grace_ms == 5000));
    web.daemon.shims.obeys_stop = true;
    if (!is_forced) shim->end(9, true);
    CHECK(web.daemon.answer(call)["result"]["structuredContent"]["run"] == "p1.2");
    CHECK(web.now().state == ProcessState::running);
}

TEST_CASE("given a run that was ready, when the next daemon takes it over, then it is ready still") {
    auto data = std::make_shared<tests::TemporaryDirectory>();
    {
        Checked web({{"ready", log_check}}, data);
        web.become_ready();
        web.daemon.run_until([&] { return web.daemon.store.waiting == 0; });
    }
    write_state(*data, [](rundir::RunState& state) { state.phase = rundir::Phase::started; });
    auto lock = base::FileLock::try_take(rundir::run_paths(data->path(), {{1}, 1}).shim_lock);
    REQUIRE((lock && *lock));
    DaemonInProcess next({}, data, false);
    next.shims.add_running({{1}, 1});
    next.adopt();
    const auto web = next.supervisor.find({1});
    REQUIRE(web);
    CHECK(web->state == ProcessState::running);
    CHECK(web->ready == true);
}

TEST_CASE(
    "given a run that is not ready, when the next daemon takes it over, then no step of the clock takes its time") {
    auto data = std::make_shared<tests::TemporaryDirectory>();
    {
        Checked web({{"ready", in_time(60)}}, data);
        web.daemon.run_until([&] { return web.daemon.store.waiting == 0; });
    }
    write_state(*data, [](rundir::RunState& state) { state.phase = rundir::Phase::started; });
    auto lock = base::FileLock::try_take(rundir::run_paths(data->path(), {{1}, 1}).shim_lock);
    REQUIRE((lock && *lock));
    DaemonInProcess next({}, data, false);
    const auto shim = next.shims.add_running({{1}, 1});
    const MonoTime began = next.clock.now() - 10s;
    shim->state.started_wall_ns = base::to_ns(next.clock.wall() - 1h);
    shim->state.started_boot_ns = static_cast<std::uint64_t>(began.time_since_epoch().count());
    next.adopt();
    const auto is_told_to_end = [&] {
        return std::any_of(shim->heard.begin(), shim->heard.end(),
                           [](const auto& each) { return each.type == rundir::MessageType::stop; });
    };
    next.advance_until(100ms, is_told_to_end);
    CHECK(next.clock.now() >= began + 60s);
}

TEST_CASE("given a run that is being ended for its checks, when the next daemon hears of its end, then it knows why") {
    auto data = std::make_shared<tests::TemporaryDirectory>();
    {
        Checked web({{"ready", in_time(5)}, {"restart", "on_failure"}}, data);
        web.daemon.shims.obeys_stop = false;
        web.until([&](const auto&) { return web.was_told(1, rundir::MessageType::stop); });
    }
    write_state(*data, [](rundir::RunState& state) {
        state.phase = rundir::Phase::exited;
        state.stop_requested = state.killed = state.tree_empty = 1;
        state.exit_value = 15;
    });
    DaemonInProcess next({}, data);
    const auto web = next.supervisor.find({1});
    REQUIRE(web);
    REQUIRE(web->last_outcome);
    CHECK(web->last_outcome->reason == OutcomeReason::not_ready);
    next.advance_until(100ms, [&] { return next.supervisor.find({1})->run == 2; });
}

TEST_CASE(
    "given an expression that is none, or takes long to compile, when a start asks for it, then nothing is started") {
    const char* const pattern = GENERATE("(", "x\\p{L}{1,60}\\p{N}{1,60}y");
    DaemonInProcess daemon;
    Json request{{"command", "a"}, {"working_directory", "/"}, {"ready", Json{{"log", pattern}}}};
    const Json refused = daemon.call("start_process", std::move(request));
    CHECK(tests::error_code(refused) == "invalid");
    CHECK(daemon.supervisor.size() == 0);
}

TEST_CASE("given expressions to be compiled, when there is no thread for it, then others are answered meanwhile") {
    DaemonInProcess daemon;
    std::promise<void> released;
    const std::shared_future<void> release = released.get_future();
    for (std::size_t i = 0; i < core::PatternWatches::places; ++i)
        boost::asio::post(daemon.workers.looking, [release] { release.wait(); });
    Json request{{"command", "a"}, {"working_directory", "/"}, {"ready", Json{{"log", "("}}}};
    const int start = daemon.call_later("start_process", std::move(request));
    daemon.call("list_processes", Json::object());
    CHECK_FALSE(daemon.is_answered(start));
    released.set_value();
    CHECK(tests::error_code(daemon.answer(start)["result"]) == "invalid");
}

}  // namespace checks_test
