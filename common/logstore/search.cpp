#include "common/logstore/search.hpp"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>

#include "common/base/text.hpp"

namespace persistproc::logstore {

namespace {

constexpr std::size_t max_pattern_bytes = 1024;
constexpr std::size_t most_text_bytes = 1u << 20;
constexpr std::size_t most_steps = 1u << 24;  // bytes × instructions: some 0.2 s at the slowest
constexpr std::size_t most_instructions = most_steps / least_part_bytes;
// RE2 takes a tenth of a millisecond or two to read one, before its bound of memory counts.
constexpr std::size_t most_properties = 32;

/// What matches in `text`, of whose outermost bytes those that `ends` leaves out stand beside what is looked at.
bool match(const re2::RE2& expression, std::string_view text, LineEnds ends, re2::StringPiece* found) {
    const std::size_t begin = ends.begins || text.empty() ? 0 : 1;
    const std::size_t end = ends.ends || text.size() == begin ? text.size() : text.size() - 1;
    return expression.Match({text.data(), text.size()}, begin, end, re2::RE2::UNANCHORED, found, found ? 1 : 0);
}

re2::StringPiece piece(std::string_view text) { return re2::StringPiece(text.data(), text.size()); }

/// Where the atom at the front of an expression ends, if it is a character, a class or a named class; else 0.
std::size_t front_atom(std::string_view text) {
    if (text.empty()) return 0;
    if (text[0] == '.' || std::isalnum(static_cast<unsigned char>(text[0])) != 0) return 1;
    if (text[0] == '[') {
        std::size_t at = text.starts_with("[^") ? 2 : 1;
        // A bracket at the very front is one of the class; a class within it ends it no more than an escape does.
        for (std::size_t first = at; at < text.size(); ++at) {
            if (text[at] == '[') return 0;
            if (text[at] == '\\')
                ++at;
            else if (text[at] == ']' && at != first)
                return at + 1;
        }
        return 0;
    }
    if (text.size() < 2 || text[0] != '\\') return 0;
    if (std::string_view("dDwWsS").find(text[1]) != text.npos) return 2;
    if ((text[1] != 'p' && text[1] != 'P') || text.size() < 3) return 0;
    const auto end = text[2] == '{' ? text.find('}') : 2;
    return end == text.npos ? 0 : end + 1;
}

/// A bound of a repetition; no value: RE2 takes none such.
std::optional<int> find_bound(std::string_view text) {
    constexpr int most = 1000;
    int out = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (failed != std::errc() || end != text.data() + text.size() || out < 0 || out > most) return std::nullopt;
    return out;
}

/// A line that has a match of "a{1,200}b" has one of "a{1}b", and the other way round: how often beyond the least what
/// stands in front is there, makes no difference to whether there is one, and a great one to the size of the pattern.
std::string without_front_repeats(std::string_view text) {
    for (;;) {
        const std::size_t atom = front_atom(text);
        std::string_view rest = text.substr(atom);
        const auto close = rest.find('}');
        if (atom == 0 || !rest.starts_with('{') || close == rest.npos) return std::string(text);
        std::string_view bounds = rest.substr(1, close - 1);
        const auto comma = bounds.find(',');
        const std::string_view least = bounds.substr(0, comma);
        const std::string_view most = comma == bounds.npos ? "" : bounds.substr(comma + 1);
        const auto from = find_bound(least), to = most.empty() ? from : find_bound(most);
        if (comma == bounds.npos || !from || !to || *to < *from) return std::string(text);
        rest.remove_prefix(close + 1);
        if (rest.starts_with('?')) rest.remove_prefix(1);
        // What may be repeated once more is refused by RE2, as written.
        if (!rest.empty() && std::string_view("*+?{").find(rest[0]) != rest.npos) return std::string(text);
        if (*from > 0) return std::string(text.substr(0, atom)) + "{" + std::string(least) + "}" + std::string(rest);
        text = rest;
    }
}

/// Whether a newline is asked for: as one, or by a name outside of a class that excludes it.
bool wants_newline(std::string_view text) {
    bool is_quoted = false, is_excluded = false, is_class = false;
    for (std::size_t at = 0; at < text.size(); ++at) {
        const std::string_view rest = text.substr(at);
        if (rest[0] == '\n' && !is_excluded) return true;
        if (is_quoted || rest.starts_with("\\Q")) {
            is_quoted = !rest.starts_with("\\E");
            at += rest[0] == '\\' ? 1 : 0;
        } else if (rest[0] == '\\') {
            constexpr std::string_view names[] = {"\\n",    "\\x0a",   "\\x0A",   "\\x{a}",
                                                  "\\x{A}", "\\x{0a}", "\\x{0A}", "\\012"};
            const auto is_here = [rest](std::string_view name) { return rest.starts_with(name); };
            if (!is_excluded && std::any_of(std::begin(names), std::end(names), is_here)) return true;
            ++at;
        } else if (!is_class && rest[0] == '[') {
            is_class = true;
            is_excluded = rest.starts_with("[^");
            // A bracket at the very front is one of the class.
            at += is_excluded ? 1 : 0;
            at += text.substr(at + 1).starts_with(']') ? 1 : 0;
        } else if (is_class && rest.starts_with("[:")) {
            const auto end = rest.find(":]");
            if (end != rest.npos) at += end + 1;
        } else if (is_class && rest[0] == ']') {
            is_class = is_excluded = false;
        }
    }
    return false;
}

/// Classes that Unicode names: \pL, \P{Greek}. Quoted ones count, too.
std::size_t count_properties(std::string_view text) {
    std::size_t out = 0;
    for (std::size_t at = 0; at + 1 < text.size(); ++at) {
        if (text[at] != '\\') continue;
        ++at;
        if (text[at] == 'p' || text[at] == 'P') ++out;
    }
    return out;
}

}  // namespace

bool is_plain(std::string_view text) noexcept {
    const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
    const std::size_t size = text.size();
    const auto is_control = [](unsigned char byte) {
        return static_cast<unsigned char>((byte < 0x20) & (byte != '\n') & (byte != '\t')) |
               static_cast<unsigned char>(byte == 0x7f);
    };
    // Blocks of a fixed size without a branch per byte: the compiler looks at many at once.
    constexpr std::size_t block = 64;
    std::size_t at = 0;
    for (; at + block <= size; at += block) {
        unsigned char found = 0;
        for (std::size_t i = 0; i < block; ++i) found = static_cast<unsigned char>(found | is_control(bytes[at + i]));
        if (found != 0) return false;
    }
    for (; at < size; ++at)
        if (is_control(bytes[at]) != 0) return false;
    return true;
}

LinePattern::LinePattern(std::unique_ptr<re2::RE2> expression, bool can_skip)
    : expression_(std::move(expression)),
      can_skip_(can_skip),
      longest_text_(std::clamp(most_steps / static_cast<std::size_t>(std::max(1, expression_->ProgramSize())),
                               least_part_bytes, most_text_bytes)) {}
LinePattern::LinePattern(LinePattern&&) noexcept = default;
LinePattern& LinePattern::operator=(LinePattern&&) noexcept = default;
LinePattern::~LinePattern() = default;

Result<LinePattern> LinePattern::compile(std::string_view expression, std::size_t memory, bool ignore_case) {
    if (expression.size() > max_pattern_bytes)
        return Error{ErrorCode::invalid,
                     fmt::format("{} bytes; at most {} are accepted", expression.size(), max_pattern_bytes)};
    if (wants_newline(expression))
        return Error{ErrorCode::invalid,
                     "looked for in one line at a time; leave out \\n and give the last line alone"};
    const Error too_large{ErrorCode::invalid,
                          "the pattern is too large when compiled: repeat less, or smaller classes"};
    if (count_properties(expression) > most_properties) return too_large;
    re2::RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(static_cast<std::int64_t>(memory));
    options.set_never_nl(true);
    auto by_line =
        std::make_unique<re2::RE2>((ignore_case ? "(?im)" : "(?m)") + without_front_repeats(expression), options);
    const bool is_too_large = by_line->ok() ? static_cast<std::size_t>(by_line->ProgramSize()) > most_instructions
                                            : by_line->error_code() == re2::RE2::ErrorPatternTooLarge;
    if (is_too_large) return too_large;
    if (!by_line->ok()) {
        by_line.reset();
        // As the user wrote it, so that the error quotes nothing else.
        const re2::RE2 given(piece(expression), options);
        return Error{ErrorCode::invalid, fmt::format("{} (the syntax is RE2's)", base::excerpt(given.error()))};
    }
    // \A, \z and flags may see the whole text instead of its lines.
    const auto has = [&](std::string_view what, std::size_t from) {
        return expression.find(what, from) != std::string_view::npos;
    };
    const bool can_skip = !has("\\A", 0) && !has("\\z", 0) && !has("(?", expression.starts_with("(?i)") ? 4 : 0);
    return LinePattern(std::move(by_line), can_skip);
}

std::optional<std::string_view> LinePattern::find_match(std::string_view line, LineEnds ends) const {
    const auto is_match = [&](std::string_view text) {
        LineEnds of_text = ends_of_state(line, text, ends);
        if (is_plain(text)) return match(*expression_, text, of_text, nullptr);
        const std::string printed = base::searched_output(text);
        // What it was redrawn from is gone, and the line begins anew.
        of_text.begins = of_text.begins || base::last_rewrite(text).data() != text.data();
        return match(*expression_, printed, of_text, nullptr);
    };
    if (is_match(line)) return line;
    std::string_view states = line;
    while (states.ends_with('\r')) states.remove_suffix(1);
    for (auto end = states.rfind('\r'); end != std::string_view::npos; end = states.rfind('\r')) {
        states = states.substr(0, end);
        const std::string_view state = states.substr(states.rfind('\r') + 1);
        if (!state.empty() && is_match(state)) return state;
    }
    return std::nullopt;
}

std::optional<std::string_view> LinePattern::find_span(std::string_view plain, LineEnds ends) const {
    re2::StringPiece found;
    if (!match(*expression_, plain, ends, &found)) return std::nullopt;
    return std::string_view(found.data() == nullptr ? plain.data() : found.data(), found.size());
}

bool is_excluded(const LinePattern& exclude, std::string_view shown, LineEnds ends) {
    const auto excluded = exclude.find_match(shown, ends);
    return excluded && excluded->size() == shown.size();
}

std::optional<std::string_view> find_match(const LinePattern& pattern, const LinePattern* exclude,
                                           std::string_view line, LineEnds ends) {
    const auto match = pattern.find_match(line, ends);
    const bool is_left_out =
        match && exclude != nullptr && is_excluded(*exclude, *match, ends_of_state(line, *match, ends));
    return is_left_out ? std::nullopt : match;
}

LineEnds ends_of_state(std::string_view line, std::string_view state, LineEnds ends) noexcept {
    return {.begins = ends.begins || state.data() != line.data(),
            .ends = ends.ends || state.data() + state.size() != line.data() + line.size()};
}

LineEnds ends_of_part(std::string_view line, std::string_view part, LineEnds ends) noexcept {
    return {.begins = ends.begins && part.data() == line.data(),
            .ends = ends.ends && part.data() + part.size() == line.data() + line.size()};
}

bool LinePattern::may_match_in(std::string_view plain_lines) const {
    return !can_skip_ || re2::RE2::PartialMatch(piece(plain_lines), *expression_);
}

}  // namespace persistproc::logstore
