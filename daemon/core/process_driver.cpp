#include "daemon/core/process_driver.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "common/base/diagnostics.hpp"
#include "common/base/file.hpp"
#include "common/base/kill_point.hpp"
#include "common/base/random.hpp"
#include "common/base/text.hpp"
#include "common/ops/start_process.hpp"
#include "daemon/core/before.hpp"
#include "daemon/core/operations/environment.hpp"

namespace persistproc::core {

namespace {

constexpr std::size_t max_audit_bytes = 1024;  // of a command line: it says what was started, it is no copy of it

/// A restart is on its way until the run it replaces has been replaced.
bool is_replaced(const ProcessRecord& record, std::uint32_t run) {
    return record.intent == Intent::restart && record.intent_run == run;
}

/// What is on record of a run by what was heard of it.
RunRecord row_of(const Process& process, std::uint32_t run) {
    const rundir::RunState& state = process.run_state;
    RunRecord out{.id = RunId{process.record.id, run}, .pid = state.pid};
    if (state.started_wall_ns != 0) out.started_at = base::from_ns(state.started_wall_ns);
    if (state.pid == 0) return out;
    out.start_ticks = static_cast<std::int64_t>(state.start_ticks);
    if (process.nonce != rundir::Nonce{}) out.mark = base::to_hex(process.nonce);
    return out;
}

Error still_run(const Process& process) {
    return {ErrorCode::timeout, process.shown() + ": programs of its last run do not end"};
}

run::StopOrder order_of(const Process& process, std::chrono::nanoseconds grace, bool force) {
    return {.signal = process.record.definition.stop_signal, .grace = grace, .force = force};
}

}  // namespace

void explain_end(Outcome& outcome, const ProcessRecord& record, std::uint32_t run) {
    const auto& failed = record.failed_checks;
    const bool is_asked = record.wanted == Wanted::down || is_replaced(record, run);
    if (failed && failed->run == run && !is_asked && outcome.reason == OutcomeReason::stopped) {
        outcome.reason = failed->reason;
        outcome.causes.push_back(Cause{.code = CauseCode::checks_failed, .text = failed->detail});
        return;
    }
    const auto is_foreign = [](const Cause& each) { return each.code == CauseCode::killed_by_other; };
    // Its stop command has ended it before its shim was told to.
    const bool is_by_command = !record.definition.stop_command.empty() && is_asked && record.intent_run == run;
    if (is_by_command && outcome.reason == OutcomeReason::self) {
        outcome.reason = OutcomeReason::stopped;
        std::erase_if(outcome.causes, is_foreign);
    }
    if (outcome.reason == OutcomeReason::stopped) {
        if (outcome.stopped_by.empty()) outcome.stopped_by = record.intent_by;
        if (record.shut_down_run == run) outcome.causes.push_back(Cause{.code = CauseCode::shut_down});
        return;
    }
    const auto& sent = record.sent_signal;
    const bool was_sent = sent && sent->run == run && sent->number == outcome.signal &&
                          std::none_of(outcome.causes.begin(), outcome.causes.end(), is_foreign);
    if (was_sent) outcome.causes.push_back(Cause{.code = CauseCode::signal_sent, .at = sent->at, .by = sent->by});
    // A stop that its shim heard of too late.
    const bool is_known = outcome.exit_code || outcome.signal;
    if (is_known && record.wanted == Wanted::down && record.intent_run == run && !record.intent_by.empty())
        outcome.causes.push_back(Cause{.code = CauseCode::called_off, .by = record.intent_by});
}

std::optional<Cause> find_not_understood(const Definition& definition) {
    constexpr std::string_view of_what_runs[] = {"command", "working_directory", "shell", "input"};
    for (const auto& [name, value] : definition.unknown.members)
        if (std::find(std::begin(of_what_runs), std::end(of_what_runs), name) != std::end(of_what_runs))
            return Cause{.code = CauseCode::not_understood, .text = name};
    if (domain::is_command_known(definition.command)) return std::nullopt;
    return Cause{.code = CauseCode::not_understood};
}

Result<void> check_understood(const Process& process) {
    const auto why = find_not_understood(process.record.definition);
    if (!why) return boost::system::in_place_value;
    if (!why->text)
        return Error{ErrorCode::unsupported,
                     process.shown() + ": its command is not on record; start it anew with its command"};
    return Error{ErrorCode::unsupported,
                 fmt::format("{}: its {} was written by a later release and is not understood by this one; use that, "
                             "or start it anew with its command",
                             process.shown(), *why->text)};
}

std::chrono::nanoseconds seconds_of(double seconds) {
    return std::chrono::nanoseconds(static_cast<std::int64_t>(seconds * 1e9));
}

std::chrono::nanoseconds grace_of(const Process& process, std::optional<double> asked) {
    return seconds_of(asked.value_or(process.record.definition.grace_seconds));
}

Error start_error_of(const Definition& definition, const rundir::RunState& state) {
    Error error;
    error.code = ErrorCode::exec_failed;
    error.os_error = state.os_error;
    const std::string program = definition.command.empty() ? std::string() : base::excerpt(definition.command.front());
    const bool is_path = program.find('/') != std::string::npos;
    if (state.stage == rundir::Stage::execve && state.os_error == ENOENT)
        error.message = fmt::format("{}: no such program{}", program,
                                    is_path ? ", or what its first line names is missing" : " in PATH");
    else if (state.stage == rundir::Stage::execve && state.os_error == EACCES)
        error.message = fmt::format("{}: not executable", program);
    else if (state.stage == rundir::Stage::chdir)
        error.message = fmt::format("working_directory: {}: {}", base::excerpt(definition.working_directory),
                                    std::strerror(state.os_error));
    else if (state.stage == rundir::Stage::pty)
        error.message = fmt::format("{}: no terminal can be had for it (pty: {}); without --tty it needs none", program,
                                    std::strerror(state.os_error));
    else if (state.stage == rundir::Stage::execve && state.os_error == ENOEXEC)
        error.message = fmt::format("{}: no program that this machine can execute", program);
    else if (state.stage == rundir::Stage::execve && state.os_error == ETXTBSY)
        error.message = fmt::format("{}: somebody is writing it; start it once that is done", program);
    else if (state.stage == rundir::Stage::execve && state.os_error == E2BIG)
        error.message = fmt::format("{}: its arguments and environment are longer than the system takes", program);
    else if (state.stage == rundir::Stage::log && (state.os_error == EPERM || state.os_error == ELOOP))
        error.message =
            fmt::format("{}: could not be started: a file of its log {}; persistproc doctor says which", program,
                        state.os_error == EPERM ? "is another user's, or may not be written" : "is a link");
    else if (state.stage == rundir::Stage::execve)
        error.message = fmt::format("{}: cannot be executed: {}", program, std::strerror(state.os_error));
    else
        error.message = fmt::format("{}: could not be started ({}: {})", program, rundir::stage_name(state.stage),
                                    std::strerror(state.os_error));
    // Its log is ours: nothing is wrong with the program.
    if (state.stage == rundir::Stage::log) error.code = ErrorCode::io;
    return error;
}

// ---- what the rules decide ----

void ProcessDriver::apply(const ProcessPtr& process, const LifecycleEvent& event) {
    RestartRule rule = restart_rule(process->record.definition);
    if (!check_understood(*process)) rule.policy = domain::RestartPolicy::never;
    const auto actions = process->life.apply(event, world_.clock.now(), rule);
    process->record.follow(process->life.wanted());
    process->record.quick_failures = process->life.quick_failures();
    process->record.gave_up = process->is<GaveUp>();
    for (const auto& action : actions) {
        if (const auto* spawn = std::get_if<Spawn>(&action)) {
            begin_run(process, spawn->run);
        } else if (const auto* stop = std::get_if<SendStop>(&action)) {
            if (process->run)
                end_program(process, order_of(*process, stop->grace.value_or(grace_of(*process, {})), stop->force));
        } else if (const auto* ended = std::get_if<RecordOutcome>(&action)) {
            record_outcome(process, *ended);
        } else if (const auto* armed = std::get_if<ArmBackoff>(&action)) {
            world_.tasks.spawn("backoff", sleep_out_backoff(process, armed->until, process->life.last_run()));
        }
    }
    if (on_change) on_change(process);
    announce(*process);
}

void ProcessDriver::end_program(const ProcessPtr& process, run::StopOrder order) {
    const auto* stopping = std::get_if<Stopping>(&process->life.phase());
    const bool has_program = stopping != nullptr && !stopping->has_ended && process->run_state.pid > 0;
    const bool is_at_once = order.force || order.grace <= std::chrono::nanoseconds::zero();
    if (process->record.definition.stop_command.empty() || is_at_once || !has_program) return process->run->stop(order);
    const MonoTime until = world_.clock.now() + order.grace;
    const std::uint32_t number = process->run->id().number;
    const auto before = process->stop_by_command;
    if (!before || before->run != number) {
        process->stop_by_command = std::make_shared<StopByCommand>(StopByCommand{.run = number, .until = until});
        world_.tasks.spawn("stop command of " + process->name(),
                           stop_by_command(process, process->run, order, process->stop_by_command));
    } else if (before->is_over) {
        process->run->stop(order);
    } else if (until < before->until) {
        before->until = until;
        world_.tasks.spawn("shorter grace of " + process->name(), hasten_stop(process->run, order, before));
    }
}

/// The command goes on; the program is killed when its time is over.
Task<> ProcessDriver::hasten_stop(std::shared_ptr<run::RunDriver> run, run::StopOrder order,
                                  std::shared_ptr<StopByCommand> stop) {
    const MonoTime until = world_.clock.now() + order.grace;
    co_await world_.clock.sleep_until(until);
    order.grace = std::chrono::nanoseconds::zero();
    if (!stop->is_over && !run->is_over()) run->stop(order);
}

/// Whatever becomes of the command, the program gets its signal, and is killed when the grace is over.
Task<> ProcessDriver::stop_by_command(ProcessPtr process, std::shared_ptr<run::RunDriver> run, run::StopOrder order,
                                      std::shared_ptr<StopByCommand> stop) {
    auto known = co_await know_launch(process);
    if (known && !run->is_over()) {
        const Definition& definition = process->record.definition;
        CommandOrder what;
        what.command = definition.stop_command;
        what.working_directory = definition.working_directory;
        what.environment = std::make_shared<const std::vector<std::string>>(environment_of(*process));
        what.umask = process->launch->umask;
        what.timeout = order.grace;
        const auto end = co_await world_.shims.run_command(std::move(what));
        if (!end)
            base::report(base::Severity::warning, "{}: its stop command: {}", process->name(), end.error().message);
    }
    stop->is_over = true;
    order.grace =
        std::max<std::chrono::nanoseconds>(stop->until - world_.clock.now(), std::chrono::nanoseconds::zero());
    if (!run->is_over()) run->stop(order);
}

/// Its project waits for no start of it any more. An older run may go on until the one to come takes its place.
void ProcessDriver::note_begun(const ProcessPtr& process, std::uint32_t run) {
    ProcessRecord& record = process->record;
    if (!record.definition.membership || record.pending_run > run) return;
    // It may have got a number behind that one's.
    if (record.pending_run < run) drop_values(process);
    record.pending_run = 0;
    record.plan_causes.clear();
    if (record.planned != Planned::stopping) record.planned = Planned::up;
}

void ProcessDriver::record_outcome(const ProcessPtr& process, const RecordOutcome& ended) {
    process->ended_run = ended.run;
    if (tells_news_) process->end_order = ++ends_;
    // Its start may never have been heard of.
    if (process->record.pending_run == ended.run && ended.outcome.reason != OutcomeReason::exec_failed)
        note_begun(process, ended.run);
    if (!is_replaced(process->record, ended.run)) process->record.intent = Intent::none;
    if (tells_news_ && process->standing != Standing::provisional)
        events_.publish(RunEnded{RunId{process->record.id, ended.run}, process->state(), ended.outcome});
    // A start that fails for good has nothing to remember: its process is forgotten.
    if (process->standing != Standing::provisional) {
        StoreChange change;
        change.processes.push_back(process->record);
        RunRecord run = row_of(*process, ended.run);
        run.outcome = ended.outcome;
        change.runs.push_back(std::move(run));
        world_.tasks.spawn("record", record(std::move(change), "the end of " + process->name()));
    }
    if (on_end) on_end();
}

void ProcessDriver::announce(Process& process) {
    process.changed.notify_all();
    events_.publish(ProcessChanged{process.record.id, process.state(), process.life.last_run()});
    if (!on_member_change || !process.record.definition.membership) return;
    if (const auto known = table_.find(process.record.id); known.get() == &process) on_member_change(known);
}

void ProcessDriver::drop_pending(const ProcessPtr& process) {
    const std::uint32_t number = std::exchange(process->record.pending_run, 0);
    if (number == 0) return;
    // Those of the run before count again, but for one that is being begun with them.
    if (!process->is<Starting>()) process->launch.reset();
    drop_directory(process, number);
}

void ProcessDriver::drop_values(const ProcessPtr& process) {
    if (process->record.pending_run != 0) drop_directory(process, process->record.pending_run);
}

/// Of a run that is to come no more: of none that was begun under its number.
void ProcessDriver::drop_directory(const ProcessPtr& process, std::uint32_t number) {
    const std::uint32_t last = process->life.last_run();
    if (number != last) world_.tasks.spawn("removal of a run to come", remove_pending(process, number, number < last));
}

/// `is_passed_over`: a younger run has been begun instead, so that nobody takes the number again.
Task<> ProcessDriver::remove_pending(ProcessPtr process, std::uint32_t number, bool is_passed_over) {
    auto guard = co_await process->operation.lock();
    const bool is_begun = !is_passed_over && process->life.last_run() >= number;
    const bool is_taken = process->record.pending_run == number || is_begun;
    if (is_taken || !table_.holds(*process)) co_return;
    const RunId id{process->record.id, number};
    auto removed = co_await world_.directories.remove_run(id);
    if (!removed)
        base::report(base::Severity::warning, "{} could not be removed: {}", to_string(id), removed.error().message);
}

void ProcessDriver::confirm(Process& process) {
    process.standing = Standing::established;
    process.at_rest.reset();
}

void ProcessDriver::forget(const ProcessPtr& process) {
    table_.erase(*process);
    process->changed.notify_all();
    events_.publish(ProcessRemoved{process->record.id});
    if (on_member_change && process->record.definition.membership) on_member_change(process);
}

Task<Result<void>> ProcessDriver::end_strays(ProcessPtr process) {
    const StrayRoots strays = process->strays();
    if (strays.is_none()) co_return boost::system::in_place_value;
    const std::uint32_t run = process->life.last_run();
    const bool have_ended = co_await world_.directories.kill_strays(strays);
    process->reading.of_tree.taken.reset();  // what was seen of them is no more
    if (!have_ended) co_return still_run(*process);
    process->unended = {};
    process->swept_run = run;
    co_return boost::system::in_place_value;
}

Task<bool> ProcessDriver::settled(ProcessPtr process, MonoTime until) {
    while (process->is_moving() && table_.holds(*process)) {
        const bool woken = co_await process->changed.wait_until(until, world_.clock);
        if (!woken) co_return !process->is_moving();
    }
    co_return true;
}

StoreChange ProcessDriver::change_of(const Process& process, const std::string& actor, std::string_view action,
                                     std::string detail) const {
    StoreChange change;
    change.processes.push_back(process.record);
    detail.resize(std::min(detail.size(), max_audit_bytes));
    AuditEntry entry{.at = world_.clock.wall(),
                     .actor = actor,
                     .action = std::string(action),
                     .process = process.name(),
                     .detail = std::move(detail)};
    change.audit.push_back(std::move(entry));
    return change;
}

Task<> ProcessDriver::record(StoreChange change, std::string what) {
    change.is_fact = true;
    auto committed = co_await store_.commit(std::move(change));
    // The run directory is the truth about what happened: the next daemon reads it there.
    if (!committed)
        base::report(base::Severity::warning, "{} could not be recorded: {}", what, committed.error().message);
    base::kill_point("daemon.record.committed");
}

Task<> ProcessDriver::end_removal(ProcessId id, StoreChange change) {
    change.is_fact = true;
    auto committed = co_await store_.commit(std::move(change));
    base::kill_point("daemon.record.committed");
    if (committed)
        world_.tasks.spawn("end of the removal of " + to_string(id), remove_mark(id));
    else
        base::report(base::Severity::warning, "the removal of {} is not in the database yet: {}", to_string(id),
                     committed.error().message);
}

/// Until then a power cut may bring its row back. Where it cannot be said, the next daemon goes on.
Task<> ProcessDriver::remove_mark(ProcessId id) {
    auto durable = co_await store_.await_durable();
    if (durable) co_await world_.directories.end_removal(id);
}

Task<> ProcessDriver::sleep_out_backoff(ProcessPtr process, MonoTime until, std::uint32_t run) {
    co_await world_.clock.sleep_until(until);
    while (may_run_again && !may_run_again(*process) && process->is<Backoff>() && table_.holds(*process))
        co_await process->changed.wait();
    // Under the lock, so that a start on its way is not overtaken.
    auto guard = co_await process->operation.lock();
    const auto* backoff = std::get_if<Backoff>(&process->life.phase());
    const bool is_due = backoff != nullptr && backoff->run == run && backoff->until <= world_.clock.now();
    // A stop that is being recorded comes first.
    if (!is_due || !table_.holds(*process) || is_leaving_ || process->stopping > 0) co_return;
    const auto& outcome = process->life.outcome();
    if (outcome && !wants_restart(restart_rule(process->record.definition), *outcome, false)) {
        // The policy it waited for came with a request that could not be recorded.
        apply(process, StopRequested{});
        co_return;
    }
    process->actor = "restart policy";
    apply(process, BackoffElapsed{});
}

// ---- beginning a run ----

void ProcessDriver::begin_run(const ProcessPtr& process, std::uint32_t number) {
    // Numbers have gaps where a start came to nothing, and what was started after its end was not restarted.
    const auto* starting = std::get_if<Starting>(&process->life.phase());
    const bool is_by_policy = starting != nullptr && starting->by_policy;
    if (is_by_policy || process->record.intent == Intent::restart) ++process->record.restarts;
    process->record.last_run = number;
    process->record.boot = base::to_hex(world_.directories.boot_id());
    process->record.is_without_directory = false;
    process->start_error.reset();
    auto run = std::make_shared<run::RunDriver>(world_, *this, RunId{process->record.id, number});
    auto before = std::exchange(process->run, nullptr);
    // One that is over has no keeper: it is about to be let go of, and this was brought about by its last word.
    if (before && before->is_over()) before.reset();
    const StrayRoots strays = before ? process->unended : process->strays();
    process->unended = strays;
    auto failed = std::exchange(process->failed_run, nullptr);
    if (!before && failed && !failed->is_over()) before = std::move(failed);
    process->run = run;
    process->ready.reset();
    process->run_state = {};
    process->cut_bytes = 0;
    world_.tasks.spawn("preparation of " + to_string(run->id()), make_ready(process, run, std::move(before), strays));
}

Task<> ProcessDriver::make_ready(ProcessPtr process, std::shared_ptr<run::RunDriver> run,
                                 std::shared_ptr<run::RunDriver> before, StrayRoots strays) {
    const RunId id = run->id();
    auto recorded = co_await record_start(process, id, std::move(before), strays);
    const auto unrecorded = std::exchange(process->unrecorded, nullptr);
    if (!recorded) {
        if (unrecorded) unrecorded->restore(*process);
        run->fail(recorded.error());
        co_return;
    }
    base::kill_point("daemon.start.recorded");
    if (before_run) {
        auto preparing = before_run(process);
        co_await std::move(preparing);
    }
    // A stop that came in meanwhile has taken back what was to be begun, and its values with it.
    const LaunchContext& launch = process->launch ? *process->launch : *recorded;
    run->start(spec_of(id, process->record.definition, launch, process->record.request_key));
}

Task<Result<LaunchContext>> ProcessDriver::record_start(ProcessPtr process, RunId run,
                                                        std::shared_ptr<run::RunDriver> before, StrayRoots strays) {
    // Nothing is ended for what cannot begin.
    if (auto understood = check_understood(*process); !understood) co_return understood.error();
    if (auto known = co_await know_launch(process); !known) co_return known.error();
    LaunchContext launch = *process->launch;
    auto room = co_await make_room(process, std::move(before), strays);
    if (!room) co_return room.error();
    if (process->record.intent != Intent::restart) process->record.intend(process->record.wanted, Intent::start);
    if (process->record.intent == Intent::start) {
        process->record.intent_run = run.number;
        process->record.intent_by.clear();  // it was the run before that somebody stopped
    }
    StoreChange intent = change_of(*process, process->actor, ops::StartRequest::operation.audit,
                                   domain::command_line(process->record.definition.command));
    // Of one that may be taken back the run before stays the newest on record until there is a program.
    if (!process->at_rest) {
        RunRecord row{.id = run};
        intent.runs.push_back(std::move(row));
    }
    auto committed = co_await store_.commit(std::move(intent));
    if (!committed) co_return base::with_context(committed.error(), "the start could not be recorded");
    co_return launch;
}

Task<Result<void>> ProcessDriver::make_room(ProcessPtr process, std::shared_ptr<run::RunDriver> before,
                                            StrayRoots strays) {
    // The shim of an earlier run may still be there. One log has one writer, and one process one tree.
    if (before && !before->is_over()) {
        const auto grace = grace_of(*process, {});
        before->stop(order_of(*process, grace, false));
        const MonoTime until = world_.clock.now() + options_.start_bound + grace;
        const bool is_over = co_await before->over(until);
        if (!is_over) co_return still_run(*process);
    }
    if (!strays.is_none()) {
        const bool have_ended = co_await world_.directories.kill_strays(strays);
        if (!have_ended) co_return still_run(*process);
    }
    process->unended = {};
    co_return boost::system::in_place_value;
}

/// Values of variables stand in the specs of its runs and nowhere else.
Task<Result<void>> ProcessDriver::know_launch(ProcessPtr process) {
    if (process->launch) co_return boost::system::in_place_value;
    std::string why;
    for (std::uint32_t run = std::max(process->life.last_run(), process->record.pending_run); run > 0; --run) {
        const RunId id{process->record.id, run};
        auto spec = co_await world_.directories.load_spec(id);
        if (!spec && why.empty() && spec.error().code != ErrorCode::not_found)
            why = fmt::format(" ({})", spec.error().message);
        if (!spec) continue;
        LaunchContext launch{
            .environment = std::move(spec->environment), .umask = spec->umask, .limits = std::move(spec->limits)};
        process->launch = std::move(launch);
        co_return boost::system::in_place_value;
    }
    // Of one that failed before its turn no values are kept.
    const auto& membership = process->record.definition.membership;
    if (membership && why.empty() && process->life.last_run() == 0)
        co_return Error{ErrorCode::conflict,
                        fmt::format("{} was never begun, and nothing is kept of what it would have been begun with; "
                                    "persistproc up --no-deps {} begins it alone",
                                    process->shown(), membership->process)};
    co_return Error{ErrorCode::io,
                    fmt::format("{}: its environment cannot be read back{}; start it again with its command",
                                process->shown(), why)};
}

rundir::RunSpec ProcessDriver::spec_of(RunId id, const Definition& definition, const LaunchContext& launch,
                                       const std::string& request_key) const {
    rundir::RunSpec spec;
    spec.id = id;
    base::fill_random(spec.nonce);
    if (definition.shell) {
        spec.argv = {"/bin/sh", "-c"};
        spec.argv.insert(spec.argv.end(), definition.command.begin(), definition.command.end());
    } else {
        spec.argv = definition.command;
    }
    spec.working_directory = definition.working_directory;
    spec.environment = environment_of(definition, launch);
    const auto is_notify = [](const domain::Check& check) {
        return std::holds_alternative<domain::NotifyCheck>(check.subject);
    };
    spec.notifies = std::any_of(definition.ready.begin(), definition.ready.end(), is_notify);
    if (spec.notifies)
        spec.environment.push_back(fmt::format("NOTIFY_SOCKET=@{}{}", rundir::notify_prefix, base::to_hex(spec.nonce)));
    spec.has_input = definition.input == domain::Input::pipe;
    if (definition.input == domain::Input::tty) {
        spec.terminal = definition.size.value_or(domain::TerminalSize{});
        spec.environment = on_terminal(std::move(spec.environment), definition.variables);
    }
    spec.umask = launch.umask;
    spec.limits = launch.limits;
    spec.stop_signal = definition.stop_signal;
    spec.grace_ms = static_cast<std::uint32_t>(definition.grace_seconds * 1000);
    spec.log_bound_bytes = definition.log_limit_bytes ? static_cast<std::uint64_t>(*definition.log_limit_bytes)
                                                      : options_.process_log_bytes;
    spec.segment_bytes =
        std::min<std::uint64_t>(spec.segment_bytes, std::max<std::uint64_t>(spec.log_bound_bytes / 8, 64u << 10));
    spec.definition = definition;
    spec.request_key = request_key;
    return spec;
}

std::vector<std::string> ProcessDriver::environment_of(const Process& process) const {
    return environment_of(process.record.definition, *process.launch);
}

std::vector<std::string> ProcessDriver::environment_of(const Definition& definition,
                                                       const LaunchContext& launch) const {
    // Those of a run before may name the port of a daemon before.
    const auto own = options_.own_variables ? options_.own_variables() : std::vector<std::string>();
    auto out = with_own_variables(launch.environment, own, definition.variables);
    // That of a run before.
    std::erase_if(out, [](const std::string& each) { return each.starts_with("NOTIFY_SOCKET=@persistproc/"); });
    return out;
}

void ProcessDriver::take_over(const ProcessPtr& process, const FoundRun& found) {
    process->run = std::make_shared<run::RunDriver>(world_, *this, found);
    process->nonce = process->run->nonce();
    if (on_change) on_change(process);
    process->run->take_over();
}

// ---- what runs tell ----

ProcessPtr ProcessDriver::process_of(const run::RunDriver& run) const {
    auto process = table_.find(run.id().process);
    // A run that another has followed has nothing to tell any more.
    return process && process->run.get() == &run ? process : nullptr;
}

bool ProcessDriver::is_wanted(const run::RunDriver& run) const {
    const auto process = process_of(run);
    return process && process->record.wanted != Wanted::down;
}

void ProcessDriver::changed(run::RunDriver& run) {
    const auto process = process_of(run);
    if (!process) return;
    process->run_state = run.state();
    process->nonce = run.nonce();
    if (run.is_over()) process->run.reset();
    if (on_change) on_change(process);
    announce(*process);
}

void ProcessDriver::hear(run::RunDriver& run, const run::Telling& telling) {
    const auto process = process_of(run);
    if (!process) return;
    process->run_state = run.state();
    process->nonce = run.nonce();
    if (const auto* started = std::get_if<run::TellStarted>(&telling)) {
        hear_start(process, *started);
    } else if (const auto* failed = std::get_if<run::TellFailed>(&telling)) {
        hear_failure(process, *failed);
    } else if (const auto* ended = std::get_if<run::TellEnded>(&telling)) {
        base::kill_point("daemon.end.heard");
        confirm(*process);
        ProgramEnded event{.outcome = ended->outcome, .leftovers = ended->leftovers};
        explain_end(event.outcome, process->record, run.id().number);
        apply(process, event);
    } else if (std::holds_alternative<run::TellEmptied>(telling)) {
        apply(process, TreeEmptied{});
    } else {
        // The program may start any moment: what is not known to have failed is not given up.
        confirm(*process);
        if (process->is<Starting>())
            process->start_error =
                Error{ErrorCode::timeout, "the shim of " + to_string(run.id()) +
                                              " did not report the start yet; list the processes to see when it runs"};
        apply(process, ShimSilent{});
    }
}

void ProcessDriver::hear_start(const ProcessPtr& process, const run::TellStarted& told) {
    base::kill_point("daemon.start.heard");
    // What an ended program left behind lives on through an adoption too, unless somebody wants it stopped.
    const bool ended_unheard = told.has_ended && process->is<Unreachable>() && process->record.intent == Intent::none;
    confirm(*process);
    if (!is_replaced(process->record, process->life.last_run())) process->record.intent = Intent::none;
    note_begun(process, process->life.last_run());
    StoreChange change;
    change.processes.push_back(process->record);
    change.runs.push_back(row_of(*process, process->life.last_run()));
    world_.tasks.spawn("record", record(std::move(change), "the start of " + process->name()));
    if (!ended_unheard) apply(process, ProgramStarted{});
}

void ProcessDriver::hear_failure(const ProcessPtr& process, const run::TellFailed& told) {
    process->start_error = told.error ? *told.error : start_error_of(process->record.definition, process->run_state);
    if (base::is_lack_of_room(*process->start_error))
        if (auto lack = base::lack_of_room(options_.data, process->start_error->os_error))
            process->start_error = base::with_context(*lack, "nothing was started");
    if (const auto at_rest = std::exchange(process->at_rest, nullptr)) {
        take_back_start(process, *at_rest);
        return;
    }
    StartFailed failed{.outcome = told.outcome};
    apply(process, failed);
    // No program ever ran: nothing of the attempt stays behind.
    if (process->standing != Standing::provisional) return;
    forget(process);
    world_.tasks.spawn("removal of " + process->name(), discard(process->record.id));
}

void ProcessDriver::take_back_start(const ProcessPtr& process, AtRest& at_rest) {
    process->failed_run = std::exchange(process->run, nullptr);
    const bool was_stopped = process->stops != at_rest.before.stops;
    at_rest.restore(*process);
    if (was_stopped) apply(process, StopRequested{});
    if (const auto* backoff = std::get_if<Backoff>(&process->life.phase()))
        world_.tasks.spawn("backoff", sleep_out_backoff(process, backoff->until, backoff->run));
    announce(*process);
    world_.tasks.spawn("removal of " + to_string(process->failed_run->id()), discard_run(process, process->failed_run));
}

Task<> ProcessDriver::discard_run(ProcessPtr process, std::shared_ptr<run::RunDriver> run) {
    const MonoTime until = world_.clock.now() + options_.start_bound;
    co_await run->over(until);
    const RunId id = run->id();
    // The files first: by the record alone the next daemon takes back what came to nothing.
    auto deleted = co_await world_.directories.remove_run(id);
    if (!deleted)
        base::report(base::Severity::warning, "{} could not be removed: {}", to_string(id), deleted.error().message);
    if (process->failed_run == run) process->failed_run.reset();
    if (!table_.holds(*process)) co_return;
    StoreChange change;
    change.processes.push_back(process->record);
    co_await record(std::move(change), "the failed start of " + process->name());
}

Task<> ProcessDriver::discard(ProcessId id) {
    // On record like any removal: a power cut may bring back the row alone, which would be that of a lost run.
    auto deleted = co_await world_.directories.begin_removal(id);
    if (!deleted) deleted = co_await world_.directories.remove_process(id);
    if (!deleted)
        base::report(base::Severity::warning, "{} could not be removed: {}", to_string(id), deleted.error().message);
    StoreChange change;
    change.removed.push_back(id);
    co_await end_removal(id, std::move(change));
}

}  // namespace persistproc::core
