#include "cli/commands/list.hpp"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <filesystem>
#include <utility>

#include "cli/daemon_start.hpp"
#include "cli/format/json_text.hpp"
#include "cli/silent_daemon.hpp"
#include "cli/targets.hpp"
#include "common/base/text.hpp"
#include "common/ops/error.hpp"

namespace persistproc::cli::commands {

namespace {

using boost::asio::experimental::awaitable_operators::operator||;

constexpr auto redraw_interval = std::chrono::seconds(1);

struct Listing {
    std::vector<ProcessView> views;
    std::vector<Error> errors;  // of targets, in their order
};

/// `client` outlives the call. Errors: nothing could be asked.
Task<Result<Listing>> ask_daemon(DaemonClient& client, ListArguments options) {
    Listing out;
    if (options.targets.empty()) {
        auto views = co_await client.list(std::move(options.request));
        if (!views) co_return views.error();
        out.views = std::move(*views);
        if (options.project)
            std::erase_if(out.views, [&](const ProcessView& view) {
                return !view.project ||
                       (view.project->name != *options.project && view.project->file != *options.project);
            });
        co_return out;
    }
    for (const std::string& target : options.targets) {
        ops::ListRequest request = options.request;
        request.process = target;
        auto views = co_await client.list(std::move(request));
        const bool is_first = out.views.empty() && out.errors.empty();
        if (!views && is_first && client.was_cut_off()) co_return views.error();
        if (!views) {
            out.errors.push_back(views.error());
            if (views.error().code == ErrorCode::not_found && schema::Open<ProcessState>::from_word(target).known())
                out.errors.back().message =
                    fmt::format("no process is \"{0}\"; those in that state: --state {0}", target);
            continue;
        }
        for (ProcessView& view : *views) {
            const auto is_same = [&](const ProcessView& other) { return other.id == view.id; };
            if (std::none_of(out.views.begin(), out.views.end(), is_same)) out.views.push_back(std::move(view));
        }
    }
    co_return out;
}

/// Without a daemon one is started if there are processes, but not by who watches: `drawn` is told of one that is
/// silent. Errors: no daemon, or nothing could be asked.
Task<Result<Listing>> ask(Context context, ListArguments options, SilenceTeller drawn) {
    const bool may_start = !drawn;
    using Greeting = DaemonClient::Greeting;
    auto greeting = may_start ? Greeting::late : Greeting::first;
    for (;;) {
        Result<std::unique_ptr<DaemonClient>> client = Error{};
        if (may_start)
            client = co_await connect_to_read(context.executor, context.common, greeting);
        else
            client = co_await DaemonClient::connect(context.executor, context.common, greeting, drawn);
        if (!client) co_return client.error();
        if (!*client) {
            const auto& state = options.request.state;
            if (state && !state->known()) co_return ops::unknown_state(*state);
            Listing none;
            for (const std::string& target : options.targets) none.errors.push_back(no_such_process(target));
            co_return none;
        }
        auto listing = co_await ask_daemon(**client, options);
        // The socket of one that dies still takes a connection. Whoever has greeted serves.
        const bool is_cut_off = !listing && (*client)->was_cut_off() && !is_silence(listing.error());
        if (!is_cut_off || std::exchange(greeting, Greeting::first) == Greeting::first) co_return listing;
    }
}

std::string text_of(const Context& context, const ListArguments& options, std::vector<ProcessView> views) {
    const bool is_filtered =
        !options.targets.empty() || options.request.state || options.request.working_directory || options.project;
    if (views.empty() && !is_filtered) return fmt::format("{}\n", no_processes_yet);
    format::TextStyle style = context.console.style();
    style.wide = options.output == ListOutput::wide;
    const WallTime now = base::wall_now();
    return format::process_table(format::choose_processes(std::move(views), now, options.all, options.sort), now,
                                 style);
}

/// As many lines as the terminal has, the last of which says how many there was no room for. What was there before is
/// erased first: behind a line that reaches the last column, its last character would be erased, too.
std::string frame_of(const std::string& text, int height, std::string_view mark) {
    constexpr int usual_height = 24;
    if (height == 0) height = usual_height;
    const auto lines = std::count(text.begin(), text.end(), '\n');
    const auto shown = lines > height ? height - 1 : lines;
    std::string out = "\x1b[H\x1b[J";
    std::size_t at = 0;
    for (std::ptrdiff_t line = 0; line < shown; ++line) {
        const std::size_t end = text.find('\n', at);
        out += (line > 0 ? "\r\n" : "") + text.substr(at, end - at);
        at = end + 1;
    }
    if (lines > shown)
        out += fmt::format("{}{} {}", shown > 0 ? "\r\n" : "", mark, base::counted(lines - shown, "more line"));
    return out;
}

std::string picture_of(const Context& context, const ListArguments& options, Result<Listing> listing) {
    if (!listing) return base::escape_line(listing.error().message) + "\n";
    std::string out;
    for (const Error& each : listing->errors) out += base::escape_line(each.message) + "\n";
    if (out.empty() || !listing->views.empty()) out += text_of(context, options, std::move(listing->views));
    return out;
}

// On the other screen and without its wrapping: what was on this one is there again afterwards.
constexpr std::string_view begin_screen = "\x1b[?1049h\x1b[?25l\x1b[?7l", leave_screen = "\x1b[?7h\x1b[?25h\x1b[?1049l";

/// Whether the signal ends the picture; one that suspends does so on the screen that was there before.
bool ends_picture(int number, boost::asio::signal_set& signals, const Console& console) {
    if (number != SIGTSTP) return true;
    console.print(leave_screen);
    signals.remove(SIGTSTP);
    ::raise(SIGTSTP);
    signals.add(SIGTSTP);
    console.print(begin_screen);
    return false;
}

/// Until a signal comes. A daemon that is gone or silent is said in place of the list, and asked for again.
Task<int> watch(Context context, ListArguments options) {
    const Console console = context.console;
    boost::asio::signal_set signals(context.executor, SIGINT, SIGTERM, SIGHUP), resized(context.executor, SIGWINCH);
    signals.add(SIGQUIT);
    signals.add(SIGTSTP);
    async::SystemClock clock;
    console.print(begin_screen);
    std::string picture;
    const auto draw = [&] { console.print(frame_of(picture, console.height(), console.style().mark())); };
    const SilenceTeller draw_silence = [&](const Error* silence) {
        if (silence == nullptr) return;
        picture = base::escape_line(silence->message) + "\n";
        draw();
    };
    // Nothing is told beside the picture.
    context.common.quiet = true;
    while (console.can_print()) {
        // One that is ended meanwhile is not begun again.
        auto asking = ask(context, options, draw_silence);
        auto signal = signals.async_wait(boost::asio::use_awaitable);
        auto asked = co_await (std::move(asking) || std::move(signal));
        if (asked.index() == 1 && ends_picture(std::get<1>(asked), signals, console)) break;
        if (asked.index() == 1) continue;
        picture = picture_of(context, options, std::move(std::get<0>(asked)));
        draw();
        const MonoTime until = clock.now() + redraw_interval;
        auto pause = clock.sleep_until(until);
        auto resize = resized.async_wait(boost::asio::use_awaitable);
        auto later_signal = signals.async_wait(boost::asio::use_awaitable);
        const auto paused = co_await (std::move(pause) || std::move(resize) || std::move(later_signal));
        if (paused.index() == 2 && ends_picture(std::get<2>(paused), signals, console)) break;
    }
    // The last picture stays below what was there.
    console.print(std::string(leave_screen) + picture);
    co_return 0;
}

}  // namespace

Task<int> list(Context context, ListArguments options) {
    if (options.request.working_directory) {
        std::error_code failed;
        const auto absolute = std::filesystem::absolute(*options.request.working_directory, failed);
        const auto canonical = std::filesystem::weakly_canonical(absolute, failed).native();
        if (!failed) options.request.working_directory = canonical;
    }
    if (options.watch && !context.console.can_redraw())
        co_return context.console.fail(Error{
            ErrorCode::invalid,
            "list --watch draws on a terminal: stdout is none, or TERM does not say what it is; leave out --watch"});
    const bool is_table = !context.console.json() && options.output != ListOutput::wide;
    options.request.columns = is_table;
    SilenceTeller on_stderr;
    auto listing = co_await ask(context, options, std::move(on_stderr));
    if (!listing) co_return context.console.fail(listing.error());
    std::error_code unseen;
    const auto& directory = options.request.working_directory;
    // Of one that was removed what it had is listed.
    const bool is_vain = directory && listing->views.empty() && listing->errors.empty() && !options.watch;
    if (is_vain && !std::filesystem::is_directory(*directory, unseen))
        co_return context.console.fail(
            Error{ErrorCode::invalid,
                  fmt::format("-C: {}: no such directory, and no process has it", base::excerpt(*directory))});
    if (options.watch && listing->errors.empty()) co_return co_await watch(std::move(context), std::move(options));
    int status = 0;
    std::optional<Error> failed;
    for (const Error& each : listing->errors) {
        status = std::max(status, ops::exit_status(each));
        if (!context.console.json()) context.console.fail(each);
        if (!failed)
            failed = each;
        else
            failed->message += "; " + each.message;
    }
    if (context.console.json()) {
        if (options.targets.size() == 1 && failed) co_return context.console.fail(*failed);
        if (options.sort != format::ListSort::state)
            listing->views =
                format::choose_processes(std::move(listing->views), base::wall_now(), true, options.sort).shown;
        context.console.print(format::views_json(listing->views, failed));
    } else if (context.common.quiet) {
        auto choice = format::choose_processes(std::move(listing->views), base::wall_now(), options.all, options.sort);
        for (const ProcessView& view : choice.shown) context.console.print(view.id + "\n");
    } else if (!failed || !listing->views.empty()) {
        context.console.print(text_of(context, options, std::move(listing->views)));
    }
    co_return status;
}

extern const Subcommand list_subcommand = make_subcommand<list>(ops::ListRequest::typed);

}  // namespace persistproc::cli::commands
