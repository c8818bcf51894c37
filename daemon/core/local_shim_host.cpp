#include "daemon/core/local_shim_host.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <boost/asio/generic/seq_packet_protocol.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstring>
#include <utility>
#include <vector>

#include "common/base/diagnostics.hpp"
#include "common/base/file.hpp"
#include "common/base/kill_point.hpp"
#include "common/rundir/paths.hpp"
#include "daemon/core/launcher.hpp"

namespace persistproc::core {

namespace asio = boost::asio;
using Socket = asio::generic::seq_packet_protocol::socket;

namespace {

const asio::generic::seq_packet_protocol unix_packets(AF_UNIX, 0);

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

/// The zombies of this process that are nobody else's business. Of the io thread.
class LocalShimHost::Orphanage {
public:
    std::multiset<pid_t> held;

    void sweep() {
        for (;;) {
            siginfo_t info{};
            if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) return;
            // It stands before all others until it is let go, which is soon.
            if (held.count(info.si_pid) > 0) return;
            ::waitid(P_PID, static_cast<id_t>(info.si_pid), &info, WEXITED | WNOHANG);
        }
    }
};

class LocalShimHost::HeldChild final : public ChildHold {
public:
    HeldChild(asio::any_io_executor executor, std::shared_ptr<Orphanage> orphanage, pid_t pid, base::UniqueFd pidfd)
        : executor_(std::move(executor)), orphanage_(std::move(orphanage)), pid_(pid), pidfd_(std::move(pidfd)) {
        orphanage_->held.insert(pid_);
    }
    ~HeldChild() override {
        orphanage_->held.erase(orphanage_->held.find(pid_));
        orphanage_->sweep();
    }
    HeldChild(const HeldChild&) = delete;
    HeldChild& operator=(const HeldChild&) = delete;

    Task<std::optional<End>> ended() override {
        base::UniqueFd own(::fcntl(pidfd_.get(), F_DUPFD_CLOEXEC, 0));
        if (!own) co_return std::nullopt;
        asio::posix::stream_descriptor descriptor(executor_, own.get());
        own.release();
        for (;;) {
            siginfo_t info{};
            const auto fd = static_cast<id_t>(descriptor.native_handle());
            const int waited = ::waitid(P_PIDFD, fd, &info, WEXITED | WNOHANG | WNOWAIT);
            const bool is_ours = waited == 0 || errno != ECHILD;
            if (waited == 0 && info.si_pid != 0) {
                End end{.value = info.si_status, .killed = info.si_code != CLD_EXITED};
                co_return end;
            }
            pollfd entry{descriptor.native_handle(), POLLIN, 0};
            if (!is_ours && ::poll(&entry, 1, 0) == 1) co_return std::nullopt;
            boost::system::error_code failed;
            co_await descriptor.async_wait(asio::posix::stream_descriptor::wait_read,
                                           asio::redirect_error(asio::use_awaitable, failed));
            if (failed) throw boost::system::system_error(failed);
        }
    }

    int descriptor() const noexcept override { return pidfd_.get(); }

private:
    asio::any_io_executor executor_;
    std::shared_ptr<Orphanage> orphanage_;
    pid_t pid_;
    base::UniqueFd pidfd_;
};

class LocalShimHost::SocketLink final : public ShimLink {
public:
    SocketLink(asio::any_io_executor executor, int fd, std::shared_ptr<Orphanage> orphanage)
        : socket_(std::move(executor), unix_packets, fd), orphanage_(std::move(orphanage)) {
        socket_.non_blocking(true);
    }

    Result<void> send(const rundir::ControlMessage& message) override { return send_with(message, {}); }

    Result<void> hand_over(const rundir::ControlMessage& message, const Spares& spares) override {
        rundir::ControlMessage with = message;
        with.value = 0;
        std::vector<int> fds;
        const auto put = [&](std::int32_t bit, int fd) {
            if (fd < 0) return;
            with.value |= bit;
            fds.push_back(fd);
        };
        put(rundir::handed_out, spares.out.get());
        put(rundir::handed_err, spares.err.get());
        put(rundir::handed_child, spares.child ? spares.child->descriptor() : -1);
        put(rundir::handed_report, spares.report.get());
        put(rundir::handed_buffers, spares.buffers.get());
        return send_with(with, fds);
    }

    Spares take_spares() override { return std::exchange(spares_, {}); }

    Task<Result<rundir::ControlMessage>> receive() override {
        rundir::ControlMessage message;
        for (;;) {
            const ssize_t got = take(message);
            const bool is_early = got < 0 && (errno == EAGAIN || errno == EINTR);
            if (!is_early) {
                if (got <= 0) co_return Error{ErrorCode::unavailable, "the shim has closed its connection"};
                if (got != sizeof message || message.magic != rundir::ControlMessage{}.magic)
                    co_return Error{ErrorCode::corrupt, "a packet from the shim is not understood"};
                if (message.major != rundir::format_major)
                    co_return Error{ErrorCode::unsupported, "the shim speaks another major version"};
                co_return message;
            }
            boost::system::error_code failed;
            co_await socket_.async_wait(Socket::wait_read, asio::redirect_error(asio::use_awaitable, failed));
            if (failed == asio::error::operation_aborted) throw boost::system::system_error(failed);
        }
    }

    void close() override { ::shutdown(socket_.native_handle(), SHUT_RDWR); }

private:
    // Straight to the kernel: a packet either fits the socket's buffer or the shim has stopped reading.
    Result<void> send_with(const rundir::ControlMessage& message, const std::vector<int>& fds) {
        alignas(cmsghdr) char room[CMSG_SPACE(rundir::most_handed * sizeof(int))] = {};
        iovec part{const_cast<rundir::ControlMessage*>(&message), sizeof message};
        msghdr packet{};
        packet.msg_iov = &part;
        packet.msg_iovlen = 1;
        if (!fds.empty()) {
            packet.msg_control = room;
            packet.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
            cmsghdr* const header = CMSG_FIRSTHDR(&packet);
            header->cmsg_level = SOL_SOCKET;
            header->cmsg_type = SCM_RIGHTS;
            header->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
            std::memcpy(CMSG_DATA(header), fds.data(), fds.size() * sizeof(int));
        }
        const ssize_t sent = ::sendmsg(socket_.native_handle(), &packet, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent == static_cast<ssize_t>(sizeof message)) return boost::system::in_place_value;
        Error error = base::os_failure("shim", sent < 0 ? errno : EMSGSIZE);
        error.code = ErrorCode::unavailable;
        return error;
    }

    /// One packet, as recvmsg(2); its descriptors go to `spares_`.
    ssize_t take(rundir::ControlMessage& message) {
        alignas(cmsghdr) char room[CMSG_SPACE(rundir::most_handed * sizeof(int))];
        iovec part{&message, sizeof message};
        msghdr packet{};
        packet.msg_iov = &part;
        packet.msg_iovlen = 1;
        packet.msg_control = room;
        packet.msg_controllen = sizeof room;
        const ssize_t got = ::recvmsg(socket_.native_handle(), &packet, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (got < 0) return got;
        if ((packet.msg_flags & MSG_CTRUNC) != 0)
            base::report(base::Severity::warning,
                         "a shim's descriptors could not be taken (no room for more?); should it be killed, the "
                         "next one may lose output");
        for (cmsghdr* each = CMSG_FIRSTHDR(&packet); each != nullptr; each = CMSG_NXTHDR(&packet, each)) {
            if (each->cmsg_level != SOL_SOCKET || each->cmsg_type != SCM_RIGHTS) continue;
            std::vector<int> raw((each->cmsg_len - CMSG_LEN(0)) / sizeof(int));
            std::memcpy(raw.data(), CMSG_DATA(each), raw.size() * sizeof(int));
            std::vector<base::UniqueFd> fds;
            for (const int fd : raw) fds.emplace_back(fd);
            auto next = fds.begin();
            const auto is_there = [&](std::int32_t bit) { return (message.value & bit) != 0 && next != fds.end(); };
            Spares fresh;
            if (is_there(rundir::handed_out)) fresh.out = std::move(*next++);
            if (is_there(rundir::handed_err)) fresh.err = std::move(*next++);
            if (is_there(rundir::handed_child))
                fresh.child = std::make_shared<HeldChild>(socket_.get_executor(), orphanage_, message.state.pid,
                                                          std::move(*next++));
            if (is_there(rundir::handed_report)) fresh.report = std::move(*next++);
            if (is_there(rundir::handed_buffers)) fresh.buffers = std::move(*next++);
            spares_.merge(std::move(fresh));
        }
        return got;
    }

    Socket socket_;
    std::shared_ptr<Orphanage> orphanage_;
    Spares spares_;
};

LocalShimHost::LocalShimHost(asio::any_io_executor executor, std::filesystem::path shim, std::filesystem::path data)
    : executor_(executor),
      shim_(std::move(shim)),
      data_(std::move(data)),
      null_(::open("/dev/null", O_RDWR | O_CLOEXEC)),
      orphanage_(std::make_shared<Orphanage>()),
      reapers_(executor) {}

LocalShimHost::~LocalShimHost() = default;

Task<> LocalShimHost::sweep_orphans(asio::any_io_executor executor, std::shared_ptr<Orphanage> orphanage) {
    asio::signal_set ended(executor, SIGCHLD);
    for (;;) {
        orphanage->sweep();
        co_await ended.async_wait(asio::use_awaitable);
    }
}

void LocalShimHost::reap_orphans() {
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    reapers_.spawn("orphans", sweep_orphans(executor_, orphanage_));
}

Task<Result<std::unique_ptr<ShimLink>>> LocalShimHost::spawn(RunId run) { return launch_shim(run, false); }
Task<Result<std::unique_ptr<ShimLink>>> LocalShimHost::succeed(RunId run) { return launch_shim(run, true); }

Task<Result<std::unique_ptr<ShimLink>>> LocalShimHost::launch_shim(RunId run, bool succeeds) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        co_return base::os_failure("socketpair", errno);
    base::UniqueFd ours(ends[0]);
    base::UniqueFd theirs(ends[1]);
    Launch launching;
    launching.executable = shim_.string();
    launching.arguments.emplace_back("persistproc-shim");
    if (succeeds) launching.arguments.emplace_back("--succeed");
    launching.arguments.push_back(rundir::run_paths(data_, run).root.string());
    for (int& fd : launching.stdio) fd = null_.get();
    launching.channel = theirs.get();
    if (const char* setting = base::find_kill_setting()) launching.environment.emplace_back(setting);
    auto launched = launch(launching);
    if (!launched) co_return launched.error();
    reapers_.spawn("reaper", reap(executor_, std::move(launched->pidfd)));
    co_return std::make_unique<SocketLink>(executor_, ours.release(), orphanage_);
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
    co_return std::make_unique<SocketLink>(executor_, fd.release(), orphanage_);
}

Task<> LocalShimHost::close() { co_await reapers_.close(); }

}  // namespace persistproc::core
