#pragma once
/// Projects as text for people. Pure.
#include <string>

#include "cli/format/text_style.hpp"
#include "common/ops/project_operations.hpp"

namespace persistproc::cli::format {

/// What a project comes to: each process with what its file says of it, in the order in which they may start. Nothing
/// of what is wrong.
std::string project_text(const ops::CheckResponse& project, const TextStyle& style);

}  // namespace persistproc::cli::format
