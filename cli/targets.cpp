#include "cli/targets.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "cli/daemon_start.hpp"
#include "cli/format/json_text.hpp"
#include "common/async/notifier.hpp"
#include "common/async/task_group.hpp"
#include "common/base/text.hpp"
#include "common/ops/error.hpp"

namespace persistproc::cli {

namespace {

bool asks_for_all(const std::vector<std::string>& targets) {
    return std::find(targets.begin(), targets.end(), "all") != targets.end();
}

/// Each has a connection, of which a daemon gives its clients 1,024 at most.
constexpr std::size_t most_at_once = 512;

/// Shared by the tasks of one call; it outlives them.
struct Round {
    DaemonClient& client;
    TargetOperation& operation;
    std::vector<std::optional<ViewResult>> done;
    std::size_t next;  // that nobody is at yet
    std::size_t pending;
    async::Notifier changed;
    int left_by = 0;
};

Task<> operate(Round& round, const std::vector<std::string>& targets) {
    while (round.next < targets.size()) {
        const std::size_t i = round.next++;
        std::string target = targets[i];
        auto result = co_await round.operation(round.client, std::move(target));
        round.done[i] = std::move(result);
        --round.pending;
        round.changed.notify_all();
    }
}

Task<> tell_slow_ends(Round& round, const std::vector<std::string>& targets, SlowEnd end) {
    async::SystemClock clock;
    const MonoTime until = clock.now() + silence_bound;
    co_await clock.sleep_until(until);
    for (std::size_t i = 0; i < targets.size(); ++i) {
        if (round.done[i]) continue;
        auto view = co_await round.client.find(targets[i]);
        if (view && view->state == ProcessState::stopping) tell_slow_end(end, *view);
    }
}

Task<> leave_round(Round& round, boost::asio::any_io_executor executor, SlowEnd end) {
    round.left_by = co_await leave_by_signal(executor, std::move(end));
    round.changed.notify_all();
}

/// Without those that name a process which one before them has named. What names none, or several, stays.
Task<std::vector<std::string>> each_once(DaemonClient& client, std::vector<std::string> targets) {
    std::set<std::string> seen;
    std::vector<std::string> words;
    for (std::string& target : targets)
        if (seen.insert(target).second) words.push_back(std::move(target));
    if (words.size() == 1) co_return words;
    std::vector<std::string> out;
    std::set<std::string> ids;
    for (std::string& word : words) {
        auto view = co_await client.find(word);
        if (!view || ids.insert(view->id).second) out.push_back(std::move(word));
    }
    co_return out;
}

}  // namespace

Error no_such_process(const std::string& target) {
    return Error{ErrorCode::not_found,
                 fmt::format("no process is {}: there are none yet", base::quote(base::excerpt(target)))};
}

Task<TargetResults> for_each_target(boost::asio::any_io_executor executor, CommonOptions common,
                                    std::vector<std::string> targets, ViewFilter filter, TargetOperation operation,
                                    std::optional<SlowEnd> end, bool only_reads) {
    TargetResults out;
    if (targets.size() > 1 && asks_for_all(targets)) {
        out.failed = Error{ErrorCode::invalid, "\"all\" stands for every process: give no other target beside it"};
        co_return out;
    }
    Result<std::unique_ptr<DaemonClient>> client = Error{};
    if (only_reads)
        client = co_await connect_to_read(executor, common);
    else
        client = co_await connect_to_change(executor, common);
    if (!client) {
        out.failed = client.error();
        co_return out;
    }
    out.targets = std::move(targets);
    if (!*client) {
        std::erase(out.targets, "all");
        for (const std::string& target : out.targets) out.results.emplace_back(no_such_process(target));
        co_return out;
    }
    if (asks_for_all(out.targets)) {
        auto views = co_await (*client)->list_all();
        if (!views) {
            out.failed = views.error();
            co_return out;
        }
        out.targets.clear();
        for (auto& view : *views)
            if (filter(view))
                out.targets.push_back(view.id);
            else
                out.passed_over.push_back(std::move(view));
    } else if (out.targets.size() > 1) {
        auto once = each_once(**client, std::move(out.targets));
        out.targets = co_await std::move(once);
    }
    Round round{**client, operation, {}, 0, out.targets.size(), async::Notifier(executor)};
    round.done.resize(out.targets.size());
    async::TaskGroup tasks(executor);
    for (std::size_t i = 0; i < std::min(out.targets.size(), most_at_once); ++i) {
        Task<> task = operate(round, out.targets);
        tasks.spawn("operations", std::move(task));
    }
    if (end) {
        tasks.spawn("slow end", tell_slow_ends(round, out.targets, *end));
        tasks.spawn("signals", leave_round(round, executor, *end));
    }
    while (round.pending > 0 && round.left_by == 0) co_await round.changed.wait();
    co_await tasks.close();
    out.left_by = round.left_by;
    if (out.left_by != 0) co_return out;
    for (auto& one : round.done) out.results.push_back(std::move(*one));
    co_return out;
}

int show_results(const Console& console, const TargetResults& results, const std::vector<std::string>& asked,
                 const std::function<std::string(const ProcessView&)>& line) {
    if (results.failed) return console.fail(*results.failed);
    if (asked.size() == 1 && !asks_for_all(asked)) {
        const ViewResult& only = results.results.front();
        if (!only) return console.fail(only.error());
        if (console.json())
            console.print(format::view_json(*only));
        else
            console.answer(line(*only));
        return 0;
    }
    std::vector<ProcessView> views;
    std::optional<Error> first;
    std::string messages;
    for (std::size_t i = 0; i < results.results.size(); ++i) {
        const ViewResult& one = results.results[i];
        if (one) {
            views.push_back(*one);
            const std::string text = console.json() ? std::string() : line(*one);
            if (!text.empty()) console.answer(text);
            continue;
        }
        // Most messages name it.
        const std::string& target = results.targets[i];
        const bool is_named = one.error().message.find(target) != std::string::npos;
        const Error error = is_named ? one.error() : base::with_context(one.error(), base::excerpt(target));
        if (!first) first = one.error();
        if (!messages.empty()) messages += "; ";
        messages += error.message;
        if (!console.json()) console.fail(error);
    }
    if (first) first->message = messages;
    if (console.json())
        console.print(format::views_json(views, first));
    else if (results.results.empty())
        console.note(results.passed_over.empty() ? "there are no processes"
                                                 : "no process is in a state for that; persistproc list shows all");
    return first ? ops::exit_status(*first) : 0;
}

}  // namespace persistproc::cli
