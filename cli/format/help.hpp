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

}  // namespace persistproc::cli::format
