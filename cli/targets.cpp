#include "cli/targets.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cli/format/json_text.hpp"
#include "common/async/notifier.hpp"
#include "common/async/task_group.hpp"
#include "common/ops/error.hpp"

namespace persistproc::cli {

namespace {

bool asks_for_all(const std::vector<std::string>& targets) {
    return std::find(targets.begin(), targets.end(), "all") != targets.end();
}

/// Shared by the tasks of one call; it outlives them.
struct Round {
    DaemonClient& client;
    TargetOperation& operation;
    std::vector<std::optional<ViewResult>> done;
    std::size_t pending;
    async::Notifier changed;
};

Task<> operate(Round& round, std::size_t i, std::string target) {
    auto result = co_await round.operation(round.client, std::move(target));
    round.done[i] = std::move(result);
    --round.pending;
    round.changed.notify_all();
}

}  // namespace

Task<TargetResults> for_each_target(boost::asio::any_io_executor executor, CommonOptions common,
                                    std::vector<std::string> targets, ViewFilter filter, TargetOperation operation) {
    TargetResults out;
    if (targets.size() > 1 && asks_for_all(targets)) {
        out.failed = Error{ErrorCode::invalid, "\"all\" stands for every process: give no other target beside it"};
        co_return out;
    }
    const std::filesystem::path data = common.data_directory;
    auto client = co_await DaemonClient::connect(executor, data);
    if (!client) {
        out.failed = client.error();
        co_return out;
    }
    out.targets = std::move(targets);
    if (asks_for_all(out.targets)) {
        auto views = co_await (*client)->list_all();
        if (!views) {
            out.failed = views.error();
            co_return out;
        }
        out.targets.clear();
        for (const auto& view : *views)
            if (filter(view)) out.targets.push_back(view.id);
    }
    Round round{**client, operation, {}, out.targets.size(), async::Notifier(executor)};
    round.done.resize(out.targets.size());
    async::TaskGroup tasks(executor);
    for (std::size_t i = 0; i < out.targets.size(); ++i) {
        Task<> task = operate(round, i, out.targets[i]);
        tasks.spawn("operation on " + out.targets[i], std::move(task));
    }
    while (round.pending > 0) co_await round.changed.wait();
    for (auto& one : round.done) out.results.push_back(std::move(*one));
    co_await tasks.close();
    co_return out;
}

int show_results(const Console& console, const TargetResults& results, const std::vector<std::string>& asked,
                 const std::function<std::string(const ProcessView&)>& line) {
    if (results.failed) return console.fail(*results.failed);
    if (asked.size() == 1 && !asks_for_all(asked)) {
        const ViewResult& only = results.results.front();
        if (!only) return console.fail(only.error());
        console.print(console.json() ? format::view_json(*only) : line(*only) + "\n");
        return 0;
    }
    std::vector<ProcessView> views;
    std::optional<Error> first;
    std::string messages;
    for (std::size_t i = 0; i < results.results.size(); ++i) {
        const ViewResult& one = results.results[i];
        if (one) {
            views.push_back(*one);
            if (!console.json()) console.print(line(*one) + "\n");
            continue;
        }
        if (!first) first = one.error();
        if (!messages.empty()) messages += "; ";
        messages += fmt::format("{}: {}", results.targets[i], one.error().message);
        if (!console.json()) console.fail(base::with_context(one.error(), results.targets[i]));
    }
    if (first) first->message = messages;
    if (console.json())
        console.print(format::views_json(views, first));
    else if (results.results.empty())
        console.note("no process to do it to");
    return first ? ops::exit_status(*first) : 0;
}

}  // namespace persistproc::cli
