#pragma once
/// The agent's environment, for programs that it starts through the bridge.
#include <string>
#include <vector>

#include "cli/bridge/message_scan.hpp"

namespace persistproc::cli::bridge {

/// The text of a message with the environment in its `_meta`, if it asks for a start; else as it was. Pure.
std::string with_environment(const ScannedMessage& message, std::string text,
                             const std::vector<std::string>& environment);

}  // namespace persistproc::cli::bridge
