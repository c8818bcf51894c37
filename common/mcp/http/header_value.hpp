#pragma once
/// What revision 2026-07-28 mirrors from a body into headers, and how. Pure.
#include <optional>
#include <string>
#include <string_view>

namespace persistproc::mcp::http {

/// The member of a method's params that `Mcp-Name` repeats; empty: the method has none.
std::string_view named_member(std::string_view method) noexcept;

/// What headers begin with that repeat an argument of a call.
inline constexpr std::string_view param_header_prefix = "Mcp-Param-";

/// `text` as a header value: itself when it is visible ASCII with spaces inside only, else `=?base64?…?=` of its bytes.
/// What looks like that wrapper is wrapped too.
std::string encode_header_value(std::string_view text);

/// Undoes `encode_header_value`, after trimming blanks. No value: the wrapper around something that is not base64. A
/// wrapper that only begins or only ends is literal text.
std::optional<std::string> decode_header_value(std::string_view value);

}  // namespace persistproc::mcp::http
