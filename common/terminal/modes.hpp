#pragma once
/// What a program has asked of its terminal. Can be copied as bytes: a keeper hands it to its successor.
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace persistproc::terminal {

/// Off is what a terminal begins with. Values are places of bits that processes share: new ones at the end.
enum class Mode : std::uint8_t {
    cursor_keys,      // DECCKM: arrows, Home and End as SS3
    keypad,           // DECKPAM
    bracketed_paste,  // 2004
    alternate_screen,
    hidden_cursor,    // DECTCEM is off
    no_wrap,          // DECAWM is off
    insert,           // IRM
    origin,           // DECOM
    reverse_video,    // DECSCNM
    backspace_is_bs,  // DECBKM
    mouse_x10,
    mouse_clicks,
    mouse_drags,
    mouse_moves,
    mouse_utf8,
    mouse_sgr,
    mouse_urxvt,
    mouse_pixels,
    focus_reports,
    alternate_scroll,  // the wheel as arrows on the alternate screen
    synchronized,      // 2026: what is printed is half a picture
    colour_reports,    // 2031: of light and dark
    size_reports,      // 2048
};

/// The keyboard protocol of kitty: each screen has a stack.
struct KeyboardFlags {
    static constexpr std::size_t most = 8;

    std::uint8_t current() const noexcept { return flags[depth]; }
    void push(std::uint8_t value) noexcept;
    void pop(std::uint16_t count) noexcept;

    std::uint8_t depth = 0;  // of the stack; below it is what holds while it is empty
    std::array<std::uint8_t, most> flags{};
};

struct Modes {
    bool has(Mode mode) const noexcept { return (bits >> static_cast<unsigned>(mode) & 1u) != 0; }
    void set(Mode mode, bool on) noexcept;
    const KeyboardFlags& keyboard() const noexcept { return keyboards[has(Mode::alternate_screen) ? 1 : 0]; }
    KeyboardFlags& keyboard() noexcept { return keyboards[has(Mode::alternate_screen) ? 1 : 0]; }

    /// DECSET (`on`) and DECRST of one number. Numbers that are no mode of ours change nothing.
    void set_private(std::uint16_t number, bool on) noexcept;

    std::uint32_t bits = 0;
    std::uint8_t modify_other_keys = 0;
    std::uint8_t cursor_shape = 0;             // DECSCUSR; 0: the terminal's own
    std::array<KeyboardFlags, 2> keyboards{};  // of the main and of the alternate screen
};

/// What sets them on a terminal that has none of them set, the alternate screen first.
std::string bytes_of(const Modes& modes);

/// Puts a terminal back, whatever a program has done to it: modes that would be felt, margins, character set, colours,
/// the cursor's shape, and the main screen last, where it leaves the cursor as it was.
extern const std::string_view reset_bytes;

}  // namespace persistproc::terminal
