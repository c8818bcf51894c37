#pragma once
/// Agents' configuration files: where they are, reading them, and replacing them without losing anything. The calls
/// that touch the disk block on it.
#include <sys/types.h>

#include <ctime>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.hpp"
#include "common/ops/agent_setup.hpp"

namespace persistproc::cli::agents {

/// What decides where the files are.
struct Folders {
    std::filesystem::path home;
    std::filesystem::path project;                 // the current directory
    std::map<std::string, std::string> variables;  // those that agents know, where they are set
};

/// From the environment and the current directory. Errors: invalid (HOME is not set), io (no current directory).
Result<Folders> find_folders();

/// The agent's file; nothing: it has none of that scope. Relative values of variables are ignored. Pure.
std::optional<std::filesystem::path> config_path(const ops::Agent& agent, ops::AgentScope scope,
                                                 const Folders& folders);

/// Whether it keeps something in the user's folder, as one that was used there does. Looks at the disk.
bool has_own_files(const ops::Agent& agent, const Folders& folders);

struct ConfigFile {
    std::filesystem::path path;    // as the agent names it
    std::filesystem::path target;  // what a symbolic link leads to; else `path`
    std::string text;
    bool exists = false;
    mode_t mode = 0;  // of an existing file, as are the rest: they tell whether it has changed
    ino_t inode = 0;
    off_t size = 0;
    timespec changed{};
};

/// A file that does not exist is an empty one. Errors: io (cannot be read, no regular file, a loop of links), invalid
/// (larger than 64 MiB).
Result<ConfigFile> load_config(const std::filesystem::path& path);

/// Whether the file may be written at the behest of whoever made the project: `project`, every part of its path below
/// it and every part that a symbolic link of them leads through is ours, and none leads out of it. Errors: denied
/// (names the part, and where it leads), io.
Result<void> check_within(const std::filesystem::path& project, const std::filesystem::path& path);

/// Replaces the file's content in one step, gives it this `mode`, and makes missing folders; a symbolic link stays one.
/// False: somebody changed it since it was loaded, nothing was written. Errors: io, denied (another user's file).
Result<bool> store_config(const ConfigFile& file, std::string_view text, mode_t mode);

}  // namespace persistproc::cli::agents
