#pragma once
/// The directories of a watch on disk, and the kernel's word of what changes in them (inotify(7)).
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/base/unique_fd.hpp"
#include "common/watch/filter.hpp"

namespace persistproc::watch {

/// What of a file is another when its content is: neither a look nor a `touch -a` changes it.
struct FileVersion {
    std::int64_t modified_ns = 0;  // since 1970
    std::int64_t bytes = 0;
    friend bool operator==(const FileVersion&, const FileVersion&) = default;
};

/// Nothing: it is not there, or cannot be looked at. Blocks on the disk.
std::optional<FileVersion> find_version(const std::string& file);

/// Of one watch: what is known of more would need too much memory.
inline constexpr std::size_t most_files = 100'000;

/// What a walk has found.
struct Tree {
    std::vector<std::string> directories;      // below which a change may count, the root first
    std::map<std::string, FileVersion> files;  // that count; `most_files` at most
    std::string repository;                    // the directory that holds `.git`; empty: none above the root does
    bool is_cut = false;                       // there are more than `most_directories`
};

/// Of one watch: each costs the kernel memory, and all of a user's programs share a bound (max_user_watches).
inline constexpr std::size_t most_directories = 8192;

/// Walks the directory, which is the root or below it, and tells the filter of the .gitignore files on the way, at the
/// root also of those above it. Links are not followed. Blocks on the disk; what cannot be read is left out.
Tree walk(Filter& filter, const std::string& directory);

/// Whether git is changing files of the repository now. Blocks on the disk.
bool is_git_busy(const std::string& repository);

/// Many directories with one inotify instance. `add` and `remove` from any thread, the rest from one.
class DirectoryWatches {
public:
    struct Event {
        int watch = -1;
        std::string name;
        bool is_directory = false;
        bool has_come = false;  // made, or moved here
        bool has_gone = false;  // removed, or moved away
    };
    struct Changes {
        std::vector<Event> events;
        std::vector<int> ended;   // their directories are gone; the numbers mean nothing from now on
        bool overflowed = false;  // the kernel dropped some
    };

    /// Errors: limit (the user's instances are used up), io.
    static Result<DirectoryWatches> open();
    /// The number of the watch, the same for the same directory. Errors: limit (the user's watches are used up),
    /// not_found, io.
    Result<int> add(const std::string& directory) const;
    void remove(int watch) const noexcept;
    int fd() const noexcept { return fd_.get(); }
    /// Takes what is there (non-blocking).
    Changes take();

private:
    explicit DirectoryWatches(base::UniqueFd fd) noexcept : fd_(std::move(fd)) {}
    base::UniqueFd fd_;
};

/// How many watches all of one daemon may have: a quarter of what the user may.
std::size_t find_watch_bound();

}  // namespace persistproc::watch
