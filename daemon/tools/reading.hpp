#pragma once
/// How long one call may look at a log.
#include <chrono>
#include <filesystem>

#include "common/logstore/reader.hpp"
#include "common/mcp/principal.hpp"
#include "daemon/core/workers.hpp"

namespace persistproc::tools {

/// A slow pattern, or a log of gigabytes, is looked at in several calls.
inline constexpr std::chrono::seconds longest_read{2};
inline constexpr std::uint64_t most_read_bytes = 512u << 20;

/// As logstore::read_lines, on a thread for it; who searches takes turns with others who do. Ends early when the call
/// is cancelled. Errors: also unavailable (too many searches of that party wait).
Task<Result<logstore::LinePage>> read_within_budget(core::Workers& workers, mcp::Principal principal,
                                                    std::filesystem::path log, logstore::LineQuery query);

}  // namespace persistproc::tools
