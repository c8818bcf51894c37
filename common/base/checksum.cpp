#include "common/base/checksum.hpp"

#include <array>
#include <cstring>
// Of the C library since glibc 2.33; to Clang it is no C++.
#if defined(__x86_64__) && __has_include(<sys/platform/x86.h>) && !defined(__clang__)
#include <sys/platform/x86.h>
#endif

namespace persistproc::base {
namespace {

constexpr std::uint32_t polynomial = 0x82f63b78;  // Castagnoli, reflected

constexpr std::array<std::uint32_t, 256> make_table() {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
        std::uint32_t rest = byte;
        for (int bit = 0; bit < 8; ++bit) rest = (rest >> 1) ^ ((rest & 1) != 0 ? polynomial : 0);
        table[byte] = rest;
    }
    return table;
}
constexpr auto table = make_table();

std::uint32_t by_table(std::uint32_t crc, const unsigned char* at, std::size_t size) noexcept {
    for (std::size_t i = 0; i < size; ++i) crc = (crc >> 8) ^ table[(crc ^ at[i]) & 0xff];
    return crc;
}

#if defined(__x86_64__)
/// Told by the C library, which has asked the processor. What the compiler has for it asks again, a dozen times before
/// `main` of every program that it is in, and each time a virtual machine is left.
bool has_instruction() noexcept {
#ifdef CPU_FEATURE_ACTIVE
    return CPU_FEATURE_ACTIVE(SSE4_2);
#else
    return __builtin_cpu_supports("sse4.2");
#endif
}

// Compiled for a newer processor than the rest; called only where the processor says that it can.
__attribute__((target("sse4.2"))) std::uint32_t by_instruction(std::uint32_t crc, const unsigned char* at,
                                                               std::size_t size) noexcept {
    std::uint64_t wide = crc;
    for (; size >= sizeof(std::uint64_t); at += sizeof(std::uint64_t), size -= sizeof(std::uint64_t)) {
        std::uint64_t word;
        std::memcpy(&word, at, sizeof word);
        wide = __builtin_ia32_crc32di(wide, word);
    }
    crc = static_cast<std::uint32_t>(wide);
    for (std::size_t i = 0; i < size; ++i) crc = __builtin_ia32_crc32qi(crc, at[i]);
    return crc;
}
#endif

}  // namespace

std::uint32_t crc32c(const void* bytes, std::size_t size) noexcept {
    const auto* at = static_cast<const unsigned char*>(bytes);
#if defined(__x86_64__)
    if (has_instruction()) return ~by_instruction(~0u, at, size);
#endif
    return ~by_table(~0u, at, size);
}

}  // namespace persistproc::base
