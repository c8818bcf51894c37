#include "cli/commands/commands.hpp"
#include "cli/targets.hpp"

namespace persistproc::cli::commands {

namespace {

bool can_stop(const ProcessView& view) { return domain::is_live(view.state) || view.state == ProcessState::backoff; }

}  // namespace

Task<int> stop(Context context, StopOptions options) {
    const StopHow how{options.force, options.grace_seconds};
    TargetOperation operation = [how](DaemonClient& client, std::string target) {
        return client.stop(std::move(target), how);
    };
    auto results =
        co_await for_each_target(context.executor, context.common, options.targets, can_stop, std::move(operation));
    co_return show_results(context.console, results, options.targets);
}

}  // namespace persistproc::cli::commands
