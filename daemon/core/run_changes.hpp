#pragma once
/// What a run was begun with that an earlier one was not. Of environment variables names alone: values stand nowhere.
#include <string>
#include <vector>

#include "common/rundir/spec.hpp"

namespace persistproc::core {

struct RunChange {
    enum class What { program, arguments, directory, variables_added, variables_removed, variables_changed };
    What what = What::arguments;
    std::vector<std::string> names;  // variables: their names; else what it is now, and what it was
};

/// Of `later` against `earlier`. Variables that differ with each run (of persistproc, of a shell's bookkeeping) are
/// none. Pure.
std::vector<RunChange> changes_between(const rundir::RunSpec& earlier, const rundir::RunSpec& later);

/// In words, "; " between two: "other arguments: --port 4000 (were: --port 3000)".
std::string changes_text(const std::vector<RunChange>& changes);

}  // namespace persistproc::core
