// Taking over what an earlier daemon left: every run directory becomes a fact, then the rules go on from there.
#include <fmt/format.h>

#include "common/async/offload.hpp"
#include "common/base/diagnostics.hpp"
#include "common/base/kill_point.hpp"
#include "common/rundir/paths.hpp"
#include "daemon/core/process.hpp"
#include "daemon/core/run_files.hpp"

namespace persistproc::core {

namespace {

constexpr std::size_t portion = 64;  // processes taken in at once: half a millisecond's work

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

/// What the store and the disk say of one process.
struct Supervisor::Remnant {
    ProcessId id;
    std::optional<ProcessRecord> record;
    std::optional<RunRecord> last_run;
    bool has_directory = false;
    FoundProcess found;

    /// Whether nothing is left to be done about it, by the store's word.
    std::optional<std::uint32_t> known_ended() const {
        if (!record || !last_run || !last_run->outcome) return std::nullopt;
        if (record->wanted != Wanted::down || record->intent == Intent::restart) return std::nullopt;
        return last_run->id.number;
    }
    /// And by the disk's, which is the truth: its shim may live on for what the program left behind, and a run may be
    /// there that the store never heard of.
    bool has_ended() const {
        return found.trouble.empty() && found.newest && found.newest->id.number == known_ended() &&
               !found.newest->shim_alive && !found.newest->unsupported && found.newest->trouble.empty() &&
               found.newest->state.phase >= rundir::Phase::started;
    }
};

struct Supervisor::Undecided {
    ProcessPtr process;
    FoundProcess found;
    std::optional<Outcome> recorded;
};

Task<Result<void>> Supervisor::adopt_now() {
    auto adopted = co_await adopt_all();
    if (!adopted) {
        adoption_failed_ = adopted.error();
        adoption_done_.notify_all();
    }
    co_return adopted;
}

Result<std::vector<Supervisor::Remnant>> Supervisor::match(StoreSnapshot snapshot, const std::filesystem::path& data) {
    const auto directories = find_process_ids(data);
    if (!directories) return directories.error();
    std::map<ProcessId, Remnant> all;
    for (const ProcessId id : *directories) all[id].has_directory = true;
    for (auto& record : snapshot.processes) {
        const ProcessId id = record.id;
        all[id].record = std::move(record);
    }
    for (auto& run : snapshot.last_runs) {
        const auto owner = all.find(run.id.process);
        if (owner != all.end()) owner->second.last_run = std::move(run);
    }
    std::vector<Remnant> out;
    out.reserve(all.size());
    for (auto& [id, remnant] : all) {
        remnant.id = id;
        out.push_back(std::move(remnant));
    }
    return out;
}

std::vector<Supervisor::Remnant> Supervisor::look_at(std::vector<Remnant> remnants, const std::filesystem::path& data) {
    for (auto& each : remnants)
        if (each.has_directory) each.found = find_process(data, each.id, each.known_ended());
    return remnants;
}

Task<Result<void>> Supervisor::adopt_all() {
    auto snapshot = co_await store_.load();
    if (!snapshot) co_return snapshot.error();
    base::kill_point("daemon.adopt.loaded");
    epoch_ = snapshot->epoch;
    next_process_ = std::max(next_process_, snapshot->next_process);
    const auto data = options_.data;
    auto list = [data, known = std::move(*snapshot)]() mutable { return match(std::move(known), data); };
    auto remnants = co_await async::offload(files_, std::move(list));
    if (!remnants) co_return remnants.error();
    base::kill_point("daemon.adopt.listed");
    adoption_.total = remnants->size();

    // In portions: whoever asks for something else meanwhile waits for one of them at most.
    std::vector<Undecided> undecided;
    for (std::size_t begin = 0; begin < remnants->size(); begin += portion) {
        const std::size_t end = std::min(begin + portion, remnants->size());
        std::vector<Remnant> some(std::make_move_iterator(remnants->begin() + static_cast<std::ptrdiff_t>(begin)),
                                  std::make_move_iterator(remnants->begin() + static_cast<std::ptrdiff_t>(end)));
        auto look = [data, some = std::move(some)]() mutable { return look_at(std::move(some), data); };
        auto seen = co_await async::offload(files_, std::move(look));
        for (auto& each : seen) place(std::move(each), undecided);
    }

    base::kill_point("daemon.adopt.placed");
    // Only now is it certain that the epoch is the highest: no shim has heard of this daemon before.
    const MonoTime until = clock_.now() + options_.adoption_bound;
    auto left = std::make_shared<std::size_t>(undecided.size());
    auto all_done = std::make_shared<async::Notifier>(executor_);
    for (std::size_t i = 0; i < undecided.size(); ++i) {
        auto& each = undecided[i];
        tasks_.spawn(
            "adoption of " + to_string(each.found.id),
            adopt_process(each.process, std::move(each.found), std::move(each.recorded), until, left, all_done));
        if (i % portion == portion - 1) co_await boost::asio::post(executor_, boost::asio::use_awaitable);
    }
    while (*left > 0) {
        const bool woken = co_await all_done->wait_until(until, clock_);
        if (!woken) break;
    }
    base::kill_point("daemon.adopt.done");
    adoption_.is_done = true;
    adoption_done_.notify_all();
    if (!retaining_) tasks_.spawn("retention", retain());
    tasks_.spawn("regular retention", retain_regularly());
    co_return boost::system::in_place_value;
}

/// Takes one process in: as ended, or among those whose fate is still to be found out.
void Supervisor::place(Remnant remnant, std::vector<Undecided>& undecided) {
    const ProcessId id = remnant.id;
    FoundProcess& found = remnant.found;
    next_process_ = std::max(next_process_, id.number + 1);
    // A database that was begun anew may have forgotten how far the epochs had come.
    if (found.newest) epoch_ = std::max(epoch_, found.newest->state.epoch + 1);
    if (!found.trouble.empty()) base::report(base::Severity::error, "{}: {}", to_string(id), found.trouble);
    if (!remnant.has_directory) {
        // Its row was committed and nothing else: a start that no caller ever heard of.
        StoreChange change;
        change.removed.push_back(id);
        tasks_.spawn("record", record(std::move(change), to_string(id)));
        ++adoption_.adopted;
        return;
    }
    if (!remnant.record && found.runs.empty()) {
        ++adoption_.adopted;
        return;
    }
    const bool has_ended = remnant.has_ended();
    const bool is_recovered = !remnant.record;
    auto process = std::make_shared<Process>(executor_, is_recovered ? record_from(found) : std::move(*remnant.record));
    if (is_recovered) {
        StoreChange change;
        change.processes.push_back(process->record);
        tasks_.spawn("record", record(std::move(change), "the recovery of " + to_string(id)));
    }
    processes_.emplace_hint(processes_.end(), id, process);

    std::optional<Outcome> recorded;
    if (remnant.last_run) {
        process->record.last_run = std::max(process->record.last_run, remnant.last_run->id.number);
        if (!found.runs.empty() && remnant.last_run->id.number == found.runs.back())
            recorded = std::move(remnant.last_run->outcome);
    }
    if (has_ended) {
        take_as_ended(*process, found, std::move(recorded));
        ++adoption_.adopted;
        return;
    }
    // Until it is settled, which may take longer than calls wait, nothing is known and nothing may be started.
    const std::uint32_t newest = found.runs.empty() ? process->record.last_run : found.runs.back();
    process->life = Lifecycle(Unreachable{newest}, process->record.wanted, newest, std::nullopt);
    Undecided waiting{.process = std::move(process), .found = std::move(found), .recorded = std::move(recorded)};
    undecided.push_back(std::move(waiting));
}

/// By the record, and nothing is wanted of it.
void Supervisor::take_as_ended(Process& process, const FoundProcess& found, std::optional<Outcome> recorded) {
    const std::uint32_t run = found.newest->id.number;
    process.run_state = found.newest->state;
    process.nonce = found.newest->state.nonce;
    process.end_heard = process.start_confirmed = true;
    process.ended_run = run;
    const std::uint32_t highest = std::max(process.record.last_run, run);
    process.life = Lifecycle(Ended{run, false}, Wanted::down, highest, std::move(recorded));
}

Task<> Supervisor::adopt_process(ProcessPtr process, FoundProcess found, std::optional<Outcome> recorded,
                                 MonoTime until, std::shared_ptr<std::size_t> left,
                                 std::shared_ptr<async::Notifier> all_done) {
    co_await settle_found(process, std::move(found), std::move(recorded), until);
    ++adoption_.adopted;
    if (--*left == 0) all_done->notify_all();
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
        base::kill_point("daemon.adopt.dropped");
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
    process->nonce = newest->spec ? newest->spec->nonce : newest->state.nonce;
    if (newest->spec) process->request_key = newest->spec->request_key;
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
        found.newest = std::move(newest);
        take_as_ended(*process, found, std::move(recorded));
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
        else if (newest->state.outcome_unknown != 0)
            outcome = lost_outcome(unseen_end, clock_.wall());
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
    base::kill_point("daemon.adopt.intent");
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
    base::kill_point("daemon.adopt.connected");
    rundir::ControlMessage hello;
    hello.type = rundir::MessageType::hello;
    hello.epoch = epoch_;
    hello.nonce = process->nonce;
    hello.request = next_request_++;
    if (auto sent = connected->send(hello); !sent) co_return false;
    base::kill_point("daemon.adopt.greeted");
    process->link = connected;
    process->run_state.generation = 0;
    process->end_heard = process->start_confirmed = false;
    tasks_.spawn("shim of " + to_string(id), watch(process, run, connected));
    // `heard` moves the phase on; a shim that is still between COMMIT and execve pushes its next state by itself.
    const base::PidIdentity shim{process->run_state.shim_pid, process->run_state.shim_start_ticks};
    const MonoTime soon = std::min(until, clock_.now() + options_.first_answer_bound);
    MonoTime patience = soon;
    while (process->link == connected && std::holds_alternative<Unreachable>(process->life.phase())) {
        const bool woken = co_await process->changed.wait_until(patience, clock_);
        if (woken) continue;
        // One that was suspended says nothing until it goes on, and nobody should wait for that.
        if (patience == until || base::is_suspended(shim)) break;
        patience = until;
    }
    const bool answered = !std::holds_alternative<Unreachable>(process->life.phase());
    base::kill_point("daemon.adopt.answered");
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
