#pragma once
#include <boost/asio/any_io_executor.hpp>

#include "cli/options.hpp"
#include "common/async/clock.hpp"
#include "common/base/result.hpp"
#include "common/ops/client_operations.hpp"

namespace persistproc::cli {

/// Ends the daemon of a data directory and waits until it has left that. `keep`: its processes run on, for the next
/// one. Errors: unavailable (none serves it), timeout (it has not left after 10 s).
Task<Result<ops::ShutdownResponse>> end_daemon(boost::asio::any_io_executor executor, CommonOptions common, bool keep);

}  // namespace persistproc::cli
