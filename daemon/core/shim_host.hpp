#pragma once
/// How the daemon meets its shims: it starts new ones and connects to those that outlived the daemon before.
#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/async/clock.hpp"
#include "common/base/unique_fd.hpp"
#include "common/domain/process.hpp"
#include "common/rundir/control.hpp"

namespace persistproc::core {

/// The program of a run, held by a descriptor that outlives its shim.
class ChildHold {
public:
    /// Whoever was the last to hold a child of this process lets go of its zombie, too.
    virtual ~ChildHold() = default;
    /// Completes when the program has ended, which it stays as a zombie. Unknown: it was another's child, and only the
    /// kernel may know.
    virtual Task<rundir::ProgramEnd> ended() = 0;
    virtual int descriptor() const noexcept = 0;
};

/// What lets a successor go on where a killed shim stopped (rundir/control.hpp). As long as it is held, nobody's death
/// breaks the program's pipes or hangs up its terminal.
struct Spares {
    base::UniqueFd out, err, report, buffers, notify, input;
    std::shared_ptr<ChildHold> child;

    bool can_continue() const noexcept { return out || err || child || buffers; }
    /// Takes what `newer` has.
    void merge(Spares newer) {
        if (newer.out) out = std::move(newer.out);
        if (newer.err) err = std::move(newer.err);
        if (newer.report) report = std::move(newer.report);
        if (newer.buffers) buffers = std::move(newer.buffers);
        if (newer.notify) notify = std::move(newer.notify);
        if (newer.input) input = std::move(newer.input);
        if (newer.child && !child) child = std::move(newer.child);
    }
};

/// A control connection with the shim of one run. Destroying it closes the connection; the shim lives on.
class ShimLink {
public:
    virtual ~ShimLink() = default;
    /// Never waits: packets are small and few. Errors: unavailable (the shim is gone).
    virtual Result<void> send(const rundir::ControlMessage& message) = 0;
    /// As `send`, with duplicates of the descriptors.
    virtual Result<void> hand_over(const rundir::ControlMessage&, const Spares&) {
        return Error{ErrorCode::unsupported, "no descriptors can be handed over"};
    }
    /// What came with the packets received since the last call.
    virtual Spares take_spares() { return {}; }
    /// The next packet. Errors: unavailable (the shim has closed: it is gone), corrupt. One call at a time.
    virtual Task<Result<rundir::ControlMessage>> receive() = 0;
    /// Ends the connection for both sides: a shim that waits for COMMIT leaves, a `receive` on its way is
    /// `unavailable`.
    virtual void close() = 0;
};

/// A command of the daemon's own, that no run is made of: a probe of a check, or what stops a program.
struct CommandOrder {
    std::vector<std::string> command;
    std::string working_directory;
    std::shared_ptr<const std::vector<std::string>> environment;  // "NAME=value"
    mode_t umask = 022;
    std::chrono::nanoseconds timeout{};  // then its tree is killed
};
/// How it ended. With neither: its time was over.
struct CommandEnd {
    std::optional<int> exit_code, signal;
    std::string output;  // the last 4 KiB of both streams
};

class ShimHost {
public:
    virtual ~ShimHost() = default;
    /// Whether programs are executed on this machine, whose files then tell which can be.
    virtual bool executes_here() const { return false; }
    /// Starts the shim of a prepared run directory; its first packet will be `ready`. Errors: exec_failed with the
    /// stage, io. The child is reaped by the host whatever becomes of the link.
    virtual Task<Result<std::unique_ptr<ShimLink>>> spawn(RunId run) = 0;
    /// Makes sure that the next `spawn` finds a shim that has been started already: what is ended for a run to come is
    /// not ended in vain. It is nobody's own: whoever spawns first takes it. Errors: as `spawn`.
    virtual Task<Result<void>> reserve() { co_return boost::system::in_place_value; }
    /// Starts a shim for a run whose shim was killed; its first packet will be `ready`, then it waits for `commit` with
    /// descriptors. Errors: as `spawn`.
    virtual Task<Result<std::unique_ptr<ShimLink>>> take_over(RunId) {
        co_return Error{ErrorCode::unsupported, "no successors"};
    }
    /// Runs a command in a session of its own, below a keeper that kills whatever is left of it: at its end, when its
    /// time is over, when this is cancelled, and when the daemon dies. Errors: exec_failed, unavailable.
    virtual Task<Result<CommandEnd>> run_command(CommandOrder) {
        co_return Error{ErrorCode::unsupported, "no commands are run here"};
    }
    /// Connects to the `ctl` socket of a live run; checks the peer's uid. Errors: unavailable (nobody listens), io.
    virtual Task<Result<std::unique_ptr<ShimLink>>> connect(RunId run) = 0;
};

}  // namespace persistproc::core
