#pragma once
/// The ends of many logs, asked for again and again: a log that has not changed since is not read again. Blocks on the
/// disk; one thread at a time.
#include <sys/stat.h>

#include <filesystem>
#include <map>
#include <string>

#include "common/base/time.hpp"
#include "common/domain/process.hpp"
#include "common/logstore/reader.hpp"

namespace persistproc::core {

class LogEnds {
public:
    /// As logstore::find_log_end, by two system calls where nothing has changed. `id` names the log from call to call;
    /// `now` is the wall clock.
    Result<logstore::LogEnd> find(ProcessId id, const std::filesystem::path& log_directory, base::WallTime now);

private:
    /// By what a change shows: a segment that comes or goes changes the directory, a record the index of the newest.
    struct Stamp {
        ino_t directory = 0, index = 0;
        timespec directory_changed{}, index_changed{};
        off_t index_size = 0;

        bool operator==(const Stamp& other) const noexcept;
        /// Whether whatever has changed since `time_ns` (wall clock) has changed this: times of files go in steps of
        /// the kernel's clock tick.
        bool tells_changes_since(std::int64_t time_ns) const noexcept;
    };
    struct Known {
        logstore::LogEnd end;
        Stamp stamp;
    };

    static Stamp stamp_of(const std::filesystem::path& log_directory, const std::string& newest_segment) noexcept;

    std::map<ProcessId, Known> known_;
};

}  // namespace persistproc::core
