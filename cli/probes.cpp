#include "cli/probes.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "common/base/proc.hpp"
#include "common/base/text.hpp"
#include "common/base/unique_fd.hpp"

namespace persistproc::cli {

namespace fs = std::filesystem;

namespace {

constexpr auto patience = std::chrono::seconds(5);
constexpr std::size_t max_answer_bytes = 64u << 10;

using Clock = std::chrono::steady_clock;

/// Waits for `events`, at most until the deadline. False: the time is over.
bool wait_for(int fd, short events, Clock::time_point deadline) {
    while (true) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
        if (left <= 0) return false;
        pollfd polled{fd, events, 0};
        const int ready = ::poll(&polled, 1, static_cast<int>(left));
        if (ready > 0) return true;
        if (ready < 0 && errno != EINTR) return false;
    }
}

struct Said {
    std::string text;
    bool has_ended = false;  // false: the time was over, or the bound was reached
};

/// All there is until the end of file.
Said read_until_end(int fd, Clock::time_point deadline) {
    Said out;
    char buffer[4096];
    while (out.text.size() < max_answer_bytes && wait_for(fd, POLLIN, deadline)) {
        const ssize_t n = ::read(fd, buffer, sizeof buffer);
        if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        out.has_ended = n <= 0;
        if (out.has_ended) break;
        out.text.append(buffer, static_cast<std::size_t>(n));
    }
    return out;
}

}  // namespace

namespace {

/// What `program flag` writes to `descriptor`.
Result<std::string> ask(const fs::path& program, std::string flag, int descriptor) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return base::os_failure("pipe", errno);
    base::UniqueFd ours(ends[0]), theirs(ends[1]);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    for (const int each : {STDOUT_FILENO, STDERR_FILENO}) {
        if (each == descriptor)
            ::posix_spawn_file_actions_adddup2(&actions, theirs.get(), each);
        else
            ::posix_spawn_file_actions_addopen(&actions, each, "/dev/null", O_WRONLY, 0);
    }
    std::string name = program.native();
    char* const argv[] = {name.data(), flag.data(), nullptr};
    pid_t pid = 0;
    const int failed = ::posix_spawn(&pid, program.c_str(), &actions, nullptr, argv, ::environ);
    ::posix_spawn_file_actions_destroy(&actions);
    if (failed != 0)
        return Error{ErrorCode::exec_failed, fmt::format("{}: {}", program.native(), std::strerror(failed)), failed};
    theirs.reset();
    Said said = read_until_end(ours.get(), Clock::now() + patience);
    // It has said what it was asked for, or never will.
    ::kill(pid, SIGKILL);
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    if (!said.has_ended) return Error{ErrorCode::timeout, fmt::format("{} {} does not end", program.native(), flag)};
    return std::move(said.text);
}

}  // namespace

Result<std::string> ask_version(const fs::path& program) {
    const auto text = ask(program, "--version", STDOUT_FILENO);
    if (!text) return text.error();
    const std::string line = text->substr(0, text->find('\n'));
    const std::size_t space = line.find(' ');
    const std::string version = space == std::string::npos ? line : line.substr(space + 1);
    if (version.empty())
        return Error{ErrorCode::exec_failed, fmt::format("{} --version says nothing", program.native())};
    return base::escape_line(version);
}

Result<void> check_daemon_settings(const fs::path& program) {
    const auto text = ask(program, "--check", STDERR_FILENO);
    if (!text) return text.error();
    constexpr std::string_view mark = "error: ";
    const std::size_t at = text->find(mark);
    if (at == std::string::npos) return {};
    const std::string why = text->substr(at + mark.size());
    return Error{ErrorCode::invalid, why.substr(0, why.find('\n'))};
}

std::optional<PortHolder> find_port_holder(std::uint16_t port, pid_t besides) {
    auto listeners = base::listening_ports();
    std::erase_if(listeners, [port](const auto& each) { return each.second != port; });
    if (besides != 0 && !listeners.empty())
        for (const auto inode : base::socket_inodes(besides)) listeners.erase(inode);
    if (listeners.empty()) return std::nullopt;
    PortHolder out;
    for (const pid_t pid : base::list_processes()) {
        const auto sockets = base::socket_inodes(pid);
        if (std::none_of(sockets.begin(), sockets.end(), [&](auto each) { return listeners.contains(each); })) continue;
        out.pid = pid;
        out.command = base::escape_line(base::command_name(pid));
        break;
    }
    return out;
}

std::string holder_text(const PortHolder& holder) {
    return holder.pid ? fmt::format("{} (PID {})", holder.command, *holder.pid) : "another user's program";
}

bool is_port_taken(std::uint16_t port) {
    const base::UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int on = 1;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 && errno == EADDRINUSE;
}

}  // namespace persistproc::cli
