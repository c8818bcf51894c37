#include "common/ops/start_process.hpp"

#include <fmt/format.h>

#include "common/base/text.hpp"
#include "daemon/tools/bridge_environment.hpp"
#include "daemon/tools/describe.hpp"
#include "daemon/tools/tools.hpp"
#include "daemon/tools/typed_tool.hpp"

namespace persistproc::tools {

namespace {

std::string joined_text(const ops::StartResponse& joined) {
    std::vector<std::string> ignored = joined.ignored_settings;
    for (const auto& name : joined.ignored_variables) ignored.push_back("environment " + base::escape_line(name));
    if (ignored.empty()) return "Already running, nothing was started: ";
    return fmt::format(
        "Already running, nothing was started, and what differs does not apply ({}; if_running=restart "
        "does it): ",
        fmt::join(ignored, ", "));
}

Task<mcp::ToolResult> start(Core core, ops::StartRequest request, mcp::CallContext context) {
    if (auto inherited = bridge_environment(context)) request.base_environment = std::move(*inherited);
    if (auto allowed = core.agent_starts.take(context.principal); !allowed)
        co_return mcp::tool_failure(allowed.error());
    std::string actor = actor_of(context);
    auto started = co_await core.supervisor.start(std::move(request), std::move(actor));
    if (!started) co_return mcp::tool_failure(started.error());
    if (!started->created) core.agent_starts.give_back(context.principal);
    std::string text = (started->created ? "Started: " : joined_text(*started)) + describe(*started);
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
