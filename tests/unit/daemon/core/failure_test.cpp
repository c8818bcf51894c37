#include "daemon/core/failure.hpp"

#include "daemon/core/complained_ports.hpp"
#include "tests/support/catch.hpp"

namespace failure_test {

using namespace persistproc;
using namespace std::chrono_literals;
using core::Failure;
using core::failure_text;

namespace {

rundir::RunState ended(std::chrono::nanoseconds lived, int exit_value) {
    rundir::RunState out;
    out.phase = rundir::Phase::exited;
    out.started_wall_ns = 1'000'000'000;
    out.ended_wall_ns = out.started_wall_ns + lived.count();
    out.exit_value = exit_value;
    return out;
}

}  // namespace

TEST_CASE("a run has worked that lived for long enough, or ended with 0") {
    CHECK(core::has_succeeded(ended(1s, 0)));
    CHECK(!core::has_lived(ended(1s, 0)));
    CHECK(core::has_lived(ended(10s, 1)));
    CHECK(!core::has_succeeded(ended(10s, 1)));
    CHECK(!core::has_lived(ended(9s, 1)));
    auto killed = ended(1s, 0);
    killed.killed = 1;
    CHECK(!core::has_succeeded(killed));
    auto unknown = ended(10s, 0);
    unknown.phase = rundir::Phase::started;
    CHECK(!core::has_succeeded(unknown));
    CHECK(!core::has_lived(unknown));
}

TEST_CASE("a run that ended by itself and with a failure has not worked, unless it lived for long enough") {
    CHECK(core::has_failed_early(ended(200ms, 3)));
    CHECK(!core::has_failed_early(ended(200ms, 0)));
    CHECK(!core::has_failed_early(ended(10s, 3)));
    auto stopped = ended(200ms, 15);
    stopped.killed = 1;
    CHECK(core::has_failed_early(stopped));
    stopped.stop_requested = 1;
    CHECK(!core::has_failed_early(stopped));
    auto running = ended(200ms, 3);
    running.phase = rundir::Phase::started;
    CHECK(!core::has_failed_early(running));
}

TEST_CASE("each fact of a failure is told, and what is not known is left out") {
    Failure failure;
    CHECK(failure_text(failure).empty());
    failure.run = 1;
    failure.lived = 312ms;
    CHECK(failure_text(failure) == "lived 312 ms");
    failure.lived = 312'900us;
    CHECK(failure_text(failure) == "lived 312 ms");
    failure.lived = 1500ms;
    CHECK(failure_text(failure) == "lived 1.5 s");
    failure.restarted_by = "codex 1.2\n";
    failure.since_restart = 20s;
    CHECK(failure_text(failure) == "lived 1.5 s; restarted by codex 1.2\\x0a, 20s ago");
    failure.restarted_by = "persistproc 0.1.0";
    CHECK(failure_text(failure) == "lived 1.5 s; restarted from a command line, 20s ago");
    failure.since_restart.reset();
    CHECK(failure_text(failure) == "lived 1.5 s; restarted from a command line");
    failure.restarted_by.clear();
    failure.run = 4;
    failure.lived = 75s;
    failure.holder = rundir::PortHolder{.port = 3000, .pid = 4711, .name = "node; next cursor p1:7:7"};
    CHECK(failure_text(failure) == "lived 75 s in run 4; port 3000 is held by \"node; next cursor p1:7:7\" (PID 4711)");
    failure.holder->name = "node";
    CHECK(failure_text(failure) == "lived 75 s in run 4; port 3000 is held by node (PID 4711)");
    failure.holder->pid = 0;
    failure.good_run = 3;
    CHECK(failure_text(failure) ==
          "lived 75 s in run 4; port 3000 is held by a process of another user; begun like run 3, which worked");
    failure.holder_process = ProcessId{2};
    failure.holder_label = "api";
    failure.lived.reset();
    failure.memory_kills = 1;
    CHECK(failure_text(failure).find("; the kernel killed 1 process of its cgroup for want of memory meanwhile; ") !=
          std::string::npos);
    failure.memory_kills = 2;
    CHECK(failure_text(failure).find(" killed 2 processes of ") != std::string::npos);
    failure.is_kill_told = true;
    failure.changes = {{core::RunChange::What::variables_removed, {"NODE_ENV"}}};
    CHECK(
        failure_text(failure) ==
        "port 3000 is held by p2 \"api\": persistproc stop p2; since run 3, which worked: variables removed: NODE_ENV");
}

TEST_CASE("which port a program found taken") {
    using Lines = std::vector<std::string>;
    struct Row {
        Lines lines, command;
        std::vector<int> ports;
        std::vector<int> given{};
    };
    const Row rows[] = {
        {{"Error: listen EADDRINUSE: address already in use :::21031", "  code: 'EADDRINUSE',", "  port: 21031"},
         {"node", "app.js"},
         {21031}},
        {{"OSError: [Errno 98] Address already in use"}, {"python3", "-m", "http.server", "8000"}, {98, 3, 8000}},
        {{"listen tcp :8080: bind: address already in use"}, {"./server"}, {8080}},
        {{"Address already in use", "Port 5000 is in use by another program."}, {"flask", "run"}, {5000}},
        {{"port 99999999 is already in use"}, {}, {}},
        {{"Something is already running on port 3000."}, {"npm", "start"}, {3000}},
        {{"listening on port 3000"}, {"node", "--port=3000"}, {}},
        {{}, {"x", "8000"}, {}},
        {{"OSError: [Errno 98] Address already in use"}, {"node", "srv.js", "7"}, {98, 3000, 7}, {3000}},
        {{"listening on port 3000"}, {"node"}, {}, {3000}},
    };
    for (const auto& row : rows) {
        const auto found = core::ports_complained_of(row.lines, row.given, row.command);
        CHECK(found == row.ports);
    }
}

}  // namespace failure_test
