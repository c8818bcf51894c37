#include "cli/signals.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace persistproc::cli {

namespace {

constexpr int ending[] = {SIGINT, SIGTERM, SIGHUP};

bool is_ignored(int number) {
    struct sigaction now {};
    return ::sigaction(number, nullptr, &now) == 0 && now.sa_handler == SIG_IGN;
}

}  // namespace

void add_ending_signals(boost::asio::signal_set& signals) {
    for (const int number : ending)
        if (!is_ignored(number)) signals.add(number);
}

std::shared_ptr<boost::asio::signal_set> listen_for_signals(boost::asio::any_io_executor executor) {
    auto signals = std::make_shared<boost::asio::signal_set>(std::move(executor));
    add_ending_signals(*signals);
    return signals;
}

HeldSignals::HeldSignals() {
    sigset_t held;
    ::sigemptyset(&held);
    // Linux keeps one that is held although it is ignored: it would seem to have come.
    for (const int number : ending)
        if (!is_ignored(number)) ::sigaddset(&held, number);
    ::pthread_sigmask(SIG_BLOCK, &held, &before_);
}

HeldSignals::~HeldSignals() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

bool HeldSignals::has_come() noexcept {
    sigset_t pending;
    if (::sigpending(&pending) != 0) return false;
    return std::any_of(std::begin(ending), std::end(ending),
                       [&](int number) { return ::sigismember(&pending, number) == 1; });
}

}  // namespace persistproc::cli
