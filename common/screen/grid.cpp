#include "common/screen/grid.hpp"

#include <algorithm>
#include <utility>

#include "common/base/cells.hpp"

namespace persistproc::screen {

namespace {

constexpr std::uint32_t behind_wide = static_cast<std::uint32_t>(-1);  // in the cell behind a wide character

constexpr std::uint32_t least_wide = 0x1100;

void append_point(std::string& out, std::uint32_t point) {
    const auto add = [&out](std::uint32_t byte) { out += static_cast<char>(byte); };
    if (point < 0x80) return add(point);
    if (point < 0x800) {
        add(0xC0 | point >> 6);
    } else {
        if (point < 0x10000) {
            add(0xE0 | point >> 12);
        } else {
            add(0xF0 | point >> 18);
            add(0x80 | (point >> 12 & 0x3F));
        }
        add(0x80 | (point >> 6 & 0x3F));
    }
    add(0x80 | (point & 0x3F));
}

/// The text of one cell, and how many cells it takes. Where half of a wide character has been overwritten, the other
/// half is blank.
int append_cell(std::string& out, const VTermScreenCell& cell) {
    const std::uint32_t point = cell.chars[0];
    if (point == 0 || point == behind_wide) {
        out += ' ';
        return 1;
    }
    const std::size_t begin = out.size();
    append_point(out, point);
    // Beyond the first plane libvterm's table is older than ours: there one cell may be all that it gave.
    if (cell.width < 2 && point < 0x10000 && base::cells_of(std::string_view(out).substr(begin)) == 2) {
        out.replace(begin, std::string::npos, " ");
        return 1;
    }
    for (int i = 1; i < VTERM_MAX_CHARS_PER_CELL && cell.chars[i] != 0; ++i) append_point(out, cell.chars[i]);
    if (point < least_wide && cell.width == 2) {
        out += ' ';
        return 2;
    }
    return std::max<int>(cell.width, 1);
}

std::string text_of(const VTermScreenCell* cells, int columns) {
    std::string out;
    for (int column = 0; column < columns;) column += append_cell(out, cells[column]);
    out.erase(out.find_last_not_of(' ') + 1);
    return out;
}

void append_colour(std::string& out, const VTermColor& colour, bool is_background) {
    const int first = is_background ? 40 : 30;
    if (is_background ? VTERM_COLOR_IS_DEFAULT_BG(&colour) : VTERM_COLOR_IS_DEFAULT_FG(&colour)) return;
    if (VTERM_COLOR_IS_INDEXED(&colour)) {
        const int index = colour.indexed.idx;
        if (index < 8)
            out += ';' + std::to_string(first + index);
        else if (index < 16)
            out += ';' + std::to_string(first + 60 + index - 8);
        else
            out += ';' + std::to_string(first + 8) + ";5;" + std::to_string(index);
        return;
    }
    out += ';' + std::to_string(first + 8) + ";2;" + std::to_string(colour.rgb.red) + ';' +
           std::to_string(colour.rgb.green) + ';' + std::to_string(colour.rgb.blue);
}

bool shows_when_blank(const VTermScreenCell& cell) {
    return cell.attrs.reverse || cell.attrs.strike || cell.attrs.underline != VTERM_UNDERLINE_OFF ||
           !VTERM_COLOR_IS_DEFAULT_BG(&cell.bg);
}

/// Behind "0", so that it needs no knowledge of what was set before.
std::string colours_of(const VTermScreenCell& cell) {
    std::string out;
    if (cell.attrs.bold) out += ";1";
    if (cell.attrs.italic) out += ";3";
    if (cell.attrs.underline != VTERM_UNDERLINE_OFF)
        out += cell.attrs.underline == VTERM_UNDERLINE_DOUBLE ? ";21" : ";4";
    if (cell.attrs.blink) out += ";5";
    if (cell.attrs.reverse) out += ";7";
    if (cell.attrs.strike) out += ";9";
    append_colour(out, cell.fg, false);
    append_colour(out, cell.bg, true);
    return out;
}

}  // namespace

std::vector<std::string> texts_of(const std::vector<Row>& rows) {
    std::vector<std::string> out;
    out.reserve(rows.size());
    for (const Row& row : rows) out.push_back(text_of(row.data(), static_cast<int>(row.size())));
    while (!out.empty() && out.back().empty()) out.pop_back();
    return out;
}

std::string in_colours(const Row& row, int columns) {
    std::string out, set;
    std::size_t needed = 0;  // what stands behind is blank and has no colours
    bool is_placed = true;   // the terminal's cursor is where this says
    const int end = std::min(columns, static_cast<int>(row.size()));
    for (int column = 0; column < end;) {
        const VTermScreenCell& cell = row[static_cast<std::size_t>(column)];
        std::string text;
        const int begin = column;
        column += append_cell(text, cell);
        if (column > end) break;
        // Some terminals give it two cells: they know a newer Unicode, or follow a variation selector.
        const bool may_be_wider = column - begin == 1 && text.size() > 1 && base::cells_of(text) > 1;
        if (may_be_wider && column == columns) text = " ";  // they would put it elsewhere
        const bool is_blank = text == " ";
        const bool shows = !is_blank || shows_when_blank(cell);
        if (!is_placed) {
            is_placed = true;
            out += "\x1b[" + std::to_string((shows ? begin : column) + 1) + 'G';
            if (!shows) continue;  // blank already, or the second half
        }
        const std::string colours = shows ? colours_of(cell) : std::string();
        if (colours != set) out += "\x1b[0" + colours + 'm';
        set = colours;
        out += text;
        if (!is_blank || !set.empty()) needed = out.size();
        is_placed = !may_be_wider;
    }
    out.erase(needed);
    return out + "\x1b[m";
}

Model::Grid::Grid(Size size, std::size_t most_scrolled_bytes)
    : size_(size),
      most_scrolled_bytes_(most_scrolled_bytes),
      vt_(vterm_new(size.rows, size.columns)),
      state_(vterm_obtain_state(vt_.get())),
      screen_(nullptr),
      filter_(*this) {
    vterm_set_utf8(vt_.get(), 1);
    screen_ = vterm_obtain_screen(vt_.get());
    callbacks_.sb_popline = &pop_row;
    ask_for_rows();
    vterm_screen_set_callbacks(screen_, &callbacks_, this);
    vterm_screen_set_damage_merge(screen_, VTERM_DAMAGE_SCREEN);
    vterm_screen_reset(screen_, 1);
    write(
        "\x1b"
        "7");
}

void Model::Grid::feed(std::string_view bytes) {
    while (!bytes.empty()) filter_.take(tokens_.next(bytes), size_.columns);
    draw();
}

void Model::Grid::draw() {
    write(filter_.written(true));
    filter_.forget_written(true);
}

void Model::Grid::settle() {
    write(filter_.written(false));
    filter_.forget_written(false);
}

void Model::Grid::write(std::string_view bytes) { vterm_input_write(vt_.get(), bytes.data(), bytes.size()); }

void Model::Grid::act(Action action) {
    settle();
    switch (action.kind) {
        case Action::Kind::none: break;
        case Action::Kind::restore_cursor:
            write(
                "\x1b"
                "8");
            keep_cursor_inside();
            break;
        case Action::Kind::reset:
            leave_alternate(false);
            // What was saved is forgotten: libvterm would restore a black pen where nothing was.
            write(
                "\x1b[?5l\x1b"
                "c\x1b"
                "7");
            break;
        case Action::Kind::reset_softly: {
            // libvterm does nothing for DECSTR, and the modes' own ends move the cursor.
            const terminal::Position before = cursor();
            write("\x1b[4l\x1b[?6l\x1b[?7h\x1b[r\x1b[m");
            move_to(before);
            break;
        }
        case Action::Kind::enter_alternate:
            if (is_alternate_) break;
            main_rows_ = rows();
            main_cursor_ = cursor();
            vterm_screen_enable_altscreen(screen_, 1);
            write("\x1b[?1047h");
            is_alternate_ = true;
            break;
        case Action::Kind::leave_alternate: leave_alternate(action.keeps_cursor); break;
        case Action::Kind::forget_scrolled:
            scrolled_ = {};
            returning_.clear();
            ask_for_rows();
            break;
    }
}

/// 1049 is not left to libvterm: it keeps the main screen's cursor where programs on the alternate one keep theirs.
void Model::Grid::leave_alternate(bool restores_cursor) {
    if (!is_alternate_) return;
    write("\x1b[?1047l");
    is_alternate_ = false;
    main_rows_.clear();
    if (!restores_cursor) return;
    write("\x1b[m");
    move_to(main_cursor_);
}

void Model::Grid::resize(Size size) {
    settle();
    // Margins that reach beyond the new size would scroll a rectangle of a negative height.
    const terminal::Position before = cursor();
    write("\x1b[r");
    move_to(before);
    is_resizing_ = true;
    ask_for_rows();
    size_ = size;
    vterm_set_size(vt_.get(), size.rows, size.columns);
    is_resizing_ = false;
    ask_for_rows();
    keep_cursor_inside();
}

void Model::Grid::move_to(terminal::Position position) {
    const int row = std::min<int>(position.row, size_.rows - 1),
              column = std::min<int>(position.column, size_.columns - 1);
    write("\x1b[" + std::to_string(row + 1) + ';' + std::to_string(column + 1) + 'H');
}

/// A smaller size, and what was saved at a larger one, leave libvterm's cursor outside, where it reads and writes.
void Model::Grid::keep_cursor_inside() {
    VTermPos at;
    vterm_state_get_cursorpos(state_, &at);
    if (at.row >= 0 && at.row < size_.rows && at.col >= 0 && at.col < size_.columns) return;
    move_to(cursor());
}

terminal::Position Model::Grid::cursor() const noexcept {
    VTermPos at;
    vterm_state_get_cursorpos(state_, &at);
    return {static_cast<std::uint16_t>(std::clamp(at.row, 0, size_.rows - 1)),
            static_cast<std::uint16_t>(std::clamp(at.col, 0, size_.columns - 1))};
}

std::vector<Row> Model::Grid::rows() const {
    std::vector<Row> out(static_cast<std::size_t>(size_.rows), Row(static_cast<std::size_t>(size_.columns)));
    for (VTermPos at{0, 0}; at.row < size_.rows; ++at.row)
        for (at.col = 0; at.col < size_.columns; ++at.col)
            vterm_screen_get_cell(screen_, at,
                                  &out[static_cast<std::size_t>(at.row)][static_cast<std::size_t>(at.col)]);
    return out;
}

int Model::Grid::push_row(int columns, const VTermScreenCell* cells, void* self) {
    auto& grid = *static_cast<Grid*>(self);
    if (grid.is_resizing_) {
        grid.returning_.emplace_back(cells, cells + columns);
        // Those that were pushed out before the alternate screen grew have not come back.
        if (grid.returning_.size() <= static_cast<std::size_t>(Size::most_rows)) return 1;
        const Row oldest = std::move(grid.returning_.front());
        grid.returning_.erase(grid.returning_.begin());
        grid.scroll_away(oldest.data(), static_cast<int>(oldest.size()));
        return 1;
    }
    grid.return_rows();
    grid.scroll_away(cells, columns);
    return 1;
}

/// Rows that can no longer come back have scrolled away.
void Model::Grid::return_rows() {
    for (const Row& each : returning_) scroll_away(each.data(), static_cast<int>(each.size()));
    returning_.clear();
    ask_for_rows();
}

void Model::Grid::scroll_away(const VTermScreenCell* cells, int columns) {
    if (most_scrolled_bytes_ == 0) return;
    scrolled_.text += text_of(cells, columns) + '\n';
    // Some at a time: each look moves all that stays.
    if (scrolled_.text.size() > most_scrolled_bytes_ + most_scrolled_bytes_ / 4) drop_oldest();
}

void Model::Grid::drop_oldest() {
    if (scrolled_.text.size() <= most_scrolled_bytes_) return;
    const std::size_t least = scrolled_.text.size() - most_scrolled_bytes_;
    scrolled_.text.erase(0, scrolled_.text.find('\n', least - 1) + 1);
    scrolled_.complete = false;
}

/// libvterm copies each row that leaves when it has somebody to give it to: a third of the time of plain text.
void Model::Grid::ask_for_rows() {
    callbacks_.sb_pushline = most_scrolled_bytes_ > 0 || is_resizing_ || !returning_.empty() ? &push_row : nullptr;
}

int Model::Grid::pop_row(int columns, VTermScreenCell* cells, void* self) {
    auto& grid = *static_cast<Grid*>(self);
    if (grid.returning_.empty()) return 0;
    Row row = std::move(grid.returning_.back());
    grid.returning_.pop_back();
    VTermScreenCell blank{};
    blank.width = 1;
    vterm_state_get_default_colors(grid.state_, &blank.fg, &blank.bg);
    row.resize(static_cast<std::size_t>(columns), blank);
    // A wide character that the new size cuts is written beyond the row.
    if (row.back().width != 1 || row.back().chars[0] == behind_wide) row.back() = blank;
    std::copy(row.begin(), row.end(), cells);
    return 1;
}

Lines Model::Grid::take_scrolled() {
    return_rows();
    drop_oldest();
    return std::exchange(scrolled_, {});
}

}  // namespace persistproc::screen
