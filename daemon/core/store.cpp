#include "daemon/core/store.hpp"

#include <algorithm>

namespace persistproc::core {

std::string renamed_detail(std::string_view before, std::string_view after) {
    return std::string(before) + " to " + std::string(after);
}

void join(RunRecord& known, const RunRecord& later) {
    known.pid = std::max(known.pid, later.pid);
    known.start_ticks = std::max(known.start_ticks, later.start_ticks);
    if (known.mark.empty()) known.mark = later.mark;
    if (later.started_at) known.started_at = later.started_at;
    if (!known.outcome) known.outcome = later.outcome;
    if (known.unknown.members.empty()) known.unknown = later.unknown;
}

}  // namespace persistproc::core
