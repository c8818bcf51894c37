#pragma once
/// What a run was begun with that an earlier one was not. Of environment variables names alone: values stand nowhere.
#include <string>
#include <vector>

#include "common/rundir/spec.hpp"

namespace persistproc::core {

struct RunChange {
    enum class What {
        program,
        program_file,
        argument_file,
        arguments,
        directory,
        variables_added,
        variables_removed,
        variables_changed
    };
    What what = What::arguments;
    // Variables: their names; program_file: how long ago it was changed; argument_file: which one, and that; else
    // what it is now, and what it was.
    std::vector<std::string> names;
};

/// Of `later` against `earlier`, told at `now`. Variables that differ with each run (of persistproc, of a shell's
/// bookkeeping) are none. Pure.
std::vector<RunChange> changes_between(const rundir::RunSpec& earlier, const rundir::RunSpec& later, WallTime now);

/// In words, "; " between two: "arguments --port 4000 (were --port 3000); program file changed 20 s ago".
std::string changes_text(const std::vector<RunChange>& changes);

}  // namespace persistproc::core
