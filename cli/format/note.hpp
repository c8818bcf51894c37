#pragma once
#include <string>
#include <string_view>

namespace persistproc::cli::format {

/// What the client itself says: "persistproc: <text>" and a newline, safe to show. Broken at blanks where a terminal
/// has fewer `columns`, its other lines below the text's beginning; 0: no terminal. Pure.
std::string note_text(std::string_view text, int columns);

/// A line of an answer and a newline, broken as that. What is not safe to show must have been escaped. Pure.
std::string answer_text(std::string_view line, int columns);

}  // namespace persistproc::cli::format
