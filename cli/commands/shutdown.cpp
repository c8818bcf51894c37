#include <fmt/format.h>

#include <boost/asio/experimental/awaitable_operators.hpp>

#include "cli/client.hpp"
#include "cli/commands/arguments.hpp"
#include "cli/daemon_end.hpp"
#include "cli/format/json_text.hpp"
#include "cli/run_survey.hpp"
#include "cli/slow_end.hpp"
#include "common/async/task_group.hpp"
#include "common/base/file_lock.hpp"
#include "common/base/text.hpp"
#include "common/ops/client_operations.hpp"
#include "common/ops/error.hpp"
#include "common/rundir/daemon_paths.hpp"

namespace persistproc::cli::commands {

namespace {

using boost::asio::experimental::awaitable_operators::operator||;

/// Nothing to end is no failure; programs that were to be stopped and run on without a daemon are one.
int without_daemon(const Context& context, const ShutdownArguments& options, const Error& why) {
    const std::filesystem::path data = context.common.data_directory;
    const auto held = base::is_locked(data / rundir::daemon_lock_name);
    if (why.code != ErrorCode::unavailable || (held && *held)) return context.console.fail(why);
    const auto counted = count_processes(data);
    if (!counted) return context.console.fail(counted.error());
    const std::size_t live = counted->live;
    if (live > 0 && !options.request.keep)
        return context.console.fail(
            Error{ErrorCode::unavailable,
                  fmt::format("no daemon runs, but {} on; take over first: {}",
                              base::counted(live, "program runs", "programs run"), serve_command(data))});
    if (context.console.json())
        context.console.print(format::shutdown_json({}));
    else
        context.console.note("no daemon runs");
    return 0;
}

/// What goes on and is not ours to stop; empty: nothing.
std::string others_text(const ops::ShutdownResponse& answer) {
    if (answer.untouched.empty()) return "";
    return fmt::format("; another version of persistproc keeps {}", fmt::join(answer.untouched, ", "));
}

/// What was to be stopped and runs on is a failure.
int left_alone(const Console& console, const ShutdownArguments& options, const ops::ShutdownResponse& answer) {
    if (options.request.keep) return 0;
    if (!answer.kept.empty()) {
        // A daemon of an older release does not say why.
        const std::string names =
            fmt::format("{} {} on", fmt::join(answer.kept, ", "), answer.kept.size() == 1 ? "runs" : "run");
        std::string text = answer.reasons.empty() ? names : fmt::format("{}", fmt::join(answer.reasons, "; "));
        const Error left{ErrorCode::unavailable, text + others_text(answer)};
        return console.json() ? ops::exit_status(left) : console.fail(left);
    }
    if (answer.untouched.empty()) return 0;
    const bool is_one = answer.untouched.size() == 1;
    const Error left{ErrorCode::unsupported,
                     fmt::format("{} {} on: another version of persistproc keeps {}, which alone can stop {}",
                                 fmt::join(answer.untouched, ", "), is_one ? "runs" : "run", is_one ? "it" : "them",
                                 is_one ? "it" : "them")};
    return console.json() ? ops::exit_status(left) : console.fail(left);
}

}  // namespace

static Task<int> shutdown(Context context, ShutdownArguments options) {
    if (const auto& fault = context.common.settings_fault; !fault.empty())
        context.console.note("settings are left out: " + fault);
    async::TaskGroup telling(context.executor);
    SlowEnd end{context.console, "shutdown"};
    ViewPredicate is_any = [](const ProcessView&) { return true; };
    if (!options.request.keep) telling.spawn("slow end", watch_slow_end(context, std::move(is_any), end));
    auto ending = end_daemon(context.executor, context.common, options.request.keep);
    auto signal = leave_by_signal(context.executor, std::move(end));
    auto first = co_await (std::move(ending) || std::move(signal));
    co_await telling.close();
    if (first.index() != 0) co_return end_by_signal(std::get<1>(first));
    auto answer = std::move(std::get<0>(first));
    if (!answer && answer.error().code == ErrorCode::unavailable)
        co_return without_daemon(context, options, answer.error());
    if (!answer) co_return context.console.fail(answer.error());
    if (context.console.json()) {
        context.console.print(format::shutdown_json(*answer));
        co_return left_alone(context.console, options, *answer);
    }
    const std::size_t count = options.request.keep ? answer->kept.size() : answer->stopped.size();
    std::string text = "the daemon has ended; " +
                       (options.request.keep ? base::counted(count, "process goes on", "processes go on")
                                             : base::counted(count, "process was stopped", "processes were stopped"));
    if (options.request.keep) text += others_text(*answer);
    context.console.note(text);
    co_return left_alone(context.console, options, *answer);
}

extern const Subcommand shutdown_subcommand = without_settings(make_subcommand<shutdown>(ops::ShutdownRequest::typed));

}  // namespace persistproc::cli::commands
