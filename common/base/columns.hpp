#pragma once
/// Text in lines that are no longer than they may be, as help has it. Pure.
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace persistproc::base {

/// How many columns help takes. `terminal`: those of the terminal; 0: there is none.
std::size_t help_columns(int terminal) noexcept;

/// Breaks a text at blanks so that no line has more than `width` columns.
std::string wrap(std::string_view text, std::size_t width);
/// The same for a text that begins in column `indent` of `columns`, where its other lines begin as well.
std::string wrap_behind(std::string_view text, std::size_t columns, std::size_t indent);

/// One line of a list, "  NAME  what it is", or more where that is long. `name_width`: of the longest name.
std::string list_entry(std::string_view name, std::size_t name_width, std::string_view text, std::size_t columns);

}  // namespace persistproc::base
