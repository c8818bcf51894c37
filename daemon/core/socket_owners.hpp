#pragma once
/// Which process has a socket open: whose turn it is, where one process keeps many connections. The kernel tells only
/// by /proc/PID/fd of every process, so that it is asked where turns or room are scarce alone. One executor, one
/// thread.
#include <sys/types.h>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>

#include "common/async/clock.hpp"

namespace persistproc::core {

class SocketOwners {
public:
    using Walk = std::unordered_map<std::uint64_t, pid_t>;  // by the socket's inode

    static constexpr auto walk_interval = std::chrono::milliseconds(100);

    /// `clock` and `threads`, which run the walks, outlive this.
    SocketOwners(boost::asio::any_io_executor executor, async::Clock& clock, boost::asio::thread_pool& threads,
                 std::function<Walk()> walk = walk_processes);

    /// The process, of several that share the socket that with the least PID; 0: none that this daemon may look at.
    /// What the last walk does not know waits for the next one, with all who ask meanwhile.
    Task<pid_t> find(std::uint64_t socket_inode) const;

    /// Looks at every process: some microseconds for each of its descriptors. Blocks; any thread.
    static Walk walk_processes();

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace persistproc::core
