#include "common/terminal/detach_keys.hpp"

#include <string>

#include "tests/support/catch.hpp"

namespace detach_keys_test {

using namespace persistproc;
using namespace persistproc::terminal;
using namespace std::chrono_literals;

namespace {

constexpr MonoTime t0{};

/// How many bytes the program gets; -1: it is not left.
int taken(std::string_view typed, std::size_t piece = 1000) {
    DetachKeys keys;
    for (std::size_t at = 0; at < typed.size(); at += piece)
        if (const auto before = keys.take(typed.substr(at, piece), t0)) return static_cast<int>(at + *before);
    return -1;
}

}  // namespace

TEST_CASE("^] three times within a second leaves, and nothing else") {
    CHECK(taken("\x1d\x1d\x1d") == 2);
    CHECK(taken("ab\x1d\x1d\x1d") == 4);
    CHECK(taken("\x1d\x1d\x1d", 1) == 2);
    CHECK(taken("\x1d\x1d") == -1);
    CHECK(taken("\x1d\x1d"
                "a\x1d") == -1);
    CHECK(taken("\x10\x11]]]\x01") == -1);
    DetachKeys keys;
    CHECK(!keys.take("\x1d", t0));
    CHECK(!keys.take("\x1d", t0 + 600ms));
    CHECK(!keys.take("\x1d", t0 + 1100ms));
    CHECK(keys.take("\x1d", t0 + 1500ms) == 0);
    CHECK(!keys.take("\x1d", t0 + 1501ms));
}

TEST_CASE("newer encodings of ^] are known, whatever locks are on") {
    for (const std::string_view key : {"\x1b[93;5u", "\x1b[93;133u", "\x1b[93;69u", "\x1b[93:125;5u", "\x1b[93;5:1u",
                                       "\x1b[1098::93;5u", "\x1b[27;5;93~"}) {
        INFO(key.substr(1));
        const std::string twice = std::string(key) + std::string(key);
        for (std::size_t piece : {1u, 2u, 100u}) {
            CHECK(taken(twice + std::string(key), piece) >= static_cast<int>(twice.size()));
            CHECK(taken(twice, piece) == -1);
        }
        CHECK(taken(twice + std::string(key)) == static_cast<int>(twice.size()));
    }
    for (const std::string_view other :
         {"\x1b[93;6u", "\x1b[93u", "\x1b[93;7u", "\x1b[91;5u", "\x1b[27;6;93~", "\x1b[27;5;91~"})
        CHECK(taken(std::string(other) + std::string(other) + std::string(other)) == -1);
}

TEST_CASE("what is no key press does not come between") {
    // Ctrl goes down, ] goes up, the focus and the mouse.
    for (const std::string_view between : {"\x1b[57442;5u", "\x1b[93;5:3u", "\x1b[I", "\x1b[<35;10;10M"})
        CHECK(taken("\x1d" + std::string(between) + "\x1d" + std::string(between) + "\x1d") > 0);
    CHECK(taken("\x1d\x1b[A\x1d\x1d") == -1);
    CHECK(taken("\x1d\x1bOA\x1d\x1d") == -1);
    CHECK(taken("\x1b\x1d\x1d\x1d") == 3);
}

TEST_CASE("in a paste they are text") {
    for (std::size_t piece : {1u, 100u}) {
        CHECK(taken("\x1b[200~\x1d\x1d\x1d\x1b[201~", piece) == -1);
        CHECK(taken("\x1b[200~\x1d\x1d\x1b[201~\x1d", piece) == -1);
        CHECK(taken("\x1b[200~x\x1b[201~\x1d\x1d\x1d", piece) > 0);
    }
}

}  // namespace detach_keys_test
