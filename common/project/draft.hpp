#pragma once
/// persistproc.toml, written for people to go on with. Pure.
#include <string>

#include "common/project/load.hpp"

namespace persistproc::project {

struct Draft {
    std::string text;  // empty where there are problems, and where no process is named
    Loaded read;       // problems, notes and files alone
};

/// What persistproc.toml says that means the same as this file of another tool, with what lies over it. Values of
/// variables that stand in it are written down, those of its environment files not. Of the lookups `variable`, `port`
/// and `name` are not asked.
Draft draft_from(const std::string& file, const Lookups& lookups);

/// Where there is nothing to begin with: one process, and what else may be said of it.
std::string first_draft();

}  // namespace persistproc::project
