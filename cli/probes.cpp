#include "cli/probes.hpp"

#include <arpa/inet.h>
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
#include <charconv>
#include <chrono>
#include <cstring>
#include <set>
#include <sstream>

#include "common/base/file.hpp"
#include "common/base/text.hpp"
#include "common/base/time.hpp"
#include "common/base/version.hpp"
#include "common/schema/codec.hpp"

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

/// Inodes of the sockets that listen on a port, of one table of /proc/net.
void collect_listeners(const char* table, std::uint16_t port, std::set<std::string>& inodes) {
    constexpr std::string_view listening = "0A";
    const auto text = base::read_file(table);
    if (!text) return;
    std::istringstream lines(*text);
    std::string line;
    std::getline(lines, line);
    while (std::getline(lines, line)) {
        std::istringstream words(line);
        std::string number, local, remote, state, queues, timer, retransmits, uid, timeout, inode;
        words >> number >> local >> remote >> state >> queues >> timer >> retransmits >> uid >> timeout >> inode;
        if (state == listening && local.ends_with(fmt::format(":{:04X}", port))) inodes.insert(inode);
    }
}

bool holds_socket(const fs::path& descriptors, const std::set<std::string>& inodes) {
    std::error_code failed;
    for (fs::directory_iterator each(descriptors, failed), end; !failed && each != end; each.increment(failed)) {
        std::error_code gone;
        const std::string target = fs::read_symlink(each->path(), gone).native();
        constexpr std::string_view prefix = "socket:[";
        if (target.starts_with(prefix) &&
            inodes.contains(target.substr(prefix.size(), target.size() - prefix.size() - 1)))
            return true;
    }
    return false;
}

Result<base::UniqueFd> connect_to(std::uint16_t port, Clock::time_point deadline) {
    base::UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return base::os_failure("socket", errno);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
    int failed = errno;
    if (failed == EINPROGRESS) {
        socklen_t size = sizeof failed;
        if (!wait_for(fd.get(), POLLOUT, deadline))
            failed = ETIMEDOUT;
        else if (::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &failed, &size) != 0)
            failed = errno;
    }
    if (failed == 0) return fd;
    return Error{ErrorCode::unavailable, fmt::format("nobody answers on port {}: {}", port, std::strerror(failed)),
                 failed};
}

/// One request on a connection of its own; the whole answer.
Result<std::string> send_request(std::uint16_t port, const std::string& request) {
    const auto deadline = Clock::now() + patience;
    auto fd = connect_to(port, deadline);
    if (!fd) return fd.error();
    std::string_view rest = request;
    while (!rest.empty()) {
        if (!wait_for(fd->get(), POLLOUT, deadline)) break;
        const ssize_t n = ::send(fd->get(), rest.data(), rest.size(), MSG_NOSIGNAL);
        if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (n < 0) break;
        rest.remove_prefix(static_cast<std::size_t>(n));
    }
    // One that keeps the connection open has answered all the same.
    Said answer = read_until_end(fd->get(), deadline);
    if (answer.text.empty())
        return Error{ErrorCode::unavailable, fmt::format("no answer on port {} within {} s", port, patience.count())};
    return std::move(answer.text);
}

}  // namespace

Result<std::string> ask_version(const fs::path& program) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return base::os_failure("pipe", errno);
    base::UniqueFd ours(ends[0]), theirs(ends[1]);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions, theirs.get(), STDOUT_FILENO);
    ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    std::string name = program.native(), flag = "--version";
    char* const argv[] = {name.data(), flag.data(), nullptr};
    pid_t pid = 0;
    const int failed = ::posix_spawn(&pid, program.c_str(), &actions, nullptr, argv, ::environ);
    ::posix_spawn_file_actions_destroy(&actions);
    if (failed != 0)
        return Error{ErrorCode::exec_failed, fmt::format("{}: {}", program.native(), std::strerror(failed)), failed};
    theirs.reset();
    const Said said = read_until_end(ours.get(), Clock::now() + patience);
    // It has said what it was asked for, or never will.
    ::kill(pid, SIGKILL);
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    if (!said.has_ended) return Error{ErrorCode::timeout, fmt::format("{} --version does not end", program.native())};
    std::istringstream words(said.text);
    std::string word, last;
    while (words >> word) last = word;
    if (last.empty()) return Error{ErrorCode::exec_failed, fmt::format("{} --version says nothing", program.native())};
    return base::escape_line(last);
}

std::optional<PortHolder> find_port_holder(std::uint16_t port) {
    std::set<std::string> inodes;
    collect_listeners("/proc/net/tcp", port, inodes);
    collect_listeners("/proc/net/tcp6", port, inodes);
    if (inodes.empty()) return std::nullopt;
    PortHolder out;
    std::error_code failed;
    for (fs::directory_iterator each("/proc", failed), end; !failed && each != end; each.increment(failed)) {
        const std::string name = each->path().filename().native();
        pid_t pid = 0;
        const auto parsed = std::from_chars(name.data(), name.data() + name.size(), pid);
        if (parsed.ec != std::errc() || parsed.ptr != name.data() + name.size()) continue;
        if (!holds_socket(each->path() / "fd", inodes)) continue;
        out.pid = pid;
        const auto command = base::read_file(each->path() / "comm", 4096);
        if (command) out.command = base::escape_line(command->substr(0, command->find('\n')));
        break;
    }
    return out;
}

Result<ServerIdentity> greet_server(std::uint16_t port) {
    const std::string body = fmt::format(
        R"({{"jsonrpc":"2.0","id":1,"method":"initialize","params":{{"protocolVersion":"2025-06-18","capabilities":{{}},)"
        R"("clientInfo":{{"name":"persistproc-doctor","version":"{}"}}}}}})",
        base::version());
    auto answer = send_request(
        port, fmt::format("POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n"
                          "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
                          "Content-Length: {}\r\n\r\n{}",
                          port, body.size(), body));
    if (!answer) return answer.error();
    const std::size_t head_end = answer->find("\r\n\r\n");
    const std::string head = answer->substr(0, head_end);
    const std::string status = head.starts_with("HTTP/1.1 ") ? head.substr(9, 3) : std::string();
    if (status == "401" || status == "403")
        return Error{ErrorCode::denied, fmt::format("what answers on port {} refuses us (HTTP {})", port, status)};
    const std::size_t begin = head_end == std::string::npos ? answer->size() : answer->find('{', head_end);
    const std::size_t end = answer->rfind('}');
    schema::Json message;
    if (status == "200" && begin < answer->size() && end != std::string::npos && end > begin)
        message = schema::Json::parse(answer->substr(begin, end - begin + 1), nullptr, false);
    const schema::Json::json_pointer place("/result/serverInfo");
    if (!message.is_object() || !message.contains(place) || !message[place].is_object())
        return Error{ErrorCode::corrupt, fmt::format("what answers on port {} is no MCP server", port)};
    const auto text = [&](const char* name) {
        const schema::Json& info = message[place];
        const auto found = info.find(name);
        return found != info.end() && found->is_string() ? base::escape_line(found->get<std::string>()) : std::string();
    };
    return ServerIdentity{text("name"), text("version")};
}

}  // namespace persistproc::cli
