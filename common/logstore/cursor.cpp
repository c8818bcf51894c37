#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "common/base/text.hpp"
#include "common/logstore/reader.hpp"

namespace persistproc::logstore {

namespace {
constexpr int cursor_base = 36;
}

std::string format_cursor(std::string_view process_id, std::uint64_t position) {
    char digits[16];
    const auto [end, failed] = std::to_chars(digits, digits + sizeof digits, position, cursor_base);
    (void)failed;  // 13 digits hold any 64-bit number
    return fmt::format("{}:{}", process_id, std::string_view(digits, static_cast<std::size_t>(end - digits)));
}

bool looks_like_cursor(std::string_view text) noexcept {
    const std::size_t colon = text.find(':');
    return text.starts_with('p') && colon != text.npos && colon > 1 &&
           std::all_of(text.begin() + 1, text.begin() + static_cast<std::ptrdiff_t>(colon),
                       [](char c) { return c >= '0' && c <= '9'; });
}

namespace {
Error refusal(std::string_view process_id, std::string_view cursor, std::string_view why) {
    return {ErrorCode::invalid, fmt::format("\"{}\" {}; use the next cursor of an answer about {}, unchanged",
                                            base::escape_line(cursor.substr(0, 64)), why, process_id)};
}
}  // namespace

Result<std::uint64_t> parse_cursor(std::string_view process_id, std::string_view cursor) {
    const auto refuse = [&](std::string_view why) { return refusal(process_id, cursor, why); };
    const std::size_t colon = cursor.find(':');
    if (colon == std::string_view::npos) return refuse("is not a cursor");
    std::uint64_t position = 0;
    const char* last = cursor.data() + cursor.size();
    const auto [end, failed] = std::from_chars(cursor.data() + colon + 1, last, position, cursor_base);
    if (failed != std::errc() || end != last) return refuse("is not a cursor");
    if (cursor.substr(0, colon) != process_id) return refuse("is a cursor of another process");
    return position;
}

Result<void> check_cursor(std::string_view process_id, std::optional<std::uint64_t> position, std::uint64_t end) {
    if (!position || *position <= end) return boost::system::in_place_value;
    return refusal(process_id, format_cursor(process_id, *position),
                   fmt::format("stands behind the end of its output, {}", format_cursor(process_id, end)));
}

}  // namespace persistproc::logstore
