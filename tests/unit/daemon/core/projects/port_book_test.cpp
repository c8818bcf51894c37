#include "daemon/core/projects/port_book.hpp"

#include "tests/support/catch.hpp"

namespace port_book_test {

using namespace persistproc;
using namespace core::projects;
using core::BookedPort;
using Kind = project::PortWish::Kind;

namespace {

project::PortWish exactly(int number) { return {.name = {}, .kind = Kind::exactly, .number = number}; }
project::PortWish from(int number) { return {.name = {}, .kind = Kind::from, .number = number}; }
project::PortWish automatic(std::string name = {}) { return {.name = std::move(name)}; }

/// A book, who listens, and which directories are gone.
struct Machine {
    PortBook book;
    std::set<int> listening;
    std::set<std::string> gone;
    PortLookups lookups{[this](int number) { return listening.contains(number); },
                        [this](const std::string& file) { return gone.contains(file); }};

    /// What a project gets for one wish; it is booked.
    int give(const std::string& file, const project::PortWish& wish, const std::string& process = "web") {
        PortChoice choice(book, file, lookups);
        const auto number = choice.number(process, wish);
        REQUIRE(number);
        auto ports = book.find(file);
        if (std::find(ports.begin(), ports.end(), choice.chosen().front()) == ports.end())
            ports.push_back(choice.chosen().front());
        book.set(file, std::move(ports));
        for (const auto& each : choice.gone()) book.set(each, {});
        return *number;
    }
};

}  // namespace

TEST_CASE("a number is given to one port alone, and stays with it") {
    Machine machine;
    CHECK(machine.give("/a", from(3000)) == 3000);
    CHECK(machine.give("/b", from(3000)) == 3001);
    CHECK(machine.give("/c", from(3000)) == 3002);
    // Whoever listens now, perhaps its own program: it has been given.
    machine.listening = {3001};
    CHECK(machine.give("/b", from(3000)) == 3001);
    CHECK(machine.give("/a", from(3000), "admin") == 3003);
    CHECK(machine.give("/a", from(3000)) == 3000);
}

TEST_CASE("ports of a Procfile stay in a block where no other project has any") {
    Machine machine;
    const auto give = [&machine](const std::string& file, int lines) {
        PortChoice choice(machine.book, file, machine.lookups);
        std::vector<int> out;
        for (int i = 0; i < lines; ++i) {
            const auto number = choice.number_in_block("p" + std::to_string(i), from(5000 + 100 * i));
            REQUIRE(number);
            out.push_back(*number);
        }
        machine.book.set(file, choice.chosen());
        return out;
    };
    CHECK(give("/a", 2) == std::vector{5000, 5100});
    CHECK(give("/b", 2) == std::vector{6000, 6100});
    CHECK(machine.give("/x", exactly(7500)) == 7500);
    machine.listening = {6000, 8000};
    CHECK(give("/c", 1) == std::vector{9000});
    CHECK(give("/b", 3) == std::vector{6000, 6100, 6200});
    machine.gone = {"/a"};
    CHECK(give("/d", 1) == std::vector{5000});
    // More lines than a block has room for go on in the next; what is another's there is left out.
    CHECK(give("/d", 11) == std::vector{5000, 5100, 5200, 5300, 5400, 5500, 5600, 5700, 5800, 5900, 6001});
}

TEST_CASE("a number that somebody listens on is not given") {
    Machine machine;
    machine.listening = {3000, 3001};
    CHECK(machine.give("/a", from(3000)) == 3002);
}

TEST_CASE("another wish gets another number") {
    Machine machine;
    CHECK(machine.give("/a", from(3000)) == 3000);
    CHECK(machine.give("/a", from(4000)) == 4000);
    CHECK(machine.give("/a", exactly(3000)) == 3000);
}

TEST_CASE("an exact number is its own whoever has it, and is not given to others") {
    Machine machine;
    machine.listening = {3000};
    CHECK(machine.give("/a", exactly(3000)) == 3000);
    CHECK(machine.give("/b", exactly(3000)) == 3000);
    machine.listening.clear();
    CHECK(machine.give("/c", from(3000)) == 3001);
    const auto holders = machine.book.holders(3000, "/b");
    REQUIRE(holders.size() == 1);
    CHECK(holders.front().file == "/a");
    CHECK(holders.front().port.process == "web");
}

TEST_CASE("automatic numbers lie below those of connections, the same each time") {
    Machine one, other;
    const int number = one.give("/a", automatic());
    CHECK(number >= 20000);
    CHECK(number <= 29999);
    CHECK(other.give("/a", automatic()) == number);
    // Its number is taken: the next one.
    Machine third;
    third.listening = {number};
    CHECK(third.give("/a", automatic()) == (number == 29999 ? 20000 : number + 1));
    CHECK(one.give("/a", automatic("admin")) != number);
    CHECK(one.give("/b", automatic()) != number);
}

TEST_CASE("numbers of a project whose directory is gone are free") {
    Machine machine;
    CHECK(machine.give("/a/persistproc.toml", from(3000)) == 3000);
    CHECK(machine.give("/b/persistproc.toml", from(3000)) == 3001);
    machine.gone = {"/a/persistproc.toml"};
    CHECK(machine.give("/c/persistproc.toml", from(3000)) == 3000);
    CHECK(machine.book.find("/a/persistproc.toml").empty());
}

TEST_CASE("where none is free it is said") {
    Machine machine;
    machine.listening = {65534, 65535};
    PortChoice choice(machine.book, "/a", machine.lookups);
    const auto number = choice.number("web", from(65534));
    REQUIRE_FALSE(number);
    CHECK(number.error().code == ErrorCode::limit);
    CHECK(number.error().message == "no port from 65534 on is free");
}

}  // namespace port_book_test
