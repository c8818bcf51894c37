#include "daemon/core/plans.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/base/kill_point.hpp"
#include "daemon/core/plans/plan_state.hpp"

namespace persistproc::core {

using Stage = ProjectPlan::Stage;

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
        if (membership && !has_begun_) return false;
        const auto project = membership ? find(membership->file) : nullptr;
        return !project || (!project->comes_again && project->plan.may_restart(membership->process));
    };
    driver_.waits_for = [this](const Process& process) {
        const auto& membership = process.record.definition.membership;
        const auto project = membership ? find(membership->file) : nullptr;
        return project ? project->plan.missing(membership->process) : std::vector<std::string>();
    };
    driver_.lacks = [this](const Process& process) {
        const auto& membership = process.record.definition.membership;
        const auto project = membership ? find(membership->file) : nullptr;
        return project ? project->plan.lacking(membership->process) : std::vector<std::string>();
    };
    driver_.obstacle = [this](const Process& process, bool of_work) -> std::optional<std::string> {
        const auto& membership = process.record.definition.membership;
        const auto project = membership ? find(membership->file) : nullptr;
        auto name = project ? project->plan.obstacle(membership->process, of_work) : std::nullopt;
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
        project->comes_again = std::any_of(all.begin(), all.end(), [&](const auto& each) {
            return is_member(*each.second, project->file) && each.second->record.planned == Planned::again;
        });
        if (project->comes_again) {
            world_.tasks.spawn("what was up before the machine was restarted", begin_again(project));
            continue;
        }
        for (const auto& [name, id] : project->members) watch_lines(project, name);
        perform(project, project->plan.up({}));
        wake_waiting(*project);
    }
}

/// Whoever waits for its policy's next run may have what it needs.
void Plans::wake_waiting(const Project& project) const {
    for (const auto& [name, id] : project.members)
        if (const auto process = table_.find(id); process && process->is<Backoff>()) process->changed.notify_all();
}

Task<> Plans::begin_again(ProjectPtr project) {
    auto guard = co_await project->mutex.lock();
    StoreChange change;
    const auto members = project->members;
    for (const auto& [name, id] : members) {
        const auto process = table_.find(id);
        if (!process) continue;
        auto held = co_await process->operation.lock();
        if (!table_.holds(*process) || process->record.planned != Planned::again) continue;
        auto waits = co_await wait_again(process);
        if (!waits) fail(process, Cause{.code = CauseCode::not_begun, .text = waits.error().message});
        change.processes.push_back(process->record);
    }
    // Where it is not recorded, the next daemon finds them as this one did.
    co_await driver_.record(std::move(change), "what comes up again after a restart of the machine");
    project->comes_again = false;
    rebuild(*project);
    for (const auto& [name, id] : project->members) {
        watch_lines(project, name);
        driver_.announce(*table_.find(id));
    }
    perform(project, project->plan.up({}));
    wake_waiting(*project);
}

/// With the lock. It is begun as it was, and its values stand ready for that.
Task<Result<void>> Plans::wait_again(ProcessPtr process) {
    auto known = co_await driver_.know_launch(process);
    if (!known) co_return known;
    const RunId run{process->record.id, process->life.next_number()};
    rundir::RunSpec spec =
        driver_.spec_of(run, process->record.definition, *process->launch, process->record.request_key);
    auto prepared = co_await world_.directories.prepare(std::move(spec));
    if (!prepared) co_return prepared;
    // Somebody has stopped it meanwhile.
    if (process->record.planned != Planned::again) {
        co_await world_.directories.remove_run(run);
        co_return boost::system::in_place_value;
    }
    process->record.pending_run = run.number;
    process->record.planned = Planned::waiting;
    process->record.planned_by = "adoption";
    co_return boost::system::in_place_value;
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
            world_.tasks.spawn("removal of " + other->name(), driver_.discard(other->record.id));
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
    ProjectPlan plan(std::move(planned));
    plan.remember(project.plan);
    project.plan = std::move(plan);
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
        const bool stays = stage == Stage::up && project->plan.restarts_with(name).empty();
        const bool is_ready = stays && (oneshot ? is_done(*process) : facts_of(*process).is_ready);
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
    std::vector<std::string> out;
    std::set<std::string> seen;
    std::copy_if(names.begin(), names.end(), std::back_inserter(out),
                 [&seen](const std::string& name) { return seen.insert(name).second; });
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
