#include "daemon/shim/spawn_child.hpp"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "common/rundir/run_mark.hpp"

namespace persistproc::shim {
namespace {

using rundir::Stage;

[[noreturn]] void fail(const SpawnPlan& plan, Stage stage, int error) noexcept {
    const SpawnFailure failure{stage, error};
    // Less than PIPE_BUF: written whole or not at all.
    [[maybe_unused]] const ssize_t ignored = ::write(plan.report, &failure, sizeof failure);
    ::_exit(127);
}

void wait_for_release(const SpawnPlan& plan) noexcept {
    char byte;
    ssize_t got;
    do got = ::read(plan.release, &byte, 1);
    while (got < 0 && errno == EINTR);
    // Nobody has heard of us yet, or somebody holds the report for a successor of the keeper.
    if (got != 1) fail(plan, Stage::fork, ECANCELED);
}

void take_standard_descriptors(const SpawnPlan& plan) noexcept {
    if (plan.terminal >= 0) {
        for (int fd = 0; fd < 3; ++fd)
            if (::dup2(plan.terminal, fd) < 0) fail(plan, Stage::stdio, errno);
        if (::ioctl(0, TIOCSCTTY, 0) != 0) fail(plan, Stage::pty, errno);
        return;
    }
    const int in = plan.in >= 0 ? plan.in : ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (in < 0 || ::dup2(in, 0) < 0 || ::dup2(plan.out, 1) < 0 || ::dup2(plan.err, 2) < 0)
        fail(plan, Stage::stdio, errno);
}

void keep_standard_descriptors_alone(int report) noexcept {
    constexpr unsigned close_on_exec = 1u << 2;  // CLOSE_RANGE_CLOEXEC, Linux 5.11
    if (::syscall(SYS_close_range, 3u, ~0u, close_on_exec) == 0) return;
    rlimit open{};
    const bool known = ::getrlimit(RLIMIT_NOFILE, &open) == 0 && open.rlim_cur < 65536;
    const int end = known ? static_cast<int>(open.rlim_cur) : 65536;
    for (int fd = 3; fd < end; ++fd)
        if (fd != report) ::close(fd);
}

void take_default_signals() noexcept {
    struct sigaction standard {};
    standard.sa_handler = SIG_DFL;
    for (int signal = 1; signal <= 64; ++signal) ::sigaction(signal, &standard, nullptr);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

/// Returns 0 or errno. The caller may have had more than the daemon was given, as in a terminal beside a service
/// manager; only root can give that back, and the program gets as much as there is.
int set_limit(const rundir::ResourceLimit& limit) noexcept {
    const auto resource = static_cast<__rlimit_resource>(limit.resource);
    rlimit both{static_cast<rlim_t>(limit.soft), static_cast<rlim_t>(limit.hard)};
    if (::setrlimit(resource, &both) == 0) return 0;
    rlimit own{};
    if (errno != EPERM || ::getrlimit(resource, &own) != 0) return errno;
    if (both.rlim_max > own.rlim_max) both.rlim_max = own.rlim_max;
    if (both.rlim_cur > both.rlim_max) both.rlim_cur = both.rlim_max;
    return ::setrlimit(resource, &both) == 0 ? 0 : errno;
}

const char* find_path(char** environment) noexcept {
    for (; *environment != nullptr; ++environment)
        if (std::strncmp(*environment, "PATH=", 5) == 0) return *environment + 5;
    return "/bin:/usr/bin";
}

/// As shells decide it: what holds a NUL in its first line is no script. One that names its interpreter is not the
/// shell's, whatever is wrong with that.
bool is_for_shell(const char* path) noexcept {
    char beginning[256];
    const int file = ::open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (file < 0) return true;  // the shell says why
    const ssize_t got = ::read(file, beginning, sizeof beginning);
    ::close(file);
    if (got <= 0) return true;
    const auto size = static_cast<std::size_t>(got);
    if (size >= 4 && std::memcmp(beginning,
                                 "\x7f"
                                 "ELF",
                                 4) == 0)
        return false;
    if (size >= 2 && std::memcmp(beginning, "#!", 2) == 0) return false;
    const void* const end = std::memchr(beginning, '\n', size);
    const std::size_t line =
        end == nullptr ? size : static_cast<std::size_t>(static_cast<const char*>(end) - beginning);
    return std::memchr(beginning, '\0', line) == nullptr;
}

/// One attempt; returns errno. A text file without "#!" is given to the shell, as execvp(3) does.
int try_exec(const char* path, char** argv, char** environment) noexcept {
    ::execve(path, argv, environment);
    if (errno != ENOEXEC) return errno;
    if (!is_for_shell(path)) return ENOEXEC;
    static char shell[] = "/bin/sh";
    char** with_shell = argv - 1;
    char* const first = argv[0];
    with_shell[0] = shell;
    argv[0] = const_cast<char*>(path);
    ::execve(shell, with_shell, environment);
    const int error = errno;
    argv[0] = first;
    return error;
}

/// A word without a slash is looked for in PATH. EACCES in one directory does not end the search but outlives ENOENT.
int exec_by_path(char** argv, char** environment) noexcept {
    const char* name = argv[0];
    const std::size_t name_size = std::strlen(name);
    if (name_size == 0) return ENOENT;
    if (std::strchr(name, '/') != nullptr) return try_exec(name, argv, environment);
    int error = ENOENT;
    static char path[PATH_MAX];
    for (const char* at = find_path(environment);; ++at) {
        const std::size_t size = std::strcspn(at, ":");
        if (size + 1 + name_size + 1 <= sizeof path) {
            std::memcpy(path, at, size);
            std::size_t used = size;
            if (used > 0) path[used++] = '/';  // an empty entry is the working directory
            std::memcpy(path + used, name, name_size + 1);
            const int result = try_exec(path, argv, environment);
            if (result == EACCES)
                error = EACCES;
            else if (result != ENOENT && result != ENOTDIR && result != ESTALE && result != ENODEV &&
                     result != ETIMEDOUT && result != ENAMETOOLONG && result != ELOOP)
                return result;
        }
        at += size;
        if (*at == '\0') return error;
    }
}

}  // namespace

void become_child(const SpawnPlan& plan) noexcept {
    const rundir::SpecView& spec = *plan.spec;
    wait_for_release(plan);
    if (::setsid() < 0) fail(plan, Stage::setsid, errno);
    take_standard_descriptors(plan);
    keep_standard_descriptors_alone(plan.report);
    ::umask(spec.umask);
    for (int i = 0; i < spec.limit_count; ++i) {
        if (spec.limits[i].resource == RLIMIT_LOCKS) continue;
        if (const int error = set_limit(spec.limits[i])) fail(plan, Stage::limits, error);
    }
    if (!rundir::lower_lock_limit()) fail(plan, Stage::limits, errno);
    if (::chdir(spec.working_directory) != 0) fail(plan, Stage::chdir, errno);
    take_default_signals();
    fail(plan, Stage::execve, exec_by_path(spec.argv, spec.environment));
}

}  // namespace persistproc::shim
