#pragma once
/// Regular expressions over output.
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.hpp"

namespace re2 {
class RE2;
}

namespace persistproc::logstore {

/// Whether `text` holds nothing that the cleaned form of a line leaves out: no control byte but newline and tab.
bool is_plain(std::string_view text) noexcept;

/// Memory of a compiled expression, as RE2 counts it; what it really takes is up to three times that.
inline constexpr std::size_t max_pattern_memory = 2u << 20;

/// The same, of one in a check: a definition or a project's file has many, and whoever looks at it compiles them all.
inline constexpr std::size_t check_pattern_memory = 128u << 10;

/// What a search may take when somebody waits for it: all of one by an agent, and of one by a person each line.
inline constexpr std::chrono::seconds longest_search{2};

/// Of a long line that is shown or looked at in parts, none is shorter than that.
inline constexpr std::size_t least_part_bytes = 1u << 10;

/// Which ends of its line a text holds. Where it holds none, its outermost byte is looked at for what stands beside it
/// alone: `^`, `$` and `\b` see that the line goes on.
struct LineEnds {
    bool begins = true, ends = true;
};

/// One RE2 expression, applied line by line: `^` and `$` are a line's ends and no match goes past one. Time is linear
/// in the text, memory bounded. Immutable; any thread.
class LinePattern {
public:
    /// Takes some tens of milliseconds of the processor at most (with `check_pattern_memory` 15), and several times
    /// `memory` meanwhile: not on a thread that others wait for. Errors: invalid (one line that quotes the offending
    /// part, or says that it takes more than `memory` bytes or would need too long for a short line or to be compiled).
    static Result<LinePattern> compile(std::string_view expression, std::size_t memory = max_pattern_memory,
                                       bool ignore_case = false);
    LinePattern(LinePattern&&) noexcept;
    LinePattern& operator=(LinePattern&&) noexcept;
    ~LinePattern();

    /// Whether a line (without its '\n') matches once colour and control bytes are taken out, or did before it was
    /// redrawn.
    bool matches(std::string_view line, LineEnds ends = {}) const { return find_match(line, ends).has_value(); }
    /// The line, if it matches as it stood last; else the newest of its states between carriage returns that does.
    std::optional<std::string_view> find_match(std::string_view line, LineEnds ends = {}) const;
    /// The bytes of plain text that match.
    std::optional<std::string_view> find_span(std::string_view plain, LineEnds ends = {}) const;
    /// Whether any line of plain text could match. True is an invitation to look line by line; false is final.
    bool may_match_in(std::string_view plain_lines) const;
    /// How much text one call may be given: RE2 cannot be interrupted, and at its slowest needs some 10 ns per byte and
    /// instruction of the program.
    std::size_t longest_text() const noexcept { return longest_text_; }

private:
    explicit LinePattern(std::unique_ptr<re2::RE2> expression, bool can_skip);
    std::unique_ptr<re2::RE2> expression_;
    bool can_skip_ = false;
    std::size_t longest_text_ = 0;
};

/// Whether `exclude` leaves out a line of which `shown` matches: what it was redrawn from counts no more than it is
/// shown.
bool is_excluded(const LinePattern& exclude, std::string_view shown, LineEnds ends = {});

/// The match of a line, unless `exclude` (null: nothing) matches what is shown of it, too.
std::optional<std::string_view> find_match(const LinePattern& pattern, const LinePattern* exclude,
                                           std::string_view line, LineEnds ends = {});

/// Of a line, or a part of one, that holds `ends`: which of them a part of that holds, and which ends a state between
/// carriage returns has, which is as good as a line.
LineEnds ends_of_part(std::string_view line, std::string_view part, LineEnds ends) noexcept;
LineEnds ends_of_state(std::string_view line, std::string_view state, LineEnds ends) noexcept;

}  // namespace persistproc::logstore
