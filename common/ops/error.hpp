#pragma once
#include "common/base/result.hpp"

namespace persistproc::ops {

/// Exit status of the client for a failure (product contract, "Exit codes"): 2 usage, 124 timeout, 126 not
/// executable, 127 not found as a program, 125 everything else.
int exit_status(const Error& error) noexcept;

}  // namespace persistproc::ops
