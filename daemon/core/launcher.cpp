#include "daemon/core/launcher.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <new>

namespace persistproc::core {

namespace {

constexpr std::size_t stack_bytes = 64 * 1024;

// ThreadSanitizer keeps its notes about this thread in memory that a sharing child would spoil: it forgets locks then.
#ifdef __SANITIZE_THREAD__
constexpr int sharing = 0;
#else
constexpr int sharing = CLONE_VM;
#endif

struct Mapping {
    void* memory;
    ~Mapping() { ::munmap(memory, stack_bytes); }
};

struct Plan {
    const char* executable;
    int program;
    char* const* argv;
    char* const* environment;
    int stdio[3];
    int channel;
    // Written by the child, read by the parent: they share memory until execve.
    volatile int failed_errno = 0;
    const char* volatile failed_stage = nullptr;
};

/// Runs on borrowed memory: system calls only, nothing that allocates, locks or unwinds.
int child_main(void* argument) {
    auto& plan = *static_cast<Plan*>(argument);
    const auto fail = [&](const char* stage) {
        plan.failed_errno = errno;
        plan.failed_stage = stage;
        ::_exit(127);
        return 0;
    };
    if (::setsid() < 0) return fail("setsid");
    // Sources were lifted above 9 by the parent, so no dup2 overwrites one that is still needed.
    for (int i = 0; i < 3; ++i)
        if (::dup2(plan.stdio[i], i) < 0) return fail("dup2");
    if (::dup2(plan.channel, 3) < 0) return fail("dup2");
    if (::syscall(SYS_close_range, 4u, ~0u, 4u /* CLOSE_RANGE_CLOEXEC */) != 0)
        for (int fd = 4; fd < 65536; ++fd) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    if (::chdir("/") < 0) return fail("chdir");
    struct sigaction standard {};
    standard.sa_handler = SIG_DFL;
    for (int signal = 1; signal < NSIG; ++signal) ::sigaction(signal, &standard, nullptr);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    if (plan.program >= 0)
        ::syscall(SYS_execveat, plan.program, "", plan.argv, plan.environment, AT_EMPTY_PATH);
    else
        ::execve(plan.executable, plan.argv, plan.environment);
    return fail("execve");
}

std::vector<char*> pointers(const std::vector<std::string>& words) {
    std::vector<char*> out;
    out.reserve(words.size() + 1);
    for (const auto& word : words) out.push_back(const_cast<char*>(word.c_str()));
    out.push_back(nullptr);
    return out;
}

}  // namespace

Result<Launched> launch(const Launch& what) {
    const auto argv = pointers(what.arguments);
    const auto environment = pointers(what.environment);
    // Shared, so that the child's word about a failure also comes back where its memory is a copy.
    void* stack = ::mmap(nullptr, stack_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED)
        return base::with_context(base::os_failure("mmap", errno), "cannot start " + what.executable);
    const Mapping mapping{stack};
    // At the lowest address of the stack, which grows from the highest one and never comes so far.
    Plan& plan = *new (stack) Plan{.executable = what.executable.c_str(),
                                   .program = -1,
                                   .argv = argv.data(),
                                   .environment = environment.data(),
                                   .stdio = {-1, -1, -1},
                                   .channel = -1};
    // So that no dup2 of the child overwrites it.
    base::UniqueFd program;
    if (what.program >= 0) {
        program.reset(::fcntl(what.program, F_DUPFD_CLOEXEC, 10));
        if (!program) return base::with_context(base::os_failure("dup", errno), "cannot start " + what.executable);
        plan.program = program.get();
    }
    base::UniqueFd lifted[4];
    for (int i = 0; i < 4; ++i) {
        const int source = i < 3 ? what.stdio[i] : what.channel;
        lifted[i].reset(::fcntl(source, F_DUPFD_CLOEXEC, 10));
        if (!lifted[i]) return base::with_context(base::os_failure("dup", errno), "cannot start " + what.executable);
        (i < 3 ? plan.stdio[i] : plan.channel) = lifted[i].get();
    }

    // No handler of ours may run in the child on our memory.
    sigset_t all, before;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    int pidfd = -1;
    const pid_t pid = ::clone(child_main, static_cast<char*>(stack) + stack_bytes,
                              sharing | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, &plan, &pidfd);
    const int clone_errno = errno;
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);

    if (pid < 0) {
        Error error = base::os_failure(fmt::format("cannot start {}: clone", what.executable), clone_errno);
        error.code = ErrorCode::unavailable;
        return error;
    }
    Launched launched{pid, base::UniqueFd(pidfd)};
    if (plan.failed_stage != nullptr) {
        siginfo_t info{};
        while (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED) != 0 && errno == EINTR) {
        }
        Error error = base::os_failure(
            fmt::format("cannot start {}: {}", what.executable, static_cast<const char*>(plan.failed_stage)),
            plan.failed_errno);
        // Not the caller's program, which is what `exec_failed` tells of.
        error.code = ErrorCode::unavailable;
        return error;
    }
    return launched;
}

}  // namespace persistproc::core
