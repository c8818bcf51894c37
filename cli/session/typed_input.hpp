#pragma once
#include <boost/asio/any_io_executor.hpp>

#include "common/async/clock.hpp"

namespace persistproc::cli::session {

/// Completes when something has been typed at the terminal on stdin, in the foreground; with false when that cannot
/// happen, or no longer. Takes nothing of it, and leaves the terminal's flags as they are. Thread: the executor's.
/// Cancelling ends it.
Task<bool> until_typed(boost::asio::any_io_executor executor);

}  // namespace persistproc::cli::session
