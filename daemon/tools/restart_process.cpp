#include "common/ops/restart_process.hpp"

#include <fmt/format.h>

#include "daemon/tools/describe.hpp"
#include "daemon/tools/tools.hpp"
#include "daemon/tools/typed_tool.hpp"

namespace persistproc::tools {

namespace {

Task<mcp::ToolResult> restart(Core core, ops::RestartRequest request, mcp::CallContext context) {
    if (auto allowed = core.agent_starts.take(context.principal); !allowed)
        co_return mcp::tool_failure(allowed.error());
    std::string actor = actor_of(context);
    auto restarted = co_await core.supervisor.restart(std::move(request), std::move(actor));
    if (!restarted) co_return mcp::tool_failure(restarted.error());
    std::string text = restarted->old_pid ? fmt::format("Restarted, old pid {}: ", *restarted->old_pid)
                                          : "Started (it was not running): ";
    text += describe(*restarted);
    co_return structured(*restarted, std::move(text));
}

}  // namespace

Tool restart_process(Core core) {
    auto definition = define<ops::RestartRequest>();
    definition.output_schema = brief_output_schema<ops::RestartResponse>();
    auto handler = typed_handler<ops::RestartRequest>([core](ops::RestartRequest request, mcp::CallContext context) {
        return restart(core, std::move(request), std::move(context));
    });
    return {std::move(definition), std::move(handler)};
}

}  // namespace persistproc::tools
