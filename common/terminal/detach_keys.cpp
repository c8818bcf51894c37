#include "common/terminal/detach_keys.hpp"

#include "common/terminal/tokens.hpp"

namespace persistproc::terminal {

namespace {

constexpr char escape_key = '\x1b', detach_key = '\x1d';
constexpr std::chrono::seconds within{1};

/// Ctrl, whatever locks are on (bits 6 and 7).
bool is_ctrl_alone(std::uint16_t modifiers) noexcept { return (((modifiers - 1u) & 0x3fu)) == 4u; }

/// The value in this place of those that belong to the one at `from`.
std::uint16_t sub_value(const Csi& csi, std::size_t from, std::size_t place) noexcept {
    for (std::size_t i = 1; i <= place; ++i)
        if (from + i >= csi.count || csi.begins(from + i)) return 0;
    return csi.at(from + place, 0);
}

}  // namespace

std::optional<std::size_t> DetachKeys::take(std::string_view typed, MonoTime now) noexcept {
    std::size_t key_begin = 0;
    for (std::size_t i = 0; i < typed.size(); ++i) {
        if (state_ == State::ground || typed[i] == escape_key || typed[i] == detach_key) key_begin = i;
        if (count(step(typed[i]), now)) return key_begin;
    }
    return std::nullopt;
}

DetachKeys::Meaning DetachKeys::step(char byte) noexcept {
    if (byte == escape_key) {
        state_ = State::escape;
        size_ = 0;
        return Meaning::no_key;
    }
    if (byte == detach_key) {
        state_ = State::ground;
        return Meaning::detach_key;
    }
    switch (state_) {
        case State::escape:
            state_ = byte == '[' ? State::csi : byte == 'O' ? State::single_shift : State::ground;
            return state_ == State::ground ? Meaning::key : Meaning::no_key;
        case State::csi:
            if (size_ < csi_.size()) csi_[size_++] = byte;
            if (byte >= 0x20 && byte < 0x40) return Meaning::no_key;
            state_ = State::ground;
            return meaning_of_csi();
        case State::ground:
        case State::single_shift: break;
    }
    state_ = State::ground;
    return Meaning::key;
}

DetachKeys::Meaning DetachKeys::meaning_of_csi() noexcept {
    Csi csi;
    if (!parse_csi({csi_.data(), size_}, csi)) return Meaning::key;
    if (csi.leader == '<' || csi.leader == '?' || csi.leader == '>' || csi.final == 'I' || csi.final == 'O')
        return Meaning::no_key;  // of the mouse, an answer, the focus
    if (csi.final == '~' && csi.at(0, 0) == 200) is_in_paste_ = true;
    if (csi.final == '~' && csi.at(0, 0) == 201) is_in_paste_ = false;
    if (csi.final == '~' && csi.at(0, 0) == 27)  // modifyOtherKeys
        return csi.at(2, 0) == ']' && is_ctrl_alone(csi.at(1, 1)) ? Meaning::detach_key : Meaning::key;
    if (csi.final != 'u') return Meaning::key;
    // kitty: key[:shifted[:on a US keyboard]]; modifiers[:event]; of events 3 is that it is let go.
    std::size_t second = 1;
    while (second < csi.count && !csi.begins(second)) ++second;
    // Locks and modifiers, of which kitty tells as of keys, have large numbers, as do keys that no text has.
    if (sub_value(csi, second, 1) == 3 || csi.at(0, 0) == Csi::largest) return Meaning::no_key;
    const bool is_key = csi.at(0, 0) == ']' || sub_value(csi, 0, 2) == ']';
    return is_key && is_ctrl_alone(csi.at(second, 1)) ? Meaning::detach_key : Meaning::key;
}

bool DetachKeys::count(Meaning meaning, MonoTime now) noexcept {
    if (meaning == Meaning::no_key) return false;
    if (meaning == Meaning::key || is_in_paste_) {
        pressed_ = 0;
        return false;
    }
    if (pressed_ >= 2 && now - pressed_at_[0] <= within) {
        *this = {};
        return true;
    }
    if (pressed_ < 2) ++pressed_;
    pressed_at_[0] = pressed_at_[1];
    pressed_at_[1] = now;
    return false;
}

}  // namespace persistproc::terminal
