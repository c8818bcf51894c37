#include <fmt/format.h>

#include "cli/commands/arguments.hpp"
#include "cli/targets.hpp"
#include "common/base/text.hpp"

namespace persistproc::cli::commands {

namespace {

bool can_remove(const ProcessView& view) {
    return !domain::is_live(view) && view.state != ProcessState::backoff && view.state != ProcessState::unsupported;
}

std::string forgotten_line(const ProcessView& view) {
    return fmt::format("{} ({}) is forgotten", view.id, base::escape_line(view.label));
}

}  // namespace

static Task<int> remove(Context context, RemoveArguments options) {
    TargetOperation operation = [](DaemonClient& client, std::string target) {
        ops::RemoveRequest request;
        request.process = std::move(target);
        return client.remove(std::move(request));
    };
    auto results =
        co_await for_each_target(context.executor, context.common, options.targets, can_remove, std::move(operation));
    co_return show_results(context.console, results, options.targets, forgotten_line);
}

extern const Subcommand rm_subcommand = make_subcommand<remove>(ops::RemoveRequest::typed);

}  // namespace persistproc::cli::commands
