#pragma once
/// Which lines of one log, taken one after the other, are shown: those that match, and lines around them. Pure.
#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "common/logstore/part_search.hpp"
#include "common/logstore/reader.hpp"
#include "common/logstore/search.hpp"

namespace persistproc::logstore {

/// How long a filter looks for what it is to let pass.
struct LookLimits {
    /// Of all looks at one line that is longer than one look may take; what stands behind is passed over.
    std::chrono::nanoseconds of_line = std::chrono::nanoseconds::max();
    /// Asked about every 16 KiB, or more often where the pattern is slow: true, and no line is looked at any more.
    std::function<bool()> is_over = {};
    /// Called for each part that is passed over.
    std::function<void()> on_passed = {};
};

class LineFilter {
public:
    /// Lets every line pass.
    LineFilter() = default;
    /// What `grep`, `exclude`, `ignore_case`, `context` and `context_after` of a query ask for. Copies share the
    /// patterns, and begin where the original stands. Errors: invalid, beginning with the name of the one it is.
    static Result<LineFilter> make(const LineQuery& query, LookLimits limits = {});

    /// Calls `give(line, is_after)` for what is shown now: lines that had to wait for a match, then the line itself.
    /// `matched` and `ordinal` of each are set; `is_after`: it stands behind the match that it is shown with. A line
    /// that is too long to be held comes in parts, which `ends` tells: the rest of one that has matched is left out.
    template <class Give>
    void take(Line line, LineEnds ends, Give&& give) {
        OfStream& of = stream_of(line);
        if (ends.begins) of.ordinal = ++ordinal_;
        line.ordinal = of.ordinal;
        if (!pattern_) return give(std::move(line), false);
        if (!ends.begins && of.has_matched) return;
        line.matched = of.has_matched = find(of, line.text, ends);
        of.is_shown = line.matched || after_left_ > 0;
        if (line.matched) {
            for (Line& each : std::exchange(waiting_, {})) {
                OfStream& theirs = stream_of(each);
                theirs.is_shown = theirs.is_shown || each.ordinal == theirs.ordinal;
                give(std::move(each), false);
            }
            after_left_ = after_;
            return give(std::move(line), false);
        }
        if (after_left_ > 0) {
            --after_left_;
            return give(std::move(line), true);
        }
        waiting_.push_back(std::move(line));
        if (waiting_.size() > before_) waiting_.pop_front();
    }

    /// Whether it looks for something: of a line that the other stream interrupted it is to be given all, as a search
    /// gives it.
    bool is_search() const noexcept { return pattern_ != nullptr; }

    /// What comes now stands around no match of before, and the other way round.
    void begin_anew() {
        waiting_.clear();
        after_left_ = 0;
    }

    /// Whether none of these lines, each with its newline, would be shown or waited with. False: they are to be taken.
    bool can_skip(std::string_view lines) const;
    /// They were skipped, however many they are.
    void skip() noexcept { ordinal_ += 2; }

private:
    /// Of the line of which the last part was taken.
    struct OfStream {
        PartSearch search;
        std::uint64_t ordinal = 0;
        bool has_matched = false;
        bool is_shown = false;  // that part
    };
    OfStream& stream_of(const Line& line) { return streams_[line.stream == Stream::err ? 1 : 0]; }
    /// Or will be, with the match.
    bool is_shown(const OfStream& of) const;
    /// Whether a part of a line matches. What a match needs of the part before is put in front of it, unless that is
    /// shown.
    bool find(OfStream& of, std::string& part, LineEnds ends);

    LookLimits limits_;
    std::array<OfStream, 2> streams_;
    std::size_t longest_look_ = 0, looked_bytes_ = 0;  // of one look; since `is_over` was asked
    std::shared_ptr<const LinePattern> pattern_, exclude_;
    std::uint32_t before_ = 0, after_ = 0, after_left_ = 0;
    std::deque<Line> waiting_;
    std::uint64_t ordinal_ = 0;
};

}  // namespace persistproc::logstore
