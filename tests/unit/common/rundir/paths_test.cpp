#include "common/rundir/paths.hpp"

#include "tests/support/catch.hpp"

namespace paths_test {

using namespace persistproc;

TEST_CASE("paths are made of ids alone") {
    const auto process = rundir::process_paths("/d", ProcessId{3});
    CHECK(process.log == "/d/procs/p3/log");
    CHECK(process.runs == "/d/procs/p3/runs");
    const auto run = rundir::run_paths("/d", RunId{{3}, 14});
    CHECK(run.root == "/d/procs/p3/runs/14");
    CHECK(run.spec == "/d/procs/p3/runs/14/spec");
    CHECK(run.state == "/d/procs/p3/runs/14/state");
    CHECK(run.shim_lock == "/d/procs/p3/runs/14/shim.lock");
}

}  // namespace paths_test
