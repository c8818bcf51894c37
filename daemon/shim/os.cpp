#include "daemon/shim/os.hpp"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <ctime>

namespace persistproc::shim::os {
namespace {

std::uint64_t clock_ns(clockid_t clock) noexcept {
    timespec now{};
    ::clock_gettime(clock, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

/// struct pidfd_info in its first version (linux/pidfd.h); Debian 12's headers are older.
struct PidfdInfo {
    std::uint64_t mask = 0, cgroup = 0;
    std::uint32_t pid = 0, tgid = 0, ppid = 0, ids[8] = {};
    std::int32_t status = 0;
};
static_assert(sizeof(PidfdInfo) == 64);
constexpr std::uint64_t pidfd_info_exit = 1u << 3;

bool ask(int pidfd, PidfdInfo& info) noexcept {
    info.mask = pidfd_info_exit;
    return ::ioctl(pidfd, _IOWR(0xff, 11, PidfdInfo), &info) == 0;
}

}  // namespace

std::uint64_t now_ns() noexcept { return clock_ns(CLOCK_MONOTONIC); }
std::int64_t wall_ns() noexcept { return static_cast<std::int64_t>(clock_ns(CLOCK_REALTIME)); }
std::uint64_t boot_ns() noexcept { return clock_ns(CLOCK_BOOTTIME); }

void wait(pollfd* entries, std::size_t count, std::uint64_t deadline) noexcept {
    timespec left{};
    if (deadline != never) {
        const std::uint64_t now = now_ns();
        const std::uint64_t ns = deadline > now ? deadline - now : 0;
        left.tv_sec = static_cast<time_t>(ns / 1'000'000'000);
        left.tv_nsec = static_cast<long>(ns % 1'000'000'000);
    }
    if (::ppoll(entries, count, deadline == never ? nullptr : &left, nullptr) >= 0) return;
    for (std::size_t i = 0; i < count; ++i) entries[i].revents = 0;
}

bool begin_patience() noexcept {
    const sched_param none{};
    return ::sched_getscheduler(0) == SCHED_OTHER && ::sched_setscheduler(0, SCHED_BATCH, &none) == 0;
}

void end_patience() noexcept {
    const sched_param none{};
    ::sched_setscheduler(0, SCHED_OTHER, &none);
}

ssize_t read(int fd, void* into, std::size_t room) noexcept {
    for (;;) {
        const ssize_t got = ::read(fd, into, room);
        if (got >= 0) return got;
        if (errno != EINTR) return -errno;
    }
}

ssize_t read_file_at(int directory, const char* name, void* into, std::size_t room) noexcept {
    const int fd = ::openat(directory, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -errno;
    std::size_t size = 0;
    ssize_t got;
    while ((got = read(fd, static_cast<char*>(into) + size, room - size)) > 0) size += static_cast<std::size_t>(got);
    ::close(fd);
    return got < 0 ? got : static_cast<ssize_t>(size);
}

int lock_file(int fd) noexcept {
    struct flock all {};
    all.l_type = F_WRLCK;
    all.l_whence = SEEK_SET;
    if (::fcntl(fd, F_OFD_SETLK, &all) == 0) return 0;
    return errno == EACCES ? EWOULDBLOCK : errno;
}

ssize_t available(int pipe) noexcept {
    int bytes = 0;
    if (::ioctl(pipe, FIONREAD, &bytes) == 0 && bytes > 0) return bytes;
    // Nobody can write any more once it has hung up.
    pollfd entry{pipe, POLLIN, 0};
    if (::poll(&entry, 1, 0) != 1) return 0;
    if ((entry.revents & POLLIN) == 0) return -1;
    // To be polled makes a terminal take in what was written to it.
    return ::ioctl(pipe, FIONREAD, &bytes) == 0 && bytes > 0 ? bytes : 0;
}

int set_pipe_bytes(int fd, int bytes) noexcept {
    const int set = ::fcntl(fd, F_SETPIPE_SZ, bytes);
    return set < 0 ? -errno : set;
}

Ended peek_ended(pid_t pid) noexcept {
    siginfo_t info{};
    const int result = ::waitid(pid == 0 ? P_ALL : P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT);
    Ended ended;
    if (result != 0) {
        ended.no_children = errno == ECHILD;
        return ended;
    }
    ended.pid = info.si_pid;
    ended.killed = info.si_code != CLD_EXITED;
    ended.value = info.si_status;
    return ended;
}

int open_process(base::PidIdentity process) noexcept {
    if (process.pid <= 0) return -ESRCH;
    const auto fd = static_cast<int>(::syscall(SYS_pidfd_open, process.pid, 0));
    if (fd < 0) return -errno;
    // Read while the descriptor holds it: what is gone by now was not ours to begin with, or is a zombie that was
    // reaped since.
    const auto started = base::find_start_ticks(process.pid);
    if (started == process.start_ticks) return fd;
    const bool is_another = started && process.start_ticks != 0;
    const int error = is_another || (!started && has_ended(fd)) ? ESRCH : EAGAIN;
    ::close(fd);
    return -error;
}

bool has_ended(int pidfd) noexcept {
    pollfd entry{pidfd, POLLIN, 0};
    return ::poll(&entry, 1, 0) == 1 && (entry.revents & POLLIN) != 0;
}

Ended find_ended(int pidfd, base::PidIdentity process) noexcept {
    // Before it asks: it may be reaped in between.
    const auto unreaped = base::find_wait_status(process);
    PidfdInfo info;
    Ended ended;
    if (!ask(pidfd, info)) return ended;
    const bool is_reaped = (info.mask & pidfd_info_exit) != 0;
    if (!is_reaped && !unreaped) return ended;
    const int status = is_reaped ? info.status : *unreaped;
    ended.pid = process.pid;
    ended.killed = WIFSIGNALED(status);
    ended.value = ended.killed ? WTERMSIG(status) : WEXITSTATUS(status);
    return ended;
}

bool tells_ends(int pidfd) noexcept {
    PidfdInfo info;
    return ask(pidfd, info) || (errno != ENOTTY && errno != EINVAL);
}

void reap(pid_t pid) noexcept {
    siginfo_t info{};
    while (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED) != 0 && errno == EINTR) {
    }
}

void release_stack() noexcept {
    constexpr std::uintptr_t page = 4096, most = 128u << 10, of_this_call = 1024;
    const std::uintptr_t end =
        (reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0)) - of_this_call) / page * page;
    ::madvise(reinterpret_cast<void*>(end - most), most, MADV_DONTNEED);
}

int kill_group(pid_t leader, int signal) noexcept { return ::kill(-leader, signal) == 0 ? 0 : errno; }

}  // namespace persistproc::shim::os
