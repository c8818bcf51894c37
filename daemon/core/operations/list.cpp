#include <fmt/format.h>

#include <algorithm>

#include "common/base/text.hpp"
#include "common/schema/document.hpp"
#include "daemon/core/operations/operations.hpp"
#include "daemon/core/views.hpp"

namespace persistproc::core {

namespace {

constexpr std::size_t few_trees = 100;  // processes whose trees are looked at in a millisecond or two

}  // namespace

Task<Result<std::vector<ProcessView>>> Operations::list(ops::ListRequest request) {
    if (request.state && !request.state->known()) co_return ops::unknown_state(*request.state);
    // Asked most of all operations: no frame for what nearly always is done.
    if (!adoption_.progress().is_done)
        if (auto ready = co_await adoption_.wait(); !ready) co_return ready.error();
    if (request.working_directory) {
        if (!request.working_directory->starts_with('/'))
            co_return Error{ErrorCode::invalid, fmt::format("working_directory: {} is not an absolute path",
                                                            base::excerpt(*request.working_directory))};
        // One that is gone by now is compared as it is written.
        auto directory = co_await world_.directories.canonical_directory(*request.working_directory);
        if (directory) request.working_directory = std::move(*directory);
    }
    std::vector<ProcessPtr> chosen;
    if (request.process) {
        auto found = table_.resolve(*request.process);
        if (!found) co_return found.error();
        chosen.push_back(*found);
    } else {
        for (const auto& [id, process] : table_.all()) chosen.push_back(process);
    }
    std::erase_if(chosen, [&](const ProcessPtr& process) {
        if (process->standing == Standing::provisional && !process->life.is_live()) return true;
        return (request.state && process->state() != request.state->known()) ||
               (request.working_directory &&
                process->record.definition.working_directory != *request.working_directory);
    });
    for (const auto& process : chosen) co_await look_at_untouched(process);
    std::vector<ProcessPtr> asked = chosen;
    const auto age = chosen.size() > few_trees ? many_view_age : view_age;
    co_await sampler_.refresh(std::move(asked), age, request.columns ? Look::tree : Look::whole);
    std::vector<ProcessView> views;
    views.reserve(chosen.size());
    const WallTime wall = world_.clock.wall();
    const MonoTime now = world_.clock.now();
    for (const auto& process : chosen) {
        if (!table_.holds(*process)) continue;
        views.push_back(request.columns ? make_view(*process, wall, now) : view_as_known(*process));
    }
    co_return views;
}

std::optional<MonoTime> Operations::seen_since() const {
    MonoTime oldest = world_.clock.now();
    for (const auto& [id, process] : table_.all()) {
        const Reading& reading = process->reading;
        if (reading.run != process->life.last_run() || !reading.of_tree.taken) return std::nullopt;
        if (!reading.is_final) oldest = std::min(oldest, *reading.of_tree.taken);
    }
    return oldest;
}

Task<Result<ops::ProcessDetails>> Operations::describe(ops::DescribeRequest request) {
    if (auto ready = co_await adoption_.wait(); !ready) co_return ready.error();
    auto found = table_.resolve(request.process);
    if (!found) co_return found.error();
    const ProcessPtr process = *found;
    auto shown = co_await view(process);
    if (!shown) co_return shown.error();
    ops::ProcessDetails out;
    static_cast<ProcessView&>(out) = std::move(*shown);
    const Definition& definition = process->record.definition;
    const RestartRule rule = restart_rule(definition);
    out.restart_policy = rule.policy;
    // Of a newer daemon: not carried out here, and kept.
    if (const auto word = schema::unread_word(definition.unknown, "restart");
        word && rule.policy == Definition{}.restart)
        out.restart_policy = schema::Open<domain::RestartPolicy>::from_word(*word);
    out.first_signal = domain::signal_name(definition.stop_signal);
    out.grace = definition.grace_seconds;
    out.variable_names = definition.variables;
    for (const auto& check : definition.ready) out.ready_checks.push_back(domain::check_text(check));
    for (const auto& check : definition.health) out.health_checks.push_back(domain::check_text(check));
    if (process->has_tree() && process->reading.run == process->life.last_run())
        out.programs = static_cast<std::int64_t>(process->reading.tree.pids.size());
    out.quick_failures = process->life.quick_failures();
    out.most_quick_failures = rule.give_up_after;
    out.healthy_seconds = std::chrono::duration<double>(rule.healthy_after).count();
    co_return out;
}

}  // namespace persistproc::core
