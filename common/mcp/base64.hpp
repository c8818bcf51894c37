#pragma once
/// RFC 4648, strictly: a value has one spelling, so leftover bits, missing or surplus padding, blanks and foreign
/// characters are refused. Pure.
#include <optional>
#include <string>
#include <string_view>

namespace persistproc::mcp {

/// Standard alphabet, padded.
std::string base64_encode(std::string_view bytes);
std::optional<std::string> base64_decode(std::string_view text);

/// URL-safe alphabet, without padding.
std::string base64url_encode(std::string_view bytes);
std::optional<std::string> base64url_decode(std::string_view text);

}  // namespace persistproc::mcp
