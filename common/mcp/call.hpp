#pragma once
/// What a handler knows of the call it answers, and what it may do toward the caller while it runs.
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "common/async/clock.hpp"
#include "common/base/result.hpp"
#include "common/mcp/caller.hpp"
#include "common/mcp/principal.hpp"
#include "common/schema/json.hpp"

namespace persistproc::mcp {

/// Ends a call of 2026-07-28 with questions: the caller answers them and calls again, with `state` as it was.
/// At least one of the two.
struct InputRequired {
    Json requests = Json::object();    // key → {"method", "params"}; only what the caller declared
    std::optional<std::string> state;  // comes back from outside: sign it (see signature.hpp)
};

/// What a handler may give instead of a result: questions, or an error of the protocol (its id is filled in).
using Instead = std::variant<std::monostate, InputRequired, RpcError>;

/// How a call goes on as a task (extension io.modelcontextprotocol/tasks).
struct TaskTerms {
    std::chrono::milliseconds ttl = std::chrono::minutes(10);  // kept for so long from its creation on
    std::chrono::milliseconds poll_interval = std::chrono::seconds(1);
};

/// The server's side of one running call. Nothing has an effect once the call was answered.
class CallChannel {
public:
    virtual ~CallChannel() = default;
    virtual bool wants_progress() const = 0;
    /// `progress` must rise; what does not is dropped.
    virtual void progress(double progress, std::optional<double> total, const std::string& text) = 0;
    /// Dropped when the caller wants nothing of this level.
    virtual void log(LogLevel level, std::string_view logger, const Json& data) = 0;
    /// Asks the caller: `requests` maps keys to {"method", "params"}; completes with key → result when all are
    /// answered. In a session they are requests to the client, in a task its `inputRequests`. Errors: unavailable (the
    /// caller takes no questions here, refused one, or has gone). Cancelling withdraws them.
    virtual Task<Result<Json>> ask(Json requests) = 0;
    virtual bool can_become_task() const = 0;
    /// Answers the call with a task, under which it goes on: disconnecting no longer cancels it. False: it cannot.
    virtual bool become_task(TaskTerms terms) = 0;
    /// Ends the connection that waits for the answer, which is stored for the client to come back for. False: this
    /// client or transport does not know how (it needs a session of 2025-11-25 over HTTP).
    virtual bool let_connection_go() = 0;
    /// From here on the call waits for something that has bounds of its own: its place is for others that work.
    virtual void give_place_back() = 0;
    /// Tells a bridge what was done before the call went on to wait: should the answer be lost with this server, the
    /// bridge tells its agent that.
    virtual void note_done(std::string_view text) = 0;
};

struct CallContext {
    std::shared_ptr<const Caller> caller;  // never null in a handler
    Principal principal;
    // 2026-07-28, on a call that answers an earlier InputRequired; hostile like everything from outside
    Json input_responses = nullptr;  // object, or null
    std::optional<std::string> request_state;
    MonoTime arrived{};       // before it waited for its turn
    Json own_meta = nullptr;  // members of the request's `_meta` that begin with "persistproc/": object, or null
    std::shared_ptr<CallChannel> channel;  // null: nobody listens

    bool wants_progress() const { return channel && channel->wants_progress(); }
    void progress(double progress, std::optional<double> total, const std::string& text) const {
        if (channel) channel->progress(progress, total, text);
    }
    void log(LogLevel level, std::string_view logger, const Json& data) const {
        if (channel) channel->log(level, logger, data);
    }
    void give_place_back() const {
        if (channel) channel->give_place_back();
    }
    void note_done(std::string_view text) const {
        if (channel) channel->note_done(text);
    }
    bool can_become_task() const { return channel && channel->can_become_task(); }
};

}  // namespace persistproc::mcp
