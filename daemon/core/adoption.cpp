#include "daemon/core/adoption.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "common/base/diagnostics.hpp"
#include "common/base/kill_point.hpp"
#include "common/base/text.hpp"
#include "daemon/core/before.hpp"

namespace persistproc::core {

namespace {

constexpr std::size_t portion = 64;  // processes taken in at once: half a millisecond's work
constexpr auto start_patience = std::chrono::milliseconds(500);
constexpr auto longest_pause = std::chrono::seconds(2);
constexpr auto start_pause = std::chrono::milliseconds(10);

template <class T>
const T* get_pointer(const std::optional<T>& value) {
    return value ? &*value : nullptr;
}

/// Whether the run is still to be replaced, by what the record says of the process now.
bool is_restart_due(const ProcessRecord& record, const FoundRun& newest) {
    if (record.intent != Intent::restart || record.intent_run < newest.id.number) return false;
    return record.intent_run == newest.id.number || !newest.shim_alive;
}

/// What was asked for after this run has come to nothing: the process is what it was begun as. True: it was not so.
bool take_back_request(ProcessRecord& record, const FoundRun& newest) {
    if (newest.spec) {
        // Of the run's own request another may have followed that it did not come to.
        const bool was_redefined =
            newest.id.number != record.last_run || newest.spec->request_key != record.request_key;
        if (was_redefined) record.definition = newest.spec->definition;
        record.request_key = newest.spec->request_key;
        return was_redefined;
    }
    if (newest.id.number == record.last_run || record.request_key.empty()) return false;
    record.request_key.clear();
    return true;
}

/// What the process is again where a stop comes before the restart.
std::shared_ptr<Before> before_restart(const Process& process, const FoundRun& newest) {
    auto before = std::make_shared<Before>(process);
    take_back_request(before->record, newest);
    before->record.intent = Intent::none;
    return before;
}

/// The run to come is not there any more: it was begun, as this one or before it, or its directory is gone.
void forget_pending(ProcessRecord& record, std::uint32_t newest) {
    if (record.waits_to_begin() && newest >= record.pending_run) record.planned = Planned::up;
    record.pending_run = 0;
}

int failures_of(const Process& process) { return static_cast<int>(process.record.quick_failures); }

/// Nobody has begun a run of it, or it came to nothing. Of a machine that was restarted since, that is not known.
bool has_never_run(const Remnant& remnant, base::BootId boot) {
    const ProcessRecord& record = *remnant.record;
    const bool may_be_lost = record.intent != Intent::none && was_begun_before(record, boot);
    return record.last_run == 0 || (!remnant.last_run && !may_be_lost);
}

}  // namespace

struct Adoption::Undecided {
    ProcessPtr process;
    FoundProcess found;
    std::optional<RunRecord> recorded;  // the newest run the store knows
};

Task<Result<void>> Adoption::wait() {
    const MonoTime until = world_.clock.now() + options_.gate_bound;
    while (!progress_.is_done) {
        if (failed_) co_return *failed_;
        const bool woken = co_await moved_.wait_until(until, world_.clock);
        if (woken || progress_.is_done || failed_) continue;
        const std::string how_far =
            progress_.total == 0 ? "reading what ran before it"
                                 : fmt::format("taking over what ran before it, {} of {} done", progress_.adopted,
                                               base::counted(progress_.total, "process", "processes"));
        co_return Error{ErrorCode::unavailable,
                        fmt::format("the daemon has just started and is still {}; they run on meanwhile. Try again in "
                                    "a moment",
                                    how_far)};
    }
    co_return boost::system::in_place_value;
}

Task<Result<void>> Adoption::run() {
    auto adopted = co_await take_all();
    if (!adopted) failed_ = adopted.error();
    moved_.notify_all();
    co_return adopted;
}

Task<std::vector<Remnant>> Adoption::look_at(std::vector<Remnant> remnants) {
    std::vector<ProcessQuestion> questions;
    for (const auto& each : remnants)
        if (each.has_directory) questions.push_back({each.id, known_ended(each)});
    auto found = co_await world_.directories.find_processes(std::move(questions));
    auto next = found.begin();
    for (auto& each : remnants)
        if (each.has_directory) each.found = std::move(*next++);
    co_return remnants;
}

Task<Result<void>> Adoption::take_all() {
    auto snapshot = co_await store_.load();
    if (!snapshot) co_return snapshot.error();
    base::kill_point("daemon.adopt.loaded");
    world_.epoch = snapshot->epoch;
    table_.reserve(snapshot->next_process);
    projects_.take(std::move(snapshot->projects));
    const auto directories = co_await world_.directories.list();
    if (!directories) co_return directories.error();
    const auto& removals = directories->removals;
    if (!removals.empty()) {
        const auto is_removed = [&](ProcessId id) { return std::binary_search(removals.begin(), removals.end(), id); };
        std::erase_if(snapshot->processes, [&](const auto& each) { return is_removed(each.id); });
        std::erase_if(snapshot->last_runs, [&](const auto& each) { return is_removed(each.id.process); });
        // Also where the database that gave the number is lost.
        table_.reserve(removals.back().number + 1);
        world_.tasks.spawn("removals", go_on_with_removals(removals));
    }
    auto remnants = match(std::move(*snapshot), directories->processes);
    base::kill_point("daemon.adopt.listed");
    progress_.total = remnants.size();

    // In portions: whoever asks for something else meanwhile waits for one of them at most.
    std::vector<Undecided> undecided;
    std::vector<ProcessId> recalled;
    for (std::size_t begin = 0; begin < remnants.size(); begin += portion) {
        const std::size_t end = std::min(begin + portion, remnants.size());
        std::vector<Remnant> some(std::make_move_iterator(remnants.begin() + static_cast<std::ptrdiff_t>(begin)),
                                  std::make_move_iterator(remnants.begin() + static_cast<std::ptrdiff_t>(end)));
        auto seen = co_await look_at(std::move(some));
        for (auto& each : seen) {
            if (!each.record && !each.found.runs.empty()) {
                co_await recall(each);
                recalled.push_back(each.id);
            }
            place(std::move(each), undecided);
        }
    }
    for (const ProcessId id : recalled) record_anew(id);
    const bool knew_projects = std::any_of(recalled.begin(), recalled.end(), [this](ProcessId id) {
        const auto process = table_.find(id);
        return process && process->record.definition.membership;
    });
    if (knew_projects)
        base::report(base::Severity::warning,
                     "what agents were allowed to start is lost with the database: persistproc allow DIR");
    base::kill_point("daemon.adopt.placed");

    // Only now is it certain that the epoch is the highest: no shim has heard of this daemon before.
    const MonoTime until = world_.clock.now() + options_.adoption_bound;
    auto left = std::make_shared<std::size_t>(undecided.size());
    std::size_t count = 0;
    for (auto& each : undecided) {
        const std::string name = "adoption of " + to_string(each.found.id);
        world_.tasks.spawn(name, adopt(std::move(each), until, left));
        if (++count % portion == 0) co_await boost::asio::post(world_.executor, boost::asio::use_awaitable);
    }
    while (*left > 0) {
        const bool woken = co_await moved_.wait_until(until, world_.clock);
        if (!woken) break;
    }
    base::kill_point("daemon.adopt.done");
    progress_.is_done = true;
    co_return boost::system::in_place_value;
}

/// A process whose record is lost: what its runs tell, and what its history does.
Task<> Adoption::recall(Remnant& remnant) {
    remnant.record = record_from(remnant.found);
    AuditQuery of_it;
    of_it.process = to_string(remnant.id);
    const auto history = co_await store_.read_audit(std::move(of_it));
    if (history) remember(*remnant.record, *history);
}

/// Once all are placed: nobody yields its label to a process that was recalled with one it has no more.
void Adoption::record_anew(ProcessId id) {
    const auto process = table_.find(id);
    if (!process) return;
    if (table_.tell_apart(*process))
        base::report(base::Severity::warning, "{}: its record was lost, and its label is in use: it is {} now",
                     to_string(id), base::quote(process->record.definition.label));
    StoreChange change;
    if (const auto& membership = process->record.definition.membership)
        if (auto project = projects_.relearn(*membership)) change.projects.push_back(std::move(*project));
    change.processes.push_back(process->record);
    RunRecord row{.id = RunId{id, process->record.last_run}};
    change.runs.push_back(std::move(row));
    world_.tasks.spawn("record", driver_.record(std::move(change), "the recovery of " + to_string(id)));
}

/// The label of a start that comes to nothing is free at once, before its directory and its row are gone. Where a
/// daemon died meanwhile and nobody can tell that it came to nothing, whoever has the label since keeps it.
void Adoption::yield_label(Process& process, const RunRecord* recorded) {
    if (!may_be_failed_start(process.record, recorded) || !table_.tell_apart(process)) return;
    const std::string id = to_string(process.record.id);
    base::report(base::Severity::warning,
                 "{}: whether it was ever started is not known, and its label is in use: it is {} now", id,
                 base::quote(process.record.definition.label));
    commit_record(process, "the label of " + id);
}

/// Takes one process in: as ended, or among those whose fate is still to be found out.
void Adoption::place(Remnant remnant, std::vector<Undecided>& undecided) {
    const ProcessId id = remnant.id;
    FoundProcess& found = remnant.found;
    table_.reserve(id.number + 1);
    // A database that was begun anew may have forgotten how far the epochs had come.
    if (found.newest) world_.epoch = std::max(world_.epoch, found.newest->state.epoch + 1);
    if (!found.trouble.empty()) base::report(base::Severity::error, "{}: {}", to_string(id), found.trouble);
    const bool is_planned = remnant.record && remnant.record->planned;
    if (is_planned && !remnant.has_directory && has_never_run(remnant, world_.directories.boot_id())) {
        // What was to come of it is gone with its directory, or was withdrawn.
        const auto member = table_.insert(std::move(*remnant.record));
        member->record.pending_run = 0;
        take_as_never_run(*member);
        ++progress_.adopted;
        return;
    }
    if (remnant.record && !remnant.has_directory && remnant.record->last_run == 0) {
        // Of ours even what came to nothing has a run.
        base::report(base::Severity::warning,
                     "database: {} has neither a run nor a directory: it is no process's, and left alone",
                     to_string(id));
        ++progress_.adopted;
        return;
    }
    if (!remnant.has_directory && !has_lost_directory(remnant, world_.directories.boot_id())) {
        // Its row was committed and nothing else: a start that no caller ever heard of; or it was being removed.
        drop_row(id);
        ++progress_.adopted;
        return;
    }
    const bool is_failed = is_failed_start(found, get_pointer(remnant.record), get_pointer(remnant.last_run));
    if (is_failed && !is_planned) {
        world_.tasks.spawn("removal of " + to_string(id), driver_.discard(id));
        ++progress_.adopted;
        return;
    }
    if (!remnant.record) {
        ++progress_.adopted;
        return;
    }
    const bool is_over = has_ended(remnant);
    if (!remnant.has_directory && !remnant.record->is_without_directory)
        base::report(base::Severity::error,
                     "{}: its directory is missing, with its output; nobody keeps what may live of its program",
                     to_string(id));
    const auto process = table_.insert(std::move(*remnant.record));
    process->record.is_without_directory = !remnant.has_directory;
    if (remnant.last_run) process->record.last_run = std::max(process->record.last_run, remnant.last_run->id.number);
    if (process->record.intent == Intent::remove) {
        process->record.intent = Intent::none;
        commit_record(*process, "that " + to_string(id) + " was not removed");
    }
    if (is_over) {
        // What was asked for after this run has come to nothing: whoever asks again is not to be given this run for it.
        if (process->record.last_run > found.newest->id.number) process->record.request_key.clear();
        forget_pending(process->record, found.newest->id.number);
        take_as_ended(*process, *found.newest, remnant.last_run->outcome);
        ++progress_.adopted;
        return;
    }
    // Until it is settled, which may take longer than calls wait, nothing is known and nothing may be started.
    const std::uint32_t newest = found.runs.empty() ? process->record.last_run : found.runs.back();
    process->life = Lifecycle(Unreachable{newest}, process->record.wanted, newest, std::nullopt);
    process->unread = found.trouble;
    undecided.push_back({.process = process, .found = std::move(found), .recorded = std::move(remnant.last_run)});
}

/// Of a run from before a restart of the machine nothing lives, and whoever has its program's pid now, and maybe its
/// time of start, is another: without the mark nobody is looked for.
void Adoption::take_state(Process& process, const FoundRun& run) const {
    process.run_state = run.state;
    process.cut_bytes = run.cut_bytes;
    const base::BootId& began = run.state.boot_id;
    const bool is_before_restart = began != base::BootId{} && began != world_.directories.boot_id();
    process.nonce = is_before_restart ? rundir::Nonce{} : run.spec ? run.spec->nonce : run.state.nonce;
}

/// By the record, and nothing is wanted of it.
void Adoption::take_as_ended(Process& process, const FoundRun& run, std::optional<Outcome> outcome) {
    const std::uint32_t number = run.id.number;
    take_state(process, run);
    process.ended_run = number;
    const std::uint32_t highest = std::max(process.record.last_run, number);
    const bool gave_up = process.record.gave_up;
    const Phase phase = gave_up ? Phase(GaveUp{number, false}) : Phase(Ended{number, false});
    process.life = Lifecycle(phase, Wanted::down, number, std::move(outcome), gave_up ? failures_of(process) : 0);
    process.life.reserve(highest);
}

/// It ended while no daemon lived, or the daemon was gone before the policy's next run. The rules hear of it now.
void Adoption::take_end_as_news(const ProcessPtr& process, const FoundRun& run, const FoundEnded& ended,
                                std::uint32_t highest) {
    // How long it ran decides whether it was a quick failure; when it ended it may have been long ago.
    const auto lasted = ended.outcome.ended_at - base::from_ns(run.state.started_wall_ns);
    const Running was{.run = run.id.number,
                      .since = world_.clock.now() - std::max<std::chrono::nanoseconds>(lasted, {})};
    // A restart of the machine ended it, or came before its policy's next run: it is not a failure of its own to be
    // tried again, and whoever wants it to run always says so. What a copy tells of is another daemon's to run.
    const base::BootId boot = world_.directories.boot_id();
    const bool is_of_earlier_boot = run.state.boot_id != base::BootId{} && run.state.boot_id != boot;
    const bool runs_always = process->record.definition.restart == domain::RestartPolicy::always;
    const bool is_copied = run.state.boot_id == rundir::copied;
    const bool is_over = is_of_earlier_boot && (!runs_always || is_copied);
    // Its project begins it anew in its turn, whatever the end of the run before would bring about.
    const bool begins_anew = process->record.waits_to_begin();
    const bool was_asked_for = begins_anew && highest >= process->record.pending_run;
    const Wanted wanted = is_over || begins_anew ? Wanted::down : process->record.wanted;
    // An end on record is counted already.
    const int counted = failures_of(*process) - (ended.is_news ? 0 : 1);
    const std::uint32_t last = was_asked_for ? run.id.number : highest;
    process->life = Lifecycle(was, wanted, last, std::nullopt, std::max(counted, 0));
    process->life.reserve(highest);
    const std::chrono::nanoseconds ago = world_.clock.wall() - ended.outcome.ended_at;
    ProgramEnded event{.outcome = ended.outcome, .leftovers = false, .ago = std::max(ago, std::chrono::nanoseconds{})};
    if (ended.is_news) explain_end(event.outcome, process->record, run.id.number);
    // Whoever was being stopped has been.
    ProcessRecord& record = process->record;
    const bool was_wanted = record.wanted == Wanted::up && record.planned == Planned::up &&
                            !(record.intent == Intent::stop && record.intent_run == run.id.number);
    const bool would_run = event.outcome.reason == OutcomeReason::lost ||
                           wants_restart(restart_rule(record.definition), event.outcome, false);
    if (is_over && !is_copied && was_wanted && would_run) record.planned = Planned::again;
    driver_.apply(process, event);
}

Task<> Adoption::adopt(Undecided each, MonoTime until, std::shared_ptr<std::size_t> left) {
    bool is_counted = false;
    const auto count = [this, &left, &is_counted] {
        if (std::exchange(is_counted, true)) return;
        ++progress_.adopted;
        if (--*left == 0) moved_.notify_all();
    };
    auto pause = std::chrono::nanoseconds(start_pause);
    for (;;) {
        const ProcessRecord& record = each.process->record;
        if (is_failed_start(each.found, &record, get_pointer(each.recorded))) {
            if (record.planned)
                co_await take_as_not_begun(each.process, each.found);
            else
                co_await drop(each.process);
            break;
        }
        if (each.found.trouble.empty()) {
            auto missing = missing_run(each.found, record, each.recorded, world_.directories.boot_id());
            auto newest = co_await find_newest(each.found, *each.process, each.recorded, until);
            if (newest) {
                if (missing) *newest = std::move(*missing);
                if (*newest)
                    co_await settle(each.process, std::move(**newest), std::move(each.recorded), until);
                else if (each.process->record.planned)
                    take_as_never_run(*each.process);
                else
                    co_await drop(each.process);
                break;
            }
            each.process->unread = newest.error().message;
        }
        // No proof of anything: its shim may live. Nobody should wait for a disk that cannot be read.
        yield_label(*each.process, get_pointer(each.recorded));
        count();
        const MonoTime next = world_.clock.now() + pause;
        co_await world_.clock.sleep_until(next);
        pause = std::min<std::chrono::nanoseconds>(pause * 2, longest_pause);
        if (!table_.holds(*each.process)) co_return;
        std::vector<ProcessQuestion> question{{each.found.id, std::nullopt}};
        auto found = co_await world_.directories.find_processes(std::move(question));
        each.found = std::move(found.front());
        each.process->unread = each.found.trouble;
    }
    count();
}

/// The newest run that ever had a program, or may have one; younger directories are starts that came to nothing, and
/// are removed, also from `found`. Nothing: there is none. Errors: io (no proof of anything about the last of `found`).
Task<Result<std::optional<FoundRun>>> Adoption::find_newest(FoundProcess& found, Process& process,
                                                            std::optional<RunRecord> recorded, MonoTime until) {
    bool keeps_pending = false;
    std::optional<FoundRun> newest = std::move(found.newest);
    while (newest) {
        FoundRun run = co_await await_start(std::move(*newest), until);
        newest.reset();
        doubt_state(run, recorded);
        const Found what = classify(run, std::nullopt, Wanted::down, world_.directories.boot_id(), world_.clock.wall());
        const bool is_to_come = is_pending(run, process.record, world_.directories.boot_id());
        if (!is_to_come && !std::holds_alternative<FoundNothing>(what)) {
            if (!keeps_pending) forget_pending(process.record, run.id.number);
            std::optional<FoundRun> out(std::move(run));
            co_return out;
        }
        if (is_to_come) {
            // Where its start was asked for, its number is not used again: a shim that the daemon before had begun may
            // come to life late.
            const std::uint32_t before = run.id.number - 1;
            process.life = Lifecycle(Unreachable{before}, process.record.wanted, before, std::nullopt);
            keeps_pending = true;
        } else {
            co_await world_.directories.remove_run(run.id);
            base::kill_point("daemon.adopt.dropped");
        }
        found.runs.pop_back();
        if (found.runs.empty()) break;
        const RunId before{found.id, found.runs.back()};
        auto next = co_await world_.directories.find_run(before);
        if (!next) {
            base::report(base::Severity::error, "{}: {}", to_string(before), next.error().message);
            co_return next.error();
        }
        newest = std::move(*next);
    }
    if (!keeps_pending) forget_pending(process.record, 0);
    co_return std::optional<FoundRun>();
}

/// One of a project: what is to become of it is on record, and of what it has been there is nothing.
void Adoption::take_as_never_run(Process& process) {
    process.unread.clear();
    process.life = Lifecycle(Ended{}, Wanted::down, 0, std::nullopt);
    process.life.reserve(process.record.last_run);
    driver_.announce(process);
}

/// The same, of a start that has failed for good: it stays the project's, and what needs it does not begin without it.
Task<> Adoption::take_as_not_begun(ProcessPtr process, FoundProcess found) {
    ProcessRecord& record = process->record;
    const Error why = start_error_of(record.definition, found.newest->state);
    if (record.planned == Planned::waiting || record.planned == Planned::up) {
        record.planned = Planned::failed;
        record.plan_causes = {Cause{.code = CauseCode::not_begun, .text = base::escape_line(why.message)}};
    }
    record.pending_run = 0;
    for (const std::uint32_t number : found.runs) {
        const RunId id{found.id, number};
        co_await world_.directories.remove_run(id);
    }
    if (!table_.holds(*process)) co_return;
    commit_record(*process, "the failed start of " + to_string(record.id));
    take_as_never_run(*process);
}

/// The shim of a start that was under way is about to leave or to tell of its program. Which of them decides whether
/// this run ever was.
Task<FoundRun> Adoption::await_start(FoundRun run, MonoTime until) {
    const MonoTime decided_by = std::min(until, world_.clock.now() + start_patience);
    const auto is_undecided = [&] {
        return run.shim_alive && !run.other_format && run.state.phase < rundir::Phase::started;
    };
    while (is_undecided() && world_.clock.now() < decided_by) {
        const MonoTime soon = world_.clock.now() + start_pause;
        co_await world_.clock.sleep_until(soon);
        auto again = co_await world_.directories.find_run(run.id);
        if (again) run = std::move(*again);
    }
    co_return run;
}

void Adoption::commit_record(const Process& process, std::string what) {
    StoreChange change;
    change.processes.push_back(process.record);
    world_.tasks.spawn("record", driver_.record(std::move(change), std::move(what)));
}

Task<> Adoption::settle(ProcessPtr process, FoundRun run, std::optional<RunRecord> record, MonoTime until) {
    process->unread.clear();
    const std::uint32_t number = run.id.number;
    const std::uint32_t highest = std::max({process->record.last_run, process->life.last_run(), number});
    // What its project replaces begins in its turn, and what it needs may be gone by now.
    const bool is_copied = run.state.boot_id == rundir::copied;
    if (is_copied || (process->record.waits_to_begin() && process->record.intent == Intent::restart))
        process->record.intent = Intent::none;
    const Intent intent = process->record.intent;
    const std::uint32_t intent_run = process->record.intent_run;
    const auto recorded = record && record->id == run.id ? record->outcome : std::nullopt;
    const base::BootId boot = world_.directories.boot_id();
    if (record && record->id == run.id && !run.trouble.empty()) recall_program(run, *record, process->record, boot);
    take_state(*process, run);
    if (is_restart_due(process->record, run))
        process->unrecorded = before_restart(*process, run);
    else if (process->record.pending_run == 0 && take_back_request(process->record, run))
        // The next daemon may find it ended, and then takes the record at its word.
        commit_record(*process, "the definition of " + to_string(process->record.id));
    if (run.state.phase < rundir::Phase::started) yield_label(*process, get_pointer(record));
    // Its directory was away, and it was taken for lost: nobody has asked for its end.
    const bool was_lost = recorded && recorded->reason == OutcomeReason::lost;
    if (was_lost && run.shim_alive && intent != Intent::stop) process->record.follow(Wanted::up);
    const Wanted wanted = process->record.wanted;
    const bool is_before_restart = number == process->record.last_run && was_begun_before(process->record, boot);
    const Found what = classify(run, recorded, wanted, boot, world_.clock.wall(), is_before_restart);
    if (const auto* unsupported = std::get_if<FoundUnsupported>(&what)) {
        process->standing = Standing::unsupported;
        process->other_format = unsupported->format;
        process->has_other_keeper = run.shim_alive;
        process->life = Lifecycle(Ended{number, false}, Wanted::down, highest, std::nullopt);
        driver_.announce(*process);
        co_return;
    }
    if (const auto* settled = std::get_if<FoundSettled>(&what)) {
        take_as_ended(*process, run, settled->outcome);
        driver_.announce(*process);
    } else if (const auto* ended = std::get_if<FoundEnded>(&what)) {
        take_end_as_news(process, run, *ended, highest);
    } else {
        process->life = Lifecycle(Unreachable{number}, wanted, number, std::nullopt, failures_of(*process));
        process->life.reserve(highest);
        driver_.take_over(process, run);
        const bool is_answered = co_await answered(process, until);
        if (!is_answered) {
            world_.tasks.spawn("intent", carry_through(process, number, intent, intent_run));
            co_return;
        }
    }
    co_await carry_through(process, number, intent, intent_run);
}

Task<> Adoption::drop(ProcessPtr process) {
    driver_.forget(process);
    co_await driver_.discard(process->record.id);
}

void Adoption::drop_row(ProcessId id) {
    StoreChange change;
    change.removed.push_back(id);
    world_.tasks.spawn("record", driver_.record(std::move(change), to_string(id)));
}

Task<> Adoption::go_on_with_removals(std::vector<ProcessId> ids) {
    // In turn: the threads that they take are those of the adoption.
    for (const ProcessId id : ids) {
        auto removed = co_await world_.directories.begin_removal(id);
        if (!removed) {
            base::report(base::Severity::warning, "{} could not be removed: {}", to_string(id),
                         removed.error().message);
            continue;
        }
        StoreChange change;
        change.removed.push_back(id);
        co_await driver_.end_removal(id, std::move(change));
    }
}

/// Whether its shim has answered. One that was suspended says nothing until it goes on, and nobody should wait for
/// that.
Task<bool> Adoption::answered(ProcessPtr process, MonoTime until) {
    const base::PidIdentity shim{process->run_state.shim_pid, process->run_state.shim_start_ticks};
    MonoTime patience = std::min(until, world_.clock.now() + options_.first_answer_bound);
    const auto is_asked = [&] {
        const auto* silent = process->run ? std::get_if<run::Silent>(&process->run->machine().phase()) : nullptr;
        return silent != nullptr && silent->step != run::Silent::Step::pausing;
    };
    while (process->is<Unreachable>() && table_.holds(*process) && is_asked()) {
        const bool woken = co_await process->changed.wait_until(patience, world_.clock);
        if (woken) continue;
        if (patience == until || world_.directories.is_suspended(shim)) break;
        patience = until;
    }
    base::kill_point("daemon.adopt.answered");
    co_return !process->is<Unreachable>();
}

Task<> Adoption::carry_through(ProcessPtr process, std::uint32_t run, Intent intent, std::uint32_t intent_run) {
    while (process->is<Unreachable>() && table_.holds(*process)) {
        // A stop that was asked for meanwhile is carried out by the rules, and outranks a restart.
        if (process->life.wanted() == Wanted::down) co_return;
        co_await process->changed.wait();
    }
    if (!table_.holds(*process)) co_return;
    base::kill_point("daemon.adopt.intent");
    // Once, and only about the run it meant.
    process->actor = "adoption";
    if (intent == Intent::stop && intent_run == run && process->life.is_live()) {
        process->record.intent = Intent::stop;
        driver_.apply(process, StopRequested{});
    } else if (intent == Intent::restart && intent_run >= run && check_understood(*process) &&
               process->life.has_number_left()) {
        process->record.intent = Intent::restart;
        // Not about the run that is to come, which may get the number of one that came to nothing.
        process->record.intent_run = run;
        if (intent_run == run || !process->life.is_live()) driver_.apply(process, RestartRequested{});
    }
}

}  // namespace persistproc::core
