#include "common/base/diagnostics.hpp"
#include "daemon/core/operations/operations.hpp"

namespace persistproc::core {

Task<Result<ProcessView>> Operations::flush(ops::FlushRequest request, std::string actor) {
    if (auto ready = co_await adoption_.wait(); !ready) co_return ready.error();
    auto found = table_.resolve(request.process);
    if (!found) co_return found.error();
    const ProcessPtr process = *found;
    auto guard = co_await process->operation.lock();
    if (!table_.holds(*process)) co_return removed_meanwhile(*process);
    if (process->standing == Standing::unsupported) co_return not_touched(*process);
    if (auto later = suspended(*process, "nothing was removed, it goes on by")) co_return *later;
    auto change = driver_.change_of(*process, actor, ops::FlushRequest::operation.audit, "");
    change.is_fact = true;
    auto committed = co_await store_.commit(std::move(change));
    if (!committed)
        base::report(base::Severity::warning, "that the output of {} is removed could not be recorded: {}",
                     process->name(), committed.error().message);
    Result<void> cleared;
    // While a shim is there it alone writes to the log.
    if (const auto run = process->run)
        cleared = co_await run->flush();
    else
        cleared = co_await world_.directories.clear_output(process->record.id);
    if (!cleared) co_return base::with_context(cleared.error(), process->shown());
    co_return co_await view(process);
}

}  // namespace persistproc::core
