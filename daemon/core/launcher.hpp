#pragma once
/// Starts a program without copying the daemon's page tables: clone(CLONE_VM|CLONE_VFORK|CLONE_PIDFD), then system
/// calls only until execve. Boost.Process v2's launchers leak descriptors, lose the stage of a failure and leave
/// zombies; its handle's wait blocks on a spurious readiness (see LocalShimHost).
#include <sys/types.h>

#include <string>
#include <vector>

#include "common/base/result.hpp"
#include "common/base/unique_fd.hpp"

namespace persistproc::core {

struct Launch {
    std::string executable;                // absolute path
    int program = -1;                      // a descriptor of what is executed instead, whatever stands at that path by
                                           // now; stays the caller's
    std::vector<std::string> arguments;    // argv, the first word included
    std::vector<std::string> environment;  // "NAME=value"
    int stdio[3] = {-1, -1, -1};           // descriptors for 0 to 2; stay the caller's
    int channel = -1;                      // becomes descriptor 3; stays the caller's
};

struct Launched {
    pid_t pid = 0;
    base::UniqueFd pidfd;
};

/// Runs the program in a session of its own, with default signals and an empty mask, in the directory "/". Only
/// descriptors 0 to 3 are open in it. Returns when execve has succeeded or failed; blocks for about half a
/// millisecond. Errors: unavailable, "<stage>: <reason>"; nothing is left behind.
Result<Launched> launch(const Launch& what);

}  // namespace persistproc::core
