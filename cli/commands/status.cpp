#include <algorithm>

#include "cli/commands/arguments.hpp"
#include "cli/format/json_text.hpp"
#include "cli/format/process_text.hpp"
#include "cli/targets.hpp"

namespace persistproc::cli::commands {

namespace {

// As systemctl and the Linux Standard Base have it.
constexpr int not_running = 3;
constexpr int unknown = 4;

bool every_process(const ProcessView&) { return true; }

}  // namespace

static Task<int> status(Context context, StatusArguments options) {
    TargetOperation operation = [](DaemonClient& client, std::string target) { return client.find(std::move(target)); };
    auto results = co_await for_each_target(context.executor, context.common, options.targets, every_process,
                                            std::move(operation), true);
    if (results.failed) co_return context.console.fail(*results.failed);
    int worst = 0;
    for (const auto& one : results.results) {
        int own = 0;
        if (!one)
            own = one.error().code == ErrorCode::not_found ? unknown : 125;
        else if (!domain::is_live(*one))
            own = not_running;
        worst = std::max(worst, own);
    }
    if (context.console.json()) {
        show_results(context.console, results, options.targets);
        co_return worst;
    }
    if (results.results.empty()) {
        context.console.note("there is no process");
        co_return unknown;
    }
    bool first = true;
    for (const auto& one : results.results) {
        if (!one) {
            context.console.fail(one.error());
            continue;
        }
        if (!first) context.console.print("\n");
        first = false;
        context.console.print(format::process_details(*one, base::wall_now()));
    }
    co_return worst;
}

extern const Subcommand status_subcommand = make_subcommand<status>({
    .name = "status",
    .words = "TARGET… | all",
    .summary = "one process in full",
    .text = "Processes in full.",
    .examples = {"persistproc status web"},
    .statuses = {{0, "it runs"}, {3, "it does not run"}, {4, "there is no such process"}},
    .words_kind = schema::ValueKind::target,
});

}  // namespace persistproc::cli::commands
