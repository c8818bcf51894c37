#include "daemon/core/socket_owners.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <string>

#include "common/async/task_group.hpp"
#include "common/base/unique_fd.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fake_clock.hpp"

namespace socket_owners_test {

using namespace persistproc;
using core::SocketOwners;

namespace {

struct Asked {
    Task<> ask(std::uint64_t inode) {
        const pid_t found = co_await owners.find(inode);
        said += std::to_string(found) + " ";
    }
    void run_until(std::size_t size) {
        while (said.size() < size) io.run_one();
    }

    boost::asio::io_context io{1};
    tests::FakeClock clock{io.get_executor()};
    boost::asio::thread_pool threads{1};
    SocketOwners::Walk there;
    int walks = 0;
    SocketOwners owners{io.get_executor(), clock, threads, [this] {
                            ++walks;
                            return there;
                        }};
    std::string said;
    async::TaskGroup tasks{io.get_executor()};
};

}  // namespace

TEST_CASE("one walk answers all who ask, and the next one comes later") {
    Asked asked;
    asked.there = {{1, 10}, {2, 20}};
    for (const unsigned inode : {1u, 2u, 1u}) asked.tasks.spawn("ask", asked.ask(inode));
    asked.run_until(9);
    CHECK(asked.said == "10 20 10 ");
    CHECK(asked.walks == 1);
    // A socket that has come since, and one that nobody has.
    asked.there[3] = 30;
    asked.tasks.spawn("ask", asked.ask(3));
    asked.tasks.spawn("ask", asked.ask(4));
    asked.tasks.spawn("ask", asked.ask(2));
    asked.io.poll();
    CHECK(asked.said == "10 20 10 20 ");
    CHECK(asked.walks == 1);
    asked.clock.advance(SocketOwners::walk_interval);
    asked.run_until(17);
    CHECK(asked.said == "10 20 10 20 30 0 ");
    CHECK(asked.walks == 2);
}

TEST_CASE("when who was to walk is cancelled, another does") {
    Asked asked;
    asked.tasks.spawn("ask", asked.ask(1));
    asked.run_until(2);
    async::TaskGroup gone(asked.io.get_executor());
    gone.spawn("ask", asked.ask(1));
    asked.io.poll();
    asked.tasks.spawn("ask", asked.ask(2));
    asked.io.poll();
    gone.cancel();
    asked.io.poll();
    asked.there = {{2, 20}};
    asked.clock.advance(SocketOwners::walk_interval);
    asked.run_until(5);
    CHECK(asked.said == "0 20 ");
}

TEST_CASE("the kernel tells which process has a socket") {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    const base::UniqueFd one(ends[0]), other(ends[1]);
    struct stat facts {};
    REQUIRE(::fstat(one.get(), &facts) == 0);
    CHECK(SocketOwners::walk_processes().at(facts.st_ino) == ::getpid());
}

}  // namespace socket_owners_test
