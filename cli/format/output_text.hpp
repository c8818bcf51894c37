#pragma once
/// Recorded output as it is shown. Pure: items in, bytes for stdout and stderr out.
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/text.hpp"
#include "common/domain/process.hpp"
#include "common/logstore/line_filter.hpp"
#include "common/logstore/reader.hpp"

namespace persistproc::cli::format {

/// Bytes for one of our own streams.
struct Chunk {
    int fd = 1;
    std::string bytes;
};

struct OutputStyle {
    logstore::StreamChoice choice = logstore::StreamChoice::combined;
    bool split = false;       // stderr of the program goes to our stderr; else all goes to stdout
    bool one_screen = false;  // both of ours end in the same place: no line may mix the streams
    bool escape_out = false;  // our stdout is a terminal: escapes other than colour are shown
    bool escape_err = false;
    base::Sequences other_sequences = base::Sequences::shown;  // then
    bool plain_out = false;                                    // without the program's own colours
    bool plain_err = false;
    int note_columns = 0;  // of the terminal on our stderr, see format::note_text; 0: it is none
    bool timestamps = false;
    bool events = false;
    std::string process_id;
    std::string before;  // what each line of the line view stands behind, besides its time
    std::string label;   // not empty: JSON lines name the process, too
};

class OutputView {
public:
    virtual ~OutputView() = default;
    virtual void take(const logstore::Follower::Item& item, std::vector<Chunk>& out) = 0;
    /// What was held back for its rest, and whatever ends a view.
    virtual void finish(std::vector<Chunk>& out) = 0;
    /// Whether our own message on stderr would land inside a line of the program.
    virtual bool is_inside_line() const = 0;
};

/// Bytes as they come: every byte of the program, partial lines at once.
std::unique_ptr<OutputView> make_byte_view(OutputStyle style);
/// Whole lines, as far as `filter` lets them pass; as JSON objects if `json`.
std::unique_ptr<OutputView> make_line_view(OutputStyle style, logstore::LineFilter filter, bool json);

/// Between groups of lines that do not follow each other, where lines around matches are shown.
inline constexpr std::string_view context_border = "--\n";

/// What becomes of escape sequences of that process: it speaks to a terminal of its own where it has one.
base::Sequences sequences_of(const ProcessView& process) noexcept;

/// One line as the line view shows it.
std::string line_text(const logstore::Line& line, const OutputStyle& style, bool json);

/// Bytes at the end of `text` that are the beginning of an escape sequence or a character and must wait for their rest.
std::size_t incomplete_suffix(std::string_view text, base::Sequences other = base::Sequences::shown) noexcept;

}  // namespace persistproc::cli::format
