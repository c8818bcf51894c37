#pragma once
/// Text from outside: is it UTF-8, may it be shown, how far apart are two words.
#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace persistproc::base {

/// Whether `text` is well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms).
bool is_utf8(std::string_view text) noexcept;

/// What becomes of bytes that are no part of well-formed UTF-8.
enum class BadBytes {
    replaced,  // by U+FFFD each
    kept,  // each as the three bytes of the surrogate U+DC80…U+DCFF, which well-formed text cannot hold: `kept_byte`
};
/// The byte that `BadBytes::kept` has written at the front of `text`, which is three bytes long there. No value: a
/// character.
std::optional<unsigned char> kept_byte(std::string_view text) noexcept;

/// Every byte that is not part of well-formed UTF-8 replaced by U+FFFD, or kept.
std::string to_valid_utf8(std::string_view text, BadBytes bad = BadBytes::replaced);

/// Output of a program for an agent: escape sequences (ECMA-48 CSI, OSC, DCS, …) and control characters other than
/// newline and tab are removed; of a line rewritten with carriage returns the last version stays; bad UTF-8
/// becomes U+FFFD, or is kept; bidirectional characters, separators of lines that are no newlines, and tags (text that
/// nobody sees) are shown escaped ("\u{202e}").
std::string clean_output(std::string_view text, BadBytes bad = BadBytes::replaced);

/// The same as it was printed, which patterns are looked for in: those characters are themselves.
std::string searched_output(std::string_view text);

/// What becomes of escape sequences and control characters that may not reach a terminal.
enum class Sequences {
    shown,    // escaped, "\x1b"
    dropped,  // of a program that speaks to a terminal: whole sequences
};

/// Output of a program for a terminal: SGR colour sequences stay (and are reset at each line's end), every other
/// escape and control character but newline, tab, and carriage return is as `other` says; bidirectional ones are shown
/// ("\u{202e}").
/// State across calls is the caller's: pass whole lines where possible.
std::string escape_for_terminal(std::string_view text, Sequences other = Sequences::shown);
/// Without the colours that escape_for_terminal leaves as they are; all else stays, byte for byte.
std::string without_colours(std::string_view text);
/// Whether an escape sequence, `text` beginning with it, does not end within `text`.
bool is_unfinished_sequence(std::string_view text) noexcept;

/// Of a line without its newline, what a terminal would show in the end: what stands behind the last carriage return
/// that something follows. For a line that stands behind text of ours, which a carriage return would overwrite.
std::string_view last_rewrite(std::string_view line) noexcept;

/// One line that is safe to show: control and bidirectional characters as "\xNN" / "\u{NNNN}".
std::string escape_line(std::string_view text);

/// As `escape_line`, and no more than this of it.
std::string shortened(std::string_view text);
inline constexpr std::size_t max_excerpt_bytes = 200;

/// What somebody said, for a refusal that repeats it: as `shortened`, and as `hide_values`.
std::string excerpt(std::string_view text);

/// "NAME" of a word of the form NAME=value, which a shell takes for an assignment; empty: it is none.
std::string_view assigned_name(std::string_view word) noexcept;

/// Where a word of the text is NAME=value, also behind "-e" or "--env=", "…" stands for the value and all behind it:
/// nobody can tell where a value ends, and it may be a secret that was typed in the wrong place.
std::string hide_values(std::string_view text);

/// As `escape_line`, in double quotes that the text cannot close.
std::string quote(std::string_view text);

/// JSON text that is safe to show: of what JSON allows within strings DEL, C1, bidirectional and line-separating
/// characters and tags as "\uNNNN", which reads as the same text.
std::string escape_json(std::string json);

/// Whether such a character may begin with this byte. Of most text none does.
constexpr bool may_need_json_escape(char c) noexcept {
    return c == '\x7f' || c == '\xc2' || c == '\xd8' || c == '\xe2' || c == '\xf3';
}
/// Appends the escape of such a character at the front of `text`. Returns its bytes there; 0: it is none.
std::size_t append_json_escape(std::string& out, std::string_view text);

/// As `escape_line`, and what takes no room is shown in the same way: what `why_invisible` complains of.
std::string escape_invisible(std::string_view text);

/// Why `text`, which is well-formed UTF-8, does not show as what it is: it holds something that takes no room or is no
/// character, or nothing but blanks. Empty: it does.
std::string why_invisible(std::string_view text);

/// Why `text` cannot stand within a line of ours as it is: it is no UTF-8, holds control or bidirectional characters,
/// or `why_invisible`. Empty: it can.
std::string why_not_shown(std::string_view text);

/// `text`, which is well-formed UTF-8, with the blanks of any kind at both its ends as "\u{0020}".
std::string escape_outer_blanks(std::string_view text);

/// Whether `text` holds a control character or a Unicode bidirectional override (which can hide what is shown).
bool has_control_or_bidi(std::string_view text) noexcept;

/// In bytes, how many are to be changed, put in, left out or exchanged with their neighbour: for "did you mean".
std::size_t edit_distance(std::string_view a, std::string_view b);

/// The candidate that a mistyped word was meant to be: one letter wrong, missing, too many or two exchanged, in a long
/// word two of that, and not the first letter alone; or the word is its beginning. "" when none is near.
std::string nearest_word(std::string_view word, const std::vector<std::string>& candidates);

/// Any bytes as UTF-8 text: each byte becomes the code point of its value. `text_to_bytes` undoes it; nothing when
/// `text` is not of that form.
std::string bytes_to_text(std::string_view bytes);
std::optional<std::string> text_to_bytes(std::string_view text);

/// "1 byte", "2 bytes". `many`: where that is not `one` with an "s".
template <std::integral Number>
std::string counted(Number n, std::string_view one, std::string_view many = {}) {
    std::string out = std::to_string(n) + " ";
    if (n == 1 || many.empty()) out += one;
    if (n == 1) return out;
    out += many.empty() ? "s" : many;
    return out;
}

/// The word quoted for a POSIX shell where it needs it: `a b` → `'a b'`.
std::string shell_quote(std::string_view word);

}  // namespace persistproc::base
