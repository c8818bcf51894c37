#include "daemon/core/probes.hpp"

#include <unistd.h>

#include <algorithm>
#include <unordered_set>

#include "common/base/proc.hpp"
#include "common/base/time.hpp"

namespace persistproc::core {

namespace {

/// Whoever watches one process asks often; what is known of all others stays meanwhile.
constexpr std::uint64_t calls_kept = 100;

/// Adds the children of `pid`, but for those in `spared`.
void append_members(pid_t pid, const base::Activity& activity, const std::unordered_set<pid_t>& spared,
                    std::vector<pid_t>& out) {
    const auto before = static_cast<std::ptrdiff_t>(out.size());
    base::append_children(pid, out, activity.threads == 1);
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

/// A socket that listens and did not at the last call has been made by somebody since, or began to listen: whose it is
/// stands in descriptors that may all have been looked at before. A process that came by one otherwise has begun, or
/// has one descriptor more.
const std::vector<std::uint64_t>& TreeSampler::listening_sockets(pid_t pid, std::uint64_t start_ticks) {
    const std::int64_t descriptors = base::count_descriptors(pid);
    Sockets& known = sockets_[pid];
    const bool is_known = known.call > 0 && known.start_ticks == start_ticks && known.descriptors == descriptors;
    known.call = calls_;
    if (is_known) return known.listening;
    known.start_ticks = start_ticks;
    known.descriptors = descriptors;
    known.listening.clear();
    for (const auto inode : base::socket_inodes(pid))
        if (listeners_.contains(inode)) known.listening.push_back(inode);
    return known.listening;
}

std::vector<TreeSample> TreeSampler::sample(const std::vector<TreeRoots>& roots) {
    auto listeners = base::listening_ports();
    const auto is_known = [&](const auto& each) { return listeners_.contains(each.first); };
    if (!std::all_of(listeners.begin(), listeners.end(), is_known)) sockets_.clear();
    listeners_ = std::move(listeners);
    ++calls_;
    // A daemon within a run, and its keepers, are no part of that run's tree.
    std::unordered_set<pid_t> spared{::getpid()};
    for (const auto& each : roots)
        if (each.shim > 0) spared.insert(each.shim);
    std::vector<TreeSample> samples;
    samples.reserve(roots.size());
    auto without_shim = find_trees_without_shim(roots);
    for (std::size_t root = 0; root < roots.size(); ++root) {
        const auto& [shim, strays] = roots[root];
        TreeSample sample;
        sample.pids = std::move(without_shim[root]);
        if (shim > 0) {
            const auto activity = base::activity_of(shim);
            // The shim reaps whatever its descendants did not wait for; its own time is not the program's.
            sample.cpu_ticks += activity.reaped_ticks;
            append_members(shim, activity, spared, sample.pids);
        }
        std::int64_t most_shared = 0;
        for (std::size_t i = 0; i < sample.pids.size(); ++i) {
            const pid_t pid = sample.pids[i];
            const auto activity = base::activity_of(pid);
            if (strays.is_none()) append_members(pid, activity, spared, sample.pids);
            sample.cpu_ticks += activity.own_ticks + activity.reaped_ticks;
            if (activity.is_suspended) sample.suspended.push_back(pid);
            const auto resident = base::resident_bytes(pid);
            sample.memory_bytes += resident.all - resident.shared;
            most_shared = std::max(most_shared, resident.shared);
            if (listeners_.empty()) continue;
            for (const auto inode : listening_sockets(pid, activity.start_ticks))
                if (const auto found = listeners_.find(inode); found != listeners_.end())
                    sample.ports.push_back(found->second);
        }
        sample.memory_bytes += most_shared;
        std::sort(sample.ports.begin(), sample.ports.end());
        sample.ports.erase(std::unique(sample.ports.begin(), sample.ports.end()), sample.ports.end());
        sample.taken_boot_ns = base::boot_now_ns();
        samples.push_back(std::move(sample));
    }
    std::erase_if(sockets_, [&](const auto& each) { return each.second.call + calls_kept < calls_; });
    return samples;
}

}  // namespace persistproc::core
