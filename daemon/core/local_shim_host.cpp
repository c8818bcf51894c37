#include "daemon/core/local_shim_host.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <boost/asio/generic/seq_packet_protocol.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstring>

#include "common/base/file.hpp"
#include "common/rundir/paths.hpp"
#include "daemon/core/launcher.hpp"

namespace persistproc::core {

namespace asio = boost::asio;
using Socket = asio::generic::seq_packet_protocol::socket;

namespace {

const asio::generic::seq_packet_protocol unix_packets(AF_UNIX, 0);

class SocketLink final : public ShimLink {
public:
    SocketLink(asio::any_io_executor executor, int fd) : socket_(std::move(executor), unix_packets, fd) {
        socket_.non_blocking(true);
    }

    Result<void> send(const rundir::ControlMessage& message) override {
        // Straight to the kernel: a packet either fits the socket's buffer or the shim has stopped reading.
        const ssize_t sent = ::send(socket_.native_handle(), &message, sizeof message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent == static_cast<ssize_t>(sizeof message)) return boost::system::in_place_value;
        Error error = base::os_failure("shim", sent < 0 ? errno : EMSGSIZE);
        error.code = ErrorCode::unavailable;
        return error;
    }

    Task<Result<rundir::ControlMessage>> receive() override {
        rundir::ControlMessage message;
        asio::socket_base::message_flags flags = 0;
        boost::system::error_code failed;
        const auto buffer = asio::buffer(&message, sizeof message);
        const std::size_t n =
            co_await socket_.async_receive(buffer, flags, asio::redirect_error(asio::use_awaitable, failed));
        if (failed == asio::error::operation_aborted) throw boost::system::system_error(failed);
        if (failed || n == 0) co_return Error{ErrorCode::unavailable, "the shim has closed its connection"};
        if (n != sizeof message || message.magic != rundir::ControlMessage{}.magic)
            co_return Error{ErrorCode::corrupt, "a packet from the shim is not understood"};
        if (message.major != rundir::format_major)
            co_return Error{ErrorCode::unsupported, "the shim speaks another major version"};
        co_return message;
    }

    void close() override { ::shutdown(socket_.native_handle(), SHUT_RDWR); }

private:
    Socket socket_;
};

/// Takes the exit status of a shim, so that no zombie stays. Not Boost.Process v2's wait: it takes the first readiness
/// for the end and calls waitpid without WNOHANG, but Asio reports one that was meant for a descriptor closed a moment
/// before when their state is reused; the loop then blocks until the shim ends, which waits for the loop.
Task<> reap(asio::any_io_executor executor, base::UniqueFd pidfd) {
    asio::posix::stream_descriptor descriptor(executor, pidfd.get());
    pidfd.release();
    for (;;) {
        siginfo_t info{};
        const int waited = ::waitid(P_PIDFD, static_cast<id_t>(descriptor.native_handle()), &info, WEXITED | WNOHANG);
        if ((waited == 0 && info.si_pid != 0) || (waited != 0 && errno != EINTR)) co_return;
        boost::system::error_code failed;
        co_await descriptor.async_wait(asio::posix::stream_descriptor::wait_read,
                                       asio::redirect_error(asio::use_awaitable, failed));
        if (failed) co_return;
    }
}

}  // namespace

LocalShimHost::LocalShimHost(asio::any_io_executor executor, std::filesystem::path shim, std::filesystem::path data)
    : executor_(executor),
      shim_(std::move(shim)),
      data_(std::move(data)),
      null_(::open("/dev/null", O_RDWR | O_CLOEXEC)),
      reapers_(executor) {}

LocalShimHost::~LocalShimHost() = default;

Task<Result<std::unique_ptr<ShimLink>>> LocalShimHost::spawn(RunId run) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        co_return base::os_failure("socketpair", errno);
    base::UniqueFd ours(ends[0]);
    base::UniqueFd theirs(ends[1]);
    Launch launching;
    launching.executable = shim_.string();
    launching.arguments = {"persistproc-shim", rundir::run_paths(data_, run).root.string()};
    for (int& fd : launching.stdio) fd = null_.get();
    launching.channel = theirs.get();
    auto launched = launch(launching);
    if (!launched) co_return launched.error();
    reapers_.spawn("reaper", reap(executor_, std::move(launched->pidfd)));
    co_return std::make_unique<SocketLink>(executor_, ours.release());
}

Task<Result<std::unique_ptr<ShimLink>>> LocalShimHost::connect(RunId run) {
    auto directory = base::open_file(rundir::run_paths(data_, run).root, O_RDONLY | O_DIRECTORY);
    if (!directory) co_return directory.error();
    base::UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) co_return base::os_failure("socket", errno);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = base::socket_path_through(directory->get(), rundir::control_name);
    std::memcpy(address.sun_path, path.c_str(), std::min(path.size(), sizeof address.sun_path - 1));
    // A unix connect completes or fails at once (EAGAIN: the backlog is full).
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        Error error = base::os_failure("shim of " + to_string(run), errno);
        error.code = ErrorCode::unavailable;
        co_return error;
    }
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) co_return base::os_failure("shim", errno);
    if (peer.uid != ::geteuid())
        co_return Error{ErrorCode::denied, "the control socket of " + to_string(run) + " belongs to another user"};
    co_return std::make_unique<SocketLink>(executor_, fd.release());
}

Task<> LocalShimHost::close() { co_await reapers_.close(); }

}  // namespace persistproc::core
