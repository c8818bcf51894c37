#include "common/ops/list_processes.hpp"

#include "common/async/offload.hpp"
#include "daemon/tools/describe.hpp"
#include "daemon/tools/tools.hpp"
#include "daemon/tools/typed_tool.hpp"

namespace persistproc::tools {

namespace {

constexpr std::size_t many = 100;  // views that are worth another thread's time: a millisecond's work

mcp::ToolResult result_of(std::vector<ProcessView> views) {
    ops::ListResponse response;
    response.processes = std::move(views);
    return structured(response, describe(response.processes));
}

Task<mcp::ToolResult> list(Core core, ops::ListRequest request, mcp::CallContext) {
    auto views = co_await core.supervisor.list(std::move(request));
    if (!views) co_return mcp::tool_failure(views.error());
    if (views->size() <= many) co_return result_of(std::move(*views));
    auto build = [some = std::move(*views)]() mutable { return mcp::render(result_of(std::move(some))); };
    co_return co_await async::offload(core.workers.rendering, std::move(build));
}

}  // namespace

Tool list_processes(Core core) {
    auto definition = define<ops::ListRequest>();
    definition.output_schema = schema::object_schema<ops::ListResponse>(schema::Audience::agent, false);
    auto handler = typed_handler<ops::ListRequest>([core](ops::ListRequest request, mcp::CallContext context) {
        return list(core, std::move(request), std::move(context));
    });
    return {std::move(definition), std::move(handler)};
}

}  // namespace persistproc::tools
