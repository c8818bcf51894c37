#pragma once
/// A tool from the structs of its request and response: schema, parsing and errors come from their field lists.
#include <type_traits>
#include <utility>

#include "common/mcp/server.hpp"
#include "common/schema/codec.hpp"

namespace persistproc::tools {

inline std::string actor_of(const mcp::CallContext& context) {
    if (!context.caller->name.empty()) return context.caller->name;
    return context.audience == schema::Audience::client ? "persistproc" : "agent";
}

/// A result with structured content, for tools with an output schema.
template <class Response>
mcp::ToolResult structured(const Response& response, std::string text) {
    mcp::ToolResult result;
    result.text = std::move(text);
    result.structured = schema::to_json(response);
    return result;
}

/// Arguments for an agent never show the fields that only the client has; the audience of the call decides.
template <class Request>
mcp::ToolHandler typed_handler(std::function<Task<mcp::ToolResult>(Request, mcp::CallContext)> handle) {
    return [handle = std::move(handle)](mcp::Json arguments, mcp::CallContext context) -> Task<mcp::ToolResult> {
        auto request = schema::parse<Request>(arguments, context.audience);
        if (!request)
            return [](Error error) -> Task<mcp::ToolResult> { co_return mcp::tool_failure(error); }(request.error());
        return handle(std::move(*request), std::move(context));
    };
}

template <class Request>
mcp::ToolDefinition define(mcp::Annotations annotations) {
    mcp::ToolDefinition definition;
    definition.name = Request::name;
    definition.title = Request::title;
    definition.description = Request::description;
    definition.input_schema = schema::object_schema<Request>();
    definition.annotations = annotations;
    return definition;
}

/// The output schema of an answer, without the members that may be null and are of any type: they say little, stand
/// whole in the schema of list_processes, and every session pays for them.
template <class Response>
mcp::Json brief_output_schema() {
    mcp::Json out = schema::object_schema<Response>(schema::Audience::agent, false);
    mcp::Json kept = mcp::Json::object();
    for (auto& [name, member] : out["properties"].items())
        if (!member.empty()) kept[name] = std::move(member);
    out["properties"] = std::move(kept);
    return out;
}

template <class Request>
mcp::ToolDefinition define_client_operation() {
    mcp::ToolDefinition definition;
    definition.name = Request::name;
    definition.description = "Of the persistproc client.";
    definition.input_schema = schema::object_schema<Request>(schema::Audience::client);
    definition.client_only = true;
    return definition;
}

}  // namespace persistproc::tools
