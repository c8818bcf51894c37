#pragma once
/// What a client says, hears and is, whichever era of the protocol it speaks; and the interface of an era.
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "common/async/task_group.hpp"
#include "common/mcp/client/connections.hpp"
#include "common/mcp/json_reader.hpp"
#include "common/mcp/revision.hpp"

namespace persistproc::mcp::client {

using schema::Json;

/// Between the loss of a connection and another try: the listener of a server that is just dying takes connections for
/// a moment still.
inline constexpr std::chrono::milliseconds repeat_pause{10};

/// JSON converts to everything, so that a Result of it must be told which of its two it is.
inline Result<Json> json_value(Json value) { return Result<Json>(boost::system::in_place_value, std::move(value)); }

/// A refusal by the server.
struct Refusal {
    int code = 0;  // of JSON-RPC; see rpc:: in message.hpp
    std::string message;
    Json data;
};

/// What the server answered: a result, or a refusal.
struct Reply {
    Json result = Json::object();
    std::optional<Refusal> refusal;
    unsigned status = 200;  // of HTTP
};

/// Answers a question of the server (elicitation, sampling, roots). The error becomes a refusal, or ends the call that
/// led to it. Runs on the client's executor; cancelled with the client.
using QuestionHandler = std::function<Task<Result<Json>>(Json params)>;
using NotificationHandler = std::function<void(const std::string& method, const Json& params)>;
using ProgressHandler = std::function<void(double progress, std::optional<double> total, const std::string& message)>;

struct Options {
    std::string name;  // clientInfo
    std::string version;
    Revision revision = newest_session_revision;       // asked for in `initialize`; the server may choose another
    Json capabilities = Json::object();                // as declared; exactly what `questions` can answer
    std::map<std::string, QuestionHandler> questions;  // by method
    NotificationHandler on_notification;               // of everything but progress
    /// For the project's own daemon: the introduction goes out in one write with the first request (HTTP pipelining),
    /// and no stream for notifications is opened.
    bool quick = false;
    /// For it, too: nothing is said before the first request. One that may be repeated then goes out without a session
    /// (2026-07-28) and needs no round trip but its own; a session is begun once there is need for it.
    bool greets_late = false;
    std::chrono::nanoseconds patience{0};                               // with a server that does not listen yet
    std::chrono::nanoseconds return_patience{std::chrono::seconds(1)};  // with one that did
};

struct CallOptions {
    /// The call may be made twice (it only reads, or a second time changes nothing): after the death of its connection
    /// it is sent once more. All others fail then, and may have had their effect.
    bool repeatable = false;
    std::optional<std::chrono::nanoseconds> timeout;
    ProgressHandler on_progress;
};

/// Who the server said it is.
struct ServerFacts {
    std::string name;
    std::string version;
    std::string instructions;
    Json capabilities = Json::object();
    Revision revision = newest_session_revision;
};

/// One server, one era. One executor, one thread. Held by the client and by all that goes on.
class Conversation {
public:
    Conversation(boost::asio::any_io_executor executor, Endpoint endpoint, Dial dial,
                 std::shared_ptr<async::Clock> clock, Options options);
    virtual ~Conversation() = default;
    Conversation(const Conversation&) = delete;
    Conversation& operator=(const Conversation&) = delete;

    /// See Client::request; without the timeout.
    virtual Task<Result<Reply>> request(std::string method, Json params, CallOptions options) = 0;
    /// Says good-bye where the era has one.
    virtual Task<> leave() = 0;

    /// Ends everything that goes on, without waiting for it.
    void abandon();

    const ServerFacts& server() const noexcept { return server_; }
    Connections& connections() noexcept { return connections_; }
    async::Clock& clock() noexcept { return *clock_; }

protected:
    /// Progress of a call of ours goes to its handler, everything else to the client's.
    void notify(const Json& message);
    /// The answer to a question, by its handler; -32601 as an error where there is none.
    Task<Result<Json>> answer(std::string method, Json params);
    Task<> pause_before_repeat();
    std::chrono::nanoseconds dial_patience() const;

    /// Calls that want to hear of their progress, by token as JSON text.
    std::map<std::string, ProgressHandler> progress_;
    std::shared_ptr<async::Clock> clock_;
    Options options_;
    Connections connections_;
    ServerFacts server_;
    std::uint64_t last_id_ = 0;
    bool was_reached_ = false;  // a connection stood at least once
    async::TaskGroup tasks_;
};

/// Keeps a call's progress handler registered for as long as the call lasts.
class ProgressEntry {
public:
    ProgressEntry(std::map<std::string, ProgressHandler>& table, std::string token, ProgressHandler handler);
    ~ProgressEntry();
    ProgressEntry(const ProgressEntry&) = delete;
    ProgressEntry& operator=(const ProgressEntry&) = delete;

private:
    std::map<std::string, ProgressHandler>& table_;
    std::string token_;
};

/// JSON text of a request or, without id, of a notification.
std::string message_text(std::string_view id, std::string_view method, const Json& params);

/// Reads what came back on a request of id `id` (JSON text) outside a stream. Errors: denied (401, 403), unavailable
/// (a server that cannot answer now: 429, 5xx), corrupt (no answer to this request).
Result<Reply> read_reply(const Answer& answer, std::string_view id);
/// The same of a message of a stream; the id has been looked at.
Result<Reply> read_reply(Json message, unsigned status);

/// The refusal as an error: unavailable for -32603 and a lost session, unsupported for an unknown method, else invalid.
Error error_of(const Reply& reply);

/// Name, version and so on out of the result of `initialize` or `server/discover`.
void read_server_facts(const Json& result, ServerFacts& facts);

}  // namespace persistproc::mcp::client
