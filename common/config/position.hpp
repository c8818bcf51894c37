#pragma once
#include <string>
#include <string_view>

namespace persistproc::config {

/// "line 3, column 5" of the byte at `offset`, as editors count: columns are characters, from 1. Pure.
std::string position_text(std::string_view text, std::size_t offset);

/// The white space that begins the line of `offset`.
std::string_view line_indent(std::string_view text, std::size_t offset) noexcept;
/// First byte of the line of `offset`, after a byte order mark.
std::size_t line_begin(std::string_view text, std::size_t offset) noexcept;
/// Past the newline that ends the line of `offset`, or the end of the text.
std::size_t line_end(std::string_view text, std::size_t offset) noexcept;

/// Bytes of a UTF-8 byte order mark before the text: 3 or 0.
std::size_t mark_size(std::string_view text) noexcept;

/// "\r\n" where the first line ends so, else "\n".
std::string_view newline_of(std::string_view text) noexcept;

bool is_blank(std::string_view text) noexcept;

}  // namespace persistproc::config
