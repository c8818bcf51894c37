#include "common/base/file_lock.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "common/base/file.hpp"

namespace persistproc::base {

namespace {

/// Of the whole file, however long it is.
struct flock exclusive() {
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    return lock;
}

/// No: somebody else holds it.
Result<bool> lock(int fd, int command, const std::filesystem::path& path) {
    struct flock all = exclusive();
    while (::fcntl(fd, command, &all) != 0) {
        if (errno == EAGAIN || errno == EACCES) return false;
        if (errno != EINTR) return os_failure(path.string(), errno);
    }
    return true;
}

}  // namespace

Result<std::optional<FileLock>> FileLock::try_take(const std::filesystem::path& path) {
    auto fd = open_own_file(path, O_RDWR | O_CREAT);
    if (!fd) return fd.error();
    const auto taken = lock(fd->get(), F_OFD_SETLK, path);
    if (!taken) return taken.error();
    if (!*taken) return std::optional<FileLock>{};
    return std::optional<FileLock>(FileLock(std::move(*fd)));
}

Result<FileLock> FileLock::take(const std::filesystem::path& path) {
    auto fd = open_own_file(path, O_RDWR | O_CREAT);
    if (!fd) return fd.error();
    if (const auto taken = lock(fd->get(), F_OFD_SETLKW, path); !taken) return taken.error();
    return FileLock(std::move(*fd));
}

Result<bool> is_locked(const std::filesystem::path& path) {
    auto fd = open_own_file(path, O_RDONLY);
    if (!fd) return fd.error();
    struct flock answer = exclusive();
    if (::fcntl(fd->get(), F_OFD_GETLK, &answer) != 0) return os_failure(path.string(), errno);
    return answer.l_type != F_UNLCK;
}

}  // namespace persistproc::base
