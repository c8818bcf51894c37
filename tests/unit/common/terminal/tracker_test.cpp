#include "common/terminal/tracker.hpp"

#include <string>
#include <vector>

#include "tests/support/catch.hpp"

namespace tracker_test {

using namespace persistproc::terminal;
using Kind = Finding::Kind;

namespace {

Scanner after(std::string_view bytes) {
    Scanner scanner;
    while (!bytes.empty()) scanner.scan(bytes);
    return scanner;
}

std::vector<Kind> found_in(std::string_view bytes, std::size_t piece) {
    std::vector<Kind> out;
    Scanner scanner;
    for (std::size_t at = 0; at < bytes.size(); at += piece)
        for (std::string_view rest = bytes.substr(at, piece); !rest.empty();)
            if (const Finding found = scanner.scan(rest); found.kind != Kind::none) out.push_back(found.kind);
    return out;
}

}  // namespace

TEST_CASE("modes that a program sets and takes back are known") {
    const struct {
        std::string_view on, off;
        Mode mode;
    } all[] = {
        {"\x1b[?1h", "\x1b[?1l", Mode::cursor_keys},
        {"\x1b=", "\x1b>", Mode::keypad},
        {"\x1b[?2004h", "\x1b[?2004l", Mode::bracketed_paste},
        {"\x1b[?1049h", "\x1b[?1049l", Mode::alternate_screen},
        {"\x1b[?47h", "\x1b[?1047l", Mode::alternate_screen},
        {"\x1b[?25l", "\x1b[?25h", Mode::hidden_cursor},
        {"\x1b[?1;25l", "\x1b[?25;7h", Mode::hidden_cursor},
        {"\x1b[?1000;1006h", "\x1b[?1000;1006l", Mode::mouse_sgr},
        {"\x1b[?1002h", "\x1b[?1002l", Mode::mouse_drags},
        {"\x1b[?1004h", "\x1b[?1004l", Mode::focus_reports},
        {"\x1b[?2026h", "\x1b[?2026l", Mode::synchronized},
        {"\x1b[4h", "\x1b[4l", Mode::insert},
        {"\x1b[?25l", "\x1b[!p", Mode::hidden_cursor},
        {"\x1b[?1003h",
         "\x1b"
         "c",
         Mode::mouse_moves},
    };
    for (const auto& each : all) {
        INFO(each.on);
        CHECK(after(each.on).modes().has(each.mode));
        CHECK(!after(std::string(each.on) + std::string(each.off)).modes().has(each.mode));
        CHECK(!after(each.off).modes().has(each.mode));
    }
    CHECK(after("\x1b[>4;2m").modes().modify_other_keys == 2);
    CHECK(after("\x1b[>4;2m\x1b[>4m").modes().modify_other_keys == 0);
    CHECK(after("\x1b[>4;2m\x1b[1;4m").modes().modify_other_keys == 2);
    CHECK(after("\x1b[5 q").modes().cursor_shape == 5);
}

TEST_CASE("each screen has its own flags of the keyboard") {
    CHECK(after("\x1b[>1u\x1b[>5u").modes().keyboard().current() == 5);
    CHECK(after("\x1b[>1u\x1b[>5u\x1b[<u").modes().keyboard().current() == 1);
    CHECK(after("\x1b[>1u\x1b[>5u\x1b[<9u").modes().keyboard().current() == 0);
    CHECK(after("\x1b[>1u\x1b[=4;2u").modes().keyboard().current() == 5);
    CHECK(after("\x1b[>5u\x1b[=4;3u").modes().keyboard().current() == 1);
    CHECK(after("\x1b[>1u\x1b[?1049h").modes().keyboard().current() == 0);
    CHECK(after("\x1b[>1u\x1b[?1049h\x1b[>3u\x1b[?1049l").modes().keyboard().current() == 1);
    std::string many;
    for (int i = 0; i < 100; ++i) many += "\x1b[>" + std::to_string(i % 31 + 1) + "u";
    CHECK(after(many).modes().keyboard().current() == 99 % 31 + 1);
    CHECK(after(many + "\x1b[<100u").modes().keyboard().current() == 0);
}

TEST_CASE("the title is what was said last, cut between characters") {
    CHECK(after("\x1b]0;one\a\x1b]2;two\x1b\\").title() == "two");
    CHECK(after("\x1b]1;icon\a").title().empty());
    std::string text = "\x1b]2;";
    for (int i = 0; i < 50; ++i) text += "\xe6\xbc\xa2";
    CHECK(after(text + "\a").title().size() == Tracker::longest_title_bytes);
    CHECK(after("\x1b]2;a" + text.substr(4) + "\a").title().size() == Tracker::longest_title_bytes - 2);
}

TEST_CASE("questions are found in order, wherever they are cut") {
    const std::string bytes =
        "a\x1b[cb\x1b[>c\x1b[5n\x1b[6n\x1b[?6n\x1b[?2026$p\x1b[4$p\x1b]11;?\a\x1b]10;?\x1b\\\x1b[>q\x1b[?u\x1bP+"
        "q544e\x1b\\"
        "\x1bP$qm\x1b\\\x1b[18t\x1bZ\x1b[=c";
    const std::vector<Kind> all = {Kind::attributes,     Kind::secondary_attributes,
                                   Kind::status,         Kind::cursor,
                                   Kind::private_cursor, Kind::private_mode,
                                   Kind::mode,           Kind::silent,
                                   Kind::silent,         Kind::silent,
                                   Kind::silent,         Kind::capability,
                                   Kind::setting,        Kind::silent,
                                   Kind::attributes,     Kind::silent};
    for (std::size_t piece = 1; piece <= bytes.size(); ++piece) CHECK(found_in(bytes, piece) == all);
    // What a terminal would answer, printed, is no question.
    for (const std::string_view no_question : {"\x1b[0n", "\x1b[1;1R", "\x1b[22;0t", "\x1b[1;31m", "\x1b[?1049h",
                                               "\x1b]11;rgb:0000/0000/0000\a", "\x1b[>0u"})
        CHECK(found_in(no_question, 100).empty());
}

TEST_CASE("updates are found, also one that a reset ends") {
    CHECK(found_in("\x1b[?2026hpicture\x1b[?2026l", 1) == std::vector{Kind::update_begins, Kind::update_ends});
    CHECK(found_in("\x1b[?2026h\x1b[?2026h", 100) == std::vector{Kind::update_begins});
    CHECK(found_in("\x1b[?2026h\x1b"
                   "c",
                   100) == std::vector{Kind::update_begins, Kind::update_ends});
}

TEST_CASE("answers are those of a plain terminal") {
    CHECK(answer({Kind::attributes}, {}).view() == "\x1b[?62;22c");
    CHECK(answer({Kind::status}, {}).view() == "\x1b[0n");
    CHECK(answer({Kind::cursor}, {4, 9}).view() == "\x1b[5;10R");
    CHECK(answer({Kind::private_cursor}, {65534, 65534}).view() == "\x1b[?65535;65535R");
    CHECK(answer({Kind::private_mode, 2026}, {}).view() == "\x1b[?2026;0$y");
    CHECK(answer({Kind::mode, 4}, {}).view() == "\x1b[4;0$y");
    CHECK(answer({Kind::silent}, {}).view().empty());
    // They ask for nothing themselves: a loop of answers would never end.
    for (const Kind kind : {Kind::attributes, Kind::secondary_attributes, Kind::status, Kind::cursor, Kind::mode,
                            Kind::private_mode, Kind::setting, Kind::capability})
        CHECK(found_in(std::string(answer({kind, 1}, {}).view()), 100).size() <=
              (kind == Kind::attributes || kind == Kind::secondary_attributes ? 1u : 0u));
}

TEST_CASE("a terminal is put back, whatever has been set") {
    std::string all = "\x1b=\x1b[4h\x1b[>4;2m\x1b[>5u\x1b[>7u\x1b[3 q";
    for (const int number : {1, 5, 9, 67, 1000, 1002, 1003, 1004, 1005, 1006, 1015, 1016, 2004, 2026, 2031, 2048, 1049})
        all += "\x1b[?" + std::to_string(number) + "h";
    all += "\x1b[>5u\x1b[?25l\x1b[?7l";
    const Scanner set = after(all);
    CHECK(set.modes().bits != 0);
    const Scanner put_back = after(all + std::string(reset_bytes));
    CHECK(put_back.modes().bits == 0);
    CHECK(put_back.modes().modify_other_keys == 0);
    CHECK(put_back.modes().cursor_shape == 0);
    for (const KeyboardFlags& each : put_back.modes().keyboards) CHECK(each.current() == 0);
    // Only the main screen's own stack is left behind the change to it.
    CHECK(reset_bytes.ends_with("\x1b[?1049l\x1b[<8u"));
    CHECK(found_in(reset_bytes, 1000).empty());
}

TEST_CASE("modes are set again on another terminal") {
    const std::string bytes =
        "\x1b=\x1b[4h\x1b[>4;2m\x1b[3 q\x1b[?1;1000;1006;2004;25h\x1b[?1049h\x1b[>5u\x1b[?25;7l\x1b[?2026h";
    const Modes modes = after(bytes).modes();
    Modes again = after(bytes_of(modes)).modes();
    CHECK(!again.has(Mode::synchronized));
    again.set(Mode::synchronized, true);
    CHECK(again.bits == modes.bits);
    CHECK(again.modify_other_keys == 2);
    CHECK(again.cursor_shape == 3);
    CHECK(again.keyboard().current() == 5);
    CHECK(bytes_of(Modes{}).empty());
}

}  // namespace tracker_test
