#include <fmt/format.h>

#include "cli/commands/arguments.hpp"
#include "cli/targets.hpp"
#include "common/base/text.hpp"

namespace persistproc::cli::commands {

namespace {

bool is_readable(const ProcessView& view) { return view.state != ProcessState::unsupported; }

std::string emptied_line(const ProcessView& view) {
    return fmt::format("the output of {} ({}) is empty now", view.id, base::escape_line(view.label));
}

}  // namespace

static Task<int> flush(Context context, FlushArguments options) {
    TargetOperation operation = [](DaemonClient& client, std::string target) {
        ops::FlushRequest request;
        request.process = std::move(target);
        return client.flush(std::move(request));
    };
    auto results =
        co_await for_each_target(context.executor, context.common, options.targets, is_readable, std::move(operation));
    co_return show_results(context.console, results, options.targets, emptied_line);
}

extern const Subcommand flush_subcommand = make_subcommand<flush>(ops::FlushRequest::typed);

}  // namespace persistproc::cli::commands
