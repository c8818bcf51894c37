#include <fmt/format.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <chrono>
#include <filesystem>
#include <optional>
#include <utility>

#include "cli/client.hpp"
#include "cli/commands/arguments.hpp"
#include "cli/daemon_start.hpp"
#include "cli/format/ending.hpp"
#include "cli/format/json_text.hpp"
#include "cli/reader_gone.hpp"
#include "cli/silent_daemon.hpp"
#include "common/async/clock.hpp"
#include "common/base/text.hpp"
#include "common/rundir/daemon_paths.hpp"

namespace persistproc::cli::commands {

namespace {

using boost::asio::experimental::awaitable_operators::operator||;

/// The daemon answers within this time, so that following is several questions.
constexpr double longest_question_seconds = 600;
constexpr auto daemon_return_pause = std::chrono::milliseconds(100);

std::string line_of(const ops::AuditLine& entry) {
    const std::string subject = entry.process.empty() ? "the daemon" : entry.process;
    return fmt::format("{}  {}  {} {}{}{}\n", base::format_rfc3339(entry.at),
                       base::escape_line(format::actor_text(entry.actor)), base::escape_line(entry.action), subject,
                       entry.detail.empty() ? "" : ": ", base::escape_line(entry.detail));
}

/// The answer to `asked`; nothing when the reader has gone before there was one.
Task<std::optional<Result<ops::AuditResponse>>> ask_for_reader(Context& context, DaemonClient& client,
                                                               ops::AuditRequest asked) {
    auto done = co_await (client.audit(std::move(asked)) || until_reader_gone(context.executor));
    if (done.index() == 1) co_return std::nullopt;
    co_return std::move(std::get<0>(done));
}

}  // namespace

static Task<int> audit(Context context, AuditArguments options) {
    auto client = co_await connect_to_read(context.executor, context.common);
    // What was done outlives the processes that it was done to.
    std::error_code failed;
    const std::filesystem::path data = context.common.data_directory;
    const bool has_begun = std::filesystem::exists(data / rundir::daemon_lock_name, failed);
    if (client && !*client && has_begun) client = co_await connect_or_start(context.executor, context.common, true);
    if (!client) co_return context.console.fail(client.error());
    if (!*client) {
        if (context.console.json() && !options.follow) context.console.print(format::audit_json({}));
        context.console.note(no_processes_yet);
        co_return 0;
    }
    ops::AuditRequest request = options.request;
    async::SystemClock clock;
    std::optional<MonoTime> absent_since;
    bool is_absence_told = false;
    while (context.console.can_print()) {
        ops::AuditRequest asked = request;
        auto heard = co_await ask_for_reader(context, **client, std::move(asked));
        if (!heard) co_return 0;
        auto& answer = *heard;
        if (!answer && options.follow && answer.error().code == ErrorCode::unavailable) {
            // One that is killed or replaced is followed by another, which goes on with the same numbers.
            if (!absent_since) absent_since = clock.now();
            if (clock.now() - *absent_since >= silence_bound && !is_silence(answer.error()) &&
                !std::exchange(is_absence_told, true))
                context.console.note("no daemon answers; what the next one does is shown; to start one: " +
                                     serve_command(data));
            const MonoTime next = clock.now() + daemon_return_pause;
            auto pause = clock.sleep_until(next);
            auto gone = until_reader_gone(context.executor);
            const auto first = co_await (std::move(pause) || std::move(gone));
            if (first.index() == 1) co_return 0;
            continue;
        }
        if (!answer) co_return context.console.fail(answer.error());
        absent_since.reset();
        is_absence_told = false;
        if (context.console.json() && !options.follow) {
            context.console.print(format::audit_json(*answer));
            co_return 0;
        }
        for (const ops::AuditLine& entry : answer->entries) {
            context.console.print(context.console.json() ? format::audit_line_json(entry) : line_of(entry));
            request.after = entry.number;
        }
        if (!options.follow) co_return 0;
        // Until something was seen it keeps out what is older.
        if (request.after > 0) request.since.reset();
        request.lines = 0;
        request.wait_seconds = longest_question_seconds;
    }
    co_return 0;
}

extern const Subcommand audit_subcommand = make_subcommand<audit>(ops::AuditRequest::typed);

}  // namespace persistproc::cli::commands
