#pragma once
/// libvterm's screen, fed through the filter.
#include <vterm.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/screen/filter.hpp"
#include "common/screen/model.hpp"

namespace persistproc::screen {

using Row = std::vector<VTermScreenCell>;

/// Without blanks at their ends and without empty ones at the end.
std::vector<std::string> texts_of(const std::vector<Row>& rows);
/// With its colours, as far as this column; they are reset at its end.
std::string in_colours(const Row& row, int columns);

class Model::Grid final : ActionSink {
public:
    Grid(Size size, std::size_t most_scrolled_bytes);
    Grid(const Grid&) = delete;
    Grid& operator=(const Grid&) = delete;

    void feed(std::string_view bytes);
    void resize(Size size);
    /// All that was fed is drawn: what may still be joined, too.
    void settle();

    Size size() const noexcept { return size_; }
    terminal::Position cursor() const noexcept;
    bool is_alternate() const noexcept { return is_alternate_; }
    std::vector<Row> rows() const;
    Lines take_scrolled();
    /// Of the main screen while the alternate one shows, as they stood when that was entered; else none.
    const std::vector<Row>& main_rows() const noexcept { return main_rows_; }
    terminal::Position main_cursor() const noexcept { return main_cursor_; }

private:
    struct Free {
        void operator()(VTerm* vt) const { vterm_free(vt); }
    };

    void act(Action action) override;
    void draw() override;
    void write(std::string_view bytes);
    void move_to(terminal::Position position);
    void keep_cursor_inside();
    void leave_alternate(bool restores_cursor);
    void return_rows();
    void scroll_away(const VTermScreenCell* cells, int columns);
    void drop_oldest();
    void ask_for_rows();
    static int push_row(int columns, const VTermScreenCell* cells, void* self);
    static int pop_row(int columns, VTermScreenCell* cells, void* self);

    Size size_;
    std::size_t most_scrolled_bytes_;  // 0: nothing is kept
    std::unique_ptr<VTerm, Free> vt_;
    VTermState* state_;
    VTermScreen* screen_;
    VTermScreenCallbacks callbacks_{};
    terminal::Tokenizer tokens_;
    Filter filter_;
    bool is_alternate_ = false, is_resizing_ = false;
    terminal::Position main_cursor_;
    std::vector<Row> main_rows_;
    Lines scrolled_;
    std::vector<Row> returning_;  // rows that a smaller size pushed out, which a larger one brings back
};

}  // namespace persistproc::screen
