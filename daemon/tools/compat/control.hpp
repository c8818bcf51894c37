#pragma once
/// Start, stop and restart as the original's tools asked for them.
#include "daemon/tools/compat/answers.hpp"
#include "daemon/tools/compat/requests.hpp"
#include "daemon/tools/tools.hpp"

namespace persistproc::tools::compat {

/// Answers in that shape; of a restart `exit_code` is the one of the run before.
Task<mcp::ToolResult> control(Backend backend, ControlRequest request, mcp::CallContext context, Shape shape);

/// As a call of `ctrl`. A start without a directory gets the daemon's own, as the original's did.
ControlRequest as_control(StartRequest request);
ControlRequest as_control(StopRequest request, Action action);

}  // namespace persistproc::tools::compat
