#pragma once
/// Typed calls over a unix socket, for this project's own client.
///
/// A call has a connection of its own while it lasts; idle connections are kept and used again. One executor, one
/// thread; several calls may run at once.
#include <boost/asio/any_io_executor.hpp>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/mcp/tool.hpp"

namespace persistproc::mcp::http {

struct ClientInfo {
    std::string name;
    std::string version;
};

using ProgressHandler = std::function<void(double progress, std::optional<double> total, const std::string& message)>;

class Client {
public:
    /// Connects and introduces itself (one round trip). The peer must run as this user or root, or nothing is sent.
    /// Errors: unavailable (nobody listens there, or the connection was lost), denied (foreign peer), corrupt
    /// (no MCP server). Cancelling abandons the attempt.
    static Task<Result<std::unique_ptr<Client>>> connect(boost::asio::any_io_executor executor,
                                                         std::filesystem::path socket, ClientInfo info);
    /// Ends all connections; calls that still run complete with `unavailable`.
    ~Client();
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    /// Calls a tool. A tool's own failure is a value with `is_error` (see `failure_of`). Errors: unavailable (the
    /// connection was lost before the answer: the call may have had its effect), invalid (refused by the server:
    /// unknown tool), corrupt. Cancelling closes the connection; the server finishes the call alone.
    Task<Result<ToolResult>> call(std::string tool, Json arguments);
    /// The same, with progress as it comes.
    Task<Result<ToolResult>> call(std::string tool, Json arguments, ProgressHandler on_progress);

    /// Version the server gave in `initialize`.
    const std::string& server_version() const noexcept;

private:
    struct State;
    explicit Client(std::shared_ptr<State> state);
    std::shared_ptr<State> state_;
};

}  // namespace persistproc::mcp::http
