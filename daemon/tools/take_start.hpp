#pragma once
#include "daemon/tools/tools.hpp"

namespace persistproc::tools {

/// One start less of what agents may start (`Core::agent_starts`); whose process asks is looked up where that matters.
/// Errors: limit.
Task<Result<void>> take_start(Core core, mcp::Principal principal);

}  // namespace persistproc::tools
