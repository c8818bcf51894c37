/// canned_server BODY-FILE [PORT]: the limit of an HTTP server on one thread. Answers every POST with the same bytes,
/// looking no further than the end of the request. Prints its port.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <string_view>

namespace {

/// Bytes of the first complete request, 0: not complete yet.
std::size_t request_size(std::string_view data) {
    const auto end = data.find("\r\n\r\n");
    if (end == std::string_view::npos) return 0;
    const auto length = data.substr(0, end).find("Content-Length: ");
    const std::size_t body =
        length == std::string_view::npos ? 0 : std::strtoul(data.data() + length + 16, nullptr, 10);
    return data.size() >= end + 4 + body ? end + 4 + body : 0;
}

}  // namespace

int main(int count, char** words) {
    if (count < 2) return 2;
    std::ifstream file(words[1], std::ios::binary);
    const std::string body(std::istreambuf_iterator<char>(file), {});
    const std::string answer =
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
        "\r\n\r\n" + body;
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<in_port_t>(count > 2 ? std::atoi(words[2]) : 0));
    socklen_t size = sizeof address;
    if (::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || ::listen(listener, 512) != 0 ||
        ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
        std::perror("canned_server");
        return 1;
    }
    std::printf("%d\n", ntohs(address.sin_port));
    std::fflush(stdout);

    const int poll = ::epoll_create1(EPOLL_CLOEXEC);
    epoll_event wanted{};
    wanted.events = EPOLLIN;
    wanted.data.fd = listener;
    ::epoll_ctl(poll, EPOLL_CTL_ADD, listener, &wanted);
    std::map<int, std::string> pending;
    epoll_event events[64];
    char buffer[65536];
    for (;;) {
        const int ready = ::epoll_wait(poll, events, 64, -1);
        for (int i = 0; i < ready; ++i) {
            const int fd = events[i].data.fd;
            if (fd == listener) {
                const int peer = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
                ::setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
                wanted.data.fd = peer;
                ::epoll_ctl(poll, EPOLL_CTL_ADD, peer, &wanted);
                continue;
            }
            const ssize_t got = ::read(fd, buffer, sizeof buffer);
            if (got <= 0) {
                pending.erase(fd);
                ::close(fd);
                continue;
            }
            std::string& data = pending[fd];
            data.append(buffer, static_cast<std::size_t>(got));
            while (const std::size_t used = request_size(data)) {
                data.erase(0, used);
                if (::write(fd, answer.data(), answer.size()) < 0) break;
            }
        }
    }
}
