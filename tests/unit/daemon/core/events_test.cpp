#include "daemon/core/events.hpp"

#include <boost/asio/io_context.hpp>

#include "common/async/task_group.hpp"
#include "tests/support/catch.hpp"

namespace events_test {

using namespace persistproc;
using namespace persistproc::core;

namespace {

ProcessChanged change(std::uint32_t id, ProcessState state) { return {ProcessId{id}, state, 1}; }

}  // namespace

TEST_CASE("every subscriber hears every event, in order") {
    boost::asio::io_context io{1};
    Events events(io.get_executor());
    auto first = events.subscribe();
    events.publish(ProcessAppeared{{1}});
    auto second = events.subscribe();
    events.publish(change(1, ProcessState::running));
    events.publish(ProcessRemoved{{1}});
    CHECK(std::holds_alternative<ProcessAppeared>(*first.take()));
    CHECK(std::holds_alternative<ProcessChanged>(*first.take()));
    CHECK(std::holds_alternative<ProcessRemoved>(*first.take()));
    CHECK(!first.take());
    CHECK(std::holds_alternative<ProcessChanged>(*second.take()));
}

TEST_CASE("a subscriber that does not keep up is told how much it has lost") {
    boost::asio::io_context io{1};
    Events events(io.get_executor());
    auto slow = events.subscribe(2);
    auto fast = events.subscribe(100);
    for (std::uint32_t id = 1; id <= 5; ++id) events.publish(ProcessAppeared{{id}});
    CHECK(std::get<EventsLost>(*slow.take()).count == 3);
    CHECK(std::get<ProcessAppeared>(*slow.take()).id.number == 4);
    CHECK(std::get<ProcessAppeared>(*slow.take()).id.number == 5);
    CHECK(!slow.take());
    for (std::uint32_t id = 1; id <= 5; ++id) CHECK(std::get<ProcessAppeared>(*fast.take()).id.number == id);
}

TEST_CASE("changes that say the same are told once, those that do not each") {
    boost::asio::io_context io{1};
    Events events(io.get_executor());
    auto listener = events.subscribe();
    events.publish(change(1, ProcessState::running));
    events.publish(change(1, ProcessState::running));
    events.publish(change(1, ProcessState::exited));
    events.publish(change(2, ProcessState::exited));
    CHECK(std::get<ProcessChanged>(*listener.take()).state == ProcessState::running);
    CHECK(std::get<ProcessChanged>(*listener.take()).state == ProcessState::exited);
    CHECK(std::get<ProcessChanged>(*listener.take()).id.number == 2);
    CHECK(!listener.take());
}

TEST_CASE("a subscriber that waits is woken, and one that has gone is forgotten") {
    boost::asio::io_context io{1};
    Events events(io.get_executor());
    async::TaskGroup tasks(io.get_executor());
    int heard = 0;
    const auto listen = [](Events::Subscription subscription, int* count) -> Task<> {
        for (;;) {
            (void)co_await subscription.next();
            ++*count;
        }
    };
    tasks.spawn("listener", listen(events.subscribe(), &heard));
    events.publish(ProcessAppeared{{1}});
    events.publish(ProcessAppeared{{2}});
    io.poll();
    CHECK(heard == 2);
    CHECK(events.subscribers() == 1);
    tasks.cancel();
    io.restart();
    io.poll();
    events.publish(ProcessAppeared{{3}});
    CHECK(events.subscribers() == 0);
    CHECK(heard == 2);
}

}  // namespace events_test
