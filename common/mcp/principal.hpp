#pragma once
/// Who a request is from, as far as the transport can tell. What is shown, whose turn it is and under whose name
/// something is done follow from it.
#include <sys/types.h>

#include <cstdint>

#include "common/schema/field.hpp"

namespace persistproc::mcp {

using schema::Audience;

/// Stands for all processes that the kernel does not tell of (hidden /proc, another PID namespace): together they have
/// what one has, however many sessions that keeps.
inline constexpr pid_t untold_process = -1;

struct Principal {
    enum class Role {
        agent,   // over TCP
        bridge,  // an agent behind the stdio bridge, which comes over the client's socket and says so
        client,  // this project's own client: the person
    };
    Role role = Role::agent;
    /// The session, or in 2026-07-28 the connection: its calls take turns with those of others. Identity alone.
    const void* party = nullptr;
    /// Whose connection it came by, as the kernel tells: the peer's process, or the inode of its socket. 0: unknown.
    pid_t process = 0;
    std::uint64_t socket = 0;

    Audience audience() const noexcept { return role == Role::client ? Audience::client : Audience::agent; }
};

}  // namespace persistproc::mcp
