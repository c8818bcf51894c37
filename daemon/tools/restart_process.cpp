#include "common/ops/restart_process.hpp"

#include <fmt/format.h>

#include "daemon/tools/describe.hpp"
#include "daemon/tools/take_start.hpp"
#include "daemon/tools/tools.hpp"
#include "daemon/tools/typed_tool.hpp"
#include "daemon/tools/waiting.hpp"

namespace persistproc::tools {

namespace {

/// What needs it in its project, as far as it runs, each behind those it needs itself. Errors: those of the first that
/// cannot be restarted.
Task<Result<void>> restart_dependents(Core core, domain::ProjectPlace place, std::string actor) {
    const core::Plans& plans = core.supervisor.plans();
    const auto names = plans.dependents(place.file, place.process);
    for (const auto& name : plans.in_start_order(place.file, names)) {
        const auto members = plans.members(place.file);
        const auto member = members.find(name);
        const auto located = member == members.end() ? std::nullopt : core.supervisor.find(member->second);
        if (!located || !located->is_live) continue;
        ops::RestartRequest request;
        request.process = to_string(located->id);
        auto restarted = co_await core.supervisor.restart(std::move(request), actor);
        if (!restarted) co_return restarted.error();
    }
    co_return boost::system::in_place_value;
}

Task<mcp::ToolResult> restart(Core core, ops::RestartRequest request, mcp::CallContext context) {
    auto wait = std::exchange(request.wait, std::nullopt);
    if (auto checked = co_await check_wait(core, wait, context.principal); !checked)
        co_return mcp::tool_failure(checked.error());
    if (auto allowed = co_await take_start(core, context.principal); !allowed)
        co_return mcp::tool_failure(allowed.error());
    std::string actor = actor_of(context);
    const bool with_dependents = request.dependents;
    auto restarted = co_await core.supervisor.restart(std::move(request), actor);
    if (!restarted) co_return mcp::tool_failure(restarted.error());
    if (with_dependents && restarted->project) {
        auto others = co_await restart_dependents(core, *restarted->project, std::move(actor));
        if (!others) co_return mcp::tool_failure(others.error());
    }
    restarted->cursor = cursor_of_run(core.supervisor, restarted->id);
    std::string text = fmt::format("{} {}", restarted->old_pid ? "Restarted" : "Started", short_line_of(*restarted));
    if (restarted->old_pid) text += fmt::format(" (was {})", *restarted->old_pid);
    text += fmt::format("; cursor {}", restarted->cursor);
    auto answer = structured(*restarted, std::move(text));
    if (!wait) co_return answer;
    co_return co_await then_wait(core, std::move(answer), std::move(restarted->id), std::move(restarted->run),
                                 std::move(*wait), std::move(context));
}

}  // namespace

Tool restart_process(Core core) {
    auto definition = define<ops::RestartRequest>();
    definition.output_schema = view_output_schema();
    auto handler = typed_handler<ops::RestartRequest>([core](ops::RestartRequest request, mcp::CallContext context) {
        return restart(core, std::move(request), std::move(context));
    });
    return {std::move(definition), std::move(handler)};
}

}  // namespace persistproc::tools
