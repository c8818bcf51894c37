#include "common/rundir/port_holder.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/file.hpp"
#include "common/base/unique_fd.hpp"
#include "common/rundir/daemon_paths.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_directory.hpp"

namespace port_holder_test {

using namespace persistproc;
using namespace persistproc::rundir;

TEST_CASE("who listens on a port is found, and nobody where nobody does") {
    const base::UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    const int port = ntohs(address.sin_port);
    CHECK(!find_port_holder(port));
    REQUIRE(::listen(listener.get(), 1) == 0);
    const auto holder = find_port_holder(port);
    REQUIRE(holder);
    CHECK(holder->port == port);
    CHECK(holder->pid == ::getpid());
    CHECK(!holder->name.empty());
    CHECK(holder->data.empty());
    CHECK(!find_port_holder(port, ::getpid()));

    // A daemon of ours is known by what it has locked.
    const tests::TemporaryDirectory data;
    const auto lock = base::open_file(data.path() / daemon_lock_name, O_RDWR | O_CREAT);
    REQUIRE(lock);
    CHECK(find_port_holder(port)->data == data.path());
    CHECK(taken_port_text(port) == fmt::format("port {} is held by your persistproc daemon for {} (PID {})", port,
                                               data.path().native(), ::getpid()));
}

TEST_CASE("who may look at another user's program is told whose it is") {
    if (::geteuid() != 0) return;
    constexpr uid_t other = 65534;
    // The user is that of the process that made the socket.
    REQUIRE(::seteuid(other) == 0);
    const base::UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(::seteuid(0) == 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    REQUIRE(::listen(listener.get(), 1) == 0);
    const auto holder = find_port_holder(ntohs(address.sin_port));
    REQUIRE(holder);
    CHECK(holder->user == other);
    CHECK(holder->pid == ::getpid());
}

TEST_CASE("how a holder is told") {
    PortHolder holder{.port = 1};
    CHECK(holder_text(holder) == "a program that cannot be seen");
    holder.user = 7;
    CHECK(holder_text(holder) == "another user's program (UID 7)");
    holder.pid = 12;
    holder.name = "nginx";
    CHECK(holder_text(holder) == "another user's nginx (UID 7, PID 12)");
    holder.user.reset();
    holder.name = "py\nthon";
    CHECK(holder_text(holder) == "py\\x0athon (PID 12)");
    holder.data = "/data";
    CHECK(holder_text(holder) == "your persistproc daemon for /data (PID 12)");
}

}  // namespace port_holder_test
