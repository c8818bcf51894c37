#pragma once
/// The server's inside, shared by its sources alone: server.cpp (methods), calls.cpp (what runs), lists.cpp (what is
/// offered).
#include <array>
#include <boost/asio/cancellation_signal.hpp>
#include <cmath>
#include <exception>
#include <functional>
#include <limits>
#include <list>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/async/notifier.hpp"
#include "common/mcp/server.hpp"
#include "common/mcp/subscriptions.hpp"
#include "common/mcp/tasks.hpp"

namespace persistproc::mcp {

/// A question to the client of a session.
struct Question {
    std::optional<Json> result;
    std::optional<std::string> refused;
    std::shared_ptr<async::Notifier> answered;
};

struct Session::State {
    std::shared_ptr<const Caller> caller = std::make_shared<Caller>();
    std::unordered_map<std::string, std::weak_ptr<Server::Call>> by_id;
    std::map<std::string, std::shared_ptr<Question>> questions;  // by the id we gave them, as JSON text
    std::function<void(std::string)> outlet;
    std::weak_ptr<Server::State> server;
    Subscriptions::Id subscription = 0;  // 0: none yet
    bool is_ready = false;               // it said `notifications/initialized`: before, changes are not told
};

/// What a request became: a result as the JSON text of an object, or an error. Neither: it was cancelled.
struct Answer {
    std::string result;
    std::optional<RpcError> error;
};

/// One request from its arrival to the end of its coroutine, which may come after the response.
struct Server::Call final : CallChannel, std::enable_shared_from_this<Server::Call> {
    std::weak_ptr<Server::State> server;
    std::shared_ptr<Session> session;
    std::shared_ptr<const Caller> caller;
    std::string id;
    Principal principal;
    std::string what;            // for reports: the tool, prompt or resource
    std::string progress_token;  // JSON text; empty: none wanted
    double last_progress = -std::numeric_limits<double>::infinity();
    std::shared_ptr<Reply> reply;  // null once the call was answered
    std::shared_ptr<TaskRecord> task;
    Subscriptions::Id subscription = 0;  // of a listen request
    async::Turns* turns = nullptr;       // whose place it has, or waits for; null: it gave it back
    async::Turns::Ticket ticket = 0;     // while it waits
    boost::asio::cancellation_signal signal;
    std::optional<MonoTime> waits_until;               // for its turn; nothing: as long as it takes
    boost::asio::cancellation_signal no_longer_waits;  // ends the look at that time
    bool started = false;
    bool only_reads = true;                            // nothing is missing where it ends early
    std::list<std::shared_ptr<Call>>::iterator place;  // none: it is over

    CallContext context(const Json& params);

    bool wants_progress() const override { return !progress_token.empty() && reply; }
    void progress(double value, std::optional<double> total, const std::string& text) override;
    void log(LogLevel level, std::string_view logger, const Json& data) override;
    Task<Result<Json>> ask(Json requests) override;
    bool can_become_task() const override;
    bool become_task(TaskTerms terms) override;
    bool let_connection_go() override { return reply && reply->let_connection_go(); }
    void give_place_back() override;
    void note_done(std::string_view text) override;
};

struct Server::State : std::enable_shared_from_this<Server::State> {
    State(boost::asio::any_io_executor e, async::Clock& c, ServerInfo i, ServerLimits l, ServerFeatures f);

    struct Tool {
        ToolDefinition definition;
        ToolHandler handler;
    };
    struct Prompt {
        PromptDefinition definition;
        PromptHandler handler;
    };
    /// What there is for agents, and for the person's client.
    struct Lane {
        async::Turns working, waiting, changing;  // the latter two sleep most of their time
        std::string tools;                        // their definitions as JSON text, one after another
    };
    using CallPtr = std::shared_ptr<Call>;

    boost::asio::any_io_executor executor;
    async::Clock& clock;
    ServerInfo info;
    ServerLimits limits;
    ServerFeatures features;
    std::string server_info;  // member of `_meta` in results of 2026-07-28
    async::Notifier changed;
    std::map<std::string, Tool, std::less<>> tools;
    std::map<std::string, Prompt, std::less<>> prompts;
    std::string prompt_list;  // as Lane::tools
    ResourceProvider* resources = nullptr;
    CompletionHandler completion;
    std::function<Task<pid_t>(Principal)> find_process;
    std::array<Lane, 2> lanes{
        Lane{
            async::Turns(limits.agent_calls), async::Turns(limits.agent_waits), async::Turns(limits.agent_changes), {}},
        Lane{async::Turns(limits.client_calls),
             async::Turns(limits.client_waits),
             async::Turns(limits.client_waits),
             {}}};
    std::list<CallPtr> calls;
    std::list<CallPtr> listening;
    Subscriptions subscriptions;
    Tasks tasks;
    std::map<Session*, std::weak_ptr<Session>> reachable;  // sessions with an outlet
    std::uint64_t next_question = 0;

    Lane& lane(Audience audience) { return lanes[audience == Audience::client ? 1 : 0]; }
    static Session::State& state_of(Session& session) { return *session.state_; }

    // server.cpp
    Json capabilities(const Caller& caller) const;
    void legacy_request(const std::shared_ptr<Session>& session, Principal principal, Message message,
                        const std::shared_ptr<Reply>& reply);
    void modern_request(const CallPtr& call, Message message);
    bool shared_request(const CallPtr& call, Message& message);
    void initialize(Session& session, const Message& message, Reply& reply);
    void set_level(const CallPtr& call, const Json& params);
    void subscribe(const CallPtr& call, const Json& params, bool wanted);
    std::string too_many_uris() const;
    void listen(const CallPtr& call, Json params);
    void begin_listening(const CallPtr& call, const Json& params);
    bool make_room_to_listen(const Principal& from);
    void end_listening(const CallPtr& call);
    void task_request(const CallPtr& call, const Message& message);
    void register_session(const std::shared_ptr<Session>& session);
    void answer_question(Session& session, Message message);
    void cancel_request(Session& session, const Json& params);

    // lists.cpp
    void list(const CallPtr& call, const Json& params, const char* name, std::string_view items);
    void list_templates(const CallPtr& call, const Json& params);

    // calls.cpp
    CallPtr make_call(std::shared_ptr<Session> session, Principal principal, std::shared_ptr<const Caller> caller,
                      const Message& message, std::shared_ptr<Reply> reply);
    void tools_call(const CallPtr& call, Json params);
    void get_prompt(const CallPtr& call, Json params);
    void read_resource(const CallPtr& call, Json params);
    void list_resources(const CallPtr& call, Json params);
    void complete(const CallPtr& call, const Json& params);
    /// Runs `make`'s task in its turn and answers with what `render` makes of its value.
    template <class T, class Make>
    void run(const CallPtr& call, async::Turns& turns, Make make, Answer (*render)(const State&, const Call&, T));
    /// Calls `begin` with `call` in its turn, at once where it can.
    template <class Begin>
    void enter(const CallPtr& call, async::Turns& turns, pid_t process, bool is_tool, Begin begin);
    /// Calls `give_up` when `call` has waited for its turn for as long as it may.
    void watch_patience(const CallPtr& call, std::function<void()> give_up);
    template <class Render>
    void ended(const CallPtr& call, std::exception_ptr failed, Render render);
    static std::string failure_text(const Call& call, std::exception_ptr failed);
    void answer(const CallPtr& call, Answer with);
    void forget(const CallPtr& call);
    void cancel(const CallPtr& call);
    void finish(const CallPtr& call, std::string_view members, const Json& meta = nullptr);
    void refuse(const CallPtr& call, RpcError error) { answer(call, {{}, std::move(error)}); }
    void refuse(const CallPtr& call, int code, std::string message) {
        refuse(call, RpcError{code, std::move(message), {}, nullptr});
    }

    /// A result object. `cache`: with the hints that lists and reads of 2026-07-28 must carry.
    enum class Cache { none, list, read };
    std::string result(const Caller& caller, std::string_view members, const Json& meta = nullptr,
                       Cache cache = Cache::none, std::string_view type = "complete") const;
    Answer instead(const Call& call, const Instead& given) const;
    static Answer failure(const Error& error);
    static Answer failure(int code, std::string message) {
        return {{}, RpcError{code, std::move(message), {}, nullptr}};
    }
    static Answer tool_answer(const State& server, const Call& call, ToolResult value);
    static Answer prompt_answer(const State& server, const Call& call, Result<PromptResult> value);
    static Answer read_answer(const State& server, const Call& call, Result<ReadResource> value);
    static Answer resources_answer(const State& server, const Call& call, Result<ResourcePage> value);
    static Answer completion_answer(const State& server, const Call& call, Result<Completion> value);
};

}  // namespace persistproc::mcp
