#pragma once
/// What is left of a run whose shim is gone: nobody keeps it. Proof of belonging are the run's mark in the environment
/// (common/rundir/run_mark.hpp), being the run's program by pid and time of start, being in the session that it leads,
/// as long as one of these is there, and being below any. /proc is walked; everything here blocks; any thread.
#include <sys/types.h>

#include <map>
#include <span>
#include <vector>

#include "common/base/process_identity.hpp"
#include "common/base/result.hpp"
#include "common/base/unique_fd.hpp"
#include "common/rundir/state.hpp"

namespace persistproc::core {

/// How to know them again.
struct StrayRoots {
    rundir::Nonce mark{};  // zero: there is no such run
    PidIdentity program{};

    bool is_none() const noexcept { return mark == rundir::Nonce{}; }
};

/// What lives of each, in one walk. This process, and what is below it, belongs to none. Errors: io (/proc could not be
/// read: something may live).
Result<std::vector<std::vector<PidIdentity>>> find_strays(std::span<const StrayRoots> roots);

/// Ends all of one run's, walk by walk: what was forked during one is met by the next.
class StraySweep {
public:
    explicit StraySweep(StrayRoots roots) : roots_(roots) {}

    /// What this walk has left.
    enum class Left {
        nothing,
        dying,   // SIGKILL has reached all of it, in this walk or an earlier one, and it has still to end
        living,  // some could not be signalled, or /proc could not be read
    };
    /// SIGKILLs what is met in one walk of /proc; each is signalled through a pidfd after it was looked at once more.
    /// Whom an earlier walk has killed is waited for: a process that is being torn down shows no environment any more.
    Left walk();

private:
    StrayRoots roots_;
    std::map<pid_t, base::UniqueFd> dying_;
};

}  // namespace persistproc::core
