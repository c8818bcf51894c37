#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <memory>
#include <string>

#include "common/async/clock.hpp"

namespace persistproc::cli::session {

/// Writes to a descriptor that may be slow (a pipe, a terminal) without ever holding up the loop, and without making it
/// non-blocking, which other programs on the same terminal would feel. The descriptor stays the caller's.
class PacedWriter {
public:
    PacedWriter(boost::asio::any_io_executor executor, int fd);
    ~PacedWriter();
    PacedWriter(const PacedWriter&) = delete;
    PacedWriter& operator=(const PacedWriter&) = delete;

    /// Completes with 0 when all is written, else with the errno of the write that failed, from then on. Cancelling
    /// leaves the rest unwritten. One call at a time.
    Task<int> write(std::string bytes);
    /// Completes with true when nobody can read the descriptor any more, also while nothing is written; with false at
    /// once where that cannot be known (a regular file).
    Task<bool> wait_reader_gone();

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace persistproc::cli::session
