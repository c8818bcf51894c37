#include "common/domain/terminal.hpp"

#include <fmt/format.h>

#include <charconv>

#include "common/base/text.hpp"
#include "common/schema/codec.hpp"

namespace persistproc::domain {

namespace {

/// Takes a number from the front of `text`. False: there is none, or it is out of range.
bool take_number(std::string_view& text, int least, int most, int& out) {
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), out);
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return failed == std::errc{} && out >= least && out <= most;
}

schema::Json size_schema() { return schema::Json{{"type", "string"}}; }
Result<std::optional<TerminalSize>> read_size(const schema::Json& json, const std::string& path) {
    if (json.is_null()) return std::optional<TerminalSize>();
    if (!json.is_string()) return schema::detail::wrong_type(path, "string", json);
    auto size = parse_terminal_size(json.get_ref<const std::string&>());
    if (!size) return base::with_context(size.error(), path);
    return std::optional(*size);
}
schema::Json write_size(const std::optional<TerminalSize>& size) {
    return size ? schema::Json(to_string(*size)) : schema::Json();
}

}  // namespace

std::string to_string(TerminalSize size) { return fmt::format("{}x{}", size.columns, size.rows); }

Result<TerminalSize> parse_terminal_size(std::string_view text) {
    using S = TerminalSize;
    S out;
    std::string_view rest = text;
    const bool has_columns = take_number(rest, S::least_columns, S::most_columns, out.columns);
    const bool has_sign = rest.starts_with('x') || rest.starts_with('X');
    if (has_sign) rest.remove_prefix(1);
    if (has_columns && has_sign && take_number(rest, S::least_rows, S::most_rows, out.rows) && rest.empty()) return out;
    return Error{ErrorCode::invalid,
                 fmt::format("\"{}\" is no size of a terminal; expected columns and rows: 120x40 (from {}x{} to {}x{})",
                             base::excerpt(text), S::least_columns, S::least_rows, S::most_columns, S::most_rows)};
}

const schema::Form<std::optional<TerminalSize>> terminal_size_form{size_schema, read_size, write_size};

}  // namespace persistproc::domain
