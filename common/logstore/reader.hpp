#pragma once
/// Reads the output of one process while a shim may be writing it. Takes no lock and changes nothing; what the
/// index does not yet name is not there. Segments that the bound removed are reported as evicted, never as an error.
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.hpp"
#include "common/base/time.hpp"
#include "common/domain/stream_choice.hpp"
#include "common/logstore/format.hpp"
#include "common/logstore/search.hpp"

namespace persistproc::logstore {

class Snapshot;
using domain::StreamChoice;

/// Bytes of a line that are not in its text, where they would stand.
struct Hole {
    std::size_t at = 0;
    std::uint64_t bytes = 0;
};

/// A line, or the last piece of one that has no end yet. In the combined view a line that the other stream interrupted
/// is two lines, in recorded order; the view of one stream joins them, and so does a search (`grep`, `exclude`), which
/// gives it where it ends. `err` sees standard error alone, `out` the rest.
struct Line {
    std::string text;  // exact bytes, without its '\n'
    Stream stream = Stream::none;
    std::uint32_t run = 0;
    std::int64_t wall_ns = 0;    // of its first piece; 0: unknown
    std::uint64_t position = 0;  // of its first byte
    std::uint64_t end = 0;       // after its last byte, '\n' included
    /// Where a page must begin to hold all of it: at `position`, or at its last piece, if the other stream has
    /// interrupted it.
    std::uint64_t resumed = 0;
    bool is_open = false;       // the last line of its stream, which may still be gone on with
    bool complete = true;       // false: no '\n' (yet), or cut because it is longer than `max_bytes`
    bool matched = true;        // false: context of a match
    std::uint64_t ordinal = 0;  // its number among the lines that were looked at; those skipped at once are not counted
    /// The part of `text` that matched: all of it, or a state of the line that was redrawn since with a carriage
    /// return.
    std::size_t match_begin = 0, match_size = std::string::npos;
    /// Bytes of it that are not in `text`, as far as that is known: those before `position`, and behind its end.
    std::uint64_t missing_before = 0, missing_after = 0;
    std::vector<Hole> holes;     // between them, in order (`longest_line` asked for)
    std::optional<Event> event;  // an event instead of output (`events` or `losses` asked for); `value` with it
    bool is_gap = false;         // output is missing here (`losses` asked for): `value` bytes
    std::int64_t value = 0;
};

struct LineQuery {
    StreamChoice stream = StreamChoice::combined;
    std::optional<std::uint64_t> from;  // position (a cursor's); nothing: the oldest byte there is
    std::optional<std::uint64_t> to;    // position: only what is printed before it
    std::optional<std::int64_t> since_ns, until_ns;
    std::optional<std::uint32_t> run;
    std::optional<std::string> grep;  // RE2, at most 1 KiB; matched against the line without colour and control bytes
    std::optional<std::string> exclude;  // as `grep`: lines that match it do not count as matches; may stand alone
    bool ignore_case = false;            // of both
    bool count_only = false;             // no line is given, only how many there are; not with `first` and `context`
    std::size_t grep_memory = max_pattern_memory;  // of each compiled pattern
    std::uint32_t context = 0;                     // lines around each match
    std::optional<std::uint32_t> context_after;    // so many behind it instead
    std::uint64_t last = 0;   // only the last N of what is asked for; 0: all. With `grep` the log is searched from its
                              // end, no further back than is needed
    std::uint64_t first = 0;  // at most the first N, then `next` goes on from there; not with `last`
    std::size_t max_bytes = 16u << 10;  // of text; when `last` is given the newest that fit, else the oldest that fit
    bool include_partial = true;        // an unfinished last line is part of the answer
    /// Bytes of a line at most: of a longer one its beginning and its end are given, and what stands around a match.
    /// 0: up to `max_bytes` of it are given, and the rest comes with the pages that follow.
    std::size_t longest_line = 0;
    std::size_t counted_line = SIZE_MAX;  // more bytes of one line than these do not count for `max_bytes`
    bool events = false;                  // events of the runs, in order
    bool losses = false;                  // what is missing, in order: gaps, take-overs and removals; not with `grep`
                                          // and `exclude`.
                                          // They are not counted as lines
};

/// How much one call may look at before it says how far it has come. Whoever asks may stop it earlier.
struct ReadBudget {
    std::uint64_t bytes = UINT64_MAX;  // of the log
    std::optional<MonoTime> until;     // std::chrono::steady_clock's
    /// Asked often, on the thread that reads: true ends it as `until` does.
    std::function<bool()> is_over = {};
    /// Of all looks at one line that is longer than one look may take; what stands behind is passed over.
    std::chrono::nanoseconds of_line = std::chrono::nanoseconds::max();
    std::stop_token stop;
};

struct LinePage {
    std::vector<Line> lines;           // oldest first
    std::uint64_t next = 0;            // position to go on from: after the last byte that was looked at
    std::uint64_t log_end = 0;         // position after the last byte that is recorded
    std::uint64_t evicted_bytes = 0;   // asked for, but removed by the bound
    std::uint64_t lost_bytes = 0;      // gaps within what was looked at
    std::uint64_t omitted_before = 0;  // lines of the asked range left out before the first one shown
    std::uint64_t matches = 0;         // among the lines that were looked at, whether they are given or not
    std::uint64_t omitted_after = 0;   // and after the last one shown (max_bytes reached): 0 or at least 1
    bool more = false;                 // `next` is not the end: call again with from = next
    bool is_spent = false;             // the budget was used up before the end: nothing is known of what comes after
    std::uint64_t passed_bytes = 0;    // of lines that took longer than the budget has for one: not looked at
    std::uint64_t unread_bytes = 0;    // is_spent: of the range asked for, from `next` on
    /// `last` with `grep`: of the range asked for, before `earlier`, as the budget was used up before enough was found.
    std::uint64_t unsearched_bytes = 0;
    /// Recorded behind what is there to be read, without an index: it was removed or damaged, or is about to be
    /// written. Looked at where the page reaches the log's end.
    std::uint64_t unindexed_bytes = 0;
    /// There are lines that may still be gone on with: what begins here sees them whole.
    std::optional<std::uint64_t> unfinished;
    /// `last` with `grep`: what stands before this was not looked at, or not given; `to` goes on from here.
    std::optional<std::uint64_t> earlier;
};

struct LogEnd {
    std::uint64_t position = 0;  // after the last recorded byte
    std::uint64_t oldest = 0;    // first byte still there
    std::uint64_t last_sequence = 0;
    std::int64_t last_output_ns = 0;  // wall time of the newest output record; 0: none yet
    std::string newest_segment;       // path of the newest .log; empty: none
};

/// End and extent of a log: a few reads, whatever its size. Errors: io, corrupt, unsupported. A missing or empty
/// directory is an empty log. Any thread.
Result<LogEnd> find_log_end(const std::filesystem::path& log_directory);

/// Lines by query. Cost depends on what is asked for, not on the size of the log, where the query allows it (last N
/// lines, a cursor, a time). Blocks on the disk; any thread. Beyond the budget it goes on for as long as one look at a
/// piece takes: at most some tenths of a second, with the slowest of patterns. Errors: invalid (regular expression,
/// with where), io, corrupt, unsupported.
Result<LinePage> read_lines(const std::filesystem::path& log_directory, const LineQuery& query,
                            const ReadBudget& budget = {});

/// The part of a log that a query asks for, as positions.
struct LogSpan {
    std::uint64_t begin = 0, end = 0;
    std::uint64_t evicted_bytes = 0;  // asked for, but removed by the bound
};

/// A log as it stands at one moment, for several queries: its files are looked at once. Blocks on the disk; one thread
/// at a time.
class LogView {
public:
    /// Errors: io, corrupt, unsupported. A missing directory is an empty log.
    static Result<LogView> open(const std::filesystem::path& log_directory);
    LogView(LogView&&) noexcept;
    LogView& operator=(LogView&&) noexcept;
    ~LogView();

    /// As read_lines.
    Result<LinePage> read(const LineQuery& query, const ReadBudget& budget = {});
    /// Position after its last byte.
    std::uint64_t end() const noexcept;
    /// Whether all that was recorded has been removed on purpose: the bound keeps what is newest, `flush` nothing.
    bool is_flushed() const noexcept;
    /// Whether somebody else removed or changed files of it, of which it tells by an event; for a log that is flushed:
    /// every record is looked at. Errors: io, corrupt.
    Result<bool> was_changed();
    /// As in LinePage.
    std::uint64_t unindexed_bytes() const;
    /// As the functions of that name.
    Result<LogEnd> find_log_end();
    Result<LogSpan> locate(const LineQuery& query);

private:
    friend class Follower;
    explicit LogView(std::unique_ptr<Snapshot> log);
    std::unique_ptr<Snapshot> log_;
};

/// What is known to be missing of one run's output, for the reasons there are.
struct Losses {
    std::uint64_t dropped_bytes = 0;     // could not be recorded
    std::uint64_t removed_bytes = 0;     // were recorded, and then removed or cut off by somebody
    std::uint64_t taken_over_bytes = 0;  // at most: with shims that were killed
    std::uint32_t takeovers = 0;
    /// Where the next look goes on: behind this sequence number, and the gap that may still grow is not part of the
    /// above.
    std::uint64_t seen_sequence = 0;
    std::uint64_t growing_bytes = 0;

    std::uint64_t dropped_in_all() const noexcept { return dropped_bytes + growing_bytes; }
};

/// Adds to `known` what a log tells of since then. What the bound has removed before it was looked at is not in it.
/// Costs a walk over the records of the run that are new. Blocks on the disk; any thread. Errors: as read_lines.
Result<Losses> find_losses(const std::filesystem::path& log_directory, std::uint32_t run, Losses known);

/// Where the bytes of a query's lines stand: for callers that want them as a stream (`Follower`) and not as lines.
/// Looks at `stream`, `from`, `to`, `since_ns`, `until_ns`, `run` and `last`. Costs a few reads of the index. Errors:
/// io, corrupt, unsupported.
Result<LogSpan> locate(const std::filesystem::path& log_directory, const LineQuery& query);

/// Follows one log from a position. Passive: the caller decides when to call `read_more`; it never waits and owns no
/// thread. One call at a time.
class Follower {
public:
    struct Item {
        std::string bytes;  // of `stream`; empty for events, gaps and evictions
        Stream stream = Stream::none;
        std::uint8_t flags = 0;
        Event event = Event::none;
        std::int64_t value = 0;  // of the event, or bytes lost (gap)
        std::uint32_t run = 0;
        std::int64_t wall_ns = 0;
        std::uint64_t position = 0;       // of the first byte
        std::uint64_t evicted_bytes = 0;  // removed by the bound before they could be read
    };

    /// Starts at `from` (nothing: at the oldest byte there is). The directory may not exist yet.
    explicit Follower(std::filesystem::path log_directory, std::optional<std::uint64_t> from = std::nullopt);
    /// Follows what `log` has looked at, and need not look where `from` is. Errors: io, corrupt, unsupported.
    static Result<Follower> behind(LogView& log, std::uint64_t from);
    ~Follower();
    Follower(Follower&&) noexcept;
    Follower& operator=(Follower&&) noexcept;

    /// Records that are there now, in recorded order, about `max_bytes` of output at most (at least one record when
    /// there is one). Empty: nothing new. A piece that was partly read by `from` is given from that byte on.
    Result<std::vector<Item>> read_more(std::size_t max_bytes);

    /// After the last byte given.
    std::uint64_t position() const noexcept;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

/// "p3:2n9c": a cursor names its process, so that one used elsewhere is noticed. Pure.
std::string format_cursor(std::string_view process_id, std::uint64_t position);
/// Whether it is meant as a cursor, of whatever process, and not as a time. Pure.
bool looks_like_cursor(std::string_view text) noexcept;
/// Errors: invalid (not a cursor, or of another process), saying where cursors come from.
Result<std::uint64_t> parse_cursor(std::string_view process_id, std::string_view cursor);
/// Whether an answer can have given it: `end` is that of the log now. Errors: invalid, with the newest cursor. Pure.
Result<void> check_cursor(std::string_view process_id, std::optional<std::uint64_t> position, std::uint64_t end);

}  // namespace persistproc::logstore
