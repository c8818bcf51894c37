#pragma once
/// A lock on a file as a sign of life: held while the holder lives, gone with it whatever killed it. An open file
/// description lock (fcntl_locking(2), F_OFD_SETLK): as flock(2) it belongs to the descriptor and its duplicates, and
/// unlike that it can be asked for without being taken. On a read-only file system, where no exclusive lock of this
/// kind is to be had, a shared one tells that it is held, and one of flock(2) beside it keeps others out.
#include <filesystem>
#include <optional>

#include "common/base/result.hpp"
#include "common/base/unique_fd.hpp"

namespace persistproc::base {

/// An exclusive lock on a file; released by the destructor. The file is never unlinked.
class FileLock {
public:
    /// Takes the lock without waiting, creating the file (0600). No value: somebody else holds it. Errors: io,
    /// denied (no file of this user's).
    static Result<std::optional<FileLock>> try_take(const std::filesystem::path& path);
    /// Takes the lock, waiting for as long as it takes. Blocks the thread. Errors: io, denied.
    static Result<FileLock> take(const std::filesystem::path& path);

    int fd() const noexcept { return fd_.get(); }

private:
    explicit FileLock(UniqueFd fd) : fd_(std::move(fd)) {}
    UniqueFd fd_;
};

/// Whether somebody holds the lock on an existing file. Does not take it: whoever does just then is not in the way.
/// Errors: not_found (no such file), denied, io. An error is no proof that nobody holds it.
Result<bool> is_locked(const std::filesystem::path& path);

}  // namespace persistproc::base
