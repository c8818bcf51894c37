#pragma once
#include <boost/asio/signal_set.hpp>

namespace persistproc::cli {

/// Adds what ends the client: SIGINT, SIGTERM and SIGHUP. One that was ignored when the client started (nohup) stays
/// ignored.
void add_ending_signals(boost::asio::signal_set& signals);

}  // namespace persistproc::cli
