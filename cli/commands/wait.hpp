#pragma once
#include <optional>
#include <string>

#include "cli/context.hpp"
#include "common/async/clock.hpp"

namespace persistproc::cli::commands {

/// What came of a wait until a process is ready.
struct ReadyWait {
    std::optional<Error> failed;     // timeout: it is not ready in time; conflict: its run ended first; …
    std::optional<std::string> url;  // where it is to be reached, if that is known
    std::optional<int> left;         // a signal ended the client, or nobody reads its answer: its exit status
};

/// Waits as `wait --ready` does, through deaths of the daemon, and says nothing but that a signal ends it.
/// `timeout_seconds`: nothing: as long as it takes.
Task<ReadyWait> wait_until_ready(Context context, std::string target, std::optional<double> timeout_seconds);

}  // namespace persistproc::cli::commands
