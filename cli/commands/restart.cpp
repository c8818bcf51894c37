#include <fmt/format.h>

#include <map>

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
    ops::RestartRequest asked;  // of each
    Beginnings beginnings;
    std::map<std::string, std::int64_t> old_pids{};                // by id
    std::map<std::string, std::vector<std::string>> dependents{};  // that were restarted after it, by id
};

Task<ViewResult> restart_one(Context context, DaemonClient& client, std::string target, Restarts& restarts) {
    ops::RestartRequest request = restarts.asked;
    request.process = std::move(target);
    ++restarts.beginnings.asking;
    auto restarted = co_await client.restart(std::move(request));
    --restarts.beginnings.asking;
    if (!restarted) co_return restarted.error();
    if (restarted->old_pid) restarts.old_pids[restarted->id] = *restarted->old_pid;
    if (!restarted->dependents.empty()) restarts.dependents[restarted->id] = restarted->dependents;
    ProcessView begun = std::move(*restarted);
    co_return co_await watch_one(context, client, std::move(begun), restarts.beginnings);
}

}  // namespace

static Task<int> restart(Context context, RestartArguments options) {
    auto asked = make_restart_request(options);
    if (!asked) co_return context.console.fail(asked.error());
    Restarts restarts{std::move(*asked), Beginnings{settle_span(options.settle.seconds)}};
    TargetOperation operation = [&](DaemonClient& client, std::string target) {
        return restart_one(context, client, std::move(target), restarts);
    };
    SlowEnd end{context.console, "restart"};
    end.going_on = [&restarts] { return restarts.beginnings.going_on("what was restarted"); };
    auto results = co_await for_each_target(context.executor, context.common, options.targets, can_restart,
                                            std::move(operation), std::move(end));
    if (results.left_by != 0) co_return end_by_signal(results.left_by);
    const int settled = restarts.beginnings.status();
    const auto was_text = [&restarts](const ProcessView& view) {
        const auto old = restarts.old_pids.find(view.id);
        const auto then = restarts.dependents.find(view.id);
        std::string out = old == restarts.old_pids.end() ? std::string() : fmt::format(" (was {})", old->second);
        if (then != restarts.dependents.end()) out += fmt::format("; then {}", fmt::join(then->second, ", "));
        return out;
    };
    const bool is_one = options.targets.size() == 1 && results.results.size() == 1 && options.targets.front() != "all";
    if (!is_one || !results.results.front()) {
        const auto line = [&](const ProcessView& view) {
            return restarts.beginnings.failed.contains(view.id) ? std::string()  // that was told
                                                                : begun_line(view) + was_text(view);
        };
        const int status = show_results(context.console, results, options.targets, line);
        co_return status == 0 ? settled : status;
    }
    const ProcessView& view = *results.results.front();
    if (context.console.json()) {
        const auto old = restarts.old_pids.find(view.id);
        const auto old_pid = old == restarts.old_pids.end() ? std::nullopt : std::optional(old->second);
        context.console.print(format::restarted_json(view, old_pid, restarts.dependents[view.id]));
    } else if (settled == 0) {
        context.console.answer(begun_line(view) + was_text(view));
    }
    co_return settled;
}

extern const Subcommand restart_subcommand = make_subcommand<restart>(ops::RestartRequest::typed);

}  // namespace persistproc::cli::commands
