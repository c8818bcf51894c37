#pragma once
/// Which lines of one log, taken one after the other, are shown: those that match, and lines around them. Pure.
#include <cstdint>
#include <deque>
#include <memory>
#include <string_view>
#include <utility>

#include "common/logstore/reader.hpp"
#include "common/logstore/search.hpp"

namespace persistproc::logstore {

class LineFilter {
public:
    /// Lets every line pass.
    LineFilter() = default;
    /// What `grep`, `exclude`, `ignore_case`, `context` and `context_after` of a query ask for. Copies share the
    /// patterns, and begin where the original stands. Errors: invalid, beginning with the name of the one it is.
    static Result<LineFilter> make(const LineQuery& query);

    /// Calls `give(line, is_after)` for what is shown now: lines that had to wait for a match, then the line itself.
    /// `matched` and `ordinal` of each are set; `is_after`: it stands behind the match that it is shown with.
    template <class Give>
    void take(Line line, Give&& give) {
        line.ordinal = ++ordinal_;
        if (!pattern_) return give(std::move(line), false);
        line.matched = find_match(*pattern_, exclude_.get(), line.text).has_value();
        if (line.matched) {
            for (Line& each : std::exchange(waiting_, {})) give(std::move(each), false);
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
    std::shared_ptr<const LinePattern> pattern_, exclude_;
    std::uint32_t before_ = 0, after_ = 0, after_left_ = 0;
    std::deque<Line> waiting_;
    std::uint64_t ordinal_ = 0;
};

}  // namespace persistproc::logstore
