#pragma once
/// Who listens on a port that a program wanted.
#include <sys/types.h>

#include <optional>
#include <string>

namespace persistproc::core {

struct PortHolder {
    int port = 0;
    pid_t pid = 0;     // of several that share the socket the one with the least PID; 0: none that may be looked at
    std::string name;  // of that process, as the kernel has it: it may hold anything
};

/// Nothing: nobody listens there, in this network namespace. Looks at the sockets of every process: some milliseconds.
/// Blocks; any thread.
std::optional<PortHolder> find_port_holder(int port);

}  // namespace persistproc::core
