/// Output of programs on its way to terminals and agents, and words of strangers in our messages.
#include <algorithm>
#include <string>

#include "common/base/text.hpp"
#include "common/schema/json.hpp"
#include "tests/fuzz/input.hpp"

namespace {

using namespace persistproc;
using fuzz::require;

std::size_t newlines(std::string_view text) {
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

/// `text` without the bytes of `allowed`.
std::string without(std::string text, std::string_view allowed) {
    std::erase_if(text, [allowed](char c) { return allowed.find(c) != std::string_view::npos; });
    return text;
}

/// `text` without colours, of which none may reach past the end of a line.
std::string without_colours(std::string_view text) {
    std::string out;
    bool coloured = false;
    while (!text.empty()) {
        if (!text.starts_with("\x1b[")) {
            require(text.front() != '\n' || !coloured, "colour ends with its line");
            out += text.front();
            text.remove_prefix(1);
            continue;
        }
        const std::size_t end = text.find_first_not_of("0123456789;:", 2);
        require(end != std::string_view::npos && text[end] == 'm', "an escape sequence for a terminal is a colour");
        coloured = text.substr(0, end) != "\x1b[0";
        text.remove_prefix(end + 1);
    }
    require(!coloured, "colour ends with the text");
    return out;
}

/// Whatever becomes of the sequences that may not reach a terminal.
void check_shown(std::string_view text, base::Sequences other) {
    const std::string shown = base::escape_for_terminal(text, other);
    require(base::is_utf8(shown), "what a terminal gets is UTF-8");
    require(newlines(shown) == newlines(text), "a terminal gets as many lines");
    // Separators of lines are no harm to a terminal.
    const std::string plain = without(without_colours(shown), "\n\t\r");
    require(std::none_of(plain.begin(), plain.end(), [](char c) { return (c >= 0 && c < ' ') || c == '\x7f'; }),
            "a terminal gets no control character");
    for (const std::string_view hidden : {"\xc2\x9b", "\xc2\x85", "\xe2\x80\xae", "\xe2\x81\xa6", "\xd8\x9c"})
        require(plain.find(hidden) == std::string::npos, "a terminal gets neither C1 nor bidirectional characters");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    const std::string_view text = fuzz::Input(bytes, size).rest();

    const std::string valid = base::to_valid_utf8(text);
    require(base::is_utf8(valid), "made valid is valid");
    require(!base::is_utf8(text) || valid == text, "what is valid stays");

    const std::string line = base::escape_line(text);
    require(!base::has_control_or_bidi(line), "an escaped line holds no control character");
    require(!base::has_control_or_bidi(base::excerpt(text)), "nor does an excerpt");
    require(!base::has_control_or_bidi(base::quote(text)), "nor does a quotation");

    const std::string clean = base::clean_output(text);
    require(base::is_utf8(clean), "cleaned output is UTF-8");
    require(std::none_of(clean.begin(), clean.end(),
                         [](char c) { return (c >= 0 && c < ' ' && c != '\n' && c != '\t') || c == '\x7f'; }),
            "cleaned output holds no control character");
    require(newlines(clean) == newlines(text), "cleaned output has as many lines");
    require(base::clean_output(clean) == clean, "clean output stays");
    require(base::clean_output(base::searched_output(text)) == clean, "what is searched in differs in how it is shown");

    for (const auto other : {base::Sequences::shown, base::Sequences::dropped}) check_shown(text, other);

    const schema::Json string = valid;
    const std::string json = base::escape_json(string.dump());
    require(!base::has_control_or_bidi(json), "JSON to be shown holds no control character");
    require(schema::Json::parse(json, nullptr, false) == string, "JSON to be shown says the same");

    require(base::text_to_bytes(base::bytes_to_text(text)) == text, "bytes survive as text");
    return 0;
}
