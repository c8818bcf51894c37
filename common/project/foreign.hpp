#pragma once
/// Files of other tools, read as they are: each becomes the tree that persistproc.toml would have been. What they say
/// and cannot be done is a problem; what makes no difference here, a note. Their texts are the shell's: no `${a.b}` of
/// ours stands in them.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/project/node.hpp"

namespace persistproc::project {

enum class FileKind { own, process_compose, procfile, launch_json, package_json };

/// By the name of the file; what is none of the known ones is taken for TOML. Pure.
FileKind kind_of(std::string_view path) noexcept;

/// Where a project's file is looked for, relative to a directory, in this order.
extern const std::vector<std::string_view> known_files;

/// Where the ports of a Procfile begin.
struct BasePort {
    int number = 0;
    bool is_said = false;  // by PORT; else what is free from there on will do
};
/// foreman's: `NAME: COMMAND`; other lines are left out, `release` is not started by itself. The first line's PORT is
/// `base`, each further one's 100 more.
std::optional<Node> read_procfile(std::string_view text, std::uint32_t file, BasePort base, Problems& problems);
/// What PORT says as its tools read it; nothing: no port. Pure.
std::optional<int> port_in(std::string_view variable) noexcept;
/// `configurations` of .claude/launch.json, which lies one directory below the project's.
std::optional<Node> read_launch_json(std::string_view text, std::uint32_t file, Problems& problems);
/// `scripts` of package.json, run by `runner` (npm, pnpm, yarn, bun): names to be started, none by itself. Those that
/// no process can be called after are noted.
std::optional<Node> read_package_json(std::string_view text, std::uint32_t file, std::string_view runner,
                                      Problems& problems, Problems& notes);
/// Of a process-compose file, and what lies over it: what such files really use.
std::optional<Node> read_process_compose(const Node& root, Problems& problems, Problems& notes);

/// What a process of package.json is called there, "dev:api" of dev-api: the last word of what runs it. Empty: `file`
/// is another one. Pure.
std::string_view script_name(std::string_view file, const std::vector<std::string>& command) noexcept;

/// "Next.js-dev" of "Next.js dev": people name these for themselves, not for a command line. Pure.
std::string cleaned_name(std::string_view text);

}  // namespace persistproc::project
