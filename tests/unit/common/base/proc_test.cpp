#include "common/base/proc.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "common/base/unique_fd.hpp"
#include "tests/support/catch.hpp"

namespace proc_test {

using namespace persistproc;

TEST_CASE("the program that is executed is told with its whole path") {
    const auto own = base::own_program();
    CHECK(own.is_absolute());
    CHECK(std::filesystem::equivalent(own, "/proc/self/exe"));
}

TEST_CASE("what has waited has left a processor, and what is gone never") {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        ::pause();
        ::_exit(0);
    }
    // It is counted when it has gone to sleep, which nothing else tells.
    while (base::switches_of(child) == 0) std::this_thread::yield();
    REQUIRE(::kill(child, SIGKILL) == 0);
    REQUIRE(::waitpid(child, nullptr, 0) == child);
    CHECK(base::switches_of(child) == 0);
}

TEST_CASE("a port that only a connection of the past holds has no listener") {
    const auto open = [] {
        base::UniqueFd out(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        REQUIRE(out);
        return out;
    };
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const auto* const generic = reinterpret_cast<const sockaddr*>(&address);
    socklen_t size = sizeof address;
    auto listening = open(), client = open();
    REQUIRE(::bind(listening.get(), generic, size) == 0);
    REQUIRE(::listen(listening.get(), 1) == 0);
    REQUIRE(::getsockname(listening.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    const int port = ntohs(address.sin_port);
    REQUIRE(::connect(client.get(), generic, size) == 0);
    base::UniqueFd accepted(::accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC));
    REQUIRE(accepted);
    REQUIRE(base::find_listeners(port).size() == 1);
    // Who closes first waits for what may be on its way (TIME_WAIT).
    accepted.reset();
    char byte = 0;
    REQUIRE(::read(client.get(), &byte, 1) == 0);
    client.reset();
    listening.reset();
    CHECK(base::find_listeners(port).empty());
    // Whoever tried would be told that it is taken.
    CHECK(::bind(open().get(), generic, size) == -1);
}

}  // namespace proc_test
