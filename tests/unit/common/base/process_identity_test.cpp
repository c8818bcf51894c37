#include "common/base/process_identity.hpp"

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/catch.hpp"

namespace process_identity_test {

using namespace persistproc;

TEST_CASE("a process is exiting from its death on, not before") {
    CHECK(!base::is_exiting(::getpid()));
    int gate[2];
    REQUIRE(::pipe(gate) == 0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        char byte;
        ::close(gate[1]);
        ::_exit(::read(gate[0], &byte, 1) == 0 ? 0 : 1);
    }
    CHECK(!base::is_exiting(child));
    CHECK(base::find_start_ticks(child).has_value());
    ::close(gate[1]);
    siginfo_t ended{};
    REQUIRE(::waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOWAIT) == 0);
    CHECK(base::is_exiting(child));
    REQUIRE(::waitpid(child, nullptr, 0) == child);
    CHECK(base::is_exiting(child));
    CHECK(!base::find_start_ticks(child));
    ::close(gate[0]);
}

TEST_CASE("how a zombie ended is known before anybody has reaped it, and not before its end") {
    constexpr int code = 7;
    const bool is_killed = GENERATE(false, true);
    int gate[2];
    REQUIRE(::pipe(gate) == 0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        char byte;
        ::close(gate[1]);
        (void)!::read(gate[0], &byte, 1);
        if (is_killed) ::raise(SIGKILL);
        ::_exit(code);
    }
    const base::PidIdentity process{child, base::find_start_ticks(child).value_or(0)};
    CHECK(!base::find_wait_status(process));
    ::close(gate[1]);
    siginfo_t ended{};
    REQUIRE(::waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOWAIT) == 0);
    const auto status = base::find_wait_status(process);
    CHECK(!base::find_wait_status({child, process.start_ticks + 1}));
    int told = 0;
    REQUIRE(::waitpid(child, &told, 0) == child);
    CHECK(status == told);
    CHECK(!base::find_wait_status(process));
    ::close(gate[0]);
}

TEST_CASE("a stopped process is suspended until it goes on, and another of its pid is not it") {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        ::raise(SIGSTOP);
        ::_exit(0);
    }
    siginfo_t seen{};
    REQUIRE(::waitid(P_PID, static_cast<id_t>(child), &seen, WSTOPPED) == 0);
    const std::uint64_t start = base::find_start_ticks(child).value_or(0);
    CHECK(base::is_suspended({child, start}));
    CHECK(!base::is_suspended({child, start + 1}));
    CHECK(!base::is_suspended({::getpid(), base::find_start_ticks(::getpid()).value_or(0)}));
    ::kill(child, SIGCONT);
    REQUIRE(::waitpid(child, nullptr, 0) == child);
    CHECK(!base::is_suspended({child, start}));
}

TEST_CASE("a process that its tracer holds is not suspended") {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) ::_exit(1);
        ::raise(SIGSTOP);
        ::_exit(0);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFSTOPPED(status));
    CHECK(!base::is_suspended({child, base::find_start_ticks(child).value_or(0)}));
    ::ptrace(PTRACE_DETACH, child, nullptr, nullptr);
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
}

}  // namespace process_identity_test
