#pragma once
/// What revision 2026-07-28 mirrors from a body into headers: `Mcp-Name`, and the arguments of a call that the tool's
/// schema marks with "x-mcp-header" (`Mcp-Param-<name>`). Pure.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.hpp"
#include "common/mcp/json_reader.hpp"

namespace persistproc::mcp::http {

/// The member of a method's params that `Mcp-Name` repeats; empty: the method has none.
std::string_view named_member(std::string_view method) noexcept;

inline constexpr std::string_view param_header_prefix = "Mcp-Param-";

/// `text` as a header value: itself when it is visible ASCII with spaces inside only, else `=?base64?…?=` of its bytes.
/// What looks like that wrapper is wrapped too.
std::string encode_header_value(std::string_view text);

/// Undoes `encode_header_value`, after trimming blanks. No value: the wrapper around something that is not base64. A
/// wrapper that only begins or only ends is literal text.
std::optional<std::string> decode_header_value(std::string_view value);

/// An argument that travels as a header too.
struct ParamHeader {
    std::string name;               // without `param_header_prefix`
    std::vector<std::string> path;  // member names from the arguments down to it; never empty
};

/// The marked arguments of a tool, in the schema's order. Errors: invalid, for a schema that no client may use: a mark
/// on something else than a string, integer or boolean, or where `properties` alone do not lead from the root, or whose
/// name is not an HTTP token (RFC 9110, 5.6.2) or is there twice, whatever its case.
Result<std::vector<ParamHeader>> find_param_headers(const Json& input_schema);

/// The member a path leads to; null when there is none, or when it is null: then its header must be absent.
const Json* find_argument(const Json& arguments, const std::vector<std::string>& path);

/// What the header says about an argument, before encoding: the string, "true" or "false", or a decimal integer (also
/// of a number like 42.0). No value for everything else.
std::optional<std::string> header_text(const Json& argument);

}  // namespace persistproc::mcp::http
