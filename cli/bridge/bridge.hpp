#pragma once
/// The stdio server of `persistproc mcp`: lines of an agent on one side, the daemon's endpoint on the other.
#include <boost/asio/any_io_executor.hpp>

#include "cli/options.hpp"
#include "common/async/clock.hpp"

namespace persistproc::cli::bridge {

struct BridgeOptions {
    bool autostart = true;
    int input = 0;   // where the agent writes; stays the caller's
    int output = 1;  // where it reads; nothing but messages
};

/// Serves until the input ends, the reader of the output goes, or SIGTERM or SIGINT comes; what is still open then gets
/// 1.5 s after the end of the input, and nothing otherwise. Returns the exit status: 0, or 125 when what the agent was
/// to read could not be written. Messages pass in both directions as they are; of the daemon's loss each open request
/// hears within milliseconds, and the next one starts another. Ends the process itself when a daemon is being started:
/// that cannot be cut short. SIGPIPE must be ignored.
Task<int> serve(boost::asio::any_io_executor executor, CommonOptions common, BridgeOptions options);

}  // namespace persistproc::cli::bridge
