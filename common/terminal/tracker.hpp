#pragma once
/// What a terminal would know after a program's output, without its screen: modes, title, and the questions that it
/// would answer. Pure, allocates nothing, and can be copied as bytes: a keeper hands it to its successor.
#include <array>
#include <cstdint>
#include <string_view>

#include "common/terminal/modes.hpp"
#include "common/terminal/tokens.hpp"

namespace persistproc::terminal {

/// Counted from 0.
struct Position {
    std::uint16_t row = 0, column = 0;
    bool operator==(const Position&) const = default;
};

/// What in the output calls for something at its place.
struct Finding {
    enum class Kind : std::uint8_t {
        none,
        update_begins,  // of a synchronized update: what follows is half a picture
        update_ends,
        // Questions, which the program waits to be answered on its input.
        attributes,            // DA1, DECID
        secondary_attributes,  // DA2
        status,                // DSR 5
        cursor,                // DSR 6
        private_cursor,        // DECXCPR
        mode,                  // DECRQM of `number`
        private_mode,
        setting,     // DECRQSS
        capability,  // XTGETTCAP
        silent,      // what only a terminal that has it answers: DA3, colours, XTVERSION, kitty's keyboard, sizes
    };
    Kind kind = Kind::none;
    std::uint16_t number = 0;

    bool is_question() const noexcept { return kind >= Kind::attributes; }
};

/// The bytes of an answer.
struct Answer {
    std::array<char, 32> bytes{};
    std::uint8_t size = 0;

    std::string_view view() const noexcept { return {bytes.data(), size}; }
};

/// What a plain VT220 answers, for a program that no terminal is attached to. Whoever asks for what only some terminals
/// have asks for DA1 behind it: silence, then, says that it is not there. `cursor` is for the two questions for it.
Answer answer(const Finding& question, Position cursor) noexcept;

class Tracker {
public:
    static constexpr std::size_t longest_title_bytes = 96;

    Finding take(const Token& token) noexcept;

    const Modes& modes() const noexcept { return modes_; }
    /// As the program gave it, cut: to be made UTF-8 and escaped where it is shown.
    std::string_view title() const noexcept { return {title_.data(), title_size_}; }

private:
    Finding take_csi(const Csi& csi) noexcept;
    Finding take_osc(std::string_view bytes) noexcept;
    Finding set_private(const Csi& csi, bool on) noexcept;
    void set_keyboard(const Csi& csi) noexcept;
    void reset_softly() noexcept;

    Modes modes_;
    std::uint8_t title_size_ = 0;
    std::array<char, longest_title_bytes> title_{};
};

/// A tracker of bytes.
class Scanner {
public:
    /// Takes bytes off the front up to the end of what is found; all of them when that is nothing. Plain text costs a
    /// search for ESC.
    Finding scan(std::string_view& bytes) noexcept;

    const Modes& modes() const noexcept { return tracker_.modes(); }
    std::string_view title() const noexcept { return tracker_.title(); }

private:
    Tokenizer tokens_;
    Tracker tracker_;
};

}  // namespace persistproc::terminal
