#include "common/ops/start_process.hpp"

#include "daemon/tools/describe.hpp"
#include "daemon/tools/tools.hpp"
#include "daemon/tools/typed_tool.hpp"

namespace persistproc::tools {

namespace {

Task<mcp::ToolResult> start(Core core, ops::StartRequest request, mcp::CallContext context) {
    if (auto allowed = core.agent_starts.take(context.principal); !allowed)
        co_return mcp::tool_failure(allowed.error());
    std::string actor = actor_of(context);
    auto started = co_await core.supervisor.start(std::move(request), std::move(actor));
    if (!started) co_return mcp::tool_failure(started.error());
    if (!started->created) core.agent_starts.give_back(context.principal);
    std::string text = (started->created ? "Started: " : "Already running, nothing was started: ") + describe(*started);
    co_return structured(*started, std::move(text));
}

}  // namespace

Tool start_process(Core core) {
    auto definition = define<ops::StartRequest>();
    definition.output_schema = brief_output_schema<ops::StartResponse>();
    auto handler = typed_handler<ops::StartRequest>([core](ops::StartRequest request, mcp::CallContext context) {
        return start(core, std::move(request), std::move(context));
    });
    return {std::move(definition), std::move(handler)};
}

}  // namespace persistproc::tools
