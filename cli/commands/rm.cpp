#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "cli/commands/arguments.hpp"
#include "cli/format/json_text.hpp"
#include "cli/targets.hpp"
#include "common/base/text.hpp"

namespace persistproc::cli::commands {

namespace {

bool is_at_rest(const ProcessView& view) {
    const bool is_to_come = view.state == ProcessState::backoff || view.state == ProcessState::waiting;
    return !domain::has_tree(view) && !is_to_come && view.state != ProcessState::unsupported;
}

bool is_ours(const ProcessView& view) { return view.state != ProcessState::unsupported; }

std::string forgotten_line(const ProcessView& view) {
    return fmt::format("{} ({}) is forgotten", view.id, base::escape_line(view.label));
}

std::int64_t bytes_below(const std::filesystem::path& directory) {
    std::int64_t bytes = 0;
    std::error_code failed;
    for (std::filesystem::directory_iterator each(directory, failed), end; !failed && each != end;
         each.increment(failed)) {
        std::error_code gone;
        if (const auto size = each->file_size(gone); !gone) bytes += static_cast<std::int64_t>(size);
    }
    return bytes;
}

/// Removes one process; `freed` takes the size of its output by id.
Task<ViewResult> remove_one(DaemonClient& client, std::string target, bool force,
                            std::map<std::string, std::int64_t>& freed) {
    auto view = co_await client.find(target);
    if (!view) co_return view.error();
    ops::RemoveRequest request;
    request.process = view->id;
    if (force) {
        ops::StopRequest stop;
        stop.process = view->id;
        auto stopped = co_await client.stop(std::move(stop));
        if (!stopped) {
            Error failed = stopped.error();
            // What is on record is the stop alone.
            if (client.was_cut_off())
                failed.message += fmt::format("; then persistproc rm {}", base::shell_quote(base::excerpt(target)));
            co_return failed;
        }
    }
    const std::int64_t bytes = view->log_path ? bytes_below(std::filesystem::path(*view->log_path).parent_path()) : 0;
    auto removed = co_await client.remove(std::move(request));
    if (removed) freed[removed->id] = bytes;
    co_return removed;
}

/// One that runs is told with what forgets it all the same.
Task<ViewResult> remove_or_advise(DaemonClient& client, std::string target, bool force,
                                  std::map<std::string, std::int64_t>& freed) {
    auto removed = co_await remove_one(client, target, force, freed);
    if (removed || force || removed.error().code != ErrorCode::conflict) co_return removed;
    Error refused = removed.error();
    refused.message += fmt::format("; both at once: persistproc rm -f {}", base::excerpt(base::shell_quote(target)));
    co_return refused;
}

/// Of all, what was not removed. What another version wrote need not run.
void tell_kept(const Console& console, const std::vector<ProcessView>& kept) {
    std::vector<std::string> others;
    for (const ProcessView& view : kept)
        if (!is_ours(view)) others.push_back(view.id);
    const std::size_t running = kept.size() - others.size();
    if (running > 0)
        console.note(fmt::format("{}; persistproc rm -f all stops and forgets {}",
                                 base::counted(running, "process runs and is kept", "processes run and are kept"),
                                 running == 1 ? "it" : "them"));
    if (!others.empty())
        console.note(fmt::format("{} {} written by another version of persistproc, and kept", fmt::join(others, ", "),
                                 others.size() == 1 ? "was" : "were"));
}

std::string total_line(const std::map<std::string, std::int64_t>& freed) {
    std::int64_t bytes = 0;
    for (const auto& [id, each] : freed) bytes += each;
    return fmt::format("{} forgotten, {}", freed.size(), format::format_bytes(bytes));
}

}  // namespace

static Task<int> remove(Context context, RemoveArguments options) {
    std::map<std::string, std::int64_t> freed;
    TargetOperation operation = [&](DaemonClient& client, std::string target) {
        return remove_or_advise(client, std::move(target), options.force, freed);
    };
    std::optional<SlowEnd> end;
    if (options.force) end = SlowEnd{context.console, "stop"};
    auto results = co_await for_each_target(context.executor, context.common, options.targets,
                                            options.force ? is_ours : is_at_rest, std::move(operation), std::move(end));
    if (results.left_by != 0) {
        context.console.note("what still ran is not forgotten; persistproc rm does that");
        co_return end_by_signal(results.left_by);
    }
    if (!context.console.json()) tell_kept(context.console, results.passed_over);
    if (!results.failed && results.results.empty() && !results.passed_over.empty() && !context.console.json())
        co_return 0;
    const int status = show_results(context.console, results, options.targets, forgotten_line);
    if (freed.size() > 1 && !context.console.json()) context.console.answer(total_line(freed));
    co_return status;
}

static Task<int> prune(Context context, NoArguments) {
    std::map<std::string, std::int64_t> freed;
    TargetOperation operation = [&](DaemonClient& client, std::string target) {
        return remove_one(client, std::move(target), false, freed);
    };
    std::vector<std::string> all = {"all"};
    auto results =
        co_await for_each_target(context.executor, context.common, std::move(all), is_at_rest, std::move(operation));
    const bool has_failed = std::any_of(results.results.begin(), results.results.end(), [](const auto& one) {
        // One that was started or removed meanwhile is not to be forgotten any more.
        return !one && one.error().code != ErrorCode::conflict && one.error().code != ErrorCode::not_found;
    });
    std::vector<std::string> asked = {"all"};
    if (results.failed || has_failed || context.console.json())
        co_return show_results(context.console, results, asked, forgotten_line);
    context.console.answer(total_line(freed));
    co_return 0;
}

extern const Subcommand rm_subcommand = make_subcommand<remove>(ops::RemoveRequest::typed);

extern const Subcommand prune_subcommand = make_subcommand<prune>({
    .name = "prune",
    .words = "",
    .summary = "forget all processes that have ended",
    .text = "Forgets all processes that have ended, with their output, and says how much that was.",
    .examples = {"persistproc prune"},
});

}  // namespace persistproc::cli::commands
