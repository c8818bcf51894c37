#include "common/config/position.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace persistproc::config {

std::string position_text(std::string_view text, std::size_t offset) {
    offset = std::min(offset, text.size());
    const std::string_view before = text.substr(0, offset);
    const auto lines = std::count(before.begin(), before.end(), '\n');
    const std::string_view line = before.substr(line_begin(text, offset));
    const auto is_character = [](char c) { return (static_cast<unsigned char>(c) & 0xc0u) != 0x80u; };
    return fmt::format("line {}, column {}", lines + 1, std::count_if(line.begin(), line.end(), is_character) + 1);
}

std::size_t line_begin(std::string_view text, std::size_t offset) noexcept {
    if (offset == 0) return std::min(mark_size(text), offset);
    const std::size_t newline = text.rfind('\n', offset - 1);
    return newline == std::string_view::npos ? std::min(mark_size(text), offset) : newline + 1;
}

std::size_t line_end(std::string_view text, std::size_t offset) noexcept {
    const std::size_t newline = text.find('\n', offset);
    return newline == std::string_view::npos ? text.size() : newline + 1;
}

std::string_view line_indent(std::string_view text, std::size_t offset) noexcept {
    const std::size_t begin = line_begin(text, offset);
    const std::size_t end = text.find_first_not_of(" \t", begin);
    return text.substr(begin, std::min(end, text.size()) - begin);
}

std::size_t mark_size(std::string_view text) noexcept { return text.starts_with("\xef\xbb\xbf") ? 3 : 0; }

std::string_view newline_of(std::string_view text) noexcept {
    const std::size_t newline = text.find('\n');
    return newline != std::string_view::npos && newline > 0 && text[newline - 1] == '\r' ? "\r\n" : "\n";
}

bool is_blank(std::string_view text) noexcept { return text.find_first_not_of(" \t\r\n") == std::string_view::npos; }

}  // namespace persistproc::config
