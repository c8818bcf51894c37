#pragma once
/// Why a program found its port taken: who holds it.
#include <string>

#include "cli/client.hpp"

namespace persistproc::cli {

/// In words, where a run that failed complained of a port that another one has; else nothing.
Task<std::string> explain_taken_port(DaemonClient& client, ProcessView view);

}  // namespace persistproc::cli
