#pragma once
/// Resource limits where nobody says others: of whoever happened to start the daemon, a low soft limit stays neither on
/// the daemon nor on the programs that agents start over HTTP. Hard limits cannot be raised back (getrlimit(2)).
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
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

/// Who may have how many connections, where this process may have so many descriptors open: agents a quarter of them
/// and 2,048 at most, the person's client half as many. A quarter (1,536 at most) is kept back from agents, whatever
/// else is open: for the client, and for the runs, logs and files of a start. Pure.
struct ConnectionShares {
    std::size_t agents = 0, client = 0;
    int agent_descriptors = 0;  // the first that is kept back
};
ConnectionShares connection_shares(std::uint64_t descriptors);

/// Raises the soft limits of this process: a limit of processor time, memory or file size that was meant for a program
/// would end the daemon, and it holds descriptors for every shim, client and log.
void raise_own_limits();

}  // namespace persistproc::daemon
