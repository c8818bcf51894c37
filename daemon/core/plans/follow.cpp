// What its processes become, and what its plan makes of that.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "common/base/text.hpp"
#include "daemon/core/plans/plan_state.hpp"

namespace persistproc::core {

using Stage = ProjectPlan::Stage;

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
            else
                project->plan.refuse_restart(restart_it->process);
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
    if (!stopped && table_.holds(*process)) {
        project->stop_errors.insert_or_assign(name, stopped.error());
        project->plan.refuse_stop(name);
    }
    project->told.erase(name);
    if (table_.holds(*process)) learn(process);
    project->moved.notify_all();
}

Task<> Plans::restart(ProjectPtr project, ProcessPtr process) {
    ops::RestartRequest request;
    request.process = process->name();
    std::string actor = process->record.planned_by;
    auto restarted = co_await operations_.restart(std::move(request), std::move(actor));
    if (restarted) co_return;
    project->warnings.push_back(fmt::format("{} was not restarted: {}", process->name(), restarted.error().message));
    if (const auto& membership = process->record.definition.membership)
        project->plan.refuse_restart(membership->process);
    project->moved.notify_all();
}

}  // namespace persistproc::core
