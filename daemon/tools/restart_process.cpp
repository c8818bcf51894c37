#include "common/ops/restart_process.hpp"

#include <fmt/format.h>

#include "daemon/tools/describe.hpp"
#include "daemon/tools/tools.hpp"
#include "daemon/tools/typed_tool.hpp"

namespace persistproc::tools {

namespace {

Task<mcp::ToolResult> restart(Core core, ops::RestartRequest request, mcp::CallContext context) {
    core::StopParameters parameters;
    parameters.target = std::move(request.process);
    parameters.force = request.force;
    parameters.grace_seconds = request.grace_seconds;
    parameters.actor = actor_of(context);
    auto restarted = co_await core.supervisor.restart(std::move(parameters));
    if (!restarted) co_return mcp::tool_failure(restarted.error());
    ops::RestartResponse response;
    static_cast<ProcessView&>(response) = std::move(restarted->view);
    response.old_pid = restarted->old_pid;
    std::string text =
        response.old_pid ? fmt::format("Restarted, old pid {}: ", *response.old_pid) : "Started (it was not running): ";
    text += describe(response);
    co_return structured(response, std::move(text));
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
