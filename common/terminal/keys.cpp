#include "common/terminal/keys.hpp"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "common/base/text.hpp"

namespace persistproc::terminal {

namespace {

constexpr unsigned shift = 1, alt = 2, ctrl = 4;  // as xterm counts them, less one

struct Key {
    enum class Form { byte, cursor, function, tilde };

    std::string_view name;
    Form form;
    int code;  // a byte, a final letter, or a number
};

constexpr Key keys[] = {
    {"enter", Key::Form::byte, '\r'}, {"tab", Key::Form::byte, '\t'},       {"escape", Key::Form::byte, 0x1b},
    {"space", Key::Form::byte, ' '},  {"backspace", Key::Form::byte, 0x7f}, {"up", Key::Form::cursor, 'A'},
    {"down", Key::Form::cursor, 'B'}, {"right", Key::Form::cursor, 'C'},    {"left", Key::Form::cursor, 'D'},
    {"home", Key::Form::cursor, 'H'}, {"end", Key::Form::cursor, 'F'},      {"insert", Key::Form::tilde, 2},
    {"delete", Key::Form::tilde, 3},  {"page-up", Key::Form::tilde, 5},     {"page-down", Key::Form::tilde, 6},
    {"f1", Key::Form::function, 'P'}, {"f2", Key::Form::function, 'Q'},     {"f3", Key::Form::function, 'R'},
    {"f4", Key::Form::function, 'S'}, {"f5", Key::Form::tilde, 15},         {"f6", Key::Form::tilde, 17},
    {"f7", Key::Form::tilde, 18},     {"f8", Key::Form::tilde, 19},         {"f9", Key::Form::tilde, 20},
    {"f10", Key::Form::tilde, 21},    {"f11", Key::Form::tilde, 23},        {"f12", Key::Form::tilde, 24},
};

constexpr std::pair<std::string_view, unsigned> modifiers[] = {{"shift-", shift}, {"alt-", alt}, {"ctrl-", ctrl}};

std::string small_letters(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return out;
}

Error unknown_key(std::string_view name) {
    std::vector<std::string> known;
    for (const Key& key : keys) known.emplace_back(key.name);
    for (const auto& [prefix, bit] : modifiers)
        for (const Key& key : keys)
            if (key.form != Key::Form::byte) known.push_back(std::string(prefix) + std::string(key.name));
    known.emplace_back("shift-tab");
    for (char c = 'a'; c <= 'z'; ++c) known.push_back(std::string("ctrl-") + c);
    const std::string near = base::nearest_word(small_letters(name), known);
    std::string message = "no key is called " + base::quote(base::shortened(name));
    message += near.empty() ? "; keys are enter, tab, escape, space, backspace, delete, insert, up, down, left, right, "
                              "home, end, page-up, page-down, f1 to f12 or one character, with ctrl-, alt- or shift- "
                              "before it"
                            : "; did you mean " + near + "?";
    return {ErrorCode::invalid, std::move(message)};
}

/// The byte of ctrl with a character. No value: a terminal has none.
std::optional<char> control(char c) noexcept {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    if (c >= '@' && c <= '_') return static_cast<char>(c & 0x1f);
    if (c == '?') return '\x7f';
    if (c == '/') return '\x1f';
    return std::nullopt;
}

std::optional<std::string> bytes_of_character(std::string_view text, unsigned held) {
    std::string out = (held & alt) != 0 ? "\x1b" : "";
    char c = text.front();
    if (text.size() > 1) {
        if ((held & (ctrl | shift)) != 0) return std::nullopt;
        return out.append(text);
    }
    if ((held & ctrl) != 0) {
        const auto byte = control(c);
        if (!byte || (held & shift) != 0) return std::nullopt;
        return out += *byte;
    }
    if ((held & shift) != 0) {
        const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_letter) return std::nullopt;
        c = static_cast<char>(c & ~0x20);
    }
    return out += c;
}

std::optional<std::string> bytes_of_named(const Key& key, unsigned held, const Modes& modes) {
    const std::string modifier = std::to_string(held + 1);
    switch (key.form) {
        case Key::Form::cursor:
        case Key::Form::function: {
            const auto letter = static_cast<char>(key.code);
            if (held != 0) return "\x1b[1;" + modifier + letter;
            const bool is_single_shift = key.form == Key::Form::function || modes.has(Mode::cursor_keys);
            return std::string(is_single_shift ? "\x1bO" : "\x1b[") + letter;
        }
        case Key::Form::tilde: return "\x1b[" + std::to_string(key.code) + (held == 0 ? "" : ";" + modifier) + "~";
        case Key::Form::byte: break;
    }
    auto byte = static_cast<char>(key.code);
    std::string out = (held & alt) != 0 ? "\x1b" : "";
    if (byte == 0x7f) {
        const bool is_bs = modes.has(Mode::backspace_is_bs) != ((held & ctrl) != 0);
        byte = is_bs ? '\b' : '\x7f';
    } else if ((held & ctrl) != 0) {
        if (byte != ' ') return std::nullopt;
        byte = '\0';
    }
    if ((held & shift) != 0) {
        if (byte != '\t') return std::nullopt;
        return out += "\x1b[Z";
    }
    return out += byte;
}

}  // namespace

Result<std::string> bytes_of_key(std::string_view name, const Modes& modes) {
    const std::string small = small_letters(name);
    std::string_view rest = small;
    unsigned held = 0;
    for (bool again = true; again;) {
        again = false;
        for (const auto& [prefix, bit] : modifiers)
            if (rest.size() > prefix.size() && rest.starts_with(prefix) && (held & bit) == 0) {
                held |= bit;
                rest.remove_prefix(prefix.size());
                again = true;
            }
    }
    const Key* found =
        std::find_if(std::begin(keys), std::end(keys), [rest](const Key& key) { return key.name == rest; });
    std::optional<std::string> bytes;
    if (found != std::end(keys)) {
        bytes = bytes_of_named(*found, held, modes);
    } else {
        // One character is itself, of a capital letter, too.
        const std::string_view character = name.substr(name.size() - rest.size());
        const bool is_one = !character.empty() && base::is_utf8(character) && !base::has_control_or_bidi(character) &&
                            std::count_if(character.begin(), character.end(),
                                          [](char c) { return (static_cast<unsigned char>(c) & 0xC0u) != 0x80u; }) == 1;
        if (is_one) bytes = bytes_of_character(character, held);
    }
    if (!bytes) return unknown_key(name);
    return *std::move(bytes);
}

Result<std::string> bytes_of_key_for_pipe(std::string_view name) {
    if (small_letters(name) == "enter") return std::string("\n");
    return Error{ErrorCode::invalid, "it has no terminal, so of keys it can be sent enter alone"};
}

std::string typed(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\n' && i > 0 && text[i - 1] == '\r') continue;
        out += text[i] == '\n' ? '\r' : text[i];
    }
    return out;
}

std::string pasted(std::string_view text, const Modes& modes) {
    std::string without_esc(text);
    std::erase(without_esc, '\x1b');
    // Only now: what stood on both sides of an ESC is a character where it is one after that.
    const std::string valid = base::to_valid_utf8(without_esc);
    std::string kept;
    kept.reserve(valid.size());
    for (std::size_t i = 0; i < valid.size(); ++i) {
        const bool is_c1 = valid[i] == '\xc2' && static_cast<unsigned char>(valid[i + 1]) < 0xA0;
        if (is_c1)
            ++i;
        else
            kept += valid[i];
    }
    kept = typed(kept);
    return modes.has(Mode::bracketed_paste) ? "\x1b[200~" + kept + "\x1b[201~" : kept;
}

}  // namespace persistproc::terminal
