#pragma once
#include "cli/commands/arguments.hpp"

namespace persistproc::cli::commands {

/// `start`, and `run --detach`. Returns the exit status.
Task<int> start(Context context, BackgroundArguments options);

/// Why nothing can come of it: no daemon serves, there is no process to be meant, and no such program. Then a daemon
/// would be started in vain. Nothing: something may. Asks no daemon to begin.
Task<std::optional<Error>> refuse_vain_start(Context context, StartArguments arguments);

}  // namespace persistproc::cli::commands
