#pragma once
/// The lines of a page: which lines of a view it gives, with what stands around them, until it is full. For the other
/// sources of this folder alone.
#include <array>
#include <deque>
#include <optional>
#include <string>
#include <utility>

#include "common/logstore/line_assembler.hpp"
#include "common/logstore/part_search.hpp"
#include "common/logstore/reader.hpp"

namespace persistproc::logstore {

class ReadMeter;

/// What a line without an end may still become.
struct RangeEnd {
    bool is_log_end = true;                  // what is printed later goes on there
    std::optional<std::uint32_t> ended_run;  // prints nothing more

    /// Nothing comes behind the end of a line that has none.
    bool is_final(const LineView& line) const { return !is_log_end || ended_run == line.run; }
};

/// `take…` return false when nothing more is to be taken: the page is full, or the budget used up.
class PageLines {
public:
    /// All are looked at for as long as this lives. `of_line`: as in ReadBudget.
    PageLines(const LineQuery& query, const LinePattern* pattern, const LinePattern* exclude,
              std::chrono::nanoseconds of_line, ReadMeter& meter)
        : query_(query),
          pattern_(pattern),
          exclude_(exclude),
          meter_(meter),
          long_lines_{LongLine(of_line), LongLine(of_line)} {}

    /// The page begins at `position`, before any line is taken.
    void begin_at(std::uint64_t position) { begin_ = next_ = position; }
    /// Its first line of `stream` goes on behind `text`, which is not looked at.
    void begin_within(Stream stream, std::string text);

    /// A line of the view.
    bool take(const LineView& line);
    bool take_event(const IndexRecord& record, std::uint64_t position);
    /// `bytes` that are missing at `position`.
    bool take_loss(const IndexRecord& record, std::uint64_t position, std::uint64_t bytes);
    /// No line that comes in parts goes on.
    void end_long_lines() {
        for (LongLine& each : long_lines_) each.end = 0;
    }
    /// What is taken from now on stands at the end of the range, and is not gone on with there.
    void reach(RangeEnd end) { reached_ = end; }

    /// Lines of the range that are not looked at.
    void omit(std::uint64_t lines) { page_.omitted_before += lines; }
    /// What stands before `position` was looked at.
    void pass_to(std::uint64_t position) { next_ = position; }
    /// The same, of lines of which none is wanted.
    void pass_over(std::uint64_t position) {
        next_ = position;
        ++ordinal_;
    }
    /// Whether the next line is context, or the rest of a line that was given, whatever stands in it.
    bool wants_next_line() const {
        const bool is_within =
            (!kept_.empty() && !kept_.back().complete) || (!before_.empty() && !before_.back().first.complete);
        return query_.context + query_.context_after.value_or(0) > 0 && (after_ > 0 || is_within);
    }
    /// Nothing more is looked at from `position` on, as the budget is used up. False.
    bool end_spent(std::uint64_t position);
    /// The budget was used up with `unread` bytes of the range left; with none, it was not.
    void tell_unread(std::uint64_t unread);
    void tell_unfinished(std::uint64_t position) { page_.unfinished = position; }
    /// Once a line that ended the page was passed over, there is nothing behind it.
    void reach_end() { is_stopped_ = false; }

    std::uint64_t next() const noexcept { return next_; }
    bool is_spent() const noexcept { return page_.is_spent; }
    bool is_stopped() const noexcept { return is_stopped_; }
    /// Within a line that comes in parts.
    bool is_stopped_within() const noexcept { return is_stopped_within_; }
    /// Where the context begins that waits for a match.
    std::optional<std::uint64_t> waiting_from() const;
    /// The first and the last line; null: there is none.
    Line* front() { return kept_.empty() ? nullptr : &kept_.front(); }
    Line* back() { return kept_.empty() ? nullptr : &kept_.back(); }

    /// `evicted`: bytes of the range that the bound has removed. The last call.
    LinePage give(std::uint64_t evicted);

private:
    /// Of each stream, a line that comes in parts.
    struct LongLine {
        explicit LongLine(std::chrono::nanoseconds of_line) : search(of_line) {}

        PartSearch search;
        std::uint64_t end = 0;  // of the part before; 0: that was all of it
        std::uint64_t ordinal = 0;
        std::uint64_t bytes = 0;             // of it until there
        std::uint64_t matched = UINT64_MAX;  // where the part begins that matched; none has
    };
    using Span = std::pair<std::size_t, std::size_t>;  // begin and size
    LongLine& long_line_of(Stream stream) { return long_lines_[stream == Stream::err ? 1 : 0]; }
    void note_part(const LineView& line, LongLine& of);
    /// Whether a part before has matched: it is one match.
    bool is_told(const LineView& line, const LongLine& of);
    /// Whether the part of a line that ends at `end` is context: one that is given, or waits for a match.
    bool shows(const LongLine& of, std::uint64_t end) const;
    bool take_other(const LineView& line, const LongLine& whole);
    bool take_match(const LineView& line, std::string_view match, LongLine& whole);
    /// Context that waits for a match.
    void take_before(Line line, std::uint64_t end);
    std::pair<Line, std::uint64_t> pop_before();
    /// Where in a line that is too long the pattern is found. Escapes make it a guess.
    Span place_of_match(std::string_view text, LineEnds ends) const;
    /// Bytes that are given of a line at most.
    std::size_t most_of_line() const noexcept;
    Line make_line(const LineView& view, bool matched, Span match = {});
    /// Of a line that comes in parts, its beginning and its end.
    bool join(const Line& rest, std::uint64_t end);
    bool keep(Line line, std::uint64_t end);
    /// Bytes of it that count for the page.
    std::uint64_t counted(const Line& line) const { return std::min(line.text.size(), query_.counted_line) + 1; }
    void drop_what_does_not_fit();
    void drop_oldest();

    const LineQuery& query_;
    const LinePattern* pattern_;
    const LinePattern* exclude_;
    ReadMeter& meter_;
    LinePage page_;
    std::deque<Line> kept_;
    std::deque<std::pair<Line, std::uint64_t>> before_;  // context that waits for a match, with its end
    std::uint64_t before_lines_ = 0, before_bytes_ = 0;  // of it; a long line may come in parts
    std::uint64_t after_ = 0;                            // context lines still due after a match
    std::uint64_t ordinal_ = 0;
    std::uint64_t bytes_ = 0, matched_ = 0, begin_ = 0, next_ = 0;
    std::uint64_t lost_before_ = 0, lost_at_ = 0;  // bytes lost at one position
    std::array<LongLine, 2> long_lines_;
    std::optional<RangeEnd> reached_;
    bool is_stopped_ = false, is_stopped_within_ = false, dropped_match_ = false;
};

}  // namespace persistproc::logstore
