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

}  // namespace persistproc::mcp
