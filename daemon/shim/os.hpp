#pragma once
/// The system calls of the keeper whose outcome depends on the world, in one thin namespace: tests link another os.cpp.
/// Each returns 0 (or a descriptor) or, as said, a negative errno; nothing here allocates or throws.
#include <poll.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>

#include "common/base/process_identity.hpp"

namespace persistproc::shim::os {

inline constexpr std::uint64_t never = UINT64_MAX;
inline constexpr std::uint64_t millisecond = 1'000'000;

/// CLOCK_MONOTONIC in nanoseconds.
std::uint64_t now_ns() noexcept;
std::int64_t wall_ns() noexcept;
std::uint64_t boot_ns() noexcept;

/// Waits for events until `deadline` (of `now_ns`; `never`: as long as it takes).
void wait(pollfd* entries, std::size_t count, std::uint64_t deadline) noexcept;

/// From here on this process, when something wakes it, lets who runs go on to the end of its turn (SCHED_BATCH).
/// Returns false where another policy than the usual one was chosen for it: that stays.
bool begin_patience() noexcept;
void end_patience() noexcept;

/// Bytes read, 0 at the end, or a negative errno. EINTR is retried.
ssize_t read(int fd, void* into, std::size_t room) noexcept;
/// Whole small file into `into`: bytes read or a negative errno.
ssize_t read_file_at(int directory, const char* name, void* into, std::size_t room) noexcept;

/// Takes the lock on a whole file, as base::FileLock. Returns 0 or errno; EWOULDBLOCK: somebody else holds it.
int lock_file(int fd) noexcept;

/// Bytes that a read of the pipe, or of a terminal's master, gives now; 0: none, -1: its end.
ssize_t available(int pipe) noexcept;

/// Size the pipe has afterwards, or a negative errno.
int set_pipe_bytes(int fd, int bytes) noexcept;

/// A child that has ended, left unreaped.
struct Ended {
    pid_t pid = 0;  // 0: none now
    bool killed = false;
    int value = 0;  // signal or exit code
    bool no_children = false;
};
/// Looks without reaping: at `pid`, or at any child when it is 0.
Ended peek_ended(pid_t pid) noexcept;
void reap(pid_t pid) noexcept;
/// A pidfd of that very process, be it a zombie; -ESRCH: it is gone, or its pid is another's by now; any other negative
/// errno: that cannot be told.
int open_process(base::PidIdentity process) noexcept;
/// Whether the process behind a pidfd is no more, be it reaped or not.
bool has_ended(int pidfd) noexcept;
/// How `process`, behind a pidfd, ended, though another is its parent, whether that has reaped it or not
/// (PIDFD_INFO_EXIT, Linux 6.15). `pid` 0: the kernel cannot tell, or not yet.
Ended find_ended(int pidfd, base::PidIdentity process) noexcept;
/// Whether this kernel may ever answer that.
bool tells_ends(int pidfd) noexcept;

/// Gives back the pages of the stack that calls which are over have used.
void release_stack() noexcept;

/// Returns 0 or errno.
int kill_group(pid_t leader, int signal) noexcept;

}  // namespace persistproc::shim::os
