#include "common/base/version.hpp"

namespace persistproc::base {

std::string_view version() noexcept { return PERSISTPROC_VERSION; }

}  // namespace persistproc::base
