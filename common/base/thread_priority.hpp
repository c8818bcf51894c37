#pragma once

namespace persistproc::base {

/// From now on the calling thread gives way to all others of the machine that have something to do. Once per thread;
/// further calls cost nothing. Source: sched(7), setpriority(2): on Linux the nice value is a thread's.
void give_way() noexcept;

}  // namespace persistproc::base
