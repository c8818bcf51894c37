#pragma once
/// Help texts, from the table of subcommands. Pure.
#include <string>
#include <string_view>

#include "cli/subcommand.hpp"

namespace persistproc::cli::format {

/// What `persistproc` alone prints. `terminal`: its columns; 0: there is none.
std::string general_help(int terminal = 0);
/// Usage, flags, exit statuses and examples of one subcommand.
std::string subcommand_help(const Subcommand& subcommand, int terminal = 0);
/// "run [FLAGS] CMD…", with the flags that must be given or not.
std::string usage_line(const Subcommand& subcommand);
/// The README's table of subcommands, in Markdown.
std::string readme_table();
/// Breaks a text at blanks so that no line has more than `width` columns.
std::string wrap(std::string_view text, std::size_t width);
/// The same for a text that begins in column `indent` of `columns`, where its other lines begin as well.
std::string wrap_behind(std::string_view text, std::size_t columns, std::size_t indent);

}  // namespace persistproc::cli::format
