#include "common/rundir/packet.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace persistproc::rundir {

void receive_packet(int socket, Packet& out) noexcept {
    // The kernel fills the room to its end, padding included: one more descriptor than was asked for may come.
    constexpr std::size_t room_bytes = CMSG_SPACE(most_descriptors * sizeof(int));
    constexpr std::size_t most = (room_bytes - CMSG_LEN(0)) / sizeof(int);
    alignas(cmsghdr) char room[room_bytes];
    char bytes[most_frame_bytes];
    iovec part{bytes, sizeof bytes};
    msghdr packet{};
    packet.msg_iov = &part;
    packet.msg_iovlen = 1;
    packet.msg_control = room;
    packet.msg_controllen = sizeof room;
    out = Packet{};
    constexpr int flags = MSG_DONTWAIT | MSG_TRUNC | MSG_CMSG_CLOEXEC;
    out.size = ::recvmsg(socket, &packet, flags);
    // One that closes while packets for it are unread makes its peer meet this error once, before what it has sent.
    if (out.size < 0 && errno == ECONNRESET) out.size = ::recvmsg(socket, &packet, flags);
    if (out.size < 0) return;
    Descriptors& came = out.descriptors;
    out.understood = decode_frame(bytes, static_cast<std::size_t>(out.size), out.message, came.names);
    // An empty packet is no end of the connection by itself: descriptors come with one, too.
    for (cmsghdr* each = CMSG_FIRSTHDR(&packet); each != nullptr; each = CMSG_NXTHDR(&packet, each)) {
        if (each->cmsg_level != SOL_SOCKET || each->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t sent = (each->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        int fds[most];
        const std::size_t count = sent < most ? sent : most;
        std::memcpy(fds, CMSG_DATA(each), count * sizeof(int));
        for (std::size_t i = 0; i < count; ++i) {
            if (out.understood == Refusal::none && came.count < came.names.count)
                came.fds[came.count++] = fds[i];
            else
                ::close(fds[i]);
        }
    }
    out.is_whole = (packet.msg_flags & MSG_CTRUNC) == 0 && came.count == came.names.count;
}

int send_packet(int socket, const ControlMessage& message, const Descriptors& descriptors) noexcept {
    Frame frame;
    encode_frame(message, descriptors.names, frame);
    alignas(cmsghdr) char room[CMSG_SPACE(most_descriptors * sizeof(int))] = {};
    iovec part{frame.bytes, frame.size};
    msghdr packet{};
    packet.msg_iov = &part;
    packet.msg_iovlen = 1;
    if (descriptors.count > 0) {
        packet.msg_control = room;
        packet.msg_controllen = CMSG_SPACE(descriptors.count * sizeof(int));
        cmsghdr* const header = CMSG_FIRSTHDR(&packet);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(descriptors.count * sizeof(int));
        std::memcpy(CMSG_DATA(header), descriptors.fds, descriptors.count * sizeof(int));
    }
    const ssize_t sent = ::sendmsg(socket, &packet, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) return errno;
    return sent == static_cast<ssize_t>(frame.size) ? 0 : EMSGSIZE;
}

}  // namespace persistproc::rundir
