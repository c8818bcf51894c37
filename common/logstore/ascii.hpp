#pragma once
/// Letters as programs' words are made of; others are never part of one.

namespace persistproc::logstore {

constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
constexpr bool is_lower(char c) noexcept { return c >= 'a' && c <= 'z'; }
constexpr bool is_upper(char c) noexcept { return c >= 'A' && c <= 'Z'; }
constexpr bool is_letter(char c) noexcept { return is_lower(c) || is_upper(c); }
constexpr bool is_word(char c) noexcept { return is_letter(c) || is_digit(c) || c == '_'; }

}  // namespace persistproc::logstore
