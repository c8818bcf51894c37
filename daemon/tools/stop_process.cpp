#include "common/ops/stop_process.hpp"

#include "daemon/tools/describe.hpp"
#include "daemon/tools/tools.hpp"
#include "daemon/tools/typed_tool.hpp"

namespace persistproc::tools {

namespace {

Task<mcp::ToolResult> stop(Backend backend, ops::StopRequest request, mcp::CallContext context) {
    std::string actor = actor_of(context);
    auto view = co_await backend.supervisor.stop(std::move(request), std::move(actor));
    if (!view) co_return mcp::tool_failure(view.error());
    co_return structured(*view, line_of(*view, backend.clock.wall()));
}

}  // namespace

Tool stop_process(Backend backend) {
    auto definition = define<ops::StopRequest>();
    definition.output_schema = view_output_schema();
    auto handler = typed_handler<ops::StopRequest>([backend](ops::StopRequest request, mcp::CallContext context) {
        return stop(backend, std::move(request), std::move(context));
    });
    return {std::move(definition), std::move(handler)};
}

}  // namespace persistproc::tools
