#pragma once
/// What the kernel says of a run's tree of processes: listening ports, CPU time, memory. The tree is everything below
/// the shim, which is the subreaper of all of it; below a shim that took over from another, it is the program and what
/// is below that. Of a run whose shim is gone see strays.hpp.
#include <sys/types.h>

#include <cstdint>
#include <vector>

#include "daemon/core/strays.hpp"

namespace persistproc::core {

struct TreeSample {
    std::vector<int> ports;         // TCP, listening, ascending
    std::uint64_t cpu_ticks = 0;    // user and system time of the living and of those that were waited for, clock ticks
    std::int64_t memory_bytes = 0;  // resident; what is shared counts once, by the process that shares most
    std::vector<pid_t> pids;
    std::vector<pid_t> suspended;  // of these, by a signal
    std::uint64_t taken_boot_ns = 0;
};

struct TreeRoots {
    pid_t shim = 0;
    pid_t program = 0;    // 0: it is below the shim
    StrayRoots strays{};  // of a run without a shim
};

/// Samples several trees at once (the listening sockets are read once). Below this process, and below the shims of
/// `roots`, is no part of another's tree. A shim that is gone gives an empty sample.
/// About 50 µs per process of a tree; blocks; any thread.
std::vector<TreeSample> sample_trees(const std::vector<TreeRoots>& roots);

}  // namespace persistproc::core
