#include "common/screen/model.hpp"

#include <algorithm>
#include <utility>

#include "common/base/text.hpp"
#include "common/screen/grid.hpp"

namespace persistproc::screen {

Size Size::bounded() const noexcept {
    return {std::clamp(columns, least_columns, most_columns), std::clamp(rows, least_rows, most_rows)};
}

namespace {

Picture picture_of(const std::vector<Row>& rows, terminal::Position cursor, const terminal::Modes& modes,
                   bool hides_cursor, Size window) {
    const auto height = static_cast<std::size_t>(std::max(window.rows, 1));
    const std::size_t top = cursor.row < height ? 0 : cursor.row + 1 - height;
    Picture out;
    for (std::size_t row = top; row < std::min(top + height, rows.size()); ++row)
        out.rows.push_back(in_colours(rows[row], window.columns));
    out.rows.resize(height);
    const int column = std::min<int>(cursor.column, std::max(window.columns, 1) - 1);
    out.cursor = {static_cast<std::uint16_t>(cursor.row - top), static_cast<std::uint16_t>(column)};
    out.is_cursor_hidden = hides_cursor || cursor.column >= window.columns;
    out.wraps = !modes.has(terminal::Mode::no_wrap);
    return out;
}

/// Those rows of it that `is_wanted` is true of. Each is cleared before it is drawn: behind the last column a terminal
/// clears that column. Without wrapping, because a terminal may give a character more cells than the grid does: on the
/// last row it would scroll.
template <class Wanted>
std::string draw(const Picture& picture, Wanted is_wanted) {
    std::string out = "\x1b[?25l\x1b[?7l\x1b[m";
    for (std::size_t row = 0; row < picture.rows.size(); ++row)
        if (is_wanted(row)) out += "\x1b[" + std::to_string(row + 1) + "H\x1b[K" + picture.rows[row];
    // A hidden one, too, is where what is printed next begins.
    out += "\x1b[" + std::to_string(picture.cursor.row + 1) + ';' + std::to_string(picture.cursor.column + 1) + 'H';
    if (picture.wraps) out += "\x1b[?7h";
    return picture.is_cursor_hidden ? out : out + "\x1b[?25h";
}

}  // namespace

std::string bytes_of(const Picture& picture) {
    return draw(picture, [](std::size_t) { return true; });
}

std::string bytes_between(const Picture& shown, const Picture& next) {
    if (shown.rows.size() != next.rows.size()) return bytes_of(next);
    if (shown == next) return {};
    return draw(next, [&](std::size_t row) { return shown.rows[row] != next.rows[row]; });
}

Model::Model(Size size, std::size_t most_scrolled_bytes)
    : grid_(std::make_unique<Grid>(size.bounded(), most_scrolled_bytes)) {}
Model::~Model() = default;
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;

void Model::feed(std::string_view bytes) {
    while (!bytes.empty()) {
        const std::string_view before = bytes;
        const bool held = holds_update();
        const terminal::Finding found = scanner_.scan(bytes);
        if (found.kind == terminal::Finding::Kind::update_begins) is_released_ = false;
        const std::string_view part = before.substr(0, before.size() - bytes.size());
        const std::string_view fits = part.substr(0, held ? most_held_bytes - held_.size() : 0);
        held_ += fits;
        if (held && (found.kind == terminal::Finding::Kind::update_ends || fits.size() < part.size())) end_update();
        grid_->feed(part.substr(fits.size()));
    }
}

bool Model::holds_update() const noexcept {
    return scanner_.modes().has(terminal::Mode::synchronized) && !is_released_;
}

void Model::end_update() {
    grid_->feed(held_);
    held_ = {};
    is_released_ = true;
}

void Model::resize(Size size) {
    end_update();
    if (size.bounded() != grid_->size()) grid_->resize(size.bounded());
}

Snapshot Model::snapshot() {
    grid_->settle();
    return {.size = grid_->size(),
            .rows = texts_of(grid_->rows()),
            .main_rows = texts_of(grid_->main_rows()),
            .cursor = grid_->cursor(),
            .is_cursor_hidden = modes().has(terminal::Mode::hidden_cursor),
            .is_alternate = grid_->is_alternate(),
            .title = base::to_valid_utf8(scanner_.title())};
}

Picture Model::picture(Size window) {
    grid_->settle();
    return picture_of(grid_->rows(), grid_->cursor(), modes(), modes().has(terminal::Mode::hidden_cursor), window);
}

Picture Model::picture_below(Size window) const {
    if (!grid_->is_alternate()) return {};
    return picture_of(grid_->main_rows(), grid_->main_cursor(), modes(), false, window);
}

Lines Model::take_scrolled() { return grid_->take_scrolled(); }
const terminal::Modes& Model::modes() const noexcept { return scanner_.modes(); }

Lines collapse(std::string_view bytes, Size size, std::size_t most_scrolled_bytes) {
    Model model(size, most_scrolled_bytes);
    model.feed(bytes);
    model.end_update();
    const Snapshot screen = model.snapshot();
    Lines out = model.take_scrolled();
    for (const auto* rows : {&screen.main_rows, &screen.rows})
        for (const std::string& row : *rows) out.text += row + '\n';
    return out;
}

}  // namespace persistproc::screen
