#pragma once
#include <filesystem>
#include <optional>
#include <string>

namespace persistproc::cli {

/// As a shell or an agent finds a command: a path, or a name in PATH. Looks at the disk.
std::optional<std::filesystem::path> find_command(const std::string& command);

}  // namespace persistproc::cli
