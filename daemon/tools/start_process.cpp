#include "common/api/start_process.hpp"

#include "daemon/tools/describe.hpp"
#include "daemon/tools/tools.hpp"
#include "daemon/tools/typed_tool.hpp"

namespace persistproc::tools {

namespace {

Result<core::StartParameters> parameters_of(api::StartRequest request, std::string actor) {
    if (auto restored = api::restore_bytes(request); !restored) return restored.error();
    core::StartParameters out;
    out.shell = request.shell;
    if (request.command.line && request.shell) {
        out.command = {std::move(*request.command.line)};
    } else if (request.command.line) {
        auto words = domain::split_command(*request.command.line);
        if (!words) return words.error();
        out.command = std::move(*words);
    } else {
        if (request.shell) return Error{ErrorCode::invalid, "shell: needs command as one string"};
        out.command = std::move(request.command.words);
    }
    if (request.stop_signal) {
        const auto signal = domain::parse_signal(*request.stop_signal);
        if (!signal) return base::with_context(signal.error(), "stop_signal");
        out.stop_signal = *signal;
    }
    for (const auto& limit : request.limits) {
        if (limit.size() != 3) return Error{ErrorCode::invalid, "limits: expected [resource, soft, hard]"};
        const auto bytes = [](std::int64_t n) { return n < 0 ? ~std::uint64_t{0} : static_cast<std::uint64_t>(n); };
        out.limits.push_back({static_cast<int>(limit[0]), bytes(limit[1]), bytes(limit[2])});
    }
    out.working_directory = std::move(request.working_directory);
    out.label = std::move(request.label);
    out.environment = std::move(request.environment);
    out.base_environment = std::move(request.base_environment);
    if (request.umask) out.umask = static_cast<mode_t>(*request.umask);
    out.restart = request.restart;
    if (request.grace_seconds) out.grace_seconds = *request.grace_seconds;
    switch (request.if_running) {
        case api::IfRunning::keep: out.when_running = core::WhenRunning::keep; break;
        case api::IfRunning::restart: out.when_running = core::WhenRunning::restart; break;
        case api::IfRunning::error: out.when_running = core::WhenRunning::refuse; break;
    }
    if (request.request_key) out.request_key = std::move(*request.request_key);
    out.actor = std::move(actor);
    return out;
}

Task<mcp::ToolResult> start(Core core, api::StartRequest request, mcp::CallContext context) {
    auto parameters = parameters_of(std::move(request), actor_of(context));
    if (!parameters) co_return mcp::tool_failure(parameters.error());
    auto started = co_await core.supervisor.start(std::move(*parameters));
    if (!started) co_return mcp::tool_failure(started.error());
    api::StartResponse response;
    static_cast<ProcessView&>(response) = std::move(started->view);
    response.created = started->created;
    std::string text = (response.created ? "Started: " : "Already running, nothing was started: ") + describe(response);
    co_return structured(response, std::move(text));
}

}  // namespace

Tool start_process(Core core) {
    auto definition = define<api::StartRequest>({.open_world = true});
    definition.output_schema = brief_output_schema<api::StartResponse>();
    auto handler = typed_handler<api::StartRequest>([core](api::StartRequest request, mcp::CallContext context) {
        return start(core, std::move(request), std::move(context));
    });
    return {std::move(definition), std::move(handler)};
}

}  // namespace persistproc::tools
