#include "cli/event_loop.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <utility>

namespace persistproc::cli {

int run_task(const std::function<Task<int>(boost::asio::any_io_executor)>& make) {
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
