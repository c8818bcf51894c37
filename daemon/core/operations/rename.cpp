#include <fmt/format.h>

#include "common/base/text.hpp"
#include "daemon/core/before.hpp"
#include "daemon/core/operations/operations.hpp"

namespace persistproc::core {

namespace {

/// Also as what it is again where the start on its way comes to nothing.
void set_label(Process& process, const std::string& label, bool is_given) {
    for (ProcessRecord* const each : {&process.record, process.unrecorded ? &process.unrecorded->record : nullptr,
                                      process.at_rest ? &process.at_rest->before.record : nullptr}) {
        if (each == nullptr) continue;
        each->definition.label = label;
        each->definition.label_given = is_given;
    }
}

}  // namespace

Task<Result<ProcessView>> Operations::rename(ops::RenameRequest request, std::string actor) {
    if (auto fine = domain::check_label(request.label); !fine) co_return fine.error();
    if (auto ready = co_await adoption_.wait(); !ready) co_return ready.error();
    auto found = table_.resolve(request.process);
    if (!found) co_return found.error();
    const ProcessPtr process = *found;
    auto guard = co_await process->operation.lock();
    if (!table_.holds(*process)) co_return removed_meanwhile(*process);
    if (process->standing == Standing::unsupported) co_return not_touched(*process);
    for (const auto& [id, other] : table_.all())
        if (other != process && other->record.definition.label == request.label)
            co_return Error{ErrorCode::conflict,
                            fmt::format("label {} is in use by {}; {} is free", base::quote(request.label),
                                        other->name(), table_.free_label(request.label))};
    const std::string before = process->record.definition.label;
    const bool was_given = process->record.definition.label_given;
    // Taken at once, so that nobody else can have it while it is recorded.
    set_label(*process, request.label, true);
    auto change =
        driver_.change_of(*process, actor, ops::RenameRequest::operation.audit, renamed_detail(before, request.label));
    auto committed = co_await store_.commit(std::move(change));
    if (!committed) {
        set_label(*process, before, was_given);
        co_return base::with_context(committed.error(), "the label could not be recorded");
    }
    driver_.announce(*process);
    co_return co_await view(process);
}

}  // namespace persistproc::core
