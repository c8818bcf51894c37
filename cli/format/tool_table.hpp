#pragma once
/// What agents see, from the operations. Pure.
#include <string>

namespace persistproc::cli::format {

/// The README's table of tools, in Markdown.
std::string tool_table();

}  // namespace persistproc::cli::format
