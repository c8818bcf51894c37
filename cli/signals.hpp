#pragma once
#include <signal.h>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/signal_set.hpp>
#include <memory>

namespace persistproc::cli {

/// Adds what ends the client: SIGINT, SIGTERM and SIGHUP. One that was ignored when the client started (nohup) stays
/// ignored.
void add_ending_signals(boost::asio::signal_set& signals);
/// A set of these. One that comes while nobody waits for it is given to whoever waits next.
std::shared_ptr<boost::asio::signal_set> listen_for_signals(boost::asio::any_io_executor executor);

/// Holds what ends the client back while the loop's thread works for long, for as long as this lives; no other thread
/// of the client takes it.
class HeldSignals {
public:
    HeldSignals();
    ~HeldSignals();
    HeldSignals(const HeldSignals&) = delete;
    HeldSignals& operator=(const HeldSignals&) = delete;

    /// Whether one has come meanwhile.
    static bool has_come() noexcept;

private:
    sigset_t before_{};
};

}  // namespace persistproc::cli
