#pragma once
#include <string_view>

#include "common/base/result.hpp"

namespace persistproc::domain {

/// Refuses a command line with a quote that is never closed: a shell would run nothing of it. What only a shell can
/// tell (quotes within substitutions, here-documents) is left to it. Errors: invalid. Pure.
Result<void> check_quotes(std::string_view text);

}  // namespace persistproc::domain
