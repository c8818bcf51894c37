#pragma once
/// Who listens on a port that somebody wanted.
#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>

namespace persistproc::rundir {

struct PortHolder {
    int port = 0;
    pid_t pid = 0;  // of several that share the socket the one with the least PID; 0: none that may be looked at
    std::optional<uid_t> user;   // whose it is, where it is not this user's
    std::string name;            // of that process, as the kernel has it: it may hold anything
    std::filesystem::path data;  // that it serves as a daemon of ours; empty: it is none
};

/// Nothing: nobody but `besides` listens there, in this network namespace. Looks at the sockets of every process: some
/// milliseconds. Blocks; any thread.
std::optional<PortHolder> find_port_holder(int port, pid_t besides = 0);

/// `python3 (PID 12)`, "your persistproc daemon for DIR (PID 12)", "another user's python3 (UID 7, PID 12)" or "a
/// program that cannot be seen". Pure.
std::string holder_text(const PortHolder& holder);

/// "port 8947 is held by …", by whoever holds it now. Blocks, as find_port_holder.
std::string taken_port_text(int port, pid_t besides = 0);

}  // namespace persistproc::rundir
