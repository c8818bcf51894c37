#include "cli/signals.hpp"

#include <signal.h>

namespace persistproc::cli {

void add_ending_signals(boost::asio::signal_set& signals) {
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
        struct sigaction now {};
        const bool is_ignored = ::sigaction(number, nullptr, &now) == 0 && now.sa_handler == SIG_IGN;
        if (!is_ignored) signals.add(number);
    }
}

}  // namespace persistproc::cli
