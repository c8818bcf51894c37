#include "daemon/shim/notify_socket.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <limits>

#include "common/rundir/spec.hpp"
#include "daemon/shim/os.hpp"

namespace persistproc::shim {

namespace {

/// Whether the sender's credentials, which the kernel has added, are this user's.
bool is_ours(msghdr& packet) noexcept {
    for (cmsghdr* each = CMSG_FIRSTHDR(&packet); each != nullptr; each = CMSG_NXTHDR(&packet, each)) {
        if (each->cmsg_level != SOL_SOCKET || each->cmsg_type != SCM_CREDENTIALS) continue;
        ucred sender{};
        std::memcpy(&sender, CMSG_DATA(each), sizeof sender);
        return sender.uid == ::geteuid();
    }
    return false;
}

/// Microseconds from now on; what is no number says nothing.
void extend(const char* digits, const char* end, rundir::RunState& state, std::uint64_t boot_ns) noexcept {
    constexpr std::uint64_t longest_us = std::uint64_t{1} << 40;  // twelve days
    constexpr std::uint64_t most_ms = std::numeric_limits<std::uint32_t>::max();
    std::uint64_t us = 0;
    if (digits == end) return;
    for (; digits != end; ++digits) {
        if (*digits < '0' || *digits > '9') return;
        us = std::min(us * 10 + static_cast<std::uint64_t>(*digits - '0'), longest_us);
    }
    const std::uint64_t age_ns = boot_ns - std::min(boot_ns, state.started_boot_ns);
    state.extended_ms = static_cast<std::uint32_t>(std::min(age_ns / os::millisecond + us / 1000, most_ms));
}

}  // namespace

int NotifySocket::open(const char* digits) noexcept {
    const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return errno;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    constexpr std::size_t prefix = sizeof rundir::notify_prefix - 1;
    const std::size_t size = std::strlen(digits);
    static_assert(1 + prefix + 2 * sizeof(rundir::Nonce) < sizeof address.sun_path);
    std::memcpy(address.sun_path + 1, rundir::notify_prefix, prefix);
    std::memcpy(address.sun_path + 1 + prefix, digits, size);
    const int yes = 1;
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + prefix + size);
    if (::setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &yes, sizeof yes) != 0 ||
        ::bind(fd, reinterpret_cast<const sockaddr*>(&address), length) != 0) {
        const int error = errno;
        ::close(fd);
        return error;
    }
    fd_ = fd;
    return 0;
}

Heard NotifySocket::hear(rundir::RunState& state) noexcept {
    char text[4096];
    // Credentials come first. There is no room for descriptors: none is taken.
    alignas(cmsghdr) char room[CMSG_SPACE(sizeof(ucred))];
    iovec part{text, sizeof text};
    msghdr packet{};
    packet.msg_iov = &part;
    packet.msg_iovlen = 1;
    packet.msg_control = room;
    packet.msg_controllen = sizeof room;
    ssize_t got;
    do got = ::recvmsg(fd_, &packet, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC | MSG_TRUNC);
    while (got < 0 && errno == EINTR);
    if (got < 0) return Heard::nothing;
    // One that was cut may say something else than it did.
    const bool is_whole = (packet.msg_flags & MSG_TRUNC) == 0 && got <= static_cast<ssize_t>(sizeof text);
    if (!is_ours(packet) || !is_whole) return Heard::nothing_new;
    const std::string_view message(text, static_cast<std::size_t>(got));
    return take_notification(message, state, os::boot_ns()) ? Heard::news : Heard::nothing_new;
}

/// Whoever waits for its descriptors to be closed (BARRIER) is let go on; none is kept (FDSTORE).
void NotifySocket::drop() noexcept {
    char byte;
    while (::recv(fd_, &byte, sizeof byte, MSG_DONTWAIT | MSG_TRUNC) < 0 && errno == EINTR) {
    }
}

bool take_notification(std::string_view message, rundir::RunState& state, std::uint64_t boot_ns) noexcept {
    constexpr std::string_view status_key = "STATUS=", extend_key = "EXTEND_TIMEOUT_USEC=";
    const rundir::RunState before = state;
    while (!message.empty()) {
        const std::size_t size_of_line = std::min(message.find('\n'), message.size());
        const std::string_view line(message.data(), size_of_line);  // substr could throw
        message.remove_prefix(std::min(size_of_line + 1, message.size()));
        if (line == "READY=1") state.notified = rundir::notified_ready;
        if (line == "RELOADING=1") state.notified |= rundir::notified_reloading;
        if (line == "STOPPING=1") state.notified |= rundir::notified_stopping;
        if (line.starts_with(extend_key))
            extend(line.data() + extend_key.size(), line.data() + line.size(), state, boot_ns);
        if (!line.starts_with(status_key)) continue;
        const std::size_t size = std::min(line.size() - status_key.size(), sizeof state.status);
        std::memset(state.status, 0, sizeof state.status);
        std::memcpy(state.status, line.data() + status_key.size(), size);
        state.status_size = static_cast<std::uint8_t>(size);
    }
    return state.notified != before.notified || state.extended_ms != before.extended_ms ||
           state.status_size != before.status_size ||
           std::memcmp(state.status, before.status, sizeof state.status) != 0;
}

}  // namespace persistproc::shim
