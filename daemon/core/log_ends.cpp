#include "daemon/core/log_ends.hpp"

#include <algorithm>
#include <tuple>

namespace persistproc::core {

namespace {

constexpr std::int64_t step_ns = 20'000'000;  // twice the longest tick of Linux
constexpr std::size_t most_known = 16'384;    // what was removed meanwhile is among them

auto as_tuple(const timespec& time) { return std::tuple(time.tv_sec, time.tv_nsec); }

std::int64_t as_ns(const timespec& time) { return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec; }

}  // namespace

bool LogEnds::Stamp::operator==(const Stamp& other) const noexcept {
    const auto all = [](const Stamp& each) {
        return std::tuple(each.directory, each.index, as_tuple(each.directory_changed), as_tuple(each.index_changed),
                          each.index_size);
    };
    return all(*this) == all(other);
}

bool LogEnds::Stamp::tells_changes_since(std::int64_t time_ns) const noexcept {
    return std::max(as_ns(directory_changed), as_ns(index_changed)) + step_ns < time_ns;
}

LogEnds::Stamp LogEnds::stamp_of(const std::filesystem::path& log_directory,
                                 const std::string& newest_segment) noexcept {
    Stamp out;
    struct stat facts {};
    if (::lstat(log_directory.c_str(), &facts) == 0) {
        out.directory = facts.st_ino;
        out.directory_changed = facts.st_ctim;
    }
    std::filesystem::path index = newest_segment;
    index.replace_extension(".idx");
    if (!newest_segment.empty() && ::lstat(index.c_str(), &facts) == 0) {
        out.index = facts.st_ino;
        out.index_changed = facts.st_ctim;
        out.index_size = facts.st_size;
    }
    return out;
}

Result<logstore::LogEnd> LogEnds::find(ProcessId id, const std::filesystem::path& log_directory, base::WallTime now) {
    const auto known = known_.find(id);
    if (known != known_.end() && known->second.stamp == stamp_of(log_directory, known->second.end.newest_segment))
        return known->second.end;
    auto end = logstore::find_log_end(log_directory);
    if (known != known_.end()) known_.erase(known);
    if (!end) return end;
    const Stamp stamp = stamp_of(log_directory, end->newest_segment);
    if (!stamp.tells_changes_since(base::to_ns(now))) return end;
    if (known_.size() >= most_known) known_.clear();
    known_.emplace(id, Known{*end, stamp});
    return end;
}

}  // namespace persistproc::core
