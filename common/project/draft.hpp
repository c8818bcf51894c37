#pragma once
/// persistproc.toml, written for people to go on with.
#include <optional>
#include <string>

#include "common/project/load.hpp"

namespace persistproc::project {

struct Draft {
    std::string text;  // empty where there are problems, and where no process is named
    Loaded read;       // problems, notes and files alone
};

/// What persistproc.toml says that means the same as this file of another tool, with what lies over it. Values of
/// variables that stand in it are written down, those of its environment files not. Of the lookups `variable`, `port`
/// and `name` are not asked. Pure.
Draft draft_from(const std::string& file, const Lookups& lookups);

/// Where there is nothing to begin with: one process, and what else may be said of it.
std::string first_draft();

struct DraftedProject {
    std::string file;  // where persistproc.toml belongs
    std::string from;  // what it is made of; empty: nothing
    Draft draft;
};
/// What persistproc.toml may begin with in a directory: what `from` says (relative to the directory), else another
/// tool's file that lies there, else an example. Blocks on the disk; nothing is written. Errors: not_found, denied,
/// invalid (the file is wrong).
Result<DraftedProject> draft_project(const std::string& directory, const std::optional<std::string>& from);

}  // namespace persistproc::project
