#include "common/config/toml_bounds.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace persistproc::config {

namespace {

/// Past the string at the front, or past its line where that ends before it: an error, which the parser finds there,
/// too.
std::size_t string_length(std::string_view text) noexcept {
    const char quote = text.front();
    const std::size_t quotes = std::min(text.find_first_not_of(quote), text.size());
    const bool is_long = quotes >= 3;
    if (quotes == 2) return 2;
    for (std::size_t i = is_long ? 3 : 1; i < text.size(); ++i) {
        if (text[i] == '\\' && quote == '"') {
            ++i;
        } else if (text[i] == '\n' && !is_long) {
            return i;
        } else if (text[i] == quote && !is_long) {
            return i + 1;
        } else if (text[i] == quote && text.substr(i, 3) == std::string_view(text.data(), 3)) {
            // Two more belong to what they end.
            const std::size_t more = std::min(text.find_first_not_of(quote, i), text.size()) - i;
            return i + std::min<std::size_t>(more, 5);
        }
    }
    return text.size();
}

}  // namespace

Result<void> check_toml_bounds(std::string_view text, std::uint32_t* line) {
    if (line != nullptr) *line = 1;
    if (text.size() > max_toml_bytes)
        return Error{ErrorCode::invalid, fmt::format("more than {} MiB, which no settings need", max_toml_bytes >> 20)};
    std::vector<std::size_t> around;  // how deep it was before each bracket that is open
    std::size_t depth = 0;
    for (std::size_t at = 0; at < text.size(); ++at) {
        const char c = text[at];
        if (c == '"' || c == '\'') {
            at += string_length(text.substr(at)) - 1;
        } else if (c == '#') {
            at = std::min(text.find('\n', at), text.size()) - 1;
        } else if (c == '[' || c == '{') {
            around.push_back(depth++);
        } else if (c == '.') {
            ++depth;
        } else if ((c == ']' || c == '}') && !around.empty()) {
            depth = around.back();
            around.pop_back();
        } else if (c == ',' || c == '\n') {
            depth = around.empty() ? 0 : around.back() + 1;
        }
        if (depth <= max_toml_depth) continue;
        const auto before = std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n');
        const std::string what = fmt::format("more than {} tables or lists within each other", max_toml_depth);
        if (line == nullptr) return Error{ErrorCode::invalid, fmt::format("line {}: {}", 1 + before, what)};
        *line = static_cast<std::uint32_t>(1 + before);
        return Error{ErrorCode::invalid, what};
    }
    return {};
}

}  // namespace persistproc::config
