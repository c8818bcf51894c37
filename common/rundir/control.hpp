#pragma once
/// What daemon and shim say to each other, as both hold it in memory; how it is written down: frame.hpp. One frame per
/// packet (SOCK_SEQPACKET), both on the start channel (fd 3 of the shim, a socketpair) and on the socket `ctl` in the
/// run directory. After COMMIT the start channel is a control connection like any other. Peer credentials are checked
/// by both ends; a shim obeys the highest epoch alone.
///
/// Start: shim → `ready`; daemon → `commit`; shim → `state` (started), then `state` (exec_confirmed, or exec_failed).
/// End of file on the start channel before `commit`: the shim records `aborted` and leaves.
/// The shim leaves after `tree_empty` (or a `state` with it set): end of file on every connection, `ctl` unlinked. The
/// log of a process has one writer, so its next run is started after that; a shim that finds the log still held 200 ms
/// after `commit` fails the start with stage `log` and EWOULDBLOCK.
/// Adoption: daemon connects to `ctl`, → `hello` (nonce, epoch); shim → `state`. Afterwards the shim pushes `state` to
/// every connection that has said hello or commit, at each change of its RunState.
/// Greetings (`hello` and `commit`; `ready` and `state`) carry what their sender is capable of; whatever its peer is
/// not capable of is not asked of it.
///
/// Descriptors. To a daemon that takes them (capability `spares`) the shim sends, once when the child exists and again
/// in answer to each `hello`, duplicates of what another shim would need: see DescriptorKind. A shim that was killed is
/// replaced: the daemon starts `persistproc-shim --take-over <run directory>`, which takes the lock and says `ready`;
/// `commit` then carries the descriptors, and the successor goes on reading where the other stopped. It is not the
/// child's parent: the daemon (subreaper) tells it with `ended` how the child ended, and keeps the zombie until the
/// successor has recorded it.
#include <cstddef>
#include <cstdint>

#include "common/rundir/state.hpp"

namespace persistproc::rundir {

/// The numbers are on the wire. One that a reader does not know: a shim refuses the message (`unknown_type`), a daemon
/// passes over it. 7 to 10 and 106 to 108 are kept for what goes on with terminals: attaching, sizes, input.
enum class MessageType : std::uint16_t {
    // daemon → shim
    hello = 1,   // nonce and epoch; answered by `state`
    commit = 2,  // on the start channel: go on and start the child, or take the run over
    stop = 3,  // `signal` (0: the spec's), then, after `grace_ms`, SIGKILL; `force`: at once. Answered by `tree_empty`
    signal = 4,  // to the child's process group. Answered by `done`
    flush = 6,   // removes what has been recorded. Answered by `done`; shims of older releases refuse it
    ended = 5,   // to a successor: the child is a zombie of the daemon, or its end cannot be known by it
    // shim → daemon
    ready = 101,  // with the present RunState, as the next two
    state = 102,
    tree_empty = 103,  // `request` echoes the stop; nothing of the tree is left and the exit is recorded
    done = 104,        // `request` echoed; `error`
    refused = 105,     // `request` echoed; `refused_type`, `refusal` and `error` say what and why
};

/// Why a shim does not do what it was told. The numbers are on the wire.
enum class Refusal : std::uint16_t {
    none = 0,
    unknown_type = 1,
    unknown_major = 2,
    damaged = 3,              // no frame, one that was cut, or one that contradicts itself
    descriptors_missing = 4,  // fewer came than the message lists
    foreign_user = 5,
    foreign_run = 6,  // the nonce is not this run's
    old_epoch = 7,    // a later daemon has spoken
    not_greeted = 8,  // neither `hello` nor `commit` came before it
    wrong_time = 9,   // not in this phase of the run
    failed = 10,      // `error` says how
};
/// One or two words for a message to people.
const char* refusal_name(Refusal refusal) noexcept;

/// How a program ended.
struct ProgramEnd {
    enum class How : std::uint32_t { unknown = 0, exited = 1, killed = 2 };
    How how = How::unknown;
    std::int32_t value = 0;  // exit code, or signal
};

/// Bits of a greeting's `capabilities`. Unknown ones mean nothing to a reader.
enum Capability : std::uint64_t {
    capability_spares = 1,  // the shim hands over descriptors and can be replaced; the daemon keeps them for that
};

/// What a descriptor of a message is, together with an index among those of its kind. The numbers are on the wire; one
/// of an unknown kind or index is closed.
enum class DescriptorKind : std::uint16_t {
    source =
        1,      // read end of the child's output; index 0: standard output, or the terminal's master; 1: standard error
    child = 2,  // pidfd
    report = 3,   // until the execve is confirmed: read end of the pipe that says what failed before
    buffers = 4,  // memory of output on its way from a pipe to the log
    notify = 5,   // socket to which the program says how it stands; from format 2.2 on
    input = 6,    // write end of the child's standard input, where that is a pipe; from format 2.3 on
    // 7 is kept for the queue of input: index 0 its read end, 1 its write end
};

/// A message. Which members one of a type carries is said in frame.cpp; the others keep their defaults.
struct ControlMessage {
    MessageType type = MessageType::hello;
    std::uint64_t epoch = 0;
    std::uint64_t request = 0;  // chosen by the daemon, echoed by the shim
    Nonce nonce{};
    std::uint64_t capabilities = 0;
    std::int32_t signal = 0;
    std::uint32_t grace_ms = 0;
    bool force = false;
    ProgramEnd end;
    std::int32_t error = 0;          // 0 or errno
    std::uint16_t refused_type = 0;  // a MessageType, or a number that is none here
    Refusal refusal = Refusal::none;
    RunState state{};
};

inline constexpr int start_channel_fd = 3;

}  // namespace persistproc::rundir
