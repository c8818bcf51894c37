#include "common/ops/restart_process.hpp"

#include <fmt/format.h>

#include "daemon/tools/describe.hpp"
#include "daemon/tools/take_start.hpp"
#include "daemon/tools/tools.hpp"
#include "daemon/tools/typed_tool.hpp"
#include "daemon/tools/waiting.hpp"

namespace persistproc::tools {

namespace {

Task<mcp::ToolResult> restart(Backend backend, ops::RestartRequest request, mcp::CallContext context) {
    auto wait = std::exchange(request.wait, std::nullopt);
    if (auto checked = co_await check_wait(backend, wait, context.principal); !checked)
        co_return mcp::tool_failure(checked.error());
    const std::size_t count = 1 + (request.dependents ? backend.supervisor.count_dependents(request.process) : 0);
    if (auto allowed = co_await take_start(backend, context.principal, count); !allowed)
        co_return mcp::tool_failure(allowed.error());
    std::string actor = actor_of(context);
    auto asked = request.dependents ? backend.supervisor.restart_with_dependents(std::move(request), std::move(actor))
                                    : backend.supervisor.restart(std::move(request), std::move(actor));
    auto restarted = co_await std::move(asked);
    if (!restarted) co_return mcp::tool_failure(restarted.error());
    // Dependents that did not run are not begun.
    const std::size_t begun = 1 + restarted->dependents.size();
    if (begun < count) backend.agent_starts.give_back(context.principal, count - begun);
    restarted->cursor = cursor_of_run(backend.supervisor, restarted->id);
    std::string text = fmt::format("{} {}", restarted->old_pid ? "Restarted" : "Started", short_line_of(*restarted));
    if (restarted->old_pid) text += fmt::format(" (was {})", *restarted->old_pid);
    if (!restarted->dependents.empty()) text += fmt::format("; then {}", fmt::join(restarted->dependents, ", "));
    text += fmt::format("; cursor {}", restarted->cursor);
    auto answer = structured(*restarted, std::move(text));
    if (!wait) co_return answer;
    co_return co_await then_wait(backend, std::move(answer), std::move(restarted->id), std::move(restarted->run),
                                 std::move(*wait), std::move(context));
}

}  // namespace

Tool restart_process(Backend backend) {
    auto definition = define<ops::RestartRequest>();
    definition.output_schema = view_output_schema();
    auto handler = typed_handler<ops::RestartRequest>([backend](ops::RestartRequest request, mcp::CallContext context) {
        return restart(backend, std::move(request), std::move(context));
    });
    return {std::move(definition), std::move(handler)};
}

}  // namespace persistproc::tools
