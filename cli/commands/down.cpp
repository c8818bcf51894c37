#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "cli/commands/project_arguments.hpp"
#include "cli/commands/project_call.hpp"
#include "cli/daemon_start.hpp"
#include "cli/environment.hpp"
#include "cli/format/json_text.hpp"
#include "cli/format/process_text.hpp"
#include "cli/signals.hpp"
#include "cli/slow_end.hpp"
#include "common/async/notifier.hpp"
#include "common/async/task_group.hpp"
#include "common/base/text.hpp"
#include "common/project/names.hpp"

namespace persistproc::cli::commands {

namespace {

/// The first of `names` that the file defines no process or group for, as far as it can be read; nothing: there is
/// none.
std::optional<Error> find_unknown(const std::vector<std::string>& names, const project::FoundFile& found) {
    std::vector<std::string> known;
    for (const auto& each : project::find_names("", found.file, ""))
        for (const std::string& name : {each.name, each.script})
            if (!name.empty()) known.push_back(name);
    for (const std::string& name : names) {
        if (known.empty() || std::find(known.begin(), known.end(), name) != known.end()) continue;
        const std::string near = base::nearest_word(name, known);
        return Error{ErrorCode::not_found,
                     fmt::format("{}: no process or group is {}{}", base::escape_line(found.file),
                                 base::quote(base::excerpt(name)), near.empty() ? near : "; nearest: " + near)};
    }
    return std::nullopt;
}

/// Shared by the tasks of one call; it outlives them.
struct Round {
    Context context;
    ops::RunProjectRequest request;
    async::Notifier moved;
    std::optional<Result<ops::RunProjectResponse>> answer;
    int left_by = 0;  // a signal; 0: none
};

Task<> ask(Round& round, std::unique_ptr<DaemonClient>& client) {
    ops::RunProjectRequest request = round.request;
    auto answer = co_await run_project(round.context, client, std::move(request));
    round.answer.emplace(std::move(answer));
    round.moved.notify_all();
}

/// The same on a connection of its own, by SIGKILL: the first call then has its answer.
Task<> force(Round& round) {
    std::filesystem::path data = round.context.common.data_directory;
    auto client = co_await DaemonClient::connect(round.context.executor, std::move(data));
    if (!client) co_return;
    ops::RunProjectRequest request = round.request;
    request.force = true;
    co_await (*client)->run_project(std::move(request));
}

Task<> tell_slow(Round& round) {
    async::SystemClock clock;
    const MonoTime until = clock.now() + silence_bound;
    co_await clock.sleep_until(until);
    std::filesystem::path data = round.context.common.data_directory;
    auto client = co_await DaemonClient::connect(round.context.executor, std::move(data));
    if (!client) co_return;
    ops::RunProjectRequest request = round.request;
    request.action = ops::ProjectAction::show;
    request.names.clear();
    auto answer = co_await (*client)->run_project(std::move(request));
    if (!answer) co_return;
    std::vector<std::string> names;
    for (const ProcessView& view : answer->processes)
        if (view.state == ProcessState::stopping && view.project) names.push_back(view.project->process);
    if (names.empty()) co_return;
    round.context.console.note(fmt::format("stopping {}; Ctrl+C twice kills what is left", fmt::join(names, ", ")));
}

/// The first Ctrl+C says what the second does; a third, like any other signal, leaves.
Task<> listen(Round& round, async::TaskGroup& tasks) {
    const Console console = round.context.console;
    boost::asio::signal_set signals(round.context.executor);
    add_ending_signals(signals);
    int number = 0;
    for (int times = round.request.force ? 2 : 0;;) {
        number = co_await signals.async_wait(boost::asio::use_awaitable);
        if (number == SIGINT && ::isatty(STDERR_FILENO) == 1 && !console.quiet()) console.break_line();
        if (number != SIGINT || ++times > 2) break;
        if (times == 1) console.note("still stopping; Ctrl+C again kills what is left");
        if (times == 2) tasks.spawn("force", force(round));
    }
    console.note("left; the down goes on");
    round.left_by = number;
    round.moved.notify_all();
}

}  // namespace

static Task<int> down(Context context, DownArguments options) {
    const Console console = context.console;
    auto request = make_project_request(options.place);
    if (!request) co_return console.fail(request.error());
    request->action = ops::ProjectAction::down;
    request->names = options.names;
    request->no_dependencies = options.only;
    request->force = options.force;
    auto client = co_await connect_to_read(context.executor, context.common);
    if (!client) co_return console.fail(client.error());
    if (!*client) {
        const auto found = find_project(request->directory, request->file);
        if (!found) co_return fail_for_project(console, found.error());
        if (auto unknown = find_unknown(request->names, *found)) co_return fail_for_project(console, *unknown);
        ops::RunProjectResponse nothing;
        nothing.file = found->file;
        if (console.json()) console.print(format::project_run_json(nothing));
        console.note(no_processes_yet);
        co_return 0;
    }
    Round round{context, std::move(*request), async::Notifier(context.executor), std::nullopt};
    async::TaskGroup tasks(context.executor);
    tasks.spawn("signals", listen(round, tasks));
    tasks.spawn("slow end", tell_slow(round));
    tasks.spawn("down", ask(round, *client));
    while (!round.answer && round.left_by == 0) co_await round.moved.wait();
    co_await tasks.close();
    if (!round.answer) co_return end_by_signal(round.left_by);
    const auto& answer = *round.answer;
    if (!answer) co_return fail_for_project(console, answer.error());
    if (console.json()) {
        console.print(format::project_run_json(*answer));
        co_return 0;
    }
    for (const auto& view : answer->processes) console.answer(format::process_line(view));
    co_return 0;
}

extern const Subcommand down_subcommand = make_subcommand<down>(DownArguments::typed);

}  // namespace persistproc::cli::commands
