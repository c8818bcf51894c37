#include "common/base/file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>

#include "common/base/random.hpp"
#include "common/base/text.hpp"

namespace persistproc::base {

namespace fs = std::filesystem;

Result<UniqueFd> open_file(const fs::path& path, int flags, mode_t mode) {
    for (;;) {
        const int fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
        if (fd >= 0) return UniqueFd(fd);
        if (errno == EINTR) continue;
        Error error = os_failure(path.string(), errno);
        if (error.os_error == ENOENT) error.code = ErrorCode::not_found;
        return error;
    }
}

namespace {

Error too_large(const fs::path& path, std::size_t max_bytes) {
    return {ErrorCode::invalid, fmt::format("{}: larger than {} bytes", path.string(), max_bytes)};
}

Result<std::string> read_all(int fd, const fs::path& path, std::size_t max_bytes) {
    std::string out;
    struct stat info {};
    if (::fstat(fd, &info) == 0 && info.st_size > 0) {
        const auto size = static_cast<std::uint64_t>(info.st_size);
        if (S_ISREG(info.st_mode) && size > max_bytes) return too_large(path, max_bytes);
        out.reserve(static_cast<std::size_t>(std::min<std::uint64_t>(size, max_bytes)));
    }
    char buffer[16384];
    for (;;) {
        const ssize_t n = ::read(fd, buffer, sizeof buffer);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return os_failure(path.string(), errno);
        if (n == 0) return out;
        if (out.size() + static_cast<std::size_t>(n) > max_bytes) return too_large(path, max_bytes);
        out.append(buffer, static_cast<std::size_t>(n));
    }
}

Error foreign(const fs::path& path, uid_t owner) {
    return {ErrorCode::denied, fmt::format("{} belongs to another user (uid {})", path.string(), owner)};
}

Error link_error(const fs::path& path) {
    return {
        ErrorCode::denied,
        fmt::format("{} is a link, and none is followed here; look at where it leads, and remove it", path.string()),
        ELOOP};
}

}  // namespace

Result<std::string> read_file(const fs::path& path, std::size_t max_bytes) {
    auto fd = open_file(path, O_RDONLY);
    if (!fd) return fd.error();
    return read_all(fd->get(), path, max_bytes);
}

Result<UniqueFd> open_own_file(const fs::path& path, int flags, mode_t mode) {
    // What it is can be asked only of what is open already.
    auto fd = open_file(path, flags | O_NOFOLLOW | O_NONBLOCK, mode);
    std::error_code untold;
    if (!fd && fd.error().os_error == ELOOP && fs::is_symlink(path, untold)) return link_error(path);
    if (!fd) return fd.error();
    struct stat info {};
    if (::fstat(fd->get(), &info) != 0) return os_failure(path.string(), errno);
    if (info.st_uid != ::geteuid()) return foreign(path, info.st_uid);
    if (!S_ISREG(info.st_mode))
        return Error{ErrorCode::denied,
                     fmt::format("{} is no regular file; look at what it is, and remove it", path.string())};
    return fd;
}

Result<std::string> read_own_file(const fs::path& path, std::size_t max_bytes) {
    auto fd = open_own_file(path, O_RDONLY);
    if (!fd) return fd.error();
    return read_all(fd->get(), path, max_bytes);
}

Result<UniqueFd> open_trusted_file(const fs::path& path) {
    auto fd = open_file(path, O_RDONLY | O_NONBLOCK);
    if (!fd) return fd.error();
    struct stat info {};
    if (::fstat(fd->get(), &info) != 0) return os_failure(path.string(), errno);
    if (!S_ISREG(info.st_mode)) return Error{ErrorCode::denied, fmt::format("{} is no regular file", path.string())};
    if (info.st_uid != ::geteuid() && info.st_uid != 0) return foreign(path, info.st_uid);
    if ((info.st_mode & S_IWOTH) != 0)
        return Error{
            ErrorCode::denied,
            fmt::format("{} may be written by everybody (mode {:04o}); look at what it says, then: chmod o-w {}",
                        path.string(), info.st_mode & 07777, shell_quote(path.native()))};
    return fd;
}

Result<std::string> read_trusted_file(const fs::path& path, std::size_t max_bytes) {
    const auto fd = open_trusted_file(path);
    if (!fd) return fd.error();
    return read_all(fd->get(), path, max_bytes);
}

Result<void> check_own_entries(const fs::path& directory) {
    std::error_code failed;
    for (fs::directory_iterator entry(directory, failed), end; !failed && entry != end; entry.increment(failed)) {
        struct stat info {};
        if (::lstat(entry->path().c_str(), &info) != 0) {
            if (errno == ENOENT) continue;
            return os_failure(entry->path().string(), errno);
        }
        if (info.st_uid != ::geteuid()) {
            Error error = foreign(entry->path(), info.st_uid);
            error.message += "; look at what it is, and remove it";
            return error;
        }
        if (S_ISLNK(info.st_mode)) return link_error(entry->path());
        if (!S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode) && !S_ISSOCK(info.st_mode))
            return Error{ErrorCode::denied, fmt::format("{} is neither a file nor a directory; look at what it is, and "
                                                        "remove it",
                                                        entry->path().string())};
    }
    if (failed) return os_failure(directory.string(), failed.value());
    return boost::system::in_place_value;
}

Result<void> check_own_directory(const fs::path& path) {
    struct stat info {};
    if (::lstat(path.c_str(), &info) != 0) return os_failure(path.string(), errno);
    if (info.st_uid != ::geteuid()) return foreign(path, info.st_uid);
    if (!S_ISDIR(info.st_mode)) return Error{ErrorCode::denied, fmt::format("{} is no directory", path.string())};
    return boost::system::in_place_value;
}

std::string open_parent_text(const fs::path& path) {
    for (fs::path above = path.parent_path();; above = above.parent_path()) {
        struct stat info {};
        if (above.empty() || ::stat(above.c_str(), &info) != 0) return {};
        if (info.st_uid != ::geteuid() && info.st_uid != 0)
            return fmt::format("{} belongs to another user (uid {}), who can put another directory in the place of {}",
                               above.string(), info.st_uid, path.string());
        const mode_t others = info.st_gid == ::getegid() || info.st_gid == 0 ? S_IWOTH : S_IWOTH | S_IWGRP;
        if ((info.st_mode & others) != 0 && (info.st_mode & S_ISVTX) == 0)
            return fmt::format(
                "others may write {} (mode {:04o}), and put another directory in the place of {}; close "
                "it: chmod go-w {}",
                above.string(), info.st_mode & 07777, path.string(), shell_quote(above.native()));
        if (above == above.parent_path()) return {};
    }
}

int write_all(int fd, std::string_view bytes) noexcept {
    while (!bytes.empty()) {
        const ssize_t n = ::write(fd, bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno;
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return 0;
}

Result<void> atomic_write(const fs::path& path, std::string_view bytes, mode_t mode) {
    const auto written = atomic_write_if(path, bytes, mode, [] { return true; });
    if (!written) return written.error();
    return boost::system::in_place_value;
}

Result<bool> atomic_write_if(const fs::path& path, std::string_view bytes, mode_t mode,
                             const std::function<bool()>& may_replace) {
    std::uint8_t salt[8];
    fill_random(salt);
    const fs::path temporary = path.parent_path() / fmt::format(".{}.{}", path.filename().string(), to_hex(salt));
    auto fd = open_file(temporary, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (!fd) return fd.error();
    int failed = write_all(fd->get(), bytes);
    if (failed == 0 && mode != 0600 && ::fchmod(fd->get(), mode) != 0) failed = errno;
    if (failed == 0 && ::fsync(fd->get()) != 0) failed = errno;
    if (failed == 0 && !may_replace()) {
        ::unlink(temporary.c_str());
        return false;
    }
    if (failed == 0 && ::rename(temporary.c_str(), path.c_str()) != 0) failed = errno;
    if (failed != 0) {
        ::unlink(temporary.c_str());
        return os_failure(path.string(), failed);
    }
    if (const auto synced = sync_directory(path.parent_path()); !synced) return synced.error();
    return true;
}

std::optional<Error> lack_of_room(const fs::path& directory, int os_error) {
    struct statvfs facts {};
    const bool is_known = ::statvfs(directory.c_str(), &facts) == 0;
    if (os_error == EROFS || (is_known && (facts.f_flag & ST_RDONLY) != 0))
        return Error{
            ErrorCode::io,
            fmt::format("{} is on a file system that is mounted read-only; make it writable again", directory.string()),
            EROFS};
    if (os_error == EDQUOT)
        return Error{ErrorCode::io, fmt::format("your quota at {} is used up; free space there", directory.string()),
                     EDQUOT};
    if (os_error != ENOSPC) return std::nullopt;
    constexpr std::uint64_t few_files = 8;
    const bool lacks_inodes = is_known && facts.f_files > 0 && facts.f_favail < few_files && facts.f_bavail > 0;
    return Error{ErrorCode::io,
                 fmt::format("disk full at {}{}", directory.string(),
                             lacks_inodes ? ": it takes no more files; remove some there" : "; free space there"),
                 ENOSPC};
}

bool is_lack_of_room(const Error& error) noexcept {
    return error.os_error == ENOSPC || error.os_error == EDQUOT || error.os_error == EROFS;
}

Result<void> sync_directory(const fs::path& path) {
    auto fd = open_file(path, O_RDONLY | O_DIRECTORY);
    if (!fd) return fd.error();
    // EINVAL: the file system has nothing to sync there.
    if (::fsync(fd->get()) != 0 && errno != EINVAL) return os_failure(path.string(), errno);
    return boost::system::in_place_value;
}

Result<void> check_private_directory(const fs::path& path) {
    struct stat info {};
    if (::lstat(path.c_str(), &info) != 0) {
        if (errno == ENOENT) return boost::system::in_place_value;
        return os_failure(path.string(), errno);
    }
    if (S_ISLNK(info.st_mode))
        return Error{ErrorCode::denied, fmt::format("{} is a symbolic link; give the real directory", path.string())};
    if (!S_ISDIR(info.st_mode)) return Error{ErrorCode::denied, fmt::format("{} is not a directory", path.string())};
    if (info.st_uid != ::geteuid()) return foreign(path, info.st_uid);
    std::error_code ignored;
    if ((info.st_mode & 022) != 0 && !fs::is_empty(path, ignored))
        return Error{ErrorCode::denied,
                     fmt::format("{} may be written by others (mode {:04o}), and what they put there would count as "
                                 "yours; look at what is there, then close it with: chmod 700 {}",
                                 path.string(), info.st_mode & 07777, shell_quote(path.native()))};
    return boost::system::in_place_value;
}

Result<void> make_private_directory(const fs::path& path) {
    if (path.has_parent_path() && path.parent_path() != path) {
        struct stat parent {};
        if (::stat(path.parent_path().c_str(), &parent) != 0) {
            if (errno != ENOENT) return os_failure(path.parent_path().string(), errno);
            if (auto made = make_private_directory(path.parent_path()); !made) return made.error();
        }
    }
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
        return Error{ErrorCode::io,
                     fmt::format("cannot create {}: {}", path.string(), os_failure("", errno).message.substr(2)),
                     errno};
    if (auto checked = check_private_directory(path); !checked) return checked;
    struct stat info {};
    if (::lstat(path.c_str(), &info) != 0) return os_failure(path.string(), errno);
    if ((info.st_mode & 077) != 0 && ::chmod(path.c_str(), 0700) != 0) return os_failure(path.string(), errno);
    if (::access(path.c_str(), R_OK | W_OK | X_OK) != 0 && errno != EROFS)
        return Error{ErrorCode::io,
                     fmt::format("{} is not writable: {}", path.string(), os_failure("", errno).message.substr(2)),
                     errno};
    return boost::system::in_place_value;
}

void ensure_standard_descriptors() noexcept {
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
        if (::fcntl(fd, F_GETFD) < 0) ::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

std::string socket_path_through(int directory, std::string_view name) {
    return fmt::format("/proc/self/fd/{}/{}", directory, name);
}

}  // namespace persistproc::base
