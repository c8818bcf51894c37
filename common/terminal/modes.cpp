#include "common/terminal/modes.hpp"

#include <algorithm>

namespace persistproc::terminal {

namespace {

struct PrivateMode {
    std::uint16_t number;
    Mode mode;
    bool is_on_at_first = false;  // then the mode of ours is that it is off
};

constexpr PrivateMode private_modes[] = {
    {1049, Mode::alternate_screen},  {1047, Mode::alternate_screen},
    {47, Mode::alternate_screen},    {1, Mode::cursor_keys},
    {5, Mode::reverse_video},        {6, Mode::origin},
    {7, Mode::no_wrap, true},        {9, Mode::mouse_x10},
    {25, Mode::hidden_cursor, true}, {66, Mode::keypad},
    {67, Mode::backspace_is_bs},     {1000, Mode::mouse_clicks},
    {1002, Mode::mouse_drags},       {1003, Mode::mouse_moves},
    {1004, Mode::focus_reports},     {1005, Mode::mouse_utf8},
    {1006, Mode::mouse_sgr},         {1007, Mode::alternate_scroll},
    {1015, Mode::mouse_urxvt},       {1016, Mode::mouse_pixels},
    {2004, Mode::bracketed_paste},   {2026, Mode::synchronized},
    {2031, Mode::colour_reports},    {2048, Mode::size_reports},
};

}  // namespace

void KeyboardFlags::push(std::uint8_t value) noexcept {
    if (depth + 1u < most)
        ++depth;
    else
        std::copy(flags.begin() + 2, flags.end(), flags.begin() + 1);
    flags[depth] = value;
}

void KeyboardFlags::pop(std::uint16_t count) noexcept {
    if (count > depth) flags[0] = 0;
    depth = static_cast<std::uint8_t>(depth - std::min<std::uint16_t>(count, depth));
}

void Modes::set(Mode mode, bool on) noexcept {
    const std::uint32_t bit = 1u << static_cast<unsigned>(mode);
    bits = on ? bits | bit : bits & ~bit;
}

void Modes::set_private(std::uint16_t number, bool on) noexcept {
    const PrivateMode* end = std::end(private_modes);
    const PrivateMode* found =
        std::find_if(private_modes, end, [number](const PrivateMode& each) { return each.number == number; });
    if (found != end) set(found->mode, on != found->is_on_at_first);
}

std::string bytes_of(const Modes& modes) {
    std::string out;
    std::uint32_t written = 0;
    for (const PrivateMode& each : private_modes) {
        const std::uint32_t bit = 1u << static_cast<unsigned>(each.mode);
        // One number of several that name it; and half a picture is never begun.
        if (!modes.has(each.mode) || (written & bit) != 0 || each.mode == Mode::synchronized) continue;
        written |= bit;
        out += "\x1b[?" + std::to_string(each.number) + (each.is_on_at_first ? 'l' : 'h');
    }
    if (modes.has(Mode::insert)) out += "\x1b[4h";
    if (modes.cursor_shape != 0) out += "\x1b[" + std::to_string(modes.cursor_shape) + " q";
    if (modes.modify_other_keys != 0) out += "\x1b[>4;" + std::to_string(modes.modify_other_keys) + "m";
    if (modes.keyboard().current() != 0) out += "\x1b[>" + std::to_string(modes.keyboard().current()) + "u";
    return out;
}

// Left out are DECOM, which moves the cursor when it goes and means nothing without margins, and 1007, which is on in
// some terminals from the beginning.
constinit const std::string_view reset_bytes =
    "\x1b[?2026l"
    "\x1b[?9l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1005l\x1b[?1006l\x1b[?1015l\x1b[?1016l"
    "\x1b[?1004l\x1b[?2031l\x1b[?2048l\x1b[?2004l"
    "\x1b[?1l\x1b>\x1b[?67l\x1b[4l\x1b[?5l\x1b[?7h"
    // Each screen has its own stack of keyboard flags: this empties that of the one that shows.
    "\x1b[<8u\x1b[>4m"
    "\x1b(B\x0f\x1b[0 q\x1b[?25h"
    // Margins put the cursor into the corner when they go, and the alternate screen puts it where it was when that was
    // entered, also when it does not show: hence it is kept before.
    "\x1b"
    "7\x1b[?69l\x1b[r\x1b"
    "8\x1b[m\x1b"
    "7\x1b[?1049l\x1b[<8u";

}  // namespace persistproc::terminal
