#pragma once
/// The tools: thin adapters from the requests of `common/ops` to the core and back. They parse nothing and decide
/// nothing; `table.cpp` lists them all.
#include <functional>
#include <string>

#include "common/mcp/server.hpp"
#include "common/ops/client_operations.hpp"
#include "daemon/core/failure.hpp"
#include "daemon/core/socket_owners.hpp"
#include "daemon/core/supervisor.hpp"
#include "daemon/core/waiter.hpp"
#include "daemon/core/workers.hpp"
#include "daemon/tools/start_allowance.hpp"
#include "daemon/tools/typed_tool.hpp"

namespace persistproc::tools {

/// What the tools need; all of it outlives the server.
struct Core {
    core::Supervisor& supervisor;
    core::Store& store;
    core::Waiter& waiter;
    core::Failures& failures;
    async::Clock& clock;
    core::Workers& workers;
    const core::SocketOwners& socket_owners;
    StartAllowance& agent_starts;
    std::function<ops::DaemonInfo()> info;
};

/// A tool that no server has yet.
struct Tool {
    mcp::ToolDefinition definition;
    mcp::ToolHandler handler;
};
using ToolChange = std::function<Tool(Tool)>;

/// Adds every tool of the product, in the order agents see them, then the client's own operations. `change` may put
/// something else in a tool's place before it is added; empty: as they are.
void add_all(mcp::Server& server, Core core, const ToolChange& change = {});

Tool start_process(Core core);
Tool stop_process(Core core);
Tool restart_process(Core core);
Tool list_processes(Core core);
Tool get_process_output(Core core);
Tool wait_for_process(Core core);
Tool run_project(Core core);
void add_client_operations(mcp::Server& server, Core core);
void add_project_operations(mcp::Server& server, Core core);

template <class Request>
void add_operation(mcp::Server& server, Core core,
                   Task<mcp::ToolResult> (*operation)(Core, Request, mcp::CallContext)) {
    server.add_tool(define<Request>(),
                    typed_handler<Request>([core, operation](Request request, mcp::CallContext context) {
                        return operation(core, std::move(request), std::move(context));
                    }));
}

}  // namespace persistproc::tools
