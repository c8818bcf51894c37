#pragma once
/// The processes below the keeper. It is their subreaper: whatever they do (setsid, double fork), their chain of
/// parents leads here. A pid is signalled only while a descriptor pins it and that chain has been followed once more.
#include <sys/types.h>

namespace persistproc::shim {

/// Signals every descendant of this process, except those in the process group `but_group` (0: none is excepted).
/// Returns how many there were. What forks meanwhile is found by the next call.
int signal_descendants(int signal, pid_t but_group) noexcept;

/// The same for processes whose environment holds the entry `mark` ("NAME=value"): those of a run that another process
/// began, and whose parents therefore lead elsewhere. With signal 0 it only counts.
int signal_marked(const char* mark, int signal, pid_t but_group) noexcept;
/// Whether that process lives and carries the entry, which it does from its execve on.
bool has_mark(pid_t pid, const char* mark) noexcept;

}  // namespace persistproc::shim
