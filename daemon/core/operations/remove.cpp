#include <fmt/format.h>

#include "common/base/kill_point.hpp"
#include "common/base/text.hpp"
#include "daemon/core/operations/operations.hpp"

namespace persistproc::core {

namespace {

constexpr auto leaving_bound = std::chrono::seconds(5);  // for the shim of a tree that is empty

/// Of one that lives, or has left something running; in one line, with what is to be done first.
Error still_there(const Process& process) {
    const char* what = "has ended, but programs it started still run";
    bool is_ending = false;
    switch (process.state()) {
        case ProcessState::starting: what = "is being started"; break;
        case ProcessState::running: what = "runs"; break;
        case ProcessState::stopping:
            // One that is being restarted does not end by being waited for.
            is_ending = process.life.wanted() == Wanted::down;
            what = is_ending ? "is being stopped" : "is being restarted";
            break;
        case ProcessState::backoff: what = "waits to be restarted"; break;
        case ProcessState::waiting: what = "waits to be started"; break;
        case ProcessState::unreachable:
            if (!process.unread.empty()) return not_reached(process, "it is not removed");
            what = "may run, but its shim does not answer";
            break;
        default: break;
    }
    return Error{ErrorCode::conflict, fmt::format("{} {}; {}: persistproc {} {}", process.shown(), what,
                                                  is_ending ? "wait until it has ended" : "stop it first",
                                                  is_ending ? "wait" : "stop", process.name())};
}

}  // namespace

Task<Result<ProcessView>> Operations::remove(ops::RemoveRequest request, std::string actor) {
    if (auto ready = co_await adoption_.wait(); !ready) co_return ready.error();
    auto found = table_.resolve(request.process);
    if (!found) co_return found.error();
    const ProcessPtr process = *found;
    auto guard = co_await process->operation.lock();
    // The shim of a tree that is empty is about to leave: a removal right after a stop waits for it.
    const MonoTime gone_by = world_.clock.now() + leaving_bound;
    const auto run = process->run;
    if (run && std::holds_alternative<run::Leaving>(run->machine().phase())) co_await run->over(gone_by);
    if (!table_.holds(*process)) co_return removed_meanwhile(*process);
    if (process->standing == Standing::unsupported) co_return not_touched(*process);
    const bool is_over = (process->is<Ended>() || process->is<GaveUp>()) && !process->is_in(ProcessState::waiting);
    if (!is_over || process->has_tree() || process->run) co_return still_there(*process);
    // What its files say is all there is to end what lives without a keeper; it is not forgotten before that.
    const auto strays = process->strays();
    if (!strays.is_none()) {
        const bool has_strays = co_await world_.directories.has_strays(strays);
        if (has_strays) co_return still_there(*process);
    }
    auto shown = co_await view(process);
    if (!shown) co_return shown.error();
    if (!table_.holds(*process)) co_return removed_meanwhile(*process);
    const ProcessId id = process->record.id;
    auto deleted = co_await world_.directories.begin_removal(id);
    if (!deleted) co_return base::with_context(deleted.error(), "removal of " + process->shown());
    base::kill_point("daemon.remove.deleted");
    driver_.forget(process);
    StoreChange change;
    change.removed.push_back(id);
    AuditEntry entry{.at = world_.clock.wall(),
                     .actor = actor,
                     .action = std::string(ops::RemoveRequest::operation.audit),
                     .process = process->name(),
                     .detail = ""};
    change.audit.push_back(std::move(entry));
    co_await driver_.end_removal(id, std::move(change));
    shown->log_path.reset();
    co_return *shown;
}

}  // namespace persistproc::core
