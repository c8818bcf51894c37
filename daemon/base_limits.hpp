#pragma once
/// Resource limits where nobody says others: of whoever happened to start the daemon, a low soft limit stays neither on
/// the daemon nor on the programs that agents start over HTTP. Hard limits cannot be raised back (getrlimit(2)).
#include <sys/types.h>

#include <vector>

#include "common/rundir/spec.hpp"

namespace persistproc::daemon {

/// What files of a program may be, where its caller says nothing (umask(2)).
inline constexpr mode_t base_umask = 022;

/// Those of this process.
std::vector<rundir::ResourceLimit> own_limits();

/// Soft limits as they usually are at least: 1,024 open files, 8 MiB of stack, all others but core files as high as the
/// hard one. Pure.
std::vector<rundir::ResourceLimit> base_limits(std::vector<rundir::ResourceLimit> limits);

/// Raises the soft limits of this process: a limit of processor time, memory or file size that was meant for a program
/// would end the daemon, and it holds descriptors for every shim, client and log.
void raise_own_limits();

}  // namespace persistproc::daemon
