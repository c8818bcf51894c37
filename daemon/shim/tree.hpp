#pragma once
/// The processes below the keeper. It is their subreaper: whatever they do (setsid, double fork), their chain of
/// parents leads here. A pid is signalled only while a descriptor pins it and that chain has been followed once more.
#include <sys/types.h>

namespace persistproc::shim {

/// Signals every descendant of this process, except those in the process group `but_group` (0: none is excepted).
/// Returns how many there were. What forks meanwhile is found by the next call.
int signal_descendants(int signal, pid_t but_group) noexcept;

}  // namespace persistproc::shim
