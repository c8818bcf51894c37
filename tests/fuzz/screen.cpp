/// Output of programs, drawn. Input: a line of piece sizes, of which the first two are the size of the screen and the
/// next two the one that it gets later; then the output.
#include <algorithm>
#include <string>

#include "common/base/text.hpp"
#include "common/screen/model.hpp"
#include "tests/fuzz/input.hpp"

namespace {

using namespace persistproc;
using namespace persistproc::screen;
using fuzz::require;

int at(std::string_view sizes, std::size_t place) {
    return place < sizes.size() ? static_cast<std::uint8_t>(sizes[place]) : 0;
}

void feed(Model& model, std::string_view text, std::string_view sizes) {
    fuzz::Pieces pieces(text, sizes);
    for (std::string_view piece; pieces.next(piece);) model.feed(piece);
}

void check(const Snapshot& screen) {
    require(screen.size == screen.size.bounded(), "a size is bounded");
    require(screen.rows.size() <= static_cast<std::size_t>(screen.size.rows), "no row too many");
    require(screen.cursor.row < screen.size.rows && screen.cursor.column < screen.size.columns,
            "the cursor is on the screen");
    for (const std::string& row : screen.rows) {
        require(base::is_utf8(row) && !row.ends_with(' '), "a row is text without blanks at its end");
        require(row.size() <= static_cast<std::size_t>(screen.size.columns) * 24, "a row has room for its cells");
        require(std::none_of(row.begin(), row.end(), [](char c) { return (c >= 0 && c < ' ') || c == '\x7f'; }),
                "a row holds no control character");
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    fuzz::Input input(bytes, size);
    const std::string_view sizes = input.line(), text = input.rest();
    const Size first{at(sizes, 0) % 64, at(sizes, 1) % 32}, second{at(sizes, 2) % 64, at(sizes, 3) % 32};
    constexpr std::size_t most_scrolled = 4096;
    Model whole(first, most_scrolled), pieces(first, most_scrolled);
    whole.feed(text);
    feed(pieces, text, sizes);
    for (int round = 0; round < 2; ++round) {
        const Snapshot screen = whole.snapshot(), again = pieces.snapshot();
        check(screen);
        require(screen.rows == again.rows && screen.cursor == again.cursor && screen.title == again.title,
                "a screen is the same in pieces");
        const Lines scrolled = whole.take_scrolled(), others = pieces.take_scrolled();
        require(scrolled.text == others.text && scrolled.complete == others.complete, "so is what has left it");
        require(base::is_utf8(scrolled.text), "which is text");
        require(scrolled.text.size() <= most_scrolled, "in its bound");
        require(scrolled.text.empty() || scrolled.text.ends_with('\n'), "of whole lines");
        require(whole.picture(second) == pieces.picture(second), "so is its picture");
        for (Model* each : {&whole, &pieces}) {
            each->resize(round == 0 ? second : first);
            each->feed(text.substr(0, 64));
        }
    }
    return 0;
}
