// What the keeper does about a log that cannot be written, and what it says of that.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "daemon/shim/keeper.hpp"

namespace persistproc::shim {

using logstore::Trouble;
using rundir::Recording;

bool Keeper::note_recording() noexcept {
    if (log_.has_lost_directory()) renew_log_directory();
    auto& state = state_.state();
    const logstore::Condition now = log_.condition();
    auto recording = static_cast<Recording>(now.trouble);
    auto error = static_cast<std::uint8_t>(now.error);
    // A shim before this one may have met the device's error: it is of the run, not of its keeper.
    if (now.trouble != Trouble::device_error && state.recording == Recording::device_error)
        device_errno_ = state.recording_errno;
    if (now.trouble == Trouble::none && device_errno_ != 0) {
        recording = Recording::device_error;
        error = device_errno_;
    }
    const std::uint8_t has_gaps = state.has_gaps != 0 || log_.lost_in_all() > 0 ? 1 : 0;
    if (state.recording == recording && state.recording_errno == error && state.has_gaps == has_gaps) return false;
    state.recording = recording;
    state.recording_errno = error;
    state.has_gaps = has_gaps;
    return true;
}

/// Somebody removed the directory under the writer. Made again, it is locked as the one before was.
void Keeper::renew_log_directory() noexcept {
    if (::mkdirat(run_directory_, "../../log", 0700) != 0 && errno != EEXIST) return;
    const int made = ::openat(run_directory_, "../../log", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (made < 0) return;
    if (::flock(made, LOCK_EX | LOCK_NB) != 0 || log_.move_to(made) != 0) {
        ::close(made);
        return;
    }
    ::close(log_directory_);
    log_directory_ = made;
}

}  // namespace persistproc::shim
