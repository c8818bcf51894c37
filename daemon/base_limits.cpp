#include "daemon/base_limits.hpp"

#include <sys/resource.h>

#include <algorithm>

namespace persistproc::daemon {

namespace {

std::uint64_t usual_soft(const rundir::ResourceLimit& limit) {
    switch (limit.resource) {
        case RLIMIT_NOFILE: return 1024;  // above it select(2) fails
        case RLIMIT_STACK: return 8u << 20;
        case RLIMIT_CORE: return 0;
        default: return limit.hard;
    }
}

}  // namespace

std::vector<rundir::ResourceLimit> own_limits() {
    std::vector<rundir::ResourceLimit> out;
    for (int resource = 0; resource < static_cast<int>(RLIM_NLIMITS); ++resource) {
        rlimit limit{};
        if (::getrlimit(static_cast<__rlimit_resource>(resource), &limit) == 0)
            out.push_back({resource, limit.rlim_cur, limit.rlim_max});
    }
    return out;
}

std::vector<rundir::ResourceLimit> base_limits(std::vector<rundir::ResourceLimit> limits) {
    for (auto& limit : limits) limit.soft = std::min(std::max(limit.soft, usual_soft(limit)), limit.hard);
    return limits;
}

void raise_own_limits() {
    for (const auto& limit : base_limits(own_limits())) {
        const bool counts_descriptors = limit.resource == RLIMIT_NOFILE;
        const rlimit raised{counts_descriptors ? limit.hard : limit.soft, limit.hard};
        ::setrlimit(static_cast<__rlimit_resource>(limit.resource), &raised);
    }
}

}  // namespace persistproc::daemon
