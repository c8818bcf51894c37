#include "daemon/registry/remembered.hpp"

#include <algorithm>
#include <utility>

#include "daemon/registry/registry.hpp"

namespace persistproc::registry {

void Remembered::take(const core::StoreSnapshot& snapshot) {
    for (const auto& each : snapshot.processes) processes_.insert_or_assign(each.id, each);
    for (const auto& each : snapshot.last_runs) last_runs_.insert_or_assign(each.id.process, each);
    for (const auto& each : snapshot.projects) projects_.insert_or_assign(each.file, each);
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
    for (const auto& each : change.projects) {
        if (each.says_nothing())
            projects_.erase(each.file);
        else
            projects_.insert_or_assign(each.file, each);
    }
}

core::StoreChange Remembered::all() const {
    core::StoreChange out;
    for (const auto& [id, each] : processes_) out.processes.push_back(each);
    for (const auto& [id, each] : last_runs_) out.runs.push_back(each);
    for (const auto& [file, each] : projects_) out.projects.push_back(each);
    // A removal says that a number was used.
    const ProcessId last{next_process_ - 1};
    if (last.number > 0 && !processes_.contains(last)) out.removed.push_back(last);
    return out;
}

void Unwritten::take(core::StoreChange change) {
    for (auto& each : change.processes) processes_.insert_or_assign(each.id, std::move(each));
    for (auto& each : change.runs) {
        const RunId id = each.id;
        const auto [known, is_new] = runs_.try_emplace(id, each);
        if (!is_new) core::join(known->second, each);
    }
    for (const ProcessId id : change.removed) {
        processes_.erase(id);
        std::erase_if(runs_, [id](const auto& each) { return each.first.process == id; });
        removed_.insert(id);
    }
    for (auto& each : change.projects) projects_.insert_or_assign(each.file, std::move(each));
    for (auto& each : change.audit) audit_.push_back(std::move(each));
    while (audit_.size() > std::size_t{kept_audit}) audit_.pop_front();
}

bool Unwritten::is_empty() const noexcept {
    return processes_.empty() && runs_.empty() && removed_.empty() && projects_.empty() && audit_.empty();
}

core::StoreChange Unwritten::all() const {
    core::StoreChange out;
    for (const auto& [id, each] : processes_) out.processes.push_back(each);
    for (const auto& [id, each] : runs_) out.runs.push_back(each);
    out.removed.assign(removed_.begin(), removed_.end());
    for (const auto& [file, each] : projects_) out.projects.push_back(each);
    out.audit.assign(audit_.begin(), audit_.end());
    return out;
}

}  // namespace persistproc::registry
