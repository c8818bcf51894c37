#pragma once
#include "daemon/tools/tools.hpp"

namespace persistproc::tools {

/// `count` starts less of what agents may start (`Backend::agent_starts`); whose process asks is looked up where that
/// matters. Errors: limit.
Task<Result<void>> take_start(Backend backend, mcp::Principal principal, std::size_t count = 1);

}  // namespace persistproc::tools
