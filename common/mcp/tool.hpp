#pragma once
/// What a tool is to the MCP server: a definition, and a function from JSON arguments to a result.
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/mcp/call.hpp"

namespace persistproc::mcp {

struct Annotations {
    bool read_only = false;
    bool destructive = false;
    bool idempotent = false;
    bool open_world = false;
};

struct ToolDefinition {
    std::string name;
    std::string title;
    std::string description;
    Json input_schema;
    std::optional<Json> output_schema;
    Annotations annotations;
    bool sleeps = false;  // most of its time it waits for something else
    /// For how long at most a call with these arguments waits for its turn, and is refused then. Null, or nothing: as
    /// long as it takes.
    std::function<std::optional<std::chrono::nanoseconds>(const Json& arguments, Audience audience)> patience;
    bool client_only = false;  // neither listed nor callable for agents: an unknown tool to them
};

/// The answer of a call. `structured` only for tools with an output schema.
struct ToolResult {
    std::string text;           // the first block; none when it is empty and something else is there
    std::vector<Json> content;  // further blocks, see content.hpp
    std::optional<Json> structured;
    Json meta = nullptr;  // object for `_meta`, or null
    bool is_error = false;
    Instead instead;      // set: the rest does not count
    std::string on_wire;  // by `render`; not empty: text, content and structured do not count
};

/// Puts an answer into the form that goes onto the wire. The server does so itself, on its executor, with what was not
/// rendered before: a large one is rendered by its tool, on a thread of the tool's. Pure.
ToolResult render(ToolResult result);

/// A failure as a tool result: text "<code>: <message>", and `_meta["persistproc/error"]` with code, message and
/// os_error for programs.
ToolResult tool_failure(const Error& error);

/// The failure in a result made by `tool_failure`; one of another server becomes `invalid` with its text.
Error failure_of(const ToolResult& result);

/// Exceptions are bugs: the server reports them and answers -32603.
using ToolHandler = std::function<Task<ToolResult>(Json arguments, CallContext context)>;

}  // namespace persistproc::mcp
