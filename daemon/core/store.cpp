#include "daemon/core/store.hpp"

#include <algorithm>

namespace persistproc::core {

void join(RunRecord& known, const RunRecord& later) {
    known.pid = std::max(known.pid, later.pid);
    if (later.started_at) known.started_at = later.started_at;
    if (!known.outcome) known.outcome = later.outcome;
    if (known.unknown.members.empty()) known.unknown = later.unknown;
}

}  // namespace persistproc::core
