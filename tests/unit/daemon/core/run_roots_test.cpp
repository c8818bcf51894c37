#include "daemon/core/run_roots.hpp"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vector>

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
    CHECK(look_above(child, none).root == nullptr);
    CHECK_FALSE(look_above(child, none).is_gone);
    CHECK(look_above(child, by_program).root == &by_program[1]);
    CHECK(look_above(self.pid, by_program).root == &by_program[1]);
    CHECK(look_above(child, by_keeper).root == &by_keeper[1]);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    CHECK(look_above(child, by_program).is_gone);
    CHECK(look_above(child, by_program).root == nullptr);
}

}  // namespace run_roots_test
