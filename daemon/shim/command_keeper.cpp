#include "daemon/shim/command_keeper.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "common/rundir/control.hpp"
#include "daemon/shim/os.hpp"
#include "daemon/shim/short_text.hpp"
#include "daemon/shim/spawn_child.hpp"

namespace persistproc::shim {

namespace {

constexpr int channel = rundir::start_channel_fd;
constexpr int out_of_reach = 10;  // the first descriptor above those that are given
constexpr std::uint64_t kill_pause = 20 * os::millisecond;
// What does not end on SIGKILL within it (uninterruptible sleep) is left to die.
constexpr std::uint64_t kill_bound = 3000 * os::millisecond;

/// Nothing: it is none.
bool read_number(const char* text, int base, std::uint64_t& out) noexcept {
    const char* at = text;
    for (out = 0; *at >= '0' && *at < '0' + base; ++at)
        out = out * static_cast<std::uint64_t>(base) + static_cast<std::uint64_t>(*at - '0');
    return at != text && *at == '\0';
}

/// Sends SIGKILL to the children that this process has: those of a dead one are its own by then.
void kill_children() noexcept {
    ShortText<64> name("/proc/self/task/");
    name.add(::getpid()).add("/children");
    const int file = ::open(name.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) return;
    char bytes[4096];
    pid_t pid = 0;
    for (ssize_t got; (got = os::read(file, bytes, sizeof bytes)) > 0;)
        for (ssize_t i = 0; i < got; ++i) {
            const bool is_digit = bytes[i] >= '0' && bytes[i] <= '9';
            if (is_digit) pid = pid * 10 + (bytes[i] - '0');
            if (!is_digit && pid > 0) ::kill(pid, SIGKILL);
            if (!is_digit) pid = 0;
        }
    ::close(file);
}

/// How the command itself has ended; `pid` 0: not yet. Reaps whatever else has.
os::Ended reap_all(pid_t command, bool& has_children) noexcept {
    os::Ended out;
    for (;;) {
        int status = 0;
        const pid_t pid = ::waitpid(-1, &status, WNOHANG);
        if (pid < 0 && errno == EINTR) continue;
        has_children = pid == 0;
        if (pid <= 0) return out;
        if (pid == command)
            out = {pid, WIFSIGNALED(status), WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status)};
    }
}

void kill_all(pid_t command, int signals) noexcept {
    const std::uint64_t until = os::now_ns() + kill_bound;
    // Where the kernel does not list children, those of its session are met.
    ::kill(-command, SIGKILL);
    for (bool has_children = true; has_children && os::now_ns() < until;) {
        kill_children();
        reap_all(command, has_children);
        if (!has_children) return;
        pollfd entry{signals, POLLIN, 0};
        os::wait(&entry, 1, os::now_ns() + kill_pause);
        signalfd_siginfo info[8];
        [[maybe_unused]] const ssize_t ignored = ::read(signals, info, sizeof info);
    }
}

void tell(const ShortText<128>& what) noexcept {
    [[maybe_unused]] const ssize_t ignored = ::send(channel, what.c_str(), what.size(), MSG_NOSIGNAL);
}

}  // namespace

int keep_command(int count, char** words) noexcept {
    constexpr int first_word = 5;  // behind the program's name, --command, the time, the mask and the directory
    std::uint64_t time_ms = 0, mask = 0;
    if (count <= first_word || !read_number(words[2], 10, time_ms) || !read_number(words[3], 8, mask)) return 2;
    sigset_t all, before;
    sigfillset(&all);
    ::sigprocmask(SIG_SETMASK, &all, &before);
    sigset_t ended;
    sigemptyset(&ended);
    sigaddset(&ended, SIGCHLD);
    const int signals = ::signalfd(-1, &ended, SFD_CLOEXEC | SFD_NONBLOCK);
    int release[2], report[2];
    const bool is_settled = signals >= 0 && ::prctl(PR_SET_CHILD_SUBREAPER, 1) == 0 &&
                            ::pipe2(release, O_CLOEXEC) == 0 && ::pipe2(report, O_CLOEXEC | O_NONBLOCK) == 0;
    if (!is_settled) return 1;
    ::prctl(PR_SET_NAME, "persistproc-shim");

    rundir::SpecView spec;
    spec.argv = words + first_word;
    spec.environment = environ;
    // Its place may be needed by become_child.
    spec.working_directory = words[first_word - 1];
    spec.umask = static_cast<mode_t>(mask);
    SpawnPlan plan;
    plan.spec = &spec;
    plan.out = ::fcntl(1, F_DUPFD_CLOEXEC, out_of_reach);
    plan.err = ::fcntl(2, F_DUPFD_CLOEXEC, out_of_reach);
    plan.release = release[0];
    plan.report = report[1];
    if (plan.out < 0 || plan.err < 0 || ::write(release[1], "", 1) != 1) return 1;
    const pid_t command = ::fork();
    if (command < 0) {
        tell(ShortText<128>("failed ").add(errno).add(" fork"));
        return 0;
    }
    if (command == 0) become_child(plan);
    // Who reads the output sees its end when the command's tree is gone.
    ::close(report[1]);
    for (const int fd : {1, 2, plan.out, plan.err}) ::close(fd);

    const std::uint64_t deadline = os::now_ns() + time_ms * os::millisecond;
    os::Ended end;
    bool is_wanted = true, has_children = true;
    while (end.pid == 0 && is_wanted && os::now_ns() < deadline) {
        pollfd entries[2] = {{signals, POLLIN, 0}, {channel, POLLIN, 0}};
        os::wait(entries, 2, deadline);
        signalfd_siginfo info[8];
        [[maybe_unused]] const ssize_t ignored = ::read(signals, info, sizeof info);
        end = reap_all(command, has_children);
        is_wanted = entries[1].revents == 0;
    }
    kill_all(command, signals);
    if (!is_wanted) return 0;
    SpawnFailure failure;
    const bool has_failed = os::read(report[0], &failure, sizeof failure) == sizeof failure;
    if (has_failed)
        tell(ShortText<128>("failed ").add(failure.error).add(" ").add(rundir::stage_name(failure.stage)));
    else if (end.pid == 0)
        tell(ShortText<128>("timeout"));
    else
        tell(ShortText<128>(end.killed ? "killed " : "exited ").add(end.value));
    return 0;
}

}  // namespace persistproc::shim
