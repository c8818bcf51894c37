#include "cli/slow_end.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <filesystem>

#include "cli/format/ending.hpp"
#include "cli/signals.hpp"

namespace persistproc::cli {

void tell_slow_end(const SlowEnd& end, const ProcessView& ending) {
    const bool is_killed = ending.own_grace_seconds == 0.0;
    end.console.note(
        fmt::format("{} {}{}; {}, the {} goes on", is_killed ? "killing" : "stopping", format::name_text(ending),
                    is_killed ? "" : fmt::format(", up to {}", format::grace_text(ending)), end.leave, end.what));
    if (is_killed) return;
    // A forced stop would call a restart or start off; a second start or shutdown would wait for this one.
    const bool has_no_force = end.what == "start" || end.what == "shutdown";
    const std::string at_once = has_no_force ? "signal KILL" : end.what + " --force";
    end.console.note(fmt::format("at once: persistproc {} {}", at_once, format::target_text(ending)));
}

Task<> watch_slow_end(Context context, ViewPredicate is_meant, SlowEnd end) {
    async::SystemClock clock;
    const MonoTime until = clock.now() + silence_bound;
    co_await clock.sleep_until(until);
    std::filesystem::path data = context.common.data_directory;
    auto client = co_await DaemonClient::connect(context.executor, std::move(data));
    if (!client) co_return;
    auto views = co_await (*client)->list_all();
    if (!views) co_return;
    for (const ProcessView& view : *views)
        if (view.state == ProcessState::stopping && is_meant(view)) tell_slow_end(end, view);
}

ViewPredicate is_replaced_by(const ops::StartRequest& request) {
    const Definition& asked = request.definition;
    if (asked.label_given) return [label = asked.label](const ProcessView& view) { return view.label == label; };
    std::error_code failed;
    std::string directory = std::filesystem::weakly_canonical(asked.working_directory, failed).native();
    return [command = asked.command, directory = std::move(directory)](const ProcessView& view) {
        return view.command == command && view.working_directory == directory;
    };
}

Task<int> await_ending_signal(boost::asio::any_io_executor executor, Console console) {
    boost::asio::signal_set signals(executor);
    add_ending_signals(signals);
    const int number = co_await signals.async_wait(boost::asio::use_awaitable);
    // Behind the terminal's "^C".
    if (number == SIGINT && ::isatty(STDERR_FILENO) == 1 && !console.quiet()) console.break_line();
    co_return number;
}

Task<int> leave_by_signal(boost::asio::any_io_executor executor, SlowEnd end) {
    const int number = co_await await_ending_signal(executor, end.console);
    const std::string going_on = end.going_on ? end.going_on() : std::string();
    end.console.note(fmt::format("left; {} goes on", going_on.empty() ? "the " + end.what : going_on));
    co_return number;
}

int end_by_signal(int number) {
    ::raise(number);
    return 128 + number;
}

}  // namespace persistproc::cli
