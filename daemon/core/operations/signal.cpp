#include <fmt/format.h>

#include "common/base/diagnostics.hpp"
#include "daemon/core/operations/operations.hpp"

namespace persistproc::core {

Task<Result<ProcessView>> Operations::signal(ops::SignalRequest request, std::string actor) {
    const auto number = domain::parse_signal(request.signal);
    if (!number) co_return number.error();
    if (auto ready = co_await adoption_.wait(); !ready) co_return ready.error();
    auto found = table_.resolve(request.process);
    if (!found) co_return found.error();
    const ProcessPtr process = *found;
    if (process->standing == Standing::unsupported) co_return not_touched(*process);
    const std::uint32_t last = process->life.last_run();
    const auto runs = [&] { return process->is<Running>() || process->is<Stopping>(); };
    if (!runs())
        co_return Error{ErrorCode::conflict, fmt::format("{} is not running: no signal was sent", process->shown())};
    if (auto later = suspended(*process, "no signal was sent, it goes on by")) co_return *later;
    // On record before it is sent: the end that it brings may be another daemon's to tell.
    const auto before = process->record.sent_signal;
    process->record.sent_signal = SentSignal{.run = last, .number = *number, .by = actor, .at = world_.clock.wall()};
    const auto take_back = [&] { process->record.sent_signal = before; };
    auto change = driver_.change_of(*process, actor, ops::SignalRequest::operation.audit, domain::signal_name(*number));
    change.is_fact = true;
    auto committed = co_await store_.commit(std::move(change));
    if (!committed)
        base::report(base::Severity::warning, "signal to {} could not be recorded: {}", process->name(),
                     committed.error().message);
    // The run that was meant may have ended meanwhile, and another begun.
    if (!table_.holds(*process)) co_return removed_meanwhile(*process);
    if (!runs() || process->life.last_run() != last)
        co_return Error{ErrorCode::conflict, process->shown() + " ended before the signal reached it"};
    const auto run = process->run;
    if (!run) {
        take_back();
        co_return Error{ErrorCode::unavailable, process->shown() + " cannot be reached: no signal was sent"};
    }
    auto sent = co_await run->signal(*number);
    if (!sent) take_back();
    if (!sent) co_return base::with_context(sent.error(), process->shown());
    co_return co_await view(process);
}

}  // namespace persistproc::core
