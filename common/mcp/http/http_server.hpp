#pragma once
/// Serves streamable HTTP on sockets that somebody else accepts. One executor, one thread.
///
///   mcp::Server server(executor, info);  server.add_tool(…);
///   mcp::http::HttpServer http(server, clock, options, graveyard);
///   http.serve(std::move(socket), {Principal::Role::agent});
#include <boost/asio/generic/stream_protocol.hpp>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/mcp/http/connection.hpp"
#include "common/mcp/http/limits.hpp"
#include "common/mcp/http/session_id.hpp"
#include "common/mcp/server.hpp"

namespace persistproc::mcp::http {

struct HttpOptions {
    SessionKey session_key{};
    Router router;                           // of paths beside the endpoint
    HeaderCheck header_check;                // may be empty
    std::string token;                       // asked for where an Admission says so
    std::vector<std::string> extra_origins;  // allowed beside the endpoint's own, e.g. "http://localhost:5173"
    std::function<void()> on_ended;          // of each connection; may be empty
    /// Agents have, or have no longer, more answers to take than there is room for: who makes large ones waits. Called
    /// again while it is full; says whether somebody waits. May be empty: somebody does.
    std::function<bool(bool is_full)> on_full;
    ProcessFinder find_process;  // asked only while much is held; may be empty: nobody can tell
    ProcessLook is_there;        // likewise
    Limits limits;
};

class HttpServer {
public:
    using Socket = boost::asio::generic::stream_protocol::socket;

    /// `server`, `clock` and `graveyard` must outlive this object.
    HttpServer(Server& server, async::Clock& clock, HttpOptions options, SessionGraveyard& graveyard);
    /// Closes what is left at once.
    ~HttpServer();
    HttpServer(const HttpServer&) = delete;
    HttpServer& operator=(const HttpServer&) = delete;

    /// Takes a connected socket and serves it until either side closes.
    void serve(Socket socket, Admission admission);
    std::size_t connections() const noexcept;
    /// Whether another connection may be accepted now.
    bool has_room(Audience side) const noexcept;
    /// For a caller that waits while there is no room: ends a connection of that side, of the process that has most of
    /// them where one has many: one whose request gave way, else the one that has kept us waiting for its request for
    /// longest, else the longest idle one, else one that does not take its answer, else the newest stream of a GET.
    /// Of a process that has many it ends more, no more than `wanted`: a look at all connections is not made anew for
    /// each. False: all owe answers.
    bool make_room(Audience side, std::size_t wanted = 1);
    /// `on_room` is called whenever a connection has ended: a listener that paused goes on.
    void set_on_room(std::function<void()> on_room);

    /// Graceful end: calls in flight finish and are answered, streams end, connections are half-closed and drained.
    /// Completes when none is left, or at `until`, when the rest is dropped. The listener must have stopped.
    Task<> close(MonoTime until);

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace persistproc::mcp::http
