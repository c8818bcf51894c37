#include "daemon/shim/control.hpp"

#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <initializer_list>

#include "common/rundir/packet.hpp"
#include "common/rundir/paths.hpp"
#include "daemon/shim/short_text.hpp"

namespace persistproc::shim {

using rundir::ControlMessage;
using rundir::DescriptorKind;
using rundir::MessageType;
using rundir::Refusal;

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
    connection = {.fd = fd, .serial = next_serial_++, .start = true};
}

void Control::accept() noexcept {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return;
    ucred peer{};
    socklen_t size = sizeof peer;
    const bool known = ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && size == sizeof peer;
    if (!known || (peer.uid != ::geteuid() && peer.uid != 0)) {
        Connection stranger{.fd = fd};
        refuse(stranger, {}, Refusal::foreign_user, EPERM);
        ::close(fd);
        return;
    }
    Connection& connection = free_place();
    connection = {.fd = fd, .serial = next_serial_++};
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

Handed::Handed() noexcept {
    for (int& fd : sources) fd = -1;
}

int* Handed::find(rundir::DescriptorName name) noexcept {
    if (name.kind == DescriptorKind::source)
        return name.index < OutputBuffers::sources ? &sources[name.index] : nullptr;
    if (name.index != 0) return nullptr;
    if (name.kind == DescriptorKind::child) return &child;
    if (name.kind == DescriptorKind::report) return &report;
    if (name.kind == DescriptorKind::notify) return &notify;
    if (name.kind == DescriptorKind::input) return &input;
    return name.kind == DescriptorKind::buffers ? &buffers : nullptr;
}

void Handed::close() noexcept {
    const auto drop = [](int& fd) {
        if (fd >= 0) ::close(fd);
        fd = -1;
    };
    for (int& fd : sources) drop(fd);
    for (int* fd : {&child, &report, &buffers, &notify, &input}) drop(*fd);
}

Control::Received Control::receive(Connection& connection, ControlMessage& out, Handed& handed) noexcept {
    rundir::Packet packet;
    rundir::receive_packet(connection.fd, packet);
    if (packet.size < 0 && (errno == EAGAIN || errno == EINTR)) return Received::nothing;
    out = packet.message;
    const auto& came = packet.descriptors;
    for (std::size_t i = 0; i < came.count; ++i) {
        int* const place = handed.find(came.names.names[i]);
        if (place != nullptr && *place < 0)
            *place = came.fds[i];
        else
            ::close(came.fds[i]);
    }
    const Refusal why =
        packet.understood == Refusal::none && !packet.is_whole ? Refusal::descriptors_missing : packet.understood;
    if (packet.size > 0 && why == Refusal::none) return Received::message;
    if (packet.size > 0) refuse(connection, out, why, EPROTO);
    handed.close();
    // Whoever writes frames of this major is understood the next time.
    if (packet.size > 0 && (why == Refusal::unknown_type || why == Refusal::descriptors_missing))
        return Received::nothing;
    close(connection);
    return Received::closed;
}

void Control::send(Connection& connection, const ControlMessage& message) noexcept {
    send(connection, message, Handed{});
}

void Control::send(Connection& connection, const ControlMessage& message, const Handed& handed) noexcept {
    if (connection.fd < 0) return;
    rundir::Descriptors fds;
    static_assert(OutputBuffers::sources + 5 <= rundir::most_descriptors);
    for (std::size_t i = 0; i < OutputBuffers::sources; ++i)
        fds.add(handed.sources[i], DescriptorKind::source, static_cast<std::uint16_t>(i));
    fds.add(handed.child, DescriptorKind::child);
    fds.add(handed.report, DescriptorKind::report);
    fds.add(handed.buffers, DescriptorKind::buffers);
    fds.add(handed.notify, DescriptorKind::notify);
    fds.add(handed.input, DescriptorKind::input);
    // Not closed here: its end is met where it is read, which is what makes a keeper without a child leave.
    if (rundir::send_packet(connection.fd, message, fds) != 0) ::shutdown(connection.fd, SHUT_RDWR);
}

void Control::refuse(Connection& connection, const ControlMessage& what, Refusal why, int error) noexcept {
    ControlMessage answer;
    answer.type = MessageType::refused;
    answer.epoch = what.epoch;
    answer.request = what.request;
    answer.refused_type = static_cast<std::uint16_t>(what.type);
    answer.refusal = why;
    answer.error = error;
    send(connection, answer);
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

bool Control::has_unread() const noexcept {
    int bytes = 0;
    for (const auto& each : connections_)
        if (each.fd >= 0 && each.greeted && ::ioctl(each.fd, SIOCOUTQ, &bytes) == 0 && bytes > 0) return true;
    return false;
}

void Control::close(Connection& connection) noexcept {
    if (connection.fd >= 0) ::close(connection.fd);
    connection.fd = -1;
}

void Control::close_all() noexcept {
    for (auto& each : connections_) close(each);
}

}  // namespace persistproc::shim
