#include "daemon/registry/remembered.hpp"

#include <algorithm>

namespace persistproc::registry {

void Remembered::take(const core::StoreSnapshot& snapshot) {
    for (const auto& each : snapshot.processes) processes_.insert_or_assign(each.id, each);
    for (const auto& each : snapshot.last_runs) last_runs_.insert_or_assign(each.id.process, each);
    next_process_ = std::max(next_process_, snapshot.next_process);
}

void Remembered::take(const core::StoreChange& change) {
    for (const auto& each : change.processes) {
        processes_.insert_or_assign(each.id, each);
        next_process_ = std::max(next_process_, each.id.number + 1);
    }
    for (const auto& each : change.runs) {
        auto [known, is_new] = last_runs_.try_emplace(each.id.process, each);
        if (is_new || each.id.number < known->second.id.number) continue;
        if (each.id.number > known->second.id.number) {
            known->second = each;
            continue;
        }
        core::join(known->second, each);
    }
    for (const ProcessId id : change.removed) {
        processes_.erase(id);
        last_runs_.erase(id);
        next_process_ = std::max(next_process_, id.number + 1);
    }
}

core::StoreChange Remembered::all() const {
    core::StoreChange out;
    for (const auto& [id, each] : processes_) out.processes.push_back(each);
    for (const auto& [id, each] : last_runs_) out.runs.push_back(each);
    // A removal says that a number was used.
    const ProcessId last{next_process_ - 1};
    if (last.number > 0 && !processes_.contains(last)) out.removed.push_back(last);
    return out;
}

}  // namespace persistproc::registry
