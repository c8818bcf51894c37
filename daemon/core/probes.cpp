#include "daemon/core/probes.hpp"

#include <unistd.h>

#include <algorithm>
#include <unordered_set>

#include "common/base/proc.hpp"
#include "common/base/time.hpp"

namespace persistproc::core {

namespace {

/// Adds the children of `pid`, but for those in `spared`.
void append_members(pid_t pid, const std::unordered_set<pid_t>& spared, std::vector<pid_t>& out) {
    const auto before = static_cast<std::ptrdiff_t>(out.size());
    base::append_children(pid, out);
    const auto is_spared = [&](pid_t each) { return spared.contains(each); };
    out.erase(std::remove_if(out.begin() + before, out.end(), is_spared), out.end());
}

/// Of each tree that has no shim, what lives of it.
std::vector<std::vector<pid_t>> find_trees_without_shim(const std::vector<TreeRoots>& roots) {
    std::vector<std::vector<pid_t>> out(roots.size());
    std::vector<StrayRoots> strays;
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < roots.size(); ++i) {
        if (roots[i].strays.is_none()) continue;
        strays.push_back(roots[i].strays);
        places.push_back(i);
    }
    if (strays.empty()) return out;
    const auto found = find_strays(strays);
    for (std::size_t i = 0; i < places.size(); ++i)
        for (const auto& each : found[i]) out[places[i]].push_back(each.pid);
    return out;
}

}  // namespace

std::vector<TreeSample> sample_trees(const std::vector<TreeRoots>& roots) {
    const auto listeners = base::listening_ports();
    // A daemon within a run, and its keepers, are no part of that run's tree.
    std::unordered_set<pid_t> spared{::getpid()};
    for (const auto& each : roots)
        if (each.shim > 0) spared.insert(each.shim);
    std::vector<TreeSample> samples;
    samples.reserve(roots.size());
    auto without_shim = find_trees_without_shim(roots);
    for (std::size_t root = 0; root < roots.size(); ++root) {
        const auto& [shim, program, strays] = roots[root];
        TreeSample sample;
        sample.pids = std::move(without_shim[root]);
        if (shim > 0) append_members(shim, spared, sample.pids);
        if (program > 0) sample.pids.push_back(program);
        for (std::size_t i = 0; i < sample.pids.size() && strays.is_none(); ++i)
            append_members(sample.pids[i], spared, sample.pids);
        // The shim reaps whatever its descendants did not wait for; its own time is not the program's.
        if (shim > 0) sample.cpu_ticks += base::activity_of(shim).reaped_ticks;
        std::int64_t most_shared = 0;
        for (const pid_t pid : sample.pids) {
            const auto activity = base::activity_of(pid);
            sample.cpu_ticks += activity.own_ticks + activity.reaped_ticks;
            if (activity.is_suspended) sample.suspended.push_back(pid);
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
