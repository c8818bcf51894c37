#pragma once
#include <string_view>

namespace persistproc::base {

/// Version of this build, e.g. "0.1.0".
std::string_view version() noexcept;

}  // namespace persistproc::base
