#include "tests/crash/fault_layer.hpp"

#include <fcntl.h>
#include <linux/aio_abi.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "common/rundir/state_slots.hpp"

namespace {

using namespace persistproc::tests;

enum class Deed { none, fail, shorten, kill, tear };

struct Plan {
    Deed deed = Deed::none;
    int call = -1;  // -1: any
    std::uint32_t at = 0;
    bool for_ever = false;
    int error = 0;
};

Plan plan;
FaultLog* shared = nullptr;
char* journal = nullptr;
std::uint64_t journal_used = 0;
bool in_child = false;
bool is_set_up = false;

unsigned syncs_under_way = 0;

}  // namespace

extern "C" {
int __real_open(const char*, int, ...);
int __real_openat(int, const char*, int, ...);
ssize_t __real_read(int, void*, size_t);
ssize_t __real_pread(int, void*, size_t, off_t);
ssize_t __real_write(int, const void*, size_t);
ssize_t __real_pwrite(int, const void*, size_t, off_t);
int __real_ftruncate(int, off_t);
int __real_fstat(int, struct stat*);
int __real_fdatasync(int);
int __real_fsync(int);
int __real_sync_file_range(int, off64_t, off64_t, unsigned);
int __real_mkdirat(int, const char*, mode_t);
int __real_unlinkat(int, const char*, int);
int __real_pipe2(int*, int);
pid_t __real_fork();
int __real_socket(int, int, int);
int __real_bind(int, const sockaddr*, socklen_t);
int __real_listen(int, int);
int __real_accept4(int, sockaddr*, socklen_t*, int);
ssize_t __real_send(int, const void*, size_t, int);
ssize_t __real_recv(int, void*, size_t, int);
ssize_t __real_sendmsg(int, const msghdr*, int);
ssize_t __real_recvmsg(int, msghdr*, int);
int __real_waitid(idtype_t, id_t, siginfo_t*, int);
int __real_kill(pid_t, int);
int __real_fcntl(int, int, ...);
int __real_flock(int, int);
void* __real_mmap(void*, size_t, int, int, int, off_t);
int __real_ppoll(pollfd*, nfds_t, const timespec*, const sigset_t*);
int __real_signalfd(int, const sigset_t*, int);
int __real_prctl(int, ...);
int __real_chdir(const char*);
int __real_getsockopt(int, int, int, void*, socklen_t*);
long __real_syscall(long, ...);
int __real_clock_gettime(clockid_t, timespec*);
int __real_ioctl(int, unsigned long, ...);
}

namespace {

void* map_file(const char* variable, std::uint64_t size) {
    const char* path = ::getenv(variable);
    if (path == nullptr) return nullptr;
    const int file = __real_open(path, O_RDWR | O_CLOEXEC);
    if (file < 0) return nullptr;
    void* memory = __real_mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    ::close(file);
    return memory == MAP_FAILED ? nullptr : memory;
}

void read_plan(const char* text) {
    const char* at = std::strchr(text, '@');
    if (at == nullptr) return;
    const auto size = static_cast<std::size_t>(at - text);
    char* end = nullptr;
    plan.at = static_cast<std::uint32_t>(std::strtoul(at + 1, &end, 10));
    if (std::strncmp(text, "kill", size) == 0 && *end == '\0') {
        plan.deed = Deed::kill;
        return;
    }
    if (std::strncmp(text, "torn", size) == 0 && *end == '\0') {
        plan.deed = Deed::tear;
        return;
    }
    for (int call = 0; call < call_count; ++call)
        if (std::strlen(call_names[call]) == size && std::strncmp(text, call_names[call], size) == 0) plan.call = call;
    if (plan.call < 0 || *end != '=') return;
    if (std::strcmp(end + 1, "short") == 0) {
        plan.deed = Deed::shorten;
        return;
    }
    plan.error = static_cast<int>(std::strtol(end + 1, &end, 10));
    plan.for_ever = *end == '*';
    plan.deed = Deed::fail;
}

void set_up() {
    is_set_up = true;
    shared = static_cast<FaultLog*>(map_file("PERSISTPROC_FAULT_LOG", sizeof(FaultLog)));
    journal = static_cast<char*>(map_file("PERSISTPROC_FAULT_JOURNAL", journal_bytes));
    if (const char* text = ::getenv("PERSISTPROC_FAULT")) read_plan(text);
}

/// What is to happen to this use of the call. Killing happens here.
Deed deed_for(Call call) {
    if (in_child) return Deed::none;
    if (!is_set_up) set_up();
    if (shared == nullptr) return Deed::none;
    const std::uint32_t total = ++shared->total;
    const std::uint32_t own = ++shared->each[call];
    if (total <= sizeof shared->order) shared->order[total - 1] = call;
    switch (plan.deed) {
        case Deed::none: return Deed::none;
        case Deed::kill:
        case Deed::tear:
            if (total != plan.at) return Deed::none;
            ++shared->injected;
            if (plan.deed == Deed::tear && (call == call_pwrite || call == call_write)) return Deed::tear;
            __real_kill(::getpid(), SIGKILL);
            for (;;) ::pause();
        case Deed::fail:
        case Deed::shorten:
            if (call != plan.call || !(own == plan.at || (plan.for_ever && own > plan.at))) return Deed::none;
            ++shared->injected;
            return plan.deed;
    }
    return Deed::none;
}

bool fails(Call call) {
    if (deed_for(call) != Deed::fail) return false;
    errno = plan.error;
    return true;
}

std::uint64_t file_of(int fd, bool& regular) {
    struct stat facts {};
    const int before = errno;
    const bool known = __real_fstat(fd, &facts) == 0;
    errno = before;
    regular = known && (S_ISREG(facts.st_mode) || S_ISDIR(facts.st_mode));
    return known ? facts.st_ino : 0;
}

void note(Entry what, std::uint64_t file, std::uint64_t value, const void* payload, std::uint64_t size) {
    if (journal == nullptr || in_child) return;
    const std::uint64_t room = sizeof(JournalEntry) + (size + 7) / 8 * 8;
    if (journal_used + room + sizeof(JournalEntry) > journal_bytes) return;
    const JournalEntry entry{what, static_cast<std::uint32_t>(size), file, value};
    std::memcpy(journal + journal_used + sizeof entry, payload, size);
    std::memcpy(journal + journal_used, &entry, sizeof entry);
    journal_used += room;
}

void note_file(Entry what, int fd, std::uint64_t value, const void* payload, std::uint64_t size) {
    if (journal == nullptr || in_child) return;
    bool regular = false;
    const std::uint64_t file = file_of(fd, regular);
    if (regular) note(what, file, value, payload, size);
}

const char* base_name(const char* path) {
    const char* slash = std::strrchr(path, '/');
    return slash == nullptr ? path : slash + 1;
}

int opened(int fd, const char* path, int flags) {
    if (fd >= 0) {
        const char* name = base_name(path);
        note_file(Entry::opened, fd, static_cast<std::uint64_t>(flags), name, std::strlen(name));
    }
    return fd;
}

mode_t mode_from(int flags, va_list& rest) { return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0; }

[[noreturn]] void die() {
    __real_kill(::getpid(), SIGKILL);
    for (;;) ::pause();
}

}  // namespace

extern "C" {

int __wrap_open(const char* path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    const mode_t mode = mode_from(flags, rest);
    va_end(rest);
    return fails(call_open) ? -1 : opened(__real_open(path, flags, mode), path, flags);
}

int __wrap_openat(int directory, const char* path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    const mode_t mode = mode_from(flags, rest);
    va_end(rest);
    return fails(call_openat) ? -1 : opened(__real_openat(directory, path, flags, mode), path, flags);
}

ssize_t __wrap_read(int fd, void* into, size_t size) {
    const Deed deed = deed_for(call_read);
    if (deed == Deed::fail) {
        errno = plan.error;
        return -1;
    }
    return __real_read(fd, into, deed == Deed::shorten && size > 1 ? size / 2 : size);
}

ssize_t __wrap_pread(int fd, void* into, size_t size, off_t offset) {
    const Deed deed = deed_for(call_pread);
    if (deed == Deed::fail) {
        errno = plan.error;
        return -1;
    }
    return __real_pread(fd, into, deed == Deed::shorten && size > 1 ? size / 2 : size, offset);
}

ssize_t __wrap_write(int fd, const void* bytes, size_t size) {
    const Deed deed = deed_for(call_write);
    if (deed == Deed::fail) {
        errno = plan.error;
        return -1;
    }
    const bool half = (deed == Deed::tear || deed == Deed::shorten) && size > 1;
    const ssize_t wrote = __real_write(fd, bytes, half ? size / 2 : size);
    if (deed == Deed::tear) die();
    return wrote;
}

ssize_t __wrap_pwrite(int fd, const void* bytes, size_t size, off_t offset) {
    Deed deed = deed_for(call_pwrite);
    struct stat facts {};
    // A full disk takes what it has room for already.
    const bool needs_room = __real_fstat(fd, &facts) != 0 || offset + static_cast<off_t>(size) > facts.st_size;
    if (deed == Deed::fail && (needs_room || (plan.error != ENOSPC && plan.error != EDQUOT))) {
        errno = plan.error;
        return -1;
    }
    // A slot of the state lies within one sector and one page: it is written whole or not at all.
    const bool whole = size == sizeof(persistproc::rundir::StateSlot);
    if (deed == Deed::tear && whole) die();
    const bool half = (deed == Deed::tear || deed == Deed::shorten) && size > 1;
    const ssize_t wrote = __real_pwrite(fd, bytes, half ? size / 2 : size, offset);
    if (deed == Deed::tear) die();
    if (wrote > 0)
        note_file(Entry::wrote, fd, static_cast<std::uint64_t>(offset), bytes, static_cast<std::uint64_t>(wrote));
    return wrote;
}

int __wrap_ftruncate(int fd, off_t size) {
    if (fails(call_ftruncate)) return -1;
    const int result = __real_ftruncate(fd, size);
    if (result == 0) note_file(Entry::cut, fd, static_cast<std::uint64_t>(size), nullptr, 0);
    return result;
}

int __wrap_fstat(int fd, struct stat* out) { return fails(call_fstat) ? -1 : __real_fstat(fd, out); }

int __wrap_fdatasync(int fd) {
    if (fails(call_fdatasync)) return -1;
    const int result = __real_fdatasync(fd);
    if (result == 0) note_file(Entry::synced, fd, 0, nullptr, 0);
    return result;
}

int __wrap_fsync(int fd) {
    if (fails(call_fsync)) return -1;
    const int result = __real_fsync(fd);
    if (result == 0) note_file(Entry::synced, fd, 0, nullptr, 0);
    return result;
}

int __wrap_sync_file_range(int fd, off64_t offset, off64_t size, unsigned flags) {
    return fails(call_sync_file_range) ? -1 : __real_sync_file_range(fd, offset, size, flags);
}
int __wrap_mkdirat(int directory, const char* path, mode_t mode) {
    return fails(call_mkdirat) ? -1 : __real_mkdirat(directory, path, mode);
}

int __wrap_unlinkat(int directory, const char* path, int flags) {
    if (fails(call_unlinkat)) return -1;
    const int result = __real_unlinkat(directory, path, flags);
    if (result == 0) note_file(Entry::unlinked, directory, 0, path, std::strlen(path));
    return result;
}

int __wrap_pipe2(int* ends, int flags) { return fails(call_pipe2) ? -1 : __real_pipe2(ends, flags); }

pid_t __wrap_fork() {
    if (fails(call_fork)) return -1;
    const pid_t pid = __real_fork();
    if (pid == 0) in_child = true;
    return pid;
}

int __wrap_socket(int domain, int type, int protocol) {
    return fails(call_socket) ? -1 : __real_socket(domain, type, protocol);
}
int __wrap_bind(int fd, const sockaddr* address, socklen_t size) {
    return fails(call_bind) ? -1 : __real_bind(fd, address, size);
}
int __wrap_listen(int fd, int backlog) { return fails(call_listen) ? -1 : __real_listen(fd, backlog); }
int __wrap_accept4(int fd, sockaddr* address, socklen_t* size, int flags) {
    return fails(call_accept4) ? -1 : __real_accept4(fd, address, size, flags);
}

ssize_t __wrap_send(int fd, const void* bytes, size_t size, int flags) {
    if (fails(call_send)) return -1;
    const ssize_t sent = __real_send(fd, bytes, size, flags);
    if (sent > 0) note(Entry::told, 0, 0, bytes, size);
    return sent;
}
ssize_t __wrap_recv(int fd, void* into, size_t size, int flags) {
    return fails(call_recv) ? -1 : __real_recv(fd, into, size, flags);
}
ssize_t __wrap_sendmsg(int fd, const msghdr* message, int flags) {
    if (fails(call_sendmsg)) return -1;
    const ssize_t sent = __real_sendmsg(fd, message, flags);
    if (sent > 0 && message->msg_iovlen > 0)
        note(Entry::told, 0, 0, message->msg_iov[0].iov_base, message->msg_iov[0].iov_len);
    return sent;
}
ssize_t __wrap_recvmsg(int fd, msghdr* message, int flags) {
    return fails(call_recvmsg) ? -1 : __real_recvmsg(fd, message, flags);
}
int __wrap_waitid(idtype_t type, id_t id, siginfo_t* info, int options) {
    return fails(call_waitid) ? -1 : __real_waitid(type, id, info, options);
}
int __wrap_kill(pid_t pid, int signal) { return fails(call_kill) ? -1 : __real_kill(pid, signal); }

int __wrap_fcntl(int fd, int command, ...) {
    va_list rest;
    va_start(rest, command);
    const long argument = va_arg(rest, long);
    va_end(rest);
    return fails(call_fcntl) ? -1 : __real_fcntl(fd, command, argument);
}

int __wrap_flock(int fd, int operation) { return fails(call_flock) ? -1 : __real_flock(fd, operation); }
void* __wrap_mmap(void* at, size_t size, int protection, int flags, int fd, off_t offset) {
    return fails(call_mmap) ? MAP_FAILED : __real_mmap(at, size, protection, flags, fd, offset);
}
int __wrap_ppoll(pollfd* entries, nfds_t count, const timespec* left, const sigset_t* mask) {
    if (fails(call_ppoll)) return -1;
    const bool may_wait = left == nullptr || left->tv_sec > 0 || left->tv_nsec > 0;
    if (may_wait && shared != nullptr) ++shared->waits;
    return __real_ppoll(entries, count, left, mask);
}
int __wrap_clock_gettime(clockid_t clock, timespec* out) {
    const int result = __real_clock_gettime(clock, out);
    if (!is_set_up) set_up();
    if (clock == CLOCK_MONOTONIC && shared != nullptr) {
        const std::int64_t ns = out->tv_nsec + shared->ahead_ns;
        out->tv_sec += ns / 1'000'000'000;
        out->tv_nsec = ns % 1'000'000'000;
    }
    return result;
}
int __wrap_ioctl(int fd, unsigned long request, ...) {
    va_list more;
    va_start(more, request);
    void* const argument = va_arg(more, void*);
    va_end(more);
    constexpr unsigned pidfd_ioctls = 0xff;
    if (!is_set_up) set_up();
    if (_IOC_TYPE(request) == pidfd_ioctls && shared != nullptr && shared->tells_no_ends) {
        errno = ENOTTY;
        return -1;
    }
    return __real_ioctl(fd, request, argument);
}
int __wrap_signalfd(int fd, const sigset_t* mask, int flags) {
    return fails(call_signalfd) ? -1 : __real_signalfd(fd, mask, flags);
}

int __wrap_prctl(int option, ...) {
    va_list rest;
    va_start(rest, option);
    unsigned long arguments[4];
    for (auto& each : arguments) each = va_arg(rest, unsigned long);
    va_end(rest);
    return fails(call_prctl) ? -1 : __real_prctl(option, arguments[0], arguments[1], arguments[2], arguments[3]);
}

int __wrap_chdir(const char* path) { return fails(call_chdir) ? -1 : __real_chdir(path); }
int __wrap_getsockopt(int fd, int level, int option, void* value, socklen_t* size) {
    return fails(call_getsockopt) ? -1 : __real_getsockopt(fd, level, option, value, size);
}

long __wrap_syscall(long number, ...) {
    va_list rest;
    va_start(rest, number);
    long a[6];
    for (auto& each : a) each = va_arg(rest, long);
    va_end(rest);
    if (fails(call_syscall)) return -1;
    const long result = __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    // Syncs in the background: begun by the one, known to be done by the other.
    if (number == SYS_io_submit && result == 1) {
        note_file(Entry::syncing, static_cast<int>((*reinterpret_cast<iocb**>(a[2]))->aio_fildes), 0, nullptr, 0);
        ++syncs_under_way;
    }
    if (number == SYS_io_getevents && result > 0) {
        // Which of them, is not told: all must be back to be counted.
        syncs_under_way -= static_cast<unsigned>(result);
        if (syncs_under_way == 0) note(Entry::collected, 0, 0, nullptr, 0);
    }
    return result;
}

}  // extern "C"
