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
        if (!process->has_tree() && !process->is<Backoff>()) continue;
        if (keep) {
            if (process->has_tree()) report.kept.push_back(process->name());
            continue;
        }
        ++process->stops;
        ++process->stopping;
        change.processes.push_back(want_down(*process, actor));
        longest_grace = std::max(longest_grace, grace_of(*process, {}));
        going.push_back(process);
    }
    AuditEntry entry{.at = world_.clock.wall(),
                     .actor = actor,
                     .action = std::string(ops::ShutdownRequest::operation.audit),
                     .process = "",
                     .detail = keep ? "keep" : ""};
    change.audit.push_back(std::move(entry));
    auto committed = co_await store_.commit(std::move(change));
    if (!committed)
        base::report(base::Severity::warning, "shutdown could not be recorded: {}", committed.error().message);
    for (const auto& process : going)
        if (table_.holds(*process)) driver_.apply(process, StopRequested{});
    // All are told at once, and all have the same time.
    const MonoTime until = world_.clock.now() + longest_grace + kill_bound;
    for (const auto& process : going) {
        const bool done = co_await driver_.settled(process, until);
        --process->stopping;
        (done && !process->life.is_live() ? report.stopped : report.kept).push_back(process->name());
    }
    if (!keep) {
        const auto all = table_.all();
        for (const auto& [id, process] : all) co_await driver_.end_strays(process);
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
