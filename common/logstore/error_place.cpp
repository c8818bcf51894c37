#include "common/logstore/error_place.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "common/logstore/ascii.hpp"

namespace persistproc::logstore {

namespace {

// A host's name may end like a file of a source, but hardly like one of these.
constexpr std::string_view source_endings[] = {
    "astro",  "bash",  "c",    "cc",   "cfg",  "cjs", "clj",   "cmake", "cpp",   "cs",    "css",    "cts",
    "cxx",    "dart",  "ejs",  "erb",  "erl",  "ex",  "exs",   "fs",    "go",    "gql",   "gradle", "graphql",
    "groovy", "h",     "haml", "hbs",  "heex", "hh",  "hpp",   "hs",    "htm",   "html",  "hxx",    "ini",
    "java",   "jl",    "js",   "json", "jsx",  "kt",  "kts",   "less",  "lua",   "m",     "md",     "mdx",
    "mjs",    "ml",    "mm",   "mts",  "nim",  "php", "phtml", "pl",    "pm",    "proto", "pug",    "py",
    "pyi",    "pyx",   "r",    "rake", "rb",   "rs",  "ru",    "sass",  "scala", "scss",  "sh",     "sql",
    "svelte", "swift", "toml", "ts",   "tsx",  "vue", "xml",   "yaml",  "yml",   "zig",   "zsh"};
static_assert(std::is_sorted(std::begin(source_endings), std::end(source_endings)));
constexpr std::size_t longest_ending = 7;
constexpr std::size_t longest_file = 400;
constexpr std::size_t longest_query = 80;
constexpr std::size_t longest_position = 24;  // " (5:3)"

constexpr std::string_view libraries[] = {
    "node_modules/", "site-packages/", "dist-packages/", "/lib/python",    "<frozen ",      "node:",
    "(webpack)",     "/usr/lib/",      "/usr/include/",  "/usr/local/go/", "/pkg/mod/",     "/.cargo/",
    "/rustc/",       "/gems/",         "/lib/ruby/",     "/vendor/",       "java.base/",    "sysdeps/",
    "libsanitizer",  "glibc",          "at java.",       "at javax.",      "at jdk.",       "at sun.",
    "at jakarta.",   "at kotlin.",     "at scala.",      "at org.apache",  "at org.spring", "at org.junit",
    "at io.netty",   "at com.sun.",    "at System.",     "at Microsoft.",  "/.pnpm/",       "/.yarn/",
    "next/dist/",    "/.rustup/",      "/.local/share/"};
// Of the C library's own sources, whose folders have names that others have, too.
constexpr std::string_view c_library_files[] = {"libc-start.c",    "libc_start_call_main.h", "nptl/pthread_",
                                                "stdlib/abort.c",  "stdlib/exit.c",          "signal/raise.c",
                                                "assert/assert.c", "malloc/malloc.c",        "debug/fortify_fail.c"};

/// Takes a number off the front; 0: there is none.
std::uint32_t take_number(std::string_view& text) {
    std::uint32_t out = 0;
    std::size_t used = 0;
    while (used < text.size() && used < 8 && is_digit(text[used]))
        out = out * 10 + static_cast<std::uint32_t>(text[used++] - '0');
    text.remove_prefix(used);
    return out;
}

bool take(std::string_view& text, std::string_view word) {
    if (!text.starts_with(word)) return false;
    text.remove_prefix(word.size());
    return true;
}

/// The way from a file's name to the line's number, in each of its spellings.
bool take_joint(std::string_view& text) {
    for (const std::string_view joint : {"\", line ", "', line ", "' line: ", "\" line ", " on line ", ":line ",
                                         ": line ", ", line ", " line ", ":[", "(", ":", "\":"})
        if (text.size() > joint.size() && is_digit(text[joint.size()]) && take(text, joint)) return true;
    // webpack: "./src/a.js 3:5"; Next.js: "app/page.tsx (3:5)"
    const std::size_t digits = text.starts_with(" (") ? 2 : 1;
    if (text.size() <= digits || text[0] != ' ' || !is_digit(text[digits])) return false;
    const auto colon = text.find_first_not_of("0123456789", digits);
    if (colon == text.npos || colon + 1 >= text.size() || text[colon] != ':' || !is_digit(text[colon + 1]))
        return false;
    text.remove_prefix(digits);
    return true;
}

/// Reads what stands behind a file's name. Nothing: no line.
std::optional<NamedPlace> read_position(std::string_view text) {
    const std::size_t size = text.size();
    if (text.starts_with('?')) text.remove_prefix(std::min(text.substr(0, longest_query).find_first_of(": )\""), size));
    if (!take_joint(text)) return std::nullopt;
    NamedPlace out;
    out.line = take_number(text);
    if (out.line == 0) return std::nullopt;
    if (text.size() > 1 && (text[0] == ':' || text[0] == ',') && is_digit(text[1])) {
        text.remove_prefix(1);
        out.column = take_number(text);
    }
    if (!text.empty() && is_word(text[0])) return std::nullopt;
    if (text.starts_with(')') || text.starts_with(']')) text.remove_prefix(1);
    out.end = size - text.size();
    return out;
}

/// Babel: "src/a.jsx: Unexpected token (5:3)", where `text` begins behind the file's name. Nothing: no line.
std::optional<NamedPlace> read_position_at_end(std::string_view text) {
    if (!text.starts_with(": ") || !text.ends_with(')')) return std::nullopt;
    std::string_view rest = text.substr(text.size() - std::min(text.size(), longest_position));
    const auto open = rest.rfind(" (");
    if (open == rest.npos) return std::nullopt;
    rest.remove_prefix(open + 2);
    NamedPlace out;
    out.line = take_number(rest);
    if (out.line == 0 || !take(rest, ":")) return std::nullopt;
    out.column = take_number(rest);
    if (out.column == 0 || rest != ")") return std::nullopt;
    out.end = text.size();
    return out;
}

/// Where the name begins that ends before `end`. Folders may be named "(group)" and "[id]".
std::size_t begin_of_file(std::string_view line, std::size_t end, bool is_quoted) {
    const std::size_t floor = end > longest_file ? end - longest_file : 0;
    std::size_t at = end;
    for (; at > floor; --at) {
        const char c = line[at - 1];
        if (is_quoted && (c == '"' || c == '\'')) break;
        if (is_quoted) continue;
        if (c == ' ' || c == '\t' || c == '"' || c == '\'' || c == '<' || c == '>' || c == ',' || c == '=' ||
            c == '`' || c == '|')
            break;
        if ((c == '(' || c == '[') && !(at >= 2 && line[at - 2] == '/')) break;
        if ((c == ')' || c == ']') && line[at] != '/') break;
    }
    return at;
}

/// Without the schemes of URLs and bundlers.
std::string_view bare(std::string_view file) {
    if (file.starts_with("file://")) file.remove_prefix(7);
    for (const std::string_view scheme : {"webpack-internal:///", "webpack:///", "webpack://"})
        if (file.starts_with(scheme)) file.remove_prefix(scheme.size());
    for (const std::string_view scheme : {"http://", "https://"})
        if (file.starts_with(scheme)) file.remove_prefix(std::min(file.find('/', scheme.size()), file.size() - 1) + 1);
    if (const auto layer = file.find(")/./"); file.starts_with('(') && layer != file.npos)
        file.remove_prefix(layer + 2);
    while (file.starts_with("./")) file.remove_prefix(2);
    return file;
}

bool is_source(std::string_view ending) {
    return std::binary_search(std::begin(source_endings), std::end(source_endings), ending);
}

/// libsass: "on line 3 of src/a.scss"
std::optional<NamedPlace> find_place_of(std::string_view line, std::size_t from) {
    constexpr std::string_view word = "line ", joint = " of ";
    const auto at = line.find(word, from);
    if (at == line.npos) return std::nullopt;
    std::string_view rest = line.substr(at + word.size());
    NamedPlace out;
    out.line = take_number(rest);
    if (out.line == 0 || !take(rest, joint)) return std::nullopt;
    const std::string_view file = rest.substr(0, rest.find_first_of(" \t,\"'"));
    const auto dot = file.rfind('.');
    if (dot == file.npos || !is_source(file.substr(dot + 1))) return std::nullopt;
    out.begin = at;
    out.end = static_cast<std::size_t>(file.data() - line.data()) + file.size();
    out.file = bare(file);
    return out;
}

bool is_below(std::string_view file, std::string_view directory) {
    return directory.size() > 1 && file.size() > directory.size() && file.starts_with(directory) &&
           (directory.ends_with('/') || file[directory.size()] == '/');
}

}  // namespace

std::optional<NamedPlace> find_place(std::string_view line, std::size_t from) {
    for (std::size_t dot = line.find('.', from); dot != line.npos; dot = line.find('.', dot + 1)) {
        if (dot == from || !(is_word(line[dot - 1]) || line[dot - 1] == ']' || line[dot - 1] == '-')) continue;
        std::size_t end = dot + 1;
        while (end < line.size() && end - dot <= longest_ending && is_word(line[end])) ++end;
        const bool is_of_cmake = line.substr(0, end).ends_with("CMakeLists.txt");
        if (!is_of_cmake && !is_source(line.substr(dot + 1, end - dot - 1))) continue;
        auto out = read_position(line.substr(end));
        if (!out) out = read_position_at_end(line.substr(end));
        if (!out) continue;
        const bool is_quoted = end < line.size() && (line[end] == '"' || line[end] == '\'');
        out->begin = std::max(begin_of_file(line, end, is_quoted), from);
        out->end += end;
        out->file = bare(line.substr(out->begin, end - out->begin));
        if (!out->file.empty()) return out;
    }
    return find_place_of(line, from);
}

std::optional<NamedPlace> find_importer(std::string_view line) {
    constexpr std::string_view words = " imported from ";
    const auto at = line.find(words);
    if (at == line.npos) return std::nullopt;
    NamedPlace out{.begin = at + words.size(), .end = line.size()};
    const std::string_view file = line.substr(out.begin);
    const auto dot = file.rfind('.');
    if (dot == file.npos || !is_source(file.substr(dot + 1)) || file.find_first_of("\"'") != file.npos)
        return std::nullopt;
    out.file = bare(file);
    return out;
}

PlaceRank rank_of(const NamedPlace& place, std::string_view line, std::string_view working_directory) {
    const std::string_view file = place.file;
    const bool is_own = !file.starts_with('/') || is_below(file, working_directory);
    std::string_view told = is_own && file.starts_with('/') ? file.substr(working_directory.size()) : file;
    const auto is_in = [](std::string_view text) {
        return std::any_of(std::begin(libraries), std::end(libraries),
                           [text](std::string_view each) { return text.find(each) != text.npos; });
    };
    // A frame's function tells whose it is where the file has no folder.
    const bool is_of_c =
        !file.starts_with('/') &&
        std::any_of(std::begin(c_library_files), std::end(c_library_files), [file](std::string_view each) {
            const auto at = file.rfind(each);
            return at != file.npos && (at == 0 || file[at - 1] == '/');
        });
    if (is_of_c || is_in(told) || (file.find('/') == file.npos && is_in(line))) return PlaceRank::library;
    return is_own ? PlaceRank::own : PlaceRank::elsewhere;
}

ErrorPlace shown_place(const NamedPlace& place, std::string_view working_directory) {
    std::string_view file = place.file;
    if (is_below(file, working_directory)) {
        file.remove_prefix(working_directory.size());
        while (file.starts_with('/')) file.remove_prefix(1);
    }
    return {std::string(file), place.line, place.column};
}

std::string to_string(const ErrorPlace& place) {
    if (place.line == 0) return place.file;
    if (place.column == 0) return fmt::format("{}:{}", place.file, place.line);
    return fmt::format("{}:{}:{}", place.file, place.line, place.column);
}

}  // namespace persistproc::logstore
