#include "common/base/process_identity.hpp"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string_view>

namespace persistproc::base {
namespace {

constexpr int parent_field = 4;
constexpr int flags_field = 9;
constexpr int start_field = 22;
constexpr int status_field = 52;
// PF_EXITING of the kernel's include/linux/sched.h: set before a thread gives up its files.
constexpr std::uint64_t exiting_flag = 0x4;

/// A small file of /proc, whole. Returns its length, 0 on any failure.
std::size_t read_small(const char* path, char* into, std::size_t room) noexcept {
    const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t got;
    do got = ::read(fd, into, room);
    while (got < 0 && errno == EINTR);
    ::close(fd);
    return got > 0 ? static_cast<std::size_t>(got) : 0;
}

int hex_value(char digit) noexcept {
    if (digit >= '0' && digit <= '9') return digit - '0';
    if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
    return -1;
}

/// "/proc/<pid><name>".
void make_path(char (&path)[32], pid_t pid, std::string_view name) noexcept {
    char digits[12];
    std::size_t count = 0;
    for (auto rest = static_cast<unsigned>(pid); count == 0 || rest != 0; rest /= 10)
        digits[count++] = static_cast<char>('0' + rest % 10);
    std::memcpy(path, "/proc/", 6);
    std::size_t at = 6;
    while (count > 0) path[at++] = digits[--count];
    std::memcpy(path + at, name.data(), name.size());
    path[at + name.size()] = '\0';
}

/// /proc/<pid>/stat behind the name, which stands in parentheses and may hold anything, ')' too: " S 1 …". Empty when
/// it cannot be read.
template <std::size_t room>
std::string_view read_stat(pid_t pid, char (&text)[room]) noexcept {
    char path[32];
    make_path(path, pid, "/stat");
    const std::size_t size = read_small(path, text, room);
    const auto* close = static_cast<const char*>(::memrchr(text, ')', size));
    if (close == nullptr) return {};
    return {close + 1, static_cast<std::size_t>(text + size - (close + 1))};
}

/// A number among the fields of proc_pid_stat(5), counted from 1 as there.
std::optional<std::uint64_t> find_stat_number(std::string_view fields, int wanted) noexcept {
    const char* const end = fields.data() + fields.size();
    int field = 2;
    for (const char* c = fields.data(); c < end; ++c) {
        if (*c != ' ') continue;
        if (++field != wanted) continue;
        std::uint64_t number = 0;
        const char* digit = c + 1;
        for (; digit < end && *digit >= '0' && *digit <= '9'; ++digit)
            number = number * 10 + static_cast<std::uint64_t>(*digit - '0');
        if (digit == c + 1 || digit == end) return std::nullopt;
        return number;
    }
    return std::nullopt;
}

}  // namespace

BootId current_boot_id() noexcept {
    char text[64];
    const std::size_t size = read_small("/proc/sys/kernel/random/boot_id", text, sizeof text);
    BootId id{};
    std::size_t digits = 0;
    for (std::size_t i = 0; i < size && digits < 2 * id.size(); ++i) {
        const int value = hex_value(text[i]);
        if (value < 0) continue;
        auto& byte = id[digits++ / 2];
        byte = static_cast<std::uint8_t>(byte << 4 | value);
    }
    return digits == 2 * id.size() ? id : BootId{};
}

std::optional<std::uint64_t> find_start_ticks(pid_t pid) noexcept {
    char text[1024];
    return find_stat_number(read_stat(pid, text), start_field);
}

std::optional<pid_t> find_parent(pid_t pid) noexcept {
    char text[1024];
    const auto parent = find_stat_number(read_stat(pid, text), parent_field);
    return parent ? std::optional(static_cast<pid_t>(*parent)) : std::nullopt;
}

bool is_exiting(pid_t pid) noexcept {
    // In this order: it may go between the two.
    char text[1024];
    const auto flags = find_stat_number(read_stat(pid, text), flags_field);
    if (flags) return (*flags & exiting_flag) != 0;
    return ::kill(pid, 0) != 0 && errno == ESRCH;
}

bool is_suspended(PidIdentity process) noexcept {
    char text[1024];
    const auto fields = read_stat(process.pid, text);
    if (fields.size() < 2 || find_stat_number(fields, start_field) != process.start_ticks) return false;
    return fields[1] == 'T';
}

bool is_zombie(PidIdentity process) noexcept {
    char text[1024];
    const auto fields = read_stat(process.pid, text);
    if (fields.size() < 2 || find_stat_number(fields, start_field) != process.start_ticks) return false;
    return fields[1] == 'Z';
}

std::optional<int> find_wait_status(PidIdentity zombie) noexcept {
    char text[1024];
    const auto fields = read_stat(zombie.pid, text);
    if (fields.size() < 2 || find_stat_number(fields, start_field) != zombie.start_ticks || fields[1] != 'Z')
        return std::nullopt;
    const auto status = find_stat_number(fields, status_field);
    if (!status) return std::nullopt;
    // Who may not know it is told 0; and may not know the user namespace either, by the same rule.
    char path[32], target[64];
    make_path(path, zombie.pid, "/ns/user");
    if (*status == 0 && ::readlink(path, target, sizeof target) < 0) return std::nullopt;
    return static_cast<int>(*status);
}

}  // namespace persistproc::base
