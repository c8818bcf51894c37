#pragma once
/// Where the program of a run says how it stands, as to a service manager (sd_notify(3)).
#include <string_view>

#include "common/rundir/state.hpp"

namespace persistproc::shim {

enum class Heard {
    nothing,      // nobody has said anything more
    nothing_new,  // also what another user has said
    news,         // the state has changed
};

class NotifySocket {
public:
    /// Binds the abstract address rundir::notify_prefix and `digits`. Before the program exists: its first word is not
    /// missed. Returns 0 or errno.
    int open(const char* digits) noexcept;
    /// That of a keeper which was killed, with what has come since.
    void adopt(int fd) noexcept { fd_ = fd; }
    int descriptor() const noexcept { return fd_; }
    /// Takes what was said first into the state, and leaves it there: whoever is killed before that is on record is
    /// followed by one that hears it again.
    Heard hear(rundir::RunState& state) noexcept;
    /// What was heard need not be heard again.
    void drop() noexcept;

private:
    int fd_ = -1;
};

/// Takes one message, lines of NAME=value, into the state; `boot_ns`: when it came (CLOCK_BOOTTIME). Pure. True: it has
/// changed.
bool take_notification(std::string_view message, rundir::RunState& state, std::uint64_t boot_ns = 0) noexcept;

}  // namespace persistproc::shim
