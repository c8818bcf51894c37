#pragma once
/// Whether a call is a person's, where that is more than a matter of the socket it comes by.
#include "daemon/tools/tools.hpp"

namespace persistproc::tools {

/// Consent is given by people: a program that runs here, perhaps for an agent, reaches the client's socket, too, and is
/// told by its place among the processes of this machine. Errors: denied (says whose program it is, or that whoever
/// asked is gone), unavailable.
Task<Result<void>> check_person(Backend backend, mcp::Principal principal);

}  // namespace persistproc::tools
