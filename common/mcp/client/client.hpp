#pragma once
/// An MCP client: JSON in, JSON out, schemas unchanged and in order.
///
/// Each call has a connection of its own while it lasts, on which a read is always pending: when the server dies, its
/// calls fail within milliseconds. Those that may be repeated are sent once more to a server that has come back. One
/// executor, one thread; several calls may run at once.
#include <memory>
#include <string>

#include "common/mcp/client/conversation.hpp"
#include "common/mcp/tool.hpp"

namespace persistproc::mcp::client {

class Client {
public:
    /// Connects and begins a session. Errors: unavailable (nobody listens there, or the connection was lost), denied
    /// (foreign owner of a socket; 401, 403), unsupported (no common revision), corrupt (no MCP server). Cancelling
    /// abandons the attempt.
    static Task<Result<std::unique_ptr<Client>>> connect(boost::asio::any_io_executor executor, Endpoint endpoint,
                                                         Options options);
    /// The same over connections and a clock of the caller.
    static Task<Result<std::unique_ptr<Client>>> connect(boost::asio::any_io_executor executor, Endpoint endpoint,
                                                         Options options, Dial dial,
                                                         std::shared_ptr<async::Clock> clock);
    /// A client of a conversation that has been opened.
    explicit Client(std::shared_ptr<Conversation> conversation);
    /// Ends all connections; calls that still run complete with `unavailable`. Says nothing to the server.
    ~Client();
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    /// Any request; what the server refuses is a value. Errors: unavailable (the connection was lost before the answer:
    /// the call may have had its effect), timeout, denied, corrupt. Cancelling, and a timeout, tell the server
    /// (notifications/cancelled, or the end of the connection in 2026-07-28).
    Task<Result<Reply>> request(std::string method, Json params, CallOptions options);

    /// Calls a tool. A tool's own failure is a value with `is_error` (see `failure_of`). Errors: those of `request`,
    /// and of the refusal: invalid (unknown tool), unsupported, unavailable.
    Task<Result<ToolResult>> call_tool(std::string tool, Json arguments, CallOptions options);

    /// Says good-bye and ends all connections; waits at most 2 s. Afterwards every call is `unavailable`.
    Task<> close();

    const ServerFacts& server() const noexcept;

private:
    std::shared_ptr<Conversation> conversation_;
};

}  // namespace persistproc::mcp::client
