#pragma once
/// From the bytes of a project's files to the project: parts are joined, the person's own file is laid over, ports are
/// asked for, references replaced, values typed, the graph of dependencies checked. Nothing is run, connected to or
/// written.
///
///     persistproc.toml         the project's; `include` names more, each of which stands by itself: its paths, its
///                              `env`, `env_file` and `defaults` are those of its own processes
///     persistproc.local.toml   beside it, laid over: tables key by key, anything else, lists too, replaced;
///                              `remove = true` drops a process
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/config/environment_file.hpp"
#include "common/project/problem.hpp"
#include "common/project/project.hpp"

namespace persistproc::project {

/// What a load asks the world for.
struct Lookups {
    /// The bytes of a file. It refuses what must not be believed: another's, one that others may write, and what leads
    /// out of the repository by links. Errors: not_found, denied, io, invalid (too large).
    std::function<Result<std::string>(const std::string& path)> read;
    std::function<bool(const std::string& path)> exists;  // of files that are not read: which lock file there is
    config::VariableLookup variable;                      // for `${env.X}` and environment files that are expanded
    bool leaves_variables = false;                        // both stay as they are written, and nothing is looked up
    /// PORT of whoever brings it up, where the ports of a Procfile begin; asked where one is read.
    std::function<std::optional<int>()> base_port;
    /// The number that a port has in the book of this project. Errors: conflict, limit.
    std::function<Result<int>(const std::string& process, const PortWish& wish)> port;
    /// Whether it is an expression that a check may have, asked of each: compiled here where nothing is said. Errors:
    /// invalid.
    std::function<Result<void>(const std::string& pattern)> pattern;
    /// Asked before each step: true, and no more is looked at; the project is not there then, whatever problems are
    /// told.
    std::function<bool()> is_over;
    std::string repository;  // files outside of this directory are not included
    std::string name;        // of the project, where no file says it
};

struct SourceFile {
    std::string path;
    std::string bytes;            // empty where it is not there
    bool is_environment = false;  // its bytes hold values
};

struct Loaded {
    std::optional<Project> project;  // only without problems
    Problems problems;
    Problems notes;                // what is understood, and perhaps not as it was meant
    std::deque<SourceFile> files;  // one that is read stays where it is while more are
    // Of the directories that processes run in those that links lead elsewhere, and where, for who looks at the disk.
    std::map<std::string, std::string> links;

    /// "FILE:3:5: what", for people.
    std::string text(const Problem& problem) const;
    /// Without a project: the first problem, with how many more there are. The code is `invalid`.
    Error error() const;
};

/// In all, environment files too.
inline constexpr std::size_t max_project_bytes = 1u << 20;
inline constexpr std::size_t max_include_depth = 8;

/// Errors: as logstore::LinePattern::compile.
Result<void> check_pattern(const std::string& pattern);

/// `file` is absolute and canonical. By its name it is told which syntax it has.
Loaded load(const std::string& file, const Lookups& lookups);

}  // namespace persistproc::project
