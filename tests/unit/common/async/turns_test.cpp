#include "common/async/turns.hpp"

#include <map>
#include <string>

#include "tests/support/catch.hpp"

namespace turns_test {

using persistproc::async::Turns;
using Entry = Turns::Entry;

namespace {

/// Parties by letter; what began, in order.
struct Shop {
    Turns turns;
    std::string begun, gone;
    Turns::Ticket ticket = 0;
    char names[4] = {'a', 'b', 'c', 'd'};

    Turns::Party party(char name) const { return &names[name - 'a']; }
    Entry enter(char name, Turns::Group group = 0) {
        const Entry entry = turns.enter(
            party(name), [this, name] { begun += name; }, ticket, [this, name] { gone += name; }, group);
        if (entry == Entry::begins) begun += name;
        return entry;
    }
};

}  // namespace

TEST_CASE("who waits gets the next free place in turn, party by party") {
    Shop shop{Turns({.places = 2, .per_party = 2, .waiting_per_party = 10})};
    for (int i = 0; i < 5; ++i) shop.enter('a');
    shop.enter('b');
    shop.enter('c');
    shop.enter('b');
    CHECK(shop.begun == "aa");
    for (const char done : std::string("aabcab")) shop.turns.leave(shop.party(done));
    CHECK(shop.begun == "aaabcaba");
    CHECK(shop.turns.waiting() == 0);
}

TEST_CASE("how many wait is told also to who is not of the thread, and outlives the turns") {
    std::shared_ptr<const std::atomic<std::size_t>> waiting;
    {
        Shop shop{Turns({.places = 1, .per_party = 1, .waiting_per_party = 10})};
        waiting = shop.turns.waiting_count();
        for (const char name : std::string("abc")) shop.enter(name);
        CHECK(*waiting == 2);
        shop.turns.leave(shop.party('a'));
        CHECK(*waiting == 1);
        shop.turns.clear();
        CHECK(*waiting == 0);
    }
    CHECK(*waiting == 0);
}

TEST_CASE("no party has more than its share of the places, however many are free") {
    Shop shop{Turns({.places = 10, .per_party = 2, .waiting_per_party = 1})};
    CHECK(shop.enter('a') == Entry::begins);
    CHECK(shop.enter('a') == Entry::begins);
    CHECK(shop.enter('a') == Entry::waits);
    CHECK(shop.enter('a') == Entry::refused);
    CHECK(shop.enter('b') == Entry::begins);
    shop.turns.leave(shop.party('b'));
    CHECK(shop.begun == "aab");
    shop.turns.leave(shop.party('a'));
    CHECK(shop.begun == "aaba");
    CHECK(shop.turns.running() == 2);
}

TEST_CASE("who does not want to wait any more is passed over") {
    Shop shop{Turns({.places = 1, .per_party = 1, .waiting_per_party = 10})};
    shop.enter('a');
    shop.enter('b');
    const auto first = shop.ticket;
    shop.enter('b');
    shop.enter('c');
    CHECK(shop.turns.withdraw(shop.party('b'), first));
    CHECK(!shop.turns.withdraw(shop.party('b'), first));
    CHECK(shop.turns.withdraw(shop.party('c'), shop.ticket));
    shop.turns.leave(shop.party('a'));
    CHECK(shop.begun == "ab");
    CHECK(shop.turns.waiting() == 0);
}

TEST_CASE("where too many wait, who has most of them gives way to who has fewer") {
    Shop shop{Turns({.places = 1, .per_party = 1, .waiting_per_party = 9, .waiting = 3})};
    for (int i = 0; i < 4; ++i) CHECK(shop.enter('a') != Entry::refused);
    CHECK(shop.enter('a') == Entry::refused);
    CHECK(shop.enter('b') == Entry::waits);
    CHECK(shop.gone == "a");
    // To have as many is no reason.
    CHECK(shop.enter('b') == Entry::refused);
    CHECK(shop.enter('c') == Entry::waits);
    CHECK(shop.enter('d') == Entry::refused);
    CHECK(shop.gone == "aa");
    for (const char done : std::string("aabc")) shop.turns.leave(shop.party(done));
    CHECK(shop.begun == "aabc");
    CHECK(shop.turns.running() == 0);
}

TEST_CASE("a group of many parties has one turn, and gives way to a group with fewer") {
    Shop shop{Turns({.places = 1, .per_party = 1, .waiting_per_party = 9, .waiting = 3})};
    constexpr Turns::Group greedy = 7, other = 8;
    CHECK(shop.enter('a', greedy) == Entry::begins);
    for (const char name : std::string("abc")) CHECK(shop.enter(name, greedy) == Entry::waits);
    // Each party of it has one, but it has three.
    CHECK(shop.enter('b', greedy) == Entry::refused);
    CHECK(shop.enter('d', other) == Entry::waits);
    CHECK(shop.gone.size() == 1);
    CHECK(shop.enter('d', other) == Entry::refused);
    shop.turns.leave(shop.party('a'));
    const std::string first = shop.begun;
    shop.turns.leave(shop.party(first.back()));
    CHECK(shop.begun.back() == 'd');
    shop.turns.leave(shop.party('d'));
    CHECK(shop.begun.size() == 4);
    CHECK(shop.turns.waiting() == 0);
}

TEST_CASE("no group has more than its share of the places, however many parties it has") {
    Shop shop{Turns({.places = 9, .per_party = 2, .per_group = 3, .waiting_per_party = 9})};
    constexpr Turns::Group greedy = 7;
    for (const char name : std::string("aab")) CHECK(shop.enter(name, greedy) == Entry::begins);
    CHECK(shop.enter('b', greedy) == Entry::waits);
    CHECK(shop.enter('c', greedy) == Entry::waits);
    CHECK(shop.enter('d') == Entry::begins);
    CHECK(shop.enter('d') == Entry::begins);
    shop.turns.leave(shop.party('d'));
    CHECK(shop.begun == "aabdd");
    shop.turns.leave(shop.party('a'));
    CHECK(shop.begun == "aabddb");
    for (const char done : std::string("dabb")) shop.turns.leave(shop.party(done));
    CHECK(shop.begun == "aabddbc");
    shop.turns.leave(shop.party('c'));
    CHECK(shop.turns.running() == 0);
}

TEST_CASE("who comes with nothing finds a place, whatever others ask for") {
    Shop shop{Turns({.places = 64, .per_party = 16, .per_group = 16, .waiting_per_party = 99})};
    std::map<char, int> begun;
    for (int round = 0; round < 20; ++round)
        for (const char name : std::string("abc"))
            begun[name] += shop.enter(name, static_cast<Turns::Group>(name)) == Entry::begins;
    CHECK(begun['a'] >= 6);
    CHECK(begun['a'] - begun['c'] <= 1);
    // Another session of one of those processes, and another process.
    CHECK(shop.enter('d', Turns::Group{'a'}) == Entry::begins);
    shop.turns.leave(shop.party('d'));
    CHECK(shop.enter('d', Turns::Group{'d'}) == Entry::begins);
    shop.turns.leave(shop.party('d'));
    // As others leave, who has stayed gets more, until nobody waits.
    for (int left = 0; left < 60; ++left) {
        const std::size_t next = shop.begun.find_first_not_of('d');
        REQUIRE(next != std::string::npos);
        const char name = shop.begun[next];
        shop.begun.erase(next, 1);
        shop.turns.leave(shop.party(name));
    }
    CHECK(shop.turns.waiting() + shop.turns.running() == 0);
}

TEST_CASE("a party whose group is found later takes along what it has") {
    Shop shop{Turns({.places = 4, .per_party = 2, .per_group = 2, .waiting_per_party = 9})};
    constexpr Turns::Group greedy = 7;
    CHECK_FALSE(shop.turns.is_crowded());
    CHECK(shop.enter('a') == Entry::begins);
    CHECK(shop.enter('a') == Entry::begins);
    CHECK(shop.turns.is_crowded());
    CHECK(shop.enter('a') == Entry::waits);
    // It is known to be in that group from now on, also where nobody says so.
    CHECK(shop.enter('a', greedy) == Entry::waits);
    CHECK(shop.enter('a') == Entry::waits);
    CHECK(shop.enter('b', greedy) == Entry::waits);
    CHECK(shop.enter('c', 8) == Entry::begins);
    CHECK(shop.turns.waiting() == 4);
    for (int i = 0; i < 2; ++i) shop.turns.leave(shop.party('a'));
    CHECK(shop.begun == "aacab");
    for (const char done : std::string("cab")) shop.turns.leave(shop.party(done));
    CHECK(shop.begun == "aacabaa");
    for (int i = 0; i < 2; ++i) shop.turns.leave(shop.party('a'));
    CHECK(shop.turns.running() + shop.turns.waiting() == 0);
}

TEST_CASE("within a group, who has most gives way to who has fewer") {
    Shop shop{Turns({.places = 1, .per_party = 1, .waiting_per_party = 9, .waiting = 3})};
    for (int i = 0; i < 4; ++i) CHECK(shop.enter('a', 7) != Entry::refused);
    CHECK(shop.enter('b', 7) == Entry::waits);
    CHECK(shop.gone == "a");
    shop.turns.clear();
    CHECK(shop.turns.waiting() == 0);
    CHECK(shop.enter('c', 7) == Entry::waits);
    shop.turns.leave(shop.party('a'));
    CHECK(shop.begun == "ac");
}

TEST_CASE("while it is held, what comes waits") {
    Shop shop{Turns({.places = 2, .per_party = 2, .waiting_per_party = 9})};
    shop.enter('a');
    shop.turns.hold(true);
    CHECK(shop.enter('b') == Entry::waits);
    CHECK(shop.enter('c') == Entry::waits);
    shop.turns.leave(shop.party('a'));
    CHECK(shop.begun == "a");
    shop.turns.hold(false);
    CHECK(shop.begun == "abc");
}

}  // namespace turns_test
