#pragma once
#include <string>

#include "cli/commands/arguments.hpp"

namespace persistproc::cli {

/// What was asked for and does not apply to a process that ran already, and what applies it; names of variables, never
/// values. Empty: nothing.
std::string ignored_text(const ops::StartResponse& joined, const StartArguments& asked);

/// What one of a project that was begun alone lacks, and what begins it in order. Empty: nothing.
std::string lacking_text(const ops::StartResponse& begun);

}  // namespace persistproc::cli
