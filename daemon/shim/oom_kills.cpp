#include "daemon/shim/oom_kills.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cstring>

#include "daemon/shim/os.hpp"

namespace persistproc::shim {

namespace {

/// Calls `use(line)` for each line until it returns true. (`substr` would bring in what throws.)
template <class Use>
bool find_line(std::string_view text, Use use) noexcept {
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        if (use(std::string_view(text.data(), end))) return true;
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return false;
}

}  // namespace

CounterPath oom_counter_path(std::string_view cgroups) noexcept {
    CounterPath out("");
    const auto take = [&](std::string_view line, std::string_view marker, const char* root, const char* file) {
        const std::size_t at = line.find(marker);
        if (at == line.npos) return false;
        line.remove_prefix(at + marker.size());
        const std::string_view path = line == "/" ? std::string_view() : line;
        CounterPath whole(root);
        whole.add(path).add(file);
        // What did not fit is not a path to anything.
        const bool fits = whole.size() == std::strlen(root) + path.size() + std::strlen(file);
        if (fits) out = whole;
        return fits;
    };
    // Where the memory controller is in version 1, the unified hierarchy counts nothing.
    const bool is_version_1 = find_line(cgroups, [&](std::string_view line) {
        return take(line, ":memory:", "/sys/fs/cgroup/memory", "/memory.oom_control");
    });
    if (is_version_1) return out;
    find_line(cgroups, [&](std::string_view line) {
        return line.starts_with("0::") && take(line, "0::", "/sys/fs/cgroup", "/memory.events");
    });
    return out;
}

std::int64_t oom_kills_in(std::string_view counters) noexcept {
    std::int64_t count = -1;
    find_line(counters, [&](std::string_view line) {
        constexpr std::string_view name = "oom_kill ";
        if (!line.starts_with(name)) return false;
        line.remove_prefix(name.size());
        std::int64_t number = 0;
        for (const char digit : line) {
            if (digit < '0' || digit > '9' || number > 1'000'000'000) return false;
            number = number * 10 + (digit - '0');
        }
        if (!line.empty()) count = number;
        return true;
    });
    return count;
}

OomKills count_oom_kills() noexcept {
    // The machine has some hundred counters more than these.
    char text[32u << 10];
    const auto read = [&text](const char* path) noexcept {
        const ssize_t size = os::read_file_at(AT_FDCWD, path, text, sizeof text);
        return std::string_view(text, size > 0 ? static_cast<std::size_t>(size) : 0);
    };
    OomKills out;
    out.on_machine = oom_kills_in(read("/proc/vmstat"));
    const CounterPath path = oom_counter_path(read("/proc/self/cgroup"));
    if (path.size() > 0) out.in_cgroup = oom_kills_in(read(path.c_str()));
    return out;
}

std::int64_t oom_kills_between(const OomKills& before, const OomKills& after) noexcept {
    if (before.in_cgroup < 0 || after.in_cgroup < before.in_cgroup) return -1;
    const std::int64_t own = after.in_cgroup - before.in_cgroup;
    const bool is_machine_known = before.on_machine >= 0 && after.on_machine >= 0;
    return own > 0 || (is_machine_known && before.on_machine == after.on_machine) ? own : -1;
}

}  // namespace persistproc::shim
