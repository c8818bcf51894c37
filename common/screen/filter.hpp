#pragma once
/// What stands between a program's bytes and libvterm 0.1.4, which overflows or loops on some of them. What goes
/// through is text of at most five combining characters in a row, and sequences from a short list with bounded numbers;
/// all of the rest would not show. Each rule names the fault it is for.
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/terminal/tokens.hpp"

namespace persistproc::screen {

/// What only the owner of the grid can do, when all that was written before has been drawn.
struct Action {
    enum class Kind : std::uint8_t {
        none,
        restore_cursor,
        reset,
        reset_softly,
        enter_alternate,
        leave_alternate,
        forget_scrolled,
    };
    Kind kind = Kind::none;
    bool keeps_cursor = false;  // of the main screen, while the alternate one shows
};

class ActionSink {
public:
    virtual ~ActionSink() = default;
    /// Everything that was written before is in `Filter::written`.
    virtual void act(Action action) = 0;
    /// As much is written as can be drawn at once.
    virtual void draw() = 0;
};

class Filter {
public:
    /// A run of text becomes an array of its length on libvterm's stack.
    static constexpr std::size_t most_written_bytes = 4096;

    explicit Filter(ActionSink& sink) : sink_(&sink) {}

    void take(const terminal::Token& token, int columns);

    /// What is to be drawn. `but_last`: without the last character, as long as one may come that joins it, which
    /// libvterm joins across calls in most columns but not in the last.
    std::string_view written(bool but_last) const noexcept;
    void forget_written(bool but_last);

private:
    void take_text(std::string_view text);
    void take_plain(std::string_view text);
    void take_byte(char byte);
    void take_character(std::string_view bytes, char32_t point);
    void take_escape(std::string_view bytes);
    void take_csi(const terminal::Csi& csi, int columns);
    void set_mode(const terminal::Csi& csi);
    void write_colours(const terminal::Csi& csi);
    void repeat(int count);
    void write(std::string_view sequence);
    void act(Action::Kind kind, bool keeps_cursor = false);
    bool is_drawing() const noexcept { return draws_[is_shifted_ ? 1 : 0]; }

    ActionSink* sink_;
    std::string written_;
    std::size_t last_begin_ = 0;   // of the last character in `written_`; its size: there is none
    std::string last_;             // the last character that was printed, for REP
    int joined_ = 0;               // characters that joined the last one
    std::array<char, 4> begun_{};  // of a character of several bytes
    std::uint8_t begun_size_ = 0;
    std::array<bool, 2> draws_{};  // G0, G1: line drawing
    bool is_shifted_ = false;
};

}  // namespace persistproc::screen
