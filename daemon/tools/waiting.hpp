#pragma once
/// How a call waits for a process, and says what came of it.
#include "common/ops/wait_for_process.hpp"
#include "daemon/tools/tools.hpp"

namespace persistproc::tools {

/// Whether the answer has told already which process it is of, and that it runs.
enum class Introduced { no, yes };

/// As the tool wait_for_process; `request.process` is an id. A long wait becomes a task where the caller knows tasks.
Task<mcp::ToolResult> wait_and_tell(Backend backend, ops::WaitRequest request, mcp::CallContext context,
                                    Introduced introduced = Introduced::no);

/// Of a wait behind something that is to be done first, and of expressions that checks have. Errors: invalid, limit.
Task<Result<void>> check_wait(Backend backend, std::optional<ops::WaitSpec> wait, mcp::Principal principal);
Task<Result<void>> check_checks(Backend backend, domain::Checks checks, mcp::Principal principal);

/// What was started, its process and run, and what came of the wait behind it: one answer, whose view is as of its end.
/// That of the wait where it failed: an error.
Task<mcp::ToolResult> then_wait(Backend backend, mcp::ToolResult started, std::string process,
                                std::optional<std::string> run, ops::WaitSpec spec, mcp::CallContext context);

}  // namespace persistproc::tools
