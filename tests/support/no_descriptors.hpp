#pragma once
/// This process can open nothing, as long as it exists: EMFILE.
#include <fcntl.h>
#include <sys/resource.h>

#include <stdexcept>

#include "common/base/unique_fd.hpp"

namespace persistproc::tests {

class NoDescriptors {
public:
    NoDescriptors() {
        const base::UniqueFd lowest(::open("/dev/null", O_RDONLY | O_CLOEXEC));
        ::getrlimit(RLIMIT_NOFILE, &before_);
        rlimit none = before_;
        none.rlim_cur = static_cast<rlim_t>(lowest.get());
        if (!lowest || ::setrlimit(RLIMIT_NOFILE, &none) != 0) throw std::runtime_error("RLIMIT_NOFILE");
    }
    ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
    NoDescriptors(const NoDescriptors&) = delete;
    NoDescriptors& operator=(const NoDescriptors&) = delete;

private:
    rlimit before_{};
};

}  // namespace persistproc::tests
