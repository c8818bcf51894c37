#include "daemon/tools/compat/control.hpp"

#include <filesystem>

#include "daemon/tools/compat/answers.hpp"
#include "daemon/tools/compat/find_process.hpp"
#include "daemon/tools/typed_tool.hpp"

namespace persistproc::tools::compat {

namespace {

Controlled controlled(Action action, const ProcessView& view, std::int64_t pid) {
    const Info info = info_of(view, pid);
    Controlled out;
    out.action = action;
    out.pid = info.pid;
    out.exit_code = info.exit_code;
    out.log_stdout = info.log_stdout;
    out.log_stderr = info.log_stderr;
    out.log_combined = info.log_combined;
    out.label = info.label;
    return out;
}

/// Unlike start_process, one that already runs is an error, and the PID stands in it: clients look for both.
Task<Result<Controlled>> start(Core core, ControlRequest request, std::string actor) {
    if (!request.command_or_label) co_return Error{ErrorCode::invalid, "command_or_label is required for start action"};
    if (!request.working_directory)
        co_return Error{ErrorCode::invalid, "working_directory is required for start action"};
    auto words = domain::split_command(*request.command_or_label);
    if (!words) co_return words.error();
    ops::StartRequest asked;
    asked.definition.command = std::move(*words);
    asked.definition.working_directory = std::move(*request.working_directory);
    asked.definition.label_given = request.label.has_value();
    asked.definition.label = std::move(request.label).value_or("");
    asked.environment = std::move(request.environment);
    asked.if_running = ops::IfRunning::refuse;
    auto started = co_await core.supervisor.start(std::move(asked), std::move(actor));
    if (!started) co_return started.error();
    co_return controlled(Action::start, *started, started->pid.value_or(0));
}

Task<Result<Controlled>> stop(Core core, Known process, bool force, std::string actor) {
    ops::StopRequest request;
    request.process = to_string(process.id);
    request.force = force;
    auto view = co_await core.supervisor.stop(std::move(request), std::move(actor));
    if (!view) co_return view.error();
    co_return controlled(Action::stop, *view, process.pid);
}

Task<Result<Controlled>> restart(Core core, Known process, bool force, std::string actor) {
    ops::RestartRequest request;
    request.process = to_string(process.id);
    request.force = force;
    auto restarted = co_await core.supervisor.restart(std::move(request), std::move(actor));
    if (!restarted) co_return restarted.error();
    Controlled out = controlled(Action::restart, *restarted, restarted->pid.value_or(0));
    const auto located = core.supervisor.find(process.id);
    if (restarted->old_pid && located && located->last_outcome)
        out.exit_code = return_code(located->last_outcome->exit_code, located->last_outcome->signal);
    co_return out;
}

}  // namespace

Task<mcp::ToolResult> control(Core core, ControlRequest request, mcp::CallContext context) {
    const Action action = request.action;
    std::string actor = actor_of(context);
    Controlled nothing;
    nothing.action = action;
    if (action != Action::stop)
        if (auto allowed = core.agent_starts.take(context.principal); !allowed)
            co_return refused(nothing, allowed.error());
    if (action == Action::start) {
        auto started = co_await start(core, std::move(request), std::move(actor));
        co_return started ? answered(*started) : refused(nothing, started.error());
    }
    Target target = request;
    auto process = co_await find_process(core, std::move(target), std::move(request.label));
    if (!process) co_return refused(nothing, process.error());
    const bool force = request.force;
    if (action == Action::stop) {
        auto stopped = co_await stop(core, std::move(*process), force, std::move(actor));
        co_return stopped ? answered(*stopped) : refused(nothing, stopped.error());
    }
    auto restarted = co_await restart(core, std::move(*process), force, std::move(actor));
    co_return restarted ? answered(*restarted) : refused(nothing, restarted.error());
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
