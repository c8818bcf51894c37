#include "cli/commands/arguments.hpp"
#include "cli/targets.hpp"

namespace persistproc::cli::commands {

namespace {

bool can_signal(const ProcessView& view) { return domain::is_live(view); }

}  // namespace

static Task<int> signal(Context context, SignalArguments options) {
    TargetOperation operation = [&options](DaemonClient& client, std::string target) {
        ops::SignalRequest request = options.request;
        request.process = std::move(target);
        return client.signal(std::move(request));
    };
    auto results =
        co_await for_each_target(context.executor, context.common, options.targets, can_signal, std::move(operation));
    co_return show_results(context.console, results, options.targets);
}

extern const Subcommand signal_subcommand = make_subcommand<signal>(ops::SignalRequest::typed);

}  // namespace persistproc::cli::commands
