#include "common/base/random.hpp"

#include <sys/random.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>

namespace persistproc::base {

void fill_random(std::span<std::uint8_t> bytes) noexcept {
    while (!bytes.empty()) {
        const ssize_t n = ::getrandom(bytes.data(), bytes.size(), 0);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) std::abort();
        bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
}

std::string to_hex(std::span<const std::uint8_t> bytes) {
    static constexpr char digits[] = "0123456789abcdef";
    std::string out;
    out.reserve(bytes.size() * 2);
    for (const std::uint8_t byte : bytes) {
        out += digits[byte >> 4];
        out += digits[byte & 15];
    }
    return out;
}

bool read_hex(std::string_view text, std::span<std::uint8_t> out) noexcept {
    if (text.size() != out.size() * 2) return false;
    for (std::size_t i = 0; i < out.size(); ++i) {
        const char* const end = text.data() + 2 * i + 2;
        const auto read = std::from_chars(end - 2, end, out[i], 16);
        if (read.ec != std::errc{} || read.ptr != end) return false;
    }
    return true;
}

}  // namespace persistproc::base
