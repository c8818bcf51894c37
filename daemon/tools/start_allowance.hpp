#pragma once
/// How fast agents may start programs, all together, and how they share it. The person's client may as fast as it
/// likes.
///
/// Half of it is for whoever comes first. The other half is kept for those who take little: once the first is used up,
/// each process that asks has an equal part of the second, so that one that asks without end keeps no other from
/// starting.
///
/// What starts many at once, a project, may begin more than there is as long as half of it is left: it then owes the
/// rest, which half of what comes in pays back while the other half goes to those who start little.
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <map>

#include "common/async/clock.hpp"
#include "common/base/result.hpp"
#include "common/mcp/principal.hpp"

namespace persistproc::tools {

class StartAllowance {
public:
    /// `per_second` starts on average, `burst` of them at once after a pause. 0: no bound. `clock` outlives it.
    StartAllowance(async::Clock& clock, std::uint32_t per_second, std::uint32_t burst);

    /// Whether the next one counts as its process's.
    bool is_crowded();
    /// So many starts less. `process`: whose they are, asked for where `is_crowded`; 0: untold. Errors: limit.
    Result<void> take(const mcp::Principal& principal, pid_t process, std::size_t count = 1);
    /// So many of those taken came to nothing, or were none; what is owed for them is not owed any more.
    void give_back(const mcp::Principal& principal, std::size_t count = 1);

private:
    struct Share {
        double left;
        MonoTime asked;
    };

    void refill();
    Error too_fast() const;
    Share& share_of(pid_t process);

    async::Clock& clock_;
    double per_second_, burst_, left_;
    double owed_ = 0;
    MonoTime counted_;
    std::map<pid_t, Share> shares_;  // of those that asked lately, while it was crowded
};

}  // namespace persistproc::tools
