#pragma once
/// The tools of the Python original, so that its users can move: thin adapters to the same core as ours. Its first
/// generation had start_process … get_process_log_paths, its second start, stop, restart and then ctrl, with list and
/// output. Nothing of this is there unless the daemon is told (`--compat`).
#include "daemon/tools/tools.hpp"

namespace persistproc::tools::compat {

/// For `add_all`: a tool whose name the original had too then also takes the original's arguments. A call that uses an
/// argument only we have is answered as ever, and so is every call of the project's own client; any other is answered
/// as the original did: start_process and list_processes, where a call does not tell, with the members of both.
ToolChange accept_original_calls(Core core);

/// Adds the tools whose names we do not have: ctrl, list, output, start, stop, restart, get_process_status,
/// get_process_log_paths. Ending the daemon is no tool (`persistproc shutdown`).
void add_original_tools(mcp::Server& server, Core core);

}  // namespace persistproc::tools::compat
