#include "cli/bridge/line_reader.hpp"

#include <algorithm>
#include <utility>

namespace persistproc::cli::bridge {

void LineReader::keep(std::string_view bytes) {
    if (is_too_long_) return;
    // One more: the CR of a CRLF does not count.
    is_too_long_ = partial_.size() + bytes.size() > max_ + 1;
    if (is_too_long_)
        partial_.clear();
    else
        partial_ += bytes;
}

void LineReader::feed(std::string_view bytes, std::vector<Line>& lines) {
    while (!bytes.empty()) {
        const auto end = bytes.find('\n');
        keep(bytes.substr(0, end));
        if (end == std::string_view::npos) return;
        bytes.remove_prefix(end + 1);
        if (auto line = finish()) lines.push_back(std::move(*line));
    }
}

std::optional<Line> LineReader::finish() {
    Line line;
    line.text = std::exchange(partial_, {});
    line.is_too_long = std::exchange(is_too_long_, false);
    if (line.text.ends_with('\r')) line.text.pop_back();
    if (line.text.size() > max_) {
        line.text.clear();
        line.is_too_long = true;
    }
    if (!line.is_too_long && line.text.find_first_not_of(" \t\r") == std::string::npos) return std::nullopt;
    return line;
}

std::string one_line(std::string message) {
    std::replace_if(
        message.begin(), message.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
    return message;
}

}  // namespace persistproc::cli::bridge
