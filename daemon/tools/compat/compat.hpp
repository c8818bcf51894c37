#pragma once
/// The tools of the Python original, so that its users can move: thin adapters to the same core as ours. Its first
/// generation had start_process … get_process_log_paths, 0.1 had start, stop, restart, status, get_log_paths, list and
/// output, 0.2 ctrl for the first three. Nothing of this is there unless the daemon is told (`--compat`).
#include "daemon/tools/tools.hpp"

namespace persistproc::tools::compat {

/// For `add_all`: a tool whose name the original had too then also takes the original's arguments. A call that uses an
/// argument only we have is answered as ever, and so is every call of the project's own client; any other is answered
/// as the original's first generation did.
ToolChange accept_original_calls(Backend backend);

/// Adds the tools whose names we do not have. Ending the daemon is none (`persistproc shutdown`).
void add_original_tools(mcp::Server& server, Backend backend);

}  // namespace persistproc::tools::compat
