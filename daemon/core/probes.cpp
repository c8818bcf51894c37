#include "daemon/core/probes.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string>
#include <string_view>
#include <unordered_map>

#include "common/base/time.hpp"
#include "common/base/unique_fd.hpp"

namespace persistproc::core {

namespace {

using PortOfInode = std::unordered_map<std::uint64_t, int>;

/// Reads a small proc file into `buffer`; empty when it is gone.
std::string_view read_small(const char* path, char* buffer, std::size_t size) {
    base::UniqueFd fd(::open(path, O_RDONLY | O_CLOEXEC));
    if (!fd) return {};
    const ssize_t n = ::read(fd.get(), buffer, size);
    return n > 0 ? std::string_view(buffer, static_cast<std::size_t>(n)) : std::string_view{};
}

void append_children(pid_t pid, std::vector<pid_t>& out) {
    // proc(5): task/<tid>/children lists those forked by that thread.
    const std::string tasks = fmt::format("/proc/{}/task", pid);
    DIR* directory = ::opendir(tasks.c_str());
    if (directory == nullptr) return;
    while (const dirent* entry = ::readdir(directory)) {
        if (entry->d_name[0] == '.') continue;
        base::UniqueFd fd(::open(fmt::format("{}/{}/children", tasks, entry->d_name).c_str(), O_RDONLY | O_CLOEXEC));
        if (!fd) continue;
        std::string text;
        char buffer[4096];
        for (ssize_t n = 0; (n = ::read(fd.get(), buffer, sizeof buffer)) > 0;)
            text.append(buffer, static_cast<std::size_t>(n));
        const char* at = text.data();
        const char* end = at + text.size();
        while (at < end) {
            pid_t child = 0;
            const auto parsed = std::from_chars(at, end, child);
            if (parsed.ec != std::errc{}) break;
            out.push_back(child);
            at = parsed.ptr;
            while (at < end && *at == ' ') ++at;
        }
    }
    ::closedir(directory);
}

/// User and system time of a process and of the children it has waited for (fields 14 to 17 of stat), in ticks. The
/// command name before them may hold anything.
struct CpuTicks {
    std::uint64_t own = 0, reaped = 0;
};
CpuTicks cpu_ticks_of(pid_t pid) {
    char buffer[1024];
    std::string_view text = read_small(fmt::format("/proc/{}/stat", pid).c_str(), buffer, sizeof buffer);
    const std::size_t end_of_name = text.rfind(')');
    if (end_of_name == std::string_view::npos) return {};
    text.remove_prefix(end_of_name + 2);
    CpuTicks ticks;
    for (int field = 3; field <= 17 && !text.empty(); ++field) {
        const std::size_t space = text.find(' ');
        if (field >= 14) {
            std::uint64_t value = 0;
            std::from_chars(text.data(), text.data() + std::min(space, text.size()), value);
            (field <= 15 ? ticks.own : ticks.reaped) += value;
        }
        if (space == std::string_view::npos) break;
        text.remove_prefix(space + 1);
    }
    return ticks;
}

/// Fields 2 and 3 of statm: resident pages, and those of them that are shared (files, shared memory).
struct ResidentBytes {
    std::int64_t all = 0, shared = 0;
};
ResidentBytes resident_bytes_of(pid_t pid) {
    static const std::int64_t page_bytes = ::sysconf(_SC_PAGESIZE);
    char buffer[256];
    const std::string_view text = read_small(fmt::format("/proc/{}/statm", pid).c_str(), buffer, sizeof buffer);
    std::int64_t pages[3] = {};
    const char* at = text.data();
    const char* const end = at + text.size();
    for (auto& each : pages) {
        const auto parsed = std::from_chars(at, end, each);
        if (parsed.ec != std::errc{}) return {};
        at = parsed.ptr < end ? parsed.ptr + 1 : end;
    }
    return {pages[1] * page_bytes, std::min(pages[1], pages[2]) * page_bytes};
}

/// Listening TCP sockets of this network namespace by inode (sock_diag(7)).
void read_listeners(int family, PortOfInode& out) {
    base::UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
    if (!fd) return;
    struct {
        nlmsghdr header;
        inet_diag_req_v2 request;
    } message{};
    message.header.nlmsg_len = sizeof message;
    message.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    message.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    message.request.sdiag_family = static_cast<std::uint8_t>(family);
    message.request.sdiag_protocol = IPPROTO_TCP;
    message.request.idiag_states = 1u << TCP_LISTEN;
    if (::send(fd.get(), &message, sizeof message, 0) < 0) return;
    alignas(nlmsghdr) char buffer[32768];
    for (;;) {
        const ssize_t n = ::recv(fd.get(), buffer, sizeof buffer, 0);
        if (n <= 0) return;
        auto left = static_cast<unsigned>(n);
        for (auto* each = reinterpret_cast<nlmsghdr*>(buffer); NLMSG_OK(each, left); each = NLMSG_NEXT(each, left)) {
            if (each->nlmsg_type == NLMSG_DONE || each->nlmsg_type == NLMSG_ERROR) return;
            inet_diag_msg socket{};
            std::memcpy(&socket, NLMSG_DATA(each), sizeof socket);
            out[socket.idiag_inode] = ntohs(socket.id.idiag_sport);
        }
    }
}

void append_ports(pid_t pid, const PortOfInode& listeners, std::vector<int>& out) {
    const std::string directory_path = fmt::format("/proc/{}/fd", pid);
    DIR* directory = ::opendir(directory_path.c_str());
    if (directory == nullptr) return;
    constexpr std::string_view prefix = "socket:[";
    while (const dirent* entry = ::readdir(directory)) {
        if (entry->d_name[0] == '.') continue;
        char link[64];
        const ssize_t n = ::readlinkat(::dirfd(directory), entry->d_name, link, sizeof link);
        if (n <= 0) continue;
        std::string_view target(link, static_cast<std::size_t>(n));
        if (!target.starts_with(prefix)) continue;
        std::uint64_t inode = 0;
        std::from_chars(target.data() + prefix.size(), target.data() + target.size(), inode);
        if (const auto found = listeners.find(inode); found != listeners.end()) out.push_back(found->second);
    }
    ::closedir(directory);
}

}  // namespace

double ticks_per_second() noexcept {
    static const double ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
    return ticks;
}

std::vector<TreeSample> sample_trees(const std::vector<TreeRoots>& roots) {
    PortOfInode listeners;
    read_listeners(AF_INET, listeners);
    read_listeners(AF_INET6, listeners);
    std::vector<TreeSample> samples;
    samples.reserve(roots.size());
    for (const auto& [shim, program] : roots) {
        TreeSample sample;
        if (shim > 0) append_children(shim, sample.pids);
        if (program > 0) sample.pids.push_back(program);
        for (std::size_t i = 0; i < sample.pids.size(); ++i) append_children(sample.pids[i], sample.pids);
        // The shim reaps whatever its descendants did not wait for; its own time is not the program's.
        if (shim > 0) sample.cpu_ticks += cpu_ticks_of(shim).reaped;
        std::int64_t most_shared = 0;
        for (const pid_t pid : sample.pids) {
            const CpuTicks ticks = cpu_ticks_of(pid);
            sample.cpu_ticks += ticks.own + ticks.reaped;
            const ResidentBytes resident = resident_bytes_of(pid);
            sample.memory_bytes += resident.all - resident.shared;
            most_shared = std::max(most_shared, resident.shared);
            if (!listeners.empty()) append_ports(pid, listeners, sample.ports);
        }
        sample.memory_bytes += most_shared;
        std::sort(sample.ports.begin(), sample.ports.end());
        sample.ports.erase(std::unique(sample.ports.begin(), sample.ports.end()), sample.ports.end());
        sample.taken_boot_ns = base::boot_now_ns();
        samples.push_back(std::move(sample));
    }
    return samples;
}

}  // namespace persistproc::core
