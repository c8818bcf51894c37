#pragma once
#include <chrono>

#include "cli/client.hpp"

namespace persistproc::cli {

/// Watches a run that has just begun. Completes when `span` is over (nothing), or when it has ended meanwhile, with the
/// view of that.
Task<std::optional<ProcessView>> watch_beginning(DaemonClient& client, ProcessView started,
                                                 std::chrono::nanoseconds span);

/// Says of one that failed how, with its last words and who holds the port that it wanted. On stderr, also with -q: it
/// is the failure.
Task<> tell_failure(DaemonClient& client, ProcessView failed);

}  // namespace persistproc::cli
