#include "daemon/core/complained_ports.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <string_view>

namespace persistproc::core {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool complains(std::string_view line) {
    std::string lower(line);
    for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    constexpr std::array phrases = {
        "eaddrinuse",         "address already in use",    "address in use",         "already in use", "is in use",
        "was already in use", "port is already allocated", "already running on port"};
    return std::any_of(phrases.begin(), phrases.end(),
                       [&](const char* each) { return lower.find(each) != std::string::npos; });
}

void add_numbers(std::string_view text, std::vector<int>& out) {
    for (std::size_t i = 0; i < text.size();) {
        if (!is_digit(text[i])) {
            ++i;
            continue;
        }
        std::size_t end = i;
        while (end < text.size() && is_digit(text[end])) ++end;
        std::uint16_t number = 0;
        const auto read = std::from_chars(text.data() + i, text.data() + end, number);
        const bool is_port = read.ec == std::errc() && number > 0;
        if (is_port && std::find(out.begin(), out.end(), number) == out.end()) out.push_back(number);
        i = end;
    }
}

}  // namespace

std::vector<int> ports_complained_of(const std::vector<std::string>& lines, const std::vector<int>& given,
                                     const std::vector<std::string>& command) {
    std::vector<int> out;
    bool has_complained = false;
    for (const auto& line : lines)
        if (complains(line)) {
            has_complained = true;
            add_numbers(line, out);
        }
    if (!has_complained) return out;
    for (const auto& line : lines)
        if (line.find("port") != std::string::npos || line.find("Port") != std::string::npos) add_numbers(line, out);
    for (const int port : given)
        if (std::find(out.begin(), out.end(), port) == out.end()) out.push_back(port);
    for (const auto& word : command) add_numbers(word, out);
    return out;
}

std::vector<int> numbers_in(const std::vector<std::string>& words) {
    std::vector<int> out;
    for (const auto& word : words) add_numbers(word, out);
    return out;
}

}  // namespace persistproc::core
