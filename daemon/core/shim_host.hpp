#pragma once
/// How the daemon meets its shims: it starts new ones and connects to those that outlived the daemon before.
#include <memory>

#include "common/async/clock.hpp"
#include "common/domain/process.hpp"
#include "common/rundir/control.hpp"

namespace persistproc::core {

/// A control connection with the shim of one run. Destroying it closes the connection; the shim lives on.
class ShimLink {
public:
    virtual ~ShimLink() = default;
    /// Never waits: packets are small and few. Errors: unavailable (the shim is gone).
    virtual Result<void> send(const rundir::ControlMessage& message) = 0;
    /// The next packet. Errors: unavailable (the shim has closed: it is gone), corrupt. One call at a time.
    virtual Task<Result<rundir::ControlMessage>> receive() = 0;
    /// Ends the connection for both sides: a shim that waits for COMMIT leaves, a `receive` on its way is
    /// `unavailable`.
    virtual void close() = 0;
};

class ShimHost {
public:
    virtual ~ShimHost() = default;
    /// Starts the shim of a prepared run directory; its first packet will be `ready`. Errors: exec_failed with the
    /// stage, io. The child is reaped by the host whatever becomes of the link.
    virtual Task<Result<std::unique_ptr<ShimLink>>> spawn(RunId run) = 0;
    /// Connects to the `ctl` socket of a live run; checks the peer's uid. Errors: unavailable (nobody listens), io.
    virtual Task<Result<std::unique_ptr<ShimLink>>> connect(RunId run) = 0;
};

}  // namespace persistproc::core
