#include <fmt/format.h>
#include <strings.h>

#include <algorithm>

#include "common/base/text.hpp"
#include "daemon/tools/tools.hpp"
#include "daemon/tools/typed_tool.hpp"

namespace persistproc::tools {

namespace {

constexpr std::string_view own = "persistproc";
// What answers call the person, and what acts in the daemon by itself.
constexpr std::string_view not_for_agents[] = {"you",       "a command line", "agent",  "adoption",
                                               "retention", "restart policy", "signal", "recovered"};

bool equals_ignoring_case(std::string_view a, std::string_view b) {
    return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

/// Whether an agent that calls itself so would pass for somebody else.
bool is_taken(std::string_view name) {
    if (equals_ignoring_case(name.substr(0, own.size()), own)) return true;
    return std::any_of(std::begin(not_for_agents), std::end(not_for_agents),
                       [&](std::string_view each) { return equals_ignoring_case(name, each); });
}

}  // namespace

std::string actor_of(const mcp::CallContext& context) {
    std::string_view name = context.caller->name;
    if (context.principal.role == mcp::Principal::Role::client) return std::string(name.empty() ? own : name);
    name.remove_prefix(std::min(name.find_first_not_of(' '), name.size()));
    name = name.substr(0, name.find_last_not_of(' ') + 1);
    if (name.empty()) return "agent";
    // Clients call themselves by name and version.
    const std::size_t version = std::min(name.rfind(' '), name.size());
    const bool is_name_taken = is_taken(name.substr(0, version));
    if (!is_name_taken && !is_taken(name)) return std::string(name);
    const std::size_t end = is_name_taken ? version : name.size();
    return fmt::format("agent {}{}", base::quote(name.substr(0, end)), name.substr(end));
}

mcp::Json without_absent(mcp::Json json) {
    if (json.is_array())
        for (auto& each : json) each = without_absent(std::move(each));
    if (!json.is_object()) return json;
    // Names are there once: the container need not look for each of them.
    mcp::Json kept = mcp::Json::object();
    auto& members = kept.get_ref<mcp::Json::object_t&>();
    for (auto& [name, member] : json.get_ref<mcp::Json::object_t&>())
        if (!member.is_null()) members.emplace_back(name, without_absent(std::move(member)));
    return kept;
}

mcp::Json view_output_schema() {
    mcp::Json out = {{"type", "object"}, {"properties", mcp::Json::object()}, {"required", mcp::Json::array()}};
    for (const char* always : {"id", "label", "state"}) {
        out["properties"][always] = {{"type", "string"}};
        out["required"].push_back(always);
    }
    return out;
}

void add_all(mcp::Server& server, Core core, const ToolChange& change) {
    for (const auto make :
         {start_process, stop_process, restart_process, list_processes, get_process_output, wait_for_process}) {
        Tool tool = make(core);
        if (change) tool = change(std::move(tool));
        server.add_tool(std::move(tool.definition), std::move(tool.handler));
    }
    add_client_operations(server, core);
}

}  // namespace persistproc::tools
