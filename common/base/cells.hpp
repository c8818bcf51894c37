#pragma once
/// Text in cells of a terminal. Pure. The table is our own, because wcwidth(3) answers by the locale of its process (it
/// knows no character beyond ASCII in a container that sets none) and by the Unicode version of its C library: the same
/// list would stand differently on two machines. Sequences that newer terminals join into one character (an emoji of
/// several, a flag) count as much as any terminal gives them: on others a column stands a little to the left, and no
/// row is ever too long.
#include <cstddef>
#include <string>
#include <string_view>

namespace persistproc::base {

// `text` is well-formed UTF-8 without control characters.

/// Two for each wide character (CJK, emoji), none for one that joins the one before it.
std::size_t cells_of(std::string_view text) noexcept;

/// With `mark` for what does not fit: at its end, or in its middle, because commands and paths differ at both ends.
/// Never takes more than `cells`; the mark is left out where there is no room for it.
std::string cut_end(std::string_view text, std::size_t cells, std::string_view mark);
std::string cut_middle(std::string_view text, std::size_t cells, std::string_view mark);

/// For a terminal that takes no UTF-8: one '?' for each cell of what is not ASCII.
std::string to_ascii(std::string_view text);

}  // namespace persistproc::base
