/// first_answer PORT INITIALIZE-BODY CALL-BODY COMMAND…: executes a server, opens connections until one is answered,
/// initializes a session, makes one call, and prints the microseconds from before the fork to that answer. Ends the
/// server with SIGTERM. Exits 1 when an answer is not a 200.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

/// The value of a header field, whose name is given in lower case; "" without one.
std::string header(const std::string& answer, const std::string& name) {
    std::string lower = answer.substr(0, answer.find("\r\n\r\n"));
    for (char& c : lower)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
    const auto at = lower.find("\r\n" + name + ": ");
    if (at == std::string::npos) return "";
    const auto value = at + 2 + name.size() + 2;
    return answer.substr(value, answer.find('\r', value) - value);
}

std::string exchange(int fd, int port, const std::string& body, const std::string& session) {
    std::string request = "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port) +
                          "\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n";
    if (!session.empty()) request += "Mcp-Session-Id: " + session + "\r\n";
    request += "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    if (::write(fd, request.data(), request.size()) < 0) return {};
    std::string answer;
    char buffer[65536];
    for (;;) {
        const ssize_t got = ::read(fd, buffer, sizeof buffer);
        if (got <= 0) return {};
        answer.append(buffer, static_cast<std::size_t>(got));
        const auto end = answer.find("\r\n\r\n");
        if (end == std::string::npos) continue;
        const std::string length = header(answer, "content-length");
        if (!length.empty() ? answer.size() >= end + 4 + std::strtoul(length.c_str(), nullptr, 10)
                            : answer.ends_with("\r\n0\r\n\r\n"))
            return answer;
    }
}

}  // namespace

int main(int count, char** words) {
    if (count < 5) return 2;
    const int port = std::atoi(words[1]);
    const auto began = std::chrono::steady_clock::now();
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    pid_t pid = 0;
    if (::posix_spawnp(&pid, words[4], &actions, nullptr, words + 4, environ) != 0) return 1;
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<in_port_t>(port));
    int fd = -1;
    while (std::chrono::steady_clock::now() - began < std::chrono::seconds(20)) {
        fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) break;
        ::close(fd);
        fd = -1;
        ::usleep(100);
    }
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const std::string opened = exchange(fd, port, words[2], "");
    const std::string called = exchange(fd, port, words[3], header(opened, "mcp-session-id"));
    const auto took = std::chrono::steady_clock::now() - began;
    ::kill(pid, SIGTERM);
    ::waitpid(pid, nullptr, 0);
    if (!opened.starts_with("HTTP/1.1 200 ") || !called.starts_with("HTTP/1.1 200 ")) {
        std::fprintf(stderr, "first_answer: %.200s\n%.200s\n", opened.c_str(), called.c_str());
        return 1;
    }
    std::printf("%.1f\n", std::chrono::duration<double, std::micro>(took).count());
    return 0;
}
