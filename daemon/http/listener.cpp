#include "daemon/http/listener.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/error.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstring>
#include <optional>
#include <vector>

#include "common/base/abstract_socket.hpp"
#include "common/base/diagnostics.hpp"
#include "common/base/file.hpp"
#include "common/base/unique_fd.hpp"
#include "common/rundir/daemon_paths.hpp"

namespace persistproc::daemon::http {

namespace asio = boost::asio;
using asio::ip::tcp;
using mcp::http::HttpServer;
using Role = mcp::Principal::Role;

namespace {

constexpr int backlog = 4096;
// Accepting nothing for a moment is what shedding means here: the queue in the kernel holds the callers. It ends early
// with any connection; that one has come to rest is not told.
constexpr std::chrono::milliseconds pause_without_room{100};
// Between them what was accepted before is served: who floods the door keeps nobody in the house waiting. Nor does he
// keep those waiting who stand behind him in the kernel's queue: of a long one more are let in at once.
constexpr std::size_t least_per_turn = 2, most_per_turn = 128;
constexpr std::size_t turns_of_queue = 8;  // that who comes last waits for
constexpr int free_port_tries = 16;

Result<base::UniqueFd> listen_tcp(int family, std::uint16_t port) {
    base::UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return base::os_failure("socket", errno);
    const int on = 1;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (family == AF_INET6) ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    const tcp::endpoint endpoint(family == AF_INET ? asio::ip::address(asio::ip::address_v4::loopback())
                                                   : asio::ip::address(asio::ip::address_v6::loopback()),
                                 port);
    const bool bound = ::bind(fd.get(), endpoint.data(), static_cast<socklen_t>(endpoint.size())) == 0;
    if (!bound || ::listen(fd.get(), backlog) != 0) {
        const int err = errno;
        if (err == EADDRINUSE)
            return Error{ErrorCode::conflict, fmt::format("port {} is in use; use --port with a free one", port), err};
        if (err == EACCES)
            return Error{ErrorCode::denied,
                         fmt::format("port {} needs privileges; use --port with one above 1023", port), err};
        return base::os_failure(fmt::format("listen on {} port {}", family == AF_INET ? "127.0.0.1" : "[::1]", port),
                                err);
    }
    return fd;
}

struct Ends {
    tcp::endpoint peer, local;
};

/// Of 0 nothing is known.
struct Peer {
    pid_t process = 0;
    std::uint64_t socket = 0;  // inode
};

std::optional<Ends> ends_of(int fd) {
    Ends out;
    auto peer_size = static_cast<socklen_t>(out.peer.capacity());
    auto local_size = static_cast<socklen_t>(out.local.capacity());
    if (::getpeername(fd, out.peer.data(), &peer_size) != 0 || ::getsockname(fd, out.local.data(), &local_size) != 0)
        return std::nullopt;
    out.peer.resize(peer_size);
    out.local.resize(local_size);
    return out;
}

std::uint16_t port_of(int fd) {
    tcp::endpoint endpoint;
    auto size = static_cast<socklen_t>(endpoint.capacity());
    if (::getsockname(fd, endpoint.data(), &size) != 0) return 0;
    endpoint.resize(size);
    return endpoint.port();
}

Result<base::UniqueFd> listen_unix(int directory, const std::filesystem::path& path) {
    base::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return base::os_failure("socket", errno);
    const std::string name = path.filename().string();
    const std::string through = base::socket_path_through(directory, name);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (through.size() >= sizeof(address.sun_path))
        return Error{ErrorCode::invalid, "socket name too long: " + path.string()};
    std::memcpy(address.sun_path, through.data(), through.size());
    if (::unlinkat(directory, name.c_str(), 0) != 0 && errno != ENOENT)
        return base::os_failure("replace " + path.string(), errno);
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
        return base::os_failure("bind " + path.string(), errno);
    // The directory is closed to others already; the mode says the same of the socket.
    if (::fchmodat(directory, name.c_str(), 0600, 0) != 0) return base::os_failure("chmod " + path.string(), errno);
    if (::listen(fd.get(), backlog) != 0) return base::os_failure("listen on " + path.string(), errno);
    return fd;
}

Result<base::UniqueFd> listen_abstract(const std::string& name) {
    base::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return base::os_failure("socket", errno);
    const auto [address, size] = base::abstract_address(name);
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0 || ::listen(fd.get(), backlog) != 0)
        return base::os_failure("bind @" + name, errno);
    return fd;
}

}  // namespace

struct Listener::State : std::enable_shared_from_this<Listener::State> {
    State(HttpServer& s, asio::any_io_executor e, access::PeerOwner& o, bool token)
        : server(s), executor(std::move(e)), owner(o), needs_token(token || !owner.can_tell()) {}

    struct Door {
        Door(asio::any_io_executor e, int fd, int f) : queue(e, fd), pause(e), family(f) {}
        asio::posix::stream_descriptor queue;
        asio::steady_timer pause;
        int family;
        bool waiting = false;
        bool paused = false;
    };

    HttpServer& server;
    asio::any_io_executor executor;
    std::vector<std::unique_ptr<Door>> doors;
    base::UniqueFd directory;
    std::filesystem::path path;
    struct ::stat socket_file {};
    std::uint16_t port = 0;
    access::PeerOwner& owner;
    bool needs_token;  // of whoever comes in over TCP
    bool stopped = false;

    Result<void> open_tcp(std::uint16_t wanted);
    Result<void> open_unix(const ListenOptions& options);
    void add(base::UniqueFd fd, int family) { doors.push_back(std::make_unique<Door>(executor, fd.release(), family)); }
    void wait(Door& door);
    void accept(Door& door);
    bool accept_one(Door& door);
    static bool has_caller(Door& door);
    static std::size_t accepts_per_turn(Door& door);
    void pause(Door& door);
    std::optional<Peer> find_peer(int fd, int family);
    std::function<bool()> leaving_of(int fd, int family) const;
};

Result<void> Listener::State::open_tcp(std::uint16_t wanted) {
    for (int tries = 0;; ++tries) {
        auto four = listen_tcp(AF_INET, wanted);
        if (!four) return four.error();
        port = port_of(four->get());
        auto six = listen_tcp(AF_INET6, port);
        // A free choice can as well be one that is free on both; a given port is served where it can be.
        if (!six && wanted == 0 && six.error().code == ErrorCode::conflict && tries < free_port_tries) continue;
        if (!six && six.error().code == ErrorCode::conflict)
            base::report(base::Severity::warning, "{}; name 127.0.0.1",
                         rundir::shared_port_text(port, "another program"));
        add(std::move(*four), AF_INET);
        if (six) add(std::move(*six), AF_INET6);
        return {};
    }
}

Result<void> Listener::State::open_unix(const ListenOptions& options) {
    if (options.socket_directory.empty()) return {};
    auto made = base::make_private_directory(options.socket_directory);
    if (!made) return made.error();
    directory.reset(::open(options.socket_directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!directory) return base::os_failure("open " + options.socket_directory.string(), errno);
    path = options.socket_directory / options.socket_name;
    auto fd = listen_unix(directory.get(), path);
    const bool has_other_name = !options.abstract_name.empty();
    if (!fd && !(has_other_name && base::is_lack_of_room(fd.error()))) return fd.error();
    if (fd) {
        ::fstatat(directory.get(), options.socket_name.c_str(), &socket_file, AT_SYMLINK_NOFOLLOW);
        add(std::move(*fd), AF_UNIX);
    } else {
        directory.reset();
        base::report(base::Severity::warning, "{}", fd.error().message);
    }
    if (!has_other_name) return {};
    auto nameless = listen_abstract(options.abstract_name);
    // It is for the day on which the other is gone; whoever has the name answers to nobody who looks whose it is.
    if (nameless)
        add(std::move(*nameless), AF_UNIX);
    else
        base::report(base::Severity::debug, "{}", nameless.error().message);
    return {};
}

void Listener::State::wait(Door& door) {
    if (door.waiting || door.paused || stopped) return;
    door.waiting = true;
    door.queue.async_wait(asio::posix::stream_descriptor::wait_read,
                          [self = shared_from_this(), &door](boost::system::error_code failed) {
                              door.waiting = false;
                              if (!failed) self->accept(door);
                          });
}

void Listener::State::accept(Door& door) {
    const std::size_t turns = accepts_per_turn(door);
    for (std::size_t turn = 0; turn < turns && !door.paused; ++turn) {
        const auto side = door.family == AF_UNIX ? mcp::Audience::client : mcp::Audience::agent;
        if (!server.has_room(side)) {
            if (!has_caller(door)) break;
            // Of a short queue no more is known than that somebody waits.
            const std::size_t wanted = turns > least_per_turn ? turns - turn : 1;
            if (!server.make_room(side, wanted)) return pause(door);
        }
        if (!accept_one(door)) break;
    }
    wait(door);
}

/// Whether somebody waits in the kernel's queue.
bool Listener::State::has_caller(Door& door) {
    ::pollfd queue{door.queue.native_handle(), POLLIN, 0};
    return ::poll(&queue, 1, 0) > 0;
}

/// By how many wait in the kernel's queue (tcp(7): of a socket that listens, `tcpi_unacked`).
std::size_t Listener::State::accepts_per_turn(Door& door) {
    ::tcp_info info{};
    socklen_t size = sizeof(info);
    if (door.family == AF_UNIX || ::getsockopt(door.queue.native_handle(), IPPROTO_TCP, TCP_INFO, &info, &size) != 0)
        return least_per_turn;
    return std::clamp<std::size_t>(info.tcpi_unacked / turns_of_queue, least_per_turn, most_per_turn);
}

/// False when the queue is empty or nothing can be accepted now.
bool Listener::State::accept_one(Door& door) {
    const int fd = ::accept4(door.queue.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        switch (errno) {
            case EINTR:
            case ECONNABORTED: return true;
            case EMFILE:
            case ENFILE:
                // An agent gives its place to one that asks, and to nobody's agent the person's client.
                if (server.make_room(mcp::Audience::agent)) return true;
                if (door.family == AF_UNIX && server.make_room(mcp::Audience::client)) return true;
                pause(door);
                return false;
            case ENOBUFS:
            case ENOMEM: pause(door); return false;
            case EAGAIN: return false;
            default:
                base::report(base::Severity::error, "accept: {}", std::strerror(errno));
                pause(door);
                return false;
        }
    }
    base::UniqueFd owned(fd);
    boost::system::error_code failed;
    HttpServer::Socket socket(executor);
    const int protocol = door.family == AF_UNIX ? 0 : IPPROTO_TCP;
    socket.assign(asio::generic::stream_protocol(door.family, protocol), fd, failed);
    if (failed) return true;
    owned.release();
    const auto peer = find_peer(fd, door.family);
    if (!peer) return true;
    const bool is_unix = door.family == AF_UNIX;
    server.serve(std::move(socket), {is_unix ? Role::client : Role::agent, !is_unix && needs_token,
                                     leaving_of(fd, door.family), peer->process, peer->socket});
    return true;
}

/// Nothing: it is another user's.
std::optional<Peer> Listener::State::find_peer(int fd, int family) {
    const uid_t us = ::geteuid();
    if (family == AF_UNIX) {
        ucred peer{};
        socklen_t size = sizeof(peer);
        const bool is_known = ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0;
        if (!is_known || (peer.uid != us && peer.uid != 0)) return std::nullopt;
        return Peer{peer.pid, 0};
    }
    if (!owner.can_tell()) return Peer{};  // whoever it is must show the token
    const auto ends = ends_of(fd);
    const std::uint64_t socket = ends ? owner.find_socket(ends->peer, ends->local, us) : 0;
    if (socket == 0) return std::nullopt;
    return Peer{0, socket};
}

/// Asks whether the peer of `fd`, which must be open then, has left.
std::function<bool()> Listener::State::leaving_of(int fd, int family) const {
    if (family == AF_UNIX)
        return [fd] {
            ::pollfd socket{fd, 0, 0};
            return ::poll(&socket, 1, 0) > 0 && (socket.revents & POLLHUP) != 0;
        };
    const auto ends = ends_of(fd);
    if (!ends) return {};
    return [&owner = owner, ends = *ends] { return owner.has_left(ends.peer, ends.local); };
}

void Listener::State::pause(Door& door) {
    door.paused = true;
    door.pause.expires_after(pause_without_room);
    door.pause.async_wait([self = shared_from_this(), &door](boost::system::error_code) {
        door.paused = false;
        self->wait(door);
    });
}

Listener::Listener(std::shared_ptr<State> state) : state_(std::move(state)) {}

Listener::~Listener() { stop(); }

Result<std::unique_ptr<Listener>> Listener::open(HttpServer& server, asio::any_io_executor executor,
                                                 access::PeerOwner& owner, ListenOptions options) {
    auto state = std::make_shared<State>(server, std::move(executor), owner, options.needs_token);
    if (auto opened = state->open_tcp(options.port); !opened) return opened.error();
    if (auto opened = state->open_unix(options); !opened) return opened.error();
    return std::unique_ptr<Listener>(new Listener(std::move(state)));
}

void Listener::start() {
    state_->server.set_on_room([weak = std::weak_ptr<State>(state_)] {
        const auto state = weak.lock();
        if (!state) return;
        for (const auto& door : state->doors) {
            door->pause.cancel();
            state->wait(*door);
        }
    });
    for (const auto& door : state_->doors) state_->wait(*door);
}

void Listener::stop() {
    State& state = *state_;
    if (state.stopped) return;
    state.stopped = true;
    state.server.set_on_room(nullptr);
    if (state.directory) {
        // Only our own file: another daemon may have put its own there since.
        struct ::stat now {};
        const std::string name = state.path.filename().string();
        if (::fstatat(state.directory.get(), name.c_str(), &now, AT_SYMLINK_NOFOLLOW) == 0 &&
            now.st_ino == state.socket_file.st_ino && now.st_dev == state.socket_file.st_dev)
            ::unlinkat(state.directory.get(), name.c_str(), 0);
    }
    for (const auto& door : state.doors) {
        // Callers in the queue were answered by the kernel: closing it over them would reset them.
        for (std::size_t left = backlog; left > 0 && !door->paused && state.accept_one(*door); --left) {
        }
        boost::system::error_code ignored;
        door->pause.cancel();
        door->queue.close(ignored);
    }
}

std::uint16_t Listener::port() const noexcept { return state_->port; }
const std::filesystem::path& Listener::socket_path() const noexcept { return state_->path; }

}  // namespace persistproc::daemon::http
