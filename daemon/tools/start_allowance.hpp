#pragma once
/// How fast agents may start programs, all together. The person's client may as fast as it likes.
#include <cstdint>

#include "common/async/clock.hpp"
#include "common/base/result.hpp"
#include "common/mcp/principal.hpp"

namespace persistproc::tools {

class StartAllowance {
public:
    /// `per_second` starts on average, `burst` of them at once after a pause. 0: no bound. `clock` outlives it.
    StartAllowance(async::Clock& clock, std::uint32_t per_second, std::uint32_t burst);

    /// One start less. Errors: limit.
    Result<void> take(const mcp::Principal& principal);
    /// It came to nothing, or was none.
    void give_back(const mcp::Principal& principal);

private:
    async::Clock& clock_;
    double per_second_, burst_, left_;
    MonoTime counted_;
};

}  // namespace persistproc::tools
