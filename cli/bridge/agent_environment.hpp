#pragma once
/// The agent's environment and working directory, for programs that it starts through the bridge.
#include <string>
#include <vector>

#include "cli/bridge/message_scan.hpp"

namespace persistproc::cli::bridge {

/// The text of a message with the environment in its `_meta`, if it asks for a start; else as it was. Pure.
std::string with_environment(const ScannedMessage& message, std::string text,
                             const std::vector<std::string>& environment);

/// The text of a message with the directory as its `working_directory`, if it asks for a start and names none, and with
/// one that is relative made absolute by it, there, where processes are listed and where a project is meant; else as it
/// was. Empty: no directory is known. Pure.
std::string with_directory(const ScannedMessage& message, std::string text, const std::string& directory);
/// The answer to tools/list in which no start requires a working directory, since `with_directory` adds it. Pure.
std::string without_required_directory(std::string answer);

}  // namespace persistproc::cli::bridge
