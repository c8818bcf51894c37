#include "cli/signals.hpp"

#include <signal.h>

#include <utility>

namespace persistproc::cli {

void add_ending_signals(boost::asio::signal_set& signals) {
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
        struct sigaction now {};
        const bool is_ignored = ::sigaction(number, nullptr, &now) == 0 && now.sa_handler == SIG_IGN;
        if (!is_ignored) signals.add(number);
    }
}

std::shared_ptr<boost::asio::signal_set> listen_for_signals(boost::asio::any_io_executor executor) {
    auto signals = std::make_shared<boost::asio::signal_set>(std::move(executor));
    add_ending_signals(*signals);
    return signals;
}

}  // namespace persistproc::cli
