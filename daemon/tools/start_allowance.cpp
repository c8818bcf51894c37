#include "daemon/tools/start_allowance.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/text.hpp"

namespace persistproc::tools {

namespace {

/// Whoever has not asked for so long has its whole share again.
constexpr auto remembered = std::chrono::seconds(10);

}  // namespace

StartAllowance::StartAllowance(async::Clock& clock, std::uint32_t per_second, std::uint32_t burst)
    : clock_(clock), per_second_(per_second), burst_(burst), left_(burst), counted_(clock.now()) {}

void StartAllowance::refill() {
    const MonoTime now = clock_.now();
    const double fresh = std::chrono::duration<double>(now - counted_).count() * per_second_;
    const double paid = std::min(owed_, fresh / 2);
    owed_ -= paid;
    left_ = std::min(burst_, left_ + fresh - paid);
    counted_ = now;
}

bool StartAllowance::is_crowded() {
    refill();
    return left_ < burst_ / 2 + 1;
}

StartAllowance::Share& StartAllowance::share_of(pid_t process) {
    const MonoTime now = clock_.now();
    std::erase_if(shares_, [&](const auto& each) { return now - each.second.asked >= remembered; });
    const auto parts = 2.0 * static_cast<double>(shares_.size() + (shares_.contains(process) ? 0 : 1));
    const double most = std::max(1.0, burst_ / parts);
    const auto [at, is_new] = shares_.try_emplace(process, Share{most, now});
    Share& share = at->second;
    const double since = std::chrono::duration<double>(now - share.asked).count();
    share.left = std::min(most, share.left + since * per_second_ / parts);
    share.asked = now;
    return share;
}

Result<void> StartAllowance::take(const mcp::Principal& principal, pid_t process, std::size_t count) {
    if (principal.role == mcp::Principal::Role::client || per_second_ == 0 || count == 0) return {};
    const auto wanted = static_cast<double>(count);
    const bool was_crowded = is_crowded();
    const double kept = burst_ / 2;
    if (!was_crowded && left_ - kept < wanted && count > 1) {
        if (owed_ > 0) return too_fast();
        owed_ = wanted - (left_ - kept);
        left_ = kept;
        return {};
    }
    if (was_crowded) {
        Share& share = share_of(process);
        if (left_ < wanted || share.left < wanted) return too_fast();
        share.left -= wanted;
    }
    left_ -= wanted;
    return {};
}

Error StartAllowance::too_fast() const {
    return {ErrorCode::limit, fmt::format("agents start more than {} a second; wait a moment, and look with "
                                          "list_processes whether one that runs will do",
                                          base::counted(static_cast<std::int64_t>(per_second_), "program"))};
}

void StartAllowance::give_back(const mcp::Principal& principal, std::size_t count) {
    if (principal.role == mcp::Principal::Role::client) return;
    const auto back = static_cast<double>(count);
    const double paid = std::min(owed_, back);
    owed_ -= paid;
    left_ = std::min(burst_, left_ + back - paid);
}

}  // namespace persistproc::tools
