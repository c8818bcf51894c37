#pragma once
#include "cli/commands/arguments.hpp"

namespace persistproc::cli::commands {

/// The subcommand `list`; `status` without a target is the same.
Task<int> list(Context context, ListArguments options);

}  // namespace persistproc::cli::commands
