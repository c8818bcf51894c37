#pragma once
/// The kernel's own count of processes that it killed for want of memory in this process's cgroup: "oom_kill" in
/// memory.events (cgroup v2, Documentation/admin-guide/cgroup-v2.rst) or memory.oom_control (v1); and on the machine,
/// in /proc/vmstat. No heap.
#include <cstdint>
#include <string_view>

#include "daemon/shim/short_text.hpp"

namespace persistproc::shim {

using CounterPath = ShortText<512>;

/// The counter's file, from the text of /proc/self/cgroup; empty: there is none that is known. Pure.
CounterPath oom_counter_path(std::string_view cgroups) noexcept;
/// -1: the text does not count them. Pure.
std::int64_t oom_kills_in(std::string_view counters) noexcept;

/// -1: it cannot be read.
struct OomKills {
    std::int64_t in_cgroup = -1, on_machine = -1;
};

OomKills count_oom_kills() noexcept;

/// Those of the cgroup from `before` to `after`; -1: not known. A program may have been moved to a cgroup that counts
/// them for itself: there were none only if the machine has none, either. Pure.
std::int64_t oom_kills_between(const OomKills& before, const OomKills& after) noexcept;

}  // namespace persistproc::shim
