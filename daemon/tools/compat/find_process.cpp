#include "daemon/tools/compat/find_process.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/text.hpp"

namespace persistproc::tools::compat {

namespace {

const Known* with_label(const std::vector<Known>& all, const std::string& label) {
    const auto found =
        std::find_if(all.begin(), all.end(), [&](const Known& each) { return each.view.label == label; });
    return found == all.end() ? nullptr : &*found;
}

Result<Known> with_id(const std::vector<Known>& all, const Result<ProcessId>& id) {
    if (!id) return id.error();
    return *std::find_if(all.begin(), all.end(), [&](const Known& each) { return each.id == *id; });
}

/// By the PID and by nothing else: a label may look like one.
Result<Known> with_pid(const std::vector<Known>& all, std::int64_t pid) {
    std::vector<core::Candidate> candidates;
    for (const auto& each : all)
        candidates.push_back({each.id, "", {}, each.view.working_directory, each.pid, is_live(each.view)});
    const auto id = core::resolve_target(std::to_string(pid), candidates);
    if (!id && id.error().code == ErrorCode::not_found)
        return Error{ErrorCode::not_found, fmt::format("PID {} not found", pid)};
    return with_id(all, id);
}

Result<Known> with_command(const std::vector<Known>& all, const std::string& command) {
    std::vector<core::Candidate> candidates;
    for (const auto& each : all)
        candidates.push_back(
            {each.id, each.view.label, each.view.command, each.view.working_directory, each.pid, is_live(each.view)});
    auto id = core::resolve_target(command, candidates);
    if (!id && id.error().code == ErrorCode::not_found)
        if (const auto words = domain::split_command(command))
            id = core::resolve_target(domain::command_line(*words), candidates);
    return with_id(all, id);
}

/// Of a command that nothing runs in that directory: where it runs.
Error not_there(const std::vector<Known>& all, const std::string& command, const std::string& directory) {
    constexpr std::size_t most_named = 5;
    std::vector<std::string> places;
    for (const Known& each : all)
        if (is_named(each.view, command) && places.size() < most_named)
            places.push_back(fmt::format("{} in {}", each.view.id, base::excerpt(each.view.working_directory)));
    return {ErrorCode::not_found,
            fmt::format("no process is {} in {}{}{}", base::quote(base::excerpt(command)), base::excerpt(directory),
                        places.empty() ? "" : "; elsewhere: ", fmt::join(places, ", "))};
}

}  // namespace

Task<Result<std::vector<Known>>> known_processes(Backend backend, std::optional<std::string> working_directory) {
    ops::ListRequest request;
    request.working_directory = std::move(working_directory);
    auto views = co_await backend.supervisor.list(std::move(request));
    if (!views) co_return views.error();
    std::vector<Known> out;
    for (auto& view : *views) {
        const auto id = domain::find_process_id(view.id);
        const auto located = id ? backend.supervisor.find(*id) : std::nullopt;
        if (located) out.push_back({*id, std::move(view), located->pid});
    }
    co_return out;
}

Task<Result<Known>> find_process(Backend backend, Target target, std::optional<std::string> label) {
    auto all = co_await known_processes(backend, std::nullopt);
    if (!all) co_return all.error();
    if (target.pid) co_return with_pid(*all, *target.pid);
    if (label && !label->empty()) {
        if (const Known* found = with_label(*all, *label)) co_return *found;
        co_return Error{ErrorCode::not_found, fmt::format("No process found with label: {}", base::excerpt(*label))};
    }
    if (!target.command_or_label) co_return Error{ErrorCode::invalid, "No pid, label, or command_or_label provided"};
    if (const Known* found = with_label(*all, *target.command_or_label)) co_return *found;
    if (!target.working_directory) co_return with_command(*all, *target.command_or_label);
    const auto there = co_await known_processes(backend, target.working_directory);
    if (!there) co_return there.error();
    auto found = with_command(*there, *target.command_or_label);
    if (!found && found.error().code == ErrorCode::not_found)
        co_return not_there(*all, *target.command_or_label, *target.working_directory);
    co_return found;
}

bool is_named(const ProcessView& view, const std::string& text) {
    if (view.label == text) return true;
    const auto words = domain::split_command(text);
    return words && *words == view.command;
}

}  // namespace persistproc::tools::compat
