#pragma once
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include <stdexcept>
#include <string>

#include "common/base/process_identity.hpp"
#include "common/rundir/run_mark.hpp"

namespace persistproc::tests {

/// A program that carries the mark of a run, and nothing else that tells whose it is.
class MarkedProgram {
public:
    explicit MarkedProgram(const std::string& mark) {
        std::string variable = std::string(rundir::run_mark_name) + "=" + mark;
        char name[] = "/bin/sleep", how_long[] = "1000";
        char* const argv[] = {name, how_long, nullptr};
        char* const environment[] = {variable.data(), nullptr};
        if (::posix_spawn(&pid_, name, nullptr, nullptr, argv, environment) != 0)
            throw std::runtime_error("/bin/sleep cannot be executed");
    }
    MarkedProgram(const MarkedProgram&) = delete;
    MarkedProgram& operator=(const MarkedProgram&) = delete;
    ~MarkedProgram() {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    /// SIGSTOP, and back once it has stopped.
    void suspend() const {
        ::kill(pid_, SIGSTOP);
        siginfo_t info{};
        ::waitid(P_PID, static_cast<id_t>(pid_), &info, WSTOPPED | WNOWAIT);
    }
    base::PidIdentity identity() const { return {pid_, base::find_start_ticks(pid_).value_or(0)}; }
    bool lives() const {
        siginfo_t info{};
        return ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
    }

private:
    pid_t pid_ = 0;
};

}  // namespace persistproc::tests
