#include "daemon/core/run_roots.hpp"

#include <unistd.h>

#include <algorithm>

#include "common/base/proc.hpp"
#include "common/base/random.hpp"
#include "common/rundir/run_mark.hpp"

namespace persistproc::core {

namespace {

const RunRoot* find_root(PidIdentity process, std::span<const RunRoot> roots) {
    const auto found_mark = base::find_variable(process.pid, rundir::run_mark_name);
    const auto mark = found_mark ? *found_mark : std::nullopt;
    const auto is_it = [&](const RunRoot& root) {
        return root.program == process || root.keeper == process || (mark && *mark == base::to_hex(root.mark));
    };
    const auto found = std::find_if(roots.begin(), roots.end(), is_it);
    return found == roots.end() ? nullptr : &*found;
}

}  // namespace

Above look_above(pid_t pid, std::span<const RunRoot> roots) {
    // One that ends while it is looked at has given its children to others.
    constexpr int attempts = 16;
    for (int attempt = 0; attempt < attempts; ++attempt) {
        pid_t each = pid;
        while (each > 1) {
            const auto started = base::find_start_ticks(each);
            if (!started) break;
            if (const RunRoot* const root = find_root({each, *started}, roots)) return {.root = root, .is_ours = true};
            if (each == ::getpid() && each != pid) return {.is_ours = true};
            const auto parent = base::find_parent(each);
            if (!parent) break;
            each = *parent;
        }
        if (each <= 1) return {.is_ours = rundir::has_lower_lock_limit(pid)};
    }
    return {.is_gone = true};
}

}  // namespace persistproc::core
