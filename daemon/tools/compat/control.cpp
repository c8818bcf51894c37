#include "daemon/tools/compat/control.hpp"

#include <fmt/format.h>

#include <filesystem>

#include "daemon/tools/bridge_environment.hpp"
#include "daemon/tools/compat/answers.hpp"
#include "daemon/tools/compat/find_process.hpp"
#include "daemon/tools/take_start.hpp"
#include "daemon/tools/typed_tool.hpp"

namespace persistproc::tools::compat {

namespace {

/// In the original's words, in which its clients look for the PID; nothing: no live process is in the way.
Task<std::optional<std::string>> already_running(Backend backend, domain::Definition asked, Generation generation) {
    std::optional<std::string> directory;
    if (!asked.label_given) directory = asked.working_directory;
    const auto all = co_await known_processes(backend, std::move(directory));
    if (!all) co_return std::nullopt;
    for (const Known& each : *all) {
        const bool is_meant = asked.label_given ? each.view.label == asked.label : each.view.command == asked.command;
        if (!is_meant || !domain::is_live(each.view)) continue;
        co_return generation == Generation::first
            ? fmt::format("A process with command '{}' is already running with PID {}.",
                          domain::command_line(each.view.command), each.pid)
            : fmt::format("Process with label '{}' already running with PID {}.", each.view.label, each.pid);
    }
    co_return std::nullopt;
}

/// The original's own names for a start take no `shell`.
Error told_of_shell(Error refused) {
    const std::size_t advice = refused.message.find("; set shell");
    if (advice != std::string::npos)
        refused.message.replace(advice, std::string::npos, "; call start_process with \"shell\": true, or quote it");
    return refused;
}

/// Unlike with start_process, one that already runs is an error.
Task<Result<Facts>> start(Backend backend, ControlRequest request, mcp::CallContext context, Generation generation) {
    if (!request.command_or_label) co_return Error{ErrorCode::invalid, "command_or_label is required for start action"};
    if (!request.working_directory)
        co_return Error{ErrorCode::invalid, "working_directory is required for start action"};
    auto words = domain::split_command(*request.command_or_label);
    if (!words) co_return told_of_shell(words.error());
    ops::StartRequest asked;
    asked.base_environment = bridge_environment(context);
    asked.definition.command = std::move(*words);
    asked.definition.working_directory = std::move(*request.working_directory);
    asked.definition.label = std::move(request.label).value_or("");
    asked.definition.label_given = !asked.definition.label.empty();
    asked.environment = std::move(request.environment);
    asked.if_running = ops::IfRunning::refuse;
    domain::Definition definition = asked.definition;
    std::string actor = actor_of(context);
    auto started = co_await backend.supervisor.start(std::move(asked), std::move(actor));
    if (started) co_return facts_of(*started, started->pid.value_or(0), generation);
    Error refused = started.error();
    if (refused.code != ErrorCode::conflict) co_return refused;
    backend.agent_starts.give_back(context.principal);
    auto told = co_await already_running(backend, std::move(definition), generation);
    if (told) refused.message = std::move(*told);
    co_return refused;
}

Task<Result<Facts>> stop(Backend backend, Known process, bool force, std::string actor, Generation generation) {
    ops::StopRequest request;
    request.process = to_string(process.id);
    request.force = force;
    auto view = co_await backend.supervisor.stop(std::move(request), std::move(actor));
    if (!view) co_return view.error();
    co_return facts_of(*view, process.pid, generation);
}

Task<Result<Facts>> restart(Backend backend, Known process, bool force, std::string actor, Generation generation) {
    ops::RestartRequest request;
    request.process = to_string(process.id);
    request.force = force;
    auto restarted = co_await backend.supervisor.restart(std::move(request), std::move(actor));
    if (!restarted) co_return restarted.error();
    Facts facts = facts_of(*restarted, restarted->pid.value_or(0), generation);
    const auto located = backend.supervisor.find(process.id);
    if (generation == Generation::first || !restarted->old_pid || !located || !located->last_outcome) co_return facts;
    if (const auto code = return_code(located->last_outcome->exit_code, located->last_outcome->signal))
        facts.by_name["exit_code"] = *code;
    co_return facts;
}

Task<Result<Facts>> stop_or_restart(Backend backend, ControlRequest request, std::string actor, Generation generation) {
    Target target = request;
    auto process = co_await find_process(backend, std::move(target), std::move(request.label));
    if (!process) co_return process.error();
    if (request.action == Action::stop)
        co_return co_await stop(backend, std::move(*process), request.force, std::move(actor), generation);
    co_return co_await restart(backend, std::move(*process), request.force, std::move(actor), generation);
}

}  // namespace

Task<mcp::ToolResult> control(Backend backend, ControlRequest request, mcp::CallContext context, Shape shape) {
    const Action action = request.action;
    Facts nothing;
    nothing.by_name["action"] = schema::enum_name(action);
    if (action != Action::stop)
        if (auto allowed = co_await take_start(backend, context.principal); !allowed)
            co_return refused(allowed.error(), shape, nothing);
    Result<Facts> facts = Error{};
    if (action == Action::start) {
        facts = co_await start(backend, std::move(request), std::move(context), shape.generation);
    } else {
        std::string actor = actor_of(context);
        facts = co_await stop_or_restart(backend, std::move(request), std::move(actor), shape.generation);
    }
    if (!facts) co_return refused(facts.error(), shape, nothing);
    facts->by_name["action"] = schema::enum_name(action);
    co_return answered(shaped(*facts, shape));
}

ControlRequest as_control(StartRequest request) {
    ControlRequest out;
    out.action = Action::start;
    out.command_or_label = std::move(request.command);
    out.working_directory = std::move(request.working_directory);
    if (!out.working_directory) out.working_directory = std::filesystem::current_path().string();
    out.environment = std::move(request.environment);
    out.label = std::move(request.label);
    return out;
}

ControlRequest as_control(StopRequest request, Action action) {
    ControlRequest out;
    static_cast<Target&>(out) = request;
    out.action = action;
    if (!out.command_or_label) out.command_or_label = std::move(request.command);
    out.force = request.force;
    out.label = std::move(request.label);
    return out;
}

}  // namespace persistproc::tools::compat
