#pragma once
/// One log as lines, for a merge: what was recorded up to a place first, and then, if it is followed, what comes.
#include <deque>
#include <filesystem>
#include <optional>

#include "common/logstore/line_filter.hpp"
#include "common/logstore/merge.hpp"

namespace persistproc::logstore {

/// Blocks on the disk; one thread at a time.
class LineFollower final : public EntrySource {
public:
    /// From position `begin` on. The directory may not exist yet.
    LineFollower(std::filesystem::path log_directory, StreamChoice choice, LineFilter filter, std::uint64_t begin);
    ~LineFollower() override;

    /// Gives nothing from position `end` on. `is_final`: nothing will ever be asked for from there on, so that an
    /// unfinished line there is given as it is.
    void stop_at(std::uint64_t end, bool is_final);
    /// Goes on where it was stopped. The merge is to be told (`wake`).
    void go_on();

    /// Events other than the begin and the end of a run, and that it is asked to end, are left out.
    Result<Reading> read_more(std::size_t max_bytes) override;

private:
    class Lines;

    Follower follower_;
    std::unique_ptr<Lines> lines_;
    std::deque<Follower::Item> held_;  // read, and not given yet
    std::optional<std::uint64_t> end_;
    bool is_final_ = false;
};

}  // namespace persistproc::logstore
