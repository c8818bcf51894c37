/// http_load PORT REQUEST-FILE CONNECTIONS SECONDS [REQUESTS]: sends the file's bytes again and again on kept
/// connections, each waiting for its answer, and prints one JSON line: requests, errors, seconds, per_second, p50_us,
/// p99_us. With REQUESTS it ends after that many. Anything but a 200 is an error.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

struct Connection {
    int fd = -1;
    std::string received;
    Clock::time_point sent;
};

bool is_name(std::string_view line, std::string_view name) {
    return line.size() > name.size() && std::equal(name.begin(), name.end(), line.begin(), [](char a, char b) {
               return a == std::tolower(static_cast<unsigned char>(b));
           });
}

/// Bytes of the first complete answer, 0: not complete yet. Knows a length and chunks.
std::size_t answer_size(std::string_view data) {
    const auto end = data.find("\r\n\r\n");
    if (end == std::string_view::npos) return 0;
    std::size_t length = 0;
    bool chunked = false;
    for (std::size_t at = data.find("\r\n") + 2; at < end; at = data.find("\r\n", at) + 2) {
        const auto line = data.substr(at, data.find("\r\n", at) - at);
        if (is_name(line, "content-length:")) length = std::strtoul(line.data() + 15, nullptr, 10);
        if (is_name(line, "transfer-encoding:")) chunked = true;
    }
    if (!chunked) return data.size() >= end + 4 + length ? end + 4 + length : 0;
    const auto last = data.find("\r\n0\r\n\r\n", end);
    return last == std::string_view::npos ? 0 : last + 7;
}

}  // namespace

int main(int count, char** words) {
    if (count < 5) return 2;
    std::ifstream file(words[2], std::ios::binary);
    const std::string request(std::istreambuf_iterator<char>(file), {});
    const auto limit = std::chrono::duration<double>(std::atof(words[4]));
    const std::size_t wanted_requests = count > 5 ? std::strtoul(words[5], nullptr, 10) : 0;

    const int poll = ::epoll_create1(EPOLL_CLOEXEC);
    std::vector<Connection> connections(static_cast<std::size_t>(std::atoi(words[3])));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<in_port_t>(std::atoi(words[1])));
    const int on = 1;
    const auto send = [&](Connection& connection) {
        connection.sent = Clock::now();
        return ::write(connection.fd, request.data(), request.size()) == static_cast<ssize_t>(request.size());
    };
    for (std::size_t i = 0; i < connections.size(); ++i) {
        auto& each = connections[i];
        each.fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (::connect(each.fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
            std::perror("http_load: connect");
            return 1;
        }
        ::setsockopt(each.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.u64 = i;
        ::epoll_ctl(poll, EPOLL_CTL_ADD, each.fd, &event);
    }

    std::vector<float> delays;
    std::size_t errors = 0;
    const auto began = Clock::now();
    for (auto& each : connections)
        if (!send(each)) ++errors;
    epoll_event events[64];
    char buffer[65536];
    bool is_over = false;
    while (!is_over) {
        const int ready = ::epoll_wait(poll, events, 64, 1000);
        for (int i = 0; i < ready && !is_over; ++i) {
            auto& connection = connections[static_cast<std::size_t>(events[i].data.u64)];
            const ssize_t got = ::read(connection.fd, buffer, sizeof buffer);
            if (got <= 0) {
                std::fprintf(stderr, "http_load: the server closed a connection\n");
                return 1;
            }
            connection.received.append(buffer, static_cast<std::size_t>(got));
            const std::size_t used = answer_size(connection.received);
            if (used == 0) continue;
            if (!connection.received.starts_with("HTTP/1.1 200 ")) ++errors;
            connection.received.erase(0, used);
            const auto now = Clock::now();
            delays.push_back(std::chrono::duration<float, std::micro>(now - connection.sent).count());
            is_over = now - began >= limit || (wanted_requests != 0 && delays.size() >= wanted_requests);
            if (!is_over && !send(connection)) ++errors;
        }
        is_over = is_over || Clock::now() - began >= limit;
    }
    const double seconds = std::chrono::duration<double>(Clock::now() - began).count();
    if (delays.empty()) return 1;
    std::sort(delays.begin(), delays.end());
    std::printf(
        R"({"requests": %zu, "errors": %zu, "seconds": %.3f, "per_second": %.0f, "p50_us": %.1f, "p99_us": %.1f})"
        "\n",
        delays.size(), errors, seconds, static_cast<double>(delays.size()) / seconds,
        static_cast<double>(delays[delays.size() / 2]), static_cast<double>(delays[delays.size() * 99 / 100]));
    return 0;
}
