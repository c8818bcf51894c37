#include "common/mcp/http/header_value.hpp"

#include <algorithm>

#include "common/mcp/base64.hpp"
#include "common/mcp/http/access.hpp"

namespace persistproc::mcp::http {

namespace {

constexpr std::string_view wrapper_start = "=?base64?";
constexpr std::string_view wrapper_end = "?=";

bool is_visible(char c) { return c > 0x20 && c < 0x7f; }

}  // namespace

std::string_view named_member(std::string_view method) noexcept {
    if (method == "tools/call" || method == "prompts/get") return "name";
    if (method == "resources/read") return "uri";
    if (method == "tasks/get" || method == "tasks/update" || method == "tasks/cancel") return "taskId";
    return {};
}

std::string encode_header_value(std::string_view text) {
    const bool is_plain = std::all_of(text.begin(), text.end(), [](char c) { return is_visible(c) || c == ' '; }) &&
                          !text.starts_with(' ') && !text.ends_with(' ');
    if (is_plain && !(text.starts_with(wrapper_start) && text.ends_with(wrapper_end))) return std::string(text);
    return std::string(wrapper_start) + base64_encode(text) + std::string(wrapper_end);
}

std::optional<std::string> decode_header_value(std::string_view value) {
    value = trim_blanks(value);
    if (value.size() < wrapper_start.size() + wrapper_end.size() || !value.starts_with(wrapper_start) ||
        !value.ends_with(wrapper_end))
        return std::string(value);
    value.remove_prefix(wrapper_start.size());
    value.remove_suffix(wrapper_end.size());
    return base64_decode(value);
}

}  // namespace persistproc::mcp::http
