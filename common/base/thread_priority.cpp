#include "common/base/thread_priority.hpp"

#include <sys/resource.h>
#include <unistd.h>

namespace persistproc::base {

void give_way() noexcept {
    constexpr int polite = 10;  // of 19: it still gets a tenth of what others get
    thread_local bool is_polite = false;
    if (is_polite) return;
    is_polite = true;
    ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), polite);
}

}  // namespace persistproc::base
