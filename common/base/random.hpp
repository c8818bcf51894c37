#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace persistproc::base {

/// Fills from getrandom(2); aborts the program if the kernel has no randomness to give (it never blocks us at boot).
void fill_random(std::span<std::uint8_t> bytes) noexcept;

/// Lower-case hexadecimal.
std::string to_hex(std::span<const std::uint8_t> bytes);
/// The reverse. False: it is not that of as many bytes as `out` has, which then holds anything.
bool read_hex(std::string_view text, std::span<std::uint8_t> out) noexcept;

}  // namespace persistproc::base
