#include "common/terminal/tokens.hpp"

#include <string>
#include <vector>

#include "tests/support/catch.hpp"

namespace tokens_test {

using namespace persistproc::terminal;
using Kind = Token::Kind;

namespace {

struct Taken {
    Kind kind;
    std::string bytes;
    bool operator==(const Taken&) const = default;
};

/// In pieces of this size; text that follows text is one.
std::vector<Taken> take(std::string_view bytes, std::size_t piece) {
    std::vector<Taken> out;
    Tokenizer tokens;
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
        std::string_view rest = bytes.substr(at, piece);
        while (!rest.empty()) {
            const Token token = tokens.next(rest);
            if (token.kind == Kind::none) continue;
            if (token.kind == Kind::text && !out.empty() && out.back().kind == Kind::text)
                out.back().bytes += token.bytes;
            else
                out.push_back({token.kind, std::string(token.bytes)});
        }
    }
    return out;
}

}  // namespace

TEST_CASE("output is text and sequences, wherever it is cut") {
    const std::string bytes =
        "plain \xe6\xbc\xa2\x1b[1;31mred\x1b[m\r\n\x1b(0\x1b"
        "7\x1b]2;title\a\x1b]0;other\x1b\\\x1bP$qm\x1b\\\x1b[?25$p\x1b[>4;2mend";
    const std::vector<Taken> all = {
        {Kind::text, "plain \xe6\xbc\xa2"},
        {Kind::csi, "1;31m"},
        {Kind::text, "red"},
        {Kind::csi, "m"},
        {Kind::text, "\r\n"},
        {Kind::escape, "(0"},
        {Kind::escape, "7"},
        {Kind::osc, "2;title"},
        {Kind::osc, "0;other"},
        {Kind::dcs, "$qm"},
        {Kind::csi, "?25$p"},
        {Kind::csi, ">4;2m"},
        {Kind::text, "end"},
    };
    for (std::size_t piece = 1; piece <= bytes.size(); ++piece) CHECK(take(bytes, piece) == all);
}

TEST_CASE("pictures and other strings of which nothing shows are dropped with their text") {
    for (const std::string_view string : {"\x1b_Gf=24;AAAA\x1b\\", "\x1b^private\x1b\\", "\x1bXstart\x1b\\"})
        for (std::size_t piece : {1u, 3u, 100u})
            CHECK(take("a" + std::string(string) + "b", piece) == std::vector<Taken>{{Kind::text, "ab"}});
}

TEST_CASE("what breaks a sequence off does not swallow what follows") {
    CHECK(take("\x1b[31\x18ok", 1) == std::vector<Taken>{{Kind::text, "ok"}});
    CHECK(take("\x1b[31\nok", 100) == std::vector<Taken>{{Kind::text, "\n"}, {Kind::csi, "31o"}, {Kind::text, "k"}});
    CHECK(take("\x1b[3\xc3\xa4", 1) == std::vector<Taken>{{Kind::text, "\xc3\xa4"}});
    CHECK(take("\x1b]2;open\x1b[1mok", 1) == std::vector<Taken>{{Kind::csi, "1m"}, {Kind::text, "ok"}});
    CHECK(take("\x1b[1\x1b[2mok", 100) == std::vector<Taken>{{Kind::csi, "2m"}, {Kind::text, "ok"}});
}

TEST_CASE("what is too long is cut or dropped") {
    const std::string numbers(Tokenizer::longest_bytes, '1');
    for (std::size_t piece : {1u, 1000u}) {
        CHECK(take("\x1b[" + numbers + "mok", piece) == std::vector<Taken>{{Kind::text, "ok"}});
        CHECK(take("\x1b[" + numbers.substr(1) + "m", piece) ==
              std::vector<Taken>{{Kind::csi, numbers.substr(1) + "m"}});
        CHECK(take("\x1b]" + numbers + "222\aok", piece) ==
              std::vector<Taken>{{Kind::osc, numbers}, {Kind::text, "ok"}});
    }
}

TEST_CASE("a control sequence is read") {
    Csi csi;
    REQUIRE(parse_csi("?1049;25h", csi));
    CHECK((csi.leader == '?' && csi.final == 'h' && csi.count == 2));
    CHECK((csi.values[0] == 1049 && csi.values[1] == 25));
    REQUIRE(parse_csi("38:2::1:2:3;;4:3m", csi));
    CHECK(csi.count == 9);
    CHECK((csi.begins(0) && !csi.begins(1) && !csi.begins(5) && csi.begins(6) && csi.begins(7) && !csi.begins(8)));
    CHECK((csi.values[2] == Csi::missing && csi.at(2, 7) == 7 && csi.values[5] == 3));
    REQUIRE(parse_csi("99999999999999999999A", csi));
    CHECK(csi.values[0] == Csi::largest);
    REQUIRE(parse_csi("2 q", csi));
    CHECK((csi.intermediate == ' ' && csi.final == 'q'));
    REQUIRE(parse_csi(std::string(100, ';') + "m", csi));
    CHECK(csi.count == Csi::most_values);
    CHECK(!parse_csi("1<2m", csi));
    CHECK(!parse_csi("!1m", csi));
}

}  // namespace tokens_test
