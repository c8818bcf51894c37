#pragma once
/// Living processes by the mark of a run in their environment (common/rundir/run_mark.hpp): what is left of a run whose
/// shim is gone. The mark is the proof of identity. /proc is walked; everything blocks; any thread.
#include <sys/types.h>

#include <map>
#include <span>
#include <vector>

#include "common/base/unique_fd.hpp"
#include "common/rundir/state.hpp"

namespace persistproc::core {

/// Those that carry each of these marks, in one walk.
std::vector<std::vector<pid_t>> find_marked(std::span<const rundir::Nonce> nonces);

/// Ends every process with a run's mark, walk by walk: what was forked during one is met by the next.
class MarkedSweep {
public:
    explicit MarkedSweep(rundir::Nonce nonce) : nonce_(nonce) {}

    /// SIGKILLs what is met in one walk of /proc; each is signalled through a pidfd after its mark was read. Returns
    /// whether any of those, or of those of an earlier walk, has not ended yet: a process that is being torn down
    /// shows no environment any more.
    bool walk();

private:
    rundir::Nonce nonce_;
    std::map<pid_t, base::UniqueFd> dying_;
};

}  // namespace persistproc::core
