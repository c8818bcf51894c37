#include "common/base/kill_point.hpp"

#ifdef PERSISTPROC_KILL_POINTS

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace persistproc::base {
namespace {

constexpr const char variable[] = "PERSISTPROC_KILL_AT=";
constexpr std::size_t variable_size = sizeof variable - 1;

/// How often each point was passed since it was armed.
std::atomic<int> passed[sizeof kill_points / sizeof kill_points[0]];

/// Which passing is deadly by the file; 0: the point is not armed.
int deadly_passing(const char* path) noexcept {
    const int file = ::open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    char text[16] = {};
    const ssize_t got = ::read(file, text, sizeof text - 1);
    ::close(file);
    return got > 0 ? std::atoi(text) : 1;
}

}  // namespace

const char* find_kill_setting() noexcept {
    for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry)
        if (std::strncmp(*entry, variable, variable_size) == 0) return *entry;
    return nullptr;
}

void kill_point(KillPoint here) noexcept {
    static const char* const setting = find_kill_setting();
    if (setting == nullptr) return;
    const int before = errno;
    char path[1024];
    const char* const directory = setting + variable_size;
    const char* const name = kill_points[here.index()];
    const std::size_t length = std::strlen(directory);
    if (length + 1 + std::strlen(name) < sizeof path) {
        std::memcpy(path, directory, length);
        path[length] = '/';
        std::strcpy(path + length + 1, name);
        const int deadly = deadly_passing(path);
        if (deadly == 0) passed[here.index()] = 0;
        if (deadly > 0 && ++passed[here.index()] >= deadly && ::unlink(path) == 0) {
            ::kill(::getpid(), SIGKILL);
            for (;;) ::pause();
        }
    }
    errno = before;
}

}  // namespace persistproc::base

#endif
