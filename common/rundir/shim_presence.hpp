#pragma once
/// Whether a run has a shim, where its lock does not tell.
#include "common/rundir/state.hpp"

namespace persistproc::rundir {

/// Whether the shim that wrote the state, in this boot, is there and has something to keep: by its pid and time of
/// start. For where its lock is gone, or another file in its place, which proves no death.
bool is_shim_there(const RunState& state, base::BootId boot) noexcept;

}  // namespace persistproc::rundir
