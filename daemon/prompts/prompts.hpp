#pragma once
/// Prompts that people pick in their client (mostly as slash commands), and the completion of their arguments and of
/// resource templates: labels, ids, directories.
#include <boost/asio/thread_pool.hpp>

#include "common/mcp/server.hpp"
#include "daemon/core/failure.hpp"
#include "daemon/core/supervisor.hpp"

namespace persistproc::prompts {

/// Adds them all. The references outlive the server; `readers` runs what reads logs.
void add_all(mcp::Server& server, core::Supervisor& supervisor, core::Failures& failures,
             boost::asio::thread_pool& readers);

}  // namespace persistproc::prompts
