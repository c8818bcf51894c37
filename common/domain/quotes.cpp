#include "common/domain/quotes.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace persistproc::domain {

namespace {

/// A substitution, in which quotes are counted anew.
bool is_nested(std::string_view text) {
    return text.starts_with('`') || text.starts_with("$(") || text.starts_with("${");
}

}  // namespace

Result<void> check_quotes(std::string_view text) {
    const auto refuse = [](char quote) {
        return Error{ErrorCode::invalid,
                     fmt::format("the quote that {} opens is never closed; close it, or give a list of words", quote)};
    };
    bool is_at_begin = true;  // of a word
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        const std::string_view rest = text.substr(i);
        if (is_nested(rest) || rest.starts_with("$'") || rest.starts_with("<<")) return {};
        if (c == '\\') {
            ++i;
        } else if (c == '\'') {
            i = text.find('\'', i + 1);
            if (i == std::string_view::npos) return refuse(c);
        } else if (c == '"') {
            for (++i; i < text.size() && text[i] != '"'; ++i) {
                if (is_nested(text.substr(i))) return {};
                if (text[i] == '\\') ++i;
            }
            if (i >= text.size()) return refuse(c);
        } else if (c == '#' && is_at_begin) {
            i = std::min(text.find('\n', i), text.size());
            continue;
        }
        is_at_begin = std::string_view(" \t\r\n;|&()").find(c) != std::string_view::npos;
    }
    return {};
}

}  // namespace persistproc::domain
