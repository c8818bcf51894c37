#include <fmt/format.h>

#include "cli/commands/arguments.hpp"
#include "cli/targets.hpp"
#include "common/base/text.hpp"

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
    const auto line = [&options](const ProcessView& view) {
        return fmt::format("sent {} to {} ({})", options.request.signal, view.id, base::escape_line(view.label));
    };
    co_return show_results(context.console, results, options.targets, line);
}

extern const Subcommand signal_subcommand = make_subcommand<signal>(ops::SignalRequest::typed);

}  // namespace persistproc::cli::commands
