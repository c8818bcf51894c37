#pragma once
/// The variable that every process of a run's tree inherits: NAME=<32 hex digits of the run's nonce>. It tells whose a
/// process is whose parents are gone.
///
/// And a hard limit that all of them inherit, and the commands of checks, too, which anybody can lower and only root
/// raise (setrlimit(2)): one less than the daemon's, of locks on files, which mean nothing since Linux 2.4.25. It tells
/// a program that the daemon has started, when environment, session and parents tell nothing.
#include <sys/resource.h>
#include <sys/types.h>

#include <cstring>

namespace persistproc::rundir {

inline constexpr char run_mark_name[] = "_PP_RUN_MARK";

/// Takes it from this process: from its environment, and from what others read of that (/proc/PID/environ is the memory
/// that the process was started with). A daemon belongs to no run, even if it was started within one.
inline void drop_run_mark(char** environment) noexcept {
    constexpr std::size_t name_size = sizeof run_mark_name - 1;
    char** kept = environment;
    for (char** each = environment; *each != nullptr; ++each) {
        if (std::strncmp(*each, run_mark_name, name_size) == 0 && (*each)[name_size] == '=')
            std::memset(*each, 0, std::strlen(*each));
        else
            *kept++ = *each;
    }
    *kept = nullptr;
}

/// For a program that is about to be executed. Returns whether it could be done.
inline bool lower_lock_limit() noexcept {
    rlimit limit{};
    if (::getrlimit(RLIMIT_LOCKS, &limit) != 0) return false;
    if (limit.rlim_max > 0) --limit.rlim_max;
    limit.rlim_cur = limit.rlim_max;
    return ::setrlimit(RLIMIT_LOCKS, &limit) == 0;
}

/// Whether the limit of that process is lower than this one's. False where the kernel does not tell.
inline bool has_lower_lock_limit(pid_t pid) noexcept {
    rlimit own{}, other{};
    return ::getrlimit(RLIMIT_LOCKS, &own) == 0 && ::prlimit(pid, RLIMIT_LOCKS, nullptr, &other) == 0 &&
           other.rlim_max < own.rlim_max;
}

}  // namespace persistproc::rundir
