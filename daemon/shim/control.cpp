#include "daemon/shim/control.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <initializer_list>

#include "common/rundir/paths.hpp"
#include "daemon/shim/short_text.hpp"

namespace persistproc::shim {

using rundir::ControlMessage;
using rundir::MessageType;

int Control::listen(int run_directory) noexcept {
    const int fd = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return errno;
    ::unlinkat(run_directory, rundir::control_name, 0);
    // Through the descriptor: the directory's own path may be longer than a socket address holds.
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const auto path =
        ShortText<sizeof address.sun_path>("/proc/self/fd/").add(run_directory).add("/").add(rundir::control_name);
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    const mode_t before = ::umask(0177);
    const bool bound = ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    int err = bound ? 0 : errno;
    ::umask(before);
    if (err == 0 && ::listen(fd, max_connections) != 0) err = errno;
    if (err != 0)
        ::close(fd);
    else
        listener_ = fd;
    return err;
}

void Control::stop_listening(int run_directory) noexcept {
    ::unlinkat(run_directory, rundir::control_name, 0);
    if (listener_ >= 0) ::close(listener_);
    listener_ = -1;
}

Control::Connection& Control::free_place() noexcept {
    Connection* oldest = &connections_[0];
    for (auto& each : connections_) {
        if (each.fd < 0) return each;
        if (each.serial < oldest->serial) oldest = &each;
    }
    close(*oldest);
    return *oldest;
}

void Control::adopt_start_channel(int fd) noexcept {
    Connection& connection = free_place();
    connection = {fd, next_serial_++, false, true};
}

void Control::accept() noexcept {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return;
    ucred peer{};
    socklen_t size = sizeof peer;
    const bool known = ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && size == sizeof peer;
    if (!known || (peer.uid != ::geteuid() && peer.uid != 0)) {
        ControlMessage refusal;
        refusal.type = MessageType::refused;
        refusal.value = EPERM;
        ::send(fd, &refusal, sizeof refusal, MSG_NOSIGNAL | MSG_DONTWAIT);
        ::close(fd);
        return;
    }
    Connection& connection = free_place();
    connection = {fd, next_serial_++, false, false};
}

std::size_t Control::add_entries(pollfd* entries) const noexcept {
    std::size_t count = 0;
    if (listener_ >= 0) entries[count++] = {listener_, POLLIN, 0};
    for (const auto& each : connections_)
        if (each.fd >= 0) entries[count++] = {each.fd, POLLIN, 0};
    return count;
}

Control::Connection* Control::find(int fd) noexcept {
    for (auto& each : connections_)
        if (each.fd == fd && fd >= 0) return &each;
    return nullptr;
}

void Handed::close() noexcept {
    for (int* fd : {&out, &err, &child, &report, &buffers}) {
        if (*fd >= 0) ::close(*fd);
        *fd = -1;
    }
}

Control::Received Control::receive(Connection& connection, ControlMessage& out, Handed& handed) noexcept {
    // The kernel fills the room to its end, padding included: more descriptors than were asked for may come.
    constexpr std::size_t room_bytes = CMSG_SPACE(rundir::most_handed * sizeof(int));
    constexpr std::size_t most = (room_bytes - CMSG_LEN(0)) / sizeof(int);
    alignas(cmsghdr) char room[room_bytes];
    iovec part{&out, sizeof out};
    msghdr packet{};
    packet.msg_iov = &part;
    packet.msg_iovlen = 1;
    packet.msg_control = room;
    packet.msg_controllen = sizeof room;
    const ssize_t got = ::recvmsg(connection.fd, &packet, MSG_DONTWAIT | MSG_TRUNC | MSG_CMSG_CLOEXEC);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return Received::nothing;
    const ControlMessage ours;
    // Without all its descriptors a message does not say what its sender meant.
    const bool is_whole = (packet.msg_flags & MSG_CTRUNC) == 0;
    const bool understood = got == sizeof out && out.magic == ours.magic && out.major == ours.major && is_whole;
    for (cmsghdr* each = CMSG_FIRSTHDR(&packet); got >= 0 && each != nullptr; each = CMSG_NXTHDR(&packet, each)) {
        if (each->cmsg_level != SOL_SOCKET || each->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t sent = (each->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        const std::size_t count = sent < most ? sent : most;
        int fds[most];
        std::memcpy(fds, CMSG_DATA(each), count * sizeof(int));
        std::size_t next = 0;
        const auto take = [&](std::int32_t bit, int& into) {
            if (understood && (out.value & bit) != 0 && into < 0 && next < count) into = fds[next++];
        };
        take(rundir::handed_out, handed.out);
        take(rundir::handed_err, handed.err);
        take(rundir::handed_child, handed.child);
        take(rundir::handed_report, handed.report);
        take(rundir::handed_buffers, handed.buffers);
        while (next < count) ::close(fds[next++]);
    }
    if (understood) return Received::message;
    if (got > 0) {
        ControlMessage refusal;
        refusal.type = MessageType::refused;
        refusal.value = EPROTO;
        send(connection, refusal);
    }
    close(connection);
    return Received::closed;
}

void Control::send(Connection& connection, const ControlMessage& message) noexcept {
    send(connection, message, Handed{});
}

void Control::send(Connection& connection, ControlMessage message, const Handed& handed) noexcept {
    if (connection.fd < 0) return;
    int fds[rundir::most_handed];
    std::size_t count = 0;
    std::int32_t which = 0;
    const auto put = [&](std::int32_t bit, int fd) {
        if (fd < 0) return;
        fds[count++] = fd;
        which |= bit;
    };
    put(rundir::handed_out, handed.out);
    put(rundir::handed_err, handed.err);
    put(rundir::handed_child, handed.child);
    put(rundir::handed_report, handed.report);
    put(rundir::handed_buffers, handed.buffers);
    alignas(cmsghdr) char room[CMSG_SPACE(sizeof fds)] = {};
    iovec part{&message, sizeof message};
    msghdr packet{};
    packet.msg_iov = &part;
    packet.msg_iovlen = 1;
    if (count > 0) {
        message.value = which;
        packet.msg_control = room;
        packet.msg_controllen = CMSG_SPACE(count * sizeof(int));
        cmsghdr* const header = CMSG_FIRSTHDR(&packet);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(count * sizeof(int));
        std::memcpy(CMSG_DATA(header), fds, count * sizeof(int));
    }
    // Not closed here: its end is met where it is read, which is what makes a keeper without a child leave.
    if (::sendmsg(connection.fd, &packet, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) ::shutdown(connection.fd, SHUT_RDWR);
}

void Control::send_to(std::uint64_t serial, const ControlMessage& message) noexcept {
    for (auto& each : connections_)
        if (each.fd >= 0 && each.serial == serial) send(each, message);
}

void Control::push(const ControlMessage& message) noexcept {
    for (auto& each : connections_)
        if (each.fd >= 0 && each.greeted) send(each, message);
}

bool Control::has_daemon() const noexcept {
    for (const auto& each : connections_)
        if (each.fd >= 0 && each.greeted) return true;
    return false;
}

void Control::close(Connection& connection) noexcept {
    if (connection.fd >= 0) ::close(connection.fd);
    connection.fd = -1;
}

}  // namespace persistproc::shim
