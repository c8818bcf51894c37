#include "daemon/shim/notify_socket.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <filesystem>
#include <string>

#include "common/base/unique_fd.hpp"
#include "common/rundir/spec.hpp"
#include "tests/support/catch.hpp"

namespace notify_socket_test {

using namespace persistproc;
using shim::Heard;
using shim::NotifySocket;
using shim::take_notification;

namespace {

std::string digits_of_this_test() { return "test-" + std::to_string(::getpid()); }

/// Says it to the socket of those digits, with a descriptor if there is one.
void say(const std::string& text, int descriptor = -1) {
    const base::UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const std::string name = rundir::notify_prefix + digits_of_this_test();
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path + 1, name.data(), name.size());
    iovec part{const_cast<char*>(text.data()), text.size()};
    alignas(cmsghdr) char room[CMSG_SPACE(sizeof(int))] = {};
    msghdr packet{};
    packet.msg_name = &address;
    packet.msg_namelen = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
    packet.msg_iov = &part;
    packet.msg_iovlen = 1;
    if (descriptor >= 0) {
        packet.msg_control = room;
        packet.msg_controllen = sizeof room;
        cmsghdr* const head = CMSG_FIRSTHDR(&packet);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(sizeof descriptor);
        std::memcpy(CMSG_DATA(head), &descriptor, sizeof descriptor);
    }
    REQUIRE(::sendmsg(fd.get(), &packet, 0) == static_cast<ssize_t>(text.size()));
}

std::ptrdiff_t open_descriptors() {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), std::filesystem::directory_iterator());
}

}  // namespace

TEST_CASE("given a keeper that is killed with a word that it has heard, when another goes on, then it hears it again") {
    NotifySocket first;
    REQUIRE(first.open(digits_of_this_test().c_str()) == 0);
    rundir::RunState before, after;
    CHECK(first.hear(before) == Heard::nothing);
    say("READY=1");
    say("STATUS=serving");
    CHECK(first.hear(before) == Heard::news);
    NotifySocket second;
    second.adopt(first.descriptor());
    CHECK(second.hear(after) == Heard::news);
    CHECK(after.says_ready());
    second.drop();
    CHECK(second.hear(after) == Heard::news);
    CHECK(second.hear(after) == Heard::nothing_new);
    second.drop();
    CHECK(second.hear(after) == Heard::nothing);
    ::close(first.descriptor());
}

TEST_CASE("given descriptors that come with a word, when it is taken, then none is kept") {
    NotifySocket socket;
    REQUIRE(socket.open(digits_of_this_test().c_str()) == 0);
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
    say("READY=1", ends[1]);
    ::close(ends[1]);
    const auto count = open_descriptors();
    rundir::RunState state;
    CHECK(socket.hear(state) == Heard::news);
    CHECK(open_descriptors() == count);
    char byte;
    CHECK(::read(ends[0], &byte, 1) == -1);  // it is with the socket
    socket.drop();
    CHECK(open_descriptors() == count);
    CHECK(::read(ends[0], &byte, 1) == 0);
    ::close(ends[0]);
    ::close(socket.descriptor());
}

TEST_CASE("given what a program says, when it is taken, then the last word counts") {
    rundir::RunState state;
    CHECK(!state.says_ready());
    CHECK(take_notification("STATUS=migrating", state));
    CHECK(!state.says_ready());
    CHECK(take_notification("READY=1\nSTATUS=serving\nMAINPID=7\nX_UNKNOWN", state));
    CHECK(state.says_ready());
    CHECK(std::string(state.status, state.status_size) == "serving");
    CHECK(!take_notification("READY=1\nSTATUS=serving", state));
    CHECK(take_notification("RELOADING=1\nMONOTONIC_USEC=1", state));
    CHECK(!state.says_ready());
    CHECK(take_notification("READY=1\n", state));
    CHECK(state.says_ready());
    CHECK(take_notification("STOPPING=1", state));
    CHECK(!state.says_ready());
    for (const char* other : {"", "\n\n", "READY=0", "READY", "ready=1", "READY=1 ", "BARRIER=1", "FDSTORE=1"}) {
        rundir::RunState untouched;
        CHECK(!take_notification(other, untouched));
    }
}

TEST_CASE("given a program that asks for more time, when it is taken, then it is counted from its beginning") {
    rundir::RunState state;
    state.started_boot_ns = 2'000'000'000;
    CHECK(take_notification("EXTEND_TIMEOUT_USEC=800000", state, 2'500'000'000));
    CHECK(state.extended_ms == 1300);
    CHECK(take_notification("STATUS=still\nEXTEND_TIMEOUT_USEC=800000\n", state, 3'000'000'000));
    CHECK(state.extended_ms == 1800);
    for (const char* other : {"EXTEND_TIMEOUT_USEC=", "EXTEND_TIMEOUT_USEC=-1", "EXTEND_TIMEOUT_USEC=1s"})
        CHECK(!take_notification(other, state, 9'000'000'000));
    take_notification("EXTEND_TIMEOUT_USEC=" + std::string(300, '9'), state, 3'000'000'000);
    CHECK(state.extended_ms > 1'000'000'000);
    CHECK(!state.says_ready());
}

TEST_CASE("given a status of any length, when it is taken, then it is cut to its room") {
    for (const std::size_t size : {0u, 1u, 127u, 128u, 129u, 4000u}) {
        rundir::RunState state;
        take_notification("STATUS=" + std::string(size, 'x'), state);
        CHECK(state.status_size == std::min<std::size_t>(size, 128));
    }
}

}  // namespace notify_socket_test
