#include "daemon/tools/tools.hpp"
#include "daemon/tools/typed_tool.hpp"

namespace persistproc::tools {

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
