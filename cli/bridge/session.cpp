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
    if (!json || !json->is_object()) return false;
    const auto result = json->find("result");
    if (result == json->end() || !result->is_object()) return false;
    const auto version = result->find("protocolVersion");
    // Nothing but a name that is known goes into a header.
    const auto known = version != result->end() && version->is_string()
                           ? mcp::find_revision(version->get_ref<const std::string&>())
                           : std::nullopt;
    session.version = known ? std::string(mcp::revision_name(*known)) : std::string();
    session.id = std::move(id);
    ++session.generation;
    return true;
}

}  // namespace persistproc::cli::bridge
