#pragma once
#include <cstdint>
#include <string_view>

#include "common/base/result.hpp"

namespace persistproc::base {

/// An amount of bytes as people write it: `64MiB`, `64MB` and `64m` mean the same (powers of 1024), `1.5GiB`, plain
/// bytes. Errors: invalid (something else, negative, 2^63 bytes or more).
Result<std::uint64_t> parse_size(std::string_view text);

}  // namespace persistproc::base
