#include "common/ops/get_process_output.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/text.hpp"
#include "common/logstore/reader.hpp"
#include "common/logstore/show.hpp"
#include "common/ops/error.hpp"
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
    if (request.until && logstore::looks_like_cursor(*request.until)) {
        const auto position = logstore::parse_cursor(to_string(process.id), *request.until);
        if (!position) return base::with_context(position.error(), "until");
        query.to = *position;
    } else if (request.until) {
        const auto time = base::parse_time_or_age(*request.until, now);
        if (!time) return base::with_context(time.error(), "until");
        query.until_ns = base::to_ns(*time);
    }
    if (query.since_ns && query.until_ns && *query.since_ns > *query.until_ns)
        return Error{ErrorCode::invalid, fmt::format("since {} is later than until {}: exchange them",
                                                     base::excerpt(*request.since), base::excerpt(*request.until))};
    if (query.from && query.to && *query.from > *query.to)
        return Error{ErrorCode::invalid, fmt::format("cursor {} stands behind until {}: nothing lies between them",
                                                     base::excerpt(*request.cursor), base::excerpt(*request.until))};
    if (request.run) {
        const auto run = domain::find_run_number(*request.run, process.id);
        if (!run)
            return Error{ErrorCode::invalid, fmt::format("run: \"{}\" is no run of {}; expected for example {}.{}",
                                                         base::excerpt(*request.run), to_string(process.id),
                                                         to_string(process.id), std::max(1u, process.run))};
        if (*run > process.run) return base::with_context(ops::no_such_run({process.id, *run}, process.run), "run");
        query.run = *run;
    }
    query.grep = request.grep;
    query.context = static_cast<std::uint32_t>(request.context);
    query.max_bytes = static_cast<std::size_t>(request.max_bytes);
    query.losses = true;
    return query;
}

ops::OutputMeta meta_of(const core::Located& process, const logstore::Shown& shown) {
    ops::OutputMeta meta;
    meta.process = to_string(process.id);
    meta.state = process.state;
    static_cast<domain::Ending&>(meta) = ending_of(process);
    meta.next_cursor = logstore::format_cursor(meta.process, shown.next);
    if (shown.earlier) meta.earlier_cursor = logstore::format_cursor(meta.process, *shown.earlier);
    meta.lines = static_cast<std::int64_t>(shown.lines);
    meta.omitted_before = static_cast<std::int64_t>(shown.omitted_before);
    meta.omitted_after = static_cast<std::int64_t>(shown.omitted_after);
    meta.evicted_bytes = static_cast<std::int64_t>(shown.evicted_bytes);
    meta.lost_bytes = static_cast<std::int64_t>(shown.lost_bytes);
    meta.unread_bytes = static_cast<std::int64_t>(shown.unread_bytes);
    return meta;
}

/// `exited 1`, `killed SIGSEGV`: its id stands in the cursor.
std::string state_of(const core::Located& process, const ops::OutputMeta& meta) {
    std::string out(schema::enum_name(process.state));
    if (process.state == ProcessState::exited && meta.exit_code) out += fmt::format(" {}", *meta.exit_code);
    if (process.state == ProcessState::killed && meta.signal) out += fmt::format(" {}", *meta.signal);
    return out;
}

/// What there is seldom need to say, in words; empty: nothing.
std::string details(const core::Located& process, const ops::OutputMeta& meta, const logstore::Shown& shown,
                    bool is_search, bool is_of_error) {
    std::string out = ending_details(process);
    const auto add = [&out](const std::string& text) { out += (out.empty() ? "" : "; ") + text; };
    if (process.has_terminal && is_of_error) add(domain::one_stream_of_terminal);
    if (shown.is_cut_by_bytes) add("no room for more in max_bytes");
    if (shown.unsearched_bytes > 0)
        add(fmt::format("the search stopped ({} s a call), {} not looked at", longest_look.count(),
                        base::counted(shown.unsearched_bytes, "older byte")));
    if (meta.earlier_cursor) add(fmt::format("older ones until {}", *meta.earlier_cursor));
    if (meta.unread_bytes > 0)
        add(fmt::format("{} behind the cursor not looked at ({} s a call)", base::counted(meta.unread_bytes, "byte"),
                        longest_look.count()));
    if (meta.evicted_bytes > 0)
        add(fmt::format("{} gone (size limit, flushed, or files changed)",
                        base::counted(meta.evicted_bytes, "older byte")));
    // What a program that runs has just printed gets its index at once; so does what those print that it left.
    const bool may_print =
        process.is_live || std::any_of(process.causes.begin(), process.causes.end(), [](const domain::Cause& each) {
            return each.code == domain::CauseCode::left_running;
        });
    if (shown.unindexed_bytes > 0 && (!may_print || (shown.lines == 0 && shown.next == 0)))
        add(fmt::format("{} cannot be read: their index is damaged or gone, read the .log files in {}",
                        base::counted(shown.unindexed_bytes, "byte"), base::quote(process.log.native())));
    // Else a mark at its place tells it.
    if (meta.lost_bytes > 0 && is_search)
        add(fmt::format("{} lost (full disk or damaged log)", base::counted(meta.lost_bytes, "byte")));
    return out;
}

/// Our facts, before any byte of a program: how it stands, how much of its output this is, what marks of ours begin
/// with, where to go on. `context`: around each match, where `lines` has no room for what was asked for.
std::string header(const core::Located& process, const ops::OutputMeta& meta, const logstore::Shown& shown,
                   std::optional<std::uint32_t> context) {
    const auto all = meta.lines + meta.omitted_before + static_cast<std::int64_t>(shown.folded);
    std::string out = state_of(process, meta) + "; ";
    if ((meta.omitted_before > 0 || shown.folded > 0) && shown.knows_all_before)
        out += fmt::format("{} of {} lines", meta.lines, all);
    else
        out += base::counted(meta.lines, "line");
    if (meta.omitted_after > 0 || meta.unread_bytes > 0) out += ", more";
    if (context) out += fmt::format(", context {}", *context);
    if (!shown.marker.empty()) out += fmt::format(", marks {}", shown.marker);
    return out + fmt::format("; cursor {}\n", meta.next_cursor);
}

mcp::ToolResult result_of(const core::Located& process, const logstore::Shown& shown,
                          std::optional<std::uint32_t> context) {
    const ops::OutputMeta meta = meta_of(process, shown);
    mcp::ToolResult result;
    result.text = header(process, meta, shown, context) + shown.text;
    result.meta = mcp::Json::object();
    result.meta["persistproc/result"] = schema::to_json(meta);
    return result;
}

/// A cursor that no answer can have given. Where the index is gone nobody knows.
Result<void> check_cursors(ProcessId id, std::optional<std::uint64_t> from, std::optional<std::uint64_t> to,
                           const logstore::LinePage& page) {
    if (page.log_end == 0 && page.unindexed_bytes > 0) return boost::system::in_place_value;
    const std::string process = to_string(id);
    if (auto fine = logstore::check_cursor(process, from, page.log_end); !fine)
        return base::with_context(fine.error(), "cursor");
    if (auto fine = logstore::check_cursor(process, to, page.log_end); !fine)
        return base::with_context(fine.error(), "until");
    return boost::system::in_place_value;
}

Task<mcp::ToolResult> output(Backend backend, ops::OutputRequest request, mcp::CallContext context) {
    auto process = co_await backend.supervisor.locate(request.process);
    if (!process) co_return mcp::tool_failure(process.error());
    auto query = query_of(request, *process);
    if (!query) co_return mcp::tool_failure(query.error());
    const auto log = process->log;
    auto options = logstore::take_budget(*query, request.view == ops::OutputView::clean);
    const std::size_t max_bytes = options.max_bytes;
    std::optional<std::uint32_t> less_context;
    if (request.grep && options.context < request.context) less_context = options.context;
    auto make = [options = std::move(options), process = std::move(*process), is_search = query->grep.has_value(),
                 is_of_error = query->stream == domain::StreamChoice::err, from = query->from, to = query->to,
                 less_context](Result<logstore::LinePage> page) mutable {
        if (page) {
            if (auto given = check_cursors(process.id, from, to, *page); !given)
                return mcp::tool_failure(given.error());
            options.above = [&process, is_search, is_of_error](const logstore::Shown& shown) {
                return details(process, meta_of(process, shown), shown, is_search, is_of_error);
            };
            options.front_bytes = [&process, less_context](const logstore::Shown& shown) {
                return header(process, meta_of(process, shown), shown, less_context).size();
            };
            return result_of(process, logstore::show(std::move(*page), options), less_context);
        }
        const bool is_theirs = page.error().code == ErrorCode::invalid;
        return mcp::tool_failure(is_theirs ? base::with_context(page.error(), "grep") : page.error());
    };
    co_return co_await answer_with_lines(backend, std::move(context), log, std::move(*query), max_bytes,
                                         std::move(make));
}

}  // namespace

Tool get_process_output(Backend backend) {
    auto handler = typed_handler<ops::OutputRequest>([backend](ops::OutputRequest request, mcp::CallContext context) {
        return output(backend, std::move(request), std::move(context));
    });
    return {define<ops::OutputRequest>(), std::move(handler)};
}

}  // namespace persistproc::tools
