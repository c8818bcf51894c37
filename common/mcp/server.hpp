#pragma once
/// An MCP server without a transport: it knows methods, tools, resources, prompts and calls, not sockets. A transport
/// reads messages, keeps one `Session` per client and gives each request a `Reply` for everything that belongs to it.
///
/// Both eras are served side by side: a request with the envelope of 2026-07-28 carries its own context, all others
/// belong to what the session negotiated. What is declared to clients is exactly what was added here. One executor,
/// one thread.
#include <boost/asio/any_io_executor.hpp>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "common/async/turns.hpp"
#include "common/mcp/message.hpp"
#include "common/mcp/principal.hpp"
#include "common/mcp/prompt.hpp"
#include "common/mcp/resource.hpp"
#include "common/mcp/tool.hpp"

namespace persistproc::mcp {

struct ServerInfo {
    std::string name;
    std::string title;
    std::string version;
    std::string instructions;  // shown to the model by several clients; keep it short
};

struct ServerLimits {
    // Calls at once, of all and of one party; more wait their turn, and beyond the last number they are refused. Those
    // that sleep most of their time (ToolDefinition::sleeps) cost no place among those that work, those that only look
    // on (read_only) none among those that change something, and the person's client has its own places, so that
    // neither waits nor agents keep it waiting. A caller that has gone keeps its place.
    // A call that has patience (ToolDefinition::patience) is refused when its time is over before its turn.
    async::Turns::Bounds agent_calls{.places = 64, .per_party = 16, .waiting_per_party = 1024};
    async::Turns::Bounds agent_waits{.places = 1024, .per_party = 256, .waiting_per_party = 256, .waiting = 256};
    async::Turns::Bounds agent_changes{.places = 256, .per_party = 64, .waiting_per_party = 128, .waiting = 128};
    async::Turns::Bounds client_calls{.places = 256, .per_party = 256, .waiting_per_party = 4096};
    async::Turns::Bounds client_waits{.places = 4096, .per_party = 4096, .waiting_per_party = 4096};
    std::size_t tasks = 256;            // kept at once; beyond it calls that could be tasks are answered when done
    std::size_t subscriptions = 256;    // listen requests open at once
    std::size_t subscribed_uris = 256;  // of one session or listen request
    std::size_t subscribed_uris_in_all = 64u << 10;
    std::chrono::seconds answer_time{600};  // for questions to a client
};

/// What a server may do beside what was added to it.
struct ServerFeatures {
    bool tools_change = false;    // it will call `tools_changed`
    bool prompts_change = false;  // it will call `prompts_changed`
    bool logging = false;         // handlers log, or it calls `log`
};

/// Where everything about one request goes. Called on the server's thread, never after `finish`.
class Reply {
public:
    virtual ~Reply() = default;
    /// A message about the request, as JSON text: progress, a log message, a question. False: this client takes nothing
    /// before the response, or has gone.
    virtual bool notify(std::string message) = 0;
    /// The response, as JSON text; empty when the request was cancelled and gets none. `error` is the code of an error
    /// response, else 0.
    virtual void finish(std::string response, int error) = 0;
    /// Ends the connection but not the exchange: the client comes back for what follows. False: not possible here.
    virtual bool let_connection_go() { return false; }
    /// Whether the client reads single messages here: then the responses of a batch come one by one, not as an array.
    virtual bool is_stream() { return false; }
    /// Whether it is `whole`, or the part of it that belongs to one request of a batch.
    virtual bool is_of(const Reply& whole) const { return this == &whole; }
};

/// What the server knows of one client. Made by the transport, shared with open calls. Requests of 2026-07-28 use it
/// only to be told apart and cancelled.
class Session {
public:
    struct State;  // the server's

    Session();
    /// One that an earlier process began; `client_name` as Caller::name.
    Session(Revision revision, std::string client_name);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    Revision revision() const noexcept;
    const std::string& client_name() const noexcept;
    /// Requests that have no response yet.
    std::size_t open_calls() const noexcept;

private:
    friend class Server;
    std::unique_ptr<State> state_;
};

class Server {
public:
    struct State;  // see server_state.hpp
    struct Call;

    /// `clock` must outlive the server.
    Server(boost::asio::any_io_executor executor, async::Clock& clock, ServerInfo info, ServerLimits limits = {},
           ServerFeatures features = {});
    /// Cancels the calls that still run.
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    /// Adds a tool; its place in `tools/list` is the order of these calls. A name used twice is a bug
    /// (std::logic_error).
    void add_tool(ToolDefinition definition, ToolHandler handler);
    void add_prompt(PromptDefinition definition, PromptHandler handler);
    /// The one who lists and reads resources; outlives the server.
    void set_resources(ResourceProvider& provider);
    void set_completion(CompletionHandler handler);
    /// Finds the process behind an agent's connection where the principal does not name it; 0: nobody knows. Asked
    /// where places are scarce, which processes then share, not sessions.
    void set_process_finder(std::function<Task<pid_t>(Principal)> find);

    /// Handles one message of a session. Requests answer through `reply`, perhaps before this returns; for
    /// notifications and responses it may be null and is never called. `initialize` sets the session's revision.
    void handle(const std::shared_ptr<Session>& session, Principal principal, Message message,
                std::shared_ptr<Reply> reply);
    /// As `handle`, for a request whose envelope has been read already.
    void handle_modern(const std::shared_ptr<Session>& session, Principal principal, Message message, Caller caller,
                       std::shared_ptr<Reply> reply);

    /// Whether the method exists in 2026-07-28.
    bool knows_modern(std::string_view method) const;

    /// Where messages go that belong to no request of the session; null: nowhere, they are dropped.
    void set_outlet(const std::shared_ptr<Session>& session, std::function<void(std::string message)> outlet);

    /// Cancels the session's open calls and subscriptions; they get no response.
    void cancel_calls(Session& session);
    /// Nobody can be given what `reply` would say: those of its calls that only read end. What changes something goes
    /// on.
    void abandon(const Reply& reply);

    // What has changed, told to everybody who wants to know.
    void tools_changed();
    void prompts_changed();
    void resources_changed();
    void resource_updated(const std::string& uri);
    /// To every session that can be reached beside its requests.
    void log(LogLevel level, std::string_view logger, const Json& data);

    /// Calls running or waiting for their turn.
    std::size_t open_calls() const noexcept;
    /// Ends listen requests with their result, then completes when no call is open, or at `until`, when the rest is
    /// cancelled and answered with an error.
    Task<> finish_calls(MonoTime until, async::Clock& clock);

    boost::asio::any_io_executor executor() const;

private:
    std::shared_ptr<State> state_;
};

}  // namespace persistproc::mcp
