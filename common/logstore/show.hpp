#pragma once
/// Lines as a reader with a budget is shown them: what repeats is folded, what is too long is cut, and marks of ours
/// cannot be mistaken for what a program printed. Pure.
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "common/logstore/reader.hpp"

namespace persistproc::logstore {

/// In the clean view; a longer line is cut in its middle.
inline constexpr std::size_t longest_shown_line = 500;

struct Shown;

struct ShowOptions {
    /// Escapes stripped, a line that was redrawn as it stood last (or as it matched), repeats folded, long lines cut.
    /// Else bytes as they are where they are UTF-8, and lines whole if they fit at all; what does not is cut.
    bool clean = true;
    /// As in LineQuery: what of a line that is cut is shown in any case.
    std::optional<std::string> grep = std::nullopt;
    bool ignore_case = false;
    /// At most, of all that is shown but what is said to be missing; 0: as many as fit. Where there is no room for the
    /// mark of a fold nothing is folded; of one, what is said above stands in front of it.
    std::uint64_t lines = 0;
    std::size_t max_bytes = 16u << 10;  // of all that is shown, marks and newlines included
    std::uint32_t context = 0;          // lines around each match; 0 where there is no pattern, too
    bool keep_newest = true;            // else the oldest that fit
    /// What a mark above all that is shown says, which has its share of the budget; nothing, or empty: there is none.
    /// Asked for each choice of what is shown.
    std::function<std::string(const Shown&)> above = {};
    /// Bytes of what the caller puts in front of all of it, for each choice: they have their share of `max_bytes`. No
    /// function: none. The marker that it is told is as long as the one it will be.
    std::function<std::size_t(const Shown&)> front_bytes = {};
};

/// The budget of `query` becomes one of what is shown. The query gets as much room as can be needed to fill it with
/// what is left when repeats are folded, and no more context than lets one match stand within it.
ShowOptions take_budget(LineQuery& query, bool clean);

struct Shown {
    std::string text;  // UTF-8; each line has its '\n'
    /// What every mark of ours in `text` begins with and nothing that the program printed holds: "[", or symbols and
    /// "[". Empty: there is no mark. Marks end with "]": `[12 lines as below, 16 times]` before the newest of them,
    /// `[cut: 2343 bytes]`, the size of the line, and where it is cut again `[cut]`, `[\xe9]` or `[9 bytes, not
    /// UTF-8]`, `[--]` between matches that do not follow each other, and, in words, what is missing.
    std::string marker;
    std::uint64_t lines = 0;               // of the program
    std::uint64_t folded = 0;              // lines of the program that marks count
    std::uint64_t omitted_before = 0;      // as in LinePage; lines that a mark counts are not left out
    bool knows_all_before = true;          // there are no more of them
    std::uint64_t omitted_after = 0;       // 0 or at least 1
    bool is_cut_by_bytes = false;          // there was no room for what is left out
    std::uint64_t begin = 0;               // position of the first line that is shown or counted by a mark; none: next
    std::uint64_t next = 0;                // position to go on from: nothing is skipped, nothing shown twice
    std::optional<std::uint64_t> earlier;  // as in LinePage; of a search that had more, where what is shown begins
    std::uint64_t evicted_bytes = 0, lost_bytes = 0, unread_bytes = 0;  // as in LinePage
    std::uint64_t unsearched_bytes = 0, unindexed_bytes = 0;            // as in LinePage
};

/// A page that was read with what `take_budget` made of the query. Where there is a line, one is shown.
Shown show(LinePage page, const ShowOptions& options);

/// The first of "[", "#[", "%[", …, "##[", … that `text` does not hold.
std::string find_marker(std::string_view text);

}  // namespace persistproc::logstore
