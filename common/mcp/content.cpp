#include "common/mcp/content.hpp"

#include "common/base/text.hpp"
#include "common/mcp/base64.hpp"

namespace persistproc::mcp {

Json to_json(const ResourceContents& contents) {
    Json out{{"uri", contents.uri}};
    if (!contents.mime_type.empty()) out["mimeType"] = contents.mime_type;
    if (contents.is_binary)
        out["blob"] = base64_encode(contents.data);
    else
        out["text"] = base::to_valid_utf8(contents.data);
    return out;
}

Json text_block(std::string_view text) { return Json{{"type", "text"}, {"text", base::to_valid_utf8(text)}}; }

Json image_block(std::string_view bytes, std::string_view mime_type) {
    return Json{{"type", "image"}, {"data", base64_encode(bytes)}, {"mimeType", mime_type}};
}

Json audio_block(std::string_view bytes, std::string_view mime_type) {
    return Json{{"type", "audio"}, {"data", base64_encode(bytes)}, {"mimeType", mime_type}};
}

Json resource_block(const ResourceContents& contents) {
    return Json{{"type", "resource"}, {"resource", to_json(contents)}};
}

}  // namespace persistproc::mcp
