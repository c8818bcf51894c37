#pragma once
/// The keys that leave a program running: ^] three times within a second. Nothing is held back for them. Pure.
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "common/base/time.hpp"

namespace persistproc::terminal {

class DetachKeys {
public:
    /// `typed` came from the person's terminal at `now`. Once they are complete: how many of these bytes stand before
    /// the last of them, for the program to get; the rest is dropped. Known in the encodings of kitty and
    /// modifyOtherKeys, too, whatever locks are on. Within a bracketed paste they are text.
    std::optional<std::size_t> take(std::string_view typed, MonoTime now) noexcept;

private:
    enum class State : std::uint8_t { ground, escape, single_shift, csi };
    enum class Meaning : std::uint8_t { key, detach_key, no_key };

    Meaning step(char byte) noexcept;
    Meaning meaning_of_csi() noexcept;
    bool count(Meaning meaning, MonoTime now) noexcept;

    State state_ = State::ground;
    bool is_in_paste_ = false;
    std::uint8_t pressed_ = 0;
    std::array<MonoTime, 2> pressed_at_{};  // the last two times
    std::uint8_t size_ = 0;
    std::array<char, 32> csi_{};
};

}  // namespace persistproc::terminal
