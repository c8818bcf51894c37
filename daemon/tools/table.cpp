#include <fmt/format.h>
#include <strings.h>

#include <algorithm>

#include "common/base/text.hpp"
#include "daemon/tools/tools.hpp"
#include "daemon/tools/typed_tool.hpp"

namespace persistproc::tools {

std::string actor_of(const mcp::CallContext& context) {
    constexpr std::string_view own = "persistproc";
    std::string_view name = context.caller->name;
    if (context.principal.role == mcp::Principal::Role::client) return std::string(name.empty() ? own : name);
    name.remove_prefix(std::min(name.find_first_not_of(' '), name.size()));
    name = name.substr(0, name.find_last_not_of(' ') + 1);
    if (name.empty()) return "agent";
    if (name.size() < own.size() || ::strncasecmp(name.data(), own.data(), own.size()) != 0) return std::string(name);
    const std::size_t version = std::min(name.rfind(' '), name.size());
    return fmt::format("agent {}{}", base::quote(name.substr(0, version)), name.substr(version));
}

mcp::Json without_open_members(mcp::Json output_schema) {
    mcp::Json kept = mcp::Json::object();
    for (auto& [name, member] : output_schema["properties"].items())
        if (!member.empty()) kept[name] = std::move(member);
    output_schema["properties"] = std::move(kept);
    return output_schema;
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
