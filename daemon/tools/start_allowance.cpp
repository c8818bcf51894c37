#include "daemon/tools/start_allowance.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/text.hpp"

namespace persistproc::tools {

StartAllowance::StartAllowance(async::Clock& clock, std::uint32_t per_second, std::uint32_t burst)
    : clock_(clock), per_second_(per_second), burst_(burst), left_(burst), counted_(clock.now()) {}

Result<void> StartAllowance::take(const mcp::Principal& principal) {
    if (principal.role == mcp::Principal::Role::client || per_second_ == 0) return {};
    const MonoTime now = clock_.now();
    left_ = std::min(burst_, left_ + std::chrono::duration<double>(now - counted_).count() * per_second_);
    counted_ = now;
    if (left_ < 1)
        return Error{ErrorCode::limit, fmt::format("agents start more than {} a second; wait a moment, and look with "
                                                   "list_processes whether one that runs will do",
                                                   base::counted(static_cast<std::int64_t>(per_second_), "program"))};
    --left_;
    return {};
}

void StartAllowance::give_back(const mcp::Principal& principal) {
    if (principal.role != mcp::Principal::Role::client) left_ = std::min(burst_, left_ + 1);
}

}  // namespace persistproc::tools
