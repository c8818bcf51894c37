#include "common/base/file_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>

#include "common/base/file.hpp"

namespace persistproc::base {

namespace {

Result<bool> lock(int fd, int operation, const std::filesystem::path& path) {
    while (::flock(fd, operation) != 0) {
        if (errno == EWOULDBLOCK) return false;
        if (errno != EINTR) return os_failure(path.string(), errno);
    }
    return true;
}

}  // namespace

Result<std::optional<FileLock>> FileLock::try_take(const std::filesystem::path& path) {
    auto fd = open_file(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
    if (!fd) return fd.error();
    const auto taken = lock(fd->get(), LOCK_EX | LOCK_NB, path);
    if (!taken) return taken.error();
    if (!*taken) return std::optional<FileLock>{};
    return std::optional<FileLock>(FileLock(std::move(*fd)));
}

Result<FileLock> FileLock::take(const std::filesystem::path& path) {
    auto fd = open_file(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
    if (!fd) return fd.error();
    if (const auto taken = lock(fd->get(), LOCK_EX, path); !taken) return taken.error();
    return FileLock(std::move(*fd));
}

Result<bool> is_locked(const std::filesystem::path& path) {
    auto fd = open_file(path, O_RDWR);
    if (!fd) return fd.error();
    // A shared lock asks the question without turning two askers into each other's holder.
    const auto taken = lock(fd->get(), LOCK_SH | LOCK_NB, path);
    if (!taken) return taken.error();
    return !*taken;
}

}  // namespace persistproc::base
