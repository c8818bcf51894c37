#include "cli/session/paced_writer.hpp"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>

#include "cli/reader_gone.hpp"

namespace persistproc::cli::session {

namespace {

/// After so much at a stretch other tasks get their turn.
constexpr std::size_t turn_bytes = 128u << 10;

}  // namespace

struct PacedWriter::State {
    boost::asio::any_io_executor executor;
    int fd;
    std::size_t piece_bytes = PIPE_BUF;
    int error = 0;
    std::optional<boost::asio::posix::stream_descriptor> readiness;  // a duplicate, for epoll
    bool is_watched = true;                                          // by epoll

    bool is_writable() const {
        pollfd one{fd, POLLOUT, 0};
        return ::poll(&one, 1, 0) != 0;
    }
};

PacedWriter::PacedWriter(boost::asio::any_io_executor executor, int fd) : state_(std::make_unique<State>()) {
    state_->executor = executor;
    state_->fd = fd;
    struct stat facts {};
    // "Writable" promises room for PIPE_BUF bytes; a regular file takes any amount.
    if (::fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode)) {
        state_->piece_bytes = turn_bytes;
        return;
    }
    const int duplicate = ::fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (duplicate < 0) return;
    state_->readiness.emplace(executor);
    boost::system::error_code failed;
    state_->readiness->assign(duplicate, failed);
    if (failed) {
        ::close(duplicate);
        state_->readiness.reset();
    }
}

PacedWriter::~PacedWriter() = default;

Task<int> PacedWriter::write(std::string bytes) {
    State& state = *state_;
    std::size_t done = 0, turn = 0;
    while (done < bytes.size() && state.error == 0) {
        if (state.readiness && state.is_watched && !state.is_writable()) {
            boost::system::error_code failed;
            auto token = boost::asio::redirect_error(boost::asio::use_awaitable, failed);
            co_await state.readiness->async_wait(boost::asio::posix::descriptor_base::wait_write, token);
            if (failed == boost::asio::error::operation_aborted) throw boost::system::system_error(failed);
            // What epoll cannot watch never keeps a writer waiting.
            if (failed) state.is_watched = false;
        }
        const ssize_t written =
            ::write(state.fd, bytes.data() + done, std::min(bytes.size() - done, state.piece_bytes));
        if (written < 0) {
            if (errno == EINTR || errno == EAGAIN) continue;
            state.error = errno;
            break;
        }
        done += static_cast<std::size_t>(written);
        turn += static_cast<std::size_t>(written);
        if (turn >= turn_bytes) {
            turn = 0;
            co_await boost::asio::post(state.executor, boost::asio::use_awaitable);
        }
    }
    co_return state.error;
}

Task<bool> PacedWriter::wait_reader_gone() {
    State& state = *state_;
    while (!has_lost_reader(state.fd)) {
        if (!state.readiness) co_return false;
        // epoll tells of an error and of a hang-up whatever it is asked for.
        boost::system::error_code failed;
        auto token = boost::asio::redirect_error(boost::asio::use_awaitable, failed);
        co_await state.readiness->async_wait(boost::asio::posix::descriptor_base::wait_error, token);
        if (failed == boost::asio::error::operation_aborted) throw boost::system::system_error(failed);
        if (failed) co_return false;
    }
    co_return true;
}

}  // namespace persistproc::cli::session
