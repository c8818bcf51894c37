#include "common/watch/bursts.hpp"

#include "tests/support/catch.hpp"

namespace bursts_test {

using namespace persistproc;
using namespace std::chrono_literals;
using watch::Bursts;

namespace {

constexpr MonoTime t0{};

}  // namespace

TEST_CASE("what changes is acted on once it is quiet") {
    Bursts bursts(300ms);
    CHECK(!bursts.wake_at());
    bursts.change("a", t0);
    bursts.change("b", t0 + 200ms);
    CHECK(bursts.wake_at() == t0 + 500ms);
    CHECK(!bursts.wake(t0 + 400ms, false));
    const auto act = bursts.wake(t0 + 500ms, false);
    REQUIRE(act);
    CHECK(act->path == "b");
    CHECK(act->count == 2);
    CHECK(!bursts.wake_at());
}

TEST_CASE("what never rests is acted on all the same") {
    Bursts bursts(300ms);
    MonoTime now = t0;
    for (; now < t0 + 5s; now += 100ms) bursts.change("a", now);
    CHECK(bursts.wake_at() == t0 + 5s);
    CHECK(bursts.wake(t0 + 5s, false));
}

TEST_CASE("a git operation is waited for, and not for ever") {
    Bursts bursts(300ms);
    bursts.change("a", t0);
    MonoTime now = t0 + 300ms;
    while (!bursts.wake(now, now < t0 + 2s)) {
        REQUIRE(bursts.wake_at() == now + 100ms);
        now = *bursts.wake_at();
    }
    CHECK(now == t0 + 2s);
    bursts.finish(now);
    bursts.change("b", t0 + 10s);
    now = *bursts.wake_at();
    while (!bursts.wake(now, true)) now = *bursts.wake_at();
    CHECK(now == t0 + 40s);
}

TEST_CASE("what changes while it is acted on is acted on once more, in one") {
    Bursts bursts(300ms);
    bursts.change("a", t0);
    REQUIRE(bursts.wake(t0 + 300ms, false));
    bursts.change("b", t0 + 400ms);
    bursts.change("c", t0 + 500ms);
    CHECK(!bursts.wake_at());
    bursts.finish(t0 + 2s);
    CHECK(bursts.wake_at() == t0 + 2300ms);
    CHECK(bursts.wake(t0 + 2300ms, false)->path == "c");
    bursts.finish(t0 + 3s);
    CHECK(!bursts.wake_at());
}

TEST_CASE("a run that somebody begins needs no other one for what changed before") {
    Bursts bursts(300ms);
    bursts.change("a", t0);
    bursts.drop();
    CHECK(!bursts.wake_at());
    CHECK(!bursts.wake(t0 + 1s, false));
}

TEST_CASE("ten acts within a minute are suspended, until somebody asks for it") {
    Bursts bursts(300ms);
    MonoTime now = t0;
    for (int i = 0; i < 10; ++i) {
        bursts.change("out.txt", now);
        now += 300ms;
        REQUIRE(bursts.wake(now, false));
        bursts.finish(now);
    }
    bursts.change("out.txt", now);
    CHECK(!bursts.wake(now + 300ms, false));
    CHECK(bursts.is_suspended());
    CHECK(bursts.last_path() == "out.txt");
    bursts.change("out.txt", now + 1s);
    CHECK(!bursts.wake_at());
    bursts.forgive();
    bursts.change("out.txt", now + 2s);
    CHECK(bursts.wake(now + 3s, false));
}

TEST_CASE("acts that are far apart suspend nothing") {
    Bursts bursts(300ms);
    MonoTime now = t0;
    for (int i = 0; i < 50; ++i) {
        bursts.change("a", now);
        REQUIRE(bursts.wake(now + 300ms, false));
        bursts.finish(now + 300ms);
        now += 6s;
    }
}

}  // namespace bursts_test
