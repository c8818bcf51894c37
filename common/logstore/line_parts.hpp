#pragma once
/// What is left of a line that is too long to be given whole. Pure. For the other sources of this folder alone.
#include <cstddef>
#include <string_view>
#include <utility>

#include "common/logstore/reader.hpp"

namespace persistproc::logstore {

/// Whether they are parts of one line, which was too long.
bool goes_on(const Line& part, const Line& next) noexcept;

/// As much of its front as holds no part of a character alone.
std::size_t whole_characters(std::string_view text) noexcept;

/// The bytes [begin, end) of its text are missing then.
void cut_out(Line& line, std::size_t begin, std::size_t end);

/// Begin and end of the `most` bytes of a text with `match` in their middle, or as near to it as there is text.
std::pair<std::size_t, std::size_t> window_around(std::string_view text, std::size_t most, std::size_t match,
                                                  std::size_t match_size);

/// What is left are both ends, and what stands around `match`.
void shorten(Line& line, std::size_t most, std::size_t match, std::size_t match_size);

/// Goes on with the next part of a line: what is left are its beginning and its end.
void append_part(Line& line, const Line& rest, std::size_t most);

}  // namespace persistproc::logstore
