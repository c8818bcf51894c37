#include "daemon/core/probes.hpp"

#include <algorithm>

#include "common/base/proc.hpp"
#include "common/base/time.hpp"

namespace persistproc::core {

std::vector<TreeSample> sample_trees(const std::vector<TreeRoots>& roots) {
    const auto listeners = base::listening_ports();
    std::vector<TreeSample> samples;
    samples.reserve(roots.size());
    for (const auto& [shim, program] : roots) {
        TreeSample sample;
        if (shim > 0) base::append_children(shim, sample.pids);
        if (program > 0) sample.pids.push_back(program);
        for (std::size_t i = 0; i < sample.pids.size(); ++i) base::append_children(sample.pids[i], sample.pids);
        // The shim reaps whatever its descendants did not wait for; its own time is not the program's.
        if (shim > 0) sample.cpu_ticks += base::cpu_ticks(shim).reaped;
        std::int64_t most_shared = 0;
        for (const pid_t pid : sample.pids) {
            const auto ticks = base::cpu_ticks(pid);
            sample.cpu_ticks += ticks.own + ticks.reaped;
            const auto resident = base::resident_bytes(pid);
            sample.memory_bytes += resident.all - resident.shared;
            most_shared = std::max(most_shared, resident.shared);
            if (listeners.empty()) continue;
            for (const auto inode : base::socket_inodes(pid))
                if (const auto found = listeners.find(inode); found != listeners.end())
                    sample.ports.push_back(found->second);
        }
        sample.memory_bytes += most_shared;
        std::sort(sample.ports.begin(), sample.ports.end());
        sample.ports.erase(std::unique(sample.ports.begin(), sample.ports.end()), sample.ports.end());
        sample.taken_boot_ns = base::boot_now_ns();
        samples.push_back(std::move(sample));
    }
    return samples;
}

}  // namespace persistproc::core
