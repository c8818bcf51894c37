#pragma once
/// Of which run a process of this machine is part. /proc is read; everything here blocks; any thread.
#include <sys/types.h>

#include <span>
#include <string>

#include "common/base/process_identity.hpp"
#include "common/rundir/state.hpp"

namespace persistproc::core {

/// A run as those below it are told by: the mark that they inherit (common/rundir/run_mark.hpp), its program, and its
/// keeper, to which orphans come. Pid 0: not known.
struct RunRoot {
    std::string shown;  // its process, for people
    rundir::Nonce mark{};
    PidIdentity program{}, keeper{};
};

struct Above {
    const RunRoot* root = nullptr;  // of the roots that were given; nullptr: it is part of none
    bool is_ours = false;           // it is below this process: a command of a check, or what a killed keeper left
    bool is_gone = false;           // so that nobody can tell
};
/// Looks from the process upwards: each may have shed its mark, but not its parents; and one that has lost these keeps
/// the limit that programs of ours have (common/rundir/run_mark.hpp).
Above look_above(pid_t pid, std::span<const RunRoot> roots);

}  // namespace persistproc::core
