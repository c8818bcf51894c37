#include "cli/bridge/agent_environment.hpp"

#include <optional>

#include "common/base/text.hpp"
#include "common/mcp/json_reader.hpp"
#include "common/mcp/message.hpp"
#include "common/ops/list_processes.hpp"
#include "common/ops/run_project.hpp"
#include "common/ops/start_process.hpp"
#include "common/schema/json.hpp"

namespace persistproc::cli::bridge {

namespace {

/// As much as the daemon takes in one request.
constexpr std::size_t most_bytes = 4u << 20;
constexpr const char* directory_argument = "working_directory";
constexpr const char* project_argument = "directory";

/// Of a call that says in an argument what it asks for.
bool is_start(const schema::Json& params) {
    const auto arguments = params.find("arguments");
    if (arguments == params.end() || !arguments->is_object()) return false;
    const auto action = arguments->find("action");
    return action != arguments->end() && *action == ops::original_start;
}

/// A call whose params are an object; else no value.
std::optional<schema::Json> read_call(const std::string& text) {
    auto json = mcp::read_json(text);  // bounds the depth of what is to be written again
    if (!json || !(*json)["params"].is_object()) return std::nullopt;
    return std::move(*json);
}

bool is_call_of(const ScannedMessage& message, std::string_view tool) {
    return message.kind == MessageKind::request && message.method == "tools/call" && message.name == tool;
}

/// A call that may start something, with params that are an object; else no value.
std::optional<schema::Json> read_start(const ScannedMessage& message, const std::string& text) {
    const bool is_control = message.name == ops::original_control;
    const bool may_start =
        is_control || message.name == ops::StartRequest::operation.name || message.name == ops::original_start;
    if (message.kind != MessageKind::request || message.method != "tools/call" || !may_start) return std::nullopt;
    auto json = read_call(text);
    if (!json) return std::nullopt;
    if (is_control && !is_start((*json)["params"])) return std::nullopt;
    return std::move(*json);
}

}  // namespace

std::string with_environment(const ScannedMessage& message, std::string text,
                             const std::vector<std::string>& environment) {
    auto json = read_start(message, text);
    if (!json) return text;
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

std::string with_directory(const ScannedMessage& message, std::string text, const std::string& directory) {
    if (directory.empty()) return text;
    const bool is_list = is_call_of(message, ops::ListRequest::operation.name);
    const bool is_project = is_call_of(message, ops::RunProjectRequest::operation.name);
    const char* const argument = is_project ? project_argument : directory_argument;
    auto json = is_list || is_project ? read_call(text) : read_start(message, text);
    if (!json) return text;
    const auto arguments = (*json)["params"].find("arguments");
    if (arguments == (*json)["params"].end() || !arguments->is_object()) return text;
    const auto given = arguments->find(argument);
    if (given == arguments->end() || given->is_null()) {
        if (is_list || is_project) return text;
        (*arguments)[argument] = directory;
    } else {
        // No shell has read it: the daemon says so of a '~'.
        const std::string* path = given->is_string() ? &given->get_ref<const std::string&>() : nullptr;
        if (path == nullptr || path->empty() || path->front() == '/' || path->front() == '~') return text;
        *given = directory + "/" + *path;
    }
    std::string out = mcp::json_text(*json);
    return out.size() <= most_bytes ? out : text;
}

std::string without_required_directory(std::string answer) {
    auto json = mcp::read_json(answer);
    if (!json || !json->is_object()) return answer;
    const auto result = json->find("result");
    if (result == json->end() || !result->is_object()) return answer;
    const auto tools = result->find("tools");
    if (tools == result->end() || !tools->is_array()) return answer;
    for (schema::Json& tool : *tools) {
        const auto name = tool.find("name");
        const auto schema = tool.find("inputSchema");
        if (name == tool.end() || *name != ops::StartRequest::operation.name || schema == tool.end()) continue;
        const auto required = schema->find("required");
        if (required == schema->end() || !required->is_array()) continue;
        schema::Json rest = schema::Json::array();
        for (const auto& each : *required)
            if (each != directory_argument) rest.push_back(each);
        *required = std::move(rest);
    }
    return mcp::json_text(*json);
}

}  // namespace persistproc::cli::bridge
