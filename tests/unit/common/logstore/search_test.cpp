#include "common/logstore/search.hpp"

#include <re2/re2.h>

#include "tests/support/catch.hpp"

namespace search_test {

using namespace persistproc::logstore;

TEST_CASE("what a pattern repeats at its front changes no answer") {
    const char* const patterns[] = {
        "a{1,200}b",    "a{0,3}b",     "a{2,}b",       "a{2,3}?b",          "a{0,2}a{1,3}b$",
        "[ab]{1,9}c",   "[^]a]{2,4}c", "[a\\]]{1,2}b", "[[:alpha:]]{2,3}1", "\\d{1,3}x",
        "\\p{L}{1,9}1", "\\pL{1,9}1",  ".{1,3}1",      "a{1,2}|c{1,2}",     "a{0,2}|zzz",
        "^a{1,2}b",     "a{3}b",       "a{1,2}{1,2}b", "(a{1,2}b)",         "a{1,2}",
        "\\Qa{1,2}\\E", "a{,2}b",      "a{1,2"};
    const char* const lines[] = {"",    "a",    "b", "ab", "aab", "aaab", "xaaaabx", "b1",     "1x",
                                 "22x", "abc1", "c", "]c", "xyc", "a]b",  "a{1,2}",  "a{,2}b", "\xC3\xA4\xC3\xA4\x31",
                                 "zzz"};
    for (const char* pattern : patterns) {
        const re2::RE2 plain(std::string("(?m)") + pattern, re2::RE2::Quiet);
        const auto ours = LinePattern::compile(pattern);
        INFO(pattern);
        REQUIRE(ours.has_value() == plain.ok());
        if (!ours) continue;
        for (const char* line : lines) {
            INFO(line);
            CHECK(ours->matches(line) == re2::RE2::PartialMatch(line, plain));
        }
    }
    for (const char* wrong : {"a{3,2}b", "a{1,2000}b", "a{1,2}**", "[a{1,2}"}) {
        INFO(wrong);
        CHECK_FALSE(LinePattern::compile(wrong).has_value());
    }
}

TEST_CASE("a newline in a pattern is refused, with what to do instead") {
    for (const char* pattern : {"a\\nb", "a\nb", "\\r?\\n", "(a|\\n)", "[a\\n]", "\\Qa\\E\\n", "[]^]\\n",
                                "[[:alpha:]]\\n", "a\\x0ab", "\\x{A}", "\\012"}) {
        INFO(pattern);
        const auto refused = LinePattern::compile(pattern);
        REQUIRE_FALSE(refused);
        CHECK(refused.error().message ==
              "looked for in one line at a time; leave out \\n and give the last line alone");
    }
    for (const char* pattern :
         {"a\\\\nb", "[^\\n]*", "[^]\\n]a", "\\Q\\n\\E", "[^[:alpha:]\\n]", "\\x0b", "[^\\x0a]"}) {
        INFO(pattern);
        CHECK(LinePattern::compile(pattern).has_value());
    }
    CHECK(LinePattern::compile("\\Qa\\nb\\E").value().matches("xa\\nb"));
}

TEST_CASE("neither colour nor a carriage return hides a match") {
    const auto pattern = LinePattern::compile("^Error: .*x$").value();
    CHECK(pattern.find_match("Error: x") == "Error: x");
    CHECK(pattern.find_match("\x1b[31mErr\x1b[0mor: x").has_value());
    CHECK(pattern.find_match("10%\rError: x\r\n") == "10%\rError: x\r\n");
    CHECK(pattern.find_match("Error: 1x\rError: 2x\r100%\r") == "Error: 2x");
    CHECK(pattern.find_match("Error: 1x\r50%\r100%") == "Error: 1x");
    for (const char* line : {"", "\r", "\r\r", "Err\ror: x", "Error: \rx", "50%\r100%\r"})
        CHECK_FALSE(pattern.matches(line));
}

TEST_CASE("one look takes little time whatever the pattern, and what cannot is refused") {
    constexpr std::size_t most_steps = 1u << 24, most_bytes = 1u << 20, least_bytes = 1u << 10;
    const char* const patterns[] = {"needle",           "(a{1,500}){1,2}b", "(a?){900}b",   "((((a?){10}){10}){9})b",
                                    "(.{1,500}){1,2}x", "x\\p{L}{1,10}y",   "(.*){1,900}z$"};
    for (const char* pattern : patterns) {
        INFO(pattern);
        const re2::RE2 plain(std::string("(?m)") + pattern, re2::RE2::Quiet);
        const auto bytes = LinePattern::compile(pattern).value().longest_text();
        CHECK(bytes >= least_bytes);
        CHECK(bytes <= most_bytes);
        CHECK(bytes * static_cast<std::size_t>(plain.ProgramSize()) <= most_steps);
    }
    for (const char* pattern : {"x\\p{L}{1,40}y", "(.?){900}(.?){900}x"}) {
        INFO(pattern);
        const auto refused = LinePattern::compile(pattern);
        REQUIRE_FALSE(refused);
        CHECK(refused.error().message.starts_with("the pattern is too large when compiled"));
    }
}

TEST_CASE("what takes long to be read before any bound of memory counts is refused") {
    const auto classes = [](std::size_t count) {
        std::string out;
        for (std::size_t i = 0; i < count; ++i) out += i % 2 == 0 ? "\\pZ" : "\\P{Zs}?";
        return out;
    };
    CHECK(LinePattern::compile(classes(32)).has_value());
    const auto refused = LinePattern::compile(classes(33));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message.starts_with("the pattern is too large when compiled"));
    std::string path;  // a backslash, and no class
    for (int i = 0; i < 40; ++i) path += "\\\\p";
    CHECK(LinePattern::compile(path).has_value());
}

}  // namespace search_test
