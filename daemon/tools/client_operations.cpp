#include "common/ops/client_operations.hpp"

#include <fmt/format.h>

#include "daemon/tools/describe.hpp"
#include "daemon/tools/tools.hpp"
#include "daemon/tools/typed_tool.hpp"

namespace persistproc::tools {

namespace {

Task<mcp::ToolResult> signal(Core core, ops::SignalRequest request, mcp::CallContext context) {
    std::string actor = actor_of(context);
    auto view = co_await core.supervisor.signal(std::move(request), std::move(actor));
    if (!view) co_return mcp::tool_failure(view.error());
    co_return structured(*view, describe(*view));
}

Task<mcp::ToolResult> remove(Core core, ops::RemoveRequest request, mcp::CallContext context) {
    std::string actor = actor_of(context);
    auto view = co_await core.supervisor.remove(std::move(request), std::move(actor));
    if (!view) co_return mcp::tool_failure(view.error());
    co_return structured(*view, "Removed: " + describe(*view));
}

Task<mcp::ToolResult> shut_down(Core core, ops::ShutdownRequest request, mcp::CallContext context) {
    std::string actor = actor_of(context);
    auto report = co_await core.supervisor.leave(request, std::move(actor));
    if (!report) co_return mcp::tool_failure(report.error());
    co_return structured(
        *report, fmt::format("The daemon leaves; stopped {}, kept {}.", report->stopped.size(), report->kept.size()));
}

Task<mcp::ToolResult> info(Core core, ops::DaemonInfoRequest, mcp::CallContext) {
    const ops::DaemonInfo about = core.info();
    co_return structured(about,
                         fmt::format("persistprocd {} (PID {}) at {}", about.version, about.pid, about.endpoint));
}

template <class Request>
void add(mcp::Server& server, Core core, Task<mcp::ToolResult> (*operation)(Core, Request, mcp::CallContext)) {
    server.add_tool(define<Request>(),
                    typed_handler<Request>([core, operation](Request request, mcp::CallContext context) {
                        return operation(core, std::move(request), std::move(context));
                    }));
}

}  // namespace

void add_client_operations(mcp::Server& server, Core core) {
    add<ops::SignalRequest>(server, core, signal);
    add<ops::RemoveRequest>(server, core, remove);
    add<ops::ShutdownRequest>(server, core, shut_down);
    add<ops::DaemonInfoRequest>(server, core, info);
}

}  // namespace persistproc::tools
