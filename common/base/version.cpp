#include "common/base/version.hpp"

namespace persistproc::base {

std::string_view version() noexcept { return PERSISTPROC_VERSION; }

std::string_view version_date() noexcept { return PERSISTPROC_VERSION_DATE; }

std::string version_text(std::string_view version, std::string_view commit) {
    std::string out(version);
    if (!commit.empty()) out.append(" (").append(commit).append(")");
    return out;
}

}  // namespace persistproc::base
