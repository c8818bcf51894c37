#include "common/base/diagnostics.hpp"
#include "daemon/core/operations/operations.hpp"

namespace persistproc::core {

Task<Result<ops::ShutdownResponse>> Operations::leave(ops::ShutdownRequest request, std::string actor) {
    const bool keep = request.keep;
    driver_.leave();
    // What runs is known only then; to keep it, nothing need be known.
    if (!keep)
        if (auto ready = co_await adoption_.wait(); !ready)
            base::report(base::Severity::warning, "shutdown: {}", ready.error().message);
    ops::ShutdownResponse report;
    std::vector<ProcessPtr> going;
    StoreChange change;
    std::chrono::nanoseconds longest_grace{};
    for (const auto& [id, process] : table_.all()) {
        const bool waits = process->record.is_to_begin();
        if (!process->has_tree() && !process->is<Backoff>() && !(waits && !keep)) continue;
        if (keep) {
            if (process->has_tree()) report.kept.push_back(process->name());
            continue;
        }
        ++process->stops;
        ++process->stopping;
        if (!process->is<Stopping>()) process->record.shut_down_run = process->life.last_run();
        // Of one whose start is not on record yet nothing stays behind.
        ProcessRecord record = want_down(*process, actor);
        if (process->standing != Standing::provisional) change.processes.push_back(std::move(record));
        longest_grace = std::max(longest_grace, grace_of(*process, {}));
        going.push_back(process);
    }
    AuditEntry entry{.at = world_.clock.wall(),
                     .actor = actor,
                     .action = std::string(ops::ShutdownRequest::operation.audit),
                     .process = "",
                     .detail = keep ? "keep" : ""};
    change.audit.push_back(std::move(entry));
    change.is_fact = true;
    auto committed = co_await store_.commit(std::move(change));
    if (!committed)
        base::report(base::Severity::warning, "shutdown could not be recorded: {}", committed.error().message);
    for (const auto& process : going)
        if (table_.holds(*process)) driver_.apply(process, StopRequested{});
    // All are told at once, and all have the same time.
    const MonoTime until = world_.clock.now() + longest_grace + kill_bound;
    for (const auto& process : going) {
        const bool is_told = process->is<Stopping>();
        std::optional<Error> why;
        if (process->has_tree())
            why = suspended(*process, is_told ? "it stops the program as soon as it goes on"
                                              : "the next daemon stops the program once it goes on");
        if (!why) {
            const bool done = co_await driver_.settled(process, until);
            if (process->is<Unreachable>())
                why = not_reached(*process, "the next daemon stops it as soon as that is possible");
            else if (!done || process->life.is_live())
                why = Error{ErrorCode::timeout, process->shown() + " has not ended although it was killed"};
        }
        --process->stopping;
        (why ? report.kept : report.stopped).push_back(process->name());
        if (why) report.reasons.push_back(std::move(why->message));
    }
    if (!keep) {
        const auto all = table_.all();
        for (const auto& [id, process] : all) {
            auto ended = co_await driver_.end_strays(process);
            if (ended) continue;
            std::erase(report.stopped, process->name());
            report.kept.push_back(process->name());
            report.reasons.push_back(std::move(ended.error().message));
        }
    }
    const auto known = table_.all();
    for (const auto& [id, process] : known) {
        co_await look_at_untouched(process);
        if (process->has_other_keeper) report.untouched.push_back(process->name());
    }
    has_left_ = true;
    left_.notify_all();
    for (const auto& [id, process] : table_.all()) driver_.announce(*process);
    co_return report;
}

Task<> Operations::left() {
    while (!has_left_) co_await left_.wait();
}

}  // namespace persistproc::core
