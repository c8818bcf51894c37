#include "daemon/core/retention.hpp"

#include <algorithm>

#include "common/base/diagnostics.hpp"

namespace persistproc::core {

void Retention::note_end() {
    if (is_due_) return;
    is_due_ = true;
    world_.tasks.spawn("retention", pass());
}

void Retention::begin() {
    note_end();
    world_.tasks.spawn("regular retention", pass_regularly());
}

Task<> Retention::pass() {
    const MonoTime soon = world_.clock.now() + std::chrono::seconds(1);
    co_await world_.clock.sleep_until(soon);
    is_due_ = false;
    const auto ids = beyond_the_kept();
    for (const ProcessId id : ids) {
        auto removed = co_await remove_(id);
        // One that was started or removed meanwhile is none of the oldest any more.
        const bool failed =
            !removed && removed.error().code != ErrorCode::conflict && removed.error().code != ErrorCode::not_found;
        if (failed)
            base::report(base::Severity::warning, "{} could not be forgotten: {}", to_string(id),
                         removed.error().message);
    }
    co_await world_.directories.collect_garbage(options_.keep_runs, options_.total_log_bytes);
}

Task<> Retention::pass_regularly() {
    for (;;) {
        const MonoTime next = world_.clock.now() + options_.retention_interval;
        co_await world_.clock.sleep_until(next);
        co_await world_.directories.collect_garbage(options_.keep_runs, options_.total_log_bytes);
    }
}

/// The oldest of those that have ended and of which nothing is left to be done.
std::vector<ProcessId> Retention::beyond_the_kept() const {
    std::vector<std::pair<WallTime, ProcessId>> over;
    for (const auto& [id, process] : table_.all()) {
        const bool at_rest = (process->is<Ended>() || process->is<GaveUp>()) && !process->has_tree() && !process->run;
        if (!at_rest || process->operation.is_held() || process->standing != Standing::established) continue;
        const auto& outcome = process->life.outcome();
        over.emplace_back(outcome ? outcome->ended_at : WallTime{}, id);
    }
    std::vector<ProcessId> out;
    if (over.size() <= options_.keep_ended) return out;
    std::stable_sort(over.begin(), over.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
    for (std::size_t i = options_.keep_ended; i < over.size(); ++i) out.push_back(over[i].second);
    return out;
}

}  // namespace persistproc::core
