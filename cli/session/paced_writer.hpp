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

    /// Completes when all is written: true, or false once the reader has gone (and from then on). Cancelling leaves the
    /// rest unwritten. One call at a time.
    Task<bool> write(std::string bytes);

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace persistproc::cli::session
