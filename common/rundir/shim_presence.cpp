#include "common/rundir/shim_presence.hpp"

namespace persistproc::rundir {

bool is_shim_there(const RunState& state, base::BootId boot) noexcept {
    if (state.tree_empty != 0 || state.boot_id != boot || state.shim_pid <= 0) return false;
    return base::find_start_ticks(state.shim_pid) == state.shim_start_ticks && !base::is_exiting(state.shim_pid);
}

}  // namespace persistproc::rundir
