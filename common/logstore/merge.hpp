#pragma once
/// Several logs as one, in the order of their records' times. Pure: sources in, entries out.
///
/// No source's own order is ever changed: an entry counts as no older than what stands before it in its log, so that a
/// clock that was set back, or a time that is not known, moves nothing in front of an earlier line. What has the same
/// time comes in the order in which the sources were added. Of a source that has nothing more to give now nothing is
/// waited for.
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <queue>
#include <vector>

#include "common/logstore/reader.hpp"

namespace persistproc::logstore {

/// What a log gives that is read line by line: a line, or what is to be said between two of them (`line.event`,
/// `line.is_gap`).
struct LogEntry {
    Line line;
    std::uint64_t removed_bytes = 0;  // not 0: so much before this was removed, by the bound or by flush
    bool is_after = false;            // context behind a match
};

class EntrySource {
public:
    struct Reading {
        std::vector<LogEntry> entries;  // in the log's own order
        bool more = false;              // there may be more at once; else ask again when the log has grown
    };
    virtual ~EntrySource() = default;
    /// Looks at about `max_bytes` of the log; what is given may be nothing while there is more. An error ends the
    /// source.
    virtual Result<Reading> read_more(std::size_t max_bytes) = 0;
};

struct MergedEntry {
    std::size_t source = 0;
    LogEntry entry;
    std::optional<Error> failed;  // instead of an entry: the source cannot be read, and gives nothing more
};

class Merge {
public:
    /// Of each source about so much of its log is held.
    static constexpr std::size_t look_ahead_bytes = 16u << 10;

    struct Taken {
        std::vector<MergedEntry> entries;
        bool more = false;  // `max_bytes` were looked at before the end: take again
    };

    /// Numbers count from 0 and are not used again.
    std::size_t add(std::unique_ptr<EntrySource> source);
    /// The source may have more to give now.
    void wake(std::size_t source);
    void wake_all();
    /// Gives up the source, and what it has given that was not taken.
    void remove(std::size_t source);

    /// Whether all that the source had to give when it was woken last was taken.
    bool is_idle(std::size_t source) const;

    /// What comes next, about `max_bytes` of the logs at a time.
    Taken take(std::size_t max_bytes);

private:
    struct Slot {
        std::unique_ptr<EntrySource> source;  // null: it has failed, or was removed
        std::deque<LogEntry> entries;
        std::int64_t time_ns = 0;  // of the newest entry taken or in `heads_`
        bool is_awake = true;
        bool is_hungry = true;  // in `hungry_`
    };
    struct Head {
        std::int64_t time_ns;
        std::size_t source;
        bool operator>(const Head& other) const noexcept {
            return time_ns != other.time_ns ? time_ns > other.time_ns : source > other.source;
        }
    };

    /// Reads on where nothing is held. Returns the bytes that were looked at.
    std::size_t feed(std::size_t source, std::vector<MergedEntry>& failures);
    void show_head(std::size_t source);
    void hunger(std::size_t source);

    std::vector<Slot> slots_;
    std::priority_queue<Head, std::vector<Head>, std::greater<>> heads_;  // one of each slot that holds entries
    std::vector<std::size_t>
        hungry_;  // awake, and nothing of them is held: nothing may be chosen before they were asked
};

/// The newest of a merged view: the last `lines` that matched, with what stands between and around them.
class NewestEntries {
public:
    /// Holds no more than `max_bytes` of text: the oldest go first.
    NewestEntries(std::uint64_t lines, std::size_t max_bytes) : lines_(lines), max_bytes_(max_bytes) {}

    void take(MergedEntry entry);
    /// Oldest first. What is taken after that begins anew.
    std::deque<MergedEntry> release();
    /// Lines that were asked for and did not fit.
    std::uint64_t unfit() const noexcept { return unfit_; }

private:
    void drop_oldest();

    std::uint64_t lines_, matched_ = 0, unfit_ = 0;
    std::size_t max_bytes_, bytes_ = 0;
    std::deque<MergedEntry> kept_;
};

}  // namespace persistproc::logstore
