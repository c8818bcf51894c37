#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "cli/commands/list.hpp"
#include "cli/format/cells.hpp"
#include "cli/format/json_text.hpp"
#include "cli/format/output_text.hpp"
#include "cli/format/process_text.hpp"
#include "cli/run_survey.hpp"
#include "cli/session/attach.hpp"
#include "cli/targets.hpp"
#include "common/base/text.hpp"
#include "common/logstore/loss_text.hpp"
#include "common/rundir/daemon_paths.hpp"

namespace persistproc::cli::commands {

namespace {

Task<ViewResult> describe(DaemonClient& client, std::string target, std::map<std::string, ops::ProcessDetails>& into) {
    auto details = co_await client.describe(std::move(target));
    if (!details) co_return details.error();
    ProcessView view = *details;
    into[view.id] = std::move(*details);
    co_return view;
}

// As systemctl and the Linux Standard Base have it.
constexpr int not_running = 3;

bool every_process(const ProcessView&) { return true; }

/// The last lines of the run that ended badly.
void print_last_output(const Console& console, const ProcessView& view) {
    constexpr std::uint64_t lines = 10;
    const auto id = domain::find_process_id(view.id);
    if (!view.log_path || !view.run || !id) return;
    const auto log = find_log(view);
    if (!log) {
        console.fail(log.error());
        return;
    }
    logstore::LineQuery query;
    query.run = domain::find_run_number(*view.run, *id);
    query.last = lines;
    auto log_view = logstore::LogView::open(*log);
    const auto page = log_view ? log_view->read(query) : log_view.error();
    if (!page) {
        console.fail(page.error());
        return;
    }
    // What is being printed gets its index at once.
    const bool may_be_damaged = log_view->end() == 0 || !domain::has_tree(view);
    if (page->lines.empty() && may_be_damaged && log_view->unindexed_bytes() > 0) {
        console.note(logstore::unindexed_text(log_view->unindexed_bytes(), *view.run, *log));
        return;
    }
    if (page->lines.empty()) {
        console.print(fmt::format("\n{} printed nothing\n", *view.run));
        return;
    }
    format::OutputStyle style = session::style_for_terminal(console, view, false, false);
    style.before = "  ";
    const bool has_more = page->omitted_before > 0;
    std::string text = fmt::format(
        "the last {} of {}{}:", page->lines.size() == 1 ? "line" : base::counted(page->lines.size(), "line"), *view.run,
        has_more ? fmt::format(" (persistproc output {} has more)", format::target_word(view)) : std::string());
    if (const int width = console.width(); width > 0)
        text = format::wrap_behind(text, static_cast<std::size_t>(width), 0);
    text = "\n" + text + "\n";
    for (const logstore::Line& line : page->lines) text += format::line_text(line, style, false);
    console.print(text);
}

}  // namespace

static Task<int> status(Context context, StatusArguments options) {
    if (options.targets.empty()) {
        ListArguments everything;
        co_return co_await list(std::move(context), std::move(everything));
    }
    std::map<std::string, ops::ProcessDetails> details;
    TargetOperation operation = [&details](DaemonClient& client, std::string target) {
        return describe(client, std::move(target), details);
    };
    std::optional<SlowEnd> no_end;
    auto results = co_await for_each_target(context.executor, context.common, options.targets, every_process,
                                            std::move(operation), std::move(no_end), true);
    if (results.failed) co_return context.console.fail(*results.failed);
    int worst = 0;
    for (const auto& one : results.results) {
        int own = 0;
        if (!one)
            own = one.error().code == ErrorCode::not_found ? unknown_process_status : 125;
        else if (!domain::is_live(*one) && !(one->state == ProcessState::unsupported && domain::has_tree(*one)))
            own = not_running;
        worst = std::max(worst, own);
    }
    if (context.console.json()) {
        const bool is_one = options.targets.size() == 1 && results.results.size() == 1 && options.targets[0] != "all";
        if (is_one && results.results[0])
            context.console.print(format::details_json(details.at(results.results[0]->id)));
        else
            show_results(context.console, results, options.targets);
        co_return worst;
    }
    if (results.results.empty()) {
        context.console.note("there is no process");
        co_return 0;
    }
    bool first = true;
    for (const auto& one : results.results) {
        if (!one) {
            context.console.fail(one.error());
            continue;
        }
        if (!first) context.console.print("\n");
        first = false;
        context.console.print(format::process_details(details.at(one->id), base::wall_now(), context.console.style()));
        if (format::ended_badly(*one) && rundir::check_present(context.common.data_directory, rundir::daemon_lock_name))
            print_last_output(context.console, *one);
    }
    co_return worst;
}

extern const Subcommand status_subcommand = make_subcommand<status>({
    .name = "status",
    .words = "[TARGET… | all]",
    .summary = "one process in full",
    .text = "Processes in full; of one that ended badly its last lines, too, and what to type. Without a TARGET it is "
            "list.",
    .examples = {"persistproc status web"},
    .statuses = {{0, "it runs"}, {3, "it does not run"}, {4, "there is no such process"}},
    .words_kind = schema::ValueKind::target,
});

}  // namespace persistproc::cli::commands
