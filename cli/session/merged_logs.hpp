#pragma once
/// Several logs that are read as one in a terminal: first what there is, then what comes.
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "cli/client.hpp"
#include "cli/context.hpp"
#include "cli/format/merged_text.hpp"
#include "common/logstore/line_follower.hpp"

namespace persistproc::cli::session {

class MergedLogs {
public:
    struct Log {
        ProcessView view;  // as it was known when the log was added
        std::filesystem::path directory;
        logstore::LineFollower* lines = nullptr;  // the merge's
        std::vector<logstore::Line> events;  // of what `show_recorded` has passed, of the view's run and later ones
    };

    MergedLogs(format::MergedStyle style, logstore::StreamChoice stream, logstore::LineFilter filter)
        : text(std::move(style)), stream_(stream), filter_(std::move(filter)) {}

    /// From position `begin` on. Returns its number, which merge, text and `logs` share.
    std::size_t add(ProcessView view, std::filesystem::path directory, std::uint64_t begin);

    /// Prints what the logs hold up to where each was stopped: the newest `lines` of all together, or all of it (0).
    /// Blocks. Returns the exit status: not 0 where a log could not be read.
    int show_recorded(const Console& console, std::uint64_t lines);

    /// Whether `show_recorded` had anything for stdout.
    bool has_shown() const { return has_shown_; }

    logstore::Merge merge;
    format::MergedText text;
    std::vector<Log> logs;

private:
    void show(const Console& console, const logstore::MergedEntry& entry, std::string& held);

    logstore::StreamChoice stream_;
    logstore::LineFilter filter_;
    std::vector<format::Chunk> chunks_;  // of the entry that is shown
    int status_ = 0;
    bool has_shown_ = false;
};

/// Which processes join in that have started meanwhile.
struct Joining {
    WallTime since{};              // when the logs were chosen
    bool all = false;              // every one
    std::set<std::string> labels;  // else those that stand under one of these in place of one that was removed
};

/// Goes on behind what was shown. Ends when every process has ended for good, or, where all may join in, never. A
/// signal or a reader that has gone ends it, too. `client` may be lost and found again; the logs go on being shown
/// meanwhile. Returns the exit status.
Task<int> follow_merged(Context context, std::unique_ptr<MergedLogs> logs, std::unique_ptr<DaemonClient> client,
                        Joining joining);

}  // namespace persistproc::cli::session
