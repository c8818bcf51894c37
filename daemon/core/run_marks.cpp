#include "daemon/core/run_marks.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "common/base/proc.hpp"
#include "common/base/random.hpp"
#include "common/rundir/run_mark.hpp"

namespace persistproc::core {

std::vector<std::vector<pid_t>> find_marked(std::span<const rundir::Nonce> nonces) {
    std::vector<std::vector<pid_t>> out(nonces.size());
    std::vector<std::string> marks;
    for (const auto& nonce : nonces) marks.push_back(base::to_hex(nonce));
    for (const pid_t pid : base::list_processes()) {
        const auto mark = base::find_variable(pid, rundir::run_mark_name);
        if (!mark) continue;
        const auto found = std::find(marks.begin(), marks.end(), *mark);
        if (found != marks.end()) out[static_cast<std::size_t>(found - marks.begin())].push_back(pid);
    }
    return out;
}

bool MarkedSweep::walk() {
    const std::string mark = base::to_hex(nonce_);
    const auto found = find_marked({&nonce_, 1});
    for (const pid_t pid : found.front()) {
        base::UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
        // The mark is read again behind the pidfd: a reused pid cannot be hit.
        if (!pidfd || base::find_variable(pid, rundir::run_mark_name) != mark) continue;
        if (::syscall(SYS_pidfd_send_signal, pidfd.get(), SIGKILL, nullptr, 0) == 0) dying_[pid] = std::move(pidfd);
    }
    // pidfd_open(2): readable once the process has ended, be it reaped or not.
    std::erase_if(dying_, [](const auto& each) {
        pollfd entry{each.second.get(), POLLIN, 0};
        return ::poll(&entry, 1, 0) == 1;
    });
    return !dying_.empty();
}

}  // namespace persistproc::core
