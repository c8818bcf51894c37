#include "common/api/agent_setup.hpp"

#include <fmt/format.h>

namespace persistproc::api {

std::string agent_setup_text(std::string_view endpoint) {
    return fmt::format(
        "Add it to an agent:\n"
        "  Claude Code  claude mcp add --transport http persistproc {0}\n"
        "  Codex        codex mcp add persistproc --url {0}\n"
        "  Gemini CLI   gemini mcp add --transport http persistproc {0}\n"
        "  VS Code      code --add-mcp '{{\"name\":\"persistproc\",\"type\":\"http\",\"url\":\"{0}\"}}'\n"
        "  Cursor       in ~/.cursor/mcp.json: {{\"mcpServers\":{{\"persistproc\":{{\"url\":\"{0}\"}}}}}}\n",
        endpoint);
}

}  // namespace persistproc::api
