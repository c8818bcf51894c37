#include "common/terminal/keys.hpp"

#include <string>

#include "tests/support/catch.hpp"

namespace keys_test {

using namespace persistproc;
using namespace persistproc::terminal;

namespace {

Modes with(Mode mode) {
    Modes modes;
    modes.set(mode, true);
    return modes;
}

std::string key(std::string_view name, const Modes& modes = {}) {
    const auto bytes = bytes_of_key(name, modes);
    return bytes ? *bytes : bytes.error().message;
}

}  // namespace

TEST_CASE("keys are what a terminal sends for them") {
    CHECK(key("enter") == "\r");
    CHECK(key("tab") == "\t");
    CHECK(key("shift-tab") == "\x1b[Z");
    CHECK(key("escape") == "\x1b");
    CHECK(key("backspace") == "\x7f");
    CHECK(key("backspace", with(Mode::backspace_is_bs)) == "\b");
    CHECK(key("delete") == "\x1b[3~");
    CHECK(key("page-down") == "\x1b[6~");
    CHECK(key("f1") == "\x1bOP");
    CHECK(key("shift-f1") == "\x1b[1;2P");
    CHECK(key("f5") == "\x1b[15~");
    CHECK(key("ctrl-f12") == "\x1b[24;5~");
    CHECK(key("ctrl-c") == "\x03");
    CHECK(key("ctrl-C") == "\x03");
    CHECK(key("ctrl-i") == "\t");
    CHECK(key("ctrl-m") == "\r");
    CHECK(key("ctrl-]") == "\x1d");
    CHECK(key("ctrl-space") == std::string(1, '\0'));
    CHECK(key("alt-x") == "\x1bx");
    CHECK(key("alt-X") == "\x1bX");
    CHECK(key("alt-enter") == "\x1b\r");
    CHECK(key("ctrl-alt-x") == "\x1b\x18");
    CHECK(key("alt-\xc3\xa9") == "\x1b\xc3\xa9");
    CHECK(key("t") == "t");
    CHECK(key("-") == "-");
    CHECK(key("Enter") == "\r");
}

TEST_CASE("cursor keys follow the program's mode, those with a modifier do not") {
    const Modes application = with(Mode::cursor_keys);
    CHECK(key("up", application) == "\x1bOA");
    CHECK(key("home", application) == "\x1bOH");
    CHECK(key("shift-up", application) == "\x1b[1;2A");
    CHECK(key("up") == "\x1b[A");
    CHECK(key("home") == "\x1b[H");
    CHECK(key("ctrl-left") == "\x1b[1;5D");
    CHECK(key("alt-right") == "\x1b[1;3C");
    CHECK(key("ctrl-shift-end") == "\x1b[1;6F");
    CHECK(key("page-up", application) == "\x1b[5~");
}

TEST_CASE("a key that there is not is refused, with the nearest") {
    CHECK(key("entr") == "no key is called \"entr\"; did you mean enter?");
    CHECK(key("ctrl+c") == "no key is called \"ctrl+c\"; did you mean ctrl-c?");
    CHECK(key("pageup") == "no key is called \"pageup\"; did you mean page-up?");
    CHECK(key("shfit-up") == "no key is called \"shfit-up\"; did you mean shift-up?");
    for (const std::string_view name :
         {"", "shift-enter", "ctrl-tab", "ctrl-1", "ctrl-shift-a", "two", "ctrl-", "\x1b", "\xff", "ctrl-\xc3\xa9"}) {
        const auto bytes = bytes_of_key(name, {});
        INFO(name);
        CHECK((!bytes && bytes.error().code == ErrorCode::invalid));
    }
    CHECK(*bytes_of_key_for_pipe("enter") == "\n");
    CHECK(!bytes_of_key_for_pipe("up"));
}

TEST_CASE("text is typed as a person types it") {
    CHECK(typed("a\nb") == "a\rb");
    CHECK(typed("a\r\nb\r\n\n") == "a\rb\r\r");
    CHECK(typed("t") == "t");
}

TEST_CASE("a paste is framed for a program that asked for that, and no paste ends its frame") {
    const Modes framed = with(Mode::bracketed_paste);
    CHECK(pasted("a\nb", {}) == "a\rb");
    CHECK(pasted("a\nb", framed) == "\x1b[200~a\rb\x1b[201~");
    for (const std::string_view attack : {"\x1b[201~\rtouch x\r", "\x1b\x1b[201~[201~\rtouch x\r",
                                          "\xc2\x9b"
                                          "201~x",
                                          "\xc2\x1b\x9b"
                                          "201~x",
                                          "\xc2\xc2\x9b\x9b"
                                          "201~x",
                                          "\x9b"
                                          "201~x",
                                          "\x1b", "a\xc2"}) {
        const std::string text = pasted(attack, framed);
        const std::string inside = text.substr(6, text.size() - 12);
        CHECK(text == "\x1b[200~" + inside + "\x1b[201~");
        CHECK(inside.find('\x1b') == std::string::npos);
        for (int c1 = 0x80; c1 < 0xA0; ++c1)
            CHECK(inside.find(std::string("\xc2") + static_cast<char>(c1)) == std::string::npos);
        CHECK(inside.find("\x9b") == std::string::npos);
    }
    CHECK(pasted("\xc3\x9b \xe6\xbc\x9b", {}) == "\xc3\x9b \xe6\xbc\x9b");
}

}  // namespace keys_test
