#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <set>

#include "cli/commands/output.hpp"
#include "cli/daemon_start.hpp"
#include "cli/run_survey.hpp"
#include "cli/session/attach.hpp"
#include "cli/session/merged_logs.hpp"
#include "cli/targets.hpp"
#include "common/base/text.hpp"
#include "common/rundir/daemon_paths.hpp"

namespace persistproc::cli::commands {

namespace {

/// Of a log that is read; and of all else, looking for where a log begins included.
constexpr rlim_t descriptors_a_log = 3, other_descriptors = 32;

/// Makes room for reading `logs` at once. Errors: limit.
Result<void> raise_descriptor_limit(std::size_t logs) {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return {};
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    const rlim_t needed = logs * descriptors_a_log + other_descriptors;
    if (limit.rlim_cur == RLIM_INFINITY || needed <= limit.rlim_cur) return {};
    return Error{ErrorCode::limit,
                 fmt::format("reading {} at once needs {} open files, and no more than {} are allowed: raise the hard "
                             "limit (ulimit -n), or name fewer processes",
                             base::counted(logs, "log", "logs"), needed, limit.rlim_cur)};
}

struct Chosen {
    std::vector<ProcessView> views;
    bool has_others = false;  // that have ended a while ago
};

/// The flag for which a word behind a target was meant that names no process itself.
Error with_flag(Error failed, const std::string& word) {
    if (failed.code != ErrorCode::not_found) return failed;
    const bool is_number = std::all_of(word.begin(), word.end(), [](char c) { return c >= '0' && c <= '9'; });
    failed.message += fmt::format("; {} {}", is_number ? "so many lines: -n" : "lines that match it: --grep",
                                  base::shell_quote(base::excerpt(word)));
    return failed;
}

/// Those that are meant, each once. Errors: of the first target that names none, or several.
Task<Result<Chosen>> choose_logs(DaemonClient& client, const OutputArguments& options) {
    Chosen out;
    if (options.is_of_all()) {
        auto views = co_await client.list_all();
        if (!views) co_return views.error();
        out.views = std::move(*views);
        if (!options.targets.empty()) co_return out;
        auto lately = format::choose_processes(std::move(out.views), base::wall_now(), false, format::ListSort::id);
        out.has_others = lately.ended > 0;
        out.views = std::move(lately.shown);
        co_return out;
    }
    std::set<std::string> ids;
    for (const std::string& target : options.targets) {
        auto view = co_await client.find(target);
        if (!view && !out.views.empty()) co_return with_flag(view.error(), target);
        if (!view) co_return view.error();
        if (ids.insert(view->id).second) out.views.push_back(std::move(*view));
    }
    co_return out;
}

/// What there is in a log.
enum class Recorded { nothing, flushed, changed, something };

/// Adds the log of `view`, unless there is nothing of it to show. Errors: of the query, or it cannot be read.
Result<Recorded> add_log(session::MergedLogs& logs, const OutputArguments& options, const ProcessView& view) {
    auto query = make_output_query(options, view);
    if (!query) return query.error();
    const auto directory = find_log(view);
    if (!directory) return directory.error();
    // Which of the lines are the last that match, shows when all were looked at.
    if (options.has_filter()) query->last = 0;
    auto log = logstore::LogView::open(*directory);
    if (!log) return log.error();
    if (auto given = check_cursor(*query, view, *log); !given) return given.error();
    const auto span = log->locate(*query);
    if (!span) return span.error();
    const auto changed = log->is_flushed() ? log->was_changed() : Result<bool>(false);
    const Recorded recorded = log->end() == 0       ? Recorded::nothing
                              : changed && *changed ? Recorded::changed
                              : log->is_flushed()   ? Recorded::flushed
                                                    : Recorded::something;
    if (span->end == 0 && !options.follow) return recorded;
    // The log itself tells of what was removed where it is to begin.
    const bool is_told = !options.has_filter() && span->begin < span->end;
    const std::size_t number = logs.add(view, *directory, span->begin - (is_told ? span->evicted_bytes : 0));
    logs.logs[number].lines->stop_at(span->end, !options.follow);
    return recorded;
}

/// Why there is no line of any, which no filter explains.
std::string silence_text(const Chosen& chosen, Recorded most, bool follow) {
    const std::string_view goes_on = follow ? "; what is started is followed" : "";
    if (chosen.views.empty() && chosen.has_others)
        return fmt::format("nothing runs{}", follow ? goes_on : "; persistproc logs all shows what has ended, too");
    if (chosen.views.empty()) return fmt::format("{}{}", follow ? "no processes yet" : no_processes_yet, goes_on);
    return fmt::format("none of them has printed anything {}",
                       most == Recorded::changed   ? "since somebody removed or changed files of their output"
                       : most == Recorded::flushed ? "since it was flushed"
                                                   : "yet");
}

/// grep's -v takes no value: the word behind it was meant for a process.
void tell_excluded_target(const Console& console, const std::vector<ProcessView>& views, const std::string& pattern) {
    for (const ProcessView& each : views)
        if (pattern == each.id || pattern == each.label)
            console.note(
                fmt::format("lines that match {} are left out, of all processes; of that process alone: "
                            "persistproc output --exclude RE2 {}",
                            base::quote(base::excerpt(pattern)), base::escape_line(base::shell_quote(pattern))));
}

format::MergedStyle merged_style(const Context& context, const OutputArguments& options) {
    format::MergedStyle style;
    style.lines = session::style_for_terminal(context.console, {}, false, options.raw);
    style.lines.choice = options.request.stream;
    style.lines.timestamps = options.timestamps;
    style.text = context.console.style();
    style.json = context.console.json();
    style.has_names = !options.is_of_one();
    style.has_borders = options.has_context() && !style.json;
    return style;
}

}  // namespace

Task<int> merged_output(Context context, OutputArguments options) {
    const Console console = context.console;
    const bool is_of_all = options.is_of_all();
    const WallTime began = base::wall_now();
    auto client = co_await connect_to_read(context.executor, context.common);
    if (!client) co_return console.fail(client.error());
    if (!*client && !is_of_all) co_return console.fail(no_such_process(options.targets.front()));
    if (!*client) {
        console.note(no_processes_yet);
        co_return 0;
    }
    if (auto there = rundir::check_present(context.common.data_directory, rundir::daemon_lock_name); !there)
        co_return console.fail(there.error());
    auto chosen = co_await choose_logs(**client, options);
    if (!chosen) co_return console.fail(chosen.error());

    const std::vector<ProcessView>& views = chosen->views;
    if (options.exclude && options.targets.empty()) tell_excluded_target(console, views, *options.exclude);
    if (auto raised = raise_descriptor_limit(views.size()); !raised) co_return console.fail(raised.error());
    const ProcessView nobody;
    auto asked = make_output_query(options, views.empty() ? nobody : views.front());
    if (!asked) co_return console.fail(asked.error());
    auto filter = make_output_filter(console, *asked);
    if (!filter) co_return console.fail(filter.error());
    auto logs = std::make_unique<session::MergedLogs>(merged_style(context, options), options.request.stream,
                                                      std::move(*filter));
    int status = 0;
    Recorded most = Recorded::nothing;
    for (const ProcessView& view : views) {
        // One that could never be started has none.
        if (is_of_all && !view.log_path) continue;
        auto added = add_log(*logs, options, view);
        if (added) most = std::max(most, *added);
        if (added) continue;
        const int failed = console.fail(added.error());
        if (status == 0) status = failed;
    }
    const int shown = logs->show_recorded(console, asked->last);
    if (status == 0) status = shown;
    if (!logs->has_shown() && status == 0) {
        const std::string nothing = options.follow || views.empty() ? "" : nothing_text(options);
        if (!nothing.empty())
            console.note(nothing);
        else if (most != Recorded::something)
            console.note(silence_text(*chosen, most, options.follow));
    }
    if (!options.follow || !console.can_print() || (logs->logs.empty() && !is_of_all)) co_return status;
    session::Joining joining;
    joining.since = began;
    joining.all = is_of_all;
    for (const ProcessView& view : views)
        if (std::find(options.targets.begin(), options.targets.end(), view.label) != options.targets.end())
            joining.labels.insert(view.label);
    const int followed =
        co_await session::follow_merged(std::move(context), std::move(logs), std::move(*client), std::move(joining));
    co_return status != 0 ? status : followed;
}

}  // namespace persistproc::cli::commands
