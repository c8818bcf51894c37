#include "common/base/size.hpp"

#include <fmt/format.h>

#include <charconv>
#include <string>

#include "common/base/text.hpp"

namespace persistproc::base {

namespace {

/// The power of 1024 of a unit in lower case; -1: there is no such unit.
int power_of(std::string_view unit) {
    if (unit.empty() || unit == "b") return 0;
    const auto power = std::string_view("kmgt").find(unit.front());
    const std::string_view rest = unit.substr(1);
    const bool is_known =
        power != std::string_view::npos && (rest.empty() || rest == "b" || rest == "ib" || rest == "i");
    return is_known ? static_cast<int>(power) + 1 : -1;
}

}  // namespace

Result<std::uint64_t> parse_size(std::string_view text) {
    const Error refused{ErrorCode::invalid,
                        fmt::format("\"{}\" is no size; give it as 64MiB, 1.5GiB or a number of bytes", excerpt(text))};
    double number = 0;
    const auto [end, failed] =
        std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
    if (failed != std::errc() || text.empty() || text.front() < '0' || text.front() > '9') return refused;
    std::string unit(text.substr(static_cast<std::size_t>(end - text.data())));
    while (unit.starts_with(' ')) unit.erase(0, 1);
    for (char& c : unit) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    const int power = power_of(unit);
    if (power < 0) return refused;
    for (int i = 0; i < power; ++i) number *= 1024;
    constexpr double limit = 9.2e18;  // below 2^63
    if (number >= limit) return refused;
    return static_cast<std::uint64_t>(number);
}

}  // namespace persistproc::base
