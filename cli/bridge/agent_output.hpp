#pragma once
/// What the agent reads: one message a line, written as fast as it reads and kept until then.
#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <list>
#include <string>

#include "cli/session/paced_writer.hpp"
#include "common/async/notifier.hpp"

namespace persistproc::cli::bridge {

class AgentOutput {
public:
    /// `descriptor` stays the caller's.
    AgentOutput(boost::asio::any_io_executor executor, int descriptor);

    /// Queues a message that holds no line break.
    void put(std::string message);
    /// Writes until nobody reads any more, or nothing reaches them. Completes with the exit status that this means: 0,
    /// or 125 when the output is broken.
    Task<int> write();
    /// Completes with true when nobody reads any more, also while nothing is written; with false at once where that
    /// cannot be known.
    Task<bool> wait_reader_gone() { return writer_.wait_reader_gone(); }
    /// Whether everything was written.
    bool is_empty() const noexcept { return unread_bytes_ == 0; }
    std::function<void()> on_taken;     // after each line
    std::function<void()> on_overflow;  // more than 64 MiB is unread, which is no use to anybody

private:
    int descriptor_;
    session::PacedWriter writer_;
    std::list<std::string> lines_;  // to be written
    std::size_t unread_bytes_ = 0;  // of them, and of the one that is being written
    async::Notifier changed_;
};

}  // namespace persistproc::cli::bridge
