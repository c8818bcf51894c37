#include "cli/bridge/bridge.hpp"
#include "cli/commands/commands.hpp"

namespace persistproc::cli::commands {

Task<int> serve_mcp(Context context, McpOptions options) {
    bridge::BridgeOptions how;
    how.autostart = options.autostart;
    return bridge::serve(context.executor, context.common, how);
}

}  // namespace persistproc::cli::commands
