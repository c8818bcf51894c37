#include "common/base/random.hpp"

#include <sys/random.h>

#include <cerrno>
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

}  // namespace persistproc::base
