#include "common/logstore/error_line.hpp"

#include <algorithm>
#include <optional>

#include "common/logstore/ascii.hpp"
#include "common/logstore/error_place.hpp"

namespace persistproc::logstore {

const std::string_view error_hint =
    "(?i)err|eror|exception|fatal|fata|ftl|crit|severe|emerg|panic|fail|segmentation|core dumped|terminate called|"
    "stack smashing|undefined reference|uncaught|unhandled|in use|eaddrinuse|traceback|assertion|sanitizer|caused by|"
    "elifecycle|crashed|make.*\\*\\*\\*|\\*\\* \\(|e: file|\\.(?:go|rb):\\d|"
    "\"(?:level|lvl|severity|levelname|log.level)\"[ \":]*\\d|(?:^|[|:\\]] )[EF]\\d{4} |\xe2\xa8\xaf|\xe2\x97\x8f|data "
    "race|rake "
    "aborted|"
    "\\.exc\\.|: not found|command not found|running on port|::\\S+ \\(.*\\):\\s*$|(?:^|[|:\\]]) +(?:x|\xc3\x97) ";

namespace {

constexpr std::size_t longest_prefix = 200;  // times, levels, loggers in front of a message
constexpr std::size_t longest_bracket = 80;
constexpr std::size_t longest_phrase = 48;
constexpr std::size_t longest_typed = 400;  // of a line, in which the type of its error may stand

bool has(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

template <std::size_t count>
bool is_one_of(std::string_view word, const std::string_view (&words)[count]) {
    return std::find(std::begin(words), std::end(words), word) != std::end(words);
}
template <std::size_t count>
bool starts_with_one(std::string_view text, const std::string_view (&words)[count]) {
    return std::any_of(std::begin(words), std::end(words), [text](auto word) { return text.starts_with(word); });
}
template <std::size_t count>
bool ends_with_one(std::string_view text, const std::string_view (&words)[count]) {
    return std::any_of(std::begin(words), std::end(words), [text](auto word) { return text.ends_with(word); });
}
template <std::size_t count>
bool has_one(std::string_view text, const std::string_view (&words)[count]) {
    return std::any_of(std::begin(words), std::end(words), [text](auto word) { return has(text, word); });
}

std::string_view trimmed_front(std::string_view text, std::string_view what = " \t") {
    text.remove_prefix(std::min(text.find_first_not_of(what), text.size()));
    return text;
}
std::string_view trimmed(std::string_view text, std::string_view what = " \t") {
    text = trimmed_front(text, what);
    return text.substr(0, text.find_last_not_of(what) + 1);
}

/// "error: 0", "Last error: none", "err=<nil>": that there is none.
bool is_nothing(std::string_view value) {
    constexpr std::string_view nothing[] = {"none", "null", "nil",  "<nil>", "no",   "false", "ok",   "undefined",
                                            "{}",   "[]",   "''",   "\"\"",  "n/a",  "N/A",   "None", "Null",
                                            "off",  "on",   "true", "NULL",  "NONE", "No",    "False"};
    value = trimmed(value, " \t,;.:");
    const std::string_view word = value.substr(0, value.find_first_of(" \t,;"));
    if (word.empty() || (word.size() == value.size() && is_one_of(word, nothing))) return true;
    return word[0] == '0' && std::none_of(word.begin(), word.end(), [](char c) { return is_letter(c) && c != 'm'; });
}

enum class Level { none, lower, failure };

Level level_of_capitals(std::string_view word) {
    constexpr std::string_view failures[] = {"ERROR", "ERR",    "ERRO",  "EROR",  "FATAL", "FATA",
                                             "FTL",   "SEVERE", "EMERG", "PANIC", "CRIT",  "CRITICAL"};
    constexpr std::string_view lower[] = {"INFO", "INF",     "WARN", "WARNING", "WRN", "DEBUG",
                                          "DBG",  "TRACE",   "TRC",  "NOTICE",  "LOG", "DEBU",
                                          "NOTE", "VERBOSE", "HINT", "SUCCESS", "OK"};
    if (is_one_of(word, failures)) return Level::failure;
    return is_one_of(word, lower) ? Level::lower : Level::none;
}

Level level_of_word(std::string_view word) {
    constexpr std::string_view failures[] = {"error", "fatal", "critical", "crit", "panic",    "emerg",
                                             "fail",  "Error", "Fatal",    "eror", "Critical", "severe"};
    constexpr std::string_view lower[] = {"info", "warn", "warning", "debug", "trace",   "notice", "verbose", "log",
                                          "note", "hint", "Info",    "Warn",  "Warning", "Debug",  "Note",    "Trace",
                                          "dbug", "trce", "success", "ready", "event",   "wait"};
    if (is_one_of(word, failures)) return Level::failure;
    return is_one_of(word, lower) ? Level::lower : Level::none;
}

/// "[ERROR]", "[php:error]", "[2024-01-01 12:00:00,123: ERROR/MainProcess]"
Level level_in_bracket(std::string_view inner) {
    const std::string_view last = inner.substr(inner.find_last_of(':') + 1);  // npos + 1: all of it
    if (const Level level = level_of_word(last); level != Level::none) return level;
    while (!inner.empty()) {
        const std::size_t end = std::min(inner.find_first_of(" /:,|"), inner.size());
        if (const Level level = level_of_capitals(inner.substr(0, end)); level != Level::none) return level;
        inner.remove_prefix(std::min(end + 1, inner.size()));
    }
    return Level::none;
}

/// Times, numbers, months and zones: what stands in front of a level.
bool is_stamp(std::string_view word) {
    constexpr std::string_view names[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", "Jan", "Feb", "Mar",
                                          "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    if (is_digit(word[0]) || is_one_of(word, names)) return true;
    return word.size() <= 5 && std::none_of(word.begin(), word.end(), is_lower);
}

/// What stands in front of a line's message. Where `level` is none, `rest` is where words begin.
struct Prefix {
    Level level = Level::none;
    std::size_t rest = 0;
};

/// One word in front: nothing when it belongs to what is in front, else what it makes of the line.
std::optional<Prefix> read_word(std::string_view line, std::size_t begin, std::size_t end) {
    const std::string_view word = trimmed(line.substr(begin, end - begin), ",;.");
    const std::string_view next = line.substr(end);
    if (const Level level = level_of_capitals(word); level != Level::none) return Prefix{level, end};
    // Monolog's channel before it: "app.ERROR: …".
    const auto dot = word.rfind('.');
    if (dot != word.npos && next.starts_with(':'))
        if (const Level level = level_of_capitals(word.substr(dot + 1)); level != Level::none)
            return Prefix{level, end};
    const Level level = level_of_word(word);
    // In small letters it is a word like any other, unless it stands as a level does.
    const bool is_marked = next.starts_with(':') || next.starts_with(" -") || next.starts_with(" |");
    const bool is_spoken = next.size() > 1 && next[0] == ' ' && is_upper(next[1]);
    if (level == Level::lower && (is_marked || is_spoken || next.starts_with("  "))) return Prefix{level, end};
    if (level == Level::failure && is_lower(word[0]) && (is_marked || (is_spoken && word == "error")))
        return Prefix{level, end};
    if (word.empty() || is_stamp(word)) return std::nullopt;
    return Prefix{Level::none, begin};
}

Prefix read_prefix(std::string_view line) {
    const std::size_t most = std::min(line.size(), longest_prefix);
    std::size_t at = 0;
    while (at < most) {
        const char c = line[at];
        if (!is_letter(c) && !is_digit(c) && std::string_view("[({\"'/<*#@.$_~`").find(c) == std::string_view::npos) {
            ++at;
            continue;
        }
        if (c == '[') {
            const auto close = line.substr(0, at + longest_bracket).find(']', at);
            if (close == line.npos) return {Level::none, at};
            const Level level = level_in_bracket(line.substr(at + 1, close - at - 1));
            at = close + 1;
            if (level != Level::none) return {level, at};
            continue;
        }
        if (!is_letter(c) && !is_digit(c)) return {Level::none, at};
        const std::size_t end = std::min(line.find_first_of(" \t:|[]()", at), line.size());
        if (const auto found = read_word(line, at, end)) return *found;
        at = end;
    }
    return {Level::none, at};
}

std::string_view word_after(std::string_view line, std::string_view key) {
    const auto at = line.find(key);
    if (at == line.npos) return {};
    std::string_view rest = trimmed_front(line.substr(at + key.size()), " \":");
    return rest.substr(0, rest.find_first_of(" \",}"));
}

Level level_of_any(std::string_view word) {
    const Level level = level_of_capitals(word);
    return level == Level::none ? level_of_word(word) : level;
}

/// logfmt, JSON, glog: loggers for machines.
Level machine_level(std::string_view line) {
    for (const std::string_view key : {"level=", "lvl=", "severity="})
        if (const auto at = line.find(key); at != line.npos && (at == 0 || line[at - 1] == ' '))
            return level_of_any(word_after(line, key));
    if (line.starts_with('{')) {
        for (const std::string_view key : {"\"level\"", "\"severity\"", "\"lvl\"", "\"levelname\"", "\"log.level\""}) {
            const std::string_view word = word_after(line, key);
            if (word.empty()) continue;
            // pino and bunyan count: 30 is info, 50 an error.
            if (is_digit(word[0])) return word.size() == 2 && word[0] >= '5' ? Level::failure : Level::lower;
            return level_of_any(word);
        }
    }
    if (line.size() > 6 && std::string_view("EFWI").find(line[0]) != std::string_view::npos && line[5] == ' ' &&
        std::all_of(line.begin() + 1, line.begin() + 5, is_digit))
        return line[0] == 'E' || line[0] == 'F' ? Level::failure : Level::lower;
    return Level::none;
}

/// "3 | const a = 1": sources shown around an error.
bool is_source_frame(std::string_view line) {
    line = trimmed_front(line, " \t>");
    const auto digits = line.find_first_not_of("0123456789");
    if (digits == 0 || digits == line.npos) return false;
    const std::string_view rest = trimmed_front(line.substr(digits));
    return rest.starts_with('|') || rest.starts_with("\xe2\x94\x82");  // │
}

/// Behind a type or a phrase: "[CODE]: what is wrong".
bool says_what(std::string_view rest) {
    if (rest.starts_with(" [")) rest.remove_prefix(std::min(rest.find(']'), rest.size() - 1) + 1);
    if (rest.starts_with(" (")) rest.remove_prefix(std::min(rest.find(')'), rest.size() - 1) + 1);
    if (rest.size() < 2 || rest[0] != ':' || rest[1] != ' ') return false;
    return !is_nothing(rest.substr(1));
}

/// Where the name of a type ends at the front of `text`: "java.io.IOException", "ActiveRecord::StatementInvalid".
std::size_t end_of_type(std::string_view text) {
    std::size_t at = 0;
    while (at < text.size()) {
        if (text.substr(at).starts_with("::") && at + 2 < text.size() && is_letter(text[at + 2]))
            at += 2;
        else if (is_word(text[at]) || text[at] == '.' || text[at] == '$' || text[at] == '\\')
            ++at;
        else
            break;
    }
    return at;
}

/// "TypeError: …", "java.lang.IllegalStateException: …", "Error [ERR_X]: …"; of Rails "NoMethodError (undefined method
/// …):", "ActiveRecord::RecordNotFound (…):"
bool is_typed_error(std::string_view text) {
    const std::size_t end = end_of_type(text);
    const std::string_view type = text.substr(0, end);
    const std::string_view name = type.substr(type.find_last_of(".:\\$") + 1);
    if (name.empty() || !is_upper(name[0]) || name == "NoError" || name == "LastError") return false;
    const bool is_of_exceptions = has(type, ".exceptions.") || has(type, ".exc.");  // as Python's libraries name them
    // As Rails logs it, with where it was below.
    const std::string_view rest = trimmed(text.substr(end));
    const bool is_in_brackets = rest.size() > 4 && rest.starts_with('(') && rest.ends_with("):");
    constexpr std::string_view names[] = {"Error", "Exception", "Panic"};
    constexpr std::string_view names_of_rails[] = {"NotFound", "Invalid", "NotUnique", "Missing"};
    const bool is_named_so =
        ends_with_one(name, names) || (is_in_brackets && has(type, "::") && ends_with_one(name, names_of_rails));
    if (!is_named_so && !(is_of_exceptions && !name.ends_with("Warning"))) return false;
    constexpr std::size_t longest_bare = 9;  // "Exception", "Error": words like others
    // What is wrong stands below.
    if (trimmed(text.substr(end)) == ":") return name.size() > longest_bare;
    if (end == text.size()) return name.size() < type.size();
    return is_in_brackets || says_what(text.substr(end));
}

/// "Internal server error: …"
bool is_phrased_error(std::string_view text) {
    const auto colon = text.substr(0, longest_phrase).find(": ");
    if (colon == text.npos || colon == 0 || !is_upper(text[0])) return false;
    const std::string_view phrase = text.substr(0, colon);
    constexpr std::string_view denials[] = {"No ", "Zero ", "Last ", "Without ", "Previous ", "On ", "Total ", "Any "};
    if (starts_with_one(phrase, denials) || std::count(phrase.begin(), phrase.end(), ' ') > 3) return false;
    if (std::any_of(phrase.begin(), phrase.end(), [](char c) { return !is_letter(c) && c != ' ' && c != '-'; }))
        return false;
    return (phrase.ends_with(" error") || phrase.ends_with(" Error") || phrase.ends_with(" exception")) &&
           says_what(text.substr(colon));
}

/// "Port 3000 is already in use", unless the program takes another one instead.
bool is_refused_port(std::string_view line) {
    constexpr std::string_view fronts[] = {"ort ", "ort: "};
    constexpr std::string_view words[] = {"already in use", "in use by another", "already allocated"};
    constexpr std::string_view others[] = {"trying", "Trying", "instead", "using ", "Using ", "will use", "retry"};
    if (line.starts_with("Something is already running on port ")) return true;
    if (has_one(line, others)) return false;
    for (const std::string_view front : fronts) {
        const auto at = line.find(front);
        if (at == line.npos || at + front.size() >= line.size() || !is_digit(line[at + front.size()])) continue;
        if (has_one(line.substr(at), words)) return true;
    }
    return false;
}

/// "src/a.c:3:5: error: …", "src/a.ts(3,5): error TS1005: …", "./main.go:3:5: undefined: x", "a.rb:3:in 'f': …"
bool is_compilers(std::string_view line) {
    const auto place = find_place(line.substr(0, longest_prefix));
    if (!place || line.find_first_not_of(" \t") < place->begin) return false;
    const std::string_view rest = trimmed_front(line.substr(place->end), " :-\t");
    constexpr std::string_view words[] = {
        "error",        "fatal",       "runtime error: ", "syntax error", "Error: ", "undefined reference to ",
        "Syntax Error", "TypeError: ", "ERROR: "};
    if (starts_with_one(rest, words)) return !is_nothing(rest.substr(rest.find_first_of(":,") + 1));
    const std::string_view told = line.substr(place->begin, place->end - place->begin);
    if (has(told, ".go:")) return place->column > 0 && !rest.empty() && line[place->end] == ':';
    return has(told, ".rb:") && rest.starts_with("in ") && (has(rest, "': ") || has(rest, "`: "));
}

/// Next.js: " ⨯ ./app/page.tsx:3:1", "⨯ app/page.tsx (3:1) @ Page"; what is wrong stands below.
bool is_crossed_place(std::string_view text) {
    constexpr std::string_view cross = "\xe2\xa8\xaf ";
    if (!text.starts_with(cross)) return false;
    text = trimmed(text.substr(cross.size()));
    if (is_path(text)) return true;
    const auto place = find_place(text);
    return place && place->begin == 0 && (place->end == text.size() || text.substr(place->end).starts_with(" @ "));
}

bool is_wrapper(std::string_view text) {
    constexpr std::string_view fronts[] = {"npm ERR!",
                                           "npm error ",
                                           "make: ***",
                                           "ELIFECYCLE",
                                           "ERR_PNPM",
                                           "error: script \"",
                                           "error Command failed",
                                           "error: could not compile",
                                           "error: Recipe "};
    if (text.starts_with("make[") && has(text, "***")) return true;
    return starts_with_one(text, fronts) || has(text, "app crashed");
}

/// Jest's heading of a test that failed: "  ● adds › works"; its other headings are no errors.
bool is_failed_test(std::string_view line) {
    constexpr std::string_view bullet = "  \xe2\x97\x8f ";
    constexpr std::string_view others[] = {"Console", "Deprecation Warning", "Validation Warning"};
    if (!line.starts_with(bullet)) return false;
    const std::string_view name = trimmed(line.substr(bullet.size()));
    return !name.empty() && !starts_with_one(name, others);
}

/// A shell's word of a command that there is not: "sh: 1: vite: not found", "./run.sh: line 3: x: command not found".
bool is_missing_command(std::string_view text) {
    constexpr std::string_view shells[] = {"sh", "bash", "dash", "zsh", "ksh", "ash", "fish"};
    const auto colon = text.find(": ");
    if (colon == text.npos || colon == 0) return false;
    const std::string_view front = text.substr(0, colon);
    const std::string_view name = front.substr(front.find_last_of('/') + 1);  // npos + 1: all of it
    if (front.find(' ') != front.npos || (!is_one_of(name, shells) && !name.ends_with(".sh"))) return false;
    text = trimmed(text);
    return text.ends_with(": not found") || text.ends_with(": command not found") || has(text, "command not found: ");
}

/// What an error is called a warning by.
bool is_race(std::string_view line) {
    constexpr std::string_view parts[] = {"WARNING: ThreadSanitizer: ", "WARNING: MemorySanitizer: "};
    return has_one(line, parts) || trimmed(line) == "WARNING: DATA RACE";
}

/// "Uncaught exception handler installed": of what is there for errors.
bool is_about_handlers(std::string_view line) {
    constexpr std::string_view handled[] = {"xception", "xceptions", "ejection", "ejections", "rror", "rrors"};
    const auto at = line.find(" handle");
    return at != line.npos && ends_with_one(line.substr(0, at), handled);
}

/// What is an error wherever in the line it stands.
bool is_unmistakable(std::string_view line) {
    constexpr std::string_view parts[] = {" panicked at ",
                                          "EADDRINUSE",
                                          "ddress already in use",
                                          "Rejection",
                                          "Sanitizer: ",
                                          ": runtime error: ",
                                          "PHP Fatal error:",
                                          "PHP Parse error:",
                                          "http: panic serving ",
                                          "panic recovered",
                                          "(core dumped)",
                                          "stack smashing detected",
                                          "undefined reference to ",
                                          ": Assertion `",
                                          "APPLICATION FAILED TO START"};
    if (!has_one(line, parts)) return false;
    if (has(line, "Rejection") && is_about_handlers(line)) return false;
    return !has(line, "Rejection") || has(line, "Unhandled") || has(line, "unhandled");
}

bool begins_like_error(std::string_view text) {
    constexpr std::string_view fronts[] = {"panic: ",
                                           "fatal error: ",
                                           "Fatal error: ",
                                           "Fatal Python error: ",
                                           "Parse error: ",
                                           "Uncaught ",
                                           "Exception in ",
                                           "Caused by: ",
                                           "error[E",
                                           "error TS",
                                           "ERROR in ",
                                           "** (",
                                           "Failed to compile",
                                           "Build failed",
                                           "Transform failed",
                                           "Segmentation fault",
                                           "terminate called ",
                                           "Assertion failed",
                                           "e: file://",
                                           "FATAL ERROR: ",
                                           "--- FAIL: ",
                                           "Module not found: Error: ",
                                           "rake aborted!",
                                           "CMake Error",
                                           "FAILURE: Build failed"};
    const bool is_unhandled =
        text.starts_with("Uncaught ") || text.starts_with("Unhandled ") || text.starts_with("unhandled ");
    if (is_unhandled && is_about_handlers(text)) return false;
    if (starts_with_one(text, fronts)) return true;
    if (!text.starts_with("Unhandled ") && !text.starts_with("unhandled ")) return false;
    return has_one(text, {"xception", "ejection", "rror"});
}

bool is_traceback(std::string_view line) { return trimmed(line).ends_with("Traceback (most recent call last):"); }

std::size_t indentation(std::string_view line) { return std::min(line.find_first_not_of(" \t"), line.size()); }

LineKind kind_by_level(std::string_view line, const Prefix& prefix) {
    const std::string_view rest = trimmed_front(line.substr(prefix.rest), " \t:|-]");
    // "ERROR" alone: what it is follows.
    if (!rest.empty() && is_nothing(rest)) return LineKind::other;
    if (prefix.rest < line.size() && line[prefix.rest] == ':' && rest.empty() && is_lower(line[prefix.rest - 1]))
        return LineKind::other;
    const std::string_view head = trimmed_front(line);
    const bool is_compiler = head.starts_with("error: ") || head.starts_with("fatal: ");
    return is_compiler || is_typed_error(rest) || begins_like_error(rest) ? LineKind::error : LineKind::level;
}

/// How many errors a compiler has told of: "1 error", "2 errors generated.", "1 warning and 1 error generated.",
/// "✖ 3 problems (1 error, 2 warnings)".
bool is_tally(std::string_view line) {
    constexpr std::string_view cross = "\xe2\x9c\x96 ";
    if (line.size() > longest_bracket) return false;
    if (line.starts_with(cross)) return has(line, " problem");
    const auto digits = std::min(line.find_first_not_of("0123456789"), line.size());
    const std::string_view rest = line.substr(digits);
    if (digits == 0 || (!rest.starts_with(" error") && !rest.starts_with(" warning"))) return false;
    const std::string_view last = trimmed(rest, " .");
    constexpr std::string_view ends[] = {"error", "errors", "warning", "warnings", "generated"};
    return has(rest, "error") &&
           std::any_of(std::begin(ends), std::end(ends), [last](auto end) { return last.ends_with(end); });
}

/// `"msg":"…"` of a JSON record.
std::string json_message(std::string_view line) {
    for (const std::string_view key : {"\"msg\":", "\"message\":", "\"error\":", "\"event\":"}) {
        const auto at = line.find(key);
        if (at == line.npos) continue;
        std::string_view rest = trimmed_front(line.substr(at + key.size()));
        if (!rest.starts_with('"')) continue;
        std::string out;
        for (std::size_t i = 1; i < rest.size() && rest[i] != '"'; ++i) {
            const bool is_escaped = rest[i] == '\\' && i + 1 < rest.size();
            if (is_escaped) ++i;
            out += is_escaped && (rest[i] == 'n' || rest[i] == 't') ? ' ' : rest[i];
        }
        return out;
    }
    return std::string(trimmed(line));
}

/// Where the message begins: behind a word of Vite's, too, of which of its parts it is ("(client) …").
std::string_view told_behind(std::string_view line, const Prefix& prefix) {
    const std::string_view rest = line.substr(prefix.rest);
    for (const std::string_view part : {"(client) ", "(ssr) "})
        if (rest.starts_with(part)) return rest.substr(part.size());
    return rest;
}

/// "app/models/cart.rb:12:in `total'"
bool is_ruby_frame(std::string_view line) {
    const auto place = find_place(line.substr(0, longest_prefix));
    return place && place->begin == 0 && line.substr(place->end).starts_with(":in ");
}

/// Of a stack: "    at f (/srv/a.js:1:2)", "\tat com.example.App.main(App.java:12)".
bool is_stack_frame(std::string_view line) {
    const std::string_view text = trimmed_front(line);
    return text.size() < line.size() && text.starts_with("at ") && (has(text, ":") || has(text, "("));
}

/// The name of a type of errors as a word within the line: "cannot load: SyntaxError: …", "failed: Error".
bool names_type_of_error(std::string_view line) {
    line = line.substr(0, longest_typed);
    for (const std::string_view name : {"Error", "Exception"})
        for (auto at = line.find(name); at != line.npos; at = line.find(name, at + 1)) {
            const std::string_view behind = line.substr(at + name.size());
            if (behind.empty() || behind.starts_with(": ") || behind == ":" || behind.starts_with(" [")) return true;
        }
    return false;
}

/// swc and what else shows its errors like that: "  x Expected ';'", with the snippet below.
bool is_crossed(std::string_view line) {
    const std::size_t indent = std::min(line.find_first_not_of(' '), line.size());
    std::string_view text = line.substr(indent);
    for (const std::string_view cross : {"x ", "\xc3\x97 "})  // ×
        if (indent > 0 && text.starts_with(cross) && text.size() > cross.size() &&
            std::string_view(" \t\r\f").find(text[cross.size()]) == std::string_view::npos)
            return true;
    return false;
}

/// ",-[src/a.ts:3:1]", above a snippet.
bool is_snippet_head(std::string_view line) {
    const std::string_view text = trimmed_front(line);
    return (text.starts_with(",-[") || text.starts_with("\xe2\x95\xad\xe2\x94\x80[")) && find_place(text);  // ╭─[
}

}  // namespace

bool may_be_head(std::string_view line) {
    return (names_type_of_error(line) || is_crossed(line)) && kind_of(line) == LineKind::other;
}

bool makes_head(std::string_view head, std::string_view line) {
    return (is_stack_frame(line) && names_type_of_error(head)) || (is_snippet_head(line) && is_crossed(head));
}

LineKind kind_of(std::string_view line) {
    if (is_traceback(line)) return LineKind::traceback;
    const std::size_t indent = indentation(line);
    if (indent == line.size() || is_source_frame(line)) return LineKind::other;
    const std::string_view text = line.substr(indent);
    if (is_wrapper(text)) return LineKind::wrapper;
    if (begins_like_error(text) || is_compilers(line) || is_crossed_place(text)) return LineKind::error;
    if (is_failed_test(line) || is_missing_command(text) || is_race(line) || find_lint(line)) return LineKind::error;
    const Level machine = machine_level(line);
    if (machine != Level::none) return machine == Level::failure ? LineKind::level : LineKind::record;
    const Prefix prefix = read_prefix(line);
    if (prefix.level == Level::lower) return LineKind::record;
    if (is_unmistakable(line) || is_refused_port(line)) return LineKind::error;
    if (prefix.level == Level::failure) return indent > 4 ? LineKind::other : kind_by_level(line, prefix);
    const std::string_view rest = told_behind(line, prefix);
    if (is_wrapper(rest)) return LineKind::wrapper;
    if (begins_like_error(rest)) return LineKind::error;
    const bool is_error = is_typed_error(rest) || is_phrased_error(rest);
    return indent <= 4 && is_error ? LineKind::error : LineKind::other;
}

namespace {

/// What nothing but an error is told with begins so.
constexpr std::string_view fronts_of_details[] = {"at ",
                                                  "goroutine ",
                                                  "Caused by",
                                                  "caused by",
                                                  "During handling of ",
                                                  "The above exc",
                                                  "Stack trace",
                                                  "stack backtr",
                                                  "note: ",
                                                  "help: ",
                                                  "hint: ",
                                                  "created by ",
                                                  "-->",
                                                  "Node.js v",
                                                  "Require stack:",
                                                  "- /",
                                                  "[cause]",
                                                  "[stacktrace]",
                                                  "SUMMARY: ",
                                                  "exit status ",
                                                  "[signal ",
                                                  "thrown in ",
                                                  "= note",
                                                  "= help",
                                                  "Backtrace",
                                                  "error: aborting",
                                                  "Some errors have detailed explanations",
                                                  "Import trace",
                                                  "For more information about this error"};

}  // namespace

bool is_continuation(std::string_view line) {
    if (line.empty()) return false;
    if (line[0] == ' ' || line[0] == '\t') return kind_of(line) != LineKind::record;
    constexpr std::string_view others[] = {"from ", "#", "|", "^", "}", "]", "...", "> ", "warning: unused", "==", "~"};
    return starts_with_one(line, fronts_of_details) || starts_with_one(line, others) || is_source_frame(line) ||
           is_ruby_frame(line);
}

bool is_closing(std::string_view line) {
    constexpr std::string_view fronts[] = {
        "error: could not compile", "make: ***", "ninja: build stopped", "collect2: error: ", "clang: error: linker",
        "clang++: error: linker"};
    return starts_with_one(line, fronts) || (line.starts_with("make[") && has(line, "]: ***")) || is_tally(line);
}

namespace {

/// "3:5", taken off the front.
std::optional<LintPlace> take_lint_place(std::string_view& text) {
    const auto number = [&text]() -> int {
        int out = 0;
        std::size_t used = 0;
        while (used < text.size() && used < 7 && is_digit(text[used])) out = out * 10 + (text[used++] - '0');
        text.remove_prefix(used);
        return out;
    };
    LintPlace out;
    out.line = number();
    if (out.line == 0 || !text.starts_with(':')) return std::nullopt;
    text.remove_prefix(1);
    out.column = number();
    return out.column == 0 ? std::nullopt : std::optional(out);
}

}  // namespace

std::optional<LintPlace> find_lint(std::string_view line) {
    std::string_view text = trimmed_front(line);
    if (text.size() == line.size()) return std::nullopt;
    const auto out = take_lint_place(text);
    return out && text.starts_with("  ") && trimmed_front(text).starts_with("error  ") ? out : std::nullopt;
}

std::optional<LintPlace> find_told_line(std::string_view line) {
    constexpr std::string_view word = "  Line ";
    if (!line.starts_with(word)) return std::nullopt;
    line.remove_prefix(word.size());
    const auto out = take_lint_place(line);
    return out && line.starts_with(":  ") ? out : std::nullopt;
}

bool is_path(std::string_view line) {
    const std::string_view text = trimmed(line);
    if (text.size() < 3 || text.find_first_of(" \t:()") != text.npos) return false;
    const auto slash = text.find_last_of('/');
    const auto dot = text.find_last_of('.');
    return slash != text.npos && dot != text.npos && dot > slash + 1 && dot + 1 < text.size();
}

bool is_detail(std::string_view line) {
    constexpr std::size_t deep = 4;
    const std::size_t indent = indentation(line);
    if (indent >= deep || line.starts_with('\t') || is_source_frame(line)) return true;
    const std::string_view text = line.substr(indent);
    if (text.starts_with("at ")) return true;
    const std::size_t name = std::min(text.find_first_of(": "), text.size());
    return indent > 0 && !text.empty() && is_lower(text[0]) && text.substr(name).starts_with(": ");
}

bool is_evidence(std::string_view line) {
    if (is_source_frame(line) || is_stack_frame(line) || is_ruby_frame(line)) return true;
    const std::string_view text = trimmed(line);
    if (text.empty()) return false;
    const bool is_indented = text.data() != line.data();
    if (is_indented && find_place(text)) return true;
    if (text.find_first_not_of("^~|+-. ") == text.npos) return has_one(text, {"^", "~"});
    // Below numbered source; what is framed has a bar at its end, too.
    if (text.starts_with("| ") && !text.ends_with('|')) return true;
    if (text[0] == '#' || text.starts_with("==")) {
        const auto number = text.find_first_not_of("#=");
        return number != text.npos && is_digit(text[number]);
    }
    return starts_with_one(text, fronts_of_details);
}

bool is_prelude(std::string_view line) {
    std::string_view text = trimmed(line);
    if (text.starts_with("File \"")) return find_place(text).has_value();
    if (text.starts_with("# ") && text.find(' ', 2) == text.npos) return true;
    for (const char rule : {'=', '*'})
        if (text.size() >= 5 && text.find_first_not_of(rule) == text.npos) return true;
    // A linker's: what is missing there follows.
    if (has(text, ": in function `") && text.ends_with("':")) return true;
    // GCC's: "src/a.c: In function 'f':", "In file included from a.h:3,", "a.cpp: At global scope:".
    if (text.starts_with("In file included from ")) return true;
    if (text.ends_with(':') && (has(text, ": In ") || has(text, ": At "))) return true;
    if (text.find(' ') != text.npos) return false;
    const auto place = find_place(text);
    return text.starts_with("node:internal/") || (place && place->begin == 0 && place->end + 1 >= text.size());
}

bool is_runtime_frame(std::string_view line) {
    const std::string_view text = trimmed_front(line);
    constexpr std::string_view fronts[] = {"at node:", "at async node:", "at java.",      "at javax.",      "at jdk.",
                                           "at sun.",  "at System.",     "at Microsoft.", "File \"<frozen "};
    if (starts_with_one(text, fronts) || (text.starts_with("at ") && has(text, "(node:"))) return true;
    if (text.starts_with("File \"")) return has(text, "/lib/python") && !has(text, "-packages/");
    // Ruby: what was its own server once is a gem now.
    const bool is_rubys = text.starts_with("from ") || has(text, ":in ");
    return is_rubys && ((has(text, "/lib/ruby/") && !has(text, "/gems/")) || has(text, "/gems/webrick-"));
}

namespace {

/// "Build failed", "Transform failed with 1 error:", "Pre-transform error: Transform failed with 1 error:"
bool is_failed_build(std::string_view text) {
    for (const std::string_view front : {"Build failed", "Transform failed"}) {
        const auto at = text.find(front);
        if (at == text.npos || (at > 0 && !text.substr(0, at).ends_with(": "))) continue;
        return text.find(": ", at) == text.npos;
    }
    return false;
}

}  // namespace

bool announces_more(std::string_view line) {
    const std::string_view text = trimmed(line);
    return text.ends_with(':') && !text.ends_with("):");
}

bool is_vague(std::string_view line) {
    const std::string_view text = trimmed(line);
    const auto at = text.find(" panicked at ");
    if (at != text.npos) return text.ends_with(':') && find_place(text, at).has_value();
    if (text.starts_with("ERROR in ")) return !has(text, "error") && !has(text, ": ");
    return text.starts_with("--- FAIL: ") || text.starts_with("Failed to compile") ||
           text.starts_with("Exception in ASGI") || text.starts_with("ERROR in:") ||
           text.ends_with("APPLICATION FAILED TO START") || is_traceback(text) ||
           // The name of an error's type, or how many errors there are.
           (text.ends_with(':') && end_of_type(text) + 1 == text.size()) || is_failed_build(text) ||
           is_crossed_place(text) || text == "rake aborted!" || text.starts_with("FAILURE: Build failed") ||
           (text.starts_with("CMake Error at ") && text.ends_with("):"));
}

bool is_exception_line(std::string_view line) {
    const std::size_t end = end_of_type(line);
    if (end == 0 || !is_letter(line[0])) return false;
    // Types begin with a capital; those that do not stand in a module ("zlib.error: …").
    const std::string_view type = line.substr(0, end), name = type.substr(type.find_last_of('.') + 1);
    if (name.empty() || (!is_upper(name[0]) && name.size() == type.size())) return false;
    return end == line.size() || line.substr(end).starts_with(": ") || line.substr(end) == ":";
}

bool is_log_line(std::string_view line) {
    if (line.starts_with(' ') || line.starts_with('\t')) return false;
    const LineKind kind = kind_of(line);
    // "Warning: no", as Python names an exception: its loggers write their levels in capitals.
    if (kind == LineKind::record)
        return !(line.size() > 1 && is_upper(line[0]) && is_lower(line[1]) && is_exception_line(line));
    if (kind != LineKind::other) return false;
    // A date or a time of day: two digits at least, and what stands between such.
    if (line.starts_with('[')) line.remove_prefix(1);
    const std::string_view stamp = line.substr(0, line.find_first_not_of("0123456789"));
    const std::string_view rest = line.substr(stamp.size());
    const bool is_date = stamp.size() == 4 && (rest.starts_with('-') || rest.starts_with('/'));
    const bool is_time = stamp.size() == 2 && rest.starts_with(':');
    return (is_date || is_time) && rest.size() > 2 && is_digit(rest[1]) && is_digit(rest[2]);
}

std::string message_in(std::string_view line) {
    if (line.starts_with('{')) return json_message(line);
    if (find_lint(line)) return std::string(trimmed(line.substr(line.find("error  ") + 5)));
    const auto place = find_place(line.substr(0, longest_prefix));
    if (place && place->begin <= indentation(line)) {
        const std::string_view rest = trimmed(line.substr(place->end), " \t:-");
        if (!rest.empty()) return std::string(rest);
    }
    if (const std::string_view text = trimmed(line); begins_like_error(text)) return std::string(text);
    const Prefix prefix = read_prefix(line);
    const std::string_view rest = trimmed(told_behind(line, prefix), " \t:|-]");
    return std::string(rest.empty() ? trimmed(line) : rest);
}

namespace {

/// Turborepo: "web:dev: ", "@shop/web:build:css: ". Names of packages and scripts, all in small letters. 0: none.
std::size_t task_prefix(std::string_view line) {
    const auto end = line.substr(0, longest_phrase).find(": ");
    if (end == line.npos) return 0;
    const std::string_view name = line.substr(0, end), package = name.substr(0, name.find(':'));
    const auto is_part = [](char c) {
        return is_lower(c) || is_digit(c) || std::string_view("-_./@:").find(c) != std::string_view::npos;
    };
    if (package.size() + 1 >= name.size() || package.empty() || !std::all_of(name.begin(), name.end(), is_part))
        return 0;
    const bool is_named = (is_lower(package[0]) || package[0] == '@') && is_lower(name[package.size() + 1]);
    if (!is_named || package.find('.') != package.npos || level_of_word(package) != Level::none) return 0;
    return has(name, "::") || has(name, "//") ? 0 : end + 2;
}

}  // namespace

std::size_t source_prefix(std::string_view line) {
    std::size_t at = 0;
    if (line.starts_with('[')) {
        at = std::min(line.substr(0, longest_phrase).find(']'), line.size());
        if (at + 1 >= line.size() || line[at + 1] != ' ' || at == 1) return 0;
        const std::string_view name = line.substr(1, at - 1);
        if (std::any_of(name.begin(), name.end(),
                        [](char c) { return !is_word(c) && c != '-' && c != '.' && c != '@'; }))
            return 0;
        return level_in_bracket(name) == Level::none ? at + 2 : 0;
    }
    if (const std::size_t size = task_prefix(line); size > 0) return size;
    // foreman: "12:00:00 web.1 | ", and with a date "2026-01-02T12:00:00.123Z web-1  | "
    if (line.size() > 9 && is_digit(line[0]) && line[2] == ':' && line[5] == ':' && line[8] == ' ') at = 9;
    if (line.size() > 20 && is_digit(line[0]) && line[4] == '-' && line[7] == '-' && line[10] == 'T')
        at = std::min(line.substr(0, longest_phrase).find(' '), line.size() - 1) + 1;
    const std::size_t name = at;
    while (at < line.size() && at - name < longest_phrase && (is_word(line[at]) || line[at] == '-' || line[at] == '.'))
        ++at;
    if (at == name || is_digit(line[name])) return 0;
    while (at < line.size() && line[at] == ' ') ++at;
    if (at + 1 >= line.size() || line[at] != '|' || line[at + 1] != ' ') return 0;
    return at + 2;
}

}  // namespace persistproc::logstore
