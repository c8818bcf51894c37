#pragma once
/// The daemon without its doors: the core and all that speaks for it (tools, prompts, resources, the MCP server), wired
/// once, over a world that is given. The program gives it the real one (daemon.hpp), tests one of their own. One
/// executor, one thread.
#include <functional>

#include "common/mcp/server.hpp"
#include "daemon/core/file_watches.hpp"
#include "daemon/core/local_check_probes.hpp"
#include "daemon/core/socket_owners.hpp"
#include "daemon/core/supervisor.hpp"
#include "daemon/core/waiter.hpp"
#include "daemon/core/workers.hpp"
#include "daemon/resources/process_resources.hpp"
#include "daemon/tools/tools.hpp"

namespace persistproc::daemon {

/// What the daemon meets of the world. All of it outlives the services.
struct World {
    boost::asio::any_io_executor executor;
    async::Clock& clock;
    core::Store& store;
    core::ShimHost& shims;
    core::RunDirectories& directories;
    core::projects::ProjectSource& projects;
    core::Workers& workers;
};

struct ServiceOptions {
    bool compat = false;              // with the tools of the Python original
    std::uint32_t agent_starts = 20;  // by agents, a second; 0: no bound
    std::uint32_t agent_burst = 100;  // of them, after a pause
    std::size_t agent_connections = 2048;
};

class Services {
public:
    /// `info`: what the daemon says of itself.
    Services(World world, core::SupervisorOptions options, ServiceOptions services,
             std::function<ops::DaemonInfo()> info);
    Services(const Services&) = delete;
    Services& operator=(const Services&) = delete;

    /// Ends the tasks of all of them, in the order in which they must go; completes when they are gone.
    Task<> close();

    const core::SocketOwners& socket_owners() const noexcept { return socket_owners_; }

private:
    const std::filesystem::path data_;
    core::LogChanges log_changes_;
    core::SocketOwners socket_owners_;
    core::PatternWatches patterns_;
    core::LocalCheckProbes probes_;
    tools::StartAllowance agent_starts_;

public:
    core::Supervisor supervisor;
    core::Waiter waiter;
    core::Failures failures;
    core::FileWatches file_watches;
    mcp::Server server;
    resources::ProcessResources resources;
};

}  // namespace persistproc::daemon
