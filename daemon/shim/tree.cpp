#include "daemon/shim/tree.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "daemon/shim/os.hpp"
#include "daemon/shim/short_text.hpp"

namespace persistproc::shim {
namespace {

constexpr std::size_t most = 16384;
pid_t found[most];    // a bomb larger than this is met in several calls
pid_t parents[most];  // of found[i], when all of /proc has to be read
std::size_t found_count = 0;

using ProcPath = ShortText<64>;

pid_t parse_pid(const char*& at, const char* end) noexcept {
    long value = 0;
    for (; at < end && *at >= '0' && *at <= '9' && value < 100'000'000; ++at) value = value * 10 + (*at - '0');
    return static_cast<pid_t>(value);
}

/// Parent of a process, 0 when it is gone. The name before it stands in parentheses and may hold any byte.
pid_t parent_of(pid_t pid) noexcept {
    char text[512];
    const ssize_t size =
        os::read_file_at(AT_FDCWD, ProcPath("/proc/").add(pid).add("/stat").c_str(), text, sizeof text);
    if (size <= 0) return 0;
    const auto* close = static_cast<const char*>(::memrchr(text, ')', static_cast<std::size_t>(size)));
    if (close == nullptr || text + size - close < 5) return 0;
    const char* at = close + 4;  // ") S "
    return parse_pid(at, text + size);
}

bool is_descendant(pid_t pid) noexcept {
    const pid_t self = ::getpid();
    // Deeper than any honest tree; a chain that changes under us ends at init or at nothing.
    for (int depth = 0; depth < 4096 && pid > 1; ++depth) {
        pid = parent_of(pid);
        if (pid == self) return true;
    }
    return false;
}

template <class IsOurs>
void signal_one(pid_t pid, int signal, IsOurs is_ours) noexcept {
    const auto pinned = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
    if (pinned < 0) {
        // Linux before 5.3, or no descriptor left: the check alone must do.
        if (errno != ESRCH && is_ours(pid)) ::kill(pid, signal);
        return;
    }
    if (is_ours(pid)) ::syscall(SYS_pidfd_send_signal, pinned, signal, nullptr, 0);
    ::close(pinned);
}

void remember(pid_t pid) noexcept {
    if (pid > 0 && found_count < most) found[found_count++] = pid;
}

/// Calls `each` with every numeric name in a directory. False: it cannot be read.
template <class Each>
bool for_each_number(const char* path, Each each) noexcept {
    const int fd = ::open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return false;
    alignas(dirent64) char buffer[8192];
    long got;
    while ((got = ::syscall(SYS_getdents64, fd, buffer, sizeof buffer)) > 0) {
        for (long at = 0; at < got;) {
            const auto* entry = reinterpret_cast<const dirent64*>(buffer + at);
            const char* name = entry->d_name;
            const char* const end = name + std::strlen(name);
            const pid_t number = parse_pid(name, end);
            if (number > 0 && name == end) each(number);
            at += entry->d_reclen;
        }
    }
    ::close(fd);
    return true;
}

/// Children of one process, by its threads. False: this kernel does not list children.
bool add_children(pid_t pid) noexcept {
    bool listed = true;
    const bool exists = for_each_number(ProcPath("/proc/").add(pid).add("/task").c_str(), [&](pid_t thread) {
        const ProcPath path = ProcPath("/proc/").add(pid).add("/task/").add(thread).add("/children");
        const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
        if (fd < 0) {
            if (errno == ENOENT && pid == ::getpid()) listed = false;
            return;
        }
        char text[4096];
        pid_t pending = 0;
        ssize_t got;
        while ((got = os::read(fd, text, sizeof text)) > 0) {
            for (ssize_t i = 0; i < got; ++i) {
                if (text[i] >= '0' && text[i] <= '9') {
                    pending = pending * 10 + (text[i] - '0');
                } else {
                    remember(pending);
                    pending = 0;
                }
            }
        }
        remember(pending);
        ::close(fd);
    });
    return listed && (exists || pid != ::getpid());
}

void scan_all_processes() noexcept {
    std::size_t all = 0;
    for_each_number("/proc", [&](pid_t pid) {
        if (all == most) return;
        parents[all] = parent_of(pid);
        found[all++] = pid;
    });
    // Descendants come to the front, generation by generation.
    found_count = 0;
    for (std::size_t next = 0;; ++next) {
        const pid_t parent = next == 0 ? ::getpid() : found[next - 1];
        for (std::size_t i = found_count; i < all; ++i) {
            if (parents[i] != parent) continue;
            const pid_t pid = found[i];
            found[i] = found[found_count];
            parents[i] = parents[found_count];
            found[found_count] = pid;
            parents[found_count++] = parent;
        }
        if (next == found_count) return;
    }
}

void find_descendants() noexcept {
    found_count = 0;
    if (!add_children(::getpid())) {
        scan_all_processes();
        return;
    }
    for (std::size_t next = 0; next < found_count; ++next) add_children(found[next]);
}

}  // namespace

int signal_descendants(int signal, pid_t but_group) noexcept {
    find_descendants();
    for (std::size_t i = 0; i < found_count; ++i)
        if (but_group == 0 || ::getpgid(found[i]) != but_group) signal_one(found[i], signal, is_descendant);
    return static_cast<int>(found_count);
}

bool has_mark(pid_t pid, const char* mark) noexcept {
    const int fd = ::open(ProcPath("/proc/").add(pid).add("/environ").c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    const std::size_t size = std::strlen(mark);
    char text[4096];
    std::size_t matched = 0;
    bool matches = true;  // the entry, as far as it has come
    bool found_it = false;
    ssize_t got;
    while (!found_it && (got = os::read(fd, text, sizeof text)) > 0) {
        for (ssize_t i = 0; i < got && !found_it; ++i) {
            if (text[i] == '\0') {
                found_it = matches && matched == size;
                matched = 0;
                matches = true;
            } else if (matches) {
                matches = matched < size && text[i] == mark[matched];
                ++matched;
            }
        }
    }
    ::close(fd);
    return found_it || (matches && matched == size);
}

int signal_marked(const char* mark, int signal, pid_t but_group) noexcept {
    found_count = 0;
    for_each_number("/proc", [mark](pid_t pid) {
        if (has_mark(pid, mark)) remember(pid);
    });
    if (signal != 0)
        for (std::size_t i = 0; i < found_count; ++i)
            if (but_group == 0 || ::getpgid(found[i]) != but_group)
                signal_one(found[i], signal, [mark](pid_t pid) { return has_mark(pid, mark); });
    return static_cast<int>(found_count);
}

}  // namespace persistproc::shim
