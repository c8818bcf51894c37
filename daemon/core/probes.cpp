#include "daemon/core/probes.hpp"

#include <unistd.h>

#include <algorithm>
#include <future>
#include <system_error>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "common/base/proc.hpp"
#include "common/base/time.hpp"

namespace persistproc::core {

namespace {

/// Whoever watches one process asks often; what is known of all others stays meanwhile.
constexpr std::uint64_t calls_kept = 100;

/// From so many on, the second half of them is looked at by a thread of its own: what the kernel is asked takes most of
/// the time, and it answers both at once.
constexpr std::size_t worth_a_thread = 200;

/// Calls `work(half, begin, end)` for all of `count`; both at once where there are many.
template <class Work>
void in_halves(std::size_t count, const Work& work) {
    const std::size_t middle = count < worth_a_thread ? count : count / 2;
    std::future<void> other;
    if (middle < count) {
        try {
            other = std::async(std::launch::async, [&] { work(1, middle, count); });
        } catch (const std::system_error&) {
            work(1, middle, count);  // no more threads may be begun
        }
    }
    work(0, 0, middle);
    if (other.valid()) other.get();
}

/// From so many trees on, one walk of all processes may cost less than to ask each of theirs for its children.
constexpr std::size_t many_trees = 16;
/// A tree is asked for at least its shim, its program and the children of both.
constexpr std::size_t asked_per_tree = 4;

/// Who they are and what they do, and whose children: of all processes, by one walk, or of one after the other.
class Kin {
public:
    /// `trees`: how many are to be looked at.
    explicit Kin(std::size_t trees) {
        if (trees < many_trees) return;
        const auto pids = base::list_processes();
        if (pids.size() > trees * asked_per_tree) return;
        std::vector<base::Activity> activities(pids.size());
        in_halves(pids.size(), [&](std::size_t, std::size_t begin, std::size_t end) {
            for (std::size_t i = begin; i < end; ++i) activities[i] = base::activity_of(pids[i]);
        });
        walked_boot_ns_ = base::boot_now_ns();
        for (std::size_t i = 0; i < pids.size(); ++i)
            if (activities[i].threads > 0) known_.emplace(pids[i], activities[i]);
        // Where those of others are hidden (proc(5), hidepid), a walk meets no program that has become another user's.
        if (!known_.contains(1)) known_.clear();
        for (const auto& [pid, activity] : known_) by_parent_.emplace_back(activity.parent, pid);
        std::sort(by_parent_.begin(), by_parent_.end());
    }

    base::Activity activity_of(pid_t pid) const {
        const auto found = known_.find(pid);
        return found == known_.end() ? base::activity_of(pid) : found->second;
    }

    /// Adds the children of `pid`, but for those in `spared`.
    void append_children(pid_t pid, const base::Activity& activity, const std::unordered_set<pid_t>& spared,
                         std::vector<pid_t>& out) const {
        const auto before = static_cast<std::ptrdiff_t>(out.size());
        if (known_.contains(pid)) {
            const auto begin = std::lower_bound(by_parent_.begin(), by_parent_.end(), std::pair(pid, pid_t{0}));
            for (auto each = begin; each != by_parent_.end() && each->first == pid; ++each) out.push_back(each->second);
        } else {
            base::append_children(pid, out, activity.threads == 1);
        }
        const auto is_spared = [&](pid_t each) { return spared.contains(each); };
        out.erase(std::remove_if(out.begin() + before, out.end(), is_spared), out.end());
    }

    /// Of one whose activity was told just now: when it was looked at.
    std::uint64_t looked_boot_ns() const { return known_.empty() ? base::boot_now_ns() : walked_boot_ns_; }

private:
    std::uint64_t walked_boot_ns_ = 0;
    std::unordered_map<pid_t, base::Activity> known_;  // empty: no walk was made
    std::vector<std::pair<pid_t, pid_t>> by_parent_;
};

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
    if (!found) return out;
    for (std::size_t i = 0; i < places.size(); ++i)
        for (const auto& each : (*found)[i]) out[places[i]].push_back(each.pid);
    return out;
}

}  // namespace

/// A socket that listens and did not at the last call has been made by somebody since, or began to listen: whose it is
/// stands in descriptors that may all have been looked at before. A process that came by one otherwise has begun, or
/// has one descriptor more.
const std::vector<std::uint64_t>& TreeSampler::listening_sockets(Known& all, pid_t pid,
                                                                 std::uint64_t start_ticks) const {
    const std::int64_t descriptors = base::count_descriptors(pid);
    Sockets& known = all[pid];
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
    if (!std::all_of(listeners.begin(), listeners.end(), is_known))
        for (Known& each : sockets_) each.clear();
    listeners_ = std::move(listeners);
    ++calls_;
    // A daemon within a run, and its keepers, are no part of that run's tree.
    std::unordered_set<pid_t> spared{::getpid()};
    for (const auto& each : roots)
        if (each.shim > 0) spared.insert(each.shim);
    const auto kept = std::count_if(roots.begin(), roots.end(), [](const auto& each) { return each.shim > 0; });
    const Kin kin(static_cast<std::size_t>(kept));
    std::vector<TreeSample> samples(roots.size());
    auto without_shim = find_trees_without_shim(roots);
    for (ForkedMemory& each : memory_) each.begin();
    const auto look_at = [&](const TreeRoots& root, TreeSample& sample, std::size_t half) {
        std::vector<ForkedMemory::Member> members;
        const bool has_shim = root.strays.is_none();
        if (root.shim > 0) {
            const auto activity = kin.activity_of(root.shim);
            // The shim reaps whatever its descendants did not wait for; its own time is not the program's.
            sample.cpu_ticks += activity.reaped_ticks;
            kin.append_children(root.shim, activity, spared, sample.pids);
        }
        std::int64_t most_shared = 0;
        for (std::size_t i = 0; i < sample.pids.size(); ++i) {
            const pid_t pid = sample.pids[i];
            const auto activity = kin.activity_of(pid);
            if (has_shim) kin.append_children(pid, activity, spared, sample.pids);
            sample.cpu_ticks += activity.own_ticks + activity.reaped_ticks;
            if (activity.is_suspended) sample.suspended.push_back(pid);
            const auto resident = base::resident_bytes(pid);
            members.push_back({.pid = pid,
                               .start_ticks = activity.start_ticks,
                               .stack_start = activity.stack_start,
                               .resident_bytes = resident.all,
                               .own_bytes = resident.all - resident.shared});
            most_shared = std::max(most_shared, resident.shared);
            if (listeners_.empty()) continue;
            for (const auto inode : listening_sockets(sockets_[half], pid, activity.start_ticks))
                if (const auto found = listeners_.find(inode); found != listeners_.end())
                    sample.ports.push_back(found->second);
        }
        sample.memory_bytes = memory_[half].sum(std::move(members)) + most_shared;
        std::sort(sample.ports.begin(), sample.ports.end());
        sample.ports.erase(std::unique(sample.ports.begin(), sample.ports.end()), sample.ports.end());
        sample.taken_boot_ns = kin.looked_boot_ns();
    };
    in_halves(roots.size(), [&](std::size_t half, std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) {
            samples[i].pids = std::move(without_shim[i]);
            look_at(roots[i], samples[i], half);
        }
    });
    for (Known& known : sockets_)
        std::erase_if(known, [&](const auto& each) { return each.second.call + calls_kept < calls_; });
    return samples;
}

}  // namespace persistproc::core
