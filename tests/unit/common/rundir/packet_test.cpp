#include "common/rundir/packet.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <vector>

#include "common/base/unique_fd.hpp"
#include "tests/support/catch.hpp"

namespace packet_test {

using namespace persistproc;
using namespace persistproc::rundir;

namespace {

struct Ends {
    base::UniqueFd a, b;
    Ends() {
        int ends[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
        a.reset(ends[0]);
        b.reset(ends[1]);
    }
};

/// The write ends of pipes whose other ends tell how many of them are open.
struct Pipes {
    std::vector<base::UniqueFd> read, write;
    explicit Pipes(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
            int ends[2];
            REQUIRE(::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
            read.emplace_back(ends[0]);
            write.emplace_back(ends[1]);
        }
    }
    /// Once this side has closed its own: those that somebody else holds.
    std::size_t held() {
        write.clear();
        std::size_t out = 0;
        char byte = 0;
        for (const auto& each : read)
            if (::read(each.get(), &byte, 1) < 0) ++out;
        return out;
    }
};

/// As no sender of ours would: `bytes` as they are, with descriptors that nobody lists.
void send_raw(int socket, const void* bytes, std::size_t size, const std::vector<base::UniqueFd>& fds) {
    std::vector<char> room(CMSG_SPACE(fds.size() * sizeof(int)));
    iovec part{const_cast<void*>(bytes), size};
    msghdr packet{};
    packet.msg_iov = &part;
    packet.msg_iovlen = 1;
    packet.msg_control = room.data();
    packet.msg_controllen = room.size();
    cmsghdr* const header = CMSG_FIRSTHDR(&packet);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
    for (std::size_t i = 0; i < fds.size(); ++i) {
        const int fd = fds[i].get();
        std::memcpy(CMSG_DATA(header) + i * sizeof fd, &fd, sizeof fd);
    }
    REQUIRE(::sendmsg(socket, &packet, 0) == static_cast<ssize_t>(size));
}

ControlMessage greeting() {
    ControlMessage out;
    out.type = MessageType::ready;
    out.request = 7;
    return out;
}

}  // namespace

TEST_CASE("what a message lists comes with it, in order") {
    Ends ends;
    Pipes pipes(2);
    Descriptors sent;
    sent.add(pipes.write[0].get(), DescriptorKind::source, 1);
    sent.add(-1, DescriptorKind::child);
    sent.add(pipes.write[1].get(), DescriptorKind::buffers);
    REQUIRE(send_packet(ends.a.get(), greeting(), sent) == 0);
    Packet packet;
    receive_packet(ends.b.get(), packet);
    CHECK(packet.size > 0);
    REQUIRE(packet.understood == Refusal::none);
    CHECK(packet.message.request == 7);
    CHECK(packet.is_whole);
    REQUIRE(packet.descriptors.count == 2);
    CHECK(packet.descriptors.names.names[0].kind == DescriptorKind::source);
    CHECK(packet.descriptors.names.names[0].index == 1);
    CHECK(packet.descriptors.names.names[1].kind == DescriptorKind::buffers);
    for (std::size_t i = 0; i < 2; ++i) {
        const base::UniqueFd fd(packet.descriptors.fds[i]);
        CHECK(::write(fd.get(), "x", 1) == 1);
        char byte = 0;
        CHECK(::read(pipes.read[i].get(), &byte, 1) == 1);
        CHECK((::fcntl(fd.get(), F_GETFD) & FD_CLOEXEC) != 0);
    }
    CHECK(pipes.held() == 0);
    receive_packet(ends.b.get(), packet);
    CHECK(packet.size < 0);  // nothing is waited for
}

TEST_CASE("descriptors that no message lists are closed") {
    Ends ends;
    Pipes pipes(most_descriptors + 1);  // one more than may be listed: padding has room for it
    Frame frame;
    SECTION("more than it lists") { encode_frame(greeting(), {}, frame); }
    SECTION("with what is no frame") {
        frame.size = 40;
        std::memset(frame.bytes, 'x', frame.size);
    }
    SECTION("with an empty packet") {}
    send_raw(ends.a.get(), frame.bytes, frame.size, pipes.write);
    Packet packet;
    receive_packet(ends.b.get(), packet);
    CHECK(packet.size == static_cast<ssize_t>(frame.size));
    CHECK(packet.descriptors.count == 0);
    CHECK(pipes.held() == 0);
}

TEST_CASE("fewer descriptors than a message lists are known as that") {
    Ends ends;
    Pipes pipes(1);
    Frame frame;
    DescriptorList two;
    two.add(DescriptorKind::source, 0);
    two.add(DescriptorKind::source, 1);
    encode_frame(greeting(), two, frame);
    send_raw(ends.a.get(), frame.bytes, frame.size, pipes.write);
    Packet packet;
    receive_packet(ends.b.get(), packet);
    CHECK(packet.understood == Refusal::none);
    CHECK_FALSE(packet.is_whole);
    REQUIRE(packet.descriptors.count == 1);
    ::close(packet.descriptors.fds[0]);
    CHECK(pipes.held() == 0);
}

TEST_CASE("what was sent before an end is received, though that end had not read all it was sent") {
    Ends ends;
    ControlMessage last;
    last.type = MessageType::tree_empty;
    REQUIRE(send_packet(ends.a.get(), last, {}) == 0);
    REQUIRE(send_packet(ends.b.get(), ControlMessage{}, {}) == 0);
    ends.a.reset();
    Packet packet;
    receive_packet(ends.b.get(), packet);
    REQUIRE(packet.size > 0);
    CHECK(packet.message.type == MessageType::tree_empty);
    receive_packet(ends.b.get(), packet);
    CHECK(packet.size == 0);
}

}  // namespace packet_test
