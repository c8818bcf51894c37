#include "cli/commands/arguments.hpp"
#include "cli/targets.hpp"

namespace persistproc::cli::commands {

namespace {

/// What a lost one left running is found when it is stopped.
bool can_stop(const ProcessView& view) {
    return domain::has_tree(view) || view.state == ProcessState::backoff || view.state == ProcessState::lost;
}

}  // namespace

static Task<int> stop(Context context, StopArguments options) {
    TargetOperation operation = [&options](DaemonClient& client, std::string target) {
        ops::StopRequest request = options.request;
        request.process = std::move(target);
        return client.stop(std::move(request));
    };
    SlowEnd end{context.console, "stop"};
    auto results = co_await for_each_target(context.executor, context.common, options.targets, can_stop,
                                            std::move(operation), std::move(end));
    if (results.was_left) co_return interrupted_status;
    co_return show_results(context.console, results, options.targets);
}

extern const Subcommand stop_subcommand = make_subcommand<stop>(ops::StopRequest::typed);

}  // namespace persistproc::cli::commands
