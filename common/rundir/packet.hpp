#pragma once
/// Frames (frame.hpp) as they travel over a socket of packets, with the descriptors that belong to them. One place for
/// both ends: what is listed and does not come, and what comes and is not listed, is dealt with here. No heap.
#include <sys/types.h>

#include "common/rundir/frame.hpp"

namespace persistproc::rundir {

/// The first `count` of the names have their descriptor here, in that order.
struct Descriptors {
    DescriptorList names;
    int fds[most_descriptors];
    std::size_t count = 0;

    /// To be sent; none is added for a descriptor below 0. It stays its owner's.
    void add(int fd, DescriptorKind kind, std::uint16_t index = 0) noexcept {
        if (fd < 0 || count == most_descriptors) return;
        fds[count++] = fd;
        names.add(kind, index);
    }
};

/// What was received. The descriptors are whoever's who asked for it.
struct Packet {
    ssize_t size = -1;                      // as recvmsg(2); 0: also an empty packet
    Refusal understood = Refusal::damaged;  // as decode_frame
    ControlMessage message;
    Descriptors descriptors;  // none, unless it was understood
    bool is_whole = true;     // all descriptors that it lists have come
};

/// Takes one packet, if there is one, without waiting. What comes beside those that a message lists, or with one that
/// is not understood, is closed.
void receive_packet(int socket, Packet& out) noexcept;

/// Sends one, without waiting. Returns 0 or errno.
int send_packet(int socket, const ControlMessage& message, const Descriptors& descriptors) noexcept;

}  // namespace persistproc::rundir
