#pragma once
/// Files and directories in the few ways this program uses them. All calls block on the disk; errors are `io`
/// (or what is said) and name the path. Every descriptor opened is close-on-exec.
#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.hpp"
#include "common/base/unique_fd.hpp"

namespace persistproc::base {

/// open(2) with O_CLOEXEC added; `mode` is used with O_CREAT.
Result<UniqueFd> open_file(const std::filesystem::path& path, int flags, mode_t mode = 0600);

/// As `open_file`, of a regular file that belongs to this user, through no symbolic link; another's FIFO keeps nobody
/// waiting. Errors besides: denied.
Result<UniqueFd> open_own_file(const std::filesystem::path& path, int flags, mode_t mode = 0600);

/// The whole file, at most `max_bytes`. Errors: io, not_found (no such file), invalid (larger than `max_bytes`).
Result<std::string> read_file(const std::filesystem::path& path, std::size_t max_bytes = 64u << 20);

/// As `read_file`, of a regular file that belongs to this user, through no symbolic link. Errors besides: denied.
Result<std::string> read_own_file(const std::filesystem::path& path, std::size_t max_bytes = 64u << 20);
/// To read a regular file that belongs to this user or root, and that others cannot write: what it says is obeyed. A
/// link is followed. Errors besides: denied.
Result<UniqueFd> open_trusted_file(const std::filesystem::path& path);
/// As `read_file`, of such a file.
Result<std::string> read_trusted_file(const std::filesystem::path& path, std::size_t max_bytes = 64u << 20);
/// Whether everything directly in this directory is a regular file, a directory or a socket of this user's. Errors:
/// denied (names what is not), io.
Result<void> check_own_entries(const std::filesystem::path& directory);
/// Whether it is a directory that belongs to this user, and no symbolic link. Errors: denied, not_found, io.
Result<void> check_own_directory(const std::filesystem::path& path);

/// Which directory above `path` lets others put another in the place of what is below it, and how to close it: it
/// belongs to a user who is neither this one nor root, or may be written by others and is not sticky. By its group,
/// too, unless that is this user's own. Empty: none does, as far as a look tells.
std::string open_parent_text(const std::filesystem::path& path);

/// Writes all of `bytes`, retrying short writes and EINTR. Returns errno or 0.
int write_all(int fd, std::string_view bytes) noexcept;

/// Replaces `path` with `bytes`: temporary file beside it, fsync, rename, fsync of the directory. After a crash either
/// the old or the new content stands there. The file has this `mode`, whatever the umask.
Result<void> atomic_write(const std::filesystem::path& path, std::string_view bytes, mode_t mode = 0600);
/// The same where `may_replace` still holds once the temporary file is on the disk. Returns whether it did; else
/// nothing has changed.
Result<bool> atomic_write_if(const std::filesystem::path& path, std::string_view bytes, mode_t mode,
                             const std::function<bool()>& may_replace);

/// What a failure to write in `directory` says in one line, with the way out, where nothing can be written there now:
/// the disk is full, a quota used up, the file system read-only. `os_error` is ENOSPC, EDQUOT or EROFS then, whatever
/// it was before. No value: it failed for another reason.
std::optional<Error> lack_of_room(const std::filesystem::path& directory, int os_error);
/// Whether an error is one of `lack_of_room`, or of the kernel for that reason: it passes when there is room.
bool is_lack_of_room(const Error& error) noexcept;

/// Syncs a directory, so that names created in it survive a power cut.
Result<void> sync_directory(const std::filesystem::path& path);

/// Whether what is at `path`, if anything is, is a directory that `make_private_directory` takes. Changes nothing.
Result<void> check_private_directory(const std::filesystem::path& path);

/// Makes `path` a directory of ours: creates it (and missing parents) with mode 0700 or checks that it is a
/// directory, no symbolic link, owned by this user, and closed to others (tightened to 0700 when others may only read
/// it, or nothing is in it). One that is there on a read-only file system will do. Errors: denied (foreign, a symbolic
/// link, others may have put something there), io (cannot be created or written).
Result<void> make_private_directory(const std::filesystem::path& path);

/// Opens /dev/null in place of whichever of the descriptors 0 to 2 are closed, so that no file or socket opened later
/// is taken for one of them; the other way around, so that to read or write there still fails with EBADF. Before
/// anything else is opened.
void ensure_standard_descriptors() noexcept;

/// A path for `bind`/`connect` that fits sockaddr_un however long the directory's path is:
/// "/proc/self/fd/<directory>/<name>". `directory` must stay open during the call.
std::string socket_path_through(int directory, std::string_view name);

}  // namespace persistproc::base
