#pragma once
/// How a call looks at a log and is answered with what it found.
#include <filesystem>
#include <functional>

#include "common/logstore/reader.hpp"
#include "common/mcp/call.hpp"
#include "common/mcp/tool.hpp"
#include "daemon/core/bounded_read.hpp"
#include "daemon/tools/tools.hpp"

namespace persistproc::tools {

/// One call looks no longer: a slow pattern, or a log of gigabytes, is looked at in several.
inline constexpr std::chrono::seconds longest_look = logstore::longest_search;
/// Shared with those who wait for their turn, also with those who come while it looks: a short search waits no longer
/// behind slow ones.
core::ReadBounds bounds_beside(const core::Workers& workers);

/// The process behind a connection, or mcp::untold_process; 0: it is none over TCP.
Task<pid_t> process_of(const core::SocketOwners& owners, mcp::Principal principal);
/// An agent's process is looked up where turns are scarce (`is_crowded`).
Task<core::Asker> asker_of(Backend backend, mcp::Principal principal, bool is_crowded);

/// As logstore::read_lines, on a thread for it, then `make` with what was found. Agents take turns: with others who
/// search, with others who read, and with those whose answers are large; they hold no place among calls that work
/// meanwhile. The answer shows `shown_bytes` at most, however much is read. Ends early when the call is cancelled.
/// Errors: also limit (too many wait, or the turn did not come).
Task<mcp::ToolResult> answer_with_lines(Backend backend, mcp::CallContext context, std::filesystem::path log,
                                        logstore::LineQuery query, std::size_t shown_bytes,
                                        std::function<mcp::ToolResult(Result<logstore::LinePage>)> make);

}  // namespace persistproc::tools
