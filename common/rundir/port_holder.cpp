#include "common/rundir/port_holder.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/proc.hpp"
#include "common/base/text.hpp"
#include "common/rundir/daemon_paths.hpp"

namespace persistproc::rundir {

std::optional<PortHolder> find_port_holder(int port, pid_t besides) {
    auto listeners = base::listening_ports();
    std::erase_if(listeners, [port](const auto& each) { return each.second != port; });
    if (besides != 0 && !listeners.empty())
        for (const auto inode : base::socket_inodes(besides)) listeners.erase(inode);
    if (listeners.empty()) return std::nullopt;
    PortHolder out{.port = port};
    auto pids = base::list_processes();
    std::sort(pids.begin(), pids.end());
    for (const pid_t pid : pids) {
        const auto sockets = base::socket_inodes(pid);
        if (std::none_of(sockets.begin(), sockets.end(), [&](auto each) { return listeners.contains(each); })) continue;
        out.pid = pid;
        out.name = base::command_name(pid);
        // What a daemon serves is what it has locked.
        const auto lock = base::find_open_file(pid, daemon_lock_name);
        if (lock) out.data = lock->parent_path();
        break;
    }
    return out;
}

std::string holder_text(const PortHolder& holder) {
    if (holder.pid == 0) return "another user's program";
    if (!holder.data.empty())
        return fmt::format("your persistproc daemon for {} (PID {})", base::escape_line(holder.data.native()),
                           holder.pid);
    return fmt::format("{} (PID {})", base::escape_line(holder.name), holder.pid);
}

std::string taken_port_text(int port, pid_t besides) {
    const auto holder = find_port_holder(port, besides);
    return fmt::format("port {} is held by {}", port, holder ? holder_text(*holder) : "a program that is not seen");
}

}  // namespace persistproc::rundir
