#pragma once
/// Errors in what a program printed, each as one block: from its head (in Node the place above it) through stack,
/// source and notes to the end of the burst. A block is of one stream, and of one program where several share it.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/logstore/error_place.hpp"
#include "common/logstore/reader.hpp"

namespace persistproc::logstore {

/// The head of a line of output, for one decision: does an error begin there? Takes any bytes. Pure.
bool is_error_head(std::string_view line);

/// Whether an error may begin there, depending on what follows (`may_be_head`). Takes any bytes. Pure.
bool may_be_error_head(std::string_view line);

enum class BeginsError { no, yes, not_known };

/// Whether an error begins with the first of `lines`, of which `may_be_error_head` is true; `is_end`: no more has been
/// printed so far. Pure.
BeginsError begins_error(const std::vector<Line>& lines, bool is_end);
/// So many lines decide it, at most.
inline constexpr std::size_t lines_that_decide = 8;

/// Whether words of errors stand in `text`: who looks for such looks for errors. Any thread.
bool names_error(std::string_view text);

struct ErrorBlock {
    static constexpr std::size_t max_lines = 40;
    static constexpr std::size_t max_line_bytes = 500;
    static constexpr char mark = '\x01';

    std::string message;              // one line: what is wrong
    std::optional<ErrorPlace> place;  // where the user could mend it; nothing: not told
    /// Cleaned for a model; cut in the middle where they are longer. At most `max_lines`. Of the frames of a runtime
    /// that follow each other their number stands here in their place. What is ours in them begins with `mark`, which
    /// no cleaned line holds, and ends with "]".
    std::vector<std::string> lines;
    std::size_t left_out = 0;         // lines, of the middle ...
    std::size_t left_out_before = 0;  // ... before this one of `lines`
    std::uint32_t run = 0;
    std::int64_t wall_ns = 0;    // of the first line; 0: unknown
    std::uint64_t position = 0;  // of the first line's first byte
    std::uint64_t end = 0;       // after the last line
    bool is_wrapper = false;     // says no more than that a program failed
    bool is_unfinished = false;  // a traceback whose last line, which says what is wrong, has not come

    struct Text {
        std::string text;
        std::string marker;  // as in Shown: what marks of ours begin with, and nothing of the program holds
    };
    /// The lines, each ended by a newline; what is left out is said in marks.
    Text text() const;
};

enum class OfError { no, yes, not_known };

/// Whether the line at `position`, one of `lines`, is of an error: its head, what is told with it, or the source above
/// it. What programs say next to their errors is not, and what a logger prints in their midst. `is_end`: no more has
/// been printed so far, what comes may still show it. Pure.
OfError is_of_error(const std::vector<Line>& lines, std::uint64_t position, bool is_end);

/// The port that it could not have because another one has it; nothing: it says nothing of that. Pure.
std::optional<int> refused_port(const ErrorBlock& block);

enum class WhichError { first, last };

/// The first error of `lines`, or the last one; told is also an error that began before `after` and goes on behind it.
/// Of the last ones, one that says what is wrong is preferred to a wrapper's. Linear in the lines, memory bounded.
/// Pure.
std::optional<ErrorBlock> find_error(const std::vector<Line>& lines, std::string_view working_directory,
                                     WhichError which, std::uint64_t after = 0);

}  // namespace persistproc::logstore
