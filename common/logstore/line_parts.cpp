#include "common/logstore/line_parts.hpp"

#include <algorithm>
#include <utility>

namespace persistproc::logstore {

namespace {

bool continues_character(char c) noexcept { return (static_cast<unsigned char>(c) & 0xC0u) == 0x80u; }

/// Where a character begins, at `at` or up to three bytes before it.
std::size_t border_before(std::string_view text, std::size_t at) noexcept {
    std::size_t border = at;
    for (int inner = 0; inner < 3 && border > 0 && border < text.size() && continues_character(text[border]); ++inner)
        --border;
    return border < text.size() && continues_character(text[border]) ? at : border;
}

}  // namespace

bool goes_on(const Line& part, const Line& next) noexcept { return part.ordinal != 0 && part.ordinal == next.ordinal; }

std::size_t whole_characters(std::string_view text) noexcept {
    std::size_t lead = text.size();
    for (int back = 0; back < 4 && lead > 0; ++back) {
        const auto byte = static_cast<unsigned char>(text[--lead]);
        if (continues_character(text[lead])) continue;
        const std::size_t length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1;
        return lead + length > text.size() ? lead : text.size();
    }
    return text.size();
}

std::pair<std::size_t, std::size_t> window_around(std::string_view text, std::size_t most, std::size_t match,
                                                  std::size_t match_size) {
    if (match + match_size <= most) return {0, std::min(most, text.size())};
    const std::size_t before = match_size < most ? (most - match_size) / 2 : 0;
    std::size_t from = std::min(match - std::min(match, before), text.size() - std::min(text.size(), most));
    for (int inner = 0; inner < 3 && from < match && continues_character(text[from]); ++inner) ++from;
    return {from, std::min(from + most, text.size())};
}

void cut_out(Line& line, std::size_t begin, std::size_t end) {
    begin = border_before(line.text, begin);
    end = border_before(line.text, end);
    if (begin >= end) return;
    Hole hole{.at = begin, .bytes = end - begin};
    std::vector<Hole> holes;
    for (const Hole& each : line.holes) {
        if (each.at >= begin && each.at <= end)
            hole.bytes += each.bytes;
        else
            holes.push_back({each.at < begin ? each.at : each.at - (end - begin), each.bytes});
    }
    const auto behind = std::find_if(holes.begin(), holes.end(), [&](const Hole& each) { return each.at > begin; });
    holes.insert(behind, hole);
    line.holes = std::move(holes);
    line.text.erase(begin, end - begin);
}

void shorten(Line& line, std::size_t most, std::size_t match, std::size_t match_size) {
    const std::size_t size = line.text.size();
    if (size <= most) return;
    const std::size_t half = most / 2, quarter = most / 4;
    if (match + match_size <= half || match >= size - half) return cut_out(line, half, size - half);
    const std::size_t before = match_size < half ? (half - match_size) / 2 : 0;
    const std::size_t from = std::clamp(match - std::min(match, before), quarter, size - quarter);
    const std::size_t to = std::min(from + half, size - quarter);
    cut_out(line, to, size - quarter);
    cut_out(line, quarter, from);
}

void append_part(Line& line, const Line& rest, std::size_t most) {
    const std::size_t head = line.holes.empty() ? most / 2 : line.holes.back().at;
    for (const Hole& each : rest.holes) line.holes.push_back({line.text.size() + each.at, each.bytes});
    line.text += rest.text;
    line.end = rest.end;
    line.is_open = rest.is_open;
    line.complete = rest.complete;
    if (line.text.size() <= most) return;
    const std::size_t tail = std::max(most - std::min(most, head), most / 4);
    cut_out(line, head, std::max(head, line.text.size() - tail));
}

}  // namespace persistproc::logstore
