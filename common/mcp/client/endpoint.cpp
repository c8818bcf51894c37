#include "common/mcp/client/endpoint.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>
#include <cstring>
#include <optional>

#include "common/base/abstract_socket.hpp"
#include "common/base/file.hpp"
#include "common/base/process_identity.hpp"
#include "common/base/text.hpp"

namespace persistproc::mcp::client {

namespace asio = boost::asio;

namespace {

constexpr std::chrono::milliseconds full_queue_pause{1};
constexpr int full_queue_tries = 5000;

Error nobody(const Endpoint& endpoint, int err) {
    return Error{ErrorCode::unavailable,
                 fmt::format("no {} answers at {}: {}", endpoint.peer, name_of(endpoint), std::strerror(err)), err};
}

/// Also that it lives: one that was killed takes connections for a moment still, and what is sent there is lost.
Result<void> check_peer(int fd, const Endpoint& endpoint) {
    ucred peer{};
    socklen_t size = sizeof(peer);
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return base::os_failure("SO_PEERCRED", errno);
    // A name without a directory around it is anybody's, also of other machines in the same network namespace.
    if (endpoint.is_abstract && (peer.uid != ::geteuid() || peer.pid <= 0)) return nobody(endpoint, ECONNREFUSED);
    if (peer.uid != ::geteuid() && peer.uid != 0)
        return Error{ErrorCode::denied,
                     fmt::format("{} belongs to user {}: nothing was sent", name_of(endpoint), peer.uid)};
    // The id is 0 for a peer that this namespace does not show.
    if (peer.pid > 0 && base::is_exiting(peer.pid)) return nobody(endpoint, ECONNREFUSED);
    return {};
}

Result<base::UniqueFd> connect_abstract(const Endpoint& endpoint, bool& would_block) {
    base::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return base::os_failure("socket", errno);
    const auto [address, size] = base::abstract_address(endpoint.socket.native());
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0) {
        would_block = errno == EAGAIN;
        return nobody(endpoint, errno);
    }
    if (auto checked = check_peer(fd.get(), endpoint); !checked) return checked.error();
    return fd;
}

/// Connects and checks the peer. `would_block`: the listener's queue is full, try again.
Result<base::UniqueFd> connect_socket(const Endpoint& endpoint, bool& would_block) {
    would_block = false;
    if (endpoint.is_abstract) return connect_abstract(endpoint, would_block);
    // Through the directory's descriptor a path of any length fits the address.
    base::UniqueFd directory(::open(endpoint.socket.parent_path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!directory) return nobody(endpoint, errno);
    base::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return base::os_failure("socket", errno);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string through = base::socket_path_through(directory.get(), endpoint.socket.filename().string());
    if (through.size() >= sizeof(address.sun_path))
        return Error{ErrorCode::invalid, "socket name too long: " + endpoint.socket.string()};
    std::memcpy(address.sun_path, through.data(), through.size());
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
        would_block = errno == EAGAIN;
        return nobody(endpoint, errno);
    }
    if (auto checked = check_peer(fd.get(), endpoint); !checked) return checked.error();
    return fd;
}

Task<Result<base::UniqueFd>> open_socket(asio::any_io_executor executor, Endpoint endpoint) {
    for (int tries = 0;; ++tries) {
        bool would_block = false;
        auto fd = connect_socket(endpoint, would_block);
        if (fd || !would_block || tries == full_queue_tries) co_return fd;
        asio::steady_timer pause(executor, full_queue_pause);
        co_await pause.async_wait(asio::use_awaitable);
    }
}

asio::generic::stream_protocol::endpoint loopback_v4(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return {&address, sizeof(address)};
}

asio::generic::stream_protocol::endpoint loopback_v6(std::uint16_t port) {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(port);
    address.sin6_addr = in6addr_loopback;
    return {&address, sizeof(address)};
}

Task<Result<base::UniqueFd>> open_port(asio::any_io_executor executor, Endpoint endpoint) {
    std::vector<asio::generic::stream_protocol::endpoint> places;
    if (endpoint.host != "[::1]") places.push_back(loopback_v4(endpoint.port));
    if (endpoint.host != "127.0.0.1") places.push_back(loopback_v6(endpoint.port));
    std::optional<Error> failed;
    for (const auto& place : places) {
        base::UniqueFd fd(::socket(place.protocol().family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        if (!fd) co_return base::os_failure("socket", errno);
        const int on = 1;
        ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        int err = ::connect(fd.get(), place.data(), static_cast<socklen_t>(place.size())) == 0 ? 0 : errno;
        if (err == EINPROGRESS) {
            asio::generic::stream_protocol::socket waiting(executor, place.protocol(), fd.release());
            co_await waiting.async_wait(asio::socket_base::wait_write, asio::use_awaitable);
            socklen_t size = sizeof(err);
            if (::getsockopt(waiting.native_handle(), SOL_SOCKET, SO_ERROR, &err, &size) != 0) err = errno;
            fd.reset(waiting.release());
        }
        if (err == 0) co_return fd;
        // What the first address says counts: nobody speaks of the second.
        if (!failed) failed = nobody(endpoint, err);
    }
    co_return *failed;
}

bool is_header_text(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c != 0x7f; });
}

}  // namespace

Endpoint socket_endpoint(std::filesystem::path socket) {
    Endpoint endpoint;
    endpoint.socket = std::move(socket);
    return endpoint;
}

Result<Endpoint> parse_endpoint(std::string_view url) {
    const auto refused = [&](std::string_view why) {
        return Error{ErrorCode::invalid, fmt::format("\"{}\": {}", base::excerpt(url), why)};
    };
    constexpr std::string_view scheme = "http://";
    if (!url.starts_with(scheme)) return refused("must begin with http://");
    std::string_view rest = url.substr(scheme.size());
    const auto slash = rest.find('/');
    std::string_view authority = rest.substr(0, slash);
    Endpoint endpoint;
    endpoint.target = slash == std::string_view::npos ? "/" : std::string(rest.substr(slash));
    if (!std::all_of(rest.begin(), rest.end(), [](char c) { return c > 0x20 && c < 0x7f && c != '#'; }))
        return refused("only visible ASCII, and no fragment");
    std::uint16_t port = 80;
    const auto colon = authority.rfind(':');
    if (colon != std::string_view::npos && !authority.ends_with(']')) {
        const auto digits = authority.substr(colon + 1);
        const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), port);
        if (read.ec != std::errc() || read.ptr != digits.data() + digits.size() || port == 0)
            return refused("the port must be a number from 1 to 65535");
        authority = authority.substr(0, colon);
    }
    if (authority != "127.0.0.1" && authority != "localhost" && authority != "[::1]")
        return refused("the host must be 127.0.0.1, localhost or [::1]");
    endpoint.host = std::string(authority);
    endpoint.port = port;
    return endpoint;
}

Result<void> add_bearer_token(Endpoint& endpoint, std::string_view token) {
    if (token.empty() || !is_header_text(token) || token.find(' ') != std::string_view::npos)
        return Error{ErrorCode::invalid, "the token must be one word of printable characters"};
    endpoint.headers.emplace_back("Authorization", "Bearer " + std::string(token));
    return {};
}

std::string name_of(const Endpoint& endpoint) {
    return endpoint.socket.empty() ? fmt::format("{}:{}", endpoint.host, endpoint.port) : endpoint.socket.string();
}

Task<Result<base::UniqueFd>> open_connection(asio::any_io_executor executor, Endpoint endpoint) {
    if (endpoint.socket.empty()) return open_port(std::move(executor), std::move(endpoint));
    return open_socket(std::move(executor), std::move(endpoint));
}

std::string http_request(const Endpoint& endpoint, std::string_view verb, std::string_view headers,
                         std::string_view body) {
    std::string out;
    out.reserve(body.size() + headers.size() + 256);
    const auto into = std::back_inserter(out);
    fmt::format_to(into, "{} {} HTTP/1.1\r\nHost: {}", verb, endpoint.target, endpoint.host);
    if (endpoint.socket.empty()) fmt::format_to(into, ":{}", endpoint.port);
    out += "\r\n";
    if (verb == "POST") fmt::format_to(into, "Content-Type: application/json\r\nContent-Length: {}\r\n", body.size());
    for (const auto& [name, value] : endpoint.headers) fmt::format_to(into, "{}: {}\r\n", name, value);
    out += headers;
    out += "\r\n";
    out += body;
    return out;
}

}  // namespace persistproc::mcp::client
