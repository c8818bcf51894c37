#include <fmt/format.h>

#include <chrono>

#include "cli/client.hpp"
#include "cli/commands/arguments.hpp"
#include "cli/format/json_text.hpp"
#include "cli/run_survey.hpp"
#include "common/base/file_lock.hpp"
#include "common/ops/client_operations.hpp"

namespace persistproc::cli::commands {

namespace {

/// The daemon leaves after its answer; its lock says when it has.
Task<Result<void>> wait_until_gone(std::filesystem::path lock) {
    async::SystemClock clock;
    const MonoTime deadline = clock.now() + std::chrono::seconds(10);
    while (clock.now() < deadline) {
        auto held = base::is_locked(lock);
        if (held ? !*held : held.error().code == ErrorCode::not_found) co_return Result<void>();
        const MonoTime next = clock.now() + std::chrono::milliseconds(5);
        co_await clock.sleep_until(next);
    }
    co_return Error{ErrorCode::timeout, "the daemon was asked to end and still holds its data directory"};
}

/// Nothing to end is no failure; programs that were to be stopped and run on without a daemon are one.
int without_daemon(const Context& context, const ShutdownArguments& options, const Error& why) {
    const std::filesystem::path data = context.common.data_directory;
    const auto held = base::is_locked(data / "daemon.lock");
    if (why.code != ErrorCode::unavailable || (held && *held)) return context.console.fail(why);
    const std::size_t live = count_processes(data).live;
    if (live > 0 && !options.request.keep)
        return context.console.fail(
            Error{ErrorCode::unavailable, fmt::format("no daemon runs, but {} program{} on; take over first: {}", live,
                                                      live == 1 ? " runs" : "s run", serve_command(data))});
    if (context.console.json())
        context.console.print(format::shutdown_json({}, {}));
    else
        context.console.note("no daemon runs");
    return 0;
}

}  // namespace

static Task<int> shutdown(Context context, ShutdownArguments options) {
    const std::filesystem::path data = context.common.data_directory;
    auto client = co_await DaemonClient::connect(context.executor, context.common);
    if (!client) co_return without_daemon(context, options, client.error());
    auto answer = co_await (*client)->shut_down(options.request.keep);
    if (!answer) co_return context.console.fail(answer.error());
    client->reset();
    auto gone = co_await wait_until_gone(data / "daemon.lock");
    if (!gone) co_return context.console.fail(gone.error());
    if (context.console.json()) {
        context.console.print(format::shutdown_json(answer->stopped, answer->kept));
        co_return 0;
    }
    const std::size_t count = options.request.keep ? answer->kept.size() : answer->stopped.size();
    const char* became = options.request.keep ? (count == 1 ? "goes on" : "go on")
                         : count == 1         ? "was stopped"
                                              : "were stopped";
    context.console.note(fmt::format("the daemon has ended; {} process{} {}", count, count == 1 ? "" : "es", became));
    co_return 0;
}

extern const Subcommand shutdown_subcommand = make_subcommand<shutdown>(ops::ShutdownRequest::typed);

}  // namespace persistproc::cli::commands
