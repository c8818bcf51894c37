#include "common/logstore/log_watch.hpp"

#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "common/logstore/segment.hpp"
#include "common/logstore/segment_files.hpp"

namespace persistproc::logstore {

namespace {

// The writer makes another directory within a second.
constexpr int look_interval_ms = 100, looks_after_removal = 20;

constexpr std::uint32_t changes = IN_MODIFY | IN_CREATE | IN_MOVED_TO;

}  // namespace

Result<LogWatch> LogWatch::open(const std::filesystem::path& log_directory) {
    base::UniqueFd fd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (!fd) return base::os_failure("inotify", errno);
    struct stat facts {};
    if (::inotify_add_watch(fd.get(), log_directory.c_str(), changes | IN_DELETE) < 0 ||
        ::stat(log_directory.c_str(), &facts) != 0)
        return base::os_failure(log_directory.native(), errno);
    LogWatch watch(std::move(fd), log_directory);
    watch.device_ = facts.st_dev;
    watch.inode_ = facts.st_ino;
    return watch;
}

bool LogWatch::drain() noexcept {
    alignas(inotify_event) char events[4096];
    for (;;) {
        const auto got = ::read(fd_.get(), events, sizeof events);
        if (got <= 0) break;
        for (const char* at = events; at < events + got;) {
            inotify_event event;
            std::memcpy(&event, at, sizeof event);
            at += sizeof event + event.len;
            // An overflow may have swallowed a removal.
            if ((event.mask & (IN_DELETE | IN_IGNORED | IN_Q_OVERFLOW)) != 0) looks_left_ = looks_after_removal;
        }
    }
    if (looks_left_ == 0) return true;
    struct stat facts {};
    return ::stat(path_.c_str(), &facts) == 0 && facts.st_dev == device_ && facts.st_ino == inode_;
}

int LogWatch::patience_ms() noexcept {
    if (looks_left_ == 0) return -1;
    --looks_left_;
    return look_interval_ms;
}

int LogWatch::fd() const noexcept { return fd_.get(); }

Result<LogWatches> LogWatches::open() {
    base::UniqueFd fd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (!fd) return base::os_failure("inotify", errno);
    return LogWatches(std::move(fd));
}

Result<int> LogWatches::add(const std::filesystem::path& log_directory) {
    const int watch = ::inotify_add_watch(fd_.get(), log_directory.c_str(), changes);
    if (watch < 0) return base::os_failure(log_directory.native(), errno);
    return watch;
}

void LogWatches::remove(int watch) noexcept { ::inotify_rm_watch(fd_.get(), watch); }

int LogWatches::fd() const noexcept { return fd_.get(); }

LogWatches::Changes LogWatches::take() {
    Changes out;
    alignas(inotify_event) char events[16384];
    for (;;) {
        const auto got = ::read(fd_.get(), events, sizeof events);
        if (got <= 0) break;
        for (const char* at = events; at < events + got;) {
            inotify_event event;
            std::memcpy(&event, at, sizeof event);
            at += sizeof event + event.len;
            if ((event.mask & IN_Q_OVERFLOW) != 0) {
                out.overflowed = true;
                continue;
            }
            out.changed.push_back(event.wd);
            if ((event.mask & IN_IGNORED) != 0) out.gone.push_back(event.wd);
        }
    }
    std::sort(out.changed.begin(), out.changed.end());
    out.changed.erase(std::unique(out.changed.begin(), out.changed.end()), out.changed.end());
    return out;
}

LogStamp find_log_stamp(const std::filesystem::path& log_directory) {
    LogStamp stamp;
    const auto numbers = list_segments(log_directory);
    if (!numbers || numbers->empty()) return stamp;
    struct stat facts {};
    if (::stat((log_directory / SegmentName(numbers->back(), ".idx").c_str()).c_str(), &facts) != 0) return stamp;
    stamp.segment = numbers->back();
    stamp.bytes = facts.st_size;
    stamp.changed_ns = facts.st_mtim.tv_sec * 1'000'000'000 + facts.st_mtim.tv_nsec;
    return stamp;
}

}  // namespace persistproc::logstore
