#include <fmt/format.h>

#include <map>
#include <set>
#include <vector>

#include "cli/commands/arguments.hpp"
#include "cli/environment.hpp"
#include "cli/format/ending.hpp"
#include "cli/format/json_text.hpp"
#include "cli/format/process_text.hpp"
#include "cli/settle.hpp"
#include "cli/targets.hpp"

namespace persistproc::cli::commands {

namespace {

bool can_restart(const ProcessView& view) { return domain::is_live(view) || view.state == ProcessState::backoff; }

struct Restarts {
    ops::RestartRequest asked;                       // of each
    std::chrono::nanoseconds settle;                 // 0: they are not watched
    std::map<std::string, std::int64_t> old_pids{};  // by id
    std::set<std::string> failed{};                  // ids of those that were watched
    std::size_t asking = 0;                          // whose answers are still to come
    std::vector<std::string> begun{};                // names of those that were restarted

    /// What goes on where nobody looks any more; empty: a restart.
    std::string going_on() const {
        if (asking > 0 || begun.empty()) return {};
        return begun.size() == 1 ? begun.front() : "what was restarted";
    }
};

Task<ViewResult> restart_one(Context context, DaemonClient& client, std::string target, Restarts& restarts) {
    ops::RestartRequest request = restarts.asked;
    request.process = std::move(target);
    ++restarts.asking;
    auto restarted = co_await client.restart(std::move(request));
    --restarts.asking;
    if (!restarted) co_return restarted.error();
    restarts.begun.push_back(format::name_text(*restarted));
    if (restarted->old_pid) restarts.old_pids[restarted->id] = *restarted->old_pid;
    ProcessView begun = std::move(*restarted);
    tell_leftovers_ended(context.console, begun);
    if (restarts.settle.count() == 0) co_return begun;
    auto watched = co_await watch_beginning(context, client, begun, restarts.settle, true);
    if (!watched) co_return watched.error();
    if (has_begun_badly(*watched)) {
        restarts.failed.insert(watched->id);
        co_await tell_failure(context, *watched);
    }
    co_return std::move(*watched);
}

std::string begun_line(const ProcessView& view) {
    return domain::is_live(view) ? format::process_line(view) : format::ending_text(view, base::wall_now());
}

}  // namespace

static Task<int> restart(Context context, RestartArguments options) {
    auto asked = make_restart_request(options);
    if (!asked) co_return context.console.fail(asked.error());
    Restarts restarts{std::move(*asked), settle_span(options.settle.seconds)};
    TargetOperation operation = [&](DaemonClient& client, std::string target) {
        return restart_one(context, client, std::move(target), restarts);
    };
    SlowEnd end{context.console, "restart"};
    end.going_on = [&restarts] { return restarts.going_on(); };
    auto results = co_await for_each_target(context.executor, context.common, options.targets, can_restart,
                                            std::move(operation), std::move(end));
    if (results.was_left) co_return interrupted_status;
    const int settled = restarts.failed.empty() ? 0 : begun_badly_status;
    const auto was_text = [&restarts](const ProcessView& view) {
        const auto old = restarts.old_pids.find(view.id);
        return old == restarts.old_pids.end() ? std::string() : fmt::format(" (was {})", old->second);
    };
    const bool is_one = options.targets.size() == 1 && results.results.size() == 1 && options.targets.front() != "all";
    if (!is_one || !results.results.front()) {
        const auto line = [&](const ProcessView& view) {
            return restarts.failed.contains(view.id) ? std::string()  // that was told
                                                     : begun_line(view) + was_text(view);
        };
        const int status = show_results(context.console, results, options.targets, line);
        co_return status == 0 ? settled : status;
    }
    const ProcessView& view = *results.results.front();
    if (context.console.json()) {
        const auto old = restarts.old_pids.find(view.id);
        context.console.print(
            format::restarted_json(view, old == restarts.old_pids.end() ? std::nullopt : std::optional(old->second)));
    } else if (restarts.failed.empty()) {
        context.console.answer(begun_line(view) + was_text(view));
    }
    co_return settled;
}

extern const Subcommand restart_subcommand = make_subcommand<restart>(ops::RestartRequest::typed);

}  // namespace persistproc::cli::commands
