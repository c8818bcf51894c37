#pragma once
/// The file `state` of a run directory: 4 KiB, preallocated, two checksummed slots of 2 KiB written in turn. The valid
/// slot with the highest generation counts, so a torn write leaves the state before it.
/// Written by the shim alone; anybody may read. Little-endian, fixed layout; any other major is `unsupported`.
#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "common/base/process_identity.hpp"
#include "common/base/result.hpp"

namespace persistproc::rundir {

using Nonce = std::array<std::uint8_t, 16>;

/// Of `spec` and `state`. 1: shims that speak in packets of a fixed size (see frame.hpp).
inline constexpr std::uint16_t format_major = 2;
inline constexpr std::uint16_t format_minor = 3;

enum class Phase : std::uint8_t {
    none = 0,         // made by the daemon; no shim has written yet
    prepared = 1,     // shim lives, no child
    aborted = 2,      // the daemon left before COMMIT; no child ever existed
    started = 3,      // the child's pid is known and on record (it may not have executed yet)
    exec_failed = 4,  // no program ever ran: `stage` and `os_error`
    exited = 5,  // final; proves that the log up to `log_end` was written before. A power cut may have taken its end
};

/// Whether output is being recorded just now.
enum class Recording : std::uint8_t {
    ok = 0,
    no_room = 1,       // the disk or a quota is full: output is read, counted and dropped
    device_error = 2,  // a write or a sync failed with another error since the run began; `recording_errno` says which
};

/// The step of a start that failed; the numbers are on disk.
/// `pty`, from 2.3 on: its terminal.
enum class Stage : std::uint8_t { none = 0, spec, pipe, fork, setsid, stdio, limits, chdir, execve, log, pty };
const char* stage_name(Stage stage) noexcept;

/// Bits of RunState::notified: what the program has said of itself (sd_notify(3)), last.
enum Notified : std::uint8_t { notified_ready = 1, notified_reloading = 2, notified_stopping = 4 };

/// What the shim knows of its run. Plain bytes: copied to disk and into control messages as it is; a later minor
/// version appends members, and whoever reads fewer or more of them ignores or zeroes the rest.
struct RunState {
    std::uint16_t major = format_major;
    std::uint16_t minor = format_minor;
    Phase phase = Phase::none;
    Stage stage = Stage::none;
    std::uint8_t stop_requested = 0;  // a stop was asked for before the child ended
    std::uint8_t killed = 0;          // exit_value is a signal number, else an exit code
    std::uint8_t oom = 0;             // the kernel killed it for want of memory, in a cgroup that is the run's own
    std::uint8_t exec_confirmed = 0;  // the close-on-exec pipe closed: the program runs
    std::uint8_t tree_empty = 0;      // after the exit: no descendant is left
    /// The program is gone and nobody can tell how: `exit_value` says nothing, and the phase stays `started`.
    std::uint8_t outcome_unknown = 0;
    std::uint8_t successors = 0;  // shims that took the run over after the one before them was killed; 255: or more
    Recording recording = Recording::ok;
    std::uint8_t recording_errno = 0;
    std::uint8_t has_gaps = 0;  // output of this run is missing; the log's gap records say where and how much
    std::uint64_t generation = 0;
    Nonce nonce{};
    base::BootId boot_id{};   // in which the run was begun; all zero: made by a daemon that did not name it; `copied`
    std::uint64_t epoch = 0;  // highest daemon epoch obeyed
    std::int32_t shim_pid = 0;
    std::int32_t pid = 0;
    std::uint64_t shim_start_ticks = 0;
    std::uint64_t start_ticks = 0;
    std::int64_t started_wall_ns = 0;
    std::uint64_t started_boot_ns = 0;
    std::int64_t ended_wall_ns = 0;
    std::uint64_t log_begin = 0;  // position in the process's output where this run begins
    std::uint64_t log_end = 0;    // and where it ended, valid from `exited` on
    std::int32_t exit_value = 0;
    std::int32_t os_error = 0;
    // 2.1
    /// OOM kills of the kernel in the cgroup of the shim, while the program ran; at its start the counter itself.
    std::uint32_t oom_kills = 0;
    std::uint8_t oom_kills_known = 0;  // the counter could be read, at the start and at the end
    std::uint8_t kill_sent = 0;        // the shim has sent the program a SIGKILL
    std::uint16_t unused = 0;
    // 2.2
    std::uint8_t notified = 0;     // Notified bits
    std::uint8_t status_size = 0;  // of `status`: what it says it does, in whatever bytes
    std::uint16_t unused_too = 0;
    std::uint32_t extended_ms = 0;  // from `started_boot_ns` on: until when it has asked to be waited for; 0: never
    char status[128] = {};
    // 2.3
    /// The very file this was first written to; 0: made by a daemon that did not name it.
    std::uint64_t file_device = 0;
    std::uint64_t file_inode = 0;

    /// It has said that it is ready, and nothing else since.
    bool says_ready() const noexcept { return notified == notified_ready; }
};
static_assert(sizeof(RunState) == 296);

/// In the place of the present boot, in what is read of a copy: whatever lives is the original's, and is to be looked
/// for, or touched, as little as what was begun in an earlier boot.
inline constexpr base::BootId copied{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

/// Of the files of a run, in their first bytes.
struct Format {
    unsigned major = format_major;
    unsigned minor = format_minor;
};
/// What is said of files of another major.
std::string other_version(Format format);

/// Creates the file with a state of phase `none` that names the boot it was made in, and the file. Daemon, at INTENT.
/// Errors: io.
Result<void> create_state(const std::filesystem::path& path, const base::BootId& boot);

/// The newest valid state. Phase `none` when no slot was written yet. Where the file is a copy of one that was made in
/// this boot (`cp -a` of a data directory, never `mv` within a file system), it names `copied` for that. Errors:
/// not_found, io, unsupported, corrupt (slots were written and none is whole). `other`: set to the format of one that
/// is unsupported.
Result<RunState> read_state(const std::filesystem::path& path, Format* other = nullptr);

/// Pure part of `read_state`: decides between two slots of an image of the file.
Result<RunState> decode_state(const void* bytes, std::size_t size, Format* other = nullptr);

/// What stands behind the members that this version knows. A shim that takes over from one of a later version keeps it.
struct StateTail {
    static constexpr std::size_t most_bytes = 1024;
    std::uint32_t size = 0;
    char bytes[most_bytes] = {};
};

/// Writes states to an open file (no heap; the shim's side). Each write goes to the slot that is not current.
class StateWriter {
public:
    /// `fd` stays the caller's. `current` and `tail` are what the file holds now.
    StateWriter(int fd, const RunState& current, const StateTail& tail = {}) noexcept
        : fd_(fd), state_(current), tail_(tail) {}
    RunState& state() noexcept { return state_; }
    const RunState& state() const noexcept { return state_; }
    /// Writes the state: no death takes it back but a power cut before `fd` is synced, which leaves one before it, or
    /// none. Returns errno or 0.
    int write() noexcept;
    /// The same, and waits until it is durable (fdatasync).
    int commit() noexcept;

private:
    int fd_;
    RunState state_;
    StateTail tail_;
};

}  // namespace persistproc::rundir
