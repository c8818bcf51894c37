#include "cli/commands/output.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <optional>
#include <utility>

#include "cli/daemon_start.hpp"
#include "cli/format/ending.hpp"
#include "cli/format/json_text.hpp"
#include "cli/run_survey.hpp"
#include "cli/session/attach.hpp"
#include "cli/session/run_facts.hpp"
#include "cli/signals.hpp"
#include "cli/targets.hpp"
#include "common/base/file.hpp"
#include "common/base/text.hpp"
#include "common/base/time.hpp"
#include "common/logstore/loss_text.hpp"
#include "common/ops/error.hpp"
#include "common/rundir/daemon_paths.hpp"

namespace persistproc::cli::commands {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t page_bytes = 1u << 20;
/// What `-n` with `--grep` may hold in memory: the newest matches.
constexpr std::size_t last_matches_bytes = 64u << 20;

void tell_passed(const Console& console) {
    console.note(fmt::format(
        "a line is too long for this pattern: only what could be looked through in {} s was; a simpler one sees more",
        logstore::longest_search.count()));
}

}  // namespace

Result<logstore::LineQuery> make_output_query(const OutputArguments& options, const ProcessView& view) {
    const ops::OutputRequest& asked = options.request;
    logstore::LineQuery query;
    query.stream = asked.stream;
    query.grep = asked.grep;
    query.exclude = options.exclude;
    query.ignore_case = options.ignore_case;
    query.context = static_cast<std::uint32_t>(options.before.value_or(asked.context));
    query.context_after = static_cast<std::uint32_t>(options.after.value_or(asked.context));
    const WallTime now = base::wall_now();
    const auto time = [&](const std::optional<std::string>& text, const char* flag,
                          std::optional<std::int64_t>& into) -> Result<void> {
        if (!text) return {};
        auto at = base::parse_time_or_age(*text, now);
        if (!at) return base::with_context(at.error(), flag);
        into = base::to_ns(*at);
        return {};
    };
    if (auto done = time(asked.since, "--since", query.since_ns); !done) return done.error();
    if (asked.until && logstore::looks_like_cursor(*asked.until)) {
        auto position = logstore::parse_cursor(view.id, *asked.until);
        if (!position) return base::with_context(position.error(), "--until");
        query.to = *position;
    } else if (auto done = time(asked.until, "--until", query.until_ns); !done) {
        return done.error();
    }
    if (query.since_ns && query.until_ns && *query.since_ns > *query.until_ns)
        return Error{ErrorCode::invalid, fmt::format("--since {} is later than --until {}", base::excerpt(*asked.since),
                                                     base::excerpt(*asked.until))};
    if (options.leaves_past) query.since_ns = base::to_ns(now);
    if (asked.run) {
        const auto id = domain::find_process_id(view.id);
        const auto number = id ? domain::find_run_number(*asked.run, *id) : std::nullopt;
        if (!number)
            return Error{ErrorCode::invalid,
                         fmt::format("--run: a run of {0} is \"{0}.2\", or \"2\"; got \"{1}\"", view.id, *asked.run)};
        const auto newest = view.run ? domain::find_run_number(*view.run, *id) : std::nullopt;
        if (*number > newest.value_or(0))
            return base::with_context(ops::no_such_run({*id, *number}, newest.value_or(0)), "--run");
        query.run = *number;
    }
    if (asked.cursor) {
        auto position = logstore::parse_cursor(view.id, *asked.cursor);
        if (!position) return base::with_context(position.error(), "--cursor");
        query.from = *position;
    }
    // A time, a run or a cursor says what is wanted; only then is no count everything.
    const bool is_range = asked.since || asked.until || asked.run || asked.cursor;
    const std::uint64_t count = options.lines_given || !is_range ? static_cast<std::uint64_t>(asked.lines) : 0;
    (asked.cursor ? query.first : query.last) = count;
    return query;
}

Result<void> check_cursor(const logstore::LineQuery& query, const ProcessView& view, const logstore::LogView& log) {
    // Where the index is gone nobody knows.
    if (log.end() == 0 && log.unindexed_bytes() > 0) return {};
    if (auto given = logstore::check_cursor(view.id, query.from, log.end()); !given)
        return base::with_context(given.error(), "--cursor");
    return {};
}

Result<logstore::LineFilter> make_output_filter(const Console& console, const logstore::LineQuery& query) {
    logstore::LookLimits limits;
    limits.of_line = logstore::longest_search;
    limits.is_over = HeldSignals::has_come;
    limits.on_passed = [console, told = std::make_shared<bool>(false)] {
        if (!std::exchange(*told, true)) tell_passed(console);
    };
    auto filter = logstore::LineFilter::make(query, std::move(limits));
    if (filter) return filter;
    Error failed = filter.error();
    failed.message.insert(0, "--");
    return failed;
}

std::string nothing_text(const OutputArguments& options) {
    if (options.leaves_past)
        return "--tail 0 shows nothing of what was printed before (-f: what comes); -n 0 shows everything";
    if (options.has_filter()) return "no line matches";
    const auto stream = options.request.stream;
    const char* const where = stream == domain::StreamChoice::out   ? " to stdout"
                              : stream == domain::StreamChoice::err ? " to stderr"
                                                                    : "";
    const bool is_of_time = options.request.since || options.request.until;
    const auto& run = options.request.run;
    if (!is_of_time && !run && *where == '\0') return "";
    return fmt::format("nothing was printed{}{}{}", where, run ? " in run " + base::excerpt(*run) : "",
                       is_of_time ? " in that time" : "");
}

namespace {

/// The bytes of a span, exactly. Returns whether there were any.
Result<bool> print_bytes(const Console& console, logstore::LogView& log, const logstore::LogSpan& span,
                         format::OutputView& view, std::uint32_t first_run) {
    auto follower = logstore::Follower::behind(log, span.begin);
    if (!follower) return follower.error();
    std::vector<format::Chunk> chunks;
    bool more = true, has_printed = false;
    while (more) {
        auto items = follower->read_more(page_bytes);
        if (!items) return items.error();
        more = !items->empty();
        for (auto& item : *items) {
            if (item.run < first_run && item.bytes.empty() && item.evicted_bytes == 0) continue;
            if (item.position >= span.end && !item.bytes.empty()) {
                more = false;
                break;
            }
            // The span may end, and a piece go on.
            if (item.position + item.bytes.size() > span.end) item.bytes.resize(span.end - item.position);
            view.take(item, chunks);
        }
        if (!more) view.finish(chunks);
        for (const auto& chunk : std::exchange(chunks, {})) {
            // What is said of the output, such as a gap, stands on stderr.
            const bool is_note = chunk.fd == STDERR_FILENO;
            if (is_note) base::write_all(STDERR_FILENO, chunk.bytes);
            if (is_note) continue;
            has_printed = true;
            if (!console.print(chunk.bytes)) return true;
        }
    }
    return has_printed;
}

/// Lines by query, page after page, until `take(page)` returns false. Returns where they end.
template <class Take>
Result<std::uint64_t> for_each_page(const Console& console, const fs::path& log_directory, logstore::LineQuery query,
                                    Take take) {
    logstore::ReadBudget budget;
    budget.of_line = logstore::longest_search;
    bool is_passed = false;
    query.max_bytes = query.last > 0 ? last_matches_bytes : page_bytes;
    const bool is_counted = query.last > 0 || query.first > 0;
    std::uint64_t wanted = query.first;
    while (true) {
        query.first = wanted;
        auto page = logstore::read_lines(log_directory, query, budget);
        if (!page) return page.error();
        if (page->passed_bytes > 0 && !std::exchange(is_passed, true)) tell_passed(console);
        wanted -= std::min<std::uint64_t>(wanted, page->lines.size());
        if (!take(*page) || !page->more || (is_counted && wanted == 0)) return page->next;
        query.from = page->next;
    }
}

struct Printed {
    std::uint64_t next = 0;
    bool is_any = false;
};

/// Whether lines were left out between two that are shown.
bool is_apart(const logstore::Line& before, const logstore::Line& line, bool is_first_of_page) {
    return is_first_of_page ? line.position > before.end : line.ordinal > before.ordinal + 1;
}

/// Lines as text. One that is too long comes in parts, and is one line all the same.
class LineText {
public:
    explicit LineText(const format::OutputStyle& style) : style_(style), part_style_(style) {
        part_style_.timestamps = false;
    }

    void begin_page(const logstore::LinePage& page) {
        // Lines are counted page by page.
        last_.ordinal = 0;
        if (page.lost_bytes > 0 || page.lines.empty()) return;
        const logstore::Line& first = page.lines.front();
        if (first.position == last_.end && first.run == last_.run && first.stream == last_.stream)
            last_.ordinal = first.ordinal;
    }
    void add(const logstore::Line& line, std::string& out) {
        const bool goes_on = is_open_ && line.ordinal != 0 && line.ordinal == last_.ordinal;
        if (is_open_ && !goes_on) out += '\n';
        if (!goes_on) cut_bytes_ += line.missing_before;
        cut_bytes_ += line.missing_after;
        out += format::line_text(line, goes_on ? part_style_ : style_, false);
        is_open_ = !line.event && !line.complete;
        if (is_open_) out.pop_back();
        last_ = {.stream = line.stream, .run = line.run, .end = line.end, .ordinal = line.ordinal};
    }
    /// Ends a line that has no end.
    std::string finish() { return std::exchange(is_open_, false) ? "\n" : ""; }
    /// Of lines that were shown in part.
    std::uint64_t cut_bytes() const noexcept { return cut_bytes_; }

private:
    const format::OutputStyle& style_;
    format::OutputStyle part_style_;
    struct Last {
        logstore::Stream stream = logstore::Stream::none;
        std::uint32_t run = 0;
        std::uint64_t end = 0, ordinal = 0;
    };
    Last last_;
    std::uint64_t cut_bytes_ = 0;
    bool is_open_ = false;
};

Result<Printed> print_lines(const Console& console, const fs::path& log_directory, const logstore::LineQuery& query,
                            const format::OutputStyle& style, bool json) {
    std::uint64_t lost_bytes = 0;
    Printed printed;
    LineText lines(style);
    const bool has_borders = !json && (query.context > 0 || query.context_after.value_or(0) > 0);
    std::optional<logstore::Line> last;
    auto next = for_each_page(console, log_directory, query, [&](const logstore::LinePage& page) {
        std::string text;
        lines.begin_page(page);
        for (const auto& line : page.lines) {
            if (has_borders && last && is_apart(*last, line, &line == &page.lines.front()))
                text += lines.finish() + std::string(format::context_border);
            if (json)
                text += format::line_text(line, style, true);
            else
                lines.add(line, text);
            if (has_borders) last = line;
        }
        printed.is_any = printed.is_any || !page.lines.empty();
        lost_bytes += page.lost_bytes;
        return console.print(text);
    });
    if (const std::string end = lines.finish(); !end.empty()) console.print(end);
    if (lost_bytes > 0)
        console.note(base::counted(lost_bytes, "byte of what was looked through was lost",
                                   "bytes of what was looked through were lost"));
    if (lines.cut_bytes() > 0)
        console.note(fmt::format("{} of lines that are too long for a search are left out; without one they are whole",
                                 base::counted(lines.cut_bytes(), "byte")));
    if (!next) return next.error();
    printed.next = *next;
    return printed;
}

/// The lines as one JSON document, written as they are read. Returns the exit status.
int print_document(const Console& console, const fs::path& log_directory, const logstore::LineQuery& query,
                   const format::OutputStyle& style) {
    std::string text = format::lines_begin_json(style.process_id);
    bool is_first = true;
    std::uint64_t evicted_bytes = 0, lost_bytes = 0;
    auto next = for_each_page(console, log_directory, query, [&](const logstore::LinePage& page) {
        evicted_bytes += page.evicted_bytes;
        lost_bytes += page.lost_bytes;
        for (const auto& line : page.lines) {
            if (!std::exchange(is_first, false)) text += ',';
            text += format::line_text(line, style, true);
            text.pop_back();  // its newline: the document is one line
        }
        return console.print(std::exchange(text, {}));
    });
    if (next) {
        console.print(
            format::lines_end_json(logstore::format_cursor(style.process_id, *next), evicted_bytes, lost_bytes));
        return 0;
    }
    const bool has_begun = text.empty();
    if (!has_begun) return console.fail(next.error());
    console.print(format::lines_failed_json(next.error()));
    return ops::exit_status(next.error());
}

/// Of a program that has printed nothing, or nothing since that was removed: an empty answer could mean anything.
/// Returns whether it is one.
bool tell_silence(const Console& console, const ProcessView& view, logstore::LogView& log,
                  const fs::path& log_directory, bool follow) {
    const std::uint64_t unindexed = log.unindexed_bytes();
    if (unindexed > 0 && (log.end() == 0 || !domain::has_tree(view))) {
        console.note(logstore::unindexed_text(unindexed, format::name_text(view), log_directory));
        return true;
    }
    if (log.end() > 0 && !log.is_flushed()) return false;
    const WallTime now = base::wall_now();
    // Who follows it from its beginning has not waited for anything yet.
    const bool is_young = view.started_at && now - *view.started_at < std::chrono::seconds(1);
    if (follow && is_young && domain::is_live(view) && !log.is_flushed()) return true;
    const auto changed = log.is_flushed() ? log.was_changed() : Result<bool>(false);
    if (log.is_flushed())
        console.note(format::name_text(view) + " has printed nothing since " +
                     (changed && *changed ? "somebody removed or changed the files of its output" : "it was flushed"));
    else if (domain::is_live(view))
        console.note(fmt::format("{} has printed nothing yet ({}{}; it may buffer its output)", format::name_text(view),
                                 view.state.word(),
                                 view.started_at ? " for " + format::span_text(now - *view.started_at) : ""));
    else if (follow)
        console.note(format::name_text(view) + " printed nothing");  // how it ended follows
    else
        console.note(format::ending_text(view, now) + "; it printed nothing");
    return true;
}

}  // namespace

static Task<int> output(Context context, OutputArguments options) {
    // What follows a match, and what stands before it, may be printed on both sides of where following begins.
    if (!options.is_of_one() || (options.follow && options.has_context()))
        co_return co_await merged_output(std::move(context), std::move(options));
    auto client = co_await connect_to_read(context.executor, context.common);
    if (!client) co_return context.console.fail(client.error());
    if (!*client) co_return context.console.fail(no_such_process(options.request.process));
    if (auto there = rundir::check_present(context.common.data_directory, rundir::daemon_lock_name); !there)
        co_return context.console.fail(there.error());
    auto process = co_await (*client)->find(options.request.process);
    if (!process) co_return context.console.fail(process.error());
    auto query = make_output_query(options, *process);
    if (!query) co_return context.console.fail(query.error());
    auto filter = make_output_filter(context.console, *query);
    if (!filter) co_return context.console.fail(filter.error());
    const auto log = find_log(*process);
    if (!log) co_return context.console.fail(log.error());
    const fs::path& log_directory = *log;

    auto log_view = logstore::LogView::open(log_directory);
    if (!log_view) co_return context.console.fail(log_view.error());
    if (auto given = check_cursor(*query, *process, *log_view); !given) co_return context.console.fail(given.error());
    if (query->stream == domain::StreamChoice::err && process->input == domain::Input::tty)
        context.console.note(domain::one_stream_of_terminal);
    const bool is_silent = tell_silence(context.console, *process, *log_view, log_directory, options.follow);

    const bool json = context.console.json();
    format::OutputStyle style = session::style_for_terminal(context.console, *process, false, options.raw);
    style.choice = query->stream;
    style.timestamps = options.timestamps;
    style.events = options.raw && options.timestamps;
    const bool by_line = json || options.has_filter() || query->first > 0;
    if (json && !options.follow) co_return print_document(context.console, log_directory, *query, style);
    std::uint64_t from = 0;
    bool has_printed = false;
    if (by_line) {
        // What follows joins on where the lines end.
        query->include_partial = !options.follow;
        auto printed = print_lines(context.console, log_directory, *query, style, json);
        if (!printed) co_return context.console.fail(printed.error());
        from = printed->next;
        has_printed = printed->is_any;
    } else {
        auto span = log_view->locate(*query);
        if (!span) co_return context.console.fail(span.error());
        // Of what was removed is told where it would have stood.
        const bool is_before_something = span->begin < span->end;
        if (span->evicted_bytes > 0 && is_before_something)
            context.console.note(logstore::evicted_text(span->evicted_bytes));
        from = span->begin;
        if (!options.follow) {
            auto view = format::make_byte_view(style);
            auto printed = print_bytes(context.console, *log_view, *span, *view, query->run.value_or(0));
            if (!printed) co_return context.console.fail(printed.error());
            has_printed = *printed;
            // The shell's prompt does not belong behind the program's words.
            if (view->is_inside_line() && ::isatty(STDOUT_FILENO) == 1) context.console.print("\n");
            from = span->end;
        }
    }
    if (!context.console.can_print()) co_return 0;  // and no cursor: not all before it was given
    if (!options.follow) {
        const std::string nothing = has_printed || is_silent ? "" : nothing_text(options);
        if (!nothing.empty()) context.console.note(nothing);
        if (options.request.cursor)
            context.console.note(fmt::format("next cursor {}", logstore::format_cursor(process->id, from)));
        co_return 0;
    }

    session::AttachPlan plan;
    plan.process = *process;
    plan.log_directory = log_directory;
    plan.from = from;
    plan.own_status = false;
    plan.tell_detached = false;
    plan.run = session::run_of(*process);
    auto view = by_line ? format::make_line_view(std::move(style), std::move(*filter), json)
                        : format::make_byte_view(std::move(style));
    co_return co_await session::attach(std::move(context), std::move(plan), std::move(*client), std::move(view));
}

extern const Subcommand output_subcommand = make_subcommand<output>(ops::OutputRequest::typed);

}  // namespace persistproc::cli::commands
