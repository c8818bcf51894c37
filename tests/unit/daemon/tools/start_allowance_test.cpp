#include "daemon/tools/start_allowance.hpp"

#include <boost/asio/io_context.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/fake_clock.hpp"

namespace start_allowance_test {

using namespace persistproc;
using namespace std::chrono_literals;

struct Fixture {
    boost::asio::io_context io{1};
    tests::FakeClock clock{io.get_executor()};
    tools::StartAllowance starts{clock, 20, 100};
    mcp::Principal agent;

    /// How many of `tries` the process is given.
    int take(pid_t process, int tries) {
        int given = 0;
        for (int i = 0; i < tries; ++i) given += starts.take(agent, process) ? 1 : 0;
        return given;
    }
};

TEST_CASE_METHOD(Fixture, "one agent alone has most of what all may start") {
    CHECK(take(1, 200) == 100);
    clock.advance(10s);
    CHECK(take(1, 200) == 100);
}

TEST_CASE_METHOD(Fixture, "whoever starts without end keeps no other from it") {
    int greedy = take(1, 1000);
    for (int tick = 0; tick < 100; ++tick) {
        clock.advance(100ms);
        greedy += take(1, 50);
    }
    CHECK(take(2, 8) == 8);
    CHECK(greedy <= 100 + 20 * 10);
    // So it stays, and the greedy one still gets what nobody else wants.
    int modest = 0;
    greedy = 0;
    for (int tick = 0; tick < 100; ++tick) {
        clock.advance(100ms);
        greedy += take(1, 50);
        if (tick % 10 == 0) modest += take(2, 3);
    }
    CHECK(modest == 30);
    CHECK(greedy >= 150);
}

TEST_CASE_METHOD(Fixture, "however many start without end, one more has its part") {
    for (int tick = 0; tick < 200; ++tick) {
        for (pid_t process = 1; process <= 8; ++process) take(process, 20);
        clock.advance(100ms);
    }
    CHECK(take(9, 20) >= 5);
}

TEST_CASE_METHOD(Fixture, "many at once count each, and leave others their part") {
    // A project of more than there ever is begins, and is paid for before the next.
    CHECK(starts.take(agent, 1, 256));
    CHECK_FALSE(starts.take(agent, 1, 256));
    CHECK(take(2, 8) == 8);
    std::size_t begun = 0;
    for (int tick = 0; tick < 600; ++tick) {
        clock.advance(100ms);
        for (pid_t process = 1; process <= 3; ++process)
            if (starts.take(agent, process, 100)) begun += 100;
        if (tick % 10 == 0) CHECK(take(9, 2) == 2);
    }
    CHECK(begun <= 20 * 60);
    CHECK(begun >= 200);
}

TEST_CASE_METHOD(Fixture, "many at once that came to nothing are owed by nobody") {
    CHECK(starts.take(agent, 1, 256));
    starts.give_back(agent, 256);
    CHECK(take(1, 200) == 100);

    clock.advance(10s);
    CHECK(starts.take(agent, 1, 256));
    starts.give_back(agent, 255);
    CHECK(take(1, 200) == 99);
}

TEST_CASE_METHOD(Fixture, "the person's client has no bound, and 0 is none") {
    mcp::Principal client;
    client.role = mcp::Principal::Role::client;
    for (int i = 0; i < 1000; ++i) REQUIRE(starts.take(client, 1));
    CHECK(take(1, 100) == 100);
    tools::StartAllowance unbound{clock, 0, 0};
    for (int i = 0; i < 1000; ++i) REQUIRE(unbound.take(agent, 1));
}

}  // namespace start_allowance_test
