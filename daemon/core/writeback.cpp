#include "daemon/core/writeback.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <iterator>
#include <utility>

#include "common/base/diagnostics.hpp"
#include "common/base/file.hpp"
#include "common/base/unique_fd.hpp"

namespace persistproc::core {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t most_open = 64;  // files

/// What lies in a directory stands before it: no name is durable before what it names.
void keep_one_of_each(std::vector<fs::path>& paths) {
    std::sort(paths.begin(), paths.end(), std::greater<>());
    paths.erase(std::unique(paths.begin(), paths.end()), paths.end());
}

bool is_gone(int error) { return error == ENOENT || error == ENOTDIR; }

void report(const fs::path& path, int error) {
    base::report(base::Severity::warning, "{}; a power cut may take it back",
                 base::os_failure("sync " + path.string(), error).message);
}

/// Writing is begun for all before the first is waited for: they then share commits of the file system's journal.
bool sync_files(const fs::path* begin, const fs::path* end) {
    bool is_done = true;
    std::vector<std::pair<const fs::path*, base::UniqueFd>> open;
    for (const fs::path* each = begin; each != end; ++each) {
        base::UniqueFd fd(::open(each->c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
        if (fd) {
            ::sync_file_range(fd.get(), 0, 0, SYNC_FILE_RANGE_WRITE);
            open.emplace_back(each, std::move(fd));
        } else if (!is_gone(errno)) {
            report(*each, errno);
            is_done = false;
        }
    }
    for (const auto& [path, fd] : open) {
        if (::fdatasync(fd.get()) == 0) continue;
        report(*path, errno);
        is_done = false;
    }
    return is_done;
}

bool sync_directory(const fs::path& path) {
    const base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    // EINVAL: the file system has nothing to sync there.
    if (fd ? ::fsync(fd.get()) == 0 || errno == EINVAL : is_gone(errno)) return true;
    report(path, errno);
    return false;
}

}  // namespace

Writeback::Writeback(std::chrono::milliseconds delay) : delay_(delay), thread_([this] { work(); }) {}

Writeback::~Writeback() {
    {
        const std::lock_guard lock(mutex_);
        is_leaving_ = true;
    }
    changed_.notify_all();
    thread_.join();
}

std::uint64_t Writeback::add(Unsynced what) {
    std::unique_lock lock(mutex_);
    const bool is_first = waiting_.files.empty() && waiting_.directories.empty();
    std::move(what.files.begin(), what.files.end(), std::back_inserter(waiting_.files));
    std::move(what.directories.begin(), what.directories.end(), std::back_inserter(waiting_.directories));
    if (what.told) to_tell_.push_back(std::move(what.told));
    const std::uint64_t pass = next_pass_;
    if (!is_first) return pass;
    due_ = std::chrono::steady_clock::now() + delay_;
    // Woken with the lock in other hands, it would take the processor only to wait for that.
    lock.unlock();
    changed_.notify_all();
    return pass;
}

bool Writeback::is_over(std::uint64_t pass) const {
    const std::lock_guard lock(mutex_);
    return pass <= last_over_;
}

bool Writeback::is_durable(std::uint64_t pass) const {
    const std::lock_guard lock(mutex_);
    return pass <= last_over_ && pass > last_failed_;
}

void Writeback::work() {
    std::unique_lock lock(mutex_);
    const auto has_work = [this] { return !waiting_.files.empty() || !waiting_.directories.empty(); };
    for (;;) {
        changed_.wait(lock, [&] { return is_leaving_ || has_work(); });
        if (!has_work()) return;
        changed_.wait_until(lock, due_, [this] { return is_leaving_; });
        Unsynced what = std::exchange(waiting_, {});
        const auto to_tell = std::exchange(to_tell_, {});
        const std::uint64_t pass = next_pass_++;
        lock.unlock();
        const bool is_done = sync(std::move(what));
        for (const auto& tell : to_tell) tell(is_done);
        lock.lock();
        if (!is_done) last_failed_ = pass;
        last_over_ = pass;
    }
}

bool Writeback::sync(Unsynced what) {
    keep_one_of_each(what.files);
    keep_one_of_each(what.directories);
    bool is_done = true;
    for (std::size_t at = 0; at < what.files.size(); at += most_open) {
        const fs::path* const begin = what.files.data() + at;
        is_done = sync_files(begin, begin + std::min(most_open, what.files.size() - at)) && is_done;
    }
    for (const auto& each : what.directories) is_done = sync_directory(each) && is_done;
    return is_done;
}

}  // namespace persistproc::core
