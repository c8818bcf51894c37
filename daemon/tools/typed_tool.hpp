#pragma once
/// A tool from the structs of its request and response: schema, parsing and errors come from their field lists.
#include <type_traits>
#include <utility>

#include "common/mcp/server.hpp"
#include "common/ops/operation.hpp"
#include "common/schema/json.hpp"

namespace persistproc::tools {

/// Who asks, for the audit and whatever tells of it later. What an agent calls itself stands in quotes, which nothing
/// of the daemon's own and our client's names does: `agent "codex" 1.2`; `agent`: it gives no name.
std::string actor_of(const mcp::CallContext& context);

/// Absent facts are left out of it, at any depth.
mcp::Json without_absent(mcp::Json json);

/// A result with structured content, for tools with an output schema.
template <class Response>
mcp::ToolResult structured(const Response& response, std::string text) {
    mcp::ToolResult result;
    result.text = std::move(text);
    result.structured = without_absent(schema::to_json(response));
    return result;
}

/// Arguments for an agent never show the fields that only the client has; the audience of the call decides.
inline Task<mcp::ToolResult> fail_call(Error error) { co_return mcp::tool_failure(error); }

template <class Request>
mcp::ToolHandler typed_handler(std::function<Task<mcp::ToolResult>(Request, mcp::CallContext)> handle) {
    return [handle = std::move(handle)](mcp::Json arguments, mcp::CallContext context) -> Task<mcp::ToolResult> {
        auto request = schema::parse<Request>(arguments, context.principal.audience());
        if (!request) return fail_call(request.error());
        return handle(std::move(*request), std::move(context));
    };
}

template <class Request>
mcp::ToolDefinition define() {
    constexpr const ops::Operation& operation = Request::operation;
    mcp::ToolDefinition definition;
    definition.name = operation.name;
    definition.title = operation.title;
    definition.description = operation.description;
    definition.input_schema = schema::object_schema<Request>(operation.audience);
    const ops::Effects effects = operation.effects;
    definition.annotations = {effects.read_only, effects.destructive, effects.idempotent, effects.open_world};
    definition.sleeps = operation.sleeps;
    definition.client_only = operation.audience == schema::Audience::client;
    return definition;
}

/// The output schema of a view. Every session pays for it: it promises what is always there, and no more.
mcp::Json view_output_schema();

}  // namespace persistproc::tools
