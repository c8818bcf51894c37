#pragma once
/// What may be asked of a run's health.
#include "common/base/result.hpp"
#include "common/domain/readiness.hpp"

namespace persistproc::domain {

/// Health is asked again and again of what works, which what was printed or said once does not tell. Pure. Errors:
/// invalid (names the check).
Result<void> check_health(const Checks& checks);

}  // namespace persistproc::domain
