#include "common/base/proc.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/catch.hpp"

namespace proc_test {

using namespace persistproc;

TEST_CASE("the program that is executed is told with its whole path") {
    const auto own = base::own_program();
    CHECK(own.is_absolute());
    CHECK(std::filesystem::equivalent(own, "/proc/self/exe"));
}

TEST_CASE("what has run has left a processor more often, and what is gone never") {
    const auto before = base::switches_of(::getpid());
    CHECK(before > 0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) ::_exit(0);
    // To wait for it is to leave the processor, unless it was quicker.
    REQUIRE(::waitpid(child, nullptr, 0) == child);
    CHECK(base::switches_of(::getpid()) >= before);
    CHECK(base::switches_of(child) == 0);
}

}  // namespace proc_test
