#include "common/mcp/server.hpp"

#include <array>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>
#include <cmath>
#include <cstdint>
#include <deque>
#include <exception>
#include <limits>
#include <list>
#include <map>
#include <stdexcept>
#include <unordered_map>

#include "common/async/notifier.hpp"
#include "common/base/diagnostics.hpp"
#include "common/base/text.hpp"

namespace persistproc::mcp {

namespace asio = boost::asio;

namespace {

constexpr std::size_t max_client_name_bytes = 100;

struct Tool {
    ToolDefinition definition;
    ToolHandler handler;
};

/// One tools/call from its request to the end of its coroutine, which may come after the response.
struct Call {
    std::shared_ptr<Session> session;
    std::string id;
    Audience audience = Audience::agent;
    const Tool* tool = nullptr;
    Json arguments;
    std::string progress_token;  // JSON text; empty: none wanted
    double last_progress = -std::numeric_limits<double>::infinity();
    std::shared_ptr<Reply> reply;
    asio::cancellation_signal signal;
    bool started = false;
    bool answered = false;
    std::list<std::shared_ptr<Call>>::iterator place;
};

std::string definition_json(const ToolDefinition& tool) {
    Json out{{"name", tool.name},
             {"title", tool.title},
             {"description", tool.description},
             {"inputSchema", tool.input_schema}};
    if (tool.output_schema) out["outputSchema"] = *tool.output_schema;
    out["annotations"] = Json{{"readOnlyHint", tool.annotations.read_only},
                              {"destructiveHint", tool.annotations.destructive},
                              {"idempotentHint", tool.annotations.idempotent},
                              {"openWorldHint", tool.annotations.open_world}};
    return out.dump();
}

std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

/// Whole numbers without a fraction: "3", not "3.0".
std::string number_text(double number) {
    constexpr double exact = 9007199254740992.0;
    if (std::trunc(number) == number && std::abs(number) <= exact)
        return std::to_string(static_cast<std::int64_t>(number));
    return dump(Json(number));
}

std::string result_json(const ToolResult& result) {
    std::string out = R"({"content":[)";
    if (!result.text.empty() || !result.structured) {
        out += R"({"type":"text","text":)";
        append_quoted(out, result.text);
        out += '}';
    }
    out += ']';
    if (result.structured) out += R"(,"structuredContent":)" + dump(*result.structured);
    if (result.is_error) out += R"(,"isError":true)";
    if (result.meta.is_object()) out += R"(,"_meta":)" + dump(result.meta);
    out += '}';
    return out;
}

/// "name version" of an initialize's clientInfo, fit to be shown: it is whatever the peer likes to send.
std::string read_client_name(const Json& params) {
    const auto info = params.find("clientInfo");
    if (info == params.end() || !info->is_object()) return {};
    std::string out;
    for (const char* key : {"name", "version"}) {
        const auto found = info->find(key);
        if (found == info->end() || !found->is_string()) continue;
        if (!out.empty()) out += ' ';
        out += found->get_ref<const std::string&>().substr(0, max_client_name_bytes);
    }
    return base::escape_line(base::to_valid_utf8(out));
}

}  // namespace

struct Session::Calls {
    std::unordered_map<std::string, std::weak_ptr<Call>> by_id;
};

Session::Session() : calls_(std::make_unique<Calls>()) {}
Session::Session(Revision revision) : revision_(revision), calls_(std::make_unique<Calls>()) {}
Session::~Session() = default;
std::size_t Session::open_calls() const noexcept { return calls_->by_id.size(); }

struct Server::State : std::enable_shared_from_this<Server::State> {
    State(asio::any_io_executor e, ServerInfo i, ServerLimits l)
        : executor(e), info(std::move(i)), limits(l), changed(std::move(e)) {}

    struct Lane {
        std::size_t running = 0;
        std::deque<std::shared_ptr<Call>> waiting;
        std::string tools;  // members of the tools/list array
    };

    asio::any_io_executor executor;
    ServerInfo info;
    ServerLimits limits;
    async::Notifier changed;
    std::map<std::string, Tool, std::less<>> tools;
    std::array<Lane, 2> lanes;
    std::list<std::shared_ptr<Call>> calls;

    Lane& lane(Audience audience) { return lanes[audience == Audience::client ? 1 : 0]; }

    std::string initialize_result(Session& session, const Json& params);
    void request(const std::shared_ptr<Session>& session, Audience audience, Message message,
                 const std::shared_ptr<Reply>& reply);
    void tools_call(const std::shared_ptr<Session>& session, Audience audience, Message message,
                    const std::shared_ptr<Reply>& reply);
    void start(const std::shared_ptr<Call>& call);
    void answer(const std::shared_ptr<Call>& call, std::string response);
    void ended(const std::shared_ptr<Call>& call, std::exception_ptr failed, const ToolResult& result);
    void cancel(const std::shared_ptr<Call>& call);
    void cancel_request(Session& session, const Json& params);
    static Session::Calls& calls_of(Session& session) { return *session.calls_; }
};

std::string Server::State::initialize_result(Session& session, const Json& params) {
    session.revision_ = find_session_revision(params["protocolVersion"].get_ref<const std::string&>())
                            .value_or(newest_session_revision);
    session.client_name_ = read_client_name(params);
    Json result{{"protocolVersion", revision_name(session.revision_)},
                {"capabilities", Json{{"tools", Json::object()}}},
                {"serverInfo", Json{{"name", info.name}, {"title", info.title}, {"version", info.version}}}};
    if (!info.instructions.empty()) result["instructions"] = info.instructions;
    return dump(result);
}

void Server::State::request(const std::shared_ptr<Session>& session, Audience audience, Message message,
                            const std::shared_ptr<Reply>& reply) {
    const auto refuse = [&](int code, std::string text) {
        reply->finish(error_response(RpcError{code, std::move(text), message.id}));
    };
    if (message.method == "tools/call") {
        tools_call(session, audience, std::move(message), reply);
    } else if (message.method == "tools/list") {
        // Everything stands on one page, so there is no cursor a client could have got from here.
        if (message.params.is_object() && message.params.contains("cursor") && !message.params["cursor"].is_null())
            return refuse(rpc::invalid_params, "Invalid params: unknown cursor");
        reply->finish(result_response(message.id, R"({"tools":[)" + lane(audience).tools + "]}"));
    } else if (message.method == "ping") {
        reply->finish(result_response(message.id, "{}"));
    } else if (message.method == "initialize") {
        const bool complete = message.params.is_object() && message.params.contains("protocolVersion") &&
                              message.params["protocolVersion"].is_string();
        if (!complete) return refuse(rpc::invalid_params, "Invalid params: `protocolVersion` must be a string");
        reply->finish(result_response(message.id, initialize_result(*session, message.params)));
    } else {
        refuse(rpc::method_not_found, "Method not found: " + base::escape_line(message.method.substr(0, 100)));
    }
}

void Server::State::tools_call(const std::shared_ptr<Session>& session, Audience audience, Message message,
                               const std::shared_ptr<Reply>& reply) {
    const auto refuse = [&](std::string text) {
        reply->finish(error_response(RpcError{rpc::invalid_params, std::move(text), message.id}));
    };
    Json& params = message.params;
    const auto name = params.is_object() ? params.find("name") : params.end();
    if (name == params.end() || !name->is_string()) return refuse("Invalid params: `name` must be a string");
    const auto found = tools.find(name->get_ref<const std::string&>());
    if (found == tools.end() || (found->second.definition.client_only && audience == Audience::agent))
        return refuse("Unknown tool: " + base::escape_line(name->get_ref<const std::string&>().substr(0, 128)));
    Lane& here = lane(audience);
    const std::size_t bound = audience == Audience::client ? limits.client_calls : limits.agent_calls;
    if (here.running >= bound && here.waiting.size() >= limits.waiting_calls) {
        const Error busy{ErrorCode::unavailable, "too many calls wait for their turn; try again when some have ended"};
        return reply->finish(result_response(message.id, result_json(tool_failure(busy))));
    }
    auto call = std::make_shared<Call>();
    call->arguments = Json::object();
    const auto arguments = params.find("arguments");
    if (arguments != params.end() && !arguments->is_null()) {
        if (!arguments->is_object()) return refuse("Invalid params: `arguments` must be an object");
        call->arguments = std::move(*arguments);
    }
    const auto meta = params.find("_meta");
    if (meta != params.end() && meta->is_object()) {
        const auto token = meta->find("progressToken");
        if (token != meta->end() && (token->is_string() || token->is_number_integer()))
            call->progress_token = dump(*token);
    }
    call->session = session;
    call->id = std::move(message.id);
    call->audience = audience;
    call->tool = &found->second;
    call->reply = reply;
    call->place = calls.insert(calls.end(), call);
    calls_of(*session).by_id[call->id] = call;
    if (here.running < bound)
        start(call);
    else
        here.waiting.push_back(call);
}

void Server::State::start(const std::shared_ptr<Call>& call) {
    ++lane(call->audience).running;
    call->started = true;
    CallContext context;
    context.client_name = call->session->client_name();
    context.audience = call->audience;
    if (!call->progress_token.empty()) {
        context.progress = [weak = std::weak_ptr<Call>(call)](double progress, std::optional<double> total,
                                                              std::string text) {
            const auto live = weak.lock();
            // Nothing may follow the response, and progress must rise.
            if (!live || live->answered || !(progress > live->last_progress)) return;
            live->last_progress = progress;
            std::string out = R"({"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":)" +
                              live->progress_token + R"(,"progress":)" + number_text(progress);
            if (total) out += R"(,"total":)" + number_text(*total);
            if (!text.empty() && live->session->revision() >= Revision::r2025_03_26) {
                out += R"(,"message":)";
                append_quoted(out, text);
            }
            out += "}}";
            live->reply->notify(std::move(out));
        };
    }
    const auto self = shared_from_this();
    try {
        auto task = call->tool->handler(std::move(call->arguments), std::move(context));
        asio::co_spawn(executor, std::move(task),
                       asio::bind_cancellation_slot(call->signal.slot(),
                                                    [self, call](std::exception_ptr failed, ToolResult result) {
                                                        self->ended(call, failed, result);
                                                    }));
    } catch (...) {
        ended(call, std::current_exception(), ToolResult{});
    }
}

void Server::State::answer(const std::shared_ptr<Call>& call, std::string response) {
    if (call->answered) return;
    call->answered = true;
    auto& by_id = calls_of(*call->session).by_id;
    const auto mine = by_id.find(call->id);
    if (mine != by_id.end() && mine->second.lock() == call) by_id.erase(mine);
    const auto reply = std::move(call->reply);
    reply->finish(std::move(response));
}

void Server::State::ended(const std::shared_ptr<Call>& call, std::exception_ptr failed, const ToolResult& result) {
    if (!call->answered) {
        if (!failed) {
            answer(call, result_response(call->id, result_json(result)));
        } else {
            const auto& name = call->tool->definition.name;
            std::string text = "Internal error in " + name;
            try {
                std::rethrow_exception(failed);
            } catch (const boost::system::system_error& error) {
                if (error.code() == asio::error::operation_aborted)
                    text = name + " was ended with the server";
                else
                    base::report(base::Severity::error, "tool {} failed: {}", name, error.what());
            } catch (const std::exception& error) {
                base::report(base::Severity::error, "tool {} failed: {}", name, error.what());
            } catch (...) {
                base::report(base::Severity::error, "tool {} failed", name);
            }
            answer(call, error_response(RpcError{rpc::internal_error, std::move(text), call->id}));
        }
    }
    Lane& here = lane(call->audience);
    --here.running;
    if (call->place != calls.end()) calls.erase(std::exchange(call->place, calls.end()));
    if (!here.waiting.empty()) {
        const auto next = std::move(here.waiting.front());
        here.waiting.pop_front();
        start(next);
    }
    if (calls.empty()) changed.notify_all();
}

void Server::State::cancel(const std::shared_ptr<Call>& call) {
    if (call->place == calls.end()) return;
    answer(call, {});
    if (call->started) {
        call->signal.emit(asio::cancellation_type::terminal);
        return;
    }
    auto& waiting = lane(call->audience).waiting;
    std::erase(waiting, call);
    if (call->place != calls.end()) calls.erase(std::exchange(call->place, calls.end()));
    if (calls.empty()) changed.notify_all();
}

void Server::State::cancel_request(Session& session, const Json& params) {
    if (!params.is_object()) return;
    const auto id = params.find("requestId");
    if (id == params.end() || !(id->is_string() || id->is_number_integer())) return;
    auto& by_id = calls_of(session).by_id;
    const auto found = by_id.find(dump(*id));
    if (found == by_id.end()) return;
    if (const auto call = found->second.lock()) cancel(call);
}

Server::Server(asio::any_io_executor executor, ServerInfo info, ServerLimits limits)
    : state_(std::make_shared<State>(std::move(executor), std::move(info), limits)) {}

Server::~Server() {
    // The calls keep the state alive; without them here, the two do not keep each other.
    const auto calls = std::exchange(state_->calls, {});
    for (auto& lane : state_->lanes) lane.waiting.clear();
    for (const auto& call : calls) {
        call->place = state_->calls.end();
        call->answered = true;
        call->reply.reset();
        call->signal.emit(asio::cancellation_type::terminal);
    }
}

void Server::add_tool(ToolDefinition definition, ToolHandler handler) {
    const std::string name = definition.name;
    const std::string listed = definition_json(definition);
    const bool for_agents = !definition.client_only;
    Tool tool{std::move(definition), std::move(handler)};
    if (!state_->tools.emplace(name, std::move(tool)).second) throw std::logic_error("two tools named " + name);
    for (const Audience audience : {Audience::agent, Audience::client}) {
        if (audience == Audience::agent && !for_agents) continue;
        auto& list = state_->lane(audience).tools;
        if (!list.empty()) list += ',';
        list += listed;
    }
}

void Server::handle(const std::shared_ptr<Session>& session, Audience audience, Message message,
                    std::shared_ptr<Reply> reply) {
    switch (message.kind) {
        case MessageKind::request: state_->request(session, audience, std::move(message), reply); return;
        case MessageKind::notification:
            if (message.method == "notifications/cancelled") state_->cancel_request(*session, message.params);
            return;
        case MessageKind::response: return;  // nothing is ever asked of a client
    }
}

void Server::cancel_calls(Session& session) {
    std::vector<std::shared_ptr<Call>> open;
    for (const auto& [id, weak] : State::calls_of(session).by_id)
        if (auto call = weak.lock()) open.push_back(std::move(call));
    for (const auto& call : open) state_->cancel(call);
}

std::size_t Server::open_calls() const noexcept { return state_->calls.size(); }

Task<> Server::finish_calls(MonoTime until, async::Clock& clock) {
    const auto state = state_;
    while (!state->calls.empty()) {
        const bool notified = co_await state->changed.wait_until(until, clock);
        if (!notified) break;
    }
    const auto left = state->calls;
    for (const auto& call : left) {
        if (!call->answered)
            state->answer(call, error_response(RpcError{rpc::internal_error, "The server is shutting down", call->id}));
        state->cancel(call);
    }
}

asio::any_io_executor Server::executor() const { return state_->executor; }

}  // namespace persistproc::mcp
