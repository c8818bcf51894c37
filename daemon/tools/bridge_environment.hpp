#pragma once
#include <optional>
#include <string>
#include <vector>

#include "common/mcp/call.hpp"

namespace persistproc::tools {

/// What the agent's own environment is, as the bridge beside it tells: programs inherit that, as they do from a command
/// line. Of nobody else it is taken. Pure.
std::optional<std::vector<std::string>> bridge_environment(const mcp::CallContext& context);

}  // namespace persistproc::tools
