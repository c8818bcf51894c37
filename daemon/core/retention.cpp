#include "daemon/core/retention.hpp"

#include "common/base/diagnostics.hpp"
#include "daemon/core/shares.hpp"

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
    const auto oldest = beyond_the_kept();
    for (const RunId& each : oldest) {
        // One that was started or removed meanwhile is none of the oldest any more.
        const auto process = table_.find(each.process);
        if (!process || process->newest_run() != each) continue;
        auto removed = co_await remove_(each.process);
        const bool failed =
            !removed && removed.error().code != ErrorCode::conflict && removed.error().code != ErrorCode::not_found;
        if (failed)
            base::report(base::Severity::warning, "{} could not be forgotten: {}", to_string(each.process),
                         removed.error().message);
    }
    co_await collect_garbage();
}

Task<> Retention::pass_regularly() {
    for (;;) {
        const MonoTime next = world_.clock.now() + options_.retention_interval;
        co_await world_.clock.sleep_until(next);
        co_await collect_garbage();
    }
}

/// Of those that have ended and of which nothing is left to be done.
std::vector<RunId> Retention::beyond_the_kept() const {
    // A clock may be set back: in this daemon's time the order of the ends is known without it.
    Shares<std::pair<std::uint64_t, WallTime>, RunId> over;
    for (const auto& [id, process] : table_.all()) {
        const bool at_rest = (process->is<Ended>() || process->is<GaveUp>()) && !process->has_tree() && !process->run;
        // What its project has in mind for it goes by what has become of it.
        if (process->record.planned && process->record.planned != Planned::down) continue;
        if (!at_rest || process->operation.is_held() || process->standing != Standing::established) continue;
        const auto& outcome = process->life.outcome();
        const std::pair age(process->end_order, outcome ? outcome->ended_at : WallTime{});
        over.add(process->record.definition.started_by, age, 1, process->newest_run());
    }
    std::vector<RunId> out;
    while (const auto next = over.take_beyond(options_.keep_ended)) out.push_back(*next);
    return out;
}

Task<> Retention::collect_garbage() {
    Starters starters;
    for (const auto& [id, process] : table_.all()) starters.emplace(id, process->record.definition.started_by);
    co_await world_.directories.collect_garbage(options_.keep_runs, options_.total_log_bytes, std::move(starters));
}

}  // namespace persistproc::core
