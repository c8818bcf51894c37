#include "cli/bridge/agent_environment.hpp"

#include "common/base/text.hpp"
#include "common/mcp/json_reader.hpp"
#include "common/mcp/message.hpp"
#include "common/ops/start_process.hpp"
#include "common/schema/json.hpp"

namespace persistproc::cli::bridge {

namespace {

/// As much as the daemon takes in one request.
constexpr std::size_t most_bytes = 4u << 20;

/// Of a call that says in an argument what it asks for.
bool is_start(const schema::Json& params) {
    const auto arguments = params.find("arguments");
    if (arguments == params.end() || !arguments->is_object()) return false;
    const auto action = arguments->find("action");
    return action != arguments->end() && *action == ops::original_start;
}

}  // namespace

std::string with_environment(const ScannedMessage& message, std::string text,
                             const std::vector<std::string>& environment) {
    const bool is_control = message.name == ops::original_control;
    const bool may_start =
        is_control || message.name == ops::StartRequest::operation.name || message.name == ops::original_start;
    if (message.kind != MessageKind::request || message.method != "tools/call" || !may_start) return text;
    auto json = mcp::read_json(text);  // bounds the depth of what is to be written again
    if (!json || !(*json)["params"].is_object()) return text;
    if (is_control && !is_start((*json)["params"])) return text;
    schema::Json& meta = (*json)["params"]["_meta"];
    if (!meta.is_null() && !meta.is_object()) return text;
    schema::Json entries = schema::Json::array();
    // JSON has no other bytes than text.
    for (const std::string& each : environment)
        if (base::is_utf8(each)) entries.push_back(each);
    meta[ops::environment_meta] = std::move(entries);
    std::string out = mcp::json_text(*json);
    return out.size() <= most_bytes ? out : text;
}

}  // namespace persistproc::cli::bridge
