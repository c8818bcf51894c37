#include "common/async/notifier.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include "common/async/task_group.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fake_clock.hpp"

namespace notifier_test {

using namespace persistproc;
using namespace std::chrono_literals;

TEST_CASE("a change between looking and waiting is not missed") {
    boost::asio::io_context io;
    tests::FakeClock clock(io.get_executor());
    async::Notifier notifier(io.get_executor());
    async::TaskGroup tasks(io.get_executor());
    const auto seen = notifier.count();
    std::optional<bool> woken;
    const auto wait = [](async::Notifier& changed, std::uint64_t since, async::Clock& time,
                         std::optional<bool>& out) -> Task<> {
        const MonoTime until = time.now() + 10s;
        out = co_await changed.wait_past(since, until, time);
    };
    SECTION("it came before the wait") {
        notifier.notify_all();
        tasks.spawn("wait", wait(notifier, seen, clock, woken));
        io.poll();
        CHECK(woken == true);
    }
    SECTION("it comes during the wait") {
        tasks.spawn("wait", wait(notifier, seen, clock, woken));
        io.poll();
        CHECK(!woken);
        notifier.notify_all();
        io.restart();
        io.poll();
        CHECK(woken == true);
    }
    SECTION("it never comes") {
        tasks.spawn("wait", wait(notifier, seen, clock, woken));
        io.poll();
        clock.advance(10s);
        io.restart();
        io.poll();
        CHECK(woken == false);
    }
}

TEST_CASE("closing a group also ends what a task spawns on its way out") {
    boost::asio::io_context io;
    tests::FakeClock clock(io.get_executor());
    async::TaskGroup tasks(io.get_executor());
    struct Successor {
        async::TaskGroup& tasks;
        async::Clock& clock;
        ~Successor() {
            tasks.spawn("successor", [](async::Clock& time) -> Task<> {
                const MonoTime never = time.now() + 1000h;
                co_await time.sleep_until(never);
            }(clock));
        }
    };
    const auto sleep = [](async::TaskGroup& group, async::Clock& time) -> Task<> {
        const Successor successor{group, time};
        const MonoTime never = time.now() + 1000h;
        co_await time.sleep_until(never);
    };
    tasks.spawn("first", sleep(tasks, clock));
    io.poll();
    bool closed = false;
    async::TaskGroup closing(io.get_executor());
    const auto close = [](async::TaskGroup& group, bool& done) -> Task<> {
        co_await group.close();
        done = true;
    };
    closing.spawn("close", close(tasks, closed));
    io.restart();
    io.poll();
    CHECK(closed);
}

}  // namespace notifier_test
