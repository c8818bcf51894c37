#pragma once
/// The tools: thin adapters from the requests of `common/api` to the core and back. They parse nothing and decide
/// nothing; `table.cpp` lists them all.
#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <string>

#include "common/api/client_operations.hpp"
#include "common/mcp/server.hpp"
#include "daemon/core/supervisor.hpp"
#include "daemon/core/waiter.hpp"

namespace persistproc::tools {

/// What the tools need; all of it outlives the server.
struct Core {
    core::Supervisor& supervisor;
    core::Waiter& waiter;
    async::Clock& clock;
    boost::asio::thread_pool& readers;
    std::function<api::DaemonInfo()> info;
};

/// Adds every tool of the product, in the order agents see them, then the client's own operations.
void add_all(mcp::Server& server, Core core);

void add_start_process(mcp::Server& server, Core core);
void add_stop_process(mcp::Server& server, Core core);
void add_restart_process(mcp::Server& server, Core core);
void add_list_processes(mcp::Server& server, Core core);
void add_get_process_output(mcp::Server& server, Core core);
void add_wait_for_process(mcp::Server& server, Core core);
void add_client_operations(mcp::Server& server, Core core);

}  // namespace persistproc::tools
