#pragma once
/// Why a program found its port taken: who holds it.
#include <optional>
#include <string>

#include "cli/client.hpp"
#include "common/ops/failure_facts.hpp"

namespace persistproc::cli {

/// What the daemon knows of a run that failed, where it complained of a port that another one has; else nothing.
Task<std::optional<ops::FailureFacts>> find_taken_port(DaemonClient& client, ProcessView view);
/// The same in words; else nothing.
Task<std::string> explain_taken_port(DaemonClient& client, ProcessView view);

}  // namespace persistproc::cli
