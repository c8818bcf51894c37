#include "daemon/services.hpp"

#include "common/base/version.hpp"
#include "daemon/prompts/prompts.hpp"
#include "daemon/tools/compat/compat.hpp"
#include "daemon/tools/reading.hpp"

namespace persistproc::daemon {

namespace {

constexpr const char* instructions =
    "Runs and keeps long-running programs for people and agents alike. Start servers and watchers here instead of in a "
    "shell: "
    "they outlive the session and their output is recorded. Call list_processes first: what you need may already run.";

mcp::ServerInfo server_info() {
    mcp::ServerInfo info;
    info.name = "persistproc";
    info.title = "persistproc";
    info.version = std::string(base::version());
    info.instructions = instructions;
    return info;
}

mcp::ServerFeatures features() {
    mcp::ServerFeatures out;
    out.logging = true;
    return out;
}

/// What sleeps keeps its caller's connection: together they leave agents some to ask by.
mcp::ServerLimits limits_within(std::size_t agent_connections) {
    mcp::ServerLimits out;
    out.agent_waits.places = agent_connections / 2;
    out.agent_waits.per_group = agent_connections / 8;
    out.agent_waits.waiting = agent_connections / 8;
    out.agent_changes.places = agent_connections / 8;
    out.agent_changes.per_group = agent_connections / 32;
    out.agent_changes.waiting = agent_connections / 16;
    out.subscriptions = agent_connections / 8;
    return out;
}

}  // namespace

Services::Services(World world, core::SupervisorOptions options, ServiceOptions services,
                   std::function<ops::DaemonInfo()> info)
    : data_(options.data),
      log_changes_(world.executor, world.clock, world.workers.waiting),
      socket_owners_(world.executor, world.clock, world.workers.waiting),
      patterns_(world.executor, world.clock, world.workers.looking, log_changes_),
      probes_(world.executor, world.clock, patterns_, world.shims, world.workers.waiting),
      agent_starts_(world.clock, services.agent_starts, services.agent_burst),
      supervisor(world.executor, world.clock, world.store, world.shims, world.directories, probes_, world.projects,
                 std::move(options)),
      waiter(world.clock, supervisor, world.workers, patterns_),
      failures(world.clock, supervisor, world.directories, world.workers.waiting),
      file_watches(world.executor, world.clock, supervisor, world.workers.waiting, data_),
      server(world.executor, world.clock, server_info(), limits_within(services.agent_connections), features()),
      resources(world.executor, world.clock, supervisor, world.workers.reading, log_changes_, server) {
    tools::Backend backend{supervisor,    world.store,    waiter,        failures,       world.clock,
                           world.workers, socket_owners_, agent_starts_, std::move(info)};
    tools::add_all(server, backend,
                   services.compat ? tools::compat::accept_original_calls(backend) : tools::ToolChange());
    if (services.compat) tools::compat::add_original_tools(server, backend);
    server.set_process_finder(
        [this](mcp::Principal principal) { return tools::process_of(socket_owners_, principal); });
    prompts::add_all(server, supervisor, failures, world.workers.reading);
}

Task<> Services::close() {
    co_await resources.close();
    co_await file_watches.close();
    co_await supervisor.close();
    co_await patterns_.close();
}

}  // namespace persistproc::daemon
