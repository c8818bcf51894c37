#pragma once
/// Who a kernel pid really is. A bare pid is never an identity: it is reused, even within one clock tick.
#include <sys/types.h>

#include <array>
#include <cstdint>
#include <optional>

namespace persistproc {
namespace base {

using BootId = std::array<std::uint8_t, 16>;

/// The kernel's random id of this boot (proc(5), random/boot_id); all zero when it cannot be read.
BootId current_boot_id() noexcept;

struct PidIdentity {
    pid_t pid = 0;
    std::uint64_t start_ticks = 0;  // field 22 of /proc/<pid>/stat, clock ticks since boot
    friend bool operator==(const PidIdentity&, const PidIdentity&) = default;
};

/// Start time of a live (or zombie) process. No heap use: the shim calls it too.
std::optional<std::uint64_t> find_start_ticks(pid_t pid) noexcept;

/// Of a live (or zombie) process; 0: it has none here.
std::optional<pid_t> find_parent(pid_t pid) noexcept;

/// Whether a process is gone or on its way out: its files close one after the other, and a listener among them takes
/// connections that nobody will ever serve. What cannot be looked at counts as alive. No heap use.
bool is_exiting(pid_t pid) noexcept;

/// Whether that very process is there and stopped by a signal: it answers nobody until it gets SIGCONT. One that is
/// traced stops for moments (strace at each system call, a leak check at the end) and goes on by itself: it is not.
bool is_suspended(PidIdentity process) noexcept;

/// Whether that very process has exited, and its parent has not taken note yet.
bool is_zombie(PidIdentity process) noexcept;
/// How a zombie ended, as wait(2) will tell its parent. Nothing: it is none, or that is not for us to know. Only on
/// Linux 6.15 or later: an older kernel may say how its first thread ended. No heap use.
std::optional<int> find_wait_status(PidIdentity zombie) noexcept;

}  // namespace base

using base::PidIdentity;

}  // namespace persistproc
