#include "tests/simulation/judge.hpp"

#include <algorithm>

#include "tests/simulation/project.hpp"
#include "tests/simulation/world.hpp"

namespace persistproc::simulation {

namespace {

std::string to_text(const Outcome& outcome) {
    return fmt::format("{} code {} signal {}", schema::enum_name(outcome.reason),
                       outcome.exit_code ? std::to_string(*outcome.exit_code) : "-",
                       outcome.signal ? std::to_string(*outcome.signal) : "-");
}

bool is_same(const Outcome& a, const Outcome& b) {
    return a.exit_code == b.exit_code && a.signal == b.signal && a.reason == b.reason;
}

/// Whether its shim lives, and has more to do than to leave.
bool has_work(const RunDirectory& run) { return run.lock != 0 && run.state.tree_empty == 0; }

bool is_start_like(const Request& request) { return request.what == Asking::start || request.what == Asking::restart; }

}  // namespace

Judge::Run* Judge::find(RunId id) {
    const auto found = runs_.find(id);
    return found == runs_.end() ? nullptr : &found->second;
}

std::optional<Exit> Judge::true_exit(RunId run) const {
    const auto found = runs_.find(run);
    return found == runs_.end() ? std::nullopt : found->second.exit;
}

// Starts.

bool Judge::starts(const Request& request, const rundir::RunSpec& spec) const {
    if (request.what == Asking::restart) return request.target == spec.id.process;
    if (request.what != Asking::start) return false;
    const Definition& wanted = request.start.definition;
    if (wanted.command != spec.argv) return false;
    return !wanted.label_given || wanted.label == spec.definition.label;
}

bool Judge::brings_up(const Request& request, const rundir::RunSpec& spec) const {
    const auto& membership = spec.definition.membership;
    return request.what == Asking::up && membership &&
           project_order(request.version, request.names).chosen.contains(membership->process);
}

/// Whether an up has asked for it, which gives one run of each process; it waits for as long as it takes, and the next
/// daemon begins it.
bool Judge::is_licensed_by_up(RunId id, const Run& run) {
    for (const auto& each : world_.clients.all()) {
        // What was to be replaced when its daemon died is carried through by the next one.
        const bool is_it = each->actor() == run.actor || run.actor == "adoption";
        if (!is_it || !brings_up(*each, run.spec)) continue;
        if (used_ups_.try_emplace({each->serial, run.spec.definition.membership->process}, id).second) return true;
    }
    return false;
}

const Judge::Run* Judge::newest_executed(const std::string& member, RunId* id) const {
    const Run* out = nullptr;
    for (const auto& [each, run] : runs_) {
        const auto& membership = run.spec.definition.membership;
        if (!membership || membership->process != member || !run.has_executed) continue;
        if (out != nullptr && out->executed_at > run.executed_at) continue;
        out = &run;
        if (id != nullptr) *id = each;
    }
    return out;
}

/// What a process needs has been there before it was begun.
void Judge::look_at_needs(RunId id, const Run& run) {
    for (const auto& edge : run.spec.definition.membership->depends_on) {
        const Run* const other = newest_executed(edge.process);
        if (other == nullptr)
            return world_.record.violate("{} is begun before {} ever was", to_string(id), edge.process);
        if (edge.until != domain::Condition::done) continue;
        // Once this one is on its way, the other may begin again.
        const bool has_worked = other->exit && !other->exit->killed && other->exit->value == 0;
        if (!has_worked && other->executed_at <= run.begun_at)
            world_.record.violate("{} is begun, and {} has not done its work", to_string(id), edge.process);
    }
}

void Judge::prepared(const rundir::RunSpec& spec) {
    Run& run = runs_[spec.id];
    if (run.has_executed)
        world_.record.violate("{} is prepared a second time although its program was executed", to_string(spec.id));
    run = Run{};
    run.spec = spec;
    const auto& process = processes_[spec.id.process];
    run.begun_at = process.begun == spec.id.number ? process.begun_at : world_.time.now();
    // A number that an up had prepared, and that no program had, may be begun by somebody else long after that.
    run.begun_at = std::max(run.begun_at, process.started_at);
    run.actor = processes_[spec.id.process].start_actor;
    marks_[spec.nonce] = spec.id;
}

void Judge::audited(const core::AuditEntry& entry) {
    if (entry.action == "start")
        if (const auto id = domain::find_process_id(entry.process)) {
            processes_[*id].start_actor = entry.actor;
            processes_[*id].started_at = world_.time.now();
        }
}

/// Whether somebody asked for this run, or the policy may have it.
void Judge::licence_start(RunId id, Run& run) {
    // A restart is of that one alone, also where the next daemon carries it through.
    const bool may_be_restart =
        run.actor == "adoption" &&
        std::any_of(world_.clients.all().begin(), world_.clients.all().end(),
                    [&](const RequestPtr& each) { return each->what == Asking::restart && starts(*each, run.spec); });
    if (is_licensed_by_up(id, run)) {
        if (!may_be_restart) look_at_needs(id, run);
        return;
    }
    const bool is_by_policy = run.actor == "restart policy";
    const bool is_by_adoption = run.actor == "adoption";
    const auto& process = processes_[id.process];
    RequestPtr licence;
    bool is_wanted_after_stop = false, is_redefined = false;
    for (const auto& each : world_.clients.all()) {
        const bool is_open_up =
            each->state == Request::State::pending || !process.stop_asked || each->ended >= *process.stop_asked;
        if (brings_up(*each, run.spec) && is_open_up) is_wanted_after_stop = true;
        // The policy of the definition before began it, and an up came in.
        if (brings_up(*each, run.spec) && each->covers(run.begun_at)) is_redefined = true;
        if (!is_start_like(*each) || !starts(*each, run.spec)) continue;
        if (process.stop_asked && (each->covers(*process.stop_asked) || each->asked >= *process.stop_asked))
            is_wanted_after_stop = true;
        // A restart that lost to a stop is carried through by a later daemon where the database did not take that.
        const bool is_unrecorded = process.unrecorded && *process.unrecorded >= each->asked;
        const bool was_refused = each->state == Request::State::answered && !each->ok;
        // One that failed is told at once and recorded after that.
        const bool may_be_unknown = is_unrecorded || each->code != ErrorCode::conflict;
        const bool is_open = each->covers(run.begun_at) || (was_refused && may_be_unknown && is_by_adoption);
        const bool is_of_other = std::any_of(runs_.begin(), runs_.end(), [&](const auto& other) {
            return other.first.process != id.process && other.second.actor == each->actor();
        });
        const bool is_it = is_by_adoption ? !is_of_other && (each->state == Request::State::cut_off || was_refused)
                                          : each->actor() == run.actor;
        if (is_open && is_it && !used_.contains(each->serial) && !licence) licence = each;
    }
    if (is_by_policy) {
        if (run.spec.definition.restart == domain::RestartPolicy::never && !is_redefined)
            world_.record.violate("{} is started by a policy that its process does not have", to_string(id));
        if (process.stop_asked && !is_wanted_after_stop)
            world_.record.violate(
                "{} is started by policy although the process was stopped and nobody has started it since",
                to_string(id));
        return;
    }
    // What the policy does right after an adoption may be on record as the adoption's.
    const bool may_be_policy = is_by_adoption && run.spec.definition.restart != domain::RestartPolicy::never &&
                               (!process.stop_asked || is_wanted_after_stop);
    if (!licence && may_be_policy) return;
    if (!licence)
        return world_.record.violate(
            "{} is started by {}, which nobody asked for, or asked for once and has had already", to_string(id),
            run.actor);
    used_[licence->serial] = id;
    const std::string key = licence->start.request_key.value_or("");
    if (licence->what != Asking::start || key.empty() || is_by_adoption) return;
    // What a key began is done once, for as long as its process knows of it: until it is removed, or started by another
    // request.
    const auto [place, is_new] = used_keys_.emplace(key, id);
    if (is_new) return;
    const RunId before = std::exchange(place->second, id);
    const auto& owner = processes_[before.process];
    // A start that failed since is what the process has come to, and that is begun anew.
    const std::uint32_t end = id.process == before.process ? id.number : owner.begun + 1;
    bool has_failed_since = false;
    for (std::uint32_t number = before.number + 1; number < end; ++number) {
        const Run* since = find(RunId{before.process, number});
        has_failed_since = has_failed_since || since == nullptr || !since->has_executed;
    }
    if (!owner.is_removed && owner.key == key && !has_failed_since)
        world_.record.violate("{}: its key began {} before and begins {} now", licence->text(), to_string(before),
                              to_string(id));
}

void Judge::executed(const Inhabitant& program) {
    const RunId id = program.run;
    world_.record.note("{} runs as {}", to_string(id), program.pid);
    Run* run = find(id);
    if (run == nullptr) return world_.record.violate("{} runs and was never prepared", to_string(id));
    if (run->has_executed) world_.record.violate("{} is executed twice", to_string(id));
    run->has_executed = true;
    run->executed_at = world_.time.now();
    licence_start(id, *run);
    processes_[id.process].key = run->spec.request_key;
    for (const auto& [pid, other] : world_.kernel.all()) {
        if (pid == program.pid || other.is_zombie || other.is_dying || !other.executed || !other.is_program) continue;
        if (other.run.process == id.process)
            world_.record.violate("{} runs while {} of the same process still does", to_string(id),
                                  to_string(other.run));
        const Run* of_other = find(other.run);
        if (of_other != nullptr && run->spec.definition.label_given &&
            of_other->spec.definition.label == run->spec.definition.label && other.run.process != id.process)
            world_.record.violate("{} and {} are live under one label", to_string(id), to_string(other.run));
    }
}

void Judge::ended(const Inhabitant& program) {
    world_.record.note("{} has ended: {}", to_string(program.run), simulation::to_text(program.exit));
    if (Run* run = find(program.run)) run->exit = program.exit;
}

// Files.

void Judge::run_removed(RunId id, const std::map<std::uint32_t, RunDirectory>& among) {
    const RunDirectory& directory = among.at(id.number);
    const Run* run = find(id);
    // The shim of a daemon that died may come to life after its successor has looked; without COMMIT it only leaves.
    if (run == nullptr || !run->has_executed) return;
    if (has_work(directory))
        return world_.record.violate("the directory of {} is removed while its shim lives", to_string(id));
    const auto newer = std::distance(among.upper_bound(id.number), among.end());
    if (static_cast<std::size_t>(newer) < kept_runs)
        world_.record.violate("the directory of {} is removed although it is one of the newest and was executed",
                              to_string(id));
}

void Judge::process_removed(ProcessId id, const ProcessDirectory& directory) {
    processes_[id].is_removed = true;
    bool has_executed = false;
    for (const auto& [number, each] : directory.runs) {
        const RunId run_id{id, number};
        const Run* run = find(run_id);
        if (run == nullptr || !run->has_executed) continue;
        has_executed = true;
        if (has_work(each))
            return world_.record.violate("{} is removed while the shim of {} lives", to_string(id), to_string(run_id));
        for (const Pid pid : world_.kernel.alive_of(run_id))
            if (const Inhabitant& left = *world_.kernel.find(pid); left.executed && !left.is_dying)
                return world_.record.violate("{} is removed with the mark of {}, and {} of it lives", to_string(id),
                                             to_string(run_id), pid);
    }
    if (!has_executed) return;
    for (const auto& each : world_.clients.all())
        if (each->what == Asking::remove && each->target == id && each->covers(world_.time.now())) return;
    std::size_t others = 0;
    for (const auto& [other, each] : world_.disk.all()) {
        if (other == id) continue;
        bool is_live = false;
        for (const auto& [number, run] : each.runs) is_live = is_live || run.lock != 0;
        if (!is_live) ++others;
    }
    for (const auto& each : world_.clients.all())
        if (each->what == Asking::remove && each->covers(world_.time.now())) ++others;
    // Some of those that had ended may have been started or removed while this one was being removed.
    if (others + 2 < kept_ended)
        world_.record.violate(
            "{} is removed with its output although nobody asked for it and only {} others have ended", to_string(id),
            others);
}

// Signals.

/// Whether it may end the run: its project goes down, or brings up what is to take its place.
bool Judge::is_of_project(const Request& request, const Run& run) {
    const bool is_it = request.what == Asking::up || request.what == Asking::down;
    const bool is_open = request.state != Request::State::answered || request.ended >= run.begun_at;
    // One that was started by itself may have become the project's since.
    return is_it && is_open && run.spec.argv.front().starts_with("project-");
}

bool Judge::may_be_stopped(RunId id, const Run& run) const {
    for (const auto& each : world_.clients.all()) {
        const bool stops =
            ((each->what == Asking::stop || each->what == Asking::restart) && each->target == id.process) ||
            each->what == Asking::leave || is_of_project(*each, run) ||
            (each->what == Asking::start && each->start.if_running == ops::IfRunning::restart &&
             starts(*each, run.spec));
        if (!stops) continue;
        // What was asked of a daemon that died before this run is about another one.
        const bool is_under_way = each->state == Request::State::pending || each->state == Request::State::given_up;
        // What a project wants is carried out when its time has come.
        if (is_of_project(*each, run)) return true;
        const bool is_about_it = is_under_way || each->ended >= run.begun_at;
        const bool is_open = each->covers(world_.time.now()) ||
                             each->what == Asking::leave ||  // which may have left it to the next daemon
                             (each->state == Request::State::answered && !each->ok);
        if (is_about_it && is_open) return true;
    }
    return false;
}

/// Where its project's down alone can have sent it: what needs it is gone before.
void Judge::look_at_dependents(RunId id, const Run& run) {
    bool is_by_down = false;
    for (const auto& each : world_.clients.all()) {
        if (each->state == Request::State::answered && each->ended < run.begun_at) continue;
        const bool is_other = each->what == Asking::stop || each->what == Asking::restart ||
                              each->what == Asking::leave || each->what == Asking::start || each->what == Asking::up;
        if (is_other || (each->what == Asking::down && each->force)) return;
        is_by_down = is_by_down || each->what == Asking::down;
    }
    if (!is_by_down) return;
    for (const auto& [pid, each] : world_.kernel.all()) {
        const Run* const other = find(each.run);
        if (other == nullptr || !each.executed || each.is_zombie || each.is_dying) continue;
        const auto& membership = other->spec.definition.membership;
        if (!membership) continue;
        for (const auto& edge : membership->depends_on)
            if (edge.process == run.spec.definition.membership->process)
                world_.record.violate("{} is stopped while {} lives, which needs it", to_string(id),
                                      to_string(each.run));
    }
}

void Judge::stopped(RunId id, const rundir::ControlMessage& message, bool is_live) {
    world_.record.note("a stop reaches {}{}", to_string(id), message.force ? " by force" : "");
    Run* run = find(id);
    if (run == nullptr) return;
    if (message.nonce != run->spec.nonce)
        world_.record.violate("a stop reaches {} with the proof of identity of another run", to_string(id));
    if (is_live) run->stop_reached = true;
    // One that takes over may not have seen yet that the program has ended.
    if (!is_live || !world_.kernel.living_program(id)) return;
    if (run->spec.definition.membership) look_at_dependents(id, *run);
    if (!may_be_stopped(id, *run)) world_.record.violate("{} is stopped although nobody wants it so", to_string(id));
}

void Judge::signalled(RunId id, const rundir::ControlMessage& message) {
    const Run* run = find(id);
    if (run != nullptr && message.nonce != run->spec.nonce)
        world_.record.violate("a signal reaches {} with the proof of identity of another run", to_string(id));
}

void Judge::swept(const rundir::Nonce& mark) {
    const auto found = marks_.find(mark);
    if (found == marks_.end()) {
        return world_.record.violate("a sweep by a mark that is no run's");
    }
    world_.record.note("what carries the mark of {} is killed", to_string(found->second));
    const RunDirectory* directory = world_.disk.find(found->second);
    if (directory != nullptr && directory->lock != 0)
        world_.record.violate("what carries the mark of {} is killed while its shim lives", to_string(found->second));
}

// What is recorded and told.

/// Whether the daemon that was told of its end has died, and neither it nor the shim could write that down.
bool Judge::is_forgotten(RunId id, const Run& run) const {
    const RunDirectory* directory = world_.disk.find(id);
    const bool is_written = directory != nullptr && (directory->state.phase == rundir::Phase::exited ||
                                                     directory->state.phase == rundir::Phase::exec_failed);
    return !run.is_recorded && !is_written && run.believer != world_.daemons;
}

void Judge::outcome(RunId id, const Outcome& outcome, const char* where) {
    Run* run = find(id);
    if (run == nullptr) return;
    if (run->outcome && outcome.reason == OutcomeReason::lost && is_forgotten(id, *run)) run->outcome.reset();
    if (run->outcome && !is_same(*run->outcome, outcome))
        return world_.record.violate("the outcome of {} changes from {} to {} ({})", to_string(id),
                                     to_text(*run->outcome), to_text(outcome), where);
    if (run->outcome) return;
    run->outcome = outcome;
    run->believer = world_.daemons;
    world_.record.note("the outcome of {} is {} ({})", to_string(id), to_text(outcome), where);
    if (outcome.exit_code && (!run->exit || run->exit->killed || run->exit->value != *outcome.exit_code))
        world_.record.violate("the exit code {} of {} is invented", *outcome.exit_code, to_string(id));
    if (outcome.signal && (!run->exit || !run->exit->killed || run->exit->value != *outcome.signal))
        world_.record.violate("the signal {} of {} is invented", *outcome.signal, to_string(id));
    if (outcome.reason == OutcomeReason::exec_failed && run->has_executed)
        world_.record.violate("{} was executed, and is said to have failed to start", to_string(id));
    if (outcome.reason == OutcomeReason::stopped && !run->stop_reached)
        world_.record.violate("{} is said to have been stopped, and no stop ever reached it", to_string(id));
    if (outcome.reason != OutcomeReason::lost && run->has_executed && !run->exit)
        world_.record.violate("{} is said to have ended while its program lives", to_string(id));
}

void Judge::committed(const core::ProcessRecord&) {}

void Judge::begun(RunId id) {
    Process& process = processes_[id.process];
    // What one daemon had not recorded another begins anew.
    const bool is_known = id.number == process.begun && process.beginner == world_.daemons;
    if (id.number < process.begun || is_known) return;
    process.begun = id.number;
    process.beginner = world_.daemons;
    process.begun_at = world_.time.now();
}

void Judge::committed(const core::RunRecord& run) {
    begun(run.id);
    if (!run.outcome) return;
    outcome(run.id, *run.outcome, "recorded");
    if (Run* known = find(run.id)) known->is_recorded = true;
}

void Judge::not_committed(const core::StoreChange& change) {
    for (const auto& each : change.processes) processes_[each.id].unrecorded = world_.time.now();
}

void Judge::forgotten(ProcessId id) { processes_[id].is_forgotten = true; }

void Judge::asked(const Request&) {}

void Judge::answered(const Request& request) {
    if (request.what == Asking::stop && request.ok) processes_[request.target].stop_asked = request.asked;
}

void Judge::started(const Request& request, const ops::StartResponse& result) {
    seen(result);
    const auto number =
        result.run ? domain::find_run_number(*result.run, *domain::find_process_id(result.id)) : std::nullopt;
    if (!number) return world_.record.violate("{}: a start succeeds without a run", request.text());
    const RunId id{*domain::find_process_id(result.id), *number};
    Run* run = find(id);
    if (run == nullptr) {
        world_.record.violate("{}: a start gives {}, which nobody prepared", request.text(), to_string(id));
        return;
    }
    const bool was_there = run->begun_at < request.asked;
    if (was_there && result.created && !request.start.request_key)
        world_.record.violate("{}: it is said to have made {}, which was there before", request.text(), to_string(id));
    if (result.state == ProcessState::running) {
        const RunDirectory* directory = world_.disk.find(id);
        if (directory != nullptr && directory->state.phase < rundir::Phase::started)
            world_.record.violate("{} is said to run, and STARTED is not durable", to_string(id));
        if (!run->has_executed && !run->exit)
            world_.record.violate("{} is said to run, and was never executed", to_string(id));
    }
    if (run->spec.argv != request.start.definition.command)
        world_.record.violate("{}: it is given {}, which runs {}", request.text(), to_string(id),
                              run->spec.argv.front());
    // What a key finds may have been stopped since.
    if (run->actor == request.actor() && result.reason && *result.reason == OutcomeReason::stopped)
        world_.record.violate("{}: it lost against a stop, and is told that it succeeded", request.text());
}

void Judge::has_stopped(const Request& request, const ProcessView& view) {
    seen(view);
    // Unless somebody wanted it up again later.
    const auto& all = world_.clients.all();
    const bool is_wanted_again = std::any_of(all.begin(), all.end(), [&](const RequestPtr& each) {
        if (each->what == Asking::up) return each->state == Request::State::pending || each->ended >= request.asked;
        return is_start_like(*each) && each->asked >= request.asked && each->serial > request.serial;
    });
    if (domain::is_live(view) && !is_wanted_again)
        world_.record.violate("{}: it succeeds, and the process is {}", request.text(), schema::enum_name(view.state));
    for (std::uint32_t number = 1; number <= request.run; ++number) {
        const RunId id{request.target, number};
        for (const Pid pid : world_.kernel.alive_of(id)) {
            const Inhabitant& left = *world_.kernel.find(pid);
            if (!left.executed) continue;
            // Killed, and hanging in the kernel: no sweep by mark waits for that.
            if (left.is_dying && left.parent.shim == 0) continue;
            world_.record.violate("{}: it succeeds, and {} of {} lives", request.text(), pid, to_string(id));
        }
    }
}

void Judge::restarted(const Request& request, const ops::RestartResponse& result) {
    seen(result);
    const auto number = result.run ? domain::find_run_number(*result.run, request.target) : std::nullopt;
    // Of a process of the project a run to come may have been counted, and withdrawn since.
    if (!number || (*number <= request.run && !result.project))
        world_.record.violate("{}: it succeeds, and no run is newer than {}", request.text(), request.run);
    if (result.reason && *result.reason == OutcomeReason::stopped)
        world_.record.violate("{}: it lost against a stop, and is told that it succeeded", request.text());
}

void Judge::removed(const Request& request) {
    if (world_.disk.find(request.target) != nullptr)
        world_.record.violate("{}: it succeeds, and the directory is there", request.text());
}

void Judge::left(const Request& request, const std::vector<std::string>& stopped) {
    for (const std::string& name : stopped) processes_[*domain::find_process_id(name)].stop_asked = request.asked;
}

void Judge::listed(const std::vector<ProcessView>& views) {
    std::map<std::string, std::string> live;
    for (const auto& view : views) {
        seen(view);
        if (!domain::is_live(view)) continue;
        const auto [place, is_new] = live.emplace(view.label, view.id);
        if (!is_new)
            world_.record.violate("{} and {} are live under the label \"{}\"", place->second, view.id, view.label);
    }
}

void Judge::seen(const ProcessView& view) {
    const auto process = domain::find_process_id(view.id);
    if (!process || !view.run) return;
    const auto number = domain::find_run_number(*view.run, *process);
    if (!number) return;
    if (view.exit_code && view.signal) world_.record.violate("{} has both a code and a signal", *view.run);
    const bool is_planned = view.reason == OutcomeReason::dependency;
    if (!domain::is_live(view) && view.reason && !is_planned && !(view.state == ProcessState::backoff)) {
        Outcome told;
        told.exit_code = view.exit_code;
        if (view.signal) told.signal = domain::find_signal(*view.signal);
        told.reason = view.reason->known().value_or(OutcomeReason::lost);
        const RunId id{*process, *number};
        if (find(id) == nullptr && told.reason != OutcomeReason::exec_failed)
            world_.record.violate("the outcome {} is told of {}, which nobody prepared", to_text(told), to_string(id));
        outcome(id, told, "told");
    }
}

void Judge::look() {
    if (!world_.daemon || world_.daemon->is_doomed()) return;
    for (const auto& [id, directory] : world_.disk.all()) {
        const auto located = world_.daemon->core().find(id);
        if (!located) continue;
        begun(RunId{id, located->run});
        // Files that could not be removed are looked at again before they are, and that takes time.
        if (processes_[id].is_forgotten && located->state != ProcessState::unreachable)
            world_.record.violate("{} was forgotten, and is there again", to_string(id));
        if (located->last_outcome && located->ended_run != 0)
            outcome(RunId{id, located->ended_run}, *located->last_outcome, "believed");
        if (located->state == ProcessState::running) {
            const RunDirectory* run = world_.disk.find(RunId{id, located->run});
            if (run != nullptr && run->state.phase < rundir::Phase::started && run->state.nonce == run->spec.nonce)
                world_.record.violate("{}.{} is said to run, and STARTED is not durable", to_string(id), located->run);
        }
    }
}

void Judge::look_at_calm() {
    for (const auto& each : world_.clients.waiting())
        world_.record.violate("{}: it was never answered (asked at {:.3f} s)", each->text(),
                              static_cast<double>(each->asked.time_since_epoch().count()) / 1e9 - 3600);
    if (!world_.daemon) return;
    if (!world_.daemon->core().is_adopted()) return world_.record.violate("the adoption does not end");
    look_at_waiting();
    for (const auto& entry : world_.disk.all()) {
        const ProcessId id = entry.first;
        const auto& directory = entry.second;
        const auto located = world_.daemon->core().find(id);
        if (!located) {
            // What a failed start could not remove is left to the next daemon.
            const bool has_executed = std::any_of(directory.runs.begin(), directory.runs.end(), [&](const auto& each) {
                const Run* of = find(RunId{id, each.first});
                return of != nullptr && of->has_executed;
            });
            if (!has_executed) continue;
            world_.record.violate("{} has a directory, and the daemon does not know it", to_string(id));
            continue;
        }
        const RunId run{id, located->run};
        const bool lives = world_.kernel.living_program(run).has_value();
        const bool is_running = located->state == ProcessState::running;
        const bool is_lost = located->last_outcome && located->last_outcome->reason == OutcomeReason::lost;
        // What hangs in the kernel is waited for longer than this.
        if (is_running != lives && !is_lost)
            world_.record.violate("{} is {}, and its program {}", to_string(run), schema::enum_name(located->state),
                                  lives ? "lives" : "does not");
    }
}

/// Who waits does so for something that is still to come.
void Judge::look_at_waiting() {
    core::Supervisor& core = world_.daemon->core();
    const auto members = core.plans().members(project_file);
    for (const auto& [name, id] : members) {
        const auto located = core.find(id);
        if (!located || located->state != ProcessState::waiting) continue;
        const bool is_for_something =
            std::any_of(located->causes.begin(), located->causes.end(), [&](const Cause& cause) {
                const auto other = members.find(cause.text.value_or(""));
                const auto found = other == members.end() ? std::nullopt : core.find(other->second);
                return found && (found->is_live || found->runs_again);
            });
        if (!is_for_something) world_.record.violate("{} waits for nothing that is to come", name);
    }
}

void Judge::look_at_end() {
    for (const auto& [pid, each] : world_.kernel.all()) {
        if (!each.executed || each.is_zombie || each.is_dying) continue;
        world_.record.violate("everything was stopped, and {} of {} lives", pid, to_string(each.run));
    }
}

}  // namespace persistproc::simulation
