#pragma once
/// Reads the part of a log that a query asks for into a page. For the other sources of this folder alone.
#include <optional>
#include <string>

#include "common/logstore/line_assembler.hpp"
#include "common/logstore/page_lines.hpp"
#include "common/logstore/range.hpp"
#include "common/logstore/read_meter.hpp"

namespace persistproc::logstore {

/// For one read.
class PageReader {
public:
    /// All are looked at for as long as this lives; null: no pattern.
    PageReader(Snapshot& log, const LineQuery& query, Range range, const LinePattern* pattern,
               const LinePattern* exclude, const ReadBudget& budget);

    /// Errors: io, corrupt, unsupported.
    Result<LinePage> read();

private:
    /// The beginning of a line of one stream that the other one has interrupted.
    struct Resumed;
    struct BothResumed;

    LineAssembler& assembler_of(Stream stream) { return is_joined_ && stream == Stream::err ? err_lines_ : lines_; }
    bool has_open_line() const {
        return lines_.has_open_line() || err_lines_.has_open_line() || lines_.is_within() || err_lines_.is_within();
    }
    std::optional<std::uint32_t> open_line_run() const;
    bool give(const LineView& line) { return page_.take(line); }
    /// Gives what is unfinished, in order.
    bool flush();

    Result<void> resume_lines();
    /// The lines that are interrupted at `position`, which is at `at`, and may go on behind it.
    Result<BothResumed> find_interrupted(Place at, std::uint64_t position);
    /// The end of what is before `position` of the line that goes on there, from `last` at `at` back.
    Result<std::string> line_before(Place at, const IndexRecord& last, std::uint64_t position);
    /// Puts the end of `record` before what is known of the line.
    Result<void> resume(Segment& segment, const IndexRecord& record, Resumed& one);
    /// Moves the range's begin to the last lines asked for, or to a place behind which there is more than fits.
    Result<void> skip_to_last();

    Result<bool> visit(Segment& segment, const IndexRecord& record, Place& at);
    Result<bool> visit_event(const IndexRecord& record, std::uint64_t begin);
    /// Bytes that are not there: no line goes on behind them.
    bool miss(const IndexRecord& record, std::uint64_t bytes);
    /// Steps over a stretch of records in whose bytes nothing can match, all at once, but for the last lines where
    /// context is wanted. `at` is left on the last one of which nothing is to be looked at. False: it is on the first
    /// still, of which a part may have been stepped over.
    Result<bool> skip_batch(Segment& segment, Place& at);
    /// Whether lines are to be looked at one by one, since one of them may match or there is no time left.
    bool may_match_in(std::string_view lines);

    /// Between records: a line that is not whole yet belongs to the next page; if it is all there is of this one, it is
    /// read on.
    bool end_spent();
    Result<void> tell_spent();
    /// What the last line of the range is, now that its end is reached.
    Result<void> finish();
    /// A line is given where it ends: one that goes on behind the position that was asked for as the end, and is seen
    /// whole from there, is none of this page.
    Result<void> leave_interrupted();
    /// Where a page that goes on at `end` must begin to hold all of an unfinished line.
    std::uint64_t whole_from(const LineView& open, std::uint64_t end) const;

    Snapshot& log_;
    const LineQuery& query_;
    Range range_;
    const LinePattern* pattern_;
    std::size_t longest_text_;  // that one look for a pattern may take; longer lines are matched in parts
    std::size_t batch_bytes_;
    bool is_joined_;  // a search sees the lines of each stream whole
    ReadMeter meter_;
    LineAssembler lines_, err_lines_;
    PageLines page_;
    std::uint64_t position_ = 0;
    Place no_skip_before_;        // looked at already: something there matches, or it cannot be stepped over
    std::uint64_t fed_from_ = 0;  // position up to which what was stepped over reaches
    std::optional<std::uint32_t> ended_run_;
};

}  // namespace persistproc::logstore
