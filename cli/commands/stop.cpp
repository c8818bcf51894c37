#include <set>
#include <string>

#include "cli/commands/arguments.hpp"
#include "cli/format/ending.hpp"
#include "cli/targets.hpp"

namespace persistproc::cli::commands {

namespace {

/// What a lost one left running is found when it is stopped.
bool can_stop(const ProcessView& view) {
    const bool is_to_come = view.state == ProcessState::backoff || view.state == ProcessState::waiting;
    return domain::has_tree(view) || is_to_come || view.state == ProcessState::lost;
}

/// `at_rest` takes the id of one that nothing was done to.
Task<ViewResult> stop_one(DaemonClient& client, ops::StopRequest request, std::set<std::string>& at_rest) {
    std::string target = request.process;
    const auto before = co_await client.find(std::move(target));
    auto stopped = co_await client.stop(std::move(request));
    const bool is_same = before && stopped && before->id == stopped->id && before->run == stopped->run;
    if (is_same && !can_stop(*before) && before->ended_at == stopped->ended_at) at_rest.insert(stopped->id);
    co_return stopped;
}

}  // namespace

static Task<int> stop(Context context, StopArguments options) {
    std::set<std::string> at_rest;
    TargetOperation operation = [&](DaemonClient& client, std::string target) {
        ops::StopRequest request = options.request;
        request.process = std::move(target);
        return stop_one(client, std::move(request), at_rest);
    };
    const auto line = [&at_rest](const ProcessView& view) {
        return at_rest.contains(view.id) ? format::name_text(view) + " was not running" : format::process_line(view);
    };
    SlowEnd end{context.console, "stop"};
    auto results = co_await for_each_target(context.executor, context.common, options.targets, can_stop,
                                            std::move(operation), std::move(end));
    if (results.left_by != 0) co_return end_by_signal(results.left_by);
    co_return show_results(context.console, results, options.targets, line);
}

extern const Subcommand stop_subcommand = make_subcommand<stop>(ops::StopRequest::typed);

}  // namespace persistproc::cli::commands
