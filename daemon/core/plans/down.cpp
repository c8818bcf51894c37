#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "common/base/diagnostics.hpp"
#include "common/base/kill_point.hpp"
#include "common/base/text.hpp"
#include "daemon/core/plans/plan_state.hpp"

namespace persistproc::core {

using Stage = ProjectPlan::Stage;

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

}  // namespace persistproc::core
