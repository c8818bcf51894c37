#include "common/base/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <utility>
#include <vector>

#include "common/base/cells.hpp"

namespace persistproc::base {

namespace {

/// Length of the well-formed UTF-8 sequence at the front, 0 if there is none. Sets the code point.
std::size_t sequence_length(std::string_view text, char32_t& point) noexcept {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const auto follows = [&](std::size_t i, unsigned low = 0x80, unsigned high = 0xBF) {
        return i < text.size() && byte(i) >= low && byte(i) <= high;
    };
    const unsigned first = byte(0);
    if (first < 0x80) {
        point = first;
        return 1;
    }
    if (first >= 0xC2 && first <= 0xDF && follows(1)) {
        point = (first & 0x1Fu) << 6 | (byte(1) & 0x3Fu);
        return 2;
    }
    if (first >= 0xE0 && first <= 0xEF && follows(1, first == 0xE0 ? 0xA0 : 0x80, first == 0xED ? 0x9F : 0xBF) &&
        follows(2)) {
        point = (first & 0x0Fu) << 12 | (byte(1) & 0x3Fu) << 6 | (byte(2) & 0x3Fu);
        return 3;
    }
    if (first >= 0xF0 && first <= 0xF4 && follows(1, first == 0xF0 ? 0x90 : 0x80, first == 0xF4 ? 0x8F : 0xBF) &&
        follows(2) && follows(3)) {
        point = (first & 0x07u) << 18 | (byte(1) & 0x3Fu) << 12 | (byte(2) & 0x3Fu) << 6 | (byte(3) & 0x3Fu);
        return 4;
    }
    return 0;
}

bool is_bidi(char32_t point) noexcept {
    return point == 0x061C || point == 0x200E || point == 0x200F || (point >= 0x202A && point <= 0x202E) ||
           (point >= 0x2066 && point <= 0x2069);
}

bool is_control(char32_t point) noexcept { return point < 0x20 || (point >= 0x7F && point < 0xA0); }

/// Length of the escape sequence at the front (which starts with ESC): ECMA-48 control sequence, control string, or a
/// two-byte escape. An unfinished one reaches to the end of `text`.
std::size_t escape_length(std::string_view text) noexcept {
    if (text.size() < 2) return text.size();
    const char kind = text[1];
    std::size_t i = 2;
    if (kind == '[') {
        while (i < text.size() && text[i] >= 0x20 && text[i] <= 0x3F) ++i;
        if (i < text.size() && text[i] >= 0x40 && text[i] <= 0x7E) ++i;
        return i;
    }
    if (kind == ']' || kind == 'P' || kind == 'X' || kind == '^' || kind == '_') {
        for (; i < text.size(); ++i) {
            if (text[i] == '\a') return i + 1;
            if (text[i] == '\x1b') return i + 1 < text.size() && text[i + 1] == '\\' ? i + 2 : i;
            if (text[i] == '\n') return i;  // a program that never ends its string must not swallow what follows
        }
        return i;
    }
    for (i = 1; i < text.size() && text[i] >= 0x20 && text[i] <= 0x2F;) ++i;
    // What cannot end it, such as the end of the line, is no part of it.
    if (i < text.size() && text[i] >= 0x30 && text[i] <= 0x7E) ++i;
    return i;
}

/// SGR alone: with a private marker or an intermediate byte the same final letter sets modes of the keyboard.
bool is_colour(std::string_view escape) noexcept {
    return escape.size() >= 3 && escape[1] == '[' && escape.back() == 'm' &&
           escape.substr(2, escape.size() - 3).find_first_not_of("0123456789;:") == std::string_view::npos;
}

/// Ends a line for some terminals and viewers, and is no control character.
bool is_separator(char32_t point) noexcept { return point == 0x2028 || point == 0x2029; }

/// Writes ASCII that is not shown: a model reads it, and nobody else.
bool is_tag(char32_t point) noexcept { return point >= 0xE0000 && point <= 0xE007F; }

struct Range {
    char32_t first, last;
};
/// Default_Ignorable_Code_Point (DerivedCoreProperties.txt) and the general category Cf (DerivedGeneralCategory.txt) of
/// Unicode 15.0, one after the other.
constexpr Range invisible[] = {
    {0x00AD, 0x00AD},   {0x034F, 0x034F},   {0x0600, 0x0605},   {0x061C, 0x061C},   {0x06DD, 0x06DD},
    {0x070F, 0x070F},   {0x0890, 0x0891},   {0x08E2, 0x08E2},   {0x115F, 0x1160},   {0x17B4, 0x17B5},
    {0x180B, 0x180F},   {0x200B, 0x200F},   {0x202A, 0x202E},   {0x2060, 0x206F},   {0x3164, 0x3164},
    {0xFE00, 0xFE0F},   {0xFEFF, 0xFEFF},   {0xFFA0, 0xFFA0},   {0xFFF0, 0xFFFB},   {0x110BD, 0x110BD},
    {0x110CD, 0x110CD}, {0x13430, 0x1343F}, {0x1BCA0, 0x1BCA3}, {0x1D173, 0x1D17A}, {0xE0000, 0xE0FFF},
};

bool is_noncharacter(char32_t point) noexcept {
    return (point >= 0xFDD0 && point <= 0xFDEF) || (point & 0xFFFEu) == 0xFFFEu;
}

/// Takes no room on the screen, so that texts which differ in it look alike; or is shown only together with others.
bool is_invisible(char32_t point) noexcept {
    return is_noncharacter(point) || std::any_of(std::begin(invisible), std::end(invisible), [&](const Range& each) {
               return point >= each.first && point <= each.last;
           });
}

/// Emoji and several scripts are written with these.
bool is_joiner(char32_t point, char32_t before) noexcept {
    return (point == 0x200C || point == 0x200D || point == 0xFE0F) && before >= 0x80;
}

bool is_blank(char32_t point) noexcept {
    return point == ' ' || point == 0x00A0 || point == 0x1680 || (point >= 0x2000 && point <= 0x200A) ||
           point == 0x202F || point == 0x205F || point == 0x2800 || point == 0x3000;
}

void append_point(std::string& out, char32_t point) {
    out += fmt::format("\\u{{{:04x}}}", static_cast<std::uint32_t>(point));
}

void append_escaped(std::string& out, std::string_view bytes) {
    for (const char c : bytes) out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
}

void append_bad(std::string& out, char byte, BadBytes bad) {
    if (bad == BadBytes::replaced) {
        out += "\xEF\xBF\xBD";
        return;
    }
    out += '\xED';
    out += static_cast<unsigned char>(byte) < 0xC0 ? '\xB2' : '\xB3';
    out += static_cast<char>(0x80u | (static_cast<unsigned char>(byte) & 0x3Fu));
}

/// How many bytes at the front of `text` `is_of` is true of.
template <class Is>
std::size_t count_front(std::string_view text, Is is_of) noexcept {
    return static_cast<std::size_t>(std::find_if_not(text.begin(), text.end(), is_of) - text.begin());
}

/// Most output is ASCII, which needs no look at sequences.
std::size_t count_ascii(std::string_view text) noexcept {
    return count_front(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

/// ASCII that is shown as it is.
std::size_t count_shown(std::string_view text) noexcept {
    return count_front(text, [](char c) { return (c >= ' ' && c < '\x7f') || c == '\t'; });
}

}  // namespace

bool is_utf8(std::string_view text) noexcept {
    char32_t point = 0;
    while (!text.empty()) {
        text.remove_prefix(count_ascii(text));
        if (text.empty()) break;
        const std::size_t n = sequence_length(text, point);
        if (n == 0) return false;
        text.remove_prefix(n);
    }
    return true;
}

std::optional<unsigned char> kept_byte(std::string_view text) noexcept {
    if (text.size() < 3 || text[0] != '\xED' || (text[1] != '\xB2' && text[1] != '\xB3')) return std::nullopt;
    const unsigned low = static_cast<unsigned char>(text[2]) & 0x3Fu;
    return static_cast<unsigned char>((text[1] == '\xB2' ? 0x80u : 0xC0u) | low);
}

std::string to_valid_utf8(std::string_view text, BadBytes bad) {
    std::string out;
    out.reserve(text.size());
    char32_t point = 0;
    while (!text.empty()) {
        if (const std::size_t ascii = count_ascii(text); ascii > 0) {
            out.append(text.substr(0, ascii));
            text.remove_prefix(ascii);
            continue;
        }
        const std::size_t n = sequence_length(text, point);
        if (n == 0) {
            append_bad(out, text.front(), bad);
            text.remove_prefix(1);
        } else {
            out.append(text.substr(0, n));
            text.remove_prefix(n);
        }
    }
    return out;
}

namespace {

std::string without_controls(std::string_view text, BadBytes bad) {
    std::string out;
    out.reserve(text.size());
    std::size_t line_begin = 0;
    bool returned = false;  // a carriage return was seen: what comes next rewrites the line
    char32_t point = 0;
    while (!text.empty()) {
        if (const std::size_t shown = count_shown(text); shown > 0) {
            if (std::exchange(returned, false)) out.resize(line_begin);
            out.append(text.substr(0, shown));
            text.remove_prefix(shown);
            continue;
        }
        const char c = text.front();
        if (c == '\x1b') {
            text.remove_prefix(escape_length(text));
            continue;
        }
        if (c == '\r') {
            returned = true;
            text.remove_prefix(1);
            continue;
        }
        if (c == '\n') {
            out += '\n';
            line_begin = out.size();
            returned = false;
            text.remove_prefix(1);
            continue;
        }
        if (c == '\b') {
            while (out.size() > line_begin && (static_cast<unsigned char>(out.back()) & 0xC0u) == 0x80u) out.pop_back();
            if (out.size() > line_begin) out.pop_back();
            text.remove_prefix(1);
            continue;
        }
        const std::size_t n = sequence_length(text, point);
        if (n != 0 && is_control(point)) {
            text.remove_prefix(n);
            continue;
        }
        if (std::exchange(returned, false)) out.resize(line_begin);
        if (n == 0) {
            append_bad(out, text.front(), bad);
            text.remove_prefix(1);
        } else {
            out.append(text.substr(0, n));
            text.remove_prefix(n);
        }
    }
    return out;
}

/// What shows otherwise than it reads, of text that may hold bad bytes, which stay.
std::string escape_deceptive(std::string text) {
    std::string out;
    std::size_t copied = 0;
    char32_t point = 0;
    for (std::size_t i = 0; i < text.size();) {
        const auto rest = std::string_view(text).substr(i);
        if (const std::size_t ascii = count_ascii(rest); ascii > 0) {
            i += ascii;
            continue;
        }
        const std::size_t n = sequence_length(rest, point);
        if (n > 0 && (is_bidi(point) || is_separator(point) || is_tag(point))) {
            out.append(text, copied, i - copied);
            append_point(out, point);
            copied = i + n;
        }
        i += std::max<std::size_t>(n, 1);
    }
    if (copied == 0) return text;
    return out.append(text, copied);
}

}  // namespace

std::string clean_output(std::string_view text, BadBytes bad) { return escape_deceptive(without_controls(text, bad)); }
std::string searched_output(std::string_view text) { return without_controls(text, BadBytes::replaced); }

bool is_unfinished_sequence(std::string_view text) noexcept {
    if (text.size() < 2) return true;
    if (escape_length(text) < text.size()) return false;
    if (text[1] == '[') return text.size() == 2 || text.back() < 0x40;
    const bool is_string = std::string_view("]PX^_").find(text[1]) != std::string_view::npos;
    return is_string ? !text.ends_with('\a') && !text.ends_with("\x1b\\") : text.back() < 0x30;
}

std::string escape_for_terminal(std::string_view text, Sequences other) {
    std::string out;
    out.reserve(text.size());
    bool coloured = false;
    char32_t point = 0;
    while (!text.empty()) {
        const char c = text.front();
        if (c == '\x1b') {
            const std::size_t n = escape_length(text);
            if (is_colour(text.substr(0, n))) {
                out.append(text.substr(0, n));
                coloured = true;
                text.remove_prefix(n);
            } else if (other == Sequences::dropped) {
                text.remove_prefix(n);
            } else {
                append_escaped(out, text.substr(0, 1));
                text.remove_prefix(1);
            }
            continue;
        }
        if (c == '\n') {
            if (coloured) out += "\x1b[0m";
            coloured = false;
        }
        const std::size_t n = sequence_length(text, point);
        if (n == 0) {
            out += "\xEF\xBF\xBD";
            text.remove_prefix(1);
            continue;
        }
        const bool is_other = is_control(point) && c != '\n' && c != '\t' && c != '\r';
        if (is_other) {
            if (other == Sequences::shown) append_escaped(out, text.substr(0, n));
        } else if (is_bidi(point))
            append_point(out, point);
        else
            out.append(text.substr(0, n));
        text.remove_prefix(n);
    }
    if (coloured) out += "\x1b[0m";
    return out;
}

std::string without_colours(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        const std::size_t escape = std::min(text.find('\x1b'), text.size());
        out.append(text.substr(0, escape));
        text.remove_prefix(escape);
        if (text.empty()) break;
        const std::size_t n = escape_length(text);
        const bool is_left_out = is_colour(text.substr(0, n));
        if (!is_left_out) out += '\x1b';
        text.remove_prefix(is_left_out ? n : 1);
    }
    return out;
}

std::string_view last_rewrite(std::string_view line) noexcept {
    while (line.ends_with('\r')) line.remove_suffix(1);
    const std::size_t returned = line.rfind('\r');
    return returned == std::string_view::npos ? line : line.substr(returned + 1);
}

std::string escape_line(std::string_view text) {
    const auto is_plain = [](char c) { return c >= ' ' && c < '\x7f'; };
    std::string out;
    out.reserve(text.size());
    char32_t point = 0;
    while (!text.empty()) {
        if (const std::size_t plain = count_front(text, is_plain); plain > 0) {
            out.append(text.substr(0, plain));
            text.remove_prefix(plain);
            continue;
        }
        const std::size_t n = sequence_length(text, point);
        if (n == 0) {
            append_escaped(out, text.substr(0, 1));
            text.remove_prefix(1);
            continue;
        }
        if (is_control(point) || is_separator(point))
            append_escaped(out, text.substr(0, n));
        else if (is_bidi(point))
            append_point(out, point);
        else
            out.append(text.substr(0, n));
        text.remove_prefix(n);
    }
    return out;
}

bool has_control_or_bidi(std::string_view text) noexcept {
    char32_t point = 0;
    while (!text.empty()) {
        const std::size_t n = sequence_length(text, point);
        if (n == 0 || is_control(point) || is_bidi(point) || is_separator(point)) return true;
        text.remove_prefix(n);
    }
    return false;
}

std::string_view assigned_name(std::string_view word) noexcept {
    const std::string_view name = word.substr(0, word.find('='));
    const bool is_name =
        !name.empty() && name.size() < word.size() && std::all_of(name.begin(), name.end(), [](char c) {
            return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
        });
    return is_name ? name : std::string_view();
}

std::string hide_values(std::string_view text) {
    constexpr std::string_view gaps = " \t\n'\"`;&|()";
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find_first_of(gaps, at), text.size());
        std::string_view word = text.substr(at, end - at);
        if (word.starts_with("--"))
            word.remove_prefix(std::min(word.find('='), word.size() - 1) + 1);
        else if (word.starts_with("-e"))
            word.remove_prefix(2);
        const std::string_view name = assigned_name(word);
        if (!name.empty())
            return std::string(text.substr(0, static_cast<std::size_t>(name.data() + name.size() - text.data()))) +
                   "=…";
        at = end + 1;
    }
    return std::string(text);
}

// What is not shown need not be looked at; the byte behind it says that there is more.
std::string excerpt(std::string_view text) { return shortened(hide_values(text.substr(0, max_excerpt_bytes + 1))); }

std::string shortened(std::string_view text) {
    if (text.size() <= max_excerpt_bytes) return escape_line(text);
    std::size_t end = max_excerpt_bytes;
    while (end > max_excerpt_bytes - 4 && (static_cast<unsigned char>(text[end]) & 0xC0u) == 0x80u) --end;
    return escape_line(text.substr(0, end)) + "…";
}

std::string quote(std::string_view text) {
    std::string out = "\"";
    for (const char c : escape_line(text)) {
        if (c == '"') out += '\\';
        out += c;
    }
    return out + '"';
}

std::string escape_invisible(std::string_view text) {
    std::string out;
    char32_t point = 0, before = 0;
    while (!text.empty()) {
        const std::size_t length = sequence_length(text, point), n = std::max<std::size_t>(length, 1);
        const std::string_view here = text.substr(0, n);
        const bool is_hidden = is_invisible(point) && !is_joiner(point, before);
        if (is_hidden)
            append_point(out, point);
        else
            out.append(here);
        // Nothing is joined to what is written in ASCII, here or by escape_line.
        before = is_hidden || length == 0 || has_control_or_bidi(here) ? 0 : point;
        text.remove_prefix(n);
    }
    return escape_line(out);
}

std::string why_not_shown(std::string_view text) {
    if (!is_utf8(text)) return "must be UTF-8";
    if (has_control_or_bidi(text))
        return fmt::format("must not hold control or bidirectional characters: {}", quote(excerpt(text)));
    return why_invisible(text);
}

std::string escape_outer_blanks(std::string_view text) {
    std::string out, blanks, escaped;
    char32_t point = 0;
    while (!text.empty()) {
        const std::size_t n = std::max<std::size_t>(sequence_length(text, point), 1);
        if (is_blank(point)) {
            blanks += text.substr(0, n);
            append_point(escaped, point);
        } else {
            out.append(out.empty() ? escaped : blanks).append(text.substr(0, n));
            blanks.clear();
            escaped.clear();
        }
        text.remove_prefix(n);
    }
    return out + escaped;
}

std::string why_invisible(std::string_view text) {
    char32_t point = 0, before = 0;
    bool shows = false;
    while (!text.empty()) {
        const std::size_t n = std::max<std::size_t>(sequence_length(text, point), 1);
        const bool joins = is_joiner(point, before);
        if (!joins && is_invisible(point))
            return fmt::format("holds U+{:04X}, which does not show", static_cast<std::uint32_t>(point));
        // What stands on the character before it is next to nothing alone.
        shows = shows || (!joins && !is_blank(point) && cells_of(text.substr(0, n)) > 0);
        before = point;
        text.remove_prefix(n);
    }
    return shows ? "" : "must hold something that shows";
}

std::size_t append_json_escape(std::string& out, std::string_view text) {
    char32_t point = 0;
    const std::size_t n = sequence_length(text, point);
    // Blanks between values may be control characters, too: those stay.
    const bool is_ours = point >= 0x7F && (is_control(point) || is_bidi(point) || is_separator(point) || is_tag(point));
    if (n == 0 || !is_ours) return 0;
    const auto append_unit = [&out](std::uint32_t unit) { fmt::format_to(std::back_inserter(out), "\\u{:04x}", unit); };
    if (point > 0xFFFF) append_unit(0xD800u + ((static_cast<std::uint32_t>(point) - 0x10000u) >> 10u));
    append_unit(point > 0xFFFF ? 0xDC00u + (static_cast<std::uint32_t>(point) & 0x3FFu)
                               : static_cast<std::uint32_t>(point));
    return n;
}

std::string escape_json(std::string json) {
    std::string out;
    std::string_view text = json;
    for (;;) {
        const auto special = std::find_if(text.begin(), text.end(), may_need_json_escape);
        if (special == text.end()) break;
        out.append(text.begin(), special);
        text.remove_prefix(static_cast<std::size_t>(special - text.begin()));
        const std::size_t n = append_json_escape(out, text);
        if (n == 0) out += text.front();
        text.remove_prefix(std::max<std::size_t>(n, 1));
    }
    if (out.empty()) return json;
    return out.append(text);
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        before.swap(last);
        last.swap(row);
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = std::min(row[j], before[j - 2] + 1);
        }
    }
    return row[b.size()];
}

std::string nearest_word(std::string_view word, const std::vector<std::string>& candidates) {
    constexpr std::size_t long_word = 8, least_beginning = 3;
    const std::size_t letters = word.size() - std::min(word.size(), word.find_first_not_of('-'));
    std::string best;
    std::size_t best_distance = (letters >= long_word ? 2 : 1) + 1;
    const std::string_view typed = word.substr(word.size() - letters);
    for (const auto& each : candidates) {
        const std::size_t distance = edit_distance(word, each);
        const std::string_view meant = std::string_view(each).substr(std::min(each.size(), word.size() - letters));
        // Nobody mistypes the first letter alone.
        const bool begins_alike =
            !typed.empty() && !meant.empty() &&
            (typed[0] == meant[0] || typed.starts_with(meant.substr(1, 1)) || meant.starts_with(typed.substr(1, 1)));
        if (begins_alike && distance < best_distance) {
            best_distance = distance;
            best = each;
        }
    }
    if (!best.empty() || letters < least_beginning) return best;
    for (const auto& each : candidates)
        if (each.starts_with(word)) return each;
    return best;
}

std::string bytes_to_text(std::string_view bytes) {
    std::string out;
    out.reserve(bytes.size());
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x80) {
            out += c;
        } else {
            out += static_cast<char>(0xC0 | byte >> 6);
            out += static_cast<char>(0x80 | (byte & 0x3F));
        }
    }
    return out;
}

std::optional<std::string> text_to_bytes(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    char32_t point = 0;
    while (!text.empty()) {
        const std::size_t n = sequence_length(text, point);
        if (n == 0 || point > 0xFF) return std::nullopt;
        out += static_cast<char>(point);
        text.remove_prefix(n);
    }
    return out;
}

std::string shell_quote(std::string_view word) {
    static constexpr std::string_view safe = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@%+=:,./-";
    if (!word.empty() && word.find_first_not_of(safe) == std::string_view::npos) return std::string(word);
    std::string out = "'";
    for (const char c : word) {
        if (c == '\'')
            out += "'\\''";
        else
            out += c;
    }
    return out + "'";
}

}  // namespace persistproc::base
