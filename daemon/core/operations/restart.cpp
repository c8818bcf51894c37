#include <fmt/format.h>

#include <algorithm>

#include "common/base/kill_point.hpp"
#include "daemon/core/before.hpp"
#include "daemon/core/operations/environment.hpp"
#include "daemon/core/operations/operations.hpp"

namespace persistproc::core {

namespace {

/// With what was set for it and what is set now, on what it inherits, or is to inherit.
std::vector<std::string> changed_environment(const Process& process, const ops::RestartRequest& request) {
    Environment changes = request.environment;
    if (request.base_environment) {
        Environment kept = pick_variables(process.launch->environment, process.record.definition.variables);
        changes.merge(kept);
    }
    return compose_environment(request.base_environment.value_or(process.launch->environment), changes);
}

void set_environment(Process& process, const ops::RestartRequest& request, std::vector<std::string> environment) {
    process.launch->environment = std::move(environment);
    std::vector<std::string>& variables = process.record.definition.variables;
    for (const auto& [name, value] : request.environment)
        if (std::find(variables.begin(), variables.end(), name) == variables.end()) variables.push_back(name);
    auto& membership = process.record.definition.membership;
    if (membership && !request.environment.empty()) membership->digests["env"].clear();
}

/// As asked for, for the next run and later ones.
void set_input(Definition& definition, const ops::RestartRequest& request) {
    if (request.input) definition.input = *request.input;
    if (request.size) definition.size = request.size;
    if (definition.input != domain::Input::tty) definition.size.reset();
    if ((request.input || request.size) && definition.membership)
        for (const char* const key : {"tty", "input", "size"}) definition.membership->digests[key].clear();
}

}  // namespace

Task<Result<ops::RestartResponse>> Operations::restart(ops::RestartRequest request, std::string actor) {
    if (auto ready = co_await adoption_.wait(); !ready) co_return ready.error();
    if (auto fine = domain::check_environment(request.environment); !fine) co_return fine.error();
    ProcessPtr process;
    std::uint64_t stops = 0;  // when this was asked for: one that comes in meanwhile goes first
    std::optional<Replaced> replaced;
    std::optional<async::Mutex::Guard> guard;
    for (;;) {
        auto found = table_.resolve(request.process);
        if (!found) co_return found.error();
        if (std::exchange(process, *found) != *found) {
            stops = process->stops;
            replaced = hasten_end(process, request);
        }
        auto held = co_await process->operation.lock();
        guard.emplace(std::move(held));
        const auto patience = grace_of(*process, request.grace_seconds);
        if (auto rested = co_await come_to_rest(process, patience); !rested) co_return rested.error();
        const auto again = table_.resolve(request.process);
        if (!again) co_return again.error();
        if (*again == process) break;
        guard.reset();
    }
    if (auto wanted = still_wanted(*process, stops, "restarted"); !wanted) co_return wanted.error();
    // What was asked for has been done by the other restart, unless that one came to nothing.
    const bool changes =
        request.base_environment || !request.environment.empty() || request.input.has_value() || request.size;
    if (replaced && !changes && process->life.last_run() > replaced->run)
        co_return co_await join_restart(process, std::move(actor), request.force, *replaced, stops);
    if (process->standing == Standing::unsupported) co_return not_touched(*process);
    if (process->is<Unreachable>()) co_return not_reached(*process, "nothing was done");
    if (driver_.is_leaving()) co_return Error{ErrorCode::unavailable, "the daemon is shutting down"};
    if (request.size && request.input.value_or(process->record.definition.input) != domain::Input::tty)
        co_return Error{ErrorCode::invalid,
                        process->shown() + " has no terminal, whose size that could be; restart it with --tty, too"};

    if (const auto missing = driver_.waits_for ? driver_.waits_for(*process) : std::vector<std::string>();
        !missing.empty())
        co_return Error{ErrorCode::conflict,
                        fmt::format("{} waits for {} of its project, and is begun once that is there", process->shown(),
                                    fmt::join(missing, ", "))};
    if (auto understood = check_understood(*process); !understood) co_return understood.error();
    if (auto room = check_room(*process); !room) co_return room.error();
    // What runs is begun anew without what has ended since, but not where work that it needs has failed.
    if (driver_.obstacle)
        if (const auto missing = driver_.obstacle(*process, process->life.is_live()))
            co_return Error{ErrorCode::conflict, fmt::format("{} needs {}", process->shown(), *missing)};

    auto left = co_await left_running(process);
    if (auto wanted = still_wanted(*process, stops, "restarted"); !wanted) co_return wanted.error();
    auto environment = co_await prepare_restart(process, request, stops);
    if (!environment) co_return environment.error();
    // It may have been put down meanwhile, and the values it was to be begun with with it.
    if (*environment && !process->launch)
        co_return Error{ErrorCode::conflict, process->shown() +
                                                 " was called off by its project while it was being restarted; nothing "
                                                 "was done"};

    ops::RestartResponse out;
    if (process->life.is_live()) out.old_pid = process->run_state.pid;
    const std::uint32_t last = process->life.last_run();
    const auto grace = grace_of(*process, request.grace_seconds);
    auto before = std::make_shared<Before>(*process);
    auto at_rest = process->is_at_rest() ? std::make_shared<AtRest>(*process) : nullptr;
    if (*environment) set_environment(*process, request, std::move(**environment));
    set_input(process->record.definition, request);
    process->actor = actor;
    auto recorded = co_await commit_restart(process, actor, request.force, std::move(before));
    if (!recorded) co_return recorded.error();

    process->at_rest = std::move(at_rest);
    process->start_error.reset();
    driver_.apply(process, RestartRequested{.force = request.force, .grace = grace});
    if (auto later = suspended(*process, replaced_later); later && process->is<Stopping>()) co_return *later;
    const MonoTime until = world_.clock.now() + grace + kill_bound + options_.start_bound;
    const bool done = co_await driver_.settled(process, until);
    const bool has_begun = process->life.last_run() != last;
    if (process->start_error) {
        Definition definition = process->record.definition;
        std::vector<std::string> variables =
            process->launch ? process->launch->environment : std::vector<std::string>();
        Error failed = *process->start_error;
        co_return co_await explained(std::move(definition), std::move(variables), std::move(failed));
    }
    if (!done)
        co_return Error{ErrorCode::timeout,
                        process->shown() + " has not been restarted yet; list the processes to see when it is"};
    auto shown = co_await view(process);
    if (!shown) co_return shown.error();
    if (auto wanted = still_wanted(*process, stops, "restarted"); !wanted) co_return wanted.error();
    if (!has_begun) co_return silent_meanwhile(*process);
    static_cast<ProcessView&>(out) = std::move(*shown);
    tell_ended(out, std::move(left));
    co_return out;
}

/// What is being ended is ended as soon as this one asks for: at once, or by its own grace. Nothing: it asks for
/// neither, or no other run was promised after it.
std::optional<Operations::Replaced> Operations::hasten_end(const ProcessPtr& process,
                                                           const ops::RestartRequest& request) {
    const auto* const stopping = std::get_if<Stopping>(&process->life.phase());
    if (stopping == nullptr || (!request.force && !request.grace_seconds)) return std::nullopt;
    const auto grace = grace_of(*process, request.grace_seconds);
    if (stopping->well_for && process->run) {
        driver_.end_program(process,
                            {.signal = process->record.definition.stop_signal, .grace = grace, .force = request.force});
        return std::nullopt;
    }
    const bool follows = stopping->then_start;
    const bool is_wanted = process->life.wanted() == Wanted::up;
    // A stop that is being recorded is carried out after that.
    if (follows != is_wanted) return std::nullopt;
    const Replaced replaced{stopping->run, process->run_state.pid};
    if (!follows) {
        driver_.apply(process, StopRequested{.force = request.force, .grace = grace});
        return std::nullopt;
    }
    driver_.apply(process, RestartRequested{.force = request.force, .grace = grace});
    return replaced;
}

/// Of a restart that has hastened another one, which has begun a run since.
Task<Result<ops::RestartResponse>> Operations::join_restart(ProcessPtr process, std::string actor, bool force,
                                                            Replaced replaced, std::uint64_t stops) {
    auto change = driver_.change_of(*process, actor, ops::RestartRequest::operation.audit, force ? "force" : "");
    co_await driver_.record(std::move(change), "who hastened the restart of " + process->name());
    if (!table_.holds(*process)) co_return removed_meanwhile(*process);
    if (process->start_error) co_return *process->start_error;
    auto shown = co_await view(process);
    if (!shown) co_return shown.error();
    if (auto wanted = still_wanted(*process, stops, "restarted"); !wanted) co_return wanted.error();
    ops::RestartResponse out;
    static_cast<ProcessView&>(out) = std::move(*shown);
    out.old_pid = replaced.pid;
    co_return out;
}

/// The environment that is asked for; nothing: the one it has. What runs is not ended for what cannot begin.
Task<Result<std::optional<std::vector<std::string>>>> Operations::prepare_restart(ProcessPtr process,
                                                                                  ops::RestartRequest request,
                                                                                  std::uint64_t stops) {
    const bool changes = request.base_environment || !request.environment.empty();
    const bool is_looked_at = (process->is<Running>() || process->is_at_rest()) && world_.shims.executes_here();
    std::optional<std::vector<std::string>> out;
    if (!changes && !is_looked_at) co_return out;
    if (auto known = co_await driver_.know_launch(process); !known) co_return known.error();
    if (changes) out = changed_environment(*process, request);
    if (!is_looked_at) co_return out;
    Definition definition = process->record.definition;
    std::vector<std::string> variables = out.value_or(process->launch->environment);
    auto checked = co_await check_replacement(process, std::move(definition), std::move(variables), stops, "restarted");
    if (!checked) co_return checked.error();
    co_return out;
}

/// Records that the newest run is to be replaced. Errors, and then everything is as `before`: io; conflict (a stop came
/// in meanwhile, which goes first); unavailable (its shim fell silent meanwhile).
Task<Result<void>> Operations::commit_restart(ProcessPtr process, std::string actor, bool force,
                                              std::shared_ptr<Before> before) {
    const std::uint64_t stops = process->stops;
    process->record.intend(Wanted::up, Intent::restart);
    process->record.intent_run = process->life.last_run();
    process->record.intent_by = actor;
    auto change = driver_.change_of(*process, actor, ops::RestartRequest::operation.audit, force ? "force" : "");
    auto committed = co_await store_.commit(std::move(change));
    if (!committed) {
        before->restore(*process);
        co_return base::with_context(committed.error(), "restart of " + process->shown());
    }
    base::kill_point("daemon.restart.recorded");
    auto wanted = still_wanted(*process, stops, "restarted");
    if (wanted && process->is<Unreachable>())
        wanted = Error{ErrorCode::unavailable,
                       process->shown() + " runs, but its shim does not answer any more; nothing was done"};
    if (!wanted) co_await take_back(process, before);
    co_return wanted;
}

}  // namespace persistproc::core
