#include "common/screen/filter.hpp"

#include <algorithm>

#include "common/base/cells.hpp"

namespace persistproc::screen {

namespace {

using terminal::Csi;
using terminal::Token;

constexpr int most_joined = 5;  // a cell has room for six characters
constexpr std::string_view bad = "\xEF\xBF\xBD";
constexpr char shift_out = '\x0e', shift_in = '\x0f';

/// Of DEC's line drawing, from '`' on.
constexpr std::string_view drawn[] = {"◆", "▒", "␉", "␌", "␍", "␊", "°", "±", "␤", "␋", "┘", "┐", "┌", "└", "┼", "⎺",
                                      "⎻", "─", "⎼", "⎽", "├", "┤", "┴", "┬", "│", "≤", "≥", "π", "≠", "£", "·"};

bool is_plain(char c) noexcept { return static_cast<unsigned char>(c) < 0x80 && c != shift_out && c != shift_in; }

/// Joins the character before it, there or in any terminal.
bool joins(std::string_view bytes, char32_t point) noexcept {
    return point >= 0x300 && (base::cells_of(bytes) == 0 || point == 0xFE0F || point == 0x06DE || point == 0x1734);
}

/// Joins and yet counts two cells there, so that a glyph may become wider than the screen.
bool is_wide_joiner(char32_t point) noexcept {
    return (point >= 0x302A && point <= 0x302F) || point == 0x3099 || point == 0x309A;
}

/// The size of the sequence that begins with this byte; 0: none does.
std::size_t size_of_sequence(unsigned char first) noexcept {
    if (first >= 0xC2 && first <= 0xDF) return 2;
    if (first >= 0xE0 && first <= 0xEF) return 3;
    if (first >= 0xF0 && first <= 0xF4) return 4;
    return 0;
}

bool may_follow(unsigned char first, std::size_t place, unsigned char byte) noexcept {
    unsigned low = 0x80, high = 0xBF;
    if (place == 1 && first == 0xE0) low = 0xA0;
    if (place == 1 && first == 0xED) high = 0x9F;
    if (place == 1 && first == 0xF0) low = 0x90;
    if (place == 1 && first == 0xF4) high = 0x8F;
    return byte >= low && byte <= high;
}

}  // namespace

void Filter::take(const Token& token, int columns) {
    switch (token.kind) {
        case Token::Kind::text: return take_text(token.bytes);
        case Token::Kind::escape: return take_escape(token.bytes);
        case Token::Kind::csi:
            if (Csi csi; terminal::parse_csi(token.bytes, csi)) take_csi(csi, columns);
            return;
        case Token::Kind::none:
        case Token::Kind::osc:
        case Token::Kind::dcs: return;
    }
}

std::string_view Filter::written(bool but_last) const noexcept {
    return std::string_view(written_).substr(0, but_last ? last_begin_ : written_.size());
}

void Filter::forget_written(bool but_last) {
    written_.erase(0, written(but_last).size());
    last_begin_ = but_last ? 0 : written_.size();
}

void Filter::take_text(std::string_view text) {
    while (!text.empty()) {
        if (begun_size_ == 0 && !is_drawing()) {
            const auto end = std::find_if_not(text.begin(), text.end(), is_plain);
            const auto size = static_cast<std::size_t>(end - text.begin());
            take_plain(text.substr(0, size));
            text.remove_prefix(size);
            if (text.empty()) return;
        }
        take_byte(text.front());
        text.remove_prefix(1);
    }
}

void Filter::take_plain(std::string_view text) {
    while (!text.empty()) {
        const std::size_t room = most_written_bytes - std::min(written_.size(), most_written_bytes - 1);
        const std::string_view part = text.substr(0, room);
        written_ += part;
        text.remove_prefix(part.size());
        const bool ends_shown = part.back() >= ' ';
        last_begin_ = written_.size() - (ends_shown ? 1 : 0);
        last_.assign(ends_shown ? part.substr(part.size() - 1) : std::string_view());
        joined_ = 0;
        if (written_.size() >= most_written_bytes) sink_->draw();
    }
}

void Filter::take_byte(char c) {
    const auto byte = static_cast<unsigned char>(c);
    if (begun_size_ > 0) {
        const auto first = static_cast<unsigned char>(begun_[0]);
        if (may_follow(first, begun_size_, byte)) {
            begun_[begun_size_++] = c;
            if (begun_size_ < size_of_sequence(first)) return;
            const std::string_view bytes(begun_.data(), begun_size_);
            char32_t point = first & (0x7Fu >> bytes.size());
            for (const char each : bytes.substr(1)) point = point << 6 | (static_cast<unsigned char>(each) & 0x3Fu);
            begun_size_ = 0;
            return take_character(bytes, point);
        }
        begun_size_ = 0;
        take_character(bad, 0xFFFD);
    }
    if (size_of_sequence(byte) > 0) {
        begun_[0] = c;
        begun_size_ = 1;
    } else if (byte >= 0x80) {
        take_character(bad, 0xFFFD);
    } else if (c == shift_out || c == shift_in) {
        is_shifted_ = c == shift_out;
    } else if (is_drawing() && c >= '`' && c <= '~') {
        const std::string_view shape = drawn[c - '`'];
        take_character(shape, 0x2500);
    } else {
        take_plain({&c, 1});
    }
}

void Filter::take_character(std::string_view bytes, char32_t point) {
    if (point < 0xA0 || is_wide_joiner(point)) return;  // a C1 has a width of -1 there
    if (joins(bytes, point)) {
        if (++joined_ > most_joined) return;
        last_ += bytes;
    } else {
        joined_ = 0;
        last_begin_ = written_.size();
        last_.assign(bytes);
    }
    written_ += bytes;
    if (written_.size() >= most_written_bytes) sink_->draw();
}

void Filter::write(std::string_view sequence) {
    written_ += sequence;
    last_begin_ = written_.size();
    if (written_.size() >= most_written_bytes) sink_->draw();
}

void Filter::act(Action::Kind kind, bool keeps_cursor) {
    last_begin_ = written_.size();
    sink_->act({kind, keeps_cursor});
}

void Filter::take_escape(std::string_view bytes) {
    begun_size_ = 0;
    if (bytes == "7" || bytes == "D" || bytes == "E" || bytes == "H" || bytes == "M")
        return write("\x1b" + std::string(bytes));
    if (bytes == "8") return act(Action::Kind::restore_cursor);
    if (bytes == "c") {
        draws_ = {};
        is_shifted_ = false;
        return act(Action::Kind::reset);
    }
    if (bytes.size() == 2 && (bytes[0] == '(' || bytes[0] == ')')) draws_[bytes[0] == '(' ? 0 : 1] = bytes[1] == '0';
}

void Filter::take_csi(const Csi& csi, int columns) {
    begun_size_ = 0;
    const auto number = [&csi](std::size_t place) {
        return csi.at(place, 0) == 0 ? std::string() : std::to_string(csi.at(place, 0));
    };
    switch (csi.leader << 16 | csi.intermediate << 8 | csi.final) {
        case 'J':
        case '?' << 16 | 'J':
            if (csi.at(0, 0) == 3) return act(Action::Kind::forget_scrolled);
            [[fallthrough]];
        case 'K':
        case '?' << 16 | 'K': return write("\x1b[" + number(0) + csi.final);  // nothing is protected
        case 'T':
            if (csi.count > 1) return;  // mouse tracking
            [[fallthrough]];
        case '@':
        case 'A':
        case 'B':
        case 'C':
        case 'D':
        case 'E':
        case 'F':
        case 'G':
        case 'I':
        case 'L':
        case 'M':
        case 'P':
        case 'S':
        case 'X':
        case 'Z':
        case '`':
        case 'a':
        case 'd':
        case 'e':
        case 'g': return write("\x1b[" + number(0) + csi.final);
        case 'H':
        case 'f':
        case 'r': return write("\x1b[" + number(0) + ';' + number(1) + csi.final);
        case 'b': return repeat(std::min<int>(csi.at(0, 1), columns));
        case 's':
            if (csi.count == 0)
                write(
                    "\x1b"
                    "7");
            return;
        case 'u':
            if (csi.count == 0) act(Action::Kind::restore_cursor);
            return;
        case 'm': return write_colours(csi);
        case 'h':
        case 'l':
        case '?' << 16 | 'h':
        case '?' << 16 | 'l': return set_mode(csi);
        case '!' << 8 | 'p':
            draws_ = {};
            is_shifted_ = false;
            return act(Action::Kind::reset_softly);
        default: return;
    }
}

/// Of several modes in one sequence libvterm sets the first alone. Left out are margins at the sides and lines of
/// double width, which make rectangles of a negative width.
void Filter::set_mode(const Csi& csi) {
    const bool on = csi.final == 'h';
    for (std::size_t i = 0; i < csi.count; ++i) {
        const int mode = csi.values[i];
        if (csi.leader == '\0') {
            if (mode == 4 || mode == 20) write("\x1b[" + std::to_string(mode) + csi.final);
            continue;
        }
        switch (mode) {
            case 5:
            case 6:
            case 7: write("\x1b[?" + std::to_string(mode) + csi.final); break;
            case 1048:
                if (on)
                    write(
                        "\x1b"
                        "7");
                else
                    act(Action::Kind::restore_cursor);
                break;
            case 47:
            case 1047:
            case 1049: act(on ? Action::Kind::enter_alternate : Action::Kind::leave_alternate, mode == 1049); break;
            default: break;
        }
    }
}

/// libvterm writes the 17th number of a sequence over its own pointers. It takes a colour space for red, and the colour
/// of an underline, which it does not know, for attributes.
void Filter::write_colours(const Csi& csi) {
    std::size_t i = 0;
    if (csi.count == 0) write("\x1b[m");
    while (i < csi.count) {
        std::string one = "\x1b[";
        const int first = csi.at(i, 0);
        std::size_t end = i + 1;
        while (end < csi.count && !csi.begins(end)) ++end;
        const bool is_colour = first == 38 || first == 48 || first == 58;
        const bool has_subs = end > i + 1;
        if (is_colour && !has_subs && end < csi.count) {  // 38;2;r;g;b or 38;5;n
            const std::size_t more = csi.at(end, 0) == 2 ? 4 : csi.at(end, 0) == 5 ? 2 : 1;
            end = std::min<std::size_t>(end + more, csi.count);
        }
        std::size_t skipped = 0;  // the colour space of 38:2:space:r:g:b
        if (is_colour && has_subs && csi.at(i + 1, 0) == 2 && end - i > 5) skipped = i + 2;
        const std::size_t needed = csi.at(i + 1, 0) == 2 ? 5 : 3;
        const std::size_t shown = end - i - (skipped != 0 ? 1 : 0);
        if (!is_colour || (first != 58 && shown >= needed)) {
            std::size_t written = 0;
            for (std::size_t j = i; j < end && written < (is_colour ? needed : 2); ++j) {
                if (j == skipped && skipped != 0) continue;
                if (written++ > 0) one += is_colour || csi.begins(j) ? ';' : ':';
                one += std::to_string(std::min<int>(csi.at(j, 0), 255));
            }
            write(one + 'm');
        }
        i = end;
    }
}

/// libvterm repeats for ever what has no width.
void Filter::repeat(int count) {
    const std::string character = last_;
    if (character.empty()) return;
    for (int i = 0; i < count; ++i) {
        last_begin_ = written_.size();
        written_ += character;
        if (written_.size() >= most_written_bytes) sink_->draw();
    }
}

}  // namespace persistproc::screen
