#include "daemon/tools/reading.hpp"

#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>

#include "daemon/core/workers.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fake_clock.hpp"

namespace reading_test {

using namespace persistproc;

TEST_CASE("all whose process the kernel does not tell are one") {
    boost::asio::io_context io{1};
    tests::FakeClock clock{io.get_executor()};
    boost::asio::thread_pool threads{1};
    const core::SocketOwners owners(io.get_executor(), clock, threads, [] {
        return core::SocketOwners::Walk{{5, 50}};
    });
    const auto process_of = [&](std::uint64_t socket, pid_t process) {
        mcp::Principal principal;
        principal.socket = socket;
        principal.process = process;
        pid_t out = 0;
        boost::asio::co_spawn(io, tools::process_of(owners, principal),
                              [&](std::exception_ptr, pid_t found) { out = found; });
        clock.advance(core::SocketOwners::walk_interval);
        io.restart();
        io.run();
        return out;
    };
    CHECK(process_of(5, 0) == 50);
    CHECK(process_of(6, 0) == mcp::untold_process);
    CHECK(process_of(7, 0) == mcp::untold_process);
    CHECK(process_of(7, 70) == 70);
    CHECK(process_of(0, 0) == 0);
}

TEST_CASE("a process that searches in many sessions leaves a place to the next one that comes") {
    core::Workers workers;
    async::Turns& searches = workers.searches;
    const std::array<char, 10> sessions{};
    const auto begins = [&](std::size_t session, async::Turns::Group process) {
        async::Turns::Ticket ticket = 0;
        const auto group = searches.is_crowded() ? process : 0;
        return searches.enter(
                   &sessions[session], [] {}, ticket, {}, group) == async::Turns::Entry::begins;
    };
    constexpr async::Turns::Group greedy = 7, other = 8, third = 9;
    // Whose the first two are nobody has asked.
    for (std::size_t session = 0; session < 8; ++session) CHECK(begins(session, greedy) == (session < 3));
    CHECK(begins(8, other));
    CHECK_FALSE(begins(9, third));
    searches.leave(&sessions[0]);
    CHECK(searches.waiting() == 5);  // of the greedy one
    searches.leave(&sessions[1]);
    CHECK(searches.waiting() == 5);
    CHECK(begins(0, 10));
    searches.clear();
}

}  // namespace reading_test
