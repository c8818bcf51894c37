#include "daemon/core/run_roots.hpp"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vector>

#include "common/rundir/run_mark.hpp"
#include "tests/support/catch.hpp"

namespace run_roots_test {

using namespace persistproc;
using core::look_above, core::RunRoot;

TEST_CASE("a process is part of the run whose program or keeper is above it") {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0)
        for (;;) ::pause();
    const PidIdentity self{::getpid(), base::find_start_ticks(::getpid()).value()};
    RunRoot other, program, keeper;
    other.program = {self.pid, self.start_ticks + 1};  // a pid that was used before
    program.program = self;
    keeper.keeper = self;
    const std::vector<RunRoot> none{other}, by_program{other, program}, by_keeper{other, keeper};
    // A command of a check, or what a killed keeper left: it is below this process.
    CHECK(look_above(child, none).root == nullptr);
    CHECK(look_above(child, none).is_ours);
    CHECK_FALSE(look_above(child, none).is_gone);
    CHECK_FALSE(look_above(self.pid, none).is_ours);
    CHECK(look_above(child, by_program).root == &by_program[1]);
    CHECK(look_above(self.pid, by_program).root == &by_program[1]);
    CHECK(look_above(child, by_keeper).root == &by_keeper[1]);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    CHECK(look_above(child, by_program).is_gone);
    CHECK(look_above(child, by_program).root == nullptr);
}

TEST_CASE("a process whose parents are gone keeps the limit that programs of ours have") {
    const bool lowers = GENERATE(false, true);
    int report[2];
    REQUIRE(::pipe(report) == 0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        const bool is_lowered = !lowers || rundir::lower_lock_limit();
        const pid_t orphan = ::fork();
        if (orphan == 0)
            for (;;) ::pause();
        (void)!::write(report[1], &orphan, is_lowered ? sizeof orphan : 0);
        ::_exit(0);
    }
    ::close(report[1]);
    ::waitpid(child, nullptr, 0);
    pid_t orphan = 0;
    REQUIRE(::read(report[0], &orphan, sizeof orphan) == sizeof orphan);
    CHECK(look_above(orphan, {}).is_ours == lowers);
    CHECK(look_above(orphan, {}).root == nullptr);
    ::kill(orphan, SIGKILL);
    ::close(report[0]);
}

}  // namespace run_roots_test
