#pragma once
/// How long one call may look at a log.
#include <filesystem>
#include <functional>

#include "common/logstore/reader.hpp"
#include "common/mcp/principal.hpp"
#include "common/mcp/tool.hpp"
#include "daemon/core/bounded_read.hpp"
#include "daemon/core/workers.hpp"

namespace persistproc::tools {

/// A slow pattern, or a log of gigabytes, is looked at in several calls.
inline constexpr core::ReadBounds one_read{.bytes = 512u << 20, .time = std::chrono::seconds(2)};

/// As logstore::read_lines, on a thread for it; who searches takes turns with others who do. Ends early when the call
/// is cancelled. Errors: also limit (too many searches of that party wait).
Task<Result<logstore::LinePage>> read_within_budget(core::Workers& workers, mcp::Principal principal,
                                                    std::filesystem::path log, logstore::LineQuery query);

/// Whether an answer of these lines is worth another thread's time.
bool is_large(const logstore::LinePage& page);

/// The result that `make` gives, made and rendered on a thread that reads.
Task<mcp::ToolResult> render_elsewhere(core::Workers& workers, std::function<mcp::ToolResult()> make);

}  // namespace persistproc::tools
