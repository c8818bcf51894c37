// Effects: making a run, listening to its shim, recording what became of it.
#include <fmt/format.h>

#include <cstring>

#include "common/async/offload.hpp"
#include "common/base/diagnostics.hpp"
#include "common/base/file.hpp"
#include "common/base/kill_point.hpp"
#include "common/base/random.hpp"
#include "common/base/text.hpp"
#include "common/rundir/paths.hpp"
#include "daemon/core/process.hpp"
#include "daemon/core/run_files.hpp"

namespace persistproc::core {

Outcome outcome_of(const rundir::RunState& state) {
    Outcome out;
    out.ended_at = base::from_ns(state.ended_wall_ns);
    if (state.phase == rundir::Phase::exec_failed) {
        out.reason = OutcomeReason::exec_failed;
        out.failure = domain::StartFailure{rundir::stage_name(state.stage), state.os_error};
        return out;
    }
    (state.killed != 0 ? out.signal : out.exit_code) = state.exit_value;
    out.reason = state.oom != 0              ? OutcomeReason::oom
                 : state.stop_requested != 0 ? OutcomeReason::stopped
                                             : OutcomeReason::self;
    return out;
}

Error start_error_of(const std::vector<std::string>& command, const rundir::RunState& state) {
    Error error;
    error.code = ErrorCode::exec_failed;
    error.os_error = state.os_error;
    const char* stage = rundir::stage_name(state.stage);
    const std::string program = command.empty() ? std::string() : base::escape_line(command.front());
    if (state.stage == rundir::Stage::execve && state.os_error == ENOENT)
        error.message = fmt::format("{}: no such program (execve: {}); give its path, or a PATH in the environment",
                                    program, std::strerror(ENOENT));
    else if (state.stage == rundir::Stage::execve && state.os_error == EACCES)
        error.message = fmt::format("{}: not executable (execve: {})", program, std::strerror(EACCES));
    else
        error.message = fmt::format("{}: could not be started ({}: {})", program, stage, std::strerror(state.os_error));
    return error;
}

Outcome lost_outcome(std::string why, WallTime now) {
    Outcome out;
    out.reason = OutcomeReason::lost;
    out.ended_at = now;
    out.detail = std::move(why);
    return out;
}

void Supervisor::apply(const ProcessPtr& process, const LifecycleEvent& event) {
    RestartRule rule;
    rule.policy = process->record.definition.restart;
    const auto actions = process->life.apply(event, clock_.now(), rule);
    process->record.wanted = process->life.wanted();
    for (const auto& action : actions) {
        if (const auto* spawn = std::get_if<Spawn>(&action)) {
            process->record.last_run = spawn->run;
            process->record.restarts = spawn->run - 1;
            process->begin_run();
            tasks_.spawn("start of " + to_string(RunId{process->record.id, spawn->run}), make_run(process, spawn->run));
        } else if (const auto* stop = std::get_if<SendStop>(&action)) {
            send_stop(*process, stop->force);
        } else if (const auto* ended = std::get_if<RecordOutcome>(&action)) {
            process->ended_run = ended->run;
            if (process->record.intent != Intent::restart) process->record.intent = Intent::none;
            StoreChange change;
            change.processes.push_back(process->record);
            RunRecord run{
                .id = RunId{process->record.id, ended->run}, .pid = process->run_state.pid, .outcome = ended->outcome};
            if (process->run_state.started_wall_ns != 0)
                run.started_at = base::from_ns(process->run_state.started_wall_ns);
            change.runs.push_back(std::move(run));
            // A start that fails for good has nothing to remember: its process is forgotten.
            if (!process->fresh) tasks_.spawn("record", record(std::move(change), "the end of " + process->name()));
            if (!retaining_) tasks_.spawn("retention", retain());
        } else if (const auto* armed = std::get_if<ArmBackoff>(&action)) {
            tasks_.spawn("backoff", sleep_out_backoff(process, armed->until, ++process->backoff_armed));
        } else {
            ++process->backoff_armed;
        }
    }
    announce(*process);
}

Task<> Supervisor::record(StoreChange change, std::string what) {
    auto committed = co_await store_.commit(std::move(change));
    // The run directory is the truth about what happened: the next daemon reads it there.
    if (!committed)
        base::report(base::Severity::warning, "{} could not be recorded: {}", what, committed.error().message);
    base::kill_point("daemon.record.committed");
}

Task<> Supervisor::sleep_out_backoff(ProcessPtr process, MonoTime until, std::uint64_t armed) {
    co_await clock_.sleep_until(until);
    // Under the lock, so that a start on its way is not overtaken.
    auto guard = co_await process->operation.lock();
    if (armed == process->backoff_armed && !process->removed && !leaving_) {
        process->actor = "restart policy";
        apply(process, BackoffElapsed{});
    }
}

void Supervisor::send_stop(Process& process, bool force) {
    if (!process.link) return;
    rundir::ControlMessage message;
    message.type = rundir::MessageType::stop;
    message.epoch = epoch_;
    message.nonce = process.nonce;
    message.request = next_request_++;
    message.signal = process.record.definition.stop_signal;
    const double grace = process.grace_once.value_or(process.record.definition.grace_seconds);
    message.grace_ms = static_cast<std::uint32_t>(grace * 1000);
    message.force = force;
    // A shim that has just left needs no stop; its end is heard of on the same connection.
    if (auto sent = process.link->send(message); !sent)
        base::report(base::Severity::debug, "stop of {}: {}", process.name(), sent.error().message);
    base::kill_point("daemon.stop.sent");
}

Task<> Supervisor::make_run(ProcessPtr process, std::uint32_t run) {
    auto made = co_await try_run(process, run);
    const auto* starting = std::get_if<Starting>(&process->life.phase());
    const bool undecided = starting != nullptr && starting->run == run;
    if (!made && undecided) {
        process->start_error = made.error();
        if (process->committed) {
            // The program may start any moment: what is not known to have failed is not given up.
            process->fresh = false;
            apply(process, ShimSilent{});
            co_return;
        }
        Outcome outcome;
        outcome.reason = OutcomeReason::exec_failed;
        outcome.ended_at = clock_.wall();
        outcome.failure = domain::StartFailure{made.error().message, made.error().os_error};
        StartFailed failed{.outcome = std::move(outcome)};
        apply(process, failed);
    }
    if (process->start_confirmed) {
        process->fresh = false;
        co_return;
    }
    if (!process->start_error) co_return;
    // No program ever ran: nothing of the attempt stays behind.
    const auto data = options_.data;
    const RunId id{process->record.id, run};
    if (process->fresh && !process->removed) {
        forget(process);
        auto delete_files = [data, id] { return remove_process_files(data, id.process); };
        auto deleted = co_await async::offload(files_, std::move(delete_files));
        if (!deleted)
            base::report(base::Severity::warning, "{} could not be removed: {}", process->name(),
                         deleted.error().message);
        StoreChange change;
        change.removed.push_back(id.process);
        co_await record(std::move(change), "the failed start of " + process->name());
    }
}

Task<Result<void>> Supervisor::make_room(ProcessPtr process) {
    // The shim of an earlier run may still keep what its program left behind. One log has one writer, and one process
    // one tree.
    if (process->link) {
        send_stop(*process, false);
        const MonoTime until =
            clock_.now() + options_.start_bound +
            std::chrono::nanoseconds(static_cast<std::int64_t>(process->record.definition.grace_seconds * 1e9));
        while (process->link) {
            const bool woken = co_await process->changed.wait_until(until, clock_);
            if (!woken && process->link)
                co_return Error{ErrorCode::timeout, process->name() + ": programs of its last run do not end"};
        }
    }
    if (process->life.outcome() && process->life.outcome()->reason == OutcomeReason::lost) {
        const auto nonce = process->nonce;
        auto sweep = [nonce] { return kill_marked(nonce); };
        co_await async::offload(files_, std::move(sweep));
    }
    co_return boost::system::in_place_value;
}

Task<Result<void>> Supervisor::try_run(ProcessPtr process, std::uint32_t run) {
    if (auto room = co_await make_room(process); !room) co_return room.error();
    const RunId id{process->record.id, run};
    const auto data = options_.data;

    if (!process->has_environment) {
        // Values of variables stand in the spec of the run before and nowhere else.
        std::uint32_t before = run - 1;
        while (before > 0 && !process->has_environment) {
            const RunId previous{process->record.id, before--};
            auto load = [data, previous] { return base::read_file(rundir::run_paths(data, previous).spec, 16u << 20); };
            auto bytes = co_await async::offload(files_, std::move(load));
            if (!bytes) continue;
            auto spec = rundir::decode_spec(*bytes);
            if (!spec) continue;
            process->environment = std::move(spec->environment);
            process->umask = spec->umask;
            process->limits = std::move(spec->limits);
            process->has_environment = true;
        }
        if (!process->has_environment)
            co_return Error{ErrorCode::io,
                            process->name() + ": its environment cannot be read back; start it again with its command"};
    }

    if (process->record.intent != Intent::restart) process->record.intent = Intent::start;
    if (process->record.intent == Intent::start) process->record.intent_run = run;
    StoreChange intent =
        change_of(*process, process->actor, "start", domain::command_line(process->record.definition.command));
    RunRecord row{.id = id};
    intent.runs.push_back(std::move(row));
    auto committed = co_await store_.commit(std::move(intent));
    if (!committed) co_return base::with_context(committed.error(), "the start could not be recorded");
    base::kill_point("daemon.start.recorded");

    rundir::RunSpec spec;
    spec.id = id;
    base::fill_random(spec.nonce);
    const Definition& definition = process->record.definition;
    if (definition.shell) {
        spec.argv = {"/bin/sh", "-c"};
        spec.argv.insert(spec.argv.end(), definition.command.begin(), definition.command.end());
    } else {
        spec.argv = definition.command;
    }
    spec.working_directory = definition.working_directory;
    spec.environment = process->environment;
    spec.umask = process->umask;
    spec.limits = process->limits;
    spec.stop_signal = definition.stop_signal;
    spec.grace_ms = static_cast<std::uint32_t>(definition.grace_seconds * 1000);
    spec.log_bound_bytes = options_.process_log_bytes;
    spec.segment_bytes =
        std::min<std::uint64_t>(spec.segment_bytes, std::max<std::uint64_t>(options_.process_log_bytes / 8, 64u << 10));
    if (definition.label_given) spec.label = definition.label;
    spec.shell = definition.shell;
    spec.restart = definition.restart;
    spec.started_by = definition.started_by;
    spec.request_key = process->request_key;
    process->nonce = spec.nonce;
    auto prepare = [data, spec = std::move(spec)]() mutable { return prepare_run(data, std::move(spec)); };
    auto prepared = co_await async::offload(files_, std::move(prepare));
    if (!prepared) co_return prepared.error();
    base::kill_point("daemon.start.prepared");

    auto link = co_await shims_.spawn(id);
    if (!link) co_return link.error();
    base::kill_point("daemon.start.spawned");
    process->link = std::shared_ptr<ShimLink>(std::move(*link));
    tasks_.spawn("shim of " + to_string(id), watch(process, run, process->link));

    const MonoTime until = clock_.now() + options_.start_bound;
    while (process->link && !process->shim_ready) {
        const bool woken = co_await process->changed.wait_until(until, clock_);
        if (!woken) break;
    }
    if (!process->link || !process->shim_ready) {
        process->drop_link();
        co_return Error{ErrorCode::unavailable, "the shim of " + to_string(id) + " did not get ready"};
    }
    base::kill_point("daemon.start.ready");
    rundir::ControlMessage commit;
    commit.type = rundir::MessageType::commit;
    commit.epoch = epoch_;
    commit.nonce = process->nonce;
    commit.request = next_request_++;
    if (auto sent = process->link->send(commit); !sent) {
        process->drop_link();
        co_return sent.error();
    }
    base::kill_point("daemon.start.committed");
    process->committed = true;

    const auto undecided = [&] {
        const auto* starting = std::get_if<Starting>(&process->life.phase());
        return starting != nullptr && starting->run == run;
    };
    while (undecided()) {
        const bool woken = co_await process->changed.wait_until(until, clock_);
        if (!woken && undecided())
            co_return Error{ErrorCode::timeout,
                            "the shim of " + to_string(id) + " did not report the start yet; see list_processes"};
    }
    co_return boost::system::in_place_value;
}

Task<> Supervisor::watch(ProcessPtr process, std::uint32_t run, std::shared_ptr<ShimLink> link) {
    for (;;) {
        auto message = co_await link->receive();
        if (!message) break;
        if (process->link == link && process->life.last_run() == run) process->spares.merge(link->take_spares());
        switch (message->type) {
            case rundir::MessageType::ready:
                if (process->link == link) process->shim_ready = true;
                break;
            case rundir::MessageType::state:
            case rundir::MessageType::tree_empty: heard(process, run, message->state); break;
            case rundir::MessageType::done: process->replies[message->request] = message->error; break;
            case rundir::MessageType::refused:
                process->replies[message->request] = message->error;
                base::report(base::Severity::warning, "the shim of {} refuses message {}: {} ({})",
                             to_string(RunId{process->record.id, run}), message->refused_type,
                             rundir::refusal_name(message->refusal), std::strerror(message->error));
                break;
            default: break;
        }
        announce(*process);
    }
    // A connection that was replaced says nothing about the shim.
    if (process->link != link) co_return;
    process->link.reset();
    co_await after_shim(process, run);
    announce(*process);
}

void Supervisor::heard(const ProcessPtr& process, std::uint32_t run, const rundir::RunState& state) {
    if (process->life.last_run() != run) return;
    process->run_state = state;
    const auto confirm = [&] {
        if (process->start_confirmed) return;
        base::kill_point("daemon.start.heard");
        // What an ended program left behind lives on through an adoption too, unless somebody wants it stopped.
        const bool ended_unheard = state.phase == rundir::Phase::exited &&
                                   std::holds_alternative<Unreachable>(process->life.phase()) &&
                                   process->record.intent == Intent::none;
        process->start_confirmed = true;
        process->fresh = false;
        process->record.intent = Intent::none;
        StoreChange change;
        change.processes.push_back(process->record);
        RunRecord row{
            .id = RunId{process->record.id, run}, .pid = state.pid, .started_at = base::from_ns(state.started_wall_ns)};
        change.runs.push_back(std::move(row));
        tasks_.spawn("record", record(std::move(change), "the start of " + process->name()));
        if (!ended_unheard) apply(process, ProgramStarted{});
    };
    if (state.phase == rundir::Phase::started && state.exec_confirmed != 0) confirm();
    if (state.phase == rundir::Phase::exec_failed && !process->end_heard) {
        process->end_heard = true;
        process->start_error = start_error_of(process->record.definition.command, state);
        StartFailed failed{.outcome = outcome_of(state)};
        apply(process, failed);
    }
    if (state.phase == rundir::Phase::exited && !process->end_heard) {
        confirm();
        process->end_heard = true;
        base::kill_point("daemon.end.heard");
        ProgramEnded ended{.outcome = outcome_of(state), .leftovers = state.tree_empty == 0};
        apply(process, ended);
    }
    if (state.outcome_unknown != 0 && !process->end_heard) {
        confirm();
        process->end_heard = true;
        ProgramEnded ended{.outcome = lost_outcome(unseen_end, clock_.wall()), .leftovers = state.tree_empty == 0};
        apply(process, ended);
    }
    const bool is_over = state.phase == rundir::Phase::exited || state.outcome_unknown != 0;
    if (is_over && state.tree_empty != 0) apply(process, TreeEmptied{});

    // What a successor of this shim would no longer need.
    if (state.exec_confirmed != 0) process->spares.report.reset();
    if (is_over || state.phase == rundir::Phase::exec_failed) process->spares.child.reset();
    if (state.tree_empty != 0) process->spares = {};
    if (state.successors > 0 && process->spares.child && !process->child_watched) {
        process->child_watched = true;
        tasks_.spawn("program of " + process->name(), watch_child(process, run, process->spares.child));
    }
}

Task<> Supervisor::after_shim(ProcessPtr process, std::uint32_t run) {
    // Who brings in a successor sees for himself that one has gone.
    if (process->life.last_run() != run || process->removed || process->replacing_shim) co_return;
    if (process->end_heard && process->run_state.tree_empty == 0 && process->spares.can_continue()) {
        // What the program left behind still prints, perhaps.
        co_await replace_shim(process, run);
        co_return;
    }
    if (!process->end_heard) {
        // It left without a word: its directory tells the rest.
        const auto data = options_.data;
        const RunId id{process->record.id, run};
        auto look = [data, id] { return find_run(data, id); };
        auto found = co_await async::offload(files_, std::move(look));
        if (process->life.last_run() != run || process->end_heard) co_return;
        if (!found) {
            base::report(base::Severity::error, "{}: {}", to_string(id), found.error().message);
            apply(process, ShimSilent{});
            reach_again(process, run);
            co_return;
        }
        const auto phase = found->state.phase;
        if (phase == rundir::Phase::exited || phase == rundir::Phase::exec_failed) {
            heard(process, run, found->state);
        } else if (found->shim_alive) {
            apply(process, ShimSilent{});
            reach_again(process, run);
            co_return;
        } else if (phase == rundir::Phase::started && found->state.outcome_unknown != 0) {
            heard(process, run, found->state);
        } else if (phase == rundir::Phase::started && process->spares.can_continue()) {
            co_await replace_shim(process, run);
            co_return;
        } else if (phase == rundir::Phase::started) {
            process->run_state = found->state;
            process->end_heard = true;
            if (process->record.wanted == Wanted::down) {
                // A stop was asked for and its keeper is gone: the mark proves what is the run's own.
                const auto nonce = process->nonce;
                auto sweep = [nonce] { return kill_marked(nonce); };
                co_await async::offload(files_, std::move(sweep));
            }
            ProgramEnded ended{
                .outcome = lost_outcome("its shim was killed before it could record an outcome", clock_.wall())};
            apply(process, ended);
        } else {
            process->end_heard = true;
            process->start_error =
                Error{ErrorCode::unavailable, "the shim of " + to_string(id) + " left before the program was started"};
            Outcome outcome;
            outcome.reason = OutcomeReason::exec_failed;
            outcome.ended_at = clock_.wall();
            outcome.failure = domain::StartFailure{"shim", 0};
            StartFailed failed{.outcome = std::move(outcome)};
            apply(process, failed);
        }
    }
    apply(process, TreeEmptied{});
}

/// Brings in another shim for a run whose shim was killed, as long as it takes: the program waits at worst, with its
/// pipes full, but nothing breaks.
Task<> Supervisor::replace_shim(ProcessPtr process, std::uint32_t run) {
    process->replacing_shim = true;
    auto pause = std::chrono::nanoseconds(std::chrono::milliseconds(10));
    const auto is_wanted = [&] { return process->life.last_run() == run && !process->removed; };
    while (is_wanted()) {
        auto done = co_await try_to_replace_shim(process, run);
        if (done) break;
        // A shim that was killed can be met before its lock has gone.
        if (pause >= std::chrono::milliseconds(100))
            base::report(base::Severity::warning, "{}: its shim was killed, and no successor could be started yet: {}",
                         to_string(RunId{process->record.id, run}), done.error().message);
        const MonoTime next = clock_.now() + pause;
        co_await clock_.sleep_until(next);
        pause = std::min<std::chrono::nanoseconds>(pause * 2, std::chrono::seconds(2));
    }
    process->replacing_shim = false;
    if (!is_wanted()) co_return;
    if (!process->link) {
        // It was killed as well, after it had taken over.
        co_await after_shim(process, run);
        co_return;
    }
    if (process->child_end) (void)process->link->send(*process->child_end);
    // A stop that came while nobody was there to obey it.
    if (std::holds_alternative<Stopping>(process->life.phase())) send_stop(*process, false);
}

Task<Result<void>> Supervisor::try_to_replace_shim(ProcessPtr process, std::uint32_t run) {
    const RunId id{process->record.id, run};
    // One that was killed may have come to the end of its work, and not to telling so: there is nothing to take over.
    const auto data = options_.data;
    auto look = [data, id] { return find_run(data, id); };
    auto found = co_await async::offload(files_, std::move(look));
    if (found && !found->shim_alive && found->state.tree_empty != 0) {
        heard(process, run, found->state);
        co_return boost::system::in_place_value;
    }
    auto link = co_await shims_.take_over(id);
    if (!link) co_return link.error();
    base::kill_point("daemon.takeover.spawned");
    const std::shared_ptr<ShimLink> fresh(std::move(*link));
    process->link = fresh;
    process->shim_ready = false;
    // Taken for silent before its lock had gone: what the successor says is news then.
    if (std::holds_alternative<Unreachable>(process->life.phase()))
        process->start_confirmed = process->end_heard = false;
    tasks_.spawn("shim of " + to_string(id), watch(process, run, fresh));
    const MonoTime until = clock_.now() + options_.start_bound;
    while (process->link == fresh && !process->shim_ready) {
        const bool woken = co_await process->changed.wait_until(until, clock_);
        if (!woken) break;
    }
    const bool is_ready = process->link == fresh && process->shim_ready;
    rundir::ControlMessage commit;
    commit.type = rundir::MessageType::commit;
    commit.epoch = epoch_;
    commit.nonce = process->nonce;
    commit.request = next_request_++;
    const unsigned before = process->run_state.successors;
    if (!is_ready || !fresh->hand_over(commit, process->spares)) {
        if (process->link == fresh) process->drop_link();
        co_return Error{ErrorCode::unavailable, "it did not get ready"};
    }
    base::kill_point("daemon.takeover.committed");
    while (process->link == fresh && process->run_state.successors == before && before < 255) {
        const bool woken = co_await process->changed.wait_until(until, clock_);
        if (!woken) break;
    }
    if (process->run_state.successors == before && before < 255) {
        if (process->link == fresh) process->drop_link();
        co_return Error{ErrorCode::unavailable, "it did not take over"};
    }
    co_return boost::system::in_place_value;
}

/// This process is the parent of a program whose shim was killed; a successor hears from it how the program ended.
Task<> Supervisor::watch_child(ProcessPtr process, std::uint32_t run, std::shared_ptr<ChildHold> child) {
    const auto end = co_await child->ended();
    if (process->life.last_run() != run || process->removed) co_return;
    rundir::ControlMessage message;
    message.type = rundir::MessageType::ended;
    message.epoch = epoch_;
    message.nonce = process->nonce;
    message.request = next_request_++;
    if (end) {
        message.end.how = end->killed ? rundir::ProgramEnd::How::killed : rundir::ProgramEnd::How::exited;
        message.end.value = end->value;
    }
    process->child_end = message;
    // Without a link a successor is on its way, and is told when it is there.
    if (process->link && !process->replacing_shim) (void)process->link->send(message);
}

Task<> Supervisor::retain() {
    retaining_ = true;
    // One pass for all ends that came together.
    const MonoTime soon = clock_.now() + std::chrono::seconds(1);
    co_await clock_.sleep_until(soon);
    retaining_ = false;
    std::vector<ProcessPtr> over;
    for (const auto& [id, process] : processes_) {
        const Phase& phase = process->life.phase();
        const bool at_rest = (std::holds_alternative<Ended>(phase) || std::holds_alternative<GaveUp>(phase)) &&
                             !has_leftovers(phase) && !process->link;
        if (at_rest && !process->operation.is_held() && !process->unsupported && !process->fresh)
            over.push_back(process);
    }
    if (over.size() > options_.keep_ended) {
        const auto ended_at = [](const ProcessPtr& process) {
            return process->life.outcome() ? process->life.outcome()->ended_at : WallTime{};
        };
        std::stable_sort(over.begin(), over.end(),
                         [&](const ProcessPtr& a, const ProcessPtr& b) { return ended_at(a) > ended_at(b); });
        over.erase(over.begin(), over.begin() + static_cast<std::ptrdiff_t>(options_.keep_ended));
        for (const auto& process : over) {
            auto removed = co_await remove_now(process->name(), "retention");
            // One that was started or removed meanwhile is none of the oldest any more.
            const bool failed =
                !removed && removed.error().code != ErrorCode::conflict && removed.error().code != ErrorCode::not_found;
            if (failed)
                base::report(base::Severity::warning, "{} could not be forgotten: {}", process->name(),
                             removed.error().message);
        }
    }
    co_await collect();
}

Task<> Supervisor::collect() {
    const auto data = options_.data;
    const std::size_t keep = options_.keep_runs;
    const std::uint64_t bound = options_.total_log_bytes;
    auto sweep = [data, keep, bound] {
        collect_garbage(data, keep, bound);
        return true;
    };
    co_await async::offload(files_, std::move(sweep));
}

Task<> Supervisor::retain_regularly() {
    // What runs for long grows the output in all without any end that would be noticed.
    for (;;) {
        const MonoTime next = clock_.now() + options_.retention_interval;
        co_await clock_.sleep_until(next);
        co_await collect();
    }
}

}  // namespace persistproc::core
