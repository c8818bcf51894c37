#pragma once
/// What daemon and shim say to each other. Packets (SOCK_SEQPACKET) of one fixed size, both on the start channel
/// (fd 3 of the shim, a socketpair) and on the socket `ctl` in the run directory. After COMMIT the start channel
/// is a control connection like any other. Peer credentials are checked by both ends; a shim obeys the highest
/// epoch alone and answers a lower one with `refused` (EPERM).
///
/// Start: shim → `ready`; daemon → `commit`; shim → `state` (started), then `state` (exec_confirmed, or exec_failed).
/// End of file on the start channel before `commit`: the shim records `aborted` and leaves.
/// The shim leaves after `tree_empty` (or a `state` with it set): end of file on every connection, `ctl` unlinked. The
/// log of a process has one writer, so its next run is started after that; a shim that finds the log still held 200 ms
/// after `commit` fails the start with stage `log` and EWOULDBLOCK.
/// Adoption: daemon connects to `ctl`, → `hello` (nonce, epoch); shim → `state`.
/// With `state`, once when the child exists and again in answer to each `hello`, the shim sends duplicates of what a
/// successor needs (SCM_RIGHTS): the pipes' read ends that are open, the child's pidfd, until its execve is confirmed
/// the pipe that reports what failed before, and the memory of output on its way from pipe to log. `value` says which,
/// in `HandedOver` bits, and the descriptors come in the order of the bits. Succession: a shim that was killed is
/// replaced. The daemon starts `persistproc-shim --succeed <run directory>`, which takes the lock and says `ready`;
/// `commit` then carries the descriptors in the same way, and the successor goes on reading where the other stopped. It
/// is not the child's parent: the daemon (subreaper) tells it with `ended` how the child ended, and keeps the zombie
/// until the successor's record of it is durable. Afterwards the shim pushes `state` to every connection that has said
/// hello or commit, at each change of its RunState.
#include <cstddef>
#include <cstdint>

#include "common/rundir/state.hpp"

namespace persistproc::rundir {

enum class MessageType : std::uint16_t {
    // daemon → shim
    hello = 1,   // nonce and epoch; answered by `state`
    commit = 2,  // on the start channel: go on and start the child
    stop = 3,    // `value`: signal (0: the spec's), `grace_ms`; `force` kills at once. Answered by `tree_empty`
    ended =
        5,  // to a successor: the child is a zombie of the daemon. `value`: exit code, or signal when `force` is set;
            // `grace_ms` is 1 when the daemon cannot know either
    signal = 4,  // `value`: signal to the child's process group. Answered by `done`
    // shim → daemon; each carries the present RunState
    ready = 101,
    state = 102,
    tree_empty = 103,  // `request` echoes the stop; nothing of the tree is left and the exit record is durable
    done = 104,        // `request` echoed, `value`: 0 or errno
    refused = 105,     // `value`: errno: EPERM epoch or credentials, EPROTO not understood
};

/// Bits of `value` of a packet that carries descriptors.
enum HandedOver : std::int32_t {
    handed_out = 1,
    handed_err = 2,
    handed_child = 4,
    handed_report = 8,
    handed_buffers = 16
};
inline constexpr std::size_t most_handed = 5;

struct ControlMessage {
    std::uint32_t magic = 0x50504354;  // "PPCT"
    std::uint16_t major = format_major;
    MessageType type = MessageType::hello;
    std::uint64_t epoch = 0;
    std::uint64_t request = 0;  // chosen by the daemon, echoed by the shim
    Nonce nonce{};
    std::int32_t value = 0;
    std::uint32_t grace_ms = 0;
    std::uint32_t force = 0;
    std::uint32_t reserved = 0;
    RunState state{};
};
static_assert(sizeof(ControlMessage) == 192);

inline constexpr int start_channel_fd = 3;

}  // namespace persistproc::rundir
