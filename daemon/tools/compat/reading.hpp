#pragma once
/// Lists, states and output as the original's tools gave them. Failures are the `error` of the answer.
#include "daemon/tools/compat/answers.hpp"
#include "daemon/tools/compat/requests.hpp"
#include "daemon/tools/tools.hpp"

namespace persistproc::tools::compat {

Task<mcp::ToolResult> list(Backend backend, ListRequest request, mcp::CallContext context);
Task<mcp::ToolResult> first_generation_list(Backend backend);
/// What is known of one process, in that shape.
Task<mcp::ToolResult> facts(Backend backend, Target target, Shape shape);
/// Lines of the current or last run, as the original kept one log of each run.
Task<mcp::ToolResult> output(Backend backend, OutputRequest request, mcp::CallContext context, Generation generation);

}  // namespace persistproc::tools::compat
