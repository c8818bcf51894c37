#include "cli/bridge/session.hpp"

#include "common/mcp/json_reader.hpp"
#include "common/mcp/revision.hpp"

namespace persistproc::cli::bridge {

std::string session_headers(const Session& session) {
    std::string out;
    if (!session.version.empty()) out += "MCP-Protocol-Version: " + session.version + "\r\n";
    if (!session.id.empty()) out += "Mcp-Session-Id: " + session.id + "\r\n";
    return out;
}

bool learn(Session& session, std::string id, const std::string& message) {
    const auto json = mcp::read_json(message);
    const mcp::Json* result = json ? mcp::find_member(*json, "result") : nullptr;
    if (result == nullptr || !result->is_object()) return false;
    const std::string* version = mcp::find_text(*result, "protocolVersion");
    // Nothing but a name that is known goes into a header.
    const auto known = version == nullptr ? std::nullopt : mcp::find_revision(*version);
    session.version = known ? std::string(mcp::revision_name(*known)) : std::string();
    session.id = std::move(id);
    ++session.generation;
    return true;
}

}  // namespace persistproc::cli::bridge
