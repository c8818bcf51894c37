#pragma once
/// Content blocks and resource contents as the protocol writes them. Pure.
#include <optional>
#include <string>
#include <string_view>

#include "common/mcp/json_reader.hpp"

namespace persistproc::mcp {

/// What one resource holds: text, or bytes (then base64 on the wire).
struct ResourceContents {
    std::string uri;
    std::string mime_type;
    std::string data;
    bool is_binary = false;
};
Json to_json(const ResourceContents& contents);

Json text_block(std::string_view text);

}  // namespace persistproc::mcp
