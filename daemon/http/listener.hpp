#pragma once
/// Where clients come in: TCP on loopback for agents, a unix socket for this project's own client. A peer that is
/// not this user is closed before a byte of it is read; where the kernel does not tell, the token is asked for.
#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <filesystem>
#include <memory>

#include "common/mcp/http/http_server.hpp"
#include "daemon/access/peer_owner.hpp"

namespace persistproc::daemon::http {

struct ListenOptions {
    std::uint16_t port = 0;                  // 0: any free one
    std::filesystem::path socket_directory;  // made private (0700); empty: no unix socket
    std::string socket_name = "daemon.sock";
    std::string abstract_name;  // of a second unix socket, which has no file; empty: none
    bool needs_token = false;   // of whoever comes in over TCP
};

class Listener {
public:
    /// Binds everything; connections wait in the kernel's queue until `start`. The caller holds the daemon lock, so
    /// a socket file that is already there is stale and replaced. [::1] is taken if free.
    /// Errors: conflict (the port is in use; one line that says what to do), denied, io.
    /// `owner`: is asked whose a connection is, and outlives the listener; one that cannot tell lets in who has the
    /// token.
    static Result<std::unique_ptr<Listener>> open(mcp::http::HttpServer& server, boost::asio::any_io_executor executor,
                                                  access::PeerOwner& owner, ListenOptions options);
    /// Stops; removes the socket file.
    ~Listener();
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;

    /// Begins to accept.
    void start();
    /// Accepts what the kernel has already queued, then no more. Call before `HttpServer::close`.
    void stop();

    /// The TCP port, also when 0 was asked for.
    std::uint16_t port() const noexcept;
    const std::filesystem::path& socket_path() const noexcept;

private:
    struct State;
    explicit Listener(std::shared_ptr<State> state);
    std::shared_ptr<State> state_;
};

}  // namespace persistproc::daemon::http
