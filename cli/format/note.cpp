#include "cli/format/note.hpp"

#include "cli/format/cells.hpp"
#include "common/base/text.hpp"

namespace persistproc::cli::format {

std::string note_text(std::string_view text, int columns) {
    constexpr std::string_view name = "persistproc: ";
    constexpr int least = 20;  // columns for the text
    const std::string safe = base::escape_line(base::to_valid_utf8(text));
    const bool is_wide = columns >= static_cast<int>(name.size()) + least;
    return std::string(name) + (is_wide ? wrap_behind(safe, static_cast<std::size_t>(columns), name.size()) : safe) +
           "\n";
}

std::string answer_text(std::string_view line, int columns) {
    constexpr int least = 20;
    return (columns >= least ? wrap_behind(line, static_cast<std::size_t>(columns), 0) : std::string(line)) + "\n";
}

}  // namespace persistproc::cli::format
