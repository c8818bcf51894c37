#pragma once
/// Arguments of calls of 2026-07-28 that travel as headers, too: those that the tool's schema marks with "x-mcp-header"
/// (`Mcp-Param-<name>`). No tool of the product has any.
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/mcp/http/request_reader.hpp"
#include "common/mcp/tool.hpp"

namespace persistproc::conformance {

using mcp::Json;

/// An argument that travels as a header too.
struct ParamHeader {
    std::string name;               // without `param_header_prefix`
    std::vector<std::string> path;  // member names from the arguments down to it; never empty
};

/// The marked arguments of a tool, in the schema's order. Pure. Errors: invalid, for a schema that no client may use: a
/// mark on something else than a string, integer or boolean, or where `properties` alone do not lead from the root, or
/// whose name is not an HTTP token (RFC 9110, 5.6.2) or is there twice, whatever its case.
Result<std::vector<ParamHeader>> find_param_headers(const Json& input_schema);

/// The member a path leads to; null when there is none, or when it is null: then its header must be absent. Pure.
const Json* find_argument(const Json& arguments, const std::vector<std::string>& path);

/// What the header says about an argument, before encoding: the string, "true" or "false", or a decimal integer (also
/// of a number like 42.0). No value for everything else. Pure.
std::optional<std::string> header_text(const Json& argument);

/// What a server refuses of calls to tools with marked arguments (see `mcp::http::HeaderCheck`).
class HeaderChecks {
public:
    void add(const mcp::ToolDefinition& tool);
    std::optional<mcp::RpcError> check(const mcp::Message& message, const mcp::http::RequestReader& reader) const;

private:
    std::map<std::string, std::vector<ParamHeader>> marked_;  // by tool
};

}  // namespace persistproc::conformance
