#include "daemon/core/look_turns.hpp"

#include <string>

#include "tests/support/catch.hpp"

namespace look_turns_test {

using namespace persistproc;
using core::Asker;
using core::LookOrder;
using core::LookShares;
using namespace std::chrono_literals;

namespace {

constexpr async::Turns::Group greedy = 7, modest = 8;

struct Asking {
    Asker of(int party, async::Turns::Group process = 0) const { return {&parties[party], process, false}; }
    Asker person() const { return {&parties[9], 0, true}; }
    char parties[10] = {};
};

/// Who has his turn, each of whom takes `time`: "0 2 1".
std::string turns(LookOrder& order, std::chrono::nanoseconds time, int most = 100) {
    std::string out;
    for (int i = 0; i < most; ++i) {
        const auto next = order.next();
        if (!next) break;
        order.take(time);
        out += (out.empty() ? "" : " ") + std::to_string(*next);
    }
    return out;
}

}  // namespace

TEST_CASE("a look for nobody puts nobody back") {
    LookShares shares;
    const Asker agent{.party = &shares};
    shares.begin({true, core::behind_all, {}});
    shares.take(agent, std::chrono::milliseconds(1));
    CHECK(shares.rank(agent).of_process == std::chrono::milliseconds(1));
}

TEST_CASE("processes have turns, in each its sessions, and in those who came first") {
    const Asking who;
    LookOrder order;
    for (const int party : {0, 0, 1}) order.add(who.of(party, greedy), {});
    for (const int party : {2, 2}) order.add(who.of(party, modest), {});
    CHECK(turns(order, 1ms) == "0 3 2 4 1");
}

TEST_CASE("the person is first") {
    const Asking who;
    LookOrder order;
    LookShares shares;
    shares.take(who.person(), 10s);
    order.add(who.of(0), shares.rank(who.of(0)));
    order.add(who.person(), shares.rank(who.person()));
    CHECK(turns(order, 1ms) == "1 0");
}

TEST_CASE("who has taken less is first, however many sessions the others keep") {
    const Asking who;
    LookShares shares;
    for (int party = 0; party < 5; ++party) shares.take(who.of(party, greedy), 50ms);
    shares.take(who.of(6, modest), 1ms);
    LookOrder order;
    for (int party = 0; party < 6; ++party) order.add(who.of(party, greedy), shares.rank(who.of(party, greedy)));
    for (int i = 0; i < 3; ++i) order.add(who.of(6, modest), shares.rank(who.of(6, modest)));
    CHECK(turns(order, 1ms, 4) == "6 7 8 5");  // the one that had no turn yet among its own
}

TEST_CASE("nothing is saved up, and who comes anew owes nothing") {
    const Asking who;
    LookShares shares;
    shares.take(who.of(0), 1ms);
    for (int i = 0; i < 100; ++i) {
        shares.begin(shares.rank(who.of(1)));
        shares.take(who.of(1), 100ms);
    }
    const auto of_newcomer = shares.rank(who.of(2)), of_silent = shares.rank(who.of(0));
    CHECK(of_newcomer < shares.rank(who.of(1)));
    CHECK(of_silent < of_newcomer);
    CHECK(of_newcomer.of_process - of_silent.of_process <= 200ms);
    shares.clear();
    CHECK(shares.rank(who.of(0)) == shares.rank(who.of(1)));
}

TEST_CASE("who comes by ever new sessions fills no memory, and is brought up to the others") {
    const std::string many(100'000, ' ');
    LookShares shares;
    for (const char& each : many) {
        Asker who;
        who.party = &each;
        who.process = greedy;
        shares.take(who, 1ms);
    }
    Asker next;
    next.process = greedy;
    CHECK(shares.rank(next).of_process == 100s);
}

}  // namespace look_turns_test
