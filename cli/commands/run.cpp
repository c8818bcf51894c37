#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>

#include "cli/commands/start.hpp"
#include "cli/daemon_start.hpp"
#include "cli/environment.hpp"
#include "cli/format/ending.hpp"
#include "cli/joining.hpp"
#include "cli/session/attach.hpp"
#include "cli/settle.hpp"
#include "cli/signals.hpp"
#include "cli/slow_end.hpp"
#include "cli/words.hpp"
#include "common/async/task_group.hpp"
#include "common/ops/start_process.hpp"

namespace persistproc::cli::commands {

namespace {

using boost::asio::experimental::awaitable_operators::operator||;

constexpr std::uint64_t shown_when_joining = 10;  // lines
constexpr const char* no_input = "its input is empty: what is piped into run is not passed on";
constexpr const char* silent_input = "its input stays open and silent: what is piped into run is not passed on";
constexpr const char* no_keys = "it has a terminal of its own: this shows what it prints, and passes no keys on yet";

/// A program that does not like its flags says so soon.
constexpr std::chrono::seconds quick_failure{10};

/// What is piped or redirected into the client, and goes nowhere.
bool has_input() {
    struct stat input {
    }, null{};
    if (::fstat(STDIN_FILENO, &input) != 0 || ::isatty(STDIN_FILENO) == 1) return false;
    const bool is_null = ::stat("/dev/null", &null) == 0 && S_ISCHR(input.st_mode) && input.st_rdev == null.st_rdev;
    return !is_null;
}

std::string on_ctrl_c(OnExit on_exit, bool joined) {
    if (on_exit == OnExit::detach) return "Ctrl+C detaches, it goes on";
    return joined ? "Ctrl+C will stop it for all" : "Ctrl+C stops it";
}

void tell_beginning(const Console& console, const ops::StartResponse& started, const RunArguments& options) {
    std::string text = fmt::format("{} {}", started.created ? "started" : "joined", format::name_text(started));
    if (started.pid) text += fmt::format(", PID {}", *started.pid);
    if (domain::is_live(started)) text += "; " + on_ctrl_c(options.on_exit, !started.created);
    console.note(text);
    if (const std::string ignored = ignored_text(started, options.start); !ignored.empty()) console.note(ignored);
    if (const std::string lacking = lacking_text(started); !lacking.empty()) console.note(lacking);
    if (has_input() && started.input == domain::Input::none) console.note(no_input);
    if (has_input() && started.input == domain::Input::pipe) console.note(silent_input);
    if (started.input == domain::Input::tty) console.note(no_keys);
}

/// Where in the log the following begins.
Result<std::uint64_t> find_beginning(const std::filesystem::path& log_directory, bool created, std::uint32_t run,
                                     std::uint64_t history) {
    logstore::LineQuery query;
    if (created) {
        query.run = run;
    } else if (history > 0) {
        query.last = history;
    } else {
        auto end = logstore::find_log_end(log_directory);
        if (!end) return end.error();
        return end->position;
    }
    auto span = logstore::locate(log_directory, query);
    if (!span) return span.error();
    return span->begin;
}

/// Completes with the second Ctrl+C: who asks twice does not wait for an answer any more. Of other signals, which a
/// closed terminal sends more than once, one alone counts.
Task<> count_interrupts(boost::asio::signal_set& signals, unsigned& count) {
    while (count < 2) {
        const int number = co_await signals.async_wait(boost::asio::use_awaitable);
        if (number == SIGINT || count == 0) ++count;
    }
}

/// Why what was typed is not run: a slip, a process, another tool's word. Starts no daemon where there are no
/// processes.
Task<std::optional<Error>> refusal_of(Context context, const StartArguments& arguments) {
    auto mistyped = refuse_mistyped(arguments);
    if (!mistyped && !may_be_known(arguments)) co_return std::nullopt;
    std::vector<ProcessView> known;
    CommonOptions common = context.common;
    common.autostart = common.autostart && !arguments.no_autostart;
    auto client = co_await connect_to_read(context.executor, std::move(common));
    if (client && *client) {
        auto views = co_await (*client)->list_all();
        if (views) known = std::move(*views);
    }
    auto refused = refuse_known(arguments, known);
    if (!refused && !mistyped) refused = refuse_near(arguments, known);
    co_return refused ? std::move(refused) : std::move(mistyped);
}

}  // namespace

static Task<int> run(Context context, RunArguments options) {
    const auto refused = co_await refusal_of(context, options.start);
    if (refused) co_return context.console.fail(*refused);
    if (options.start.unsplit) co_return context.console.fail(*options.start.unsplit);
    auto& definition = options.start.request.definition;
    if (options.start.request.tty && !definition.size) definition.size = Console::own_terminal();
    auto request = make_start_request(options.start);
    if (!request) co_return context.console.fail(explained(request.error(), options.start));
    const auto vain = co_await refuse_vain_start(context, options.start);
    if (vain) co_return context.console.fail(*vain);
    auto client = co_await connect_or_start(context.executor, context.common, !options.start.no_autostart);
    if (!client) co_return context.console.fail(not_connected(client.error(), context.common, options.start));
    tell_daemon_port(context, **client, options.start);
    if (options.detach) {
        if (has_input()) context.console.note(no_input);
        BackgroundArguments background;
        static_cast<StartArguments&>(background) = std::move(options.start);
        background.ready = options.ready;
        co_return co_await start(std::move(context), std::move(background));
    }
    // From here on --on-exit says what a signal does: one that comes before the answer counts once it is there.
    const auto signals = listen_for_signals(context.executor);
    unsigned interrupts = 0;
    async::TaskGroup telling(context.executor);
    SlowEnd end{context.console, "start", "Ctrl+C twice leaves"};
    telling.spawn("slow end", watch_slow_end(context, is_replaced_by(*request), std::move(end)));
    auto answer = start_process(context.executor, context.common, !options.start.no_autostart, std::move(*client),
                                std::move(*request));
    auto impatience = count_interrupts(*signals, interrupts);
    auto first = co_await (std::move(answer) || std::move(impatience));
    co_await telling.close();
    if (first.index() != 0)
        co_return context.console.fail(Error{
            ErrorCode::unavailable, "left before the daemon answered; persistproc list shows whether it was started"});
    auto answered = std::move(std::get<0>(first));
    if (!answered) co_return context.console.fail(explained(answered.error(), options.start));
    const ops::StartResponse* const started = &answered->response;
    std::string hint = options.start.misplaced ? options.start.misplaced->hint() : std::string();
    if (options.start.misplaced && options.start.misplaced->is_peculiar) context.console.note(std::exchange(hint, {}));
    if (!started->created) hint.clear();

    session::AttachPlan plan;
    plan.process = *started;
    plan.on_exit = options.on_exit;
    plan.interrupts = interrupts;
    plan.signals = signals;
    plan.tells_input = started->input == domain::Input::none;
    const auto id = domain::find_process_id(started->id);
    if (started->run && id) plan.run = domain::find_run_number(*started->run, *id).value_or(0);
    if (!started->log_path)
        co_return context.console.fail(
            Error{ErrorCode::corrupt, fmt::format("the daemon names no log of {}", started->id)});
    plan.log_directory = std::filesystem::path(*started->log_path).parent_path();
    const std::uint64_t history = options.history.value_or(shown_when_joining);
    auto beginning = find_beginning(plan.log_directory, started->created, plan.run, history);
    if (!beginning) co_return context.console.fail(beginning.error());
    plan.from = *beginning;
    plan.first_run_shown = history > 0 && !started->created ? 0 : plan.run;
    tell_beginning(context.console, *started, options);
    tell_leftovers_ended(context.console, plan.process);

    format::OutputStyle style = session::style_for_terminal(context.console, *started, true, options.raw);
    style.timestamps = style.events = options.raw;
    const bool json = context.console.json();
    auto view = json ? format::make_line_view(std::move(style), {}, true) : format::make_byte_view(std::move(style));
    const Console console = context.console;
    const auto begun = std::chrono::steady_clock::now();
    const int status =
        co_await session::attach(std::move(context), std::move(plan), std::move(answered->client), std::move(view));
    const bool failed_soon = status != 0 && std::chrono::steady_clock::now() - begun < quick_failure;
    if (failed_soon && !hint.empty() && !json) console.note(hint);
    co_return status;
}

extern const Subcommand run_subcommand = make_subcommand<run>({
    .name = "run",
    .words = "CMD…",
    .summary = "start a command, or join the one already running, and stream its output",
    .text = "Starts the command, or joins the one already running in this directory, and streams its output. Flags "
            "end at the first word of the command. The exit status is the program's (128+N for signal N).",
    .examples = {"persistproc run npm run dev", "persistproc npm run dev                  # the same",
                 "persistproc run --on-exit stop --label api node server.js --port 3000"},
    .statuses = {{126, "the program is not executable"}, {127, "no such program"}},
    .words_kind = schema::ValueKind::command,
});

}  // namespace persistproc::cli::commands
