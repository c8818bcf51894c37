// Taking over what an earlier daemon left: every run directory becomes a fact, then the rules go on from there.
#include <fmt/format.h>

#include "common/async/offload.hpp"
#include "common/base/diagnostics.hpp"
#include "common/rundir/paths.hpp"
#include "daemon/core/process.hpp"
#include "daemon/core/run_files.hpp"

namespace persistproc::core {

namespace {

/// A definition from the run itself, for a process the store does not know (it was lost or damaged).
ProcessRecord record_from(const FoundProcess& found) {
    ProcessRecord record;
    record.id = found.id;
    record.last_run = found.runs.empty() ? 0 : found.runs.back();
    record.restarts = record.last_run > 0 ? record.last_run - 1 : 0;
    record.wanted = Wanted::up;  // a restart policy goes on; a run that was stopped says so itself
    Definition& definition = record.definition;
    definition.started_by = "recovered";
    if (found.newest && found.newest->spec) {
        const rundir::RunSpec& spec = *found.newest->spec;
        definition.command = spec.argv;
        definition.shell = spec.shell;
        // Of `/bin/sh -c LINE` the line is the command.
        if (spec.shell && spec.argv.size() == 3) definition.command = {spec.argv[2]};
        definition.working_directory = spec.working_directory;
        definition.stop_signal = spec.stop_signal;
        definition.grace_seconds = spec.grace_ms / 1000.0;
        definition.restart = spec.restart;
        definition.label = spec.label;
        definition.label_given = !spec.label.empty();
        if (!spec.started_by.empty()) definition.started_by = spec.started_by;
        record.created_at = base::from_ns(found.newest->state.started_wall_ns);
    } else {
        definition.command = {"(unknown)"};
        definition.working_directory = "/";
    }
    if (!definition.label_given)
        definition.label = domain::default_label(definition.command, definition.working_directory);
    return record;
}

}  // namespace

Task<Result<void>> Supervisor::adopt() {
    auto adopted = co_await adopt_all();
    if (!adopted) {
        adoption_failed_ = adopted.error();
        adoption_done_.notify_all();
    }
    co_return adopted;
}

Task<Result<void>> Supervisor::adopt_all() {
    auto snapshot = co_await store_.load();
    if (!snapshot) co_return snapshot.error();
    const auto data = options_.data;
    auto look = [data] { return find_processes(data); };
    auto found = co_await async::offload(files_, std::move(look));
    if (!found) co_return found.error();

    epoch_ = snapshot->epoch;
    next_process_ = snapshot->next_process;
    std::map<ProcessId, FoundProcess> on_disk;
    for (auto& each : *found) {
        next_process_ = std::max(next_process_, each.id.number + 1);
        // A database that was begun anew may have forgotten how far the epochs had come.
        if (each.newest) epoch_ = std::max(epoch_, each.newest->state.epoch + 1);
        if (!each.trouble.empty()) base::report(base::Severity::error, "{}: {}", to_string(each.id), each.trouble);
        on_disk.emplace(each.id, std::move(each));
    }
    std::map<ProcessId, RunRecord> last_runs;
    for (auto& each : snapshot->last_runs) last_runs[each.id.process] = std::move(each);
    for (auto& record : snapshot->processes) {
        next_process_ = std::max(next_process_, record.id.number + 1);
        const ProcessId id = record.id;
        auto process = std::make_shared<Process>(executor_, std::move(record));
        if (!on_disk.contains(id)) {
            // Its row was committed and nothing else: a start that no caller ever heard of.
            StoreChange change;
            change.removed.push_back(id);
            tasks_.spawn("record", this->record(std::move(change), to_string(id)));
            continue;
        }
        processes_.emplace(id, std::move(process));
    }
    for (const auto& [id, each] : on_disk)
        if (!processes_.contains(id) && !each.runs.empty()) {
            auto process = std::make_shared<Process>(executor_, record_from(each));
            StoreChange change;
            change.processes.push_back(process->record);
            tasks_.spawn("record", this->record(std::move(change), "the recovery of " + to_string(id)));
            processes_.emplace(id, std::move(process));
        }

    const MonoTime until = clock_.now() + options_.adoption_bound;
    auto left = std::make_shared<std::size_t>(processes_.size());
    auto all_done = std::make_shared<async::Notifier>(executor_);
    const auto everyone = processes_;
    for (const auto& [id, process] : everyone) {
        FoundProcess& there = on_disk.at(id);
        // Until it is settled, which may take longer than calls wait, nothing is known and nothing may be started.
        const std::uint32_t newest = there.runs.empty() ? process->record.last_run : there.runs.back();
        process->life = Lifecycle(Unreachable{newest}, process->record.wanted, newest, std::nullopt);
        auto known = last_runs.find(id);
        std::optional<Outcome> recorded;
        if (known != last_runs.end() && !there.runs.empty() && known->second.id.number == there.runs.back())
            recorded = known->second.outcome;
        if (known != last_runs.end())
            process->record.last_run = std::max(process->record.last_run, known->second.id.number);
        tasks_.spawn("adoption of " + to_string(id),
                     adopt_process(process, std::move(there), std::move(recorded), until, left, all_done));
    }
    while (*left > 0) {
        const bool woken = co_await all_done->wait_until(until, clock_);
        if (!woken) break;
    }
    adopted_ = true;
    adoption_done_.notify_all();
    if (!retaining_) tasks_.spawn("retention", retain());
    tasks_.spawn("regular retention", retain_regularly());
    co_return boost::system::in_place_value;
}

Task<> Supervisor::adopt_process(ProcessPtr process, FoundProcess found, std::optional<Outcome> recorded,
                                 MonoTime until, std::shared_ptr<std::size_t> left,
                                 std::shared_ptr<async::Notifier> all_done) {
    co_await settle_found(process, std::move(found), std::move(recorded), until);
    --*left;
    all_done->notify_all();
}

Task<> Supervisor::settle_found(ProcessPtr process, FoundProcess found, std::optional<Outcome> recorded,
                                MonoTime until) {
    // The newest run that ever had a program; younger directories are starts that came to nothing.
    const std::uint32_t highest = std::max(process->record.last_run, found.runs.empty() ? 0u : found.runs.back());
    std::optional<FoundRun> newest = std::move(found.newest);
    const auto data = options_.data;
    const auto cannot_be_read = [&](std::uint32_t run) {
        // No proof of anything: its shim may live. It is asked for again until it can be read.
        process->life = Lifecycle(Unreachable{run}, process->record.wanted, run, std::nullopt);
        announce(*process);
        reach_again(process, run);
    };
    if (!found.trouble.empty()) {
        cannot_be_read(found.runs.empty() ? process->record.last_run : found.runs.back());
        co_return;
    }
    const auto came_to_nothing = [](const FoundRun& run) {
        return !run.shim_alive && !run.unsupported && run.trouble.empty() && run.state.phase < rundir::Phase::started;
    };
    // The shim of a start that was under way is about to leave or to tell of its program. Which of them decides whether
    // this run ever was.
    const MonoTime decided_by = std::min(until, clock_.now() + std::chrono::milliseconds(500));
    while (newest && newest->shim_alive && newest->state.phase < rundir::Phase::started && clock_.now() < decided_by) {
        const MonoTime soon = clock_.now() + std::chrono::milliseconds(10);
        co_await clock_.sleep_until(soon);
        const RunId id = newest->id;
        auto look = [data, id] { return find_run(data, id); };
        auto again = co_await async::offload(files_, std::move(look));
        if (again) newest = std::move(*again);
    }
    while (newest && came_to_nothing(*newest)) {
        const RunId id = newest->id;
        auto drop = [data, id] { return remove_run_files(data, id); };
        co_await async::offload(files_, std::move(drop));
        found.runs.pop_back();
        newest.reset();
        recorded.reset();
        if (found.runs.empty()) break;
        const RunId before{found.id, found.runs.back()};
        auto look = [data, before] { return find_run(data, before); };
        auto run = co_await async::offload(files_, std::move(look));
        if (!run) {
            base::report(base::Severity::error, "{}: {}", to_string(before), run.error().message);
            cannot_be_read(before.number);
            co_return;
        }
        newest = std::move(*run);
    }
    if (!newest) {
        forget(process);
        StoreChange change;
        change.removed.push_back(found.id);
        tasks_.spawn("record", record(std::move(change), to_string(found.id)));
        const ProcessId id = found.id;
        auto drop = [data, id] { return remove_process_files(data, id); };
        co_await async::offload(files_, std::move(drop));
        co_return;
    }

    const std::uint32_t run = newest->id.number;
    process->run_state = newest->state;
    if (newest->spec) process->nonce = newest->spec->nonce;
    process->unsupported = newest->unsupported;
    const Wanted wanted = process->record.wanted;
    const Intent intent = process->record.intent;
    const std::uint32_t intent_run = process->record.intent_run;
    const auto phase = newest->state.phase;

    if (newest->unsupported) {
        process->life = Lifecycle(Ended{run, false}, Wanted::down, highest, std::nullopt);
        announce(*process);
        co_return;
    }
    if (newest->shim_alive) {
        process->life = Lifecycle(Unreachable{run}, wanted, run, std::nullopt);
        const bool answered = co_await take_over(process, run, until);
        if (!answered) {
            reach_again(process, run);
            tasks_.spawn("intent", carry_through(process, run, intent, intent_run));
            co_return;
        }
    } else if (recorded && wanted == Wanted::down) {
        process->end_heard = process->start_confirmed = true;
        process->ended_run = run;
        process->life = Lifecycle(Ended{run, false}, Wanted::down, highest, std::move(recorded));
    } else {
        // It ended while no daemon lived, or the daemon was gone before the policy's next run. The rules hear of it
        // now.
        const auto ran_since = clock_.now() - (clock_.wall() - base::from_ns(newest->state.started_wall_ns));
        Running was{.run = run, .since = ran_since};
        process->end_heard = process->start_confirmed = true;
        process->life = Lifecycle(was, wanted, highest, std::nullopt);
        Outcome outcome;
        if (recorded)
            outcome = std::move(*recorded);
        else if (phase == rundir::Phase::exited || phase == rundir::Phase::exec_failed)
            outcome = outcome_of(newest->state);
        else if (!newest->trouble.empty())
            outcome = lost_outcome("its run directory is damaged: " + newest->trouble, clock_.wall());
        else if (newest->state.boot_id != base::current_boot_id())
            outcome = lost_outcome("the machine was restarted", clock_.wall());
        else
            outcome = lost_outcome("its shim was killed before it could record an outcome", clock_.wall());
        ProgramEnded ended{.outcome = std::move(outcome)};
        apply(process, ended);
    }

    co_await carry_through(process, run, intent, intent_run);
}

Task<> Supervisor::carry_through(ProcessPtr process, std::uint32_t run, Intent intent, std::uint32_t intent_run) {
    while (std::holds_alternative<Unreachable>(process->life.phase()) && !process->removed) {
        // A stop that was asked for meanwhile is carried out by the rules, and outranks a restart.
        if (process->life.wanted() == Wanted::down) co_return;
        co_await process->changed.wait();
    }
    if (process->removed) co_return;
    // Once, and only about the run it meant.
    process->actor = "adoption";
    if (intent == Intent::stop && intent_run == run && process->life.is_live()) {
        process->record.intent = Intent::stop;
        apply(process, StopRequested{});
    } else if (intent == Intent::restart && intent_run >= run && !process->record.definition.command.empty()) {
        process->record.intent = Intent::restart;
        if (intent_run == run || !process->life.is_live()) apply(process, RestartRequested{});
    }
}

Task<bool> Supervisor::take_over(ProcessPtr process, std::uint32_t run, MonoTime until) {
    const RunId id{process->record.id, run};
    auto link = co_await shims_.connect(id);
    if (!link) co_return false;
    std::shared_ptr<ShimLink> connected(std::move(*link));
    rundir::ControlMessage hello;
    hello.type = rundir::MessageType::hello;
    hello.epoch = epoch_;
    hello.nonce = process->nonce;
    hello.request = next_request_++;
    if (auto sent = connected->send(hello); !sent) co_return false;
    process->link = connected;
    process->run_state.generation = 0;
    process->end_heard = process->start_confirmed = false;
    tasks_.spawn("shim of " + to_string(id), watch(process, run, connected));
    // `heard` moves the phase on; a shim that is still between COMMIT and execve pushes its next state by itself.
    while (process->link == connected && std::holds_alternative<Unreachable>(process->life.phase())) {
        const bool woken = co_await process->changed.wait_until(until, clock_);
        if (!woken) break;
    }
    const bool answered = !std::holds_alternative<Unreachable>(process->life.phase());
    if (!answered && process->link == connected) process->drop_link();
    co_return answered;
}

void Supervisor::reach_again(const ProcessPtr& process, std::uint32_t run) {
    if (process->reconnecting) return;
    process->reconnecting = true;
    tasks_.spawn("reconnect", reconnect(process, run));
}

Task<> Supervisor::reconnect(ProcessPtr process, std::uint32_t run) {
    struct Done {
        bool& reconnecting;
        ~Done() { reconnecting = false; }
    };
    const Done done{process->reconnecting};
    auto pause = std::chrono::nanoseconds(std::chrono::milliseconds(20));
    while (std::holds_alternative<Unreachable>(process->life.phase()) && process->life.last_run() == run &&
           !process->removed) {
        const MonoTime next = clock_.now() + pause;
        co_await clock_.sleep_until(next);
        pause = std::min<std::chrono::nanoseconds>(pause * 2, std::chrono::seconds(2));
        const auto data = options_.data;
        const RunId id{process->record.id, run};
        auto look = [data, id] { return find_run(data, id); };
        auto found = co_await async::offload(files_, std::move(look));
        if (!found) continue;  // an error is no proof of absence
        if (found->spec) process->nonce = found->spec->nonce;
        if (!found->shim_alive) {
            co_await after_shim(process, run);
            continue;
        }
        const MonoTime until = clock_.now() + std::chrono::seconds(2);
        co_await take_over(process, run, until);
    }
}

}  // namespace persistproc::core
