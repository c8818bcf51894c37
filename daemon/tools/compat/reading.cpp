#include "daemon/tools/compat/reading.hpp"

#include <fmt/format.h>

#include "common/base/text.hpp"
#include "common/logstore/reader.hpp"
#include "daemon/tools/compat/find_process.hpp"
#include "daemon/tools/reading.hpp"

namespace persistproc::tools::compat {

namespace {

constexpr std::size_t most_bytes = 1u << 20;
constexpr std::uint64_t most_lines = 1'000'000;

/// PID 0 is the original's name for its own server.
Facts server_facts(const ops::DaemonInfo& about) {
    Facts out;
    out.by_name = {{"pid", about.pid},
                   {"command", {"persistproc", "serve"}},
                   {"working_directory", about.data_directory},
                   {"status", "running"},
                   {"label", "persistproc-server"}};
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

Task<mcp::ToolResult> list(Backend backend, ListRequest request, mcp::CallContext) {
    Json processes = Json::array();
    if (request.pid == 0) {
        processes.push_back(shaped(server_facts(backend.info()), info));
        co_return answered(Json{{"processes", std::move(processes)}});
    }
    auto all = co_await known_processes(backend, std::move(request.working_directory));
    if (!all) co_return refused(all.error(), listed);
    for (const auto& each : *all) {
        if (request.pid && *request.pid != each.pid) continue;
        if (request.command_or_label && !is_named(each.view, *request.command_or_label)) continue;
        processes.push_back(shaped(facts_of(each.view, each.pid, Generation::later), info));
    }
    co_return answered(Json{{"processes", std::move(processes)}});
}

Task<mcp::ToolResult> first_generation_list(Backend backend) {
    auto all = co_await known_processes(backend, std::nullopt);
    if (!all) co_return refused(all.error(), first_list);
    Json processes = Json::array();
    for (const auto& each : *all)
        processes.push_back(shaped(facts_of(each.view, each.pid, Generation::first), first_info));
    co_return answered(processes);
}

Task<mcp::ToolResult> facts(Backend backend, Target target, Shape shape) {
    auto process = co_await find_process(backend, std::move(target), std::nullopt);
    if (!process) co_return refused(process.error(), shape);
    co_return answered(shaped(facts_of(process->view, process->pid, shape.generation), shape));
}

Task<mcp::ToolResult> output(Backend backend, OutputRequest request, mcp::CallContext context, Generation generation) {
    const Shape shape = generation == Generation::first ? Shape{Generation::first} : output_lines;
    // The first generation gave all of them where nobody said how many.
    auto query = query_of(request, generation == Generation::first ? 0 : 100);
    if (!query) co_return refused(query.error(), shape);
    if (request.pid == 0) {
        const Error elsewhere{ErrorCode::invalid,
                              fmt::format("pid 0: the daemon writes its own messages to stderr; one in the background "
                                          "to {}/daemon.log",
                                          backend.info().data_directory)};
        co_return refused(elsewhere, shape);
    }
    Target target = std::move(request);
    auto process = co_await find_process(backend, std::move(target), std::nullopt);
    if (!process) co_return refused(process.error(), shape);
    const auto located = backend.supervisor.find(process->id);
    if (!located) {
        const Error removed{ErrorCode::not_found, "the process has been removed"};
        co_return refused(removed, shape);
    }
    if (located->run > 0) query->run = located->run;
    const auto log = located->log;
    auto make = [shape](Result<logstore::LinePage> page) {
        if (!page) return refused(page.error(), shape);
        Json lines = Json::array();
        for (const auto& line : page->lines) lines.push_back(line_of(line));
        if (shape.generation == Generation::first) return answered(lines);
        Facts facts;
        facts.by_name["output"] = std::move(lines);
        facts.by_name["lines_before"] = page->omitted_before;
        // The original knows no budget: there may be more.
        facts.by_name["lines_after"] = page->omitted_after + (page->is_spent ? 1 : 0);
        return answered(shaped(facts, shape));
    };
    co_return co_await answer_with_lines(backend, std::move(context), log, std::move(*query), most_bytes,
                                         std::move(make));
}

}  // namespace persistproc::tools::compat
