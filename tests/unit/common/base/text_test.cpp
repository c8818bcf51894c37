#include "common/base/text.hpp"

#include "tests/support/catch.hpp"

namespace text_test {

using namespace persistproc::base;

TEST_CASE("well-formed UTF-8 is told from the rest") {
    for (const char* text : {"", "abc", "é", "日本", "😀"}) CHECK(is_utf8(text));
    for (const char* text : {"\xff", "\xc0\x80", "\xed\xa0\x80", "\xe2\x82", "a\x80", "\xf5\x80\x80\x80"})
        CHECK(!is_utf8(text));
    CHECK(to_valid_utf8("a\xff"
                        "b\xe2\x82") ==
          "a\xEF\xBF\xBD"
          "b\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST_CASE("output for agents holds neither escapes nor what was overwritten") {
    CHECK(clean_output("\x1b[31mred\x1b[0m") == "red");
    CHECK(clean_output("\x1b]0;title\x07text") == "text");
    CHECK(clean_output("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\") == "link");
    CHECK(clean_output("10%\r50%\r100%\n") == "100%\n");
    CHECK(clean_output("windows\r\n") == "windows\n");
    CHECK(clean_output("a\tb\x07\x00c") == "a\tb");
    CHECK(clean_output("ab\bc") == "ac");
    CHECK(clean_output("\xff") == "\xEF\xBF\xBD");
    CHECK(clean_output("\x1b[") == "");
    CHECK(clean_output("\x1b]never ended\nnext") == "\nnext");
    // An escape that its line cuts off takes neither the end of the line nor a character along.
    CHECK(clean_output("a\x1b\nb\x1b(\nc") == "a\nb\nc");
    CHECK(clean_output("\x1b"
                       "é") == "é");
    CHECK(clean_output("aé\b") == "a");
    CHECK(clean_output("a\u202e\b\u200fb") == "a\\u{200f}b");
    CHECK(clean_output("\x1b[1ma\u202eb\u2066c\u200f\xff", BadBytes::kept) ==
          "a\\u{202e}b\\u{2066}c\\u{200f}\xED\xB3\xBF");
    CHECK(clean_output("a\u2028b\u2029c\U000E0041\U000E007Fd\U000E0080é") ==
          "a\\u{2028}b\\u{2029}c\\u{e0041}\\u{e007f}d\U000E0080é");
    CHECK(searched_output("a\u2028b\U000E0041") == "a\u2028b\U000E0041");
    CHECK(searched_output("\x1b[1ma\u202eb") == "a\u202eb");
}

TEST_CASE("bytes that are no UTF-8 may be kept, for who says what they were") {
    const std::string kept = clean_output("a\xE9\x1b[1m\xff", BadBytes::kept);
    CHECK(kept == "a\xED\xB3\xA9\xED\xB3\xBF");
    CHECK(kept == to_valid_utf8("a\xE9\xff", BadBytes::kept));
    CHECK(kept_byte(std::string_view(kept).substr(1)) == 0xE9);
    CHECK(kept_byte(std::string_view(kept).substr(4)) == 0xFF);
    // What looks like one was none.
    CHECK(to_valid_utf8("\xED\xB2\x80", BadBytes::kept) == "\xED\xB3\xAD\xED\xB2\xB2\xED\xB2\x80");
    for (const char* text : {"a", "\xED\x9F\xBF", "\xED\xB2", ""}) CHECK_FALSE(kept_byte(text));
    // A control character between two bytes does not make one of them.
    CHECK(clean_output("\xC2\x07\x9B", BadBytes::kept) == "\xED\xB3\x82\xED\xB2\x9B");
    CHECK(clean_output("a\xff\b", BadBytes::kept) == "a");
}

TEST_CASE("a terminal gets colours and nothing else that acts") {
    CHECK(escape_for_terminal("\x1b[31mred\n") == "\x1b[31mred\x1b[0m\n");
    CHECK(escape_for_terminal("\x1b[2J") == "\\x1b[2J");
    CHECK(escape_for_terminal("\x1b[38:2::1:2:3;1mx") == "\x1b[38:2::1:2:3;1mx\x1b[0m");
    CHECK(escape_for_terminal("\x1b[>4;2m") == "\\x1b[>4;2m");  // the keyboard's modifiers, not a colour
    CHECK(escape_for_terminal("\x1b[?4m") == "\\x1b[?4m");
    CHECK(escape_for_terminal("\x1b]52;c;x\x07") == "\\x1b]52;c;x\\x07");
    CHECK(escape_for_terminal("a\tb\r\n") == "a\tb\r\n");
    // Of a program that speaks to a terminal nothing is shown but text and colours.
    const auto dropped = [](std::string_view text) { return escape_for_terminal(text, Sequences::dropped); };
    CHECK(dropped("\x1b[?25l\x1b]0;title\x07\x1b[31mred\x1b[0m\x1b[2K\a!\r\n") == "\x1b[31mred\x1b[0m!\r\x1b[0m\n");
    for (const char* const cut : {"\x1b", "\x1b[", "\x1b[?2", "\x1b]0;tit", "\x1b(", "\x1bP1"})
        CHECK(is_unfinished_sequence(cut));
    for (const char* const whole : {"\x1b[m", "\x1b[?25l", "\x1b]0;t\x07", "\x1b]0;t\x1b\\", "\x1b(B", "\x1b[mx"})
        CHECK_FALSE(is_unfinished_sequence(whole));
    CHECK(escape_for_terminal("\xc2\x9b"
                              "31m") == "\\xc2\\x9b31m");
    CHECK(escape_for_terminal("a\u202eb\u2066c\u200f") == "a\\u{202e}b\\u{2066}c\\u{200f}");
}

TEST_CASE("one is told as one") {
    CHECK(counted(0, "byte") == "0 bytes");
    CHECK(counted(1, "byte") == "1 byte");
    CHECK(counted(std::size_t{2}, "byte") == "2 bytes");
    CHECK(counted(1, "process runs", "processes run") == "1 process runs");
    CHECK(counted(-3, "process runs", "processes run") == "-3 processes run");
}

TEST_CASE("JSON says nothing that a terminal obeys") {
    CHECK(escape_json("{\"a\":\"\x7f\u009b31m\u202e\u2028é\"}\n") == "{\"a\":\"\\u007f\\u009b31m\\u202e\\u2028é\"}\n");
    CHECK(escape_json("{\n\t\"a\": 1\n}") == "{\n\t\"a\": 1\n}");
    CHECK(escape_json("\"\u061c\U000E0041\U000E007F\"") == R"("\u061c\udb40\udc41\udb40\udc7f")");
    // What begins with the same bytes, and what is no UTF-8, stays.
    for (const char* plain : {"\u00a0é", "\u0600", "\u2588\u2014", "\U000E0080", "\xc2", "\xe2\x80", "\xf3\xa0\x81"})
        CHECK(escape_json(plain) == plain);
}

TEST_CASE("a refusal repeats little of what it refuses") {
    CHECK(last_rewrite("a") == "a");
    CHECK(last_rewrite("a\r") == "a");
    CHECK(last_rewrite("a\rb\r\r") == "b");
    CHECK(last_rewrite("\r").empty());
    CHECK(excerpt("a\x1b") == "a\\x1b");
    CHECK(excerpt(std::string(200, 'a')) == std::string(200, 'a'));
    CHECK(excerpt(std::string(1 << 20, 'a')) == std::string(200, 'a') + "…");
    CHECK(excerpt(std::string(199, 'a') + "é") == std::string(199, 'a') + "…");
    CHECK(excerpt("FOO=secret\x1b value") == "FOO=…");
    CHECK(excerpt(std::string(196, 'a') + " FOO=secret") == std::string(196, 'a') + " FOO…");
}

TEST_CASE("values that look like those of variables are hidden") {
    CHECK(hide_values("FOO=secret") == "FOO=…");
    CHECK(hide_values("_a1=secret more of it") == "_a1=…");
    CHECK(hide_values("a && FOO=secret b") == "a && FOO=…");
    CHECK(hide_values("sh -c 'FOO=secret b'") == "sh -c 'FOO=…");
    CHECK(hide_values("-eFOO=secret") == "-eFOO=…");
    CHECK(hide_values("--env=FOO=secret") == "--env=FOO=…");
    CHECK(hide_values("kill --env FOO=secret") == "kill --env FOO=…");
    CHECK(hide_values("FOO=") == "FOO=…");
    for (const char* shown :
         {"", "=", "=x", "-e", "--", "--port=3000", "-n=3", "a b", "http://h/?a=b", "./a=b", "a-b=c"})
        CHECK(hide_values(shown) == shown);
}

TEST_CASE("one line for people stays one line") {
    CHECK(escape_line("a\nb") == "a\\x0ab");
    CHECK(escape_line("a\xe2\x80\xae"
                      "b") == "a\\u{202e}b");
    CHECK(escape_line("\xff") == "\\xff");
    CHECK(has_control_or_bidi("a\x1b"));
    CHECK(has_control_or_bidi("a\xe2\x80\xae"));
    CHECK(!has_control_or_bidi("plain é"));
}

TEST_CASE("words are quoted for a shell where they need it") {
    CHECK(shell_quote("abc/1.2") == "abc/1.2");
    CHECK(shell_quote("") == "''");
    CHECK(shell_quote("it's") == "'it'\\''s'");
    CHECK(shell_quote("a b") == "'a b'");
}

TEST_CASE("edit distance counts bytes to change") {
    CHECK(edit_distance("", "abc") == 3);
    CHECK(edit_distance("web", "web") == 0);
    CHECK(edit_distance("wbe", "web") == 1);
    CHECK(edit_distance("output", "outptu") == 1);
    CHECK(edit_distance("stauts", "status") == 1);
    CHECK(edit_distance("abc", "ca") == 3);
}

TEST_CASE("any bytes travel as text") {
    std::string every;
    for (int byte = 0; byte < 256; ++byte) every += static_cast<char>(byte);
    const std::string text = bytes_to_text(every);
    CHECK(is_utf8(text));
    CHECK(text_to_bytes(text) == every);
    CHECK(bytes_to_text("plain") == "plain");
    CHECK(text_to_bytes("日") == std::nullopt);
    CHECK(text_to_bytes("\xff") == std::nullopt);
}

TEST_CASE("the nearest word is near") {
    CHECK(nearest_word("--follw", {"--follow", "--lines"}) == "--follow");
    CHECK(nearest_word("--zebra", {"--follow", "--lines"}) == "");
    CHECK(nearest_word("--sort", {"--port", "--json"}) == "");
    CHECK(nearest_word("--cron", {"--port", "--json"}) == "");
    CHECK(nearest_word("--head", {"--help"}) == "");
    CHECK(nearest_word("lsit", {"list", "stop"}) == "list");
    CHECK(nearest_word("--work", {"--working-directory"}) == "--working-directory");
}

}  // namespace text_test
