#pragma once
#include <cstddef>
#include <cstdint>

namespace persistproc::base {

/// CRC-32C (Castagnoli, RFC 3720 appendix B.4) of `size` bytes. Pure, no heap; good for short records.
std::uint32_t crc32c(const void* bytes, std::size_t size) noexcept;

}  // namespace persistproc::base
