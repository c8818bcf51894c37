#include "daemon/core/port_holder.hpp"

#include <algorithm>
#include <unordered_set>

#include "common/base/proc.hpp"

namespace persistproc::core {

std::optional<PortHolder> find_port_holder(int port) {
    std::unordered_set<std::uint64_t> sockets;
    for (const auto& [inode, each] : base::listening_ports())
        if (each == port) sockets.insert(inode);
    if (sockets.empty()) return std::nullopt;
    PortHolder out{.port = port};
    auto pids = base::list_processes();
    std::sort(pids.begin(), pids.end());
    for (const pid_t pid : pids) {
        const auto inodes = base::socket_inodes(pid);
        const auto is_its = [&](std::uint64_t each) { return sockets.contains(each); };
        if (std::none_of(inodes.begin(), inodes.end(), is_its)) continue;
        out.pid = pid;
        out.name = base::command_name(pid);
        break;
    }
    return out;
}

}  // namespace persistproc::core
