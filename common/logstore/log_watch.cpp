#include <sys/inotify.h>
#include <unistd.h>

#include <cerrno>

#include "common/base/unique_fd.hpp"
#include "common/logstore/reader.hpp"

namespace persistproc::logstore {

Result<LogWatch> LogWatch::open(const std::filesystem::path& log_directory) {
    base::UniqueFd fd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (!fd) return base::os_failure("inotify", errno);
    if (::inotify_add_watch(fd.get(), log_directory.c_str(), IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0)
        return base::os_failure(log_directory.native(), errno);
    return LogWatch(std::move(fd));
}

void LogWatch::drain() noexcept {
    alignas(inotify_event) char events[4096];
    while (::read(fd_.get(), events, sizeof events) > 0) {
    }
}

int LogWatch::fd() const noexcept { return fd_.get(); }

}  // namespace persistproc::logstore
