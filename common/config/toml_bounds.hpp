#pragma once
/// What a TOML file may be before toml++ sees it, which walks over nested values and tables by calling itself: some
/// 40,000 of them are the end of its stack.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/base/result.hpp"

namespace persistproc::config {

inline constexpr std::size_t max_toml_bytes = 1u << 20;
/// Of a header, and of a statement below it: its brackets, braces and the dots of its keys.
inline constexpr std::size_t max_toml_depth = 64;

/// Errors: invalid, with the line, or `line` is set to it instead. What is no TOML is left to the parser. Pure, and
/// linear in the text.
Result<void> check_toml_bounds(std::string_view text, std::uint32_t* line = nullptr);

}  // namespace persistproc::config
