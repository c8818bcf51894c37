#include "common/base/columns.hpp"

#include <algorithm>

#include "common/base/cells.hpp"

namespace persistproc::base {

std::size_t help_columns(int terminal) noexcept {
    constexpr std::size_t usual = 80, most = 100;  // lines that are longer are hard to read
    return terminal <= 0 ? usual : std::min(static_cast<std::size_t>(terminal), most);
}

std::string wrap(std::string_view text, std::size_t width) {
    std::string out, line;
    while (!text.empty()) {
        const std::size_t blank = text.find(' ');
        const std::string_view word = text.substr(0, blank);
        text.remove_prefix(blank == std::string_view::npos ? text.size() : blank + 1);
        if (!line.empty() && cells_of(line) + 1 + cells_of(word) > width) {
            out += line + "\n";
            line.clear();
        }
        if (!line.empty()) line += ' ';
        line += word;
    }
    return out + line;
}

std::string wrap_behind(std::string_view text, std::size_t columns, std::size_t indent) {
    constexpr std::size_t least = 20;
    std::string out = wrap(text, columns > indent + least ? columns - indent : least);
    for (std::size_t at = 0; (at = out.find('\n', at)) != std::string::npos; at += indent + 1)
        out.insert(at + 1, indent, ' ');
    return out;
}

std::string list_entry(std::string_view name, std::size_t name_width, std::string_view text, std::size_t columns) {
    constexpr std::size_t least = 24;  // columns for the text
    constexpr std::size_t below = 6;
    const std::size_t indent = name_width + 4;
    if (columns < indent + least)
        return "  " + std::string(name) + "\n" + std::string(below, ' ') + wrap_behind(text, columns, below) + "\n";
    const std::string gap(name_width - std::min(name_width, cells_of(name)), ' ');
    return "  " + std::string(name) + gap + "  " + wrap_behind(text, columns, indent) + "\n";
}

}  // namespace persistproc::base
