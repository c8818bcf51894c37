#pragma once
/// The screen of a terminal, from what a program has printed on it. Pure: bytes and sizes in, a grid out; the same
/// bytes and sizes give the same grid, however they are cut. The grid is libvterm's, which takes only what is
/// well-formed and bounded: bytes may be hostile. The memory that it takes has bounds, whatever the bytes; time has
/// none (six bytes may draw a row, eight copy a screen): a caller with hostile bytes bounds that.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/terminal/tracker.hpp"

namespace persistproc::screen {

struct Size {
    static constexpr int least_columns = 10, most_columns = 500, least_rows = 2, most_rows = 300;

    /// The nearest that a screen may have.
    Size bounded() const noexcept;
    bool operator==(const Size&) const = default;

    int columns = 120, rows = 40;
};

/// What a terminal shows. Text is UTF-8 without controls: characters as the program printed them, wide ones once.
struct Snapshot {
    Size size;
    std::vector<std::string> rows;  // from the top, without blanks at their ends and without empty ones at the end
    // While the alternate screen shows: those of the other when it was entered.
    std::vector<std::string> main_rows;
    terminal::Position cursor;
    bool is_cursor_hidden = false, is_alternate = false;
    std::string title;  // valid UTF-8, may hold what must be escaped where it is shown
};

/// What a terminal with a window of some size is shown of a screen: cut at the right, and at the top and bottom so that
/// the cursor is seen.
struct Picture {
    std::vector<std::string> rows;  // as many as the window has, with their colours, which are reset at their ends
    terminal::Position cursor;
    bool is_cursor_hidden = false;
    bool wraps = true;  // the terminal, once it is drawn: it is what the program has set (DECAWM)
    bool operator==(const Picture&) const = default;
};

/// Draws it over whatever a terminal with that window shows.
std::string bytes_of(const Picture& picture);
/// The same over another picture: the rows that differ. Empty: none does, nor the cursor.
std::string bytes_between(const Picture& shown, const Picture& next);

/// Each with its newline.
struct Lines {
    std::string text;
    bool complete = true;  // false: the oldest were dropped, because there were more than the bound
};

/// Of one thread at a time. 36 bytes a cell; 112 once the alternate screen shows, 72 when it has been left. Besides,
/// the rows that a smaller size pushed out, of which the newest `Size::most_rows` come back when it grows; no more than
/// `most_held_bytes` of an open update; and of what has scrolled up to thrice its bound.
class Model {
public:
    static constexpr std::size_t most_held_bytes = 256u << 10;

    /// A blank screen. Of what leaves it at the top that much is kept for `take_scrolled`.
    explicit Model(Size size, std::size_t most_scrolled_bytes = 0);
    ~Model();
    Model(Model&&) noexcept;
    Model& operator=(Model&&) noexcept;

    /// What a synchronized update (2026) prints is held until its end, so that half a picture is never seen.
    void feed(std::string_view bytes);
    /// Without reflow, as xterm does it. Ends an open update.
    void resize(Size size);

    /// Whether an update is held, for a caller who waits for its end, and how he stops to wait.
    bool holds_update() const noexcept;
    void end_update();

    Snapshot snapshot();

    Picture picture(Size window);
    /// The same of the main screen while the alternate one shows, for a terminal that will leave that, too; else empty.
    Picture picture_below(Size window) const;

    /// Lines that have left the main screen at its top since the last call: the newest that fit into the bound. Cleared
    /// by programs that clear it (ED 3).
    Lines take_scrolled();

    /// Modes of the terminal after these bytes.
    const terminal::Modes& modes() const noexcept;

private:
    class Grid;

    std::unique_ptr<Grid> grid_;
    terminal::Scanner scanner_;
    std::string held_;
    bool is_released_ = false;  // the open update is shown as it comes
};

/// What a terminal of this size shows after just these bytes: what has left it at the top, then its rows. What was
/// drawn over and over stands there once; of the alternate screen the last picture, below what stood on the main one.
/// A few bytes may print many lines: of those above the screen the newest stay.
Lines collapse(std::string_view bytes, Size size, std::size_t most_scrolled_bytes);

}  // namespace persistproc::screen
