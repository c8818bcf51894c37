#include "daemon/core/plans.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "common/base/diagnostics.hpp"
#include "common/base/kill_point.hpp"
#include "common/base/text.hpp"
#include "common/project/project.hpp"
#include "daemon/core/operations/environment.hpp"

namespace persistproc::core {

using Stage = ProjectPlan::Stage;

namespace {

constexpr std::size_t digest_digits = 16;  // kept: 64 bits of a keyed hash tell two definitions apart

project::Digests shortened(const project::Digests& digests) {
    project::Digests out;
    for (const auto& [key, digest] : digests) out[key] = digest.substr(0, digest_digits);
    return out;
}

bool has_same(const project::Digests& applied, const project::Digests& wanted, const std::string& key) {
    const auto then = applied.find(key), now = wanted.find(key);
    return then != applied.end() && now != wanted.end() && then->second == now->second;
}

/// Whether the files say the same of its environment as when it was applied, whatever variables have by now.
bool is_as_written(const project::Digests& applied, const project::Digests& wanted) {
    return has_same(applied, wanted, std::string(project::written_key));
}

bool ended_well(const Process& process) {
    const auto& outcome = process.life.outcome();
    if (!outcome || !outcome->exit_code) return false;
    const auto well = restart_rule(process.record.definition).success_codes;
    return std::find(well.begin(), well.end(), *outcome->exit_code) != well.end();
}

PlanFacts facts_of(const Process& process) {
    PlanFacts out;
    const auto& outcome = process.life.outcome();
    const bool is_live = process.has_tree();
    const bool is_over = !process.life.is_live() && process.life.last_run() > 0;
    const bool had_program = outcome && outcome->reason != OutcomeReason::exec_failed;
    out.run = process.life.last_run();
    out.has_tree = is_live;
    out.may_have_strays = process.may_have_strays();
    // A child that has a pid may not have executed the program yet, and may never.
    const bool may_run = process.is<Unreachable>() && process.run_state.exec_confirmed != 0;
    out.has_started = process.is<Running>() || process.is<Stopping>() || may_run || (is_over && had_program);
    out.is_ready = process.is<Running>() && process.ready.value_or(true);
    out.has_ended = is_over;
    out.ended_well = is_over && ended_well(process);
    out.is_final = !process.life.is_live() && !runs_again(process.life.phase());
    return out;
}

bool is_same(const PlanFacts& a, const PlanFacts& b) {
    return a.run == b.run && a.has_tree == b.has_tree && a.may_have_strays == b.may_have_strays &&
           a.has_started == b.has_started && a.is_ready == b.is_ready && a.has_ended == b.has_ended &&
           a.ended_well == b.ended_well && a.is_final == b.is_final && a.printed == b.printed;
}

bool is_still_to_come(const Process& process) {
    return process.record.planned == Planned::waiting && process.record.pending_run > process.life.last_run();
}

bool is_done(const Process& process) {
    const auto& membership = process.record.definition.membership;
    return membership && membership->oneshot && process.is<Ended>() && ended_well(process);
}

/// Nobody knows yet whether there is anything of it: its adoption may still find that there is not.
bool is_undecided(const Process& process) {
    return !process.unread.empty() || (process.is<Unreachable>() && !process.run);
}

bool is_member(const Process& process, const std::string& file) {
    const auto& membership = process.record.definition.membership;
    return membership && membership->file == file;
}

/// How one ended that somebody needs: "exited with code 3". Nothing: it is not there.
std::optional<std::string> end_text(const Process& process) {
    const auto& outcome = process.life.outcome();
    const bool is_over = outcome && !process.life.is_live() && process.record.planned != Planned::waiting;
    if (!is_over || outcome->reason == OutcomeReason::stopped) return std::nullopt;
    if (outcome->reason == OutcomeReason::exec_failed) return "could not be started";
    if (outcome->reason == OutcomeReason::not_ready) return "was not ready in time";
    if (outcome->reason == OutcomeReason::unhealthy) return "was not healthy";
    if (outcome->exit_code) return fmt::format("exited with code {}", *outcome->exit_code);
    if (outcome->signal) return "was killed by " + domain::signal_name(*outcome->signal);
    return std::nullopt;
}

/// Where its plan stands, by what is on record of it and what it is.
Stage stage_of(const Process& process) {
    const ProcessRecord& record = process.record;
    const bool runs = process.life.is_live() || runs_again(process.life.phase());
    if (is_still_to_come(process)) return Stage::waiting;
    const bool has_any = runs || process.has_tree() || process.may_have_strays();
    if (record.planned == Planned::stopping) return has_any ? Stage::stopping : Stage::idle;
    if (runs) return Stage::up;
    if (record.planned == Planned::down || !record.planned) return Stage::idle;
    return is_done(process) ? Stage::up : Stage::failed;
}

}  // namespace

struct Plans::Project {
    Project(boost::asio::any_io_executor executor, std::string path)
        : file(std::move(path)), mutex(executor), moved(executor) {}

    std::string file;
    ProjectPlan plan{{}};
    std::map<std::string, ProcessId> members;
    std::map<std::string, std::vector<domain::Dependency>> edges;
    std::map<std::string, PlanFacts> told;
    struct Lines {
        std::uint32_t run = 0;
        std::set<std::string> watched, printed;   // patterns
        std::shared_ptr<async::TaskGroup> looks;  // for the watched ones; ended with what it is of
    };
    std::map<std::string, Lines> lines;        // that others wait for, by who prints them
    std::map<std::string, Error> stop_errors;  // of those that did not end
    std::vector<std::string> warnings;
    std::multiset<std::string> restarting;  // by somebody, in order: no edge does so meanwhile
    bool is_hastened = false;               // what is still to be stopped is killed
    bool is_applying = false;  // an up has seen what runs, and is not on record yet: its plan stops nothing meanwhile
    async::Mutex mutex;        // held while an order is applied
    async::Notifier moved;     // after whatever its plan heard
};

struct Plans::Applying {
    explicit Applying(ProjectPtr of) : project(std::move(of)) { project->is_applying = true; }
    ~Applying() {
        project->is_applying = false;
        project->moved.notify_all();
    }
    Applying(const Applying&) = delete;
    Applying& operator=(const Applying&) = delete;
    ProjectPtr project;
};

struct Plans::Restarting {
    Restarting(ProjectPtr of, std::vector<std::string> which) : project(std::move(of)), names(std::move(which)) {
        project->restarting.insert(names.begin(), names.end());
    }
    ~Restarting() {
        for (const auto& name : names) project->restarting.erase(project->restarting.find(name));
    }
    Restarting(const Restarting&) = delete;
    Restarting& operator=(const Restarting&) = delete;
    ProjectPtr project;
    std::vector<std::string> names;
};

struct Plans::Step {
    bool begins() const { return told.what == UpStep::What::begun || told.what == UpStep::What::replaced; }

    UpStep told;
    const UpProcess* wanted = nullptr;  // of the order
    ProcessPtr process;
    bool is_new = false;
    std::optional<async::Mutex::Guard> guard;
    std::uint64_t stops = 0;
    // As it is to be.
    Definition definition;
    std::optional<LaunchContext> asked_launch;
    std::uint32_t run = 0;  // to come, whose files are there; 0: none
    // As it was, for one that could not be recorded.
    bool is_changed = false;
    ProcessRecord record;
    std::optional<LaunchContext> launch;
};

Plans::Plans(run::RunWorld& world, Store& store, ProcessTable& table, Events& events, ProcessDriver& driver,
             Operations& operations, Adoption& adoption, ReadinessDriver& readiness, const SupervisorOptions& options)
    : world_(world),
      store_(store),
      table_(table),
      events_(events),
      driver_(driver),
      operations_(operations),
      adoption_(adoption),
      readiness_(readiness),
      options_(options) {
    driver_.on_member_change = [this](const ProcessPtr& process) { learn(process); };
    driver_.may_run_again = [this](const Process& process) {
        const auto& membership = process.record.definition.membership;
        const auto project = membership ? find(membership->file) : nullptr;
        return !project || project->plan.may_restart(membership->process);
    };
    driver_.waits_for = [this](const Process& process) {
        const auto& membership = process.record.definition.membership;
        const auto project = membership ? find(membership->file) : nullptr;
        return project ? project->plan.missing(membership->process) : std::vector<std::string>();
    };
    driver_.obstacle = [this](const Process& process) -> std::optional<std::string> {
        const auto& membership = process.record.definition.membership;
        const auto project = membership ? find(membership->file) : nullptr;
        auto name = project ? project->plan.obstacle(membership->process) : std::nullopt;
        if (!name) return std::nullopt;
        const auto needed = find_member(membership->file, *name);
        const auto ended = needed ? end_text(*needed) : std::nullopt;
        return fmt::format("{} of its project, which {}", *name, ended.value_or("is not there"));
    };
}

Plans::ProjectPtr Plans::find(const std::string& file) const {
    const auto found = projects_.find(file);
    return found == projects_.end() ? nullptr : found->second;
}

Plans::ProjectPtr Plans::project_of(const std::string& file) {
    ProjectPtr& out = projects_[file];
    if (!out) {
        out = std::make_shared<Project>(world_.executor, file);
        rebuild(*out);
    }
    return out;
}

void Plans::begin() {
    has_begun_ = true;
    tell_apart();
    std::vector<ProjectPtr> found;
    const auto all = table_.all();
    for (const auto& [id, process] : all) {
        const auto& membership = process->record.definition.membership;
        if (!membership) continue;
        // Its values are gone with the directory that held them.
        const bool is_going = process->has_tree() || runs_again(process->life.phase());
        const bool is_begun = process->record.planned == Planned::waiting && !is_still_to_come(*process);
        if (is_begun && is_going) process->record.planned = Planned::up;
        if (is_begun && !is_going)
            fail(process, Cause{.code = CauseCode::not_begun, .text = "what it was to be begun with is gone"});
        if (!find(membership->file)) found.push_back(project_of(membership->file));
    }
    if (!found.empty()) base::kill_point("daemon.adopt.planned");
    for (const auto& project : found) {
        for (const auto& [name, id] : project->members) watch_lines(project, name);
        perform(project, project->plan.up({}));
    }
}

/// One member of a project is one process. Another is what a removal left on record that could not be recorded itself:
/// whichever runs or waits stays it, else the newest.
void Plans::tell_apart() {
    const auto rank = [](const Process& process) {
        const bool is_going = process.has_tree() || runs_again(process.life.phase());
        return is_going ? 2 : is_still_to_come(process) ? 1 : 0;
    };
    std::map<std::pair<std::string, std::string>, ProcessPtr> kept;
    const auto all = table_.all();
    for (const auto& [id, process] : all) {
        const auto& membership = process->record.definition.membership;
        if (!membership) continue;
        ProcessPtr& place = kept[{membership->file, membership->process}];
        ProcessPtr other = process;
        if (!place || rank(*place) <= rank(*process)) std::swap(place, other);
        if (!other) continue;
        other->record.definition.membership.reset();
        other->record.planned.reset();
        if (other->has_never_run()) {
            driver_.forget(other);
            world_.tasks.spawn("removal of " + other->name(), driver_.discard(other));
            continue;
        }
        driver_.drop_pending(other);
        StoreChange change;
        change.processes.push_back(other->record);
        world_.tasks.spawn("record", driver_.record(std::move(change), "that a member of a project is there once"));
    }
}

Task<> Plans::close() {
    has_begun_ = false;
    for (const auto& [file, project] : projects_)
        for (const auto& [name, lines] : project->lines)
            if (const auto looks = lines.looks) co_await looks->close();
}

void Plans::rebuild(Project& project) {
    std::vector<PlannedProcess> planned;
    project.members.clear();
    project.edges.clear();
    project.told.clear();
    for (const auto& [id, process] : table_.all()) {
        if (!is_member(*process, project.file)) continue;
        const auto& membership = *process->record.definition.membership;
        if (!project.members.emplace(membership.process, id).second) continue;
        project.edges[membership.process] = membership.depends_on;
        planned.push_back(
            {membership.process, membership.oneshot, membership.depends_on, process->record.planned_alone});
    }
    project.plan = ProjectPlan(std::move(planned));
    for (const auto& [name, id] : project.members) {
        const Process& process = *table_.find(id);
        project.told[name] = facts_of(process);
        const auto lines = project.lines.find(name);
        if (lines != project.lines.end() && lines->second.run == process.life.last_run())
            project.told[name].printed = lines->second.printed;
        project.plan.adopt(name, stage_of(process), project.told[name]);
    }
}

ProcessPtr Plans::find_member(const std::string& file, const std::string& name) const {
    for (const auto& [id, process] : table_.all())
        if (is_member(*process, file) && process->record.definition.membership->process == name) return process;
    return nullptr;
}

/// One that was started by itself, with that very command in that directory.
ProcessPtr Plans::find_adoptable(const Definition& definition) const {
    const Identity identity{definition};
    ProcessPtr live, other;
    for (const auto& [id, process] : table_.all()) {
        const Definition& theirs = process->record.definition;
        if (theirs.membership || !identity.is_same_command(theirs)) continue;
        if (process->standing != Standing::established) continue;
        if (process->life.is_live()) {
            if (live) return nullptr;
            live = process;
        } else if (!other) {
            other = process;
        }
    }
    return live ? live : other;
}

std::string Plans::free_label(const UpProcess& wanted, const Process* but) const {
    const auto& membership = *wanted.definition.membership;
    return project::make_label(membership.name, membership.process, [&](const std::string& label) {
        return std::any_of(table_.all().begin(), table_.all().end(), [&](const auto& each) {
            return each.second.get() != but && each.second->record.definition.label == label;
        });
    });
}

// ---- up ----

std::vector<Plans::StepPtr> Plans::steps_of(const OrderPtr& order) const {
    std::vector<StepPtr> out;
    std::set<ProcessId> taken;
    for (const UpProcess& each : order->processes) {
        const std::string& name = each.definition.membership->process;
        if (!order->chosen.contains(name)) continue;
        auto step = std::make_shared<Step>();
        step->told.process = name;
        step->wanted = &each;
        for (const auto& [id, process] : table_.all())
            if (is_of(*order, *process) && process->record.definition.membership->process == name)
                step->process = process;
        if (!step->process) step->process = find_adoptable(each.definition);
        if (step->process && !taken.insert(step->process->record.id).second) step->process.reset();
        out.push_back(std::move(step));
    }
    // Whoever takes several locks takes them in one order.
    std::stable_sort(out.begin(), out.end(), [](const StepPtr& a, const StepPtr& b) {
        if (!a->process || !b->process) return a->process != nullptr;
        return a->process->record.id < b->process->record.id;
    });
    return out;
}

std::vector<std::string> Plans::gone_from(const UpOrder& order) const {
    std::vector<std::string> out;
    for (const auto& [id, process] : table_.all()) {
        if (!is_of(order, *process)) continue;
        const std::string& name = process->record.definition.membership->process;
        if (std::none_of(order.processes.begin(), order.processes.end(),
                         [&](const UpProcess& each) { return each.definition.membership->process == name; }))
            out.push_back(name);
    }
    return out;
}

/// A member of its file, or of one in whose place that has come.
bool Plans::is_of(const UpOrder& order, const Process& process) const {
    const auto& membership = process.record.definition.membership;
    if (!membership) return false;
    if (membership->file == order.file) return true;
    const bool is_replaced = membership->found && order.replaces.contains(membership->file);
    return is_replaced && !find_member(order.file, membership->process);
}

/// From now on they are its file's, whatever that makes of them.
Task<> Plans::take_over(ProjectPtr project, OrderPtr order) {
    StoreChange change;
    std::set<std::string> left;
    const auto all = table_.all();
    for (const auto& [id, process] : all) {
        const bool is_new = !is_member(*process, order->file) && is_of(*order, *process);
        if (!is_new) continue;
        auto held = co_await process->operation.lock();
        const bool is_still = table_.holds(*process) && is_of(*order, *process);
        if (!is_still) continue;
        left.insert(std::exchange(process->record.definition.membership->file, order->file));
        change.processes.push_back(process->record);
    }
    if (left.empty()) co_return;
    rebuild(*project);
    for (const auto& file : left) {
        const ProjectPtr other = find(file);
        if (!other) continue;
        rebuild(*other);
        other->moved.notify_all();
    }
    co_await driver_.record(std::move(change), "whose processes these are");
}

Task<> Plans::decide(StepPtr step, OrderPtr order) {
    using What = UpStep::What;
    UpStep& told = step->told;
    told.what = What::begun;
    if (!step->process) co_return;
    const ProcessPtr process = step->process;
    const UpProcess& wanted = *step->wanted;
    const bool is_adopted = !is_of(*order, *process);
    const bool is_ending = process->stopping > 0 || (process->life.is_live() && process->life.wanted() == Wanted::down);
    const bool runs = !is_ending && (process->life.is_live() || runs_again(process->life.phase()));
    if (!runs && is_adopted) co_return;
    // What is asked for again while it waits is asked for as it is now.
    if (!runs && process->record.planned == Planned::waiting) co_return;
    const project::Digests applied = is_adopted ? project::Digests() : process->record.definition.membership->digests;
    if (is_adopted || !order->set.empty()) {
        auto known = co_await driver_.know_launch(process);
        const Environment& asked = is_adopted ? wanted.environment : order->set;
        const bool differs =
            !known || !process->launch || !names_that_differ(process->launch->environment, asked).empty();
        if (differs) told.keys.emplace_back("env");
    }
    if (!is_adopted && applied.empty()) told.keys.emplace_back("run");
    const project::Digests present = shortened(wanted.digests);
    const bool keeps_environment = order->keeps_values && is_as_written(applied, present);
    for (auto& key : project::compare(applied, present).restarting) {
        const bool is_told = std::find(told.keys.begin(), told.keys.end(), key) != told.keys.end();
        if (!is_told && !(keeps_environment && key == "env")) told.keys.push_back(std::move(key));
    }
    const bool is_anew = order->anew.contains(told.process);
    if (runs) {
        const bool is_pending = is_still_to_come(*process);
        const bool changes = !told.keys.empty() || is_anew || is_pending;
        told.what = changes ? What::replaced : is_adopted ? What::adopted : What::kept;
        co_return;
    }
    const auto planned = process->record.planned;
    const bool was_put_down = planned == Planned::down || planned == Planned::stopping;
    if (is_done(*process) && !was_put_down && told.keys.empty() && !is_anew && !order->again.contains(told.process))
        told.what = What::kept;
    // What was put down while it waited is begun, and nothing is known of what it was to be.
    if (applied.empty()) told.keys.clear();
}

Task<Result<std::vector<UpStep>>> Plans::look(UpOrder order) {
    if (auto ready = co_await adoption_.wait(); !ready) co_return ready.error();
    const OrderPtr shared = std::make_shared<const UpOrder>(std::move(order));
    std::vector<UpStep> out;
    for (const auto& name : gone_from(*shared)) {
        UpStep gone;
        gone.process = name;
        gone.what = UpStep::What::removed;
        out.push_back(std::move(gone));
    }
    const auto steps = steps_of(shared);
    for (const auto& step : steps) {
        co_await decide(step, shared);
        out.push_back(step->told);
    }
    co_return out;
}

Task<Result<std::vector<UpStep>>> Plans::up(UpOrder order, std::string actor) {
    if (auto ready = co_await adoption_.wait(); !ready) co_return ready.error();
    if (driver_.is_leaving()) co_return Error{ErrorCode::unavailable, "the daemon is shutting down"};
    const OrderPtr shared = std::make_shared<const UpOrder>(std::move(order));
    const ProjectPtr project = project_of(shared->file);
    auto guard = co_await project->mutex.lock();
    co_await take_over(project, shared);
    std::vector<UpStep> out;
    auto gone = gone_from(*shared);
    for (const auto& name : gone) {
        UpStep told;
        told.process = name;
        told.what = UpStep::What::removed;
        out.push_back(std::move(told));
    }
    auto removed = co_await remove_gone(project, std::move(gone), actor);
    if (!removed) co_return removed.error();

    const auto steps = std::make_shared<std::vector<StepPtr>>(steps_of(shared));
    for (const auto& step : *steps) {
        if (!step->process) continue;
        auto held = co_await step->process->operation.lock();
        step->guard.emplace(std::move(held));
        // Removed, or taken by another project meanwhile.
        const auto& membership = step->process->record.definition.membership;
        const bool is_other = membership && membership->file != shared->file;
        if (table_.holds(*step->process) && !is_other) continue;
        step->guard.reset();
        step->process.reset();
    }
    const Applying applying(project);
    for (const auto& step : *steps) {
        const bool is_untouchable = step->process && step->process->standing == Standing::unsupported;
        if (is_untouchable) co_return not_touched(*step->process);
        const bool is_unread = step->process && is_undecided(*step->process);
        if (is_unread) co_return not_reached(*step->process, "nothing was begun");
        co_await decide(step, shared);
    }
    std::optional<Error> failed;
    for (const auto& step : *steps) {
        auto applied = co_await prepare(step, shared, actor);
        if (!applied) {
            failed = applied.error();
            break;
        }
    }
    base::kill_point("daemon.up.prepared");
    // Whoever shuts it down has seen no more than there was.
    if (driver_.is_leaving()) failed = Error{ErrorCode::unavailable, "the daemon is shutting down"};
    if (!failed) {
        StoreChange change;
        for (const auto& step : *steps) enter(*step, *shared, actor);
        for (const auto& step : *steps) change.processes.push_back(step->process->record);
        AuditEntry entry{
            .at = world_.clock.wall(), .actor = actor, .action = "up", .process = shared->file, .detail = ""};
        change.audit.push_back(std::move(entry));
        auto committed = co_await store_.commit(std::move(change));
        if (!committed) failed = base::with_context(committed.error(), "the project could not be brought up");
    }
    if (failed) {
        co_await take_back(steps);
        co_return *failed;
    }
    base::kill_point("daemon.up.recorded");
    for (const auto& step : *steps) {
        const ProcessPtr& process = step->process;
        process->standing = Standing::established;
        // A stop that came in meanwhile goes first.
        const bool was_stopped = process->stops != step->stops && process->record.planned == Planned::waiting;
        if (was_stopped) operations_.withdraw(*process);
        // Who runs on is asked from now on whether it is what it should be.
        const bool begins = process->record.planned == Planned::waiting;
        const Definition& now = process->record.definition;
        const Definition& before = step->record.definition;
        const bool has_other_checks = now.ready != before.ready || now.health != before.health;
        if (!begins && has_other_checks) driver_.replace_checks(process);
        out.push_back(step->told);
    }
    project->warnings.clear();
    project->is_hastened = false;
    rebuild(*project);
    for (const auto& [name, id] : project->members) watch_lines(project, name);
    if (shared->without_dependencies) project->plan.leave_out(shared->chosen);
    for (const auto& step : *steps) {
        step->guard.reset();
        driver_.announce(*step->process);
    }
    perform(project, project->plan.up({}));
    co_return out;
}

Task<Result<void>> Plans::prepare(StepPtr step, OrderPtr order, std::string actor) {
    const UpProcess& wanted = *step->wanted;
    if (!step->process) {
        Definition definition = wanted.definition;
        definition.label = free_label(wanted, nullptr);
        definition.label_given = true;
        auto created = table_.create(std::move(definition), world_.clock.wall());
        if (!created) co_return created.error();
        step->process = *created;
        step->is_new = true;
        step->process->life = Lifecycle(Ended{}, Wanted::down, 0, std::nullopt);
        auto held = co_await step->process->operation.lock();
        step->guard.emplace(std::move(held));
        events_.publish(ProcessAppeared{step->process->record.id});
    }
    const ProcessPtr process = step->process;
    step->stops = process->stops;
    const ProcessRecord& record = process->record;
    const bool begins = step->begins();
    std::vector<std::string> inherited;
    const bool has_one = process->life.last_run() > 0 || record.pending_run > 0;
    const bool asks_last = order->keeps_values || !order->base_environment;
    if (begins && has_one && asks_last) co_await driver_.know_launch(process);
    if (begins && order->base_environment) {
        inherited = *order->base_environment;
    } else if (begins) {
        const auto& set = record.definition.variables;
        inherited = options_.base_environment ? options_.base_environment() : std::vector<std::string>();
        if (has_one && process->launch) {
            inherited = process->launch->environment;
            std::erase_if(inherited, [&](const std::string& entry) {
                return std::find(set.begin(), set.end(), entry.substr(0, entry.find('='))) != set.end();
            });
        }
    }

    Definition definition = wanted.definition;
    const bool is_member_already = is_member(*process, order->file);
    // A label that was made of the project's name follows that.
    const auto& before = record.definition.membership;
    const bool is_renamed = is_member_already && before->name != wanted.definition.membership->name &&
                            project::is_made_label(record.definition.label, before->name, before->process);
    const bool keeps_label = step->is_new || (is_member_already ? !is_renamed : record.definition.label_given);
    definition.label = keeps_label ? record.definition.label : free_label(wanted, process.get());
    definition.label_given = true;
    definition.started_by = begins ? actor : record.definition.started_by;
    definition.unknown = record.definition.unknown;
    definition.variables.clear();
    Environment all = wanted.environment;
    definition.membership->digests = shortened(wanted.digests);
    if (order->keeps_values && is_member_already) keep_values(*process, all, definition.membership->digests);
    for (const auto& [name, value] : order->set) all[name] = value;
    for (const auto& [name, value] : all) definition.variables.push_back(name);
    if (!begins) definition.variables = record.definition.variables;
    step->definition = std::move(definition);
    if (!begins) co_return boost::system::in_place_value;

    std::erase_if(inherited, [&](const std::string& entry) {
        const std::string name = entry.substr(0, entry.find('='));
        const auto& unset = wanted.unset_variables;
        return std::find(unset.begin(), unset.end(), name) != unset.end();
    });
    LaunchContext launch{.environment = compose_environment(inherited, all),
                         .umask = order->umask.value_or(options_.umask),
                         .limits = order->limits.empty() ? options_.limits : limits_of(order->limits)};
    const RunId run{record.id, is_still_to_come(*process) ? record.pending_run : process->life.next_number()};
    // What begins meanwhile without being asked here gets another number: this one's files are being made.
    const bool is_going = process->life.is_live() || runs_again(process->life.phase());
    if (is_going && run.number >= process->life.next_number()) process->life.reserve(run.number);
    rundir::RunSpec spec = driver_.spec_of(run, step->definition, launch, record.request_key);
    step->asked_launch = std::move(launch);
    auto prepared = co_await world_.directories.prepare(std::move(spec));
    if (!prepared) co_return base::with_context(prepared.error(), process->shown());
    step->run = run.number;
    co_return boost::system::in_place_value;
}

/// What the last run had of variables counts, as far as the files say the same of them.
void Plans::keep_values(const Process& process, Environment& all, project::Digests& digests) {
    const project::Digests& applied = process.record.definition.membership->digests;
    const bool keeps_all = is_as_written(applied, digests);
    if (process.launch) {
        std::vector<std::string> kept;
        for (const auto& [name, value] : all)
            if (has_same(applied, digests, project::written_key_of(name))) kept.push_back(name);
        for (auto& [name, value] : pick_variables(process.launch->environment, kept)) {
            // It is not known what the environment as a whole comes to.
            if (!keeps_all && all[name] != value) digests["env"].clear();
            all[name] = value;
        }
    }
    const auto env = applied.find("env");
    if (keeps_all && env != applied.end()) digests["env"] = env->second;
}

/// All at once, right before they are recorded: nobody else's record says that half of them are asked for.
void Plans::enter(Step& step, const UpOrder& order, const std::string& actor) {
    Process& process = *step.process;
    ProcessRecord& record = process.record;
    step.record = record;
    step.launch = process.launch;
    step.is_changed = true;
    record.definition = step.definition;
    record.plan_causes.clear();
    if (!step.begins()) {
        record.planned = Planned::up;
        return;
    }
    process.launch = step.asked_launch;
    record.pending_run = step.run;
    record.planned = Planned::waiting;
    record.planned_by = actor;
    record.planned_alone = order.without_dependencies;
}

/// As if nothing had been asked for.
Task<> Plans::take_back(std::shared_ptr<const std::vector<StepPtr>> steps) {
    for (const auto& step : *steps) {
        const ProcessPtr& process = step->process;
        if (!process) continue;
        const std::uint32_t pending = step->run;
        if (step->is_changed) {
            process->record.definition = step->record.definition;
            process->record.planned = step->record.planned;
            process->record.planned_by = step->record.planned_by;
            process->record.planned_alone = step->record.planned_alone;
            process->record.plan_causes = step->record.plan_causes;
            process->record.pending_run = step->record.pending_run;
            process->launch = step->launch;
            // What was stopped meanwhile does not wait again.
            if (process->stops != step->stops) operations_.withdraw(*process);
        }
        if (step->is_new) {
            process->record.definition.membership.reset();
            driver_.forget(process);
            co_await world_.directories.remove_process(process->record.id);
        } else if (pending != 0 && pending != process->record.pending_run) {
            const RunId run{process->record.id, pending};
            co_await world_.directories.remove_run(run);
        }
    }
}

/// What the file has no more is stopped, and is nobody's then.
Task<Result<void>> Plans::remove_gone(ProjectPtr project, std::vector<std::string> names, std::string actor) {
    if (names.empty()) co_return boost::system::in_place_value;
    std::set<std::string> gone(names.begin(), names.end());
    co_await begin_down(project, gone, false, actor);
    auto stopped = co_await await_down(project, std::move(gone));
    if (!stopped) co_return stopped.error();
    StoreChange change;
    for (const auto& name : names) {
        const auto process = find_member(project->file, name);
        if (!process) continue;
        auto held = co_await process->operation.lock();
        if (!table_.holds(*process)) continue;
        if (process->has_never_run()) {
            // There is nothing of it to be kept.
            co_await world_.directories.remove_process(process->record.id);
            driver_.forget(process);
            change.removed.push_back(process->record.id);
            continue;
        }
        process->record.definition.membership.reset();
        process->record.planned.reset();
        change.processes.push_back(process->record);
        driver_.announce(*process);
    }
    rebuild(*project);
    co_await driver_.record(std::move(change), "what is no part of a project any more");
    base::kill_point("daemon.up.removed");
    co_return boost::system::in_place_value;
}

// ---- down ----

Task<Result<std::vector<std::string>>> Plans::down(std::string file, std::vector<std::string> names, bool only,
                                                   bool force, std::string actor) {
    if (auto ready = co_await adoption_.wait(); !ready) co_return ready.error();
    const ProjectPtr project = project_of(file);
    // What is being brought up just now goes down, too.
    std::optional<async::Mutex::Guard> guard;
    auto held = co_await project->mutex.lock();
    guard.emplace(std::move(held));
    std::vector<std::string> known;
    for (const auto& [name, id] : project->members) known.push_back(name);
    std::set<std::string> chosen(known.begin(), known.end());
    if (!names.empty()) {
        chosen.clear();
        for (const auto& name : names) {
            if (!project->members.contains(name)) {
                const std::string near = base::nearest_word(name, known);
                co_return Error{ErrorCode::not_found,
                                fmt::format("no process of the project is {}{}", base::quote(base::shortened(name)),
                                            near.empty() ? "" : "; nearest: " + near)};
            }
            chosen.insert(name);
            if (only) continue;
            for (auto& each : dependents(file, name)) chosen.insert(std::move(each));
        }
    }
    co_await begin_down(project, chosen, force, std::move(actor));
    guard.reset();
    auto stopped = co_await await_down(project, chosen);
    if (!stopped) co_return stopped.error();
    for (const auto& name : chosen) {
        const Stage stage = project->plan.stage(name);
        if (stage == Stage::waiting || stage == Stage::starting || stage == Stage::up)
            co_return Error{ErrorCode::conflict, fmt::format("{} was brought up again by somebody else", name)};
    }
    co_return std::vector<std::string>(chosen.begin(), chosen.end());
}

Task<> Plans::begin_down(ProjectPtr project, std::set<std::string> names, bool force, std::string actor) {
    StoreChange change;
    for (const auto& name : names) {
        project->stop_errors.erase(name);
        const auto process = find_member(project->file, name);
        if (!process) continue;
        ProcessRecord& record = process->record;
        if (record.planned == Planned::waiting) operations_.withdraw(*process);
        const bool runs = process->has_tree() || runs_again(process->life.phase()) || process->operation.is_held();
        record.planned = runs || process->may_have_strays() ? Planned::stopping : Planned::down;
        record.planned_by = actor;
        record.plan_causes.clear();
        change.processes.push_back(record);
    }
    if (change.processes.empty()) co_return;
    // A full disk keeps nobody from stopping: what is recorded is what comes about.
    change.is_fact = true;
    AuditEntry entry{
        .at = world_.clock.wall(), .actor = actor, .action = "down", .process = project->file, .detail = ""};
    change.audit.push_back(std::move(entry));
    auto committed = co_await store_.commit(std::move(change));
    if (!committed)
        base::report(base::Severity::warning, "a project's stop could not be recorded: {}", committed.error().message);
    base::kill_point("daemon.down.recorded");
    project->is_hastened = force;
    ProjectPlan::Actions actions = project->plan.down(names);
    if (force) {
        auto more = project->plan.hasten();
        actions.insert(actions.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
        // Who was told before is given no more time either.
        for (const auto& name : names) {
            const auto is_its = [&name](const PlanAction& each) {
                const auto* stop_it = std::get_if<StopProcess>(&each);
                return stop_it != nullptr && stop_it->process == name;
            };
            const bool is_stopping = project->plan.stage(name) == Stage::stopping;
            if (is_stopping && std::none_of(actions.begin(), actions.end(), is_its))
                actions.emplace_back(StopProcess{name});
        }
    }
    perform(project, actions);
}

Task<Result<void>> Plans::await_down(ProjectPtr project, std::set<std::string> names) {
    for (;;) {
        for (const auto& name : names)
            if (const auto failed = project->stop_errors.find(name); failed != project->stop_errors.end())
                co_return failed->second;
        const bool is_over = std::none_of(names.begin(), names.end(), [&](const std::string& name) {
            return project->plan.stage(name) == Stage::stopping;
        });
        if (is_over) co_return boost::system::in_place_value;
        co_await project->moved.wait();
    }
}

// ---- what its processes become ----

void Plans::learn(const ProcessPtr& process) {
    const auto& membership = process->record.definition.membership;
    if (!has_begun_ || !membership) return;
    const ProjectPtr project = find(membership->file);
    if (!project) return;
    const std::string name = membership->process;
    const auto known = project->members.find(name);
    if (known == project->members.end() || known->second != process->record.id) return;
    if (!table_.holds(*process)) {
        project->plan.adopt(name, Stage::idle, {});
        project->members.erase(known);
        project->moved.notify_all();
        return;
    }
    watch_lines(project, name);
    PlanFacts facts = facts_of(*process);
    facts.printed = project->lines[name].printed;
    const Stage stage = project->plan.stage(name);
    ProjectPlan::Actions actions;
    // Somebody stopped it before it was begun.
    if (process->record.planned == Planned::failed) actions = project->plan.withdraw(name);
    const bool is_told = is_same(facts, project->told[name]);
    if (is_told && actions.empty()) return;
    project->told[name] = facts;
    // Somebody started it by itself.
    const bool is_down = stage == Stage::idle || stage == Stage::failed;
    const bool is_going = facts.has_tree && !facts.is_final;
    if (process->record.planned == Planned::up && ((is_down && is_going) || stage == Stage::waiting))
        project->plan.adopt(name, Stage::up, facts);
    auto more = project->plan.learn(name, std::move(facts));
    actions.insert(actions.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
    perform(project, actions);
    follow(*project);
    // What waits to run again may depend on it.
    for (const auto& [other, id] : project->members) {
        const auto waiting = table_.find(id);
        if (waiting && waiting->is<Backoff>() && waiting != process) waiting->changed.notify_all();
    }
    project->moved.notify_all();
}

/// Begins to look for the lines of its present run that others wait for.
void Plans::watch_lines(const ProjectPtr& project, const std::string& name) {
    Project::Lines& lines = project->lines[name];
    const auto process = table_.find(project->members[name]);
    if (!process) return;
    if (lines.run != process->life.last_run()) lines = Project::Lines{.run = process->life.last_run()};
    if (!process->is<Running>()) return;
    for (const auto& [other, edges] : project->edges)
        for (const auto& edge : edges) {
            const bool is_line = edge.until == domain::Condition::log && edge.process == name;
            if (!is_line || !lines.watched.insert(edge.pattern).second) continue;
            if (!lines.looks) lines.looks = std::make_shared<async::TaskGroup>(world_.executor);
            lines.looks->spawn("line of " + process->name(), watch_line(project, process, edge.pattern));
        }
}

Task<> Plans::watch_line(ProjectPtr project, ProcessPtr process, std::string pattern) {
    const RunId run = process->newest_run();
    std::string asked = pattern;
    const bool is_there = co_await readiness_.await_line(process, std::move(asked));
    const auto& membership = process->record.definition.membership;
    if (!is_there || !table_.holds(*process) || !membership) co_return;
    Project::Lines& lines = project->lines[membership->process];
    if (lines.run != run.number) co_return;
    lines.printed.insert(std::move(pattern));
    learn(process);
}

/// Brings what is on record of its processes in line with the plan.
void Plans::follow(Project& project) {
    std::vector<ProcessPtr> changed;
    for (const auto& [name, id] : project.members) {
        const auto process = table_.find(id);
        if (!process) continue;
        ProcessRecord& record = process->record;
        const Stage stage = project.plan.stage(name);
        if (stage == Stage::idle && record.planned == Planned::stopping) record.planned = Planned::down;
        if (stage != Stage::waiting) continue;
        std::vector<Cause> causes;
        for (auto& missing : project.plan.missing(name)) {
            Cause cause{.code = CauseCode::waits_for, .text = std::move(missing)};
            causes.push_back(std::move(cause));
        }
        const auto is_equal = [](const Cause& a, const Cause& b) { return a.text == b.text; };
        if (std::equal(causes.begin(), causes.end(), record.plan_causes.begin(), record.plan_causes.end(), is_equal))
            continue;
        record.plan_causes = std::move(causes);
        changed.push_back(process);
    }
    for (const auto& process : changed) driver_.announce(*process);
}

void Plans::perform(const ProjectPtr& project, const ProjectPlan::Actions& actions) {
    const auto process_of = [&](const std::string& name) {
        const auto member = project->members.find(name);
        return member == project->members.end() ? nullptr : table_.find(member->second);
    };
    for (const auto& action : actions) {
        if (const auto* start_it = std::get_if<StartProcess>(&action)) {
            if (const auto process = process_of(start_it->process))
                world_.tasks.spawn("planned start of " + process->name(), start(project, process));
        } else if (const auto* stop_it = std::get_if<StopProcess>(&action)) {
            if (const auto process = process_of(stop_it->process))
                world_.tasks.spawn("planned stop of " + process->name(), stop(project, process, project->is_hastened));
        } else if (const auto* restart_it = std::get_if<RestartProcess>(&action)) {
            const bool is_on_its_way = project->restarting.contains(restart_it->process);
            if (const auto process = is_on_its_way ? nullptr : process_of(restart_it->process))
                world_.tasks.spawn("planned restart of " + process->name(), restart(project, process));
        } else if (const auto* fail_it = std::get_if<FailProcess>(&action)) {
            if (const auto process = process_of(fail_it->process)) {
                Cause cause{.code = CauseCode::dependency, .text = fail_it->because};
                if (const auto needed = process_of(fail_it->because)) cause.by = end_text(*needed);
                fail(process, std::move(cause));
            }
        } else if (const auto* warning = std::get_if<WarnOf>(&action)) {
            project->warnings.push_back(fmt::format("{} starts without {}", warning->process, warning->missing));
        }
    }
    follow(*project);
    project->moved.notify_all();
}

void Plans::fail(const ProcessPtr& process, Cause why) {
    process->record.planned = Planned::failed;
    process->record.plan_causes = {std::move(why)};
    const bool is_replaced = process->has_tree() && process->record.pending_run != 0;
    if (is_replaced) process->record.definition.membership->digests.clear();
    driver_.drop_pending(process);
    StoreChange change;
    change.processes.push_back(process->record);
    world_.tasks.spawn("record", driver_.record(std::move(change), "that " + process->name() + " cannot come up"));
    driver_.announce(*process);
}

Task<> Plans::start(ProjectPtr project, ProcessPtr process) {
    const ProcessId id = process->record.id;
    for (;;) {
        std::function<bool()> is_due = [project, process] {
            const auto& membership = process->record.definition.membership;
            return membership && project->plan.stage(membership->process) == Stage::starting;
        };
        auto started = co_await operations_.start_planned(id, std::move(is_due));
        if (started || driver_.is_leaving() || !table_.holds(*process)) co_return;
        if (!process->record.definition.membership) co_return;
        const std::string name = process->record.definition.membership->process;
        // It was asked for anew meanwhile, and is begun when its turn comes.
        const Stage stage = project->plan.stage(name);
        if (stage == Stage::waiting || stage == Stage::idle) co_return;
        const bool is_going = process->life.is_live() || runs_again(process->life.phase());
        const bool waits = process->record.planned == Planned::waiting;
        if (!is_going || !waits) {
            Cause cause{.code = CauseCode::not_begun, .text = base::escape_line(started.error().message)};
            if (waits) fail(process, std::move(cause));
            // Where somebody else was faster there is a run, and what becomes of it is told by itself.
            perform(project, project->plan.refuse(name));
            co_return;
        }
        // Its shim is silent: it is begun once that is over.
        do co_await process->changed.wait();
        while (process->is<Unreachable>() && table_.holds(*process));
    }
}

Task<> Plans::stop(ProjectPtr project, ProcessPtr process, bool force) {
    while (project->is_applying) co_await project->moved.wait();
    if (!table_.holds(*process) || !is_member(*process, project->file)) co_return;
    const std::string name = process->record.definition.membership->process;
    // Somebody wants it up by now.
    if (project->plan.stage(name) != Stage::stopping) co_return;
    ops::StopRequest request;
    request.process = process->name();
    request.force = force;
    std::string actor = process->record.planned_by;
    auto stopped = co_await operations_.stop(std::move(request), std::move(actor));
    if (!stopped && table_.holds(*process)) project->stop_errors.insert_or_assign(name, stopped.error());
    project->told.erase(name);
    if (table_.holds(*process)) learn(process);
    project->moved.notify_all();
}

Task<> Plans::restart(ProjectPtr project, ProcessPtr process) {
    ops::RestartRequest request;
    request.process = process->name();
    std::string actor = process->record.planned_by;
    auto restarted = co_await operations_.restart(std::move(request), std::move(actor));
    if (!restarted)
        project->warnings.push_back(
            fmt::format("{} was not restarted: {}", process->name(), restarted.error().message));
}

// ---- restarts in order ----

Task<Result<RestartedInOrder>> Plans::restart_in_order(std::string file, std::vector<std::string> names,
                                                       std::string actor, MonoTime until) {
    if (auto ready = co_await adoption_.wait(); !ready) co_return ready.error();
    const ProjectPtr project = project_of(file);
    const auto ordered = in_start_order(file, names);
    const Restarting held(project, ordered);
    const auto done = std::make_shared<RestartedInOrder>();
    for (const auto& name : ordered) {
        auto restarted = co_await restart_next(project, name, actor, until, done);
        if (!restarted) co_return restarted.error();
    }
    co_return *done;
}

Task<Result<ops::RestartResponse>> Plans::restart_with_dependents(ops::RestartRequest request, std::string actor) {
    if (auto ready = co_await adoption_.wait(); !ready) co_return ready.error();
    const auto found = table_.resolve(request.process);
    if (!found) co_return found.error();
    const auto membership = (*found)->record.definition.membership;
    const ProjectPtr project = membership ? find(membership->file) : nullptr;
    if (!project) co_return co_await operations_.restart(std::move(request), std::move(actor));
    std::vector<std::string> running;
    for (const auto& name : in_start_order(project->file, dependents(project->file, membership->process)))
        if (const auto member = find_member(project->file, name); member && member->life.is_live())
            running.push_back(name);
    const Restarting held(project, running);
    request.process = (*found)->name();
    auto out = co_await operations_.restart(std::move(request), actor);
    if (!out) co_return out.error();
    const auto done = std::make_shared<RestartedInOrder>();
    done->restarted.push_back(membership->process);
    for (const auto& name : running) {
        auto restarted = co_await restart_next(project, name, actor, std::nullopt, done);
        if (!restarted) co_return restarted.error();
    }
    done->restarted.erase(done->restarted.begin());
    for (const auto& name : done->restarted)
        if (const auto member = find_member(project->file, name))
            out->dependents.push_back(member->record.definition.label);
    co_return out;
}

/// Once what it needs of what was restarted before is ready.
Task<Result<void>> Plans::restart_next(ProjectPtr project, std::string name, std::string actor,
                                       std::optional<MonoTime> until, std::shared_ptr<RestartedInOrder> done) {
    const bool follows = !done->restarted.empty();
    while (follows && !project->plan.may_restart(name)) {
        bool in_time = true;
        if (until)
            in_time = co_await project->moved.wait_until(*until, world_.clock);
        else
            co_await project->moved.wait();
        if (in_time) continue;
        done->left.push_back(std::move(name));
        co_return boost::system::in_place_value;
    }
    const auto process = find_member(project->file, name);
    if (!process || project->plan.stage(name) == Stage::waiting) co_return boost::system::in_place_value;
    // Who was not named, and was stopped meanwhile, stays down.
    const bool is_down = process->life.wanted() == Wanted::down && !process->life.is_live();
    if (is_down && !until) co_return boost::system::in_place_value;
    const std::string before = follows ? fmt::format("{} restarted; ", fmt::join(done->restarted, ", ")) : "";
    const auto missing = project->plan.obstacle(name);
    const bool is_broken =
        missing && std::find(done->restarted.begin(), done->restarted.end(), *missing) != done->restarted.end();
    if (is_broken)
        co_return Error{ErrorCode::conflict,
                        fmt::format("{}{} was not: it needs {}, which is not there", before, name, *missing)};
    ops::RestartRequest request;
    request.process = process->name();
    auto restarted = co_await operations_.restart(std::move(request), std::move(actor));
    if (!restarted) co_return base::with_context(restarted.error(), before + name);
    done->restarted.push_back(std::move(name));
    co_return boost::system::in_place_value;
}

Task<bool> Plans::may_restart(ProcessId id) {
    for (;;) {
        const auto process = table_.find(id);
        if (!process) co_return false;
        const auto& membership = process->record.definition.membership;
        const ProjectPtr project = membership ? find(membership->file) : nullptr;
        if (!project) co_return true;
        if (project->plan.stage(membership->process) == Stage::waiting) co_return false;
        if (project->plan.may_restart(membership->process)) co_return true;
        co_await project->moved.wait();
    }
}

// ---- what is asked about it ----

UpProgress Plans::progress(const std::string& file, const std::vector<std::string>& names) const {
    UpProgress out;
    const ProjectPtr project = find(file);
    std::vector<std::string> asked = names;
    if (asked.empty() && project)
        for (const auto& [name, id] : project->members) asked.push_back(name);
    for (auto& name : asked) {
        const auto member = project ? project->members.find(name) : decltype(project->members.find(name)){};
        const auto process = project && member != project->members.end() ? table_.find(member->second) : nullptr;
        const Stage stage = process ? project->plan.stage(name) : Stage::failed;
        if (stage == Stage::failed || stage == Stage::idle || stage == Stage::stopping) {
            out.failed.push_back(std::move(name));
            continue;
        }
        const bool oneshot = process->record.definition.membership->oneshot;
        const bool is_ready = stage == Stage::up && (oneshot ? is_done(*process) : facts_of(*process).is_ready);
        if (!is_ready) out.pending.push_back(std::move(name));
    }
    return out;
}

Task<UpProgress> Plans::settled(std::string file, std::vector<std::string> names, MonoTime until) {
    for (;;) {
        UpProgress now = progress(file, names);
        const ProjectPtr project = find(file);
        if (!now.failed.empty() || now.pending.empty() || !project) co_return now;
        const bool woken = co_await project->moved.wait_until(until, world_.clock);
        if (!woken) co_return progress(file, names);
    }
}

std::map<std::string, ProcessId> Plans::members(const std::string& file) const {
    std::map<std::string, ProcessId> out;
    for (const auto& [id, process] : table_.all())
        if (is_member(*process, file)) out.emplace(process->record.definition.membership->process, id);
    return out;
}

std::vector<std::string> Plans::dependents(const std::string& file, const std::string& process) const {
    std::vector<std::string> out;
    const ProjectPtr project = find(file);
    if (!project) return out;
    std::set<std::string> found{process};
    // As many rounds as the longest chain: acyclic.
    for (bool has_grown = true; has_grown;) {
        has_grown = false;
        for (const auto& [name, edges] : project->edges) {
            const bool needs_one = std::any_of(edges.begin(), edges.end(),
                                               [&](const domain::Dependency& e) { return found.contains(e.process); });
            if (!needs_one || !found.insert(name).second) continue;
            out.push_back(name);
            has_grown = true;
        }
    }
    return out;
}

std::vector<std::string> Plans::in_start_order(const std::string& file, const std::vector<std::string>& names) const {
    std::vector<std::string> out = names;
    // Whoever has fewer below it in the graph stands before whoever needs it.
    std::map<std::string, std::size_t> above;
    for (const auto& name : out) above[name] = dependents(file, name).size();
    std::stable_sort(out.begin(), out.end(),
                     [&](const std::string& a, const std::string& b) { return above[a] > above[b]; });
    return out;
}

std::vector<std::string> Plans::files() const {
    std::set<std::string> out;
    for (const auto& [id, process] : table_.all())
        if (const auto& membership = process->record.definition.membership) out.insert(membership->file);
    return {out.begin(), out.end()};
}

std::string Plans::name(const std::string& file) const {
    for (const auto& [id, process] : table_.all())
        if (is_member(*process, file)) return process->record.definition.membership->name;
    return {};
}

bool Plans::is_as_applied(const std::string& file, const std::string& process, const project::Digests& now) const {
    const auto member = find_member(file, process);
    if (!member) return true;
    const auto& applied = member->record.definition.membership->digests;
    const auto then = applied.find(std::string(project::content_key));
    const auto present = now.find(std::string(project::content_key));
    if (then == applied.end()) return true;
    return present != now.end() && present->second.starts_with(then->second);
}

std::vector<std::string> Plans::warnings(const std::string& file) const {
    const ProjectPtr project = find(file);
    return project ? project->warnings : std::vector<std::string>();
}

}  // namespace persistproc::core
