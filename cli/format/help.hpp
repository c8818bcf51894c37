#pragma once
/// Help texts, from the table of subcommands. Pure.
#include <string>
#include <string_view>

#include "cli/subcommand.hpp"

namespace persistproc::cli::format {

/// What `persistproc` alone prints.
std::string general_help();
/// Usage, flags, exit statuses and examples of one subcommand.
std::string subcommand_help(const Subcommand& subcommand);
/// "run [FLAGS] CMD…", with the flags that must be given or not.
std::string usage_line(const Subcommand& subcommand);
/// The README's table of subcommands, in Markdown.
std::string readme_table();
/// Breaks a text at blanks so that no line has more than `width` columns; lines after the first begin with `indent`.
std::string wrap(std::string_view text, std::size_t width, std::string_view indent = "");

}  // namespace persistproc::cli::format
