#pragma once
#include <cstdint>

#include "common/base/result.hpp"
#include "common/domain/process.hpp"

namespace persistproc::ops {

/// Exit status of the client for a failure (product contract, "Exit codes"): 2 usage, 124 timeout, 126 not
/// executable, 127 not found as a program, 125 everything else.
int exit_status(const Error& error) noexcept;

/// What a run is refused with (not_found) that its process has not had. `newest`: its last one; 0: none. Pure.
Error no_such_run(RunId run, std::uint32_t newest);

}  // namespace persistproc::ops
