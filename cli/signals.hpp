#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/signal_set.hpp>
#include <memory>

namespace persistproc::cli {

/// Adds what ends the client: SIGINT, SIGTERM and SIGHUP. One that was ignored when the client started (nohup) stays
/// ignored.
void add_ending_signals(boost::asio::signal_set& signals);
/// A set of these. One that comes while nobody waits for it is given to whoever waits next.
std::shared_ptr<boost::asio::signal_set> listen_for_signals(boost::asio::any_io_executor executor);

}  // namespace persistproc::cli
