#include "common/ops/start_process.hpp"

#include "daemon/tools/describe.hpp"
#include "daemon/tools/tools.hpp"
#include "daemon/tools/typed_tool.hpp"

namespace persistproc::tools {

namespace {

core::StartParameters parameters_of(ops::StartRequest request, std::string actor) {
    core::StartParameters out;
    out.definition = std::move(request.definition);
    for (const auto& limit : request.limits) {
        const auto bytes = [](std::int64_t n) { return n < 0 ? ~std::uint64_t{0} : static_cast<std::uint64_t>(n); };
        out.limits.push_back({static_cast<int>(limit[0]), bytes(limit[1]), bytes(limit[2])});
    }
    out.environment = std::move(request.environment);
    out.base_environment = std::move(request.base_environment);
    if (request.umask) out.umask = static_cast<mode_t>(*request.umask);
    out.if_running = request.if_running;
    if (request.request_key) out.request_key = std::move(*request.request_key);
    out.actor = std::move(actor);
    return out;
}

Task<mcp::ToolResult> start(Core core, ops::StartRequest request, mcp::CallContext context) {
    auto parameters = parameters_of(std::move(request), actor_of(context));
    auto started = co_await core.supervisor.start(std::move(parameters));
    if (!started) co_return mcp::tool_failure(started.error());
    ops::StartResponse response;
    static_cast<ProcessView&>(response) = std::move(started->view);
    response.created = started->created;
    std::string text = (response.created ? "Started: " : "Already running, nothing was started: ") + describe(response);
    co_return structured(response, std::move(text));
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
