#pragma once
/// What repeats in a log: blocks of lines that are equal but for numbers. Pure.
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace persistproc::logstore {

/// Of a cleaned line (base::clean_output) what must be equal in a repetition: all but digits, times and durations,
/// addresses and ids (hex of six digits or more, UUIDs, what stands behind a prefix like "req_"). Numbers that are an
/// outcome stay: none (0) is not some, a failed HTTP status (before a request, the first number behind it, behind an
/// arrow, a URL or a word such as "answered" and "response") is none that succeeded, and what stands behind "code",
/// "status", "signal", "errno" or a name of levels is as it is. So do syslog's level in front ("<3>"), the place in a
/// source that the line names, the port of a server, and a compiler's code of an error. A line without a word is data,
/// and equal to itself alone.
std::string shape_of(std::string_view line);

/// Lines [first, first + folded) are whole repetitions of the `period` lines behind them, which are shown.
struct Fold {
    std::size_t first = 0;
    std::size_t folded = 0;  // a multiple of `period`
    std::size_t period = 0;
    std::size_t shown() const noexcept { return first + folded; }
    std::size_t times() const noexcept { return folded / period; }
    friend bool operator==(const Fold&, const Fold&) = default;
};

/// "12 lines as below, 16 times": what a mark says of it.
std::string fold_text(const Fold& fold);

/// Blocks of up to this many lines are looked for.
inline constexpr std::size_t longest_block = 60;

/// In order, none within another; where it would save less than its mark takes, there is none. The newest repetition is
/// the one that stays: its numbers are how things are now, a pattern that was waited for is in it, and a loop that is
/// cut at its beginning is still shown as whole rounds. Time: `longest_block` comparisons a line, whatever the lines
/// are.
std::vector<Fold> find_folds(std::span<const std::string> shapes);

}  // namespace persistproc::logstore
