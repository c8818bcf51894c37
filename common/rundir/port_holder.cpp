#include "common/rundir/port_holder.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "common/base/proc.hpp"
#include "common/base/text.hpp"
#include "common/rundir/daemon_paths.hpp"

namespace persistproc::rundir {

std::optional<PortHolder> find_port_holder(int port, pid_t besides) {
    auto listeners = base::find_listeners(port);
    const auto open = besides != 0 && !listeners.empty() ? base::socket_inodes(besides) : std::vector<std::uint64_t>();
    std::erase_if(listeners,
                  [&open](const auto& each) { return std::find(open.begin(), open.end(), each.inode) != open.end(); });
    if (listeners.empty()) return std::nullopt;
    PortHolder out{.port = port};
    const auto tell_user = [&out](const base::Listener& listener) {
        if (listener.user != ::geteuid()) out.user = listener.user;
    };
    tell_user(listeners.front());
    auto pids = base::list_processes();
    std::sort(pids.begin(), pids.end());
    for (const pid_t pid : pids) {
        const auto sockets = base::socket_inodes(pid);
        const auto found = std::find_if(listeners.begin(), listeners.end(), [&sockets](const auto& each) {
            return std::find(sockets.begin(), sockets.end(), each.inode) != sockets.end();
        });
        if (found == listeners.end()) continue;
        out.pid = pid;
        out.user.reset();
        tell_user(*found);
        out.name = base::command_name(pid);
        // What a daemon serves is what it has locked.
        const auto lock = base::find_open_file(pid, daemon_lock_name);
        if (lock) out.data = lock->parent_path();
        break;
    }
    return out;
}

std::string holder_text(const PortHolder& holder) {
    if (holder.pid == 0)
        return holder.user ? fmt::format("another user's program (UID {})", *holder.user)
                           : "a program that cannot be seen";
    if (holder.user)
        return fmt::format("another user's {} (UID {}, PID {})", base::escape_line(holder.name), *holder.user,
                           holder.pid);
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
