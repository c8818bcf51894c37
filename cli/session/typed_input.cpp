#include "cli/session/typed_input.hpp"

#include <sys/epoll.h>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "common/base/unique_fd.hpp"

namespace persistproc::cli::session {

Task<bool> until_typed(boost::asio::any_io_executor executor) {
    if (::isatty(STDIN_FILENO) != 1) co_return false;
    // An epoll of its own: Asio makes what it waits for non-blocking, and the terminal is also the shell's.
    base::UniqueFd poll(::epoll_create1(EPOLL_CLOEXEC));
    epoll_event readable{};
    readable.events = EPOLLIN;
    if (!poll || ::epoll_ctl(poll.get(), EPOLL_CTL_ADD, STDIN_FILENO, &readable) != 0) co_return false;
    boost::asio::posix::stream_descriptor readiness(executor, poll.release());
    boost::system::error_code failed;
    auto token = boost::asio::redirect_error(boost::asio::use_awaitable, failed);
    co_await readiness.async_wait(boost::asio::posix::descriptor_base::wait_read, token);
    if (failed == boost::asio::error::operation_aborted) throw boost::system::system_error(failed);
    epoll_event one{};
    const bool is_there = !failed && ::epoll_wait(readiness.native_handle(), &one, 1, 0) == 1;
    // In the background what is typed is for another.
    co_return is_there && (one.events & EPOLLIN) != 0 && ::tcgetpgrp(STDIN_FILENO) == ::getpgrp();
}

}  // namespace persistproc::cli::session
