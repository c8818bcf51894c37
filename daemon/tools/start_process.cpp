#include "common/ops/start_process.hpp"

#include <fmt/format.h>

#include "common/base/text.hpp"
#include "daemon/tools/bridge_environment.hpp"
#include "daemon/tools/describe.hpp"
#include "daemon/tools/take_start.hpp"
#include "daemon/tools/tools.hpp"
#include "daemon/tools/typed_tool.hpp"
#include "daemon/tools/waiting.hpp"

namespace persistproc::tools {

namespace {

std::string ignored_text(const ops::StartResponse& joined) {
    std::vector<std::string> ignored = joined.ignored_settings;
    for (const auto& name : joined.ignored_variables) ignored.push_back("environment " + base::escape_line(name));
    if (ignored.empty()) return {};
    return fmt::format("; not applied to it: {} (if_running=restart does it)", fmt::join(ignored, ", "));
}

/// Of one that was begun alone.
std::string lacking_text(const ops::StartResponse& begun) {
    if (begun.lacking.empty()) return {};
    return fmt::format("; begun without {} of its project, which it needs: run_project up begins them in order",
                       fmt::join(begun.lacking, ", "));
}

Task<mcp::ToolResult> start(Backend backend, ops::StartRequest request, mcp::CallContext context) {
    if (auto inherited = bridge_environment(context)) request.base_environment = std::move(*inherited);
    auto wait = std::exchange(request.wait, std::nullopt);
    if (auto checked = co_await check_wait(backend, wait, context.principal); !checked)
        co_return mcp::tool_failure(checked.error());
    domain::Checks checks = request.definition.ready;
    checks.insert(checks.end(), request.definition.health.begin(), request.definition.health.end());
    if (auto checked = co_await check_checks(backend, std::move(checks), context.principal); !checked)
        co_return mcp::tool_failure(checked.error());
    if (auto allowed = co_await take_start(backend, context.principal); !allowed)
        co_return mcp::tool_failure(allowed.error());
    std::string actor = actor_of(context);
    auto started = co_await backend.supervisor.start(std::move(request), std::move(actor));
    if (!started) co_return mcp::tool_failure(started.error());
    if (!started->created) backend.agent_starts.give_back(context.principal);
    started->cursor = cursor_of_run(backend.supervisor, started->id);
    const auto old = started->old_pid;
    std::string text = !started->created ? "Already running: " + line_of(*started, backend.clock.wall())
                       : old             ? fmt::format("Restarted {} (was {})", short_line_of(*started), *old)
                                         : "Started " + short_line_of(*started);
    text += fmt::format("; cursor {}{}{}", started->cursor, ignored_text(*started), lacking_text(*started));
    auto answer = structured(*started, std::move(text));
    if (!wait) co_return answer;
    co_return co_await then_wait(backend, std::move(answer), std::move(started->id), std::move(started->run),
                                 std::move(*wait), std::move(context));
}

}  // namespace

Tool start_process(Backend backend) {
    auto definition = define<ops::StartRequest>();
    definition.output_schema = view_output_schema();
    auto handler = typed_handler<ops::StartRequest>([backend](ops::StartRequest request, mcp::CallContext context) {
        return start(backend, std::move(request), std::move(context));
    });
    return {std::move(definition), std::move(handler)};
}

}  // namespace persistproc::tools
