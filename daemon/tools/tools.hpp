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
struct Backend {
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
void add_all(mcp::Server& server, Backend backend, const ToolChange& change = {});

Tool start_process(Backend backend);
Tool stop_process(Backend backend);
Tool restart_process(Backend backend);
Tool list_processes(Backend backend);
Tool get_process_output(Backend backend);
Tool wait_for_process(Backend backend);
Tool run_project(Backend backend);
void add_client_operations(mcp::Server& server, Backend backend);
void add_project_operations(mcp::Server& server, Backend backend);

template <class Request>
void add_operation(mcp::Server& server, Backend backend,
                   Task<mcp::ToolResult> (*operation)(Backend, Request, mcp::CallContext)) {
    server.add_tool(define<Request>(),
                    typed_handler<Request>([backend, operation](Request request, mcp::CallContext context) {
                        return operation(backend, std::move(request), std::move(context));
                    }));
}

}  // namespace persistproc::tools
