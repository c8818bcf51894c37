#pragma once
/// Lists, states and output as the original's tools gave them. Failures are the `error` of the answer.
#include "daemon/tools/compat/requests.hpp"
#include "daemon/tools/tools.hpp"

namespace persistproc::tools::compat {

Task<mcp::ToolResult> list(Core core, ListRequest request, mcp::CallContext context);
Task<mcp::ToolResult> status(Core core, StatusRequest request, mcp::CallContext context);
Task<mcp::ToolResult> log_paths(Core core, LogPathsRequest request, mcp::CallContext context);
/// Lines of the current or last run, as the original kept one log of each run. `lines`, where the request has none: 0
/// is as many as fit.
Task<mcp::ToolResult> output(Core core, OutputRequest request, mcp::CallContext context, std::int64_t lines);

}  // namespace persistproc::tools::compat
