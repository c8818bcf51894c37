#include "common/screen/model.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <random>
#include <string>

#include "tests/support/catch.hpp"

namespace model_test {

using namespace persistproc::screen;
using persistproc::terminal::Position;
using Rows = std::vector<std::string>;

namespace {

Snapshot after(std::string_view bytes, Size size = {20, 5}) {
    Model model(size);
    model.feed(bytes);
    return model.snapshot();
}

Rows rows(std::string_view bytes, Size size = {20, 5}) { return after(bytes, size).rows; }

constexpr std::size_t most = 1u << 20;

std::string collapsed(std::string_view bytes, Size size) {
    const Lines lines = collapse(bytes, size, most);
    CHECK(lines.complete);
    return lines.text;
}

bool is_same(const Snapshot& a, const Snapshot& b) {
    return a.size == b.size && a.rows == b.rows && a.cursor == b.cursor && a.is_cursor_hidden == b.is_cursor_hidden &&
           a.is_alternate == b.is_alternate && a.title == b.title;
}

std::string repeated(std::string_view text, int times) {
    std::string out;
    for (int i = 0; i < times; ++i) out += text;
    return out;
}

/// What programs of all kinds print, in a random order.
std::string session(unsigned seed, int parts) {
    const std::string_view all[] = {"plain text ",
                                    "\r\n",
                                    "\xe4\xb8\xad\xe6\x96\x87",
                                    "e\xcc\x81",
                                    "\x1b[1;31m",
                                    "\x1b[m",
                                    "\x1b[3;4H",
                                    "\x1b[2K",
                                    "\x1b[J",
                                    "\x1b[?1049h",
                                    "\x1b[?1049l",
                                    "\x1b"
                                    "7",
                                    "\x1b"
                                    "8",
                                    "\x1b[2;4r",
                                    "\x1b[r",
                                    "\x1b[3L",
                                    "\x1b[2M",
                                    "\x1b[4@",
                                    "\x1b[5P",
                                    "\x1b(0lqk\x1b(B",
                                    "\x1b[7b",
                                    "\x1b[?2026h",
                                    "\x1b[?2026l",
                                    "\x1b]2;title\a",
                                    "\x1b[?25l",
                                    "\t",
                                    "\b\b",
                                    "\x1b"
                                    "M",
                                    "\x1b[4h",
                                    "\x1b[4l",
                                    "\x1b[?7l",
                                    "\x1b[?7h",
                                    "\xf0\x9f\x91\xa9\xe2\x80\x8d"};
    std::mt19937 random(seed);
    std::string out;
    for (int i = 0; i < parts; ++i) out += all[random() % std::size(all)];
    return out;
}

}  // namespace

TEST_CASE("a screen is what a terminal shows") {
    const Snapshot screen = after("one\r\n\x1b[1;31mtwo\x1b[m\x1b[4;3Hthree  \x1b]2;a title\x1b\\\x1b[?25l");
    CHECK(screen.rows == Rows{"one", "two", "", "  three"});
    CHECK(screen.cursor == Position{3, 9});
    CHECK(screen.is_cursor_hidden);
    CHECK(!screen.is_alternate);
    CHECK(screen.title == "a title");
    CHECK(rows("").empty());
    CHECK(rows("a\x1b[3Cb") == Rows{"a   b"});
    CHECK(rows("\x1b(0lqk\x1b(B q\x0e\x1b)0x\x0fx") == Rows{"\xe2\x94\x8c\xe2\x94\x80\xe2\x94\x90 q\xe2\x94\x82x"});
    CHECK(rows("ab\x1b[3b") == Rows{"abbbb"});
    CHECK(rows("12345678901234567890x") == Rows{"12345678901234567890", "x"});
}

TEST_CASE("characters are shown once, and nothing spills over its cell") {
    CHECK(rows("\xe4\xb8\xad\xe6\x96\x87 ok") == Rows{"\xe4\xb8\xad\xe6\x96\x87 ok"});
    CHECK(after("\xe4\xb8\xad\xe6\x96\x87").cursor == Position{0, 4});
    CHECK(rows("\xe2\x9a\xa0\xef\xb8\x8f  careful") == Rows{"\xe2\x9a\xa0\xef\xb8\x8f  careful"});
    CHECK(rows("e\xcc\x81x") == Rows{"e\xcc\x81x"});
    const std::string family = "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7";
    CHECK(rows(family + "!") == Rows{family + "!"});
    // Of what joins a character five are kept.
    CHECK(rows("a" + repeated("\xcc\x81", 9) + "b") == Rows{"a" + repeated("\xcc\x81", 5) + "b"});
    // In the last column, too, and across calls.
    Model model({10, 3});
    model.feed("123456789e");
    model.feed("\xcc\x81");
    CHECK(model.snapshot().rows == Rows{"123456789e\xcc\x81"});
    // Half of a wide character is overwritten.
    CHECK(rows("\xe4\xb8\xad\x1b[1;1Hx") == Rows{"x"});
    CHECK(rows("\xe4\xb8\xad.\x1b[1;1Hx") == Rows{"x ."});
    CHECK(rows("\xe4\xb8\xad\x1b[1;2Hx") == Rows{" x"});
    CHECK(rows("\xe4\xb8\xad.\x1b[1;1H\x1b[P") == Rows{" ."});
    // No UTF-8, and controls in it.
    CHECK(rows("a\xff\xc3(b\xc2\x85\xc2\x9b"
               "1mc") == Rows{"a\xef\xbf\xbd\xef\xbf\xbd(b1mc"});
}

TEST_CASE("what has no picture in a grid leaves none") {
    CHECK(rows("a\x1b_Gf=24,s=10;QUFB\x1b\\b\x1bPq#0;2;0;0;0~~@@\x1b\\c\x1b^x\x1b\\d\x1bXy\x1b\\e\x1b]1337;File=:"
               "QUJD\a.") == Rows{"abcde."});
    CHECK(rows("\x1b[6n\x1b[c\x1b[>q\x1b]11;?\aok") == Rows{"ok"});
}

TEST_CASE("leaving the alternate screen shows what was under it") {
    const std::string main = "$ vi\r\n\x1b[31m";
    const std::string inside =
        "\x1b[?1049h\x1b[2J\x1b[3;3H\x1b"
        "7file\x1b[1;4r";
    const Snapshot alternate = after(main + inside);
    CHECK(alternate.is_alternate);
    CHECK(alternate.rows == Rows{"", "", "  file"});
    const Snapshot left = after(main + inside + "\x1b[r\x1b[?1049l");
    CHECK(!left.is_alternate);
    CHECK(left.rows == Rows{"$ vi"});
    CHECK(left.cursor == Position{1, 0});
    CHECK(!after(main + inside +
                 "\x1b"
                 "c")
               .is_alternate);
    CHECK(rows(main + inside +
               "\x1b"
               "cok") == Rows{"ok"});
    Model model({20, 5});
    model.feed(main + inside);
    CHECK(model.snapshot().main_rows == Rows{"$ vi"});
    // Somebody who comes later is shown both, and sees the same when it is left.
    Model later({20, 5});
    later.feed(bytes_of(model.picture_below({20, 5})) + bytes_of(model.modes()) + bytes_of(model.picture({20, 5})));
    CHECK(later.snapshot().rows == alternate.rows);
    later.feed("\x1b[?1049l");
    CHECK(later.snapshot().rows == left.rows);
    CHECK(later.snapshot().cursor == left.cursor);
    model.feed("\x1b[?1049l");
    CHECK(model.picture_below({20, 5}).rows.empty());
    CHECK(rows(main + "\x1b[?1049h\x1b[?1049hx\x1b[?47ly") == Rows{"$ vi", " y"});
}

TEST_CASE("of several modes in one sequence each is set") {
    const Snapshot screen = after("main\x1b[?25;1049h\x1b[?7;25l\x1b[1;1H1234567890123456789012");
    CHECK(screen.is_alternate);
    CHECK(screen.is_cursor_hidden);
    CHECK(screen.rows == Rows{"12345678901234567892"});
}

TEST_CASE("a soft reset ends modes and leaves the cursor") {
    const Snapshot screen = after("\x1b[2;3r\x1b[4h\x1b[?6h\x1b[2;5H\x1b[!pabc\x1b[5;1Hlast\r\nnew");
    CHECK(screen.rows == Rows{"", "    abc", "", "last", "new"});
}

TEST_CASE("half a picture is not shown") {
    Model model({20, 5});
    model.feed("whole\x1b[?2026h\x1b[2J\x1b[Hha");
    CHECK(model.holds_update());
    CHECK(model.snapshot().rows == Rows{"whole"});
    model.feed("lf\x1b[?2026l");
    CHECK(!model.holds_update());
    CHECK(model.snapshot().rows == Rows{"half"});
    model.feed("\x1b[?2026h\x1b[2J\x1b[Hlate");
    model.end_update();
    CHECK(!model.holds_update());
    CHECK(model.snapshot().rows == Rows{"late"});
    model.feed("r\x1b[?2026l\x1b[?2026h!");
    CHECK(model.snapshot().rows == Rows{"later"});
    // One that never ends holds no more than its bound.
    model.feed(repeated("x\r\n", 100'000));
    CHECK(!model.holds_update());
}

TEST_CASE("a smaller screen gives back what it pushed out, and loses no cursor") {
    Model model({20, 5}, most);
    model.feed("1\r\n2\r\n3\r\n4\r\n5");
    model.resize({20, 3});
    CHECK(model.snapshot().rows == Rows{"3", "4", "5"});
    CHECK(model.snapshot().cursor == Position{2, 1});
    model.resize({20, 5});
    CHECK(model.snapshot().rows == Rows{"1", "2", "3", "4", "5"});
    model.resize({20, 4});
    model.feed("\r\n6");
    CHECK(model.take_scrolled().text == "1\n2\n");
    // Whatever was saved, or set, at a larger size.
    model.resize({500, 300});
    model.feed(
        "\x1b[200;299r\x1b[290;490H\x1b"
        "7");
    model.resize({10, 2});
    model.feed(
        "\x1b"
        "8\x1b[?6h\r\n\r\n\x1b[Jx\x1b[L\x1b[M\x1b[@");
    CHECK(model.snapshot().cursor.row < 2);
    // What is above the cursor is pushed out; the cursor stays in the grid.
    model.resize({20, 40});
    model.feed("\x1b[2J\x1b[40;1Hbottom\x1b[1;1H");
    model.resize({20, 2});
    model.feed("\x1b[Jok\x1b[2J");
    model.resize({0, 0});
    CHECK(model.snapshot().size == Size{10, 2});
}

TEST_CASE("a row comes back narrower than it left, with its wide characters whole") {
    Model model({20, 4});
    model.feed("123456789\xe4\xb8\xad\r\n2\r\n3\r\n4");
    model.resize({20, 2});
    model.resize({10, 4});
    CHECK(model.snapshot().rows == Rows{"123456789", "2", "3", "4"});
}

TEST_CASE("the same bytes and sizes give the same grid, however they are cut") {
    for (unsigned seed = 1; seed <= 30; ++seed) {
        const std::string bytes = session(seed, 120);
        Model whole({30, 8}, most), pieces({30, 8}, most);
        whole.feed(bytes);
        std::mt19937 random(seed);
        for (std::string_view rest = bytes; !rest.empty();) {
            const std::size_t size = std::min<std::size_t>(random() % 7 + 1, rest.size());
            pieces.feed(rest.substr(0, size));
            rest.remove_prefix(size);
        }
        whole.resize({25, 6});
        pieces.resize({25, 6});
        whole.feed("\r\nend");
        pieces.feed("\r\nend");
        INFO("seed " << seed);
        CHECK(is_same(whole.snapshot(), pieces.snapshot()));
        CHECK(whole.picture({100, 100}) == pieces.picture({100, 100}));
        CHECK(whole.take_scrolled().text == pieces.take_scrolled().text);
    }
}

TEST_CASE("a picture, drawn on another terminal, is the screen") {
    for (unsigned seed = 1; seed <= 30; ++seed) {
        Model model({30, 8});
        model.feed(session(seed, 100));
        model.end_update();
        const Snapshot screen = model.snapshot();
        Model copy({30, 8});
        copy.feed(repeated("x", 1000) + bytes_of(model.picture({30, 8})));
        INFO("seed " << seed);
        CHECK(copy.snapshot().rows == screen.rows);
        CHECK(copy.snapshot().cursor == screen.cursor);
        CHECK(copy.picture({30, 8}) == model.picture({30, 8}));
        // And what it has become since, over that.
        const Picture shown = model.picture({30, 8});
        CHECK(bytes_between(shown, shown).empty());
        model.feed(session(seed + 100, 5));
        model.end_update();
        copy.feed(bytes_between(shown, model.picture({30, 8})));
        CHECK(copy.snapshot().rows == model.snapshot().rows);
    }
}

TEST_CASE("a picture is cut to its window, around the cursor") {
    Model model({20, 6});
    model.feed("1\r\n2\r\n3\r\n\x1b[32m4 \xe4\xb8\xad\xe6\x96\x87 long\x1b[m\r\n5\r\n6\x1b[4;2H");
    const std::string green = "\x1b[0;32m", plain = "\x1b[0m", end = "\x1b[m";
    const Picture small{{"3" + end, green + "4" + plain + " " + green + "\xe4\xb8\xad" + end}, {1, 1}};
    CHECK(model.picture({5, 2}) == small);
    CHECK(model.picture({1, 1}) == Picture{{green + "4" + end}, {0, 0}, true});
    CHECK(model.picture({40, 8}).rows.size() == 8);
    CHECK(bytes_of(small) == "\x1b[?25l\x1b[?7l\x1b[m\x1b[1H\x1b[K" + small.rows[0] + "\x1b[2H\x1b[K" + small.rows[1] +
                                 "\x1b[2;2H\x1b[?7h\x1b[?25h");
    Picture other = small;
    other.rows[0] = "new";
    CHECK(bytes_between(small, other) == "\x1b[?25l\x1b[?7l\x1b[m\x1b[1H\x1b[Knew\x1b[2;2H\x1b[?7h\x1b[?25h");
}

TEST_CASE("colours of every kind stay") {
    Model model({40, 2});
    model.feed(
        "\x1b[1;38;2;1;2;3;48;5;200ma\x1b[38:2::4:5:6mb\x1b[0;91;4:3mc\x1b[0;58;2;1;5;7md\x1b[58:2::1:5:7me"
        "\x1b[0;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;7mf");
    CHECK(model.picture({40, 1}).rows.front() ==
          "\x1b[0;1;38;2;1;2;3;48;5;200ma\x1b[0;1;38;2;4;5;6;48;5;200mb\x1b[0;4;91mc\x1b[0mde\x1b[0;1;7mf\x1b[m");
}

TEST_CASE("what was drawn over and over stands there once") {
    std::string spinner = "start\r\n";
    for (int i = 0; i < 100; ++i) spinner += "\r\x1b[2K" + std::string(1, "|/-\\"[i % 4]) + " working";
    spinner += "\r\x1b[2Kdone\r\n";
    CHECK(collapsed(spinner, {40, 5}) == "start\ndone\n");
    std::string frames;
    for (int i = 0; i < 50; ++i)
        frames += (i > 0 ? "\x1b[2A" : "") + std::string("\x1b[2K\rtask ") + std::to_string(i) + "\n\x1b[2K\rstep\n";
    CHECK(collapsed("\x1b[20h" + frames, {40, 5}) == "task 49\nstep\n");
    std::string lines, expected;
    for (int i = 0; i < 100; ++i) {
        lines += std::to_string(i) + "\r\n";
        expected += std::to_string(i) + "\n";
    }
    CHECK(collapsed(lines, {40, 5}) == expected);
    CHECK(collapsed("under\r\n\x1b[?1049h\x1b[Hone\x1b[Htwo", {40, 5}) == "under\ntwo\n");
    CHECK(collapsed("under\r\n\x1b[?1049h\x1b[Hone\x1b[?1049lover", {40, 5}) == "under\nover\n");
    CHECK(collapsed(lines + "\x1b[H\x1b[2J\x1b[3Jonly", {40, 5}) == "only\n");
}

TEST_CASE("what has scrolled is kept in bounds, its newest lines whole") {
    // Six bytes that print a row of 10 cells with five joined characters each.
    const std::string row = "\r\na" + repeated("\xcc\x81", 5) + "\x1b[99b";
    Model model({10, 2}, 1000);
    for (int i = 0; i < 10'000; ++i) model.feed(row);
    const Lines lines = model.take_scrolled();
    CHECK(!lines.complete);
    CHECK(lines.text.size() <= 1000);
    CHECK(lines.text.size() > 800);
    CHECK(lines.text.starts_with("a\xcc\x81"));
    // It begins anew, and says nothing of what the program has cleared itself.
    model.feed("\x1b[2J\x1b[H1\r\n2\r\n3");
    CHECK(model.take_scrolled().complete);
    for (int i = 0; i < 100; ++i) model.feed(row);
    model.feed("\x1b[H\x1b[2J\x1b[3J1\r\n2\r\n3");
    const Lines after = model.take_scrolled();
    CHECK(after.complete);
    CHECK(after.text == "1\n");
    const Lines all = collapse(repeated("0123456789abcde\r\n", 100), {20, 5}, 64);
    CHECK(!all.complete);
    CHECK(all.text == repeated("0123456789abcde\n", 8));  // 4 above the screen, 4 and a blank row on it
    CHECK(collapse(repeated("0123456789abcde\r\n", 8), {20, 5}, 64).complete);
}

TEST_CASE("rows that a smaller size pushed out come back, but not without end") {
    Model model({10, 300}, most);
    for (int round = 0; round < 5; ++round) {
        model.feed("\x1b[2J");
        // Fills the screen without scrolling it; then what is pushed out cannot come back on the alternate screen.
        for (int row = 1; row <= 300; ++row)
            model.feed("\x1b[" + std::to_string(row) + 'H' + std::to_string(round) + '.' + std::to_string(row));
        model.resize({10, 2});
        model.feed("\x1b[?1049h");
        model.resize({10, 300});
        model.feed("\x1b[?1049l");
    }
    const auto rows_that_come_back = [&model] {
        model.feed("\x1b[H\x1b[2J");
        model.resize({10, 2});
        model.resize({10, 300});
        return model.snapshot().rows;
    };
    SECTION("the newest come back") {
        const Rows back = rows_that_come_back();
        REQUIRE(back.size() == 298);
        CHECK(back.front() == "4.1");
        CHECK(back.back() == "4.298");
        CHECK(rows_that_come_back() == Rows{"3.297", "3.298"});
        return;
    }
    const Lines lines = model.take_scrolled();
    CHECK(lines.complete);
    CHECK(lines.text.starts_with("0.1\n0.2\n"));
    CHECK(lines.text.ends_with("4.297\n4.298\n"));
    CHECK(std::count(lines.text.begin(), lines.text.end(), '\n') == 5 * 298);
}

TEST_CASE("a terminal that gives a character more cells than the grid shows no row too long") {
    const std::string newer = "\xf0\x9f\x9f\xa2", wide = "\xe4\xb8\xad", heart = "\xe2\x9d\xa4\xef\xb8\x8f",
                      unknown = "\xc3\xa9";
    // What such a terminal shows: one with a character in its place that has two cells in the grid, too.
    const auto shown = [&](const Picture& picture, Size size) {
        std::string bytes = bytes_of(picture);
        for (const std::string& each : {newer, heart, unknown})
            for (std::size_t at; (at = bytes.find(each)) != std::string::npos;) bytes.replace(at, each.size(), wide);
        Model terminal(size);
        terminal.feed(bytes);
        return terminal.snapshot().rows;
    };
    for (const std::string& each : {newer, heart}) {
        Model model({10, 2});
        model.feed("above\r\n123456789" + each);
        CHECK(model.snapshot().rows == Rows{"above", "123456789" + each});
        CHECK(shown(model.picture({10, 2}), {10, 2}) == Rows{"above", "123456789"});
        CHECK(shown(model.picture({20, 2}), {20, 2}) == Rows{"above", "123456789" + wide});
        // What stands behind it stays in its column.
        model.feed("\x1b[2H\x1b[K" + each + " ok    |");
        CHECK(shown(model.picture({10, 2}), {10, 2}) == Rows{"above", wide + "ok    |"});
        // Where there is no room for two, what stands behind it is what shows.
        model.feed("\x1b[2H\x1b[K" + each + "ok");
        CHECK(shown(model.picture({10, 2}), {10, 2}) == Rows{"above", " ok"});
        // A terminal of one cell shows all of it.
        Model same({10, 2});
        same.feed(bytes_of(model.picture({10, 2})));
        CHECK(same.snapshot().rows == model.snapshot().rows);
    }
    // Nor does one that is of two cells to the terminal alone make it scroll.
    Model model({10, 2});
    model.feed("above\r\n12345678" + unknown + "0");
    CHECK(shown(model.picture({10, 2}), {10, 2}).front() == "above");
}

TEST_CASE("a picture leaves a terminal wrapping as the program has it") {
    for (const std::string_view set : {"", "\x1b[?7l"}) {
        Model model({10, 2});
        model.feed(set);
        Model later({10, 2});
        later.feed(bytes_of(model.modes()) + bytes_of(model.picture({10, 2})));
        CHECK(later.modes().bits == model.modes().bits);
        const Picture before = model.picture({10, 2});
        model.feed(set.empty() ? "\x1b[?7l" : "\x1b[?7h");
        later.feed(bytes_between(before, model.picture({10, 2})));
        CHECK(later.modes().bits == model.modes().bits);
    }
}

TEST_CASE("an open update holds no more than its bound, however much comes at once") {
    const auto most_used_kib = [] {
        rusage used{};
        ::getrusage(RUSAGE_SELF, &used);
        return used.ru_maxrss;
    };
    const std::string_view begin = "old\x1b[?2026h\x1b[2J\x1b[Hnew\x1b]2;", end = "\a!";
    std::string bytes(begin.size() + (32u << 20) + end.size(), 't');  // built without a copy, which would count, too
    bytes.replace(0, begin.size(), begin);
    bytes.replace(bytes.size() - end.size(), end.size(), end);
    const long before = most_used_kib();
    Model model({20, 5});
    model.feed(bytes);
    CHECK(most_used_kib() - before < 8 << 10);
    CHECK(!model.holds_update());
    CHECK(model.snapshot().rows == Rows{"new!"});
    // What just fits is held.
    Model full({20, 5});
    full.feed("old\x1b[?2026h" + std::string(Model::most_held_bytes - 1, '\r') + 'n');
    CHECK(full.holds_update());
    CHECK(full.snapshot().rows == Rows{"old"});
    full.feed("ew");
    CHECK(full.snapshot().rows == Rows{"new"});
}

TEST_CASE("hostile output is drawn in bounds") {
    std::mt19937 random(7);
    std::string noise;
    for (int i = 0; i < 200'000; ++i) noise += static_cast<char>(random());
    const std::string all[] = {
        noise,
        std::string(1u << 20, 'x'),
        "a" + repeated("\xcc\x81", 100'000),
        repeated("Z\xcc\x88\xcc\xa7\xcc\xb4\xcd\x8c\xcd\x94\xcd\x9b\xcc\xbf", 10'000),
        "\x1b[5b" + repeated("\xcc\x81\x1b[9b", 100),
        repeated("\xe3\x81\x8b\xe3\x82\x99\xe3\x82\x99\xe3\x82\x99\xe3\x82\x99\xe3\x82\x99", 100),
        repeated("\xc2\x80", 1000) + "\x1b[K\x1b[J",
        "\x1b[" + repeated("1;", 60) + "m\x1b[" + repeated("1:", 60) + "m\x1b[38;5m\x1b[38;2;1m\x1b[48:5m\x1b[38m",
        "\x1b[2147483647C\x1b[2147483647B\x1b[9999A\x1b[9999;9999H\x1b[9999;1r\x1b[9999S\x1b[9999T\x1b[9999@\x1b[9999L",
        "\x1b[?69h\x1b[5;7s\x1b[3;3H\x1b[9@\x1b[9P\x1b#6\x1b[9@\x1b[9Px\x1b#3\x1b[K",
        "\x1b]2;" + std::string(100'000, 't') + "\a\x1bP" + std::string(100'000, 'd') + "\x1b\\",
    };
    for (const std::string& bytes : all)
        for (const Size size : {Size{10, 2}, Size{120, 40}}) {
            Model model(size, most);
            model.feed(bytes);
            model.resize({11, 3});
            model.feed(bytes.substr(0, 1000));
            CHECK(model.snapshot().rows.size() <= 3);
            CHECK(bytes_of(model.picture({20, 20})).size() < 10'000);
        }
}

}  // namespace model_test
