#pragma once
/// What a daemon's descriptors are for, by how many it may have open (RLIMIT_NOFILE).
#include <cstddef>
#include <cstdint>

namespace persistproc::rundir {

/// Connections: agents a quarter of the descriptors and 2,048 at most, the person's client half as many. A quarter
/// (1,536 at most) is kept back from agents, whatever else is open: for the client, and for the logs and files of a
/// start. Runs have the rest, so that no program costs anybody a connection.
struct DescriptorShares {
    std::size_t agents = 0, client = 0;  // connections at once
    int agent_descriptors = 0;           // the first that is kept back
    std::size_t runs = 0;                // programs that are kept at once; at least 1
};
/// Pure.
DescriptorShares descriptor_shares(std::uint64_t descriptors) noexcept;

}  // namespace persistproc::rundir
