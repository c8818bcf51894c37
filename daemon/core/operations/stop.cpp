#include "common/base/diagnostics.hpp"
#include "common/base/kill_point.hpp"
#include "daemon/core/operations/operations.hpp"

namespace persistproc::core {

namespace {

/// A stop that is still to be answered: starts wait for it.
class Answering {
public:
    explicit Answering(ProcessPtr process) : process_(std::move(process)) {
        ++process_->stops;
        ++process_->stopping;
    }
    Answering(const Answering&) = delete;
    Answering& operator=(const Answering&) = delete;
    ~Answering() {
        --process_->stopping;
        process_->changed.notify_all();
    }

private:
    ProcessPtr process_;
};

}  // namespace

Task<Result<ProcessView>> Operations::stop(ops::StopRequest request, std::string actor) {
    if (auto ready = co_await adoption_.wait(); !ready) co_return ready.error();
    auto found = table_.resolve(request.process);
    if (!found) co_return found.error();
    const ProcessPtr process = *found;
    if (process->standing == Standing::unsupported) co_return not_touched(*process);
    const Answering answering(process);
    auto left = co_await left_running(process);
    if (!table_.holds(*process)) co_return removed_meanwhile(*process);
    // What is wanted up is about to be started: that is to lose, on record too.
    const bool waits = process->record.is_to_begin();
    if (!process->has_tree() && !process->is<Backoff>() && !waits && process->record.wanted == Wanted::down) {
        auto ended = co_await driver_.end_strays(process);
        if (!ended) co_return ended.error();
        co_return co_await stopped_view(process, std::move(left));
    }
    const auto grace = grace_of(*process, request.grace_seconds);
    // Recorded first: a daemon that dies now leaves the next one the rest. A disk that takes no record must not keep
    // anybody from stopping a program.
    auto wanted = want_down(*process, actor);
    auto change = driver_.change_of(*process, actor, ops::StopRequest::operation.audit, request.force ? "force" : "");
    change.processes.front() = std::move(wanted);
    change.is_fact = true;
    auto committed = co_await store_.commit(std::move(change));
    if (!committed)
        base::report(base::Severity::warning, "stop of {} could not be recorded: {}", process->name(),
                     committed.error().message);
    base::kill_point("daemon.stop.recorded");
    if (!table_.holds(*process)) co_return removed_meanwhile(*process);

    driver_.apply(process, StopRequested{.force = request.force, .grace = grace});
    if (process->is<Unreachable>())
        co_return not_reached(*process, process->unread.empty() ? "it is stopped as soon as it does"
                                                                : "it is stopped as soon as that is known");
    constexpr std::string_view stopped_later = "it stops the program as soon as it goes on";
    if (auto later = suspended(*process, stopped_later); later && process->is<Stopping>()) co_return *later;
    const MonoTime until = world_.clock.now() + grace + kill_bound;
    const bool done = co_await driver_.settled(process, until);
    // Its keeper may have been suspended since.
    if (auto later = suspended(*process, stopped_later); !done && later) co_return *later;
    if (!done)
        co_return Error{ErrorCode::timeout,
                        process->shown() + " has not ended although it was killed; list the processes to see its PID"};
    if (!table_.holds(*process)) co_return removed_meanwhile(*process);
    if (process->is<Unreachable>())
        co_return Error{ErrorCode::unavailable,
                        process->shown() + " is being stopped, but its shim does not answer any more"};
    if (process->life.is_live())
        co_return Error{ErrorCode::conflict,
                        process->shown() + " was started again by somebody else after it had been stopped"};
    // A start that was promised for after this run's end has lost, and nobody waits for it any more.
    auto lost = std::exchange(process->unrecorded, nullptr);
    co_await take_back(process, std::move(lost));
    // A run whose shim is gone may have left programs behind; its mark proves what is its own.
    auto ended = co_await driver_.end_strays(process);
    if (!ended) co_return ended.error();
    co_return co_await stopped_view(process, std::move(left));
}

Task<std::optional<Cause>> Operations::left_running(ProcessPtr process) {
    const bool may_have = has_leftovers(process->life.phase()) || !process->strays().is_none();
    if (!may_have) co_return std::nullopt;
    const auto shown = co_await view(process);
    if (!shown) co_return std::nullopt;
    for (const Cause& each : shown->causes)
        if (each.code == CauseCode::left_running) co_return each;
    co_return std::nullopt;
}

Task<Result<ProcessView>> Operations::stopped_view(ProcessPtr process, std::optional<Cause> left) {
    auto shown = co_await view(process);
    // What is still there was not ended.
    if (shown && !domain::has_cause(*shown, CauseCode::left_running)) tell_ended(*shown, std::move(left));
    co_return shown;
}

void Operations::tell_ended(ProcessView& shown, std::optional<Cause> left) {
    if (!left) return;
    left->code = CauseCode::leftovers_ended;
    shown.causes.push_back(std::move(*left));
}

}  // namespace persistproc::core
