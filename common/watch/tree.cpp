#include "common/watch/tree.hpp"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "common/base/file.hpp"
#include "common/base/proc.hpp"

namespace persistproc::watch {

namespace {

namespace fs = std::filesystem;

// What is closed after it could be written, moved, made or removed: no look (IN_ACCESS, IN_ATTRIB), and not each write
// of one that is still being written (IN_MODIFY).
constexpr std::uint32_t kinds = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE;
constexpr std::uint32_t how = IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK;

constexpr std::size_t longest_ignore_file = 1u << 20;
constexpr int deepest = 128;

void read_ignore_file(Filter& filter, const fs::path& directory) {
    const auto text = base::read_file(directory / ".gitignore", longest_ignore_file);
    if (text) filter.add_ignore_file(directory.native(), *text);
}

/// The directory at or above this one that holds `.git`.
std::string find_repository(const fs::path& directory) {
    for (fs::path at = directory;; at = at.parent_path()) {
        struct stat facts {};
        if (::lstat((at / ".git").c_str(), &facts) == 0) return at.native();
        if (at == at.parent_path()) return {};
    }
}

struct Walk {
    Filter& filter;
    Tree& tree;

    void enter(const fs::path& directory, int depth) {
        if (tree.directories.size() >= most_directories) {
            tree.is_cut = true;
            return;
        }
        tree.directories.push_back(directory.native());
        read_ignore_file(filter, directory);
        std::error_code failed;
        fs::directory_iterator entries(directory, fs::directory_options::skip_permission_denied, failed);
        std::vector<fs::path> below;
        while (!failed && entries != fs::directory_iterator()) {
            const fs::path& path = entries->path();
            std::error_code unknown;
            const auto type = entries->symlink_status(unknown).type();
            if (type == fs::file_type::directory) {
                if (depth < deepest && filter.enters(path.native())) below.push_back(path);
            } else if (tree.files.size() < most_files && filter.counts(path.native())) {
                if (const auto version = find_version(path.native())) tree.files.emplace(path.native(), *version);
            }
            entries.increment(failed);
        }
        for (const auto& each : below) enter(each, depth + 1);
    }
};

}  // namespace

std::optional<FileVersion> find_version(const std::string& file) {
    struct stat facts {};
    if (::lstat(file.c_str(), &facts) != 0) return std::nullopt;
    return FileVersion{facts.st_mtim.tv_sec * std::int64_t{1'000'000'000} + facts.st_mtim.tv_nsec, facts.st_size};
}

Tree walk(Filter& filter, const std::string& directory) {
    Tree out;
    out.repository = find_repository(directory);
    const fs::path root = directory;
    if (directory == filter.wish().root && !out.repository.empty()) {
        std::vector<fs::path> above;
        for (fs::path at = root; at.native() != out.repository; at = at.parent_path())
            above.push_back(at.parent_path());
        for (auto at = above.rbegin(); at != above.rend(); ++at) read_ignore_file(filter, *at);
    }
    Walk walking{filter, out};
    struct stat facts {};
    if (::lstat(root.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode)) walking.enter(root, 0);
    return out;
}

bool is_git_busy(const std::string& repository) {
    if (repository.empty()) return false;
    fs::path git = fs::path(repository) / ".git";
    struct stat facts {};
    // A linked worktree has a file there, which says where.
    if (::lstat(git.c_str(), &facts) == 0 && S_ISREG(facts.st_mode)) {
        constexpr std::string_view key = "gitdir: ";
        const auto text = base::read_file(git, 8192);
        if (!text || !text->starts_with(key)) return false;
        const std::string_view line = std::string_view(*text).substr(key.size());
        git = fs::path(repository) / line.substr(0, line.find('\n'));
    }
    return ::lstat((git / "index.lock").c_str(), &facts) == 0;
}

Result<DirectoryWatches> DirectoryWatches::open() {
    base::UniqueFd fd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (fd) return DirectoryWatches(std::move(fd));
    if (errno == EMFILE)
        return Error{ErrorCode::limit,
                     "this user's inotify instances are used up: sysctl fs.inotify.max_user_instances raises them"};
    return base::os_failure("inotify", errno);
}

Result<int> DirectoryWatches::add(const std::string& directory) const {
    const int watch = ::inotify_add_watch(fd_.get(), directory.c_str(), kinds | how);
    if (watch >= 0) return watch;
    if (errno == ENOSPC)
        return Error{ErrorCode::limit,
                     "this user's inotify watches are used up: sysctl fs.inotify.max_user_watches raises them"};
    auto failed = base::os_failure(directory, errno);
    if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP) failed.code = ErrorCode::not_found;
    return failed;
}

void DirectoryWatches::remove(int watch) const noexcept { ::inotify_rm_watch(fd_.get(), watch); }

DirectoryWatches::Changes DirectoryWatches::take() {
    Changes out;
    alignas(inotify_event) char events[65536];
    // What a flood holds is taken by turns: its reader is told again.
    const auto got = ::read(fd_.get(), events, sizeof events);
    for (const char* at = events; got > 0 && at < events + got;) {
        inotify_event event;
        std::memcpy(&event, at, sizeof event);
        const char* const name = at + sizeof event;
        at += sizeof event + event.len;
        if ((event.mask & IN_Q_OVERFLOW) != 0) {
            out.overflowed = true;
        } else if ((event.mask & IN_IGNORED) != 0) {
            out.ended.push_back(event.wd);
        } else if (event.len > 0) {
            out.events.push_back({.watch = event.wd,
                                  .name = std::string(name, ::strnlen(name, event.len)),
                                  .is_directory = (event.mask & IN_ISDIR) != 0,
                                  .has_come = (event.mask & (IN_CREATE | IN_MOVED_TO)) != 0,
                                  .has_gone = (event.mask & (IN_DELETE | IN_MOVED_FROM)) != 0});
        }
    }
    return out;
}

std::size_t find_watch_bound() { return std::max<std::size_t>(base::max_user_watches() / 4, 1); }

}  // namespace persistproc::watch
