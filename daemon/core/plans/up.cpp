#include <algorithm>
#include <utility>

#include "common/base/kill_point.hpp"
#include "daemon/core/operations/environment.hpp"
#include "daemon/core/plans/plan_state.hpp"

namespace persistproc::core {

using Stage = ProjectPlan::Stage;

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
        if (!step->process) {
            const ProcessPtr former = find_former(*order, name), other = find_adoptable(each.definition);
            const bool other_runs = other && other->life.is_live();
            step->process = former && !other_runs ? former : other;
        }
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

/// One that was a member until the file had it no more.
ProcessPtr Plans::find_former(const UpOrder& order, const std::string& name) const {
    ProcessPtr out;
    for (const auto& [id, process] : table_.all())
        if (is_former_of(order, *process) && process->record.former->process == name) out = process;
    return out;
}

bool Plans::is_former_of(const UpOrder& order, const Process& process) {
    const auto& former = process.record.former;
    if (!former || process.record.definition.membership || process.standing != Standing::established) return false;
    return former->file == order.file || (former->found && order.replaces.contains(former->file));
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
    project::Digests applied;
    if (!is_adopted) applied = process->record.definition.membership->digests;
    // Somebody has started it since, as it was.
    if (is_adopted && is_former_of(*order, *process)) applied = process->record.former->digests;
    if (is_adopted || !order->set.empty()) {
        auto known = co_await driver_.know_launch(process);
        const Environment& asked = is_adopted ? wanted.environment : order->set;
        const bool differs =
            !known || !process->launch || !names_that_differ(process->launch->environment, asked).empty();
        if (differs) told.keys.emplace_back("env");
    }
    // It was begun otherwise, or what was to take its place was called off.
    const bool is_other = !is_adopted && applied.empty();
    const project::Digests present = shortened(wanted.digests);
    const bool keeps_environment = order->keeps_values && is_as_written(applied, present);
    for (auto& key : project::compare(applied, present).restarting) {
        const bool is_told = std::find(told.keys.begin(), told.keys.end(), key) != told.keys.end();
        if (!is_told && !(keeps_environment && key == "env")) told.keys.push_back(std::move(key));
    }
    const bool is_anew = order->anew.contains(told.process);
    if (runs) {
        const bool is_pending = is_still_to_come(*process);
        const bool changes = !told.keys.empty() || is_anew || is_pending || is_other;
        told.what = changes ? What::replaced : is_adopted ? What::adopted : What::kept;
        co_return;
    }
    const auto planned = process->record.planned;
    // Asked for since it ended, and put down, or not begun.
    const bool is_past = planned == Planned::down || planned == Planned::stopping || planned == Planned::failed;
    const bool is_asked = is_anew || is_other || order->again.contains(told.process);
    if (is_done(*process) && !is_past && told.keys.empty() && !is_asked) told.what = What::kept;
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
    for (const auto& step : steps) co_await decide(step, shared);
    look_ahead(*shared, steps);
    for (const auto& step : steps) out.push_back(step->told);
    co_return out;
}

/// Whom each would wait for.
void Plans::look_ahead(const UpOrder& order, const std::vector<StepPtr>& steps) const {
    const ProjectPtr project = find(order.file);
    std::vector<PlannedProcess> planned;
    for (const auto& each : order.processes) {
        const auto& membership = *each.definition.membership;
        planned.push_back({membership.process, membership.oneshot, membership.depends_on, order.without_dependencies});
    }
    ProjectPlan plan(std::move(planned));
    for (const auto& each : order.processes) {
        const std::string& name = each.definition.membership->process;
        const auto step =
            std::find_if(steps.begin(), steps.end(), [&name](const StepPtr& one) { return one->told.process == name; });
        const bool is_chosen = step != steps.end();
        const ProcessPtr process = is_chosen ? (*step)->process : find_member(order.file, name);
        PlanFacts facts = process ? facts_of(*process) : PlanFacts{};
        if (project && project->told.contains(name)) facts.printed = project->told.at(name).printed;
        Stage stage = process ? stage_of(*process) : Stage::idle;
        if (is_chosen) stage = (*step)->begins() ? Stage::waiting : Stage::up;
        plan.adopt(name, stage, std::move(facts));
    }
    if (order.without_dependencies) plan.leave_out(order.chosen);
    plan.up({});
    for (const auto& step : steps) {
        step->told.after = plan.missing(step->told.process);
        tell_restart(plan, step->told);
    }
}

void Plans::tell_restart(const ProjectPlan& plan, UpStep& told) {
    auto with = plan.restarts_with(told.process);
    const bool runs_on = told.what == UpStep::What::kept || told.what == UpStep::What::adopted;
    if (!runs_on || with.empty()) return;
    told.what = UpStep::What::restarted;
    told.after = std::move(with);
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
        // Whoever watches its files is to hear of it, also where it runs on.
        ++process->ups;
        driver_.announce(*process);
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
    for (const auto& step : *steps) {
        tell_restart(project->plan, step->told);
        out.push_back(step->told);
    }
    co_return out;
}

}  // namespace persistproc::core
