#include "common/rundir/descriptor_shares.hpp"

#include <algorithm>
#include <limits>

namespace persistproc::rundir {

DescriptorShares descriptor_shares(std::uint64_t descriptors) noexcept {
    constexpr std::uint64_t most = 2048, fewest = 16, most_kept_back = 1536;
    // A daemon's own; and of a run its connection, its shim, its pipes (three with an input), program,
    // buffer and what it says of itself (sd_notify).
    constexpr std::uint64_t own = 64, of_a_run = 8;
    const std::uint64_t agents = std::clamp(descriptors / 4, fewest, most);
    const std::uint64_t first_kept_back = descriptors - std::min(descriptors / 4, most_kept_back);
    const auto highest = static_cast<std::uint64_t>(std::numeric_limits<int>::max());
    const std::uint64_t rest = first_kept_back - std::min(first_kept_back, agents + own);
    return {agents, agents / 2, static_cast<int>(std::min(first_kept_back, highest)),
            std::max<std::uint64_t>(rest / of_a_run, 1)};
}

}  // namespace persistproc::rundir
