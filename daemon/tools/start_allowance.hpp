#pragma once
/// How fast agents may start programs, all together, and how they share it. The person's client may as fast as it
/// likes.
///
/// Half of it is for whoever comes first. The other half is kept for those who take little: once the first is used up,
/// each process that asks has an equal part of the second, so that one that asks without end keeps no other from
/// starting.
#include <sys/types.h>

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
    /// One start less. `process`: whose it is, asked for where `is_crowded`; 0: untold. Errors: limit.
    Result<void> take(const mcp::Principal& principal, pid_t process);
    /// It came to nothing, or was none.
    void give_back(const mcp::Principal& principal);

private:
    struct Share {
        double left;
        MonoTime asked;
    };

    void refill();
    Share& share_of(pid_t process);

    async::Clock& clock_;
    double per_second_, burst_, left_;
    MonoTime counted_;
    std::map<pid_t, Share> shares_;  // of those that asked lately, while it was crowded
};

}  // namespace persistproc::tools
