#include "common/ops/client_operations.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "daemon/tools/describe.hpp"
#include "daemon/tools/failing.hpp"
#include "daemon/tools/reading.hpp"
#include "daemon/tools/tools.hpp"
#include "daemon/tools/typed_tool.hpp"

namespace persistproc::tools {

namespace {

Task<mcp::ToolResult> signal(Backend backend, ops::SignalRequest request, mcp::CallContext context) {
    std::string actor = actor_of(context);
    auto view = co_await backend.supervisor.signal(std::move(request), std::move(actor));
    if (!view) co_return mcp::tool_failure(view.error());
    co_return structured(*view, describe(*view));
}

/// A file that is not there, or wrong by now, has changed.
Task<bool> has_file_changed(Backend backend, domain::ProjectPlace place, core::Asker who) {
    core::projects::ProjectQuery query;
    query.who = who;
    query.directory = place.file.substr(0, std::max<std::size_t>(place.file.rfind('/'), 1));
    query.file = place.file;
    const auto loaded = co_await backend.supervisor.look_at_project(std::move(query));
    if (!loaded) co_return loaded.error().code == ErrorCode::not_found;
    const auto digests = (*loaded)->digests.find(place.process);
    if (digests == (*loaded)->digests.end()) co_return true;
    co_return !backend.supervisor.plans().is_as_applied(place.file, place.process, digests->second);
}

Task<mcp::ToolResult> describe_process(Backend backend, ops::DescribeRequest request, mcp::CallContext context) {
    const std::optional<std::string> of_run = request.run;
    auto details = co_await backend.supervisor.describe(std::move(request));
    if (!details) co_return mcp::tool_failure(details.error());
    const core::Asker who = co_await asker_of(backend, context.principal, false);
    if (details->project) details->file_changed = co_await has_file_changed(backend, *details->project, who);
    const auto id = domain::find_process_id(details->id);
    if (id) {
        const auto number = of_run ? domain::find_run_number(*of_run, *id) : std::nullopt;
        const RunId run{*id, number.value_or(0)};
        auto explaining = number ? backend.failures.explain_ended(run) : backend.failures.explain_newest(*id);
        const auto failure = co_await std::move(explaining);
        if (failure) details->failure = facts_of(*failure, *id);
        if (failure && failure->error) details->error = printed_error(*failure->error);
    }
    co_return structured(*details, describe(*details));
}

Task<mcp::ToolResult> remove(Backend backend, ops::RemoveRequest request, mcp::CallContext context) {
    std::string actor = actor_of(context);
    auto view = co_await backend.supervisor.remove(std::move(request), std::move(actor));
    if (!view) co_return mcp::tool_failure(view.error());
    co_return structured(*view, "Removed: " + describe(*view));
}

Task<mcp::ToolResult> rename(Backend backend, ops::RenameRequest request, mcp::CallContext context) {
    std::string actor = actor_of(context);
    auto view = co_await backend.supervisor.rename(std::move(request), std::move(actor));
    if (!view) co_return mcp::tool_failure(view.error());
    co_return structured(*view, describe(*view));
}

Task<mcp::ToolResult> flush(Backend backend, ops::FlushRequest request, mcp::CallContext context) {
    std::string actor = actor_of(context);
    auto view = co_await backend.supervisor.flush(std::move(request), std::move(actor));
    if (!view) co_return mcp::tool_failure(view.error());
    co_return structured(*view, "Emptied: " + describe(*view));
}

Task<mcp::ToolResult> shut_down(Backend backend, ops::ShutdownRequest request, mcp::CallContext context) {
    std::string actor = actor_of(context);
    auto report = co_await backend.supervisor.leave(request, std::move(actor));
    if (!report) co_return mcp::tool_failure(report.error());
    co_return structured(*report, fmt::format("The daemon leaves; stopped {}, kept {}, not touched {}.",
                                              report->stopped.size(), report->kept.size(), report->untouched.size()));
}

Task<mcp::ToolResult> info(Backend backend, ops::DaemonInfoRequest, mcp::CallContext) {
    const ops::DaemonInfo about = backend.info();
    co_return structured(about,
                         fmt::format("persistprocd {} (PID {}) at {}", about.version, about.pid, about.endpoint));
}

/// The id of a target; one that is known no more can be named by its id alone.
Task<Result<std::string>> audited_id(Backend backend, std::string target) {
    if (domain::find_process_id(target)) co_return target;
    auto process = co_await backend.supervisor.locate(target);
    if (!process) co_return process.error();
    co_return to_string(process->id);
}

Task<mcp::ToolResult> audit(Backend backend, ops::AuditRequest request, mcp::CallContext) {
    core::AuditQuery query;
    query.after = request.after;
    query.most = request.lines > 0 ? request.lines : std::numeric_limits<std::int64_t>::max();
    if (request.process) {
        auto id = co_await audited_id(backend, *request.process);
        if (!id) co_return mcp::tool_failure(id.error());
        query.process = std::move(*id);
    }
    if (request.since) {
        const auto time = base::parse_time_or_age(*request.since, base::wall_now());
        if (!time) co_return mcp::tool_failure(base::with_context(time.error(), "since"));
        query.since_ns = base::to_ns(*time);
    }
    const auto patience = std::chrono::nanoseconds(static_cast<std::int64_t>(request.wait_seconds * 1e9));
    const MonoTime until = backend.clock.now() + patience;
    ops::AuditResponse out;
    for (;;) {
        const std::uint64_t seen = backend.store.audited().count();
        core::AuditQuery asked = query;
        auto found = co_await backend.store.read_audit(std::move(asked));
        if (!found) co_return mcp::tool_failure(found.error());
        for (auto& each : *found)
            out.entries.push_back({each.number, each.at, std::move(each.actor), std::move(each.action),
                                   std::move(each.process), std::move(each.detail)});
        if (!out.entries.empty() || backend.clock.now() >= until || backend.supervisor.has_left()) break;
        co_await backend.store.audited().wait_past(seen, until, backend.clock);
    }
    co_return structured(out, fmt::format("{} entries", out.entries.size()));
}

}  // namespace

void add_client_operations(mcp::Server& server, Backend backend) {
    add_operation<ops::SignalRequest>(server, backend, signal);
    add_operation<ops::DescribeRequest>(server, backend, describe_process);
    add_operation<ops::RemoveRequest>(server, backend, remove);
    add_operation<ops::RenameRequest>(server, backend, rename);
    add_operation<ops::FlushRequest>(server, backend, flush);
    add_operation<ops::ShutdownRequest>(server, backend, shut_down);
    add_operation<ops::AuditRequest>(server, backend, audit);
    add_operation<ops::DaemonInfoRequest>(server, backend, info);
}

}  // namespace persistproc::tools
