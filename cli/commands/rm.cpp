#include <fmt/format.h>

#include "cli/commands/commands.hpp"
#include "cli/targets.hpp"

namespace persistproc::cli::commands {

namespace {

bool can_remove(const ProcessView& view) {
    return !domain::is_live(view.state) && view.state != ProcessState::backoff &&
           view.state != ProcessState::unsupported;
}

}  // namespace

Task<int> remove(Context context, RemoveOptions options) {
    TargetOperation operation = [](DaemonClient& client, std::string target) {
        return client.remove(std::move(target));
    };
    auto results =
        co_await for_each_target(context.executor, context.common, options.targets, can_remove, std::move(operation));
    if (context.console.json() || results.failed || options.targets.size() != 1 || results.results.size() != 1 ||
        !results.results.front())
        co_return show_results(context.console, results, options.targets);
    const ProcessView& view = *results.results.front();
    context.console.print(fmt::format("{} ({}) is forgotten\n", view.id, view.label));
    co_return 0;
}

}  // namespace persistproc::cli::commands
