#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "common/async/clock.hpp"
#include "common/logstore/reader.hpp"

namespace persistproc::core {

/// A LogWatch the loop can wait for.
class LogSignal {
public:
    LogSignal(boost::asio::any_io_executor executor, logstore::LogWatch watch)
        : watch_(std::move(watch)), descriptor_(executor, watch_.fd()) {}
    ~LogSignal() { descriptor_.release(); }
    LogSignal(const LogSignal&) = delete;
    LogSignal& operator=(const LogSignal&) = delete;

    /// Completes when the log has grown since the last time; one waiter at a time.
    Task<> grown() {
        co_await descriptor_.async_wait(boost::asio::posix::stream_descriptor::wait_read, boost::asio::use_awaitable);
        watch_.drain();
    }

private:
    logstore::LogWatch watch_;
    boost::asio::posix::stream_descriptor descriptor_;
};

}  // namespace persistproc::core
