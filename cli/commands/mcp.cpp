#include "cli/bridge/bridge.hpp"
#include "cli/client.hpp"
#include "cli/commands/arguments.hpp"
#include "common/base/diagnostics.hpp"

namespace persistproc::cli::commands {

static Task<int> serve_mcp(Context context, McpArguments options) {
    if (context.common.quiet) base::set_verbosity(base::Severity::error);
    if (options.verbose) base::set_verbosity(base::Severity::debug);
    bridge::BridgeOptions how;
    how.autostart = !options.no_autostart;
    if (context.common.port_given) {
        // One that is still to be started takes that port.
        const auto client = co_await DaemonClient::connect(context.executor, context.common);
        if (!client && client.error().code == ErrorCode::conflict) co_return context.console.fail(client.error());
    }
    co_return co_await bridge::serve(context.executor, context.common, how);
}

extern const Subcommand mcp_subcommand = make_subcommand<serve_mcp>({
    .name = "mcp",
    .words = "",
    .summary = "serve MCP on stdin and stdout, for agents",
    .text = "Serves MCP on stdin and stdout, for agents that start their servers themselves. Passes everything on to "
            "the daemon, which it starts when needed.",
    .examples = {"claude mcp add persistproc -- persistproc mcp"},
});

}  // namespace persistproc::cli::commands
