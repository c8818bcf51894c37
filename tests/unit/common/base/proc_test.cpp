#include "common/base/proc.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "tests/support/catch.hpp"

namespace proc_test {

using namespace persistproc;

TEST_CASE("the program that is executed is told with its whole path") {
    const auto own = base::own_program();
    CHECK(own.is_absolute());
    CHECK(std::filesystem::equivalent(own, "/proc/self/exe"));
}

TEST_CASE("what has waited has left a processor, and what is gone never") {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        ::pause();
        ::_exit(0);
    }
    // It is counted when it has gone to sleep, which nothing else tells.
    while (base::switches_of(child) == 0) std::this_thread::yield();
    REQUIRE(::kill(child, SIGKILL) == 0);
    REQUIRE(::waitpid(child, nullptr, 0) == child);
    CHECK(base::switches_of(child) == 0);
}

}  // namespace proc_test
