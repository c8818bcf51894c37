#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "common/base/unique_fd.hpp"
#include "common/logstore/reader.hpp"

namespace persistproc::logstore {

namespace {

constexpr std::uint32_t changes = IN_MODIFY | IN_CREATE | IN_MOVED_TO;

}  // namespace

Result<LogWatch> LogWatch::open(const std::filesystem::path& log_directory) {
    base::UniqueFd fd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (!fd) return base::os_failure("inotify", errno);
    if (::inotify_add_watch(fd.get(), log_directory.c_str(), changes) < 0)
        return base::os_failure(log_directory.native(), errno);
    return LogWatch(std::move(fd));
}

void LogWatch::drain() noexcept {
    alignas(inotify_event) char events[4096];
    while (::read(fd_.get(), events, sizeof events) > 0) {
    }
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

std::vector<int> LogWatches::take() {
    std::vector<int> out;
    alignas(inotify_event) char events[16384];
    for (;;) {
        const auto got = ::read(fd_.get(), events, sizeof events);
        if (got <= 0) break;
        for (const char* at = events; at < events + got;) {
            inotify_event event;
            std::memcpy(&event, at, sizeof event);
            at += sizeof event + event.len;
            out.push_back(event.wd);
        }
    }
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
}

}  // namespace persistproc::logstore
