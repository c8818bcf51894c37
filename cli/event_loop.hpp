#pragma once
/// Runs one coroutine to its end on a loop of its own, on the calling thread.
#include <boost/asio/any_io_executor.hpp>
#include <functional>

#include "common/async/clock.hpp"

namespace persistproc::cli {

/// `make(executor)` gives the task. The loop runs until nothing is left on it, so the task must have ended all it
/// began. Exceptions (bugs) are rethrown.
int run_task(const std::function<Task<int>(boost::asio::any_io_executor)>& make);

}  // namespace persistproc::cli
