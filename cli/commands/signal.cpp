#include "cli/commands/commands.hpp"
#include "cli/targets.hpp"

namespace persistproc::cli::commands {

namespace {

bool can_signal(const ProcessView& view) { return domain::is_live(view.state); }

}  // namespace

Task<int> signal(Context context, SignalOptions options) {
    const std::string name = options.signal;
    TargetOperation operation = [name](DaemonClient& client, std::string target) {
        return client.signal(std::move(target), name);
    };
    auto results =
        co_await for_each_target(context.executor, context.common, options.targets, can_signal, std::move(operation));
    co_return show_results(context.console, results, options.targets);
}

}  // namespace persistproc::cli::commands
