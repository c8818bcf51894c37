#pragma once
#include "cli/commands/arguments.hpp"

namespace persistproc::cli::commands {

/// `start`, and `run --detach`. Returns the exit status.
Task<int> start(Context context, BackgroundArguments options);

}  // namespace persistproc::cli::commands
