#pragma once
/// An MCP server without a transport: it knows methods, tools and calls, not sockets. A transport reads messages,
/// keeps one `Session` per client and gives each request a `Reply` for everything that belongs to it.
///
/// Which era a message belongs to is the transport's question per message; this class answers those of the
/// handshake era (2024-11-05 … 2025-11-25). One executor, one thread.
#include <boost/asio/any_io_executor.hpp>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "common/mcp/message.hpp"
#include "common/mcp/revision.hpp"
#include "common/mcp/tool.hpp"

namespace persistproc::mcp {

struct ServerInfo {
    std::string name;
    std::string title;
    std::string version;
    std::string instructions;  // shown to the model by several clients; keep it short
};

struct ServerLimits {
    std::size_t agent_calls = 64;  // running at once; more wait their turn
    // The project's own clients wait for their processes inside calls: they have their own, wider bound, so that
    // waiting terminals never starve an agent or each other.
    std::size_t client_calls = 1024;
    // Calls waiting for their turn, on each side; one more is refused. A caller that has gone keeps its place.
    std::size_t waiting_calls = 4096;
};

/// Where everything about one request goes. Called on the server's thread, never after `finish`.
class Reply {
public:
    virtual ~Reply() = default;
    /// A notification about the request (progress), as JSON text.
    virtual void notify(std::string message) = 0;
    /// The response, as JSON text; empty when the request was cancelled and gets none.
    virtual void finish(std::string response) = 0;
};

/// What the server knows of one client, from its `initialize` on. Made by the transport, shared with open calls.
class Session {
public:
    Session();
    explicit Session(Revision revision);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    Revision revision() const noexcept { return revision_; }
    const std::string& client_name() const noexcept { return client_name_; }
    /// Requests that have no response yet.
    std::size_t open_calls() const noexcept;

private:
    friend class Server;
    struct Calls;
    Revision revision_ = newest_session_revision;
    std::string client_name_;
    std::unique_ptr<Calls> calls_;
};

class Server {
public:
    Server(boost::asio::any_io_executor executor, ServerInfo info, ServerLimits limits = {});
    /// Cancels the calls that still run.
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    /// Adds a tool; its place in `tools/list` is the order of these calls. Before the first message; a name used
    /// twice is a bug (std::logic_error).
    void add_tool(ToolDefinition definition, ToolHandler handler);

    /// Handles one message of a session. Requests answer through `reply`, perhaps before this returns; for
    /// notifications and responses it may be null and is never called. `initialize` sets the session's revision.
    void handle(const std::shared_ptr<Session>& session, Audience audience, Message message,
                std::shared_ptr<Reply> reply);

    /// Cancels the session's open calls; they get no response.
    void cancel_calls(Session& session);

    /// Calls running or waiting for their turn.
    std::size_t open_calls() const noexcept;
    /// Completes when no call is open, or at `until`, when the rest is cancelled and answered with an error.
    Task<> finish_calls(MonoTime until, async::Clock& clock);

    boost::asio::any_io_executor executor() const;

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace persistproc::mcp
