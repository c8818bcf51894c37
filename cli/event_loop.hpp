#pragma once
/// Runs one coroutine to its end on a loop of its own, on the calling thread.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <utility>

#include "common/async/clock.hpp"

namespace persistproc::cli {

/// `make(executor)` gives the task. The loop runs until nothing is left on it, so the task must have ended all it
/// began. Exceptions (bugs) are rethrown.
template <class MakeTask>
int run_task(MakeTask make) {
    boost::asio::io_context loop(1);
    int status = 0;
    std::exception_ptr failed;
    Task<int> task = make(loop.get_executor());
    boost::asio::co_spawn(loop, std::move(task), [&](std::exception_ptr error, int value) {
        failed = error;
        status = value;
        loop.stop();
    });
    loop.run();
    if (failed) std::rethrow_exception(failed);
    return status;
}

}  // namespace persistproc::cli
