#pragma once
/// What users see of a process: facts of the lifecycle, the kernel and the log in one view. Pure.
#include "daemon/core/process.hpp"

namespace persistproc::core {

/// Without the place of its log. Both clocks say the same instant.
ProcessView make_view(const Process& process, WallTime wall, MonoTime now);

/// Why it failed, is lost, or when it runs again: the sentence of a view, without the rest. Nothing: there is no such
/// fact.
std::vector<Cause> causes_of(const Process& process, WallTime wall, MonoTime now);

}  // namespace persistproc::core
