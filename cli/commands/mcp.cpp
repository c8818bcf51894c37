#include "cli/bridge/bridge.hpp"
#include "cli/commands/commands.hpp"
#include "common/base/diagnostics.hpp"

namespace persistproc::cli::commands {

Task<int> serve_mcp(Context context, McpOptions options) {
    if (context.common.quiet) base::set_verbosity(base::Severity::error);
    if (context.common.verbose) base::set_verbosity(base::Severity::debug);
    bridge::BridgeOptions how;
    how.autostart = options.autostart;
    return bridge::serve(context.executor, context.common, how);
}

}  // namespace persistproc::cli::commands
