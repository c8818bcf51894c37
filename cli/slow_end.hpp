#pragma once
/// What is said of an end that takes as long as its grace: a stop, and the restart or start that waits for one. After a
/// second it is told for whom is waited, and what is to be typed where that is too long.
#include <functional>
#include <string>
#include <string_view>

#include "cli/client.hpp"
#include "cli/context.hpp"
#include "common/ops/start_process.hpp"

namespace persistproc::cli {

struct SlowEnd {
    Console console;
    std::string what;  // "stop", "restart", "start" or "shutdown": what goes on without the client
    std::string_view leave = "Ctrl+C leaves";  // what ends the client
    // What goes on when the client is left, "p1 (web)"; empty: what stands in `what`. Asked when it is said.
    std::function<std::string()> going_on{};
};

/// Of one that is being stopped.
void tell_slow_end(const SlowEnd& end, const ProcessView& ending);

using ViewPredicate = std::function<bool(const ProcessView&)>;

/// Tells after a second of those that `is_meant` and are being stopped. On a connection of its own.
Task<> watch_slow_end(Context context, ViewPredicate is_meant, SlowEnd end);
/// Whether a start by this request waits for its end.
ViewPredicate is_replaced_by(const ops::StartRequest& request);

/// Completes when a signal ends the client, with its number; that is yet to be said, on a line of its own.
Task<int> await_ending_signal(boost::asio::any_io_executor executor, Console console);
/// Completes when a signal ends the client, with its number; that has been said.
Task<int> leave_by_signal(boost::asio::any_io_executor executor, SlowEnd end);

/// Ends the client by the signal that it has taken, so that the shell ends the script around it, too. Once nobody
/// listens for signals any more. Returns the exit status where the signal is held back.
int end_by_signal(int number);

}  // namespace persistproc::cli
