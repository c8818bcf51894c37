#include <fmt/format.h>

#include <map>

#include "cli/commands/arguments.hpp"
#include "cli/environment.hpp"
#include "cli/format/json_text.hpp"
#include "cli/format/process_text.hpp"
#include "cli/targets.hpp"

namespace persistproc::cli::commands {

namespace {

using OldPids = std::map<std::string, std::int64_t>;  // by id

bool can_restart(const ProcessView& view) { return domain::is_live(view) || view.state == ProcessState::backoff; }

Task<ViewResult> restart_one(DaemonClient& client, ops::RestartRequest request, OldPids& old_pids) {
    auto restarted = co_await client.restart(std::move(request));
    if (!restarted) co_return restarted.error();
    if (restarted->old_pid) old_pids[restarted->id] = *restarted->old_pid;
    co_return static_cast<ProcessView&&>(std::move(*restarted));
}

}  // namespace

static Task<int> restart(Context context, RestartArguments options) {
    OldPids old_pids;
    const auto asked = make_restart_request(options);
    if (!asked) co_return context.console.fail(asked.error());
    TargetOperation operation = [&asked, &old_pids](DaemonClient& client, std::string target) {
        ops::RestartRequest request = *asked;
        request.process = std::move(target);
        return restart_one(client, std::move(request), old_pids);
    };
    SlowEnd end{context.console, "restart", options.request.grace_seconds};
    auto results = co_await for_each_target(context.executor, context.common, options.targets, can_restart,
                                            std::move(operation), std::move(end));
    if (results.was_left) co_return interrupted_status;
    const bool is_one = options.targets.size() == 1 && results.results.size() == 1 && options.targets.front() != "all";
    if (!is_one || !results.results.front()) co_return show_results(context.console, results, options.targets);
    const ProcessView& view = *results.results.front();
    const auto old_pid = old_pids.find(view.id);
    const std::optional<std::int64_t> old = old_pid == old_pids.end() ? std::nullopt : std::optional(old_pid->second);
    if (context.console.json())
        context.console.print(format::restarted_json(view, old));
    else
        context.console.answer(format::process_line(view) + (old ? fmt::format(" (was {})", *old) : std::string()));
    co_return 0;
}

extern const Subcommand restart_subcommand = make_subcommand<restart>(ops::RestartRequest::typed);

}  // namespace persistproc::cli::commands
