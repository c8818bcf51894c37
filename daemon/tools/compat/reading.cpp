#include "daemon/tools/compat/reading.hpp"

#include <fmt/format.h>

#include "common/base/text.hpp"
#include "common/logstore/reader.hpp"
#include "daemon/tools/compat/answers.hpp"
#include "daemon/tools/compat/find_process.hpp"
#include "daemon/tools/reading.hpp"

namespace persistproc::tools::compat {

namespace {

constexpr std::size_t most_bytes = 1u << 20;
constexpr std::uint64_t most_lines = 1'000'000;

/// PID 0 is the original's name for its own server.
Info server_info(const ops::DaemonInfo& about) {
    Info out;
    out.pid = about.pid;
    out.command = {"persistproc", "serve"};
    out.working_directory = about.data_directory;
    out.status = "running";
    out.label = "persistproc-server";
    return out;
}

Result<logstore::LineQuery> query_of(const OutputRequest& request, std::int64_t lines) {
    logstore::LineQuery query;
    query.stream = request.stream;
    const std::int64_t last = request.lines.value_or(lines);
    query.last = last == 0 ? most_lines : static_cast<std::uint64_t>(last);
    query.max_bytes = most_bytes;
    const WallTime now = base::wall_now();
    if (request.since_time) {
        const auto time = parse_time(*request.since_time, now);
        if (!time) return base::with_context(time.error(), "since_time");
        query.since_ns = base::to_ns(*time);
    }
    if (request.before_time) {
        const auto time = parse_time(*request.before_time, now);
        if (!time) return base::with_context(time.error(), "before_time");
        query.until_ns = base::to_ns(*time) - 1;
    }
    return query;
}

std::string line_of(const logstore::Line& line) {
    std::string out;
    if (line.wall_ns != 0) out = base::format_rfc3339(base::from_ns(line.wall_ns)) + ' ';
    out += base::clean_output(line.text);
    if (line.complete) out += '\n';
    return out;
}

}  // namespace

Task<mcp::ToolResult> list(Core core, ListRequest request, mcp::CallContext) {
    Listed answer;
    if (request.pid == 0) {
        answer.processes.push_back(server_info(core.info()));
        co_return answered(answer);
    }
    auto processes = co_await known_processes(core, std::move(request.working_directory));
    if (!processes) co_return refused(answer, processes.error());
    for (const auto& each : *processes) {
        if (request.pid && *request.pid != each.pid) continue;
        if (request.command_or_label && !is_named(each.view, *request.command_or_label)) continue;
        answer.processes.push_back(info_of(each.view, each.pid));
    }
    co_return answered(answer);
}

Task<mcp::ToolResult> status(Core core, StatusRequest request, mcp::CallContext) {
    Target target = std::move(request);
    Status answer;
    auto process = co_await find_process(core, std::move(target), std::nullopt);
    if (!process) co_return refused(answer, process.error());
    static_cast<Info&>(answer) = info_of(process->view, process->pid);
    co_return answered(answer);
}

Task<mcp::ToolResult> log_paths(Core core, LogPathsRequest request, mcp::CallContext) {
    Target target = std::move(request);
    LogPaths answer;
    auto process = co_await find_process(core, std::move(target), std::nullopt);
    if (!process) co_return refused(answer, process.error());
    answer.out = answer.err = answer.combined = process->view.log_path;
    answer.note = "one file for both streams: the newest segment, plain bytes without times";
    co_return answered(answer);
}

Task<mcp::ToolResult> output(Core core, OutputRequest request, mcp::CallContext context, std::int64_t lines) {
    OutputLines answer;
    auto query = query_of(request, lines);
    if (!query) co_return refused(answer, query.error());
    if (request.pid == 0) {
        const Error elsewhere{ErrorCode::invalid,
                              fmt::format("pid 0: the daemon writes its own messages to stderr; one in the background "
                                          "to {}/daemon.log",
                                          core.info().data_directory)};
        co_return refused(answer, elsewhere);
    }
    Target target = std::move(request);
    auto process = co_await find_process(core, std::move(target), std::nullopt);
    if (!process) co_return refused(answer, process.error());
    const auto located = core.supervisor.find(process->id);
    if (!located) {
        const Error removed{ErrorCode::not_found, "the process has been removed"};
        co_return refused(answer, removed);
    }
    if (located->run > 0) query->run = located->run;
    const auto log = located->log;
    auto page = co_await read_within_budget(core.workers, context.principal, log, std::move(*query));
    if (!page) co_return refused(answer, page.error());
    answer.lines_before = static_cast<std::int64_t>(page->omitted_before);
    // The original knows no budget: there may be more.
    answer.lines_after = static_cast<std::int64_t>(page->omitted_after + (page->is_spent ? 1 : 0));
    const bool is_much = is_large(*page);
    auto make = [answer = std::move(answer), page = std::move(*page)]() mutable {
        answer.output.emplace();
        for (const auto& line : page.lines) answer.output->push_back(line_of(line));
        return answered(answer);
    };
    if (!is_much) co_return make();
    co_return co_await render_elsewhere(core.workers, std::move(make));
}

}  // namespace persistproc::tools::compat
