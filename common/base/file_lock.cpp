#include "common/base/file_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>

#include "common/base/file.hpp"

namespace persistproc::base {

namespace {

/// Of the whole file, however long it is.
struct flock whole_file(short type) {
    struct flock lock {};
    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    return lock;
}

/// No: somebody else holds it.
Result<bool> lock(int fd, bool waits, bool is_read_only, const std::filesystem::path& path) {
    while (is_read_only && ::flock(fd, waits ? LOCK_EX : LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK) return false;
        if (errno != EINTR) return os_failure(path.string(), errno);
    }
    struct flock all = whole_file(is_read_only ? F_RDLCK : F_WRLCK);
    while (::fcntl(fd, waits ? F_OFD_SETLKW : F_OFD_SETLK, &all) != 0) {
        if (errno == EAGAIN || errno == EACCES) return false;
        if (errno != EINTR) return os_failure(path.string(), errno);
    }
    return true;
}

/// No descriptor: somebody else holds it.
Result<UniqueFd> open_locked(const std::filesystem::path& path, bool waits) {
    auto fd = open_own_file(path, O_RDWR | O_CREAT);
    const bool is_read_only = !fd && fd.error().os_error == EROFS;
    if (is_read_only) fd = open_own_file(path, O_RDONLY);
    if (!fd) return fd.error();
    const auto taken = lock(fd->get(), waits, is_read_only, path);
    if (!taken) return taken.error();
    if (!*taken) return UniqueFd();
    return fd;
}

}  // namespace

Result<std::optional<FileLock>> FileLock::try_take(const std::filesystem::path& path) {
    auto fd = open_locked(path, false);
    if (!fd) return fd.error();
    if (!*fd) return std::optional<FileLock>{};
    return std::optional<FileLock>(FileLock(std::move(*fd)));
}

Result<FileLock> FileLock::take(const std::filesystem::path& path) {
    auto fd = open_locked(path, true);
    if (!fd) return fd.error();
    return FileLock(std::move(*fd));
}

Result<bool> is_locked(const std::filesystem::path& path) {
    auto fd = open_own_file(path, O_RDONLY);
    if (!fd) return fd.error();
    struct flock answer = whole_file(F_WRLCK);
    if (::fcntl(fd->get(), F_OFD_GETLK, &answer) != 0) return os_failure(path.string(), errno);
    return answer.l_type != F_UNLCK;
}

}  // namespace persistproc::base
