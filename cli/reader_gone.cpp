#include "cli/reader_gone.hpp"

#include <poll.h>
#include <unistd.h>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>

#include "cli/session/paced_writer.hpp"

namespace persistproc::cli {

bool has_lost_reader(int fd) noexcept {
    pollfd one{fd, 0, 0};
    return ::poll(&one, 1, 0) == 1 && (one.revents & (POLLERR | POLLHUP)) != 0;
}

bool is_reader_gone(int fd, int error) noexcept {
    // EIO is a terminal that was hung up, and a broken disk.
    return error == EPIPE || error == ECONNRESET || (error == EIO && has_lost_reader(fd));
}

Task<> until_reader_gone(boost::asio::any_io_executor executor) {
    session::PacedWriter writer(executor, STDOUT_FILENO);
    const bool is_gone = co_await writer.wait_reader_gone();
    if (is_gone) co_return;
    boost::asio::steady_timer never(executor, boost::asio::steady_timer::time_point::max());
    co_await never.async_wait(boost::asio::use_awaitable);
}

}  // namespace persistproc::cli
