#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "daemon/core/plans/plan_state.hpp"

namespace persistproc::core {

using Stage = ProjectPlan::Stage;

Task<Result<void>> Plans::restart_in_order(std::string file, std::vector<std::string> names, std::string actor,
                                           MonoTime until, RestartedPtr done) {
    if (auto ready = co_await adoption_.wait(); !ready) co_return ready.error();
    const ProjectPtr project = project_of(file);
    const auto ordered = in_start_order(file, names);
    const Restarting held(project, ordered);
    for (const auto& name : ordered) {
        auto restarted = co_await restart_next(project, name, actor, until, done);
        if (!restarted) co_return restarted.error();
    }
    co_return boost::system::in_place_value;
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
                                       std::optional<MonoTime> until, RestartedPtr done) {
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

}  // namespace persistproc::core
