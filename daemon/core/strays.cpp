#include "daemon/core/strays.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "common/base/proc.hpp"
#include "common/base/random.hpp"
#include "common/rundir/run_mark.hpp"

namespace persistproc::core {

namespace {

/// Adds a process that lives; once, and never this one.
void add(pid_t pid, std::vector<PidIdentity>& out) {
    const bool is_there =
        std::any_of(out.begin(), out.end(), [pid](const PidIdentity& each) { return each.pid == pid; });
    if (is_there || pid == ::getpid() || base::is_exiting(pid)) return;
    if (const auto started = base::find_start_ticks(pid)) out.push_back({pid, *started});
}

/// Whoever is in the session that the program leads was started by it, whatever has become of its parents and of its
/// environment. As long as one that is known is in it, that number is no other's session. Not that of this process:
/// what a daemon within a run has begun is in it, too.
void add_session(const std::vector<pid_t>& all, pid_t session, std::vector<PidIdentity>& out) {
    const auto is_in_it = [session](const PidIdentity& each) { return ::getsid(each.pid) == session; };
    if (session <= 0 || session == ::getsid(0) || std::none_of(out.begin(), out.end(), is_in_it)) return;
    for (const pid_t pid : all)
        if (::getsid(pid) == session) add(pid, out);
}

void add_descendants(std::vector<PidIdentity>& out) {
    std::vector<pid_t> children;
    for (std::size_t i = 0; i < out.size(); ++i) {
        children.clear();
        base::append_children(out[i].pid, children);
        for (const pid_t each : children) add(each, out);
    }
}

}  // namespace

Result<std::vector<std::vector<PidIdentity>>> find_strays(std::span<const StrayRoots> roots) {
    std::vector<std::vector<PidIdentity>> out(roots.size());
    std::vector<std::string> marks;
    for (std::size_t i = 0; i < roots.size(); ++i) {
        marks.push_back(base::to_hex(roots[i].mark));
        const PidIdentity& program = roots[i].program;
        if (program.pid > 0 && base::find_start_ticks(program.pid) == program.start_ticks) add(program.pid, out[i]);
    }
    const std::vector<pid_t> all = base::list_processes();
    if (std::find(all.begin(), all.end(), ::getpid()) == all.end())
        return Error{ErrorCode::io, "processes cannot be listed"};
    for (const pid_t pid : all) {
        const auto mark = base::find_variable(pid, rundir::run_mark_name);
        if (!mark) return mark.error();
        if (!*mark) continue;
        const auto found = std::find(marks.begin(), marks.end(), **mark);
        if (found != marks.end()) add(pid, out[static_cast<std::size_t>(found - marks.begin())]);
    }
    for (std::size_t i = 0; i < roots.size(); ++i) {
        add_session(all, roots[i].program.pid, out[i]);
        add_descendants(out[i]);
    }
    return out;
}

StraySweep::Left StraySweep::walk() {
    const auto found = find_strays({&roots_, 1});
    bool some_go_on = !found;
    for (const PidIdentity& each : found ? found->front() : std::vector<PidIdentity>()) {
        base::UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, each.pid, 0)));
        some_go_on |= !pidfd && errno != ESRCH;
        // Looked at again behind the pidfd: a reused pid cannot be hit.
        if (!pidfd || base::find_start_ticks(each.pid) != each.start_ticks) continue;
        if (::syscall(SYS_pidfd_send_signal, pidfd.get(), SIGKILL, nullptr, 0) == 0)
            dying_[each.pid] = std::move(pidfd);
        else
            some_go_on |= errno != ESRCH;
    }
    // pidfd_open(2): readable once the process has ended, be it reaped or not.
    std::erase_if(dying_, [](const auto& each) {
        pollfd entry{each.second.get(), POLLIN, 0};
        return ::poll(&entry, 1, 0) == 1;
    });
    if (some_go_on) return Left::living;
    return dying_.empty() ? Left::nothing : Left::dying;
}

}  // namespace persistproc::core
