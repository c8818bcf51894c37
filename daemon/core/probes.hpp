#pragma once
/// What the kernel says of a run's tree of processes: listening ports, CPU time, memory. The tree is everything below
/// the shim, which is the subreaper of all of it. Of a run whose shim is gone, or took over from another, see
/// strays.hpp.
#include <sys/types.h>

#include <array>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "daemon/core/forked_memory.hpp"
#include "daemon/core/strays.hpp"

namespace persistproc::core {

struct TreeSample {
    std::vector<int> ports;         // TCP, listening, ascending
    std::uint64_t cpu_ticks = 0;    // user and system time of the living and of those that were waited for, clock ticks
    std::int64_t memory_bytes = 0;  // resident; what is shared counts once: of files by the process that has most of
                                    // them, of forks as forked_memory.hpp says
    std::vector<pid_t> pids;
    std::vector<pid_t> suspended;  // of these, by a signal
    std::uint64_t taken_boot_ns = 0;
};

struct TreeRoots {
    pid_t shim = 0;
    StrayRoots strays{};  // of a run without a shim, or with another than the one that began it
};

/// Samples trees. Blocks; one thread at a time, which has another's help where there are many.
class TreeSampler {
public:
    /// Samples several trees at once (the listening sockets are read once). Below this process, and below the shims of
    /// `roots`, is no part of another's tree. A shim that is gone gives an empty sample.
    /// Of a tree whose members have forked from each other some memory may be walked, up to 0.3 s a call.
    /// About 10 us per process of a tree, less where most of the machine's processes belong to `roots`, and more for
    /// each whose descriptors are looked at: since the last call it has begun, opened or closed some, or somebody began
    /// to listen.
    std::vector<TreeSample> sample(const std::vector<TreeRoots>& roots);

private:
    /// What was found among the descriptors of a process.
    struct Sockets {
        std::uint64_t start_ticks = 0;
        std::int64_t descriptors = 0;
        std::uint64_t call = 0;  // the last one that asked for it
        std::vector<std::uint64_t> listening;
    };

    using Known = std::unordered_map<pid_t, Sockets>;

    const std::vector<std::uint64_t>& listening_sockets(Known& all, pid_t pid, std::uint64_t start_ticks) const;

    std::uint64_t calls_ = 0;
    std::unordered_map<std::uint64_t, int> listeners_;  // inode to port, at the last call
    std::array<ForkedMemory, 2> memory_;                // of each half of the trees
    std::array<Known, 2> sockets_;  // as found since the newest listener appeared; of each half of the trees
};

}  // namespace persistproc::core
