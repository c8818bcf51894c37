#include "daemon/tools/tools.hpp"

namespace persistproc::tools {

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
