#include "common/ops/get_process_output.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/text.hpp"
#include "common/logstore/loss_text.hpp"
#include "common/logstore/reader.hpp"
#include "daemon/tools/describe.hpp"
#include "daemon/tools/reading.hpp"
#include "daemon/tools/tools.hpp"
#include "daemon/tools/typed_tool.hpp"

namespace persistproc::tools {

namespace {

Result<logstore::LineQuery> query_of(const ops::OutputRequest& request, const core::Located& process) {
    logstore::LineQuery query;
    query.stream = request.stream;
    if (request.cursor) {
        const auto position = logstore::parse_cursor(to_string(process.id), *request.cursor);
        if (!position) return base::with_context(position.error(), "cursor");
        query.from = *position;
        query.first = static_cast<std::uint64_t>(request.lines);
    } else {
        query.last = static_cast<std::uint64_t>(request.lines);
    }
    const WallTime now = base::wall_now();
    if (request.since) {
        const auto time = base::parse_time_or_age(*request.since, now);
        if (!time) return base::with_context(time.error(), "since");
        query.since_ns = base::to_ns(*time);
    }
    if (request.until) {
        const auto time = base::parse_time_or_age(*request.until, now);
        if (!time) return base::with_context(time.error(), "until");
        query.until_ns = base::to_ns(*time);
    }
    if (request.run) {
        const auto run = domain::find_run_number(*request.run, process.id);
        if (!run)
            return Error{ErrorCode::invalid, fmt::format("run: \"{}\" is no run of {}; expected for example {}.{}",
                                                         base::excerpt(*request.run), to_string(process.id),
                                                         to_string(process.id), std::max(1u, process.run))};
        query.run = *run;
    }
    query.grep = request.grep;
    query.context = static_cast<std::uint32_t>(request.context);
    query.max_bytes = static_cast<std::size_t>(request.max_bytes);
    query.losses = true;
    return query;
}

mcp::ToolResult result_of(const ops::OutputRequest& request, const core::Located& process,
                          const logstore::LinePage& page) {
    ops::OutputMeta meta;
    meta.process = to_string(process.id);
    meta.state = process.state;
    static_cast<domain::Ending&>(meta) = ending_of(process);
    meta.next_cursor = logstore::format_cursor(meta.process, page.next);
    meta.lines = std::count_if(page.lines.begin(), page.lines.end(),
                               [](const logstore::Line& line) { return !logstore::loss_text(line); });
    meta.omitted_before = static_cast<std::int64_t>(page.omitted_before);
    meta.omitted_after = static_cast<std::int64_t>(page.omitted_after);
    meta.evicted_bytes = static_cast<std::int64_t>(page.evicted_bytes);
    meta.lost_bytes = static_cast<std::int64_t>(page.lost_bytes);
    meta.unread_bytes = static_cast<std::int64_t>(page.unread_bytes);

    mcp::ToolResult result;
    result.text = fmt::format("{}; {} line{}", headline(process), meta.lines, meta.lines == 1 ? "" : "s");
    if (meta.omitted_before > 0)
        result.text += fmt::format(", {} earlier not shown (lines, max_bytes)", meta.omitted_before);
    if (meta.omitted_after > 0) result.text += ", more after them: go on with the cursor";
    if (meta.unread_bytes > 0)
        result.text += fmt::format(
            ", {} bytes after them not looked at (one call looks for {} s at most): go on with "
            "the cursor",
            meta.unread_bytes, longest_look.count());
    if (meta.evicted_bytes > 0)
        result.text += fmt::format(", {} older bytes are gone (size limit)", meta.evicted_bytes);
    if (meta.lost_bytes > 0)
        result.text += fmt::format(", {} bytes were lost (full disk, or a damaged log)", meta.lost_bytes);
    result.text += fmt::format("; next cursor {}\n", meta.next_cursor);
    std::uint64_t last_end = 0;
    for (const auto& line : page.lines) {
        if (const auto loss = logstore::loss_text(line)) {
            result.text += fmt::format("[persistproc: {}]\n", *loss);
            continue;
        }
        // Between matches that do not follow each other, as grep shows it.
        if (request.grep && request.context > 0 && last_end != 0 && line.position > last_end) result.text += "--\n";
        last_end = line.position + line.text.size() + 1;
        result.text +=
            request.view == ops::OutputView::clean ? base::clean_output(line.text) : base::to_valid_utf8(line.text);
        result.text += '\n';
    }
    result.meta = mcp::Json::object();
    result.meta["persistproc/result"] = schema::to_json(meta);
    return result;
}

Task<mcp::ToolResult> output(Core core, ops::OutputRequest request, mcp::CallContext context) {
    auto process = co_await core.supervisor.locate(request.process);
    if (!process) co_return mcp::tool_failure(process.error());
    auto query = query_of(request, *process);
    if (!query) co_return mcp::tool_failure(query.error());
    const auto log = process->log;
    auto make = [request = std::move(request), process = std::move(*process)](Result<logstore::LinePage> page) {
        if (page) return result_of(request, process, *page);
        const bool is_theirs = page.error().code == ErrorCode::invalid;
        return mcp::tool_failure(is_theirs ? base::with_context(page.error(), "grep") : page.error());
    };
    co_return co_await answer_with_lines(core, std::move(context), log, std::move(*query), std::move(make));
}

}  // namespace

Tool get_process_output(Core core) {
    auto handler = typed_handler<ops::OutputRequest>([core](ops::OutputRequest request, mcp::CallContext context) {
        return output(core, std::move(request), std::move(context));
    });
    return {define<ops::OutputRequest>(), std::move(handler)};
}

}  // namespace persistproc::tools
