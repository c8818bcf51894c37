#pragma once
/// An MCP client for every revision: JSON in, JSON out, schemas unchanged and in order.
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
    /// Connects and finds out which revision is spoken, as `options.era` says. Era::modern sends nothing yet. Errors:
    /// unavailable (nobody listens there, or the connection was lost), denied (foreign owner of a socket; 401, 403),
    /// unsupported (no common revision), corrupt (no MCP server). Cancelling abandons the attempt.
    static Task<Result<std::unique_ptr<Client>>> connect(boost::asio::any_io_executor executor, Endpoint endpoint,
                                                         Options options);
    /// The same over connections and a clock of the caller.
    static Task<Result<std::unique_ptr<Client>>> connect(boost::asio::any_io_executor executor, Endpoint endpoint,
                                                         Options options, Dial dial,
                                                         std::shared_ptr<async::Clock> clock);
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

    /// All pages of a list, as one array. Errors: as above; corrupt for a list without end.
    Task<Result<Json>> list_tools();
    Task<Result<Json>> list_resources();
    Task<Result<Json>> list_resource_templates();
    Task<Result<Json>> list_prompts();

    /// The results of the requests named.
    Task<Result<Json>> read_resource(std::string uri);
    Task<Result<Json>> get_prompt(std::string name, Json arguments);
    /// `ref` and `argument` as in completion/complete.
    Task<Result<Json>> complete(Json ref, Json argument);
    /// Whether the server answers.
    Task<Result<void>> ping();
    Task<Result<void>> set_log_level(std::string level);
    /// notifications/resources/updated for a resource.
    Task<Result<void>> subscribe(std::string uri);
    Task<Result<void>> unsubscribe(std::string uri);
    /// Asks for notifications as `subscriptions/listen` names them ({"toolsListChanged": true, …}); sessions have them
    /// without asking.
    Task<Result<void>> listen(Json wanted);

    /// Says good-bye and ends all connections; waits at most 2 s. Afterwards every call is `unavailable`.
    Task<> close();

    const ServerFacts& server() const noexcept;

private:
    explicit Client(std::shared_ptr<Conversation> conversation);
    Task<Result<Json>> list(std::string method, std::string member);
    Task<Result<Json>> result_of(std::string method, Json params);

    std::shared_ptr<Conversation> conversation_;
};

/// Answers elicitation/create without asking anybody: the defaults of its form, or "decline" where a required answer
/// has none, and for everything that is not a form. Pure.
Json answer_with_defaults(const Json& params);

}  // namespace persistproc::mcp::client
