#include "common/base/proc.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <limits.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <memory>
#include <optional>

#include "common/base/file.hpp"
#include "common/base/unique_fd.hpp"

namespace persistproc::base {

namespace {

constexpr std::size_t max_environment_bytes = 8u << 20;
constexpr std::array<unsigned char, 16> loopback4{127, 0, 0, 1};
constexpr std::array<unsigned char, 16> loopback6{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};

struct CloseDirectory {
    void operator()(DIR* directory) const noexcept { ::closedir(directory); }
};

/// Calls `take(descriptor of the directory, name)` for every entry but the hidden ones.
template <class Take>
void for_each_entry(const std::string& path, Take take) {
    const std::unique_ptr<DIR, CloseDirectory> directory(::opendir(path.c_str()));
    if (!directory) return;
    while (const dirent* entry = ::readdir(directory.get()))
        if (entry->d_name[0] != '.') take(::dirfd(directory.get()), entry->d_name);
}

/// What one read gives of a small file; empty when it is gone.
std::string_view read_once(const char* path, char* buffer, std::size_t size) {
    const UniqueFd fd(::open(path, O_RDONLY | O_CLOEXEC));
    const ssize_t got = fd ? ::read(fd.get(), buffer, size) : -1;
    return got > 0 ? std::string_view(buffer, static_cast<std::size_t>(got)) : std::string_view();
}

template <class Number>
std::optional<Number> find_number(std::string_view text) {
    Number out = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (failed != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return out;
}

/// Calls `take(const inet_diag_msg&)` for each listening TCP socket of the family.
template <class Take>
void for_each_listener(int family, Take take) {
    const UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
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
            take(socket);
        }
    }
}

}  // namespace

std::filesystem::path own_program() {
    std::error_code failed;
    return std::filesystem::read_symlink("/proc/self/exe", failed);
}

std::vector<pid_t> list_processes() {
    std::vector<pid_t> out;
    for_each_entry("/proc", [&](int, std::string_view name) {
        if (const auto pid = find_number<pid_t>(name)) out.push_back(*pid);
    });
    return out;
}

void append_children(pid_t pid, std::vector<pid_t>& out, bool of_first_thread) {
    const auto append_of_thread = [&](std::string_view thread) {
        const auto path = fmt::format("/proc/{}/task/{}/children", pid, thread);
        char buffer[1024];
        std::string_view rest = read_once(path.c_str(), buffer, sizeof buffer);
        // The kernel may give a long list in parts.
        Result<std::string> whole{std::string()};
        if (rest.size() > sizeof buffer / 2) {
            whole = read_file(path);
            rest = whole ? *whole : std::string_view();
        }
        for (std::size_t end = 0; (end = rest.find(' ')) != std::string_view::npos; rest.remove_prefix(end + 1))
            if (const auto child = find_number<pid_t>(rest.substr(0, end))) out.push_back(*child);
    };
    if (of_first_thread) return append_of_thread(fmt::format_int(pid).c_str());
    for_each_entry(fmt::format("/proc/{}/task", pid), [&](int, std::string_view thread) { append_of_thread(thread); });
}

// Fields 3, 4, 14 to 17, 20, 22 and 28 of stat. The command name before them may hold anything.
Activity activity_of(pid_t pid) {
    char buffer[1024];
    std::string_view text = read_once(fmt::format("/proc/{}/stat", pid).c_str(), buffer, sizeof buffer);
    const std::size_t end_of_name = text.rfind(')');
    if (end_of_name == std::string_view::npos) return {};
    text.remove_prefix(end_of_name + 2);
    Activity out;
    out.is_suspended = text.starts_with('T');
    for (int field = 3; field <= 28 && !text.empty(); ++field) {
        const std::size_t end = std::min(text.find(' '), text.size());
        const auto number = [&] { return find_number<std::uint64_t>(text.substr(0, end)).value_or(0); };
        switch (field) {
            case 4: out.parent = static_cast<pid_t>(number()); break;
            case 14:
            case 15: out.own_ticks += number(); break;
            case 16:
            case 17: out.reaped_ticks += number(); break;
            case 20: out.threads = number(); break;
            case 22: out.start_ticks = number(); break;
            case 28: out.stack_start = number(); break;
            default: break;
        }
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return out;
}

double ticks_per_second() noexcept {
    static const double ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
    return ticks;
}

std::uint64_t switches_of(pid_t pid) {
    constexpr std::string_view mark = "_ctxt_switches:\t";
    const auto text = read_file(fmt::format("/proc/{}/status", pid), 16384);
    std::uint64_t sum = 0;
    for (std::string_view rest = text ? *text : std::string_view();;) {
        const std::size_t at = rest.find(mark);
        if (at == std::string_view::npos) return sum;
        rest.remove_prefix(at + mark.size());
        sum += find_number<std::uint64_t>(rest.substr(0, rest.find('\n'))).value_or(0);
    }
}

// Fields 2 and 3 of statm.
ResidentBytes resident_bytes(pid_t pid) {
    static const std::int64_t page_bytes = ::sysconf(_SC_PAGESIZE);
    char buffer[256];
    std::string_view text = read_once(fmt::format("/proc/{}/statm", pid).c_str(), buffer, sizeof buffer);
    std::int64_t pages[3] = {};
    for (auto& each : pages) {
        const std::size_t end = std::min(text.find(' '), text.size());
        const auto number = find_number<std::int64_t>(text.substr(0, end));
        if (!number) return {};
        each = *number;
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return {pages[1] * page_bytes, std::min(pages[1], pages[2]) * page_bytes};
}

std::optional<std::int64_t> proportional_bytes(pid_t pid) {
    constexpr std::string_view mark = "\nPss_Anon:";
    char buffer[4096];
    std::string_view text = read_once(fmt::format("/proc/{}/smaps_rollup", pid).c_str(), buffer, sizeof buffer);
    const std::size_t at = text.find(mark);
    if (at == std::string_view::npos) return std::nullopt;
    text.remove_prefix(at + mark.size());
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    const auto kibibytes = find_number<std::int64_t>(text.substr(0, text.find(' ')));
    if (!kibibytes) return std::nullopt;
    return *kibibytes * 1024;
}

std::string command_name(pid_t pid) {
    const auto text = read_file(fmt::format("/proc/{}/comm", pid), 4096);
    return text ? text->substr(0, text->rfind('\n')) : std::string();
}

std::vector<std::string> command_line(pid_t pid) {
    std::vector<std::string> out;
    const auto words = read_file(fmt::format("/proc/{}/cmdline", pid), max_environment_bytes);
    for (std::string_view rest = words ? std::string_view(*words) : std::string_view(); !rest.empty();) {
        out.emplace_back(rest.substr(0, rest.find('\0')));
        rest.remove_prefix(std::min(out.back().size() + 1, rest.size()));
    }
    return out;
}

Result<std::optional<std::string>> find_variable(pid_t pid, std::string_view name) {
    using Found = std::optional<std::string>;
    const auto environment = read_file(fmt::format("/proc/{}/environ", pid), max_environment_bytes);
    if (!environment) {
        const int why = environment.error().os_error;
        if (why == EMFILE || why == ENFILE || why == ENOMEM) return environment.error();
        return Found();
    }
    for (std::string_view rest = *environment; !rest.empty();) {
        const std::string_view each = rest.substr(0, rest.find('\0'));
        if (each.size() > name.size() && each.starts_with(name) && each[name.size()] == '=')
            return Found(each.substr(name.size() + 1));
        rest.remove_prefix(std::min(each.size() + 1, rest.size()));
    }
    return Found();
}

std::vector<std::uint64_t> socket_inodes(pid_t pid) {
    constexpr std::string_view prefix = "socket:[";
    std::vector<std::uint64_t> out;
    for_each_entry(fmt::format("/proc/{}/fd", pid), [&](int directory, const char* name) {
        char link[64];
        const ssize_t size = ::readlinkat(directory, name, link, sizeof link);
        std::string_view target(link, size < 0 ? 0 : static_cast<std::size_t>(size));
        if (!target.starts_with(prefix) || !target.ends_with(']')) return;
        target.remove_prefix(prefix.size());
        target.remove_suffix(1);
        if (const auto inode = find_number<std::uint64_t>(target)) out.push_back(*inode);
    });
    return out;
}

std::int64_t count_descriptors(pid_t pid) {
    struct stat facts {};
    return ::stat(fmt::format("/proc/{}/fd", pid).c_str(), &facts) == 0 ? facts.st_size : 0;
}

std::optional<std::filesystem::path> find_open_file(pid_t pid, std::string_view name) {
    std::optional<std::filesystem::path> out;
    for_each_entry(fmt::format("/proc/{}/fd", pid), [&](int directory, const char* number) {
        char link[PATH_MAX];
        const ssize_t size = out ? -1 : ::readlinkat(directory, number, link, sizeof link);
        const std::string_view target(link, size < 0 ? 0 : static_cast<std::size_t>(size));
        if (target.starts_with('/') && target.substr(target.rfind('/') + 1) == name) out = target;
    });
    return out;
}

bool may_have_interpreters() {
    std::error_code failed;
    bool is_shown = false;
    for (std::filesystem::directory_iterator each("/proc/sys/fs/binfmt_misc", failed), end; !failed && each != end;
         each.increment(failed)) {
        const std::string name = each->path().filename().native();
        is_shown = is_shown || name == "register";
        if (name != "register" && name != "status") return true;
    }
    return !is_shown;
}

std::unordered_map<std::uint64_t, int> listening_ports() {
    std::unordered_map<std::uint64_t, int> out;
    for (const int family : {AF_INET, AF_INET6})
        for_each_listener(
            family, [&out](const inet_diag_msg& socket) { out[socket.idiag_inode] = ntohs(socket.id.idiag_sport); });
    return out;
}

std::vector<Listener> find_listeners(int port) {
    std::vector<Listener> out;
    for (const int family : {AF_INET, AF_INET6})
        for_each_listener(family, [&](const inet_diag_msg& socket) {
            if (ntohs(socket.id.idiag_sport) != port) return;
            Listener found{
                .inode = socket.idiag_inode, .user = socket.idiag_uid, .port = port, .is_ipv6 = family == AF_INET6};
            const std::size_t size = found.is_ipv6 ? 16 : 4;
            std::memcpy(found.address.data(), socket.id.idiag_src, size);
            const bool is_any = std::all_of(found.address.begin(), found.address.end(), [](auto b) { return b == 0; });
            if (is_any) found.address = found.is_ipv6 ? loopback6 : loopback4;
            out.push_back(found);
        });
    return out;
}

std::size_t max_user_watches() {
    constexpr std::size_t usual = 8192;  // of kernels that say nothing
    const auto text = read_file("/proc/sys/fs/inotify/max_user_watches", 64);
    std::size_t out = 0;
    if (text) std::from_chars(text->data(), text->data() + text->size(), out);
    return out > 0 ? out : usual;
}

}  // namespace persistproc::base
