#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace persistproc::base {

/// Fills from getrandom(2); aborts the program if the kernel has no randomness to give (it never blocks us at boot).
void fill_random(std::span<std::uint8_t> bytes) noexcept;

/// Lower-case hexadecimal.
std::string to_hex(std::span<const std::uint8_t> bytes);

}  // namespace persistproc::base
