#include "common/terminal/tracker.hpp"

#include <algorithm>
#include <charconv>
#include <type_traits>

namespace persistproc::terminal {

static_assert(std::is_trivially_copyable_v<Scanner> && sizeof(Scanner) <= 320, "it lies in memory that keepers share");

namespace {

using Kind = Finding::Kind;

void append(Answer& to, std::string_view text) noexcept {
    const std::size_t size = std::min(text.size(), to.bytes.size() - to.size);
    std::copy_n(text.begin(), size, to.bytes.begin() + to.size);
    to.size = static_cast<std::uint8_t>(to.size + size);
}

void append(Answer& to, unsigned number) noexcept {
    char digits[10];
    const auto end = std::to_chars(digits, digits + sizeof digits, number);
    append(to, std::string_view(digits, static_cast<std::size_t>(end.ptr - digits)));
}

}  // namespace

Answer answer(const Finding& question, Position cursor) noexcept {
    Answer out;
    switch (question.kind) {
        case Kind::attributes: append(out, "\x1b[?62;22c"); break;
        case Kind::secondary_attributes: append(out, "\x1b[>1;10;0c"); break;
        case Kind::status: append(out, "\x1b[0n"); break;
        case Kind::cursor:
        case Kind::private_cursor:
            append(out, question.kind == Kind::cursor ? "\x1b[" : "\x1b[?");
            append(out, cursor.row + 1u);
            append(out, ";");
            append(out, cursor.column + 1u);
            append(out, "R");
            break;
        case Kind::mode:
        case Kind::private_mode:  // unknown: a terminal that comes later may not have it
            append(out, question.kind == Kind::mode ? "\x1b[" : "\x1b[?");
            append(out, unsigned{question.number});
            append(out, ";0$y");
            break;
        case Kind::setting: append(out, "\x1bP0$r\x1b\\"); break;
        case Kind::capability: append(out, "\x1bP0+r\x1b\\"); break;
        case Kind::none:
        case Kind::update_begins:
        case Kind::update_ends:
        case Kind::silent: break;
    }
    return out;
}

Finding Tracker::take(const Token& token) noexcept {
    switch (token.kind) {
        case Token::Kind::none:
        case Token::Kind::text: break;
        case Token::Kind::escape:
            if (token.bytes == "=") modes_.set(Mode::keypad, true);
            if (token.bytes == ">") modes_.set(Mode::keypad, false);
            if (token.bytes == "Z") return {Kind::attributes};
            if (token.bytes == "c") {
                const bool was_open = modes_.has(Mode::synchronized);
                modes_ = {};
                if (was_open) return {Kind::update_ends};
            }
            break;
        case Token::Kind::csi: {
            Csi csi;
            // Colours and movements, which most sequences are, change nothing here.
            const char final = token.bytes.back();
            const bool is_plain = token.bytes.front() < '<' || token.bytes.front() > '?';
            if (is_plain && ((final >= 'A' && final <= 'K') || final == 'm')) break;
            if (parse_csi(token.bytes, csi)) return take_csi(csi);
            break;
        }
        case Token::Kind::osc: return take_osc(token.bytes);
        case Token::Kind::dcs:
            if (token.bytes.starts_with("$q")) return {Kind::setting};
            if (token.bytes.starts_with("+q")) return {Kind::capability};
            break;
    }
    return {};
}

Finding Tracker::take_csi(const Csi& csi) noexcept {
    switch (csi.leader << 16 | csi.intermediate << 8 | csi.final) {
        case 'c': return {csi.at(0, 0) == 0 ? Kind::attributes : Kind::none};
        case '>' << 16 | 'c': return {csi.at(0, 0) == 0 ? Kind::secondary_attributes : Kind::none};
        case '=' << 16 | 'c':
        case '>' << 16 | 'q':
        case '?' << 16 | 'u': return {Kind::silent};
        case 't': return {csi.at(0, 0) >= 11 && csi.at(0, 0) <= 21 ? Kind::silent : Kind::none};
        case 'n':
            if (csi.at(0, 0) == 5) return {Kind::status};
            return {csi.at(0, 0) == 6 ? Kind::cursor : Kind::none};
        case '?' << 16 | 'n': return {csi.at(0, 0) == 6 ? Kind::private_cursor : Kind::silent};
        case '$' << 8 | 'p': return {Kind::mode, csi.at(0, 0)};
        case '?' << 16 | '$' << 8 | 'p': return {Kind::private_mode, csi.at(0, 0)};
        case '?' << 16 | 'h': return set_private(csi, true);
        case '?' << 16 | 'l': return set_private(csi, false);
        case 'h':
        case 'l':
            for (std::size_t i = 0; i < csi.count; ++i)
                if (csi.values[i] == 4) modes_.set(Mode::insert, csi.final == 'h');
            break;
        case '>' << 16 | 'm':  // XTMODKEYS, of which 4 is modifyOtherKeys; without a value it goes back
            if (csi.at(0, 4) == 4) modes_.modify_other_keys = static_cast<std::uint8_t>(std::min<int>(csi.at(1, 0), 3));
            break;
        case '>' << 16 | 'n':
            if (csi.at(0, 4) == 4) modes_.modify_other_keys = 0;
            break;
        case '>' << 16 | 'u':
        case '<' << 16 | 'u':
        case '=' << 16 | 'u': set_keyboard(csi); break;
        case ' ' << 8 | 'q': modes_.cursor_shape = static_cast<std::uint8_t>(std::min<int>(csi.at(0, 0), 6)); break;
        case '!' << 8 | 'p': reset_softly(); break;
        default: break;
    }
    return {};
}

/// Of several in one sequence the last is told.
Finding Tracker::set_private(const Csi& csi, bool on) noexcept {
    const bool was_open = modes_.has(Mode::synchronized);
    for (std::size_t i = 0; i < csi.count; ++i) modes_.set_private(csi.values[i], on);
    if (modes_.has(Mode::synchronized) == was_open) return {};
    return {was_open ? Kind::update_ends : Kind::update_begins};
}

void Tracker::set_keyboard(const Csi& csi) noexcept {
    KeyboardFlags& keyboard = modes_.keyboard();
    const auto value = static_cast<std::uint8_t>(csi.at(0, 0) & 0x1f);
    if (csi.leader == '>') return keyboard.push(value);
    if (csi.leader == '<') return keyboard.pop(csi.at(0, 1));
    std::uint8_t& current = keyboard.flags[keyboard.depth];
    const std::uint16_t how = csi.at(1, 1);
    if (how == 1) current = value;
    if (how == 2) current = static_cast<std::uint8_t>(current | value);
    if (how == 3) current = static_cast<std::uint8_t>(current & ~value);
}

void Tracker::reset_softly() noexcept {
    for (const Mode mode :
         {Mode::cursor_keys, Mode::keypad, Mode::hidden_cursor, Mode::insert, Mode::origin, Mode::no_wrap})
        modes_.set(mode, false);
    modes_.cursor_shape = 0;
}

Finding Tracker::take_osc(std::string_view bytes) noexcept {
    const std::size_t end = bytes.find(';');
    if (end == std::string_view::npos) return {};
    const std::string_view command = bytes.substr(0, end), text = bytes.substr(end + 1);
    if (command == "0" || command == "2") {
        title_size_ = static_cast<std::uint8_t>(std::min(text.size(), title_.size()));
        // No half of a character.
        while (title_size_ > 0 && title_size_ < text.size() &&
               (static_cast<unsigned char>(text[title_size_]) & 0xC0u) == 0x80u)
            --title_size_;
        std::copy_n(text.begin(), title_size_, title_.begin());
        return {};
    }
    // Colours (4, 10 to 19) and the clipboard (52).
    return {text == "?" || text.ends_with(";?") ? Kind::silent : Kind::none};
}

Finding Scanner::scan(std::string_view& bytes) noexcept {
    for (tokens_.skip_text(bytes); !bytes.empty(); tokens_.skip_text(bytes))
        if (const Finding found = tracker_.take(tokens_.next(bytes)); found.kind != Kind::none) return found;
    return {};
}

}  // namespace persistproc::terminal
