#pragma once
/// What a text for people is written for.
#include <string>
#include <string_view>

namespace persistproc::cli::format {

struct TextStyle {
    bool colour = false;
    int width = 0;       // columns of the terminal; 0: unbounded
    bool wide = false;   // with what else is known
    bool ascii = false;  // the terminal takes no UTF-8
    std::string home;    // of the user: "~" in directories

    std::string_view mark() const { return ascii ? "..." : "…"; }  // of what was cut
};

/// Text of other people as one line that is safe to show, and that the terminal can show.
std::string shown(std::string_view text, const TextStyle& style);

}  // namespace persistproc::cli::format
