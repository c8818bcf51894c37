#include <fmt/format.h>

#include <filesystem>
#include <initializer_list>

#include "common/ops/list_processes.hpp"
#include "common/ops/restart_process.hpp"
#include "common/ops/start_process.hpp"
#include "common/ops/stop_process.hpp"
#include "daemon/tools/compat/answers.hpp"
#include "daemon/tools/compat/compat.hpp"
#include "daemon/tools/compat/control.hpp"
#include "daemon/tools/compat/find_process.hpp"
#include "daemon/tools/compat/reading.hpp"
#include "daemon/tools/typed_tool.hpp"

namespace persistproc::tools::compat {

namespace {

using mcp::Json;

bool has_any(const Json& arguments, std::initializer_list<const char*> names) {
    for (const char* name : names)
        if (const auto found = arguments.find(name); found != arguments.end() && !found->is_null()) return true;
    return false;
}

/// Under names of ours the answer is structured content too, whoever asked.
mcp::ToolResult with_structure(mcp::ToolResult result) {
    if (!result.is_error) result.structured = *mcp::read_json(result.text, mcp::answer_limits);
    return result;
}

/// Members the original has and we have not.
void add_members(Json& ours, const Json& theirs) {
    for (const auto& item : theirs.items())
        if (!ours.contains(item.key())) ours[item.key()] = item.value();
}

/// A call of start_process may come from either side: one answer for both. One that already runs is returned, as ours
/// does, and told of in `error`, where the original's clients look for it and its PID.
Task<mcp::ToolResult> start_for_both(mcp::ToolHandler ours, Json arguments, mcp::CallContext context) {
    if (!has_any(arguments, {"working_directory"}))
        arguments["working_directory"] = std::filesystem::current_path().string();
    auto result = co_await ours(std::move(arguments), std::move(context));
    if (result.is_error) {
        Controlled answer;
        answer.error = mcp::failure_of(result).message;
        result.text = json_text(schema::to_json(answer));
        co_return result;
    }
    const auto started = schema::read_answer<ops::StartResponse>(*result.structured);
    if (!started) co_return mcp::tool_failure(started.error());
    Json& members = *result.structured;
    add_members(members, schema::to_json(info_of(*started, started->pid.value_or(0))));
    members["error"] = started->created ? Json(nullptr)
                                        : Json(fmt::format("{} is already running (PID {}); nothing was started",
                                                           started->id, started->pid.value_or(0)));
    result.text = json_text(members);
    co_return result;
}

/// As start_for_both. `pid` is the last one of a process that has ended: the original knows it by nothing else.
Task<mcp::ToolResult> list_for_both(Core core) {
    auto processes = co_await known_processes(core, std::nullopt);
    if (!processes) co_return mcp::tool_failure(processes.error());
    Json views = Json::array();
    for (const auto& each : *processes) {
        const Json theirs = schema::to_json(info_of(each.view, each.pid));
        Json view = schema::to_json(each.view);
        view["pid"] = theirs["pid"];
        add_members(view, theirs);
        views.push_back(std::move(view));
    }
    Json members{{"processes", std::move(views)}};
    mcp::ToolResult result;
    result.text = json_text(members);
    result.structured = std::move(members);
    co_return result;
}

template <class Request>
Task<mcp::ToolResult> stop_or_restart(Core core, Request request, Action action, mcp::CallContext context) {
    ControlRequest asked = as_control(std::move(request), action);
    auto result = co_await control(core, std::move(asked), std::move(context));
    co_return with_structure(std::move(result));
}

/// Our schema with what the original takes beside it, and nothing required but what both require.
template <class Theirs>
void widen(mcp::ToolDefinition& definition) {
    Json theirs = schema::object_schema<Theirs>();
    add_members(definition.input_schema["properties"], theirs["properties"]);
    definition.input_schema.erase("required");
    if (theirs.contains("required")) definition.input_schema["required"] = theirs["required"];
    definition.output_schema.reset();
}

/// `ours` for calls of our own client and for those with one of `own`; else `original`.
mcp::ToolHandler either(std::initializer_list<const char*> own, mcp::ToolHandler ours, mcp::ToolHandler original) {
    return [names = std::vector<const char*>(own), ours = std::move(ours), original = std::move(original)](
               Json arguments, mcp::CallContext context) -> Task<mcp::ToolResult> {
        bool is_own = context.principal.audience() == schema::Audience::client;
        for (const char* name : names) is_own = is_own || has_any(arguments, {name});
        return is_own ? ours(std::move(arguments), std::move(context))
                      : original(std::move(arguments), std::move(context));
    };
}

Tool accept(Core core, Tool tool) {
    mcp::ToolDefinition& definition = tool.definition;
    mcp::ToolHandler ours = tool.handler;
    if (definition.name == ops::StartRequest::operation.name) {
        widen<StartRequest>(definition);
        // The schema of a command stays ours: a string, or words.
        auto both = [ours](Json arguments, mcp::CallContext context) {
            return start_for_both(ours, std::move(arguments), std::move(context));
        };
        tool.handler = either({"shell", "if_running", "restart", "stop_signal", "grace_seconds"}, ours, both);
    } else if (definition.name == ops::ListRequest::operation.name) {
        definition.output_schema.reset();
        auto both = [core, ours](Json arguments, mcp::CallContext context) {
            return arguments.empty() ? list_for_both(core) : ours(std::move(arguments), std::move(context));
        };
        tool.handler = either({"process", "working_directory", "state"}, ours, both);
    } else if (definition.name == ops::StopRequest::operation.name) {
        widen<StopRequest>(definition);
        auto theirs = typed_handler<StopRequest>([core](StopRequest request, mcp::CallContext context) {
            return stop_or_restart(core, std::move(request), Action::stop, std::move(context));
        });
        tool.handler = either({"process", "grace_seconds"}, ours, std::move(theirs));
    } else if (definition.name == ops::RestartRequest::operation.name) {
        widen<RestartRequest>(definition);
        auto theirs = typed_handler<RestartRequest>([core](RestartRequest request, mcp::CallContext context) {
            return stop_or_restart(core, std::move(request), Action::restart, std::move(context));
        });
        tool.handler = either({"process", "grace_seconds"}, ours, std::move(theirs));
    } else if (definition.name == ops::OutputRequest::operation.name) {
        widen<OutputRequest>(definition);
        auto theirs = typed_handler<OutputRequest>([core](OutputRequest request, mcp::CallContext context) {
            return output(core, std::move(request), std::move(context), 0);
        });
        tool.handler = either({"process"}, ours, std::move(theirs));
    }
    return tool;
}

}  // namespace

ToolChange accept_original_calls(Core core) {
    return [core](Tool tool) { return accept(core, std::move(tool)); };
}

}  // namespace persistproc::tools::compat
