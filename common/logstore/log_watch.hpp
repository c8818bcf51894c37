#pragma once
/// How a reader hears that a log has grown: inotify(7) on its directory, or, where the kernel gives no instance or
/// watch, a stamp to compare now and then. Spurious wake-ups happen; missed ones do not (a record is written before the
/// notification), except of what the kernel dropped: then everything that is watched may have changed.
#include <cstdint>
#include <filesystem>
#include <vector>

#include "common/base/result.hpp"
#include "common/base/unique_fd.hpp"

namespace persistproc::logstore {

/// One log directory: readable when the log may have grown. The directory must exist.
class LogWatch {
public:
    /// Errors: io.
    static Result<LogWatch> open(const std::filesystem::path& log_directory);
    int fd() const noexcept;
    /// Takes the pending notifications (non-blocking). False: the directory is not there any more, or another one is in
    /// its place: another watch is needed.
    bool drain() noexcept;
    /// How long to wait for `fd` at most, as poll(2) takes it: of a directory the kernel does not tell that it is
    /// removed while somebody has one of its files open, so that after removals within it `drain` is to look a few
    /// times.
    int patience_ms() noexcept;

private:
    LogWatch(base::UniqueFd fd, std::filesystem::path path) noexcept : fd_(std::move(fd)), path_(std::move(path)) {}
    base::UniqueFd fd_;
    std::filesystem::path path_;
    std::uint64_t device_ = 0, inode_ = 0;
    int looks_left_ = 0;
};

/// As LogWatch, of many log directories with one inotify instance.
class LogWatches {
public:
    struct Changes {
        std::vector<int> changed;  // watches, each once, in rising order
        std::vector<int> gone;     // of them: the directory is there no more, and the number means nothing from now on
        bool overflowed = false;   // the kernel dropped notifications: of any directory, of any kind
    };

    /// Errors: io.
    static Result<LogWatches> open();
    /// The number of the watch, the same for the same directory. Errors: io.
    Result<int> add(const std::filesystem::path& log_directory);
    void remove(int watch) noexcept;
    int fd() const noexcept;
    /// Takes the pending notifications (non-blocking).
    Changes take();

private:
    explicit LogWatches(base::UniqueFd fd) noexcept : fd_(std::move(fd)) {}
    base::UniqueFd fd_;
};

/// Changes whenever the log grows.
struct LogStamp {
    std::uint32_t segment = 0;  // the newest; 0: there is none
    std::int64_t bytes = 0;     // of its index
    std::int64_t changed_ns = 0;
    friend bool operator==(const LogStamp&, const LogStamp&) = default;
};
/// Lists the directory and asks for one file's facts. Blocks on the disk; any thread.
LogStamp find_log_stamp(const std::filesystem::path& log_directory);

}  // namespace persistproc::logstore
