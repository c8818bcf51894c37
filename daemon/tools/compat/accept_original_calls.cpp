#include <algorithm>

#include "common/ops/list_processes.hpp"
#include "common/ops/restart_process.hpp"
#include "common/ops/stop_process.hpp"
#include "daemon/tools/compat/compat.hpp"
#include "daemon/tools/compat/control.hpp"
#include "daemon/tools/compat/reading.hpp"
#include "daemon/tools/compat/typed_call.hpp"

namespace persistproc::tools::compat {

namespace {

/// The names of the request's fields; a label came with the later generation, under names we do not have.
template <class Request>
std::vector<std::string> arguments_of() {
    std::vector<std::string> names;
    const Json schema = schema::object_schema<Request>();
    for (const auto& item : schema.at("properties").items())
        if (item.key() != "label") names.push_back(item.key());
    return names;
}

/// Nothing in it that only ours take, a command of several words among them.
bool is_original(const Json& arguments, const std::vector<std::string>& names) {
    return std::all_of(arguments.items().begin(), arguments.items().end(), [&names](const auto& item) {
        const bool is_known = std::find(names.begin(), names.end(), item.key()) != names.end();
        return item.value().is_null() || (is_known && !item.value().is_array());
    });
}

/// `theirs` for calls that the original took, but for those of our own client. An empty label is none, as there.
Tool either(Tool tool, std::vector<std::string> names, mcp::ToolHandler theirs) {
    tool.definition.output_schema.reset();
    tool.handler = [names = std::move(names), ours = std::move(tool.handler), theirs = std::move(theirs)](
                       Json arguments, mcp::CallContext context) -> Task<mcp::ToolResult> {
        if (const auto label = arguments.find("label"); label != arguments.end() && *label == "")
            arguments.erase(label);
        const bool is_client = context.principal.audience() == schema::Audience::client;
        return !is_client && is_original(arguments, names) ? theirs(std::move(arguments), std::move(context))
                                                           : ours(std::move(arguments), std::move(context));
    };
    return tool;
}

/// The schema takes what the original does beside ours, and requires nothing but what both do.
template <class Request>
Tool widen(Tool tool, Shape shape, std::function<Task<mcp::ToolResult>(Request, mcp::CallContext)> answer) {
    Json& ours = tool.definition.input_schema;
    const Json theirs = schema::object_schema<Request>();
    for (const auto& item : theirs.at("properties").items())
        if (!ours["properties"].contains(item.key())) ours["properties"][item.key()] = item.value();
    ours.erase("required");
    if (theirs.contains("required")) ours["required"] = theirs["required"];
    return either(std::move(tool), arguments_of<Request>(), typed_call<Request>(shape, std::move(answer)));
}

/// Start, stop or restart, by a request that `as` makes one of `ctrl`.
template <class Request, class As>
Tool widen_control(Backend backend, Tool tool, As as) {
    return widen<Request>(std::move(tool), first_info, [backend, as](Request request, mcp::CallContext context) {
        return control(backend, as(std::move(request)), std::move(context), first_info);
    });
}

Tool accept(Backend backend, Tool tool) {
    const std::string name = tool.definition.name;
    if (name == ops::StartRequest::operation.name)
        return widen_control<StartRequest>(backend, std::move(tool),
                                           [](StartRequest request) { return as_control(std::move(request)); });
    if (name == ops::StopRequest::operation.name)
        return widen_control<StopRequest>(
            backend, std::move(tool), [](StopRequest request) { return as_control(std::move(request), Action::stop); });
    if (name == ops::RestartRequest::operation.name)
        return widen_control<RestartRequest>(backend, std::move(tool), [](RestartRequest request) {
            return as_control(std::move(request), Action::restart);
        });
    if (name == ops::OutputRequest::operation.name)
        return widen<OutputRequest>(
            std::move(tool), Shape{Generation::first}, [backend](OutputRequest request, mcp::CallContext context) {
                return output(backend, std::move(request), std::move(context), Generation::first);
            });
    if (name == ops::ListRequest::operation.name)
        return either(std::move(tool), {},
                      [backend](Json, mcp::CallContext) { return first_generation_list(backend); });
    return tool;
}

}  // namespace

ToolChange accept_original_calls(Backend backend) {
    return [backend](Tool tool) { return accept(backend, std::move(tool)); };
}

}  // namespace persistproc::tools::compat
