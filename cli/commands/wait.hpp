#pragma once
#include <optional>
#include <string>
#include <vector>

#include "cli/context.hpp"
#include "common/async/clock.hpp"

namespace persistproc::cli::commands {

/// What came of a wait until processes are ready.
struct ReadyWait {
    struct Each {
        std::optional<Error> failed;     // timeout: it is not ready in time; conflict: its run ended first; …
        std::optional<std::string> url;  // where it is to be reached, if that is known
    };
    std::vector<Each> each;   // of each target
    std::optional<int> left;  // a signal ended the client, or nobody reads its answer: its exit status
};

/// Waits as `wait --ready` does, through deaths of the daemon, and says nothing but that a signal ends it.
/// `timeout_seconds`: nothing: as long as it takes.
Task<ReadyWait> wait_until_ready(Context context, std::vector<std::string> targets,
                                 std::optional<double> timeout_seconds);

}  // namespace persistproc::cli::commands
