#include <algorithm>
#include <utility>

#include "common/base/kill_point.hpp"
#include "common/project/project.hpp"
#include "daemon/core/operations/environment.hpp"
#include "daemon/core/plans/plan_state.hpp"

namespace persistproc::core {

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
        process->record.former = std::exchange(process->record.definition.membership, std::nullopt);
        process->record.planned.reset();
        change.processes.push_back(process->record);
        driver_.announce(*process);
    }
    rebuild(*project);
    co_await driver_.record(std::move(change), "what is no part of a project any more");
    base::kill_point("daemon.up.removed");
    co_return boost::system::in_place_value;
}

std::string Plans::free_label(const UpProcess& wanted, const Process* but) const {
    const auto& membership = *wanted.definition.membership;
    return project::make_label(membership.name, membership.process, [&](const std::string& label) {
        return std::any_of(table_.all().begin(), table_.all().end(), [&](const auto& each) {
            return each.second.get() != but && each.second->record.definition.label == label;
        });
    });
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
    const auto before = is_member_already                ? record.definition.membership
                        : is_former_of(*order, *process) ? record.former
                                                         : std::nullopt;
    const bool is_renamed = before && before->name != wanted.definition.membership->name &&
                            project::is_made_label(record.definition.label, before->name, before->process);
    const bool keeps_label = step->is_new || (before ? !is_renamed : record.definition.label_given);
    definition.label = keeps_label ? record.definition.label : free_label(wanted, process.get());
    definition.label_given = true;
    definition.started_by = begins ? actor : record.definition.started_by;
    definition.unknown = record.definition.unknown;
    definition.variables.clear();
    Environment all = wanted.environment;
    definition.membership->digests = shortened(wanted.digests);
    if (order->keeps_values && before) keep_values(*process, before->digests, all, definition.membership->digests);
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
void Plans::keep_values(const Process& process, const project::Digests& applied, Environment& all,
                        project::Digests& digests) {
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
    record.former.reset();
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
            process->record.former = step->record.former;
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

}  // namespace persistproc::core
