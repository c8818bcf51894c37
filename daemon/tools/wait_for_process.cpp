#include "common/api/wait_for_process.hpp"

#include <fmt/format.h>

#include "common/base/text.hpp"
#include "daemon/tools/describe.hpp"
#include "daemon/tools/tools.hpp"
#include "daemon/tools/typed_tool.hpp"

namespace persistproc::tools {

namespace {

Result<core::WaitParameters> parameters_of(const api::WaitRequest& request, const core::Located& process) {
    core::WaitParameters out;
    out.target = to_string(process.id);
    out.timeout = std::chrono::nanoseconds(static_cast<std::int64_t>(request.timeout_seconds * 1e9));
    switch (request.until) {
        case api::WaitUntil::pattern:
            if (!request.pattern) return Error{ErrorCode::invalid, "pattern: required when until is pattern"};
            out.until = core::WaitFor::pattern;
            out.pattern = *request.pattern;
            break;
        case api::WaitUntil::port:
            out.until = core::WaitFor::port;
            if (request.port) out.port = static_cast<int>(*request.port);
            break;
        case api::WaitUntil::exit: out.until = core::WaitFor::exit; break;
        case api::WaitUntil::quiet:
            out.until = core::WaitFor::quiet;
            if (request.quiet_seconds)
                out.quiet_for = std::chrono::nanoseconds(static_cast<std::int64_t>(*request.quiet_seconds * 1e9));
            break;
    }
    const std::pair<bool, std::string_view> misplaced[] = {
        {request.pattern && request.until != api::WaitUntil::pattern, "pattern"},
        {request.port && request.until != api::WaitUntil::port, "port"},
        {request.quiet_seconds && request.until != api::WaitUntil::quiet, "quiet_seconds"},
        {request.cursor && request.until != api::WaitUntil::pattern, "cursor"}};
    for (const auto& [wrong, name] : misplaced)
        if (wrong)
            return Error{ErrorCode::invalid,
                         fmt::format("{}: has no meaning when until is {}", name, schema::enum_name(request.until))};
    if (request.cursor) {
        const auto position = logstore::parse_cursor(to_string(process.id), *request.cursor);
        if (!position) return base::with_context(position.error(), "cursor");
        out.from = *position;
    }
    if (request.run) {
        out.run = domain::find_run_number(*request.run, process.id);
        if (!out.run)
            return Error{ErrorCode::invalid, fmt::format("run: \"{}\" is no run of {}", base::escape_line(*request.run),
                                                         to_string(process.id))};
    }
    return out;
}

std::string what_happened(const api::WaitRequest& request, const core::WaitResult& result) {
    const std::string who = headline(result.process);
    switch (result.end) {
        case core::WaitEnd::matched:
            return fmt::format("{}; matched: {}", who, base::clean_output(result.match.value_or("")));
        case core::WaitEnd::port_open: return fmt::format("{}; listens on port {}", who, result.port.value_or(0));
        case core::WaitEnd::quiet: return fmt::format("{}; quiet for {} s", who, request.quiet_seconds.value_or(2));
        case core::WaitEnd::timed_out:
            return fmt::format("timeout: {}; not yet after {} s: {}", who, request.timeout_seconds,
                               schema::enum_name(request.until));
        case core::WaitEnd::ended: break;
    }
    const std::string run = to_string(RunId{result.process.id, result.run});
    if (request.until == api::WaitUntil::exit)
        return result.process.is_live ? fmt::format("{}; run {} {}", who, run, fate(result.outcome)) : who;
    return fmt::format("conflict: {}; run {} {} before what was waited for ({})", who, run, fate(result.outcome),
                       schema::enum_name(request.until));
}

Task<mcp::ToolResult> wait(Core core, api::WaitRequest request, mcp::CallContext) {
    auto process = co_await core.supervisor.locate(request.process);
    if (!process) co_return mcp::tool_failure(process.error());
    auto parameters = parameters_of(request, *process);
    if (!parameters) co_return mcp::tool_failure(parameters.error());
    auto waited = co_await core.waiter.wait(std::move(*parameters));
    if (!waited) co_return mcp::tool_failure(waited.error());

    api::WaitMeta meta;
    meta.process = to_string(waited->process.id);
    meta.state = waited->process.state;
    meta.match = waited->match;
    if (meta.match) meta.match = base::to_valid_utf8(*meta.match);
    if (waited->port) meta.port = *waited->port;
    meta.run = to_string(RunId{waited->process.id, waited->run});
    if (const auto& outcome = waited->outcome) {
        meta.exit_code = outcome->exit_code;
        if (outcome->signal) meta.signal = domain::signal_name(*outcome->signal);
    }
    meta.next_cursor = logstore::format_cursor(meta.process, waited->next);
    std::optional<Error> failed;
    switch (waited->end) {
        case core::WaitEnd::matched: meta.outcome = api::WaitOutcome::matched; break;
        case core::WaitEnd::port_open: meta.outcome = api::WaitOutcome::port_open; break;
        case core::WaitEnd::quiet: meta.outcome = api::WaitOutcome::quiet; break;
        case core::WaitEnd::timed_out:
            meta.outcome = api::WaitOutcome::timed_out;
            failed = Error{ErrorCode::timeout, ""};
            break;
        case core::WaitEnd::ended:
            meta.outcome = api::WaitOutcome::ended;
            if (request.until != api::WaitUntil::exit) failed = Error{ErrorCode::conflict, ""};
            break;
    }
    const std::string said = what_happened(request, *waited);
    mcp::ToolResult result;
    if (failed) {
        failed->message = said.substr(said.find(": ") + 2);
        result = mcp::tool_failure(*failed);
    }
    result.text = fmt::format("{}; next cursor {}\n", said, meta.next_cursor);
    for (const auto& line : waited->lines) result.text += base::clean_output(line.text) + '\n';
    if (!result.meta.is_object()) result.meta = mcp::Json::object();
    result.meta["persistproc/result"] = schema::to_json(meta);
    co_return result;
}

}  // namespace

void add_wait_for_process(mcp::Server& server, Core core) {
    server.add_tool(define<api::WaitRequest>({.read_only = true, .idempotent = true}),
                    typed_handler<api::WaitRequest>([core](api::WaitRequest request, mcp::CallContext context) {
                        return wait(core, std::move(request), std::move(context));
                    }));
}

}  // namespace persistproc::tools
