#include "common/mcp/server.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>

#include "common/base/text.hpp"
#include "common/mcp/server_state.hpp"

namespace persistproc::mcp {

namespace asio = boost::asio;

namespace {

constexpr std::string_view subscription_key = R"("io.modelcontextprotocol/subscriptionId":)";

constexpr std::size_t most_uri_bytes = 256;  // of one that is subscribed to: it is kept
constexpr std::string_view too_many_in_all =
    "limit: there are as many subscriptions of all clients as may be; end some, or try again later";

std::string too_long_uri() { return fmt::format("a URI is longer than {} bytes", most_uri_bytes); }

bool is_one_of(std::string_view method, std::initializer_list<std::string_view> methods) {
    return std::find(methods.begin(), methods.end(), method) != methods.end();
}

}  // namespace

// ---- sessions ----

Session::Session() : state_(std::make_unique<State>()) {}

Session::Session(Revision revision, std::string client_name) : Session() {
    auto caller = std::make_shared<Caller>();
    caller->revision = revision;
    caller->name = std::move(client_name);
    caller->log_level = LogLevel::info;
    state_->caller = std::move(caller);
    state_->is_ready = true;
}

Session::~Session() {
    const auto server = state_->server.lock();
    if (!server) return;
    server->reachable.erase(this);
    server->subscriptions.remove(state_->subscription);
}

Revision Session::revision() const noexcept { return state_->caller->revision; }
const std::string& Session::client_name() const noexcept { return state_->caller->name; }
std::size_t Session::open_calls() const noexcept { return state_->by_id.size(); }

/// From here on the session hears of changes, through its outlet, as soon as it is ready.
void Server::State::register_session(const std::shared_ptr<Session>& session) {
    auto& state = state_of(*session);
    if (state.subscription != 0) return;
    state.server = weak_from_this();
    Subscriptions::Wants wants;
    wants.tools = wants.prompts = wants.resources = true;
    state.subscription =
        subscriptions.add(std::move(wants), [weak = std::weak_ptr(session)](auto method, auto members) {
            const auto live = weak.lock();
            if (!live || !state_of(*live).is_ready) return;
            const auto outlet = state_of(*live).outlet;
            if (outlet) outlet(notification(method, members.empty() ? "" : '{' + std::string(members) + '}'));
        });
}

// ---- requests ----

Server::State::State(asio::any_io_executor e, async::Clock& c, ServerInfo i, ServerLimits l, ServerFeatures f)
    : executor(e), clock(c), info(std::move(i)), limits(l), features(f), changed(e), tasks(std::move(e), c, l.tasks) {
    const Json self{{"name", info.name}, {"version", info.version}};
    server_info = R"("io.modelcontextprotocol/serverInfo":)" + json_text(self);
    subscriptions.on_interest = [this](const std::string& uri, bool wanted) {
        if (resources != nullptr) resources->interest(uri, wanted);
    };
}

Json Server::State::capabilities(const Caller& caller) const {
    const bool is_modern = !has_sessions(caller.revision);
    const auto changes = [](bool does) { return does ? Json{{"listChanged", true}} : Json::object(); };
    Json out = Json::object();
    out["tools"] = changes(features.tools_change);
    if (!prompts.empty()) out["prompts"] = changes(features.prompts_change);
    if (resources != nullptr) out["resources"] = Json{{"subscribe", true}, {"listChanged", true}};
    if (completion && caller.revision >= Revision::r2025_03_26) out["completions"] = Json::object();
    if (features.logging) out["logging"] = Json::object();
    if (is_modern && limits.tasks > 0) out["extensions"] = Json{{std::string(tasks_extension), Json::object()}};
    return out;
}

void Server::State::initialize(Session& session, const Message& message, Reply& reply) {
    if (find_text(message.params, "protocolVersion") == nullptr)
        return reply.finish(
            error_response(RpcError{rpc::invalid_params, "Invalid params: `protocolVersion` must be a string",
                                    message.id, nullptr}),
            rpc::invalid_params);
    auto caller = std::make_shared<const Caller>(read_initialize(message.params));
    state_of(session).caller = caller;
    Json result{{"protocolVersion", revision_name(caller->revision)},
                {"capabilities", capabilities(*caller)},
                {"serverInfo", Json{{"name", info.name}, {"title", info.title}, {"version", info.version}}}};
    if (!info.instructions.empty()) result["instructions"] = info.instructions;
    reply.finish(result_response(message.id, json_text(result)), 0);
}

/// What both eras have. False: not such a method.
bool Server::State::shared_request(const CallPtr& call, Message& message) {
    const std::string_view method = message.method;
    if (method == "tools/call") {
        tools_call(call, std::move(message.params));
    } else if (method == "tools/list") {
        list(call, message.params, "tools", lane(call->principal.audience()).tools);
    } else if (!prompts.empty() && method == "prompts/list") {
        list(call, message.params, "prompts", prompt_list);
    } else if (!prompts.empty() && method == "prompts/get") {
        get_prompt(call, std::move(message.params));
    } else if (resources != nullptr && method == "resources/list") {
        list_resources(call, std::move(message.params));
    } else if (resources != nullptr && method == "resources/templates/list") {
        list_templates(call, message.params);
    } else if (resources != nullptr && method == "resources/read") {
        read_resource(call, std::move(message.params));
    } else if (completion && method == "completion/complete") {
        complete(call, message.params);
    } else {
        return false;
    }
    return true;
}

void Server::State::legacy_request(const std::shared_ptr<Session>& session, Principal principal, Message message,
                                   const std::shared_ptr<Reply>& reply) {
    register_session(session);
    if (!message.params.is_null() && !message.params.is_object())
        return reply->finish(
            error_response(RpcError{rpc::invalid_params, "Invalid params: must be an object", message.id, nullptr}),
            rpc::invalid_params);
    if (message.method == "initialize") return initialize(*session, message, *reply);
    if (message.method == "ping") return reply->finish(result_response(message.id, "{}"), 0);
    const auto call = make_call(session, principal, state_of(*session).caller, message, reply);
    if (shared_request(call, message)) return;
    if (features.logging && message.method == "logging/setLevel") return set_level(call, message.params);
    if (resources != nullptr && message.method == "resources/subscribe") return subscribe(call, message.params, true);
    if (resources != nullptr && message.method == "resources/unsubscribe")
        return subscribe(call, message.params, false);
    refuse(call, rpc::method_not_found, "Method not found: " + base::escape_line(message.method.substr(0, 100)));
}

void Server::State::modern_request(const CallPtr& call, Message message) {
    if (shared_request(call, message)) return;
    if (message.method == "server/discover") {
        Json offer{{"supportedVersions", Json::array({revision_name(modern_revision)})},
                   {"capabilities", capabilities(*call->caller)}};
        if (!info.instructions.empty()) offer["instructions"] = info.instructions;
        const std::string text = json_text(offer);
        const auto members = std::string_view(text).substr(1, text.size() - 2);
        return answer(call, {result(*call->caller, members, nullptr, Cache::list), {}});
    }
    if (message.method == "subscriptions/listen") return listen(call, std::move(message.params));
    if (limits.tasks > 0 && is_one_of(message.method, {"tasks/get", "tasks/update", "tasks/cancel"}))
        return task_request(call, message);
    refuse(call, rpc::method_not_found, "Method not found: " + base::escape_line(message.method.substr(0, 100)));
}

void Server::State::set_level(const CallPtr& call, const Json& params) {
    const std::string* name = find_text(params, "level");
    const auto level = name == nullptr ? std::nullopt : find_log_level(*name);
    if (!level)
        return refuse(call, rpc::invalid_params,
                      "Invalid params: `level` must be one of debug, info, notice, warning, error, critical, alert, "
                      "emergency");
    auto& state = state_of(*call->session);
    auto caller = std::make_shared<Caller>(*state.caller);
    caller->log_level = level;
    state.caller = std::move(caller);
    finish(call, {});
}

std::string Server::State::too_many_uris() const {
    return fmt::format("limit: a subscriber may ask for {} resources at once; unsubscribe from some",
                       limits.subscribed_uris);
}

void Server::State::subscribe(const CallPtr& call, const Json& params, bool wanted) {
    const std::string* uri = find_text(params, "uri");
    if (uri == nullptr) return refuse(call, rpc::invalid_params, "Invalid params: `uri` must be a string");
    if (uri->size() > most_uri_bytes) return refuse(call, rpc::invalid_params, "Invalid params: " + too_long_uri());
    const auto id = state_of(*call->session).subscription;
    if (wanted && subscriptions.uris(id) >= limits.subscribed_uris)
        return refuse(call, rpc::limit_reached, too_many_uris());
    if (wanted && subscriptions.all_uris() >= limits.subscribed_uris_in_all)
        return refuse(call, rpc::limit_reached, std::string(too_many_in_all));
    if (wanted)
        subscriptions.want(id, *uri);
    else
        subscriptions.unwant(id, *uri);
    finish(call, {});
}

/// As streams of sessions do: the process that has most, and in it the party that has, gives its oldest to who has
/// fewer, or had none before. One that is not known counts as one for each party.
bool Server::State::make_room_to_listen(const Principal& from) {
    if (listening.size() < limits.subscriptions) return true;
    const auto process = [](const Principal& each) {
        return each.process != 0 ? static_cast<async::Turns::Group>(each.process)
                                 : reinterpret_cast<async::Turns::Group>(each.party);
    };
    std::map<async::Turns::Group, std::size_t> of_process;
    std::map<async::Turns::Party, std::size_t> of_party;
    for (const auto& each : listening) {
        ++of_process[process(each->principal)];
        ++of_party[each->principal.party];
    }
    const auto may_take = [](std::size_t theirs, std::size_t own) { return theirs > (own == 0 ? 0 : own + 1); };
    auto most = listening.end();
    std::pair<std::size_t, std::size_t> highest;
    for (auto each = listening.begin(); each != listening.end(); ++each) {
        const Principal& who = (*each)->principal;
        const std::pair has(of_process[process(who)], of_party[who.party]);
        const bool is_own = process(who) == process(from);
        const bool gives =
            is_own ? may_take(has.second, of_party[from.party]) : may_take(has.first, of_process[process(from)]);
        if (!gives || has <= highest) continue;
        most = each;
        highest = has;
    }
    if (most == listening.end()) return false;
    const auto oldest = *most;
    listening.erase(most);
    end_listening(oldest);
    return true;
}

void Server::State::end_listening(const CallPtr& call) {
    subscriptions.remove(std::exchange(call->subscription, 0));
    Json meta = Json::object();
    meta["io.modelcontextprotocol/subscriptionId"] = *read_json(call->id);
    finish(call, {}, meta);
}

/// Once there are many, it is known first whose each next one is.
void Server::State::listen(const CallPtr& call, Json params) {
    const Principal& from = call->principal;
    const bool is_asked_for = find_process && from.audience() == Audience::agent && from.process == 0;
    if (!is_asked_for || listening.size() < limits.subscriptions / 4) return begin_listening(call, params);
    auto begin = [self = shared_from_this(), call, params = std::move(params)](std::exception_ptr failed,
                                                                               pid_t process) {
        if (!failed) call->principal.process = process;
        self->begin_listening(call, params);
    };
    asio::co_spawn(executor, find_process(from), std::move(begin));
}

void Server::State::begin_listening(const CallPtr& call, const Json& params) {
    const Json* found = find_member(params, "notifications");
    if (found == nullptr || !found->is_object())
        return refuse(call, rpc::invalid_params, "Invalid params: `notifications` must be an object");
    Subscriptions::Wants wants;
    Json honoured = Json::object();
    const std::pair<const char*, bool> kinds[] = {{"toolsListChanged", features.tools_change},
                                                  {"promptsListChanged", features.prompts_change},
                                                  {"resourcesListChanged", resources != nullptr}};
    for (const auto& [name, offered] : kinds) {
        const Json* asked = find_member(*found, name);
        if (offered && asked != nullptr && *asked == true) honoured[name] = true;
    }
    wants.tools = honoured.contains("toolsListChanged");
    wants.prompts = honoured.contains("promptsListChanged");
    wants.resources = honoured.contains("resourcesListChanged");
    const Json* uris = find_member(*found, "resourceSubscriptions");
    if (uris != nullptr && !uris->is_array())
        return refuse(call, rpc::invalid_params, "Invalid params: `resourceSubscriptions` must be an array");
    if (uris != nullptr && resources != nullptr) {
        for (const auto& uri : *uris) {
            if (!uri.is_string())
                return refuse(call, rpc::invalid_params, "Invalid params: `resourceSubscriptions` must hold strings");
            const auto& text = uri.get_ref<const std::string&>();
            if (text.size() > most_uri_bytes)
                return refuse(call, rpc::invalid_params, "Invalid params: " + too_long_uri());
            wants.uris.insert(text);
        }
        if (!wants.uris.empty()) honoured["resourceSubscriptions"] = wants.uris;
    }
    if (wants.uris.size() > limits.subscribed_uris) return refuse(call, rpc::limit_reached, too_many_uris());
    if (subscriptions.all_uris() + wants.uris.size() > limits.subscribed_uris_in_all ||
        !make_room_to_listen(call->principal))
        return refuse(call, rpc::limit_reached, std::string(too_many_in_all));
    const std::string tag = R"("_meta":{)" + std::string(subscription_key) + call->id + '}';
    const std::string acknowledged = R"({"notifications":)" + json_text(honoured) + ',' + tag + '}';
    if (!call->reply->notify(notification("notifications/subscriptions/acknowledged", acknowledged)))
        return refuse(call, rpc::invalid_request, "A subscription needs an event stream: accept text/event-stream");
    // The connection may have ended under the first message.
    if (!call->reply) return;
    state_of(*call->session).by_id[call->id] = call;
    listening.push_back(call);
    call->subscription = subscriptions.add(
        std::move(wants), [weak = std::weak_ptr(call), tag](std::string_view method, std::string_view members) {
            const auto live = weak.lock();
            if (!live || !live->reply) return;
            std::string told = "{" + std::string(members);
            if (!members.empty()) told += ',';
            live->reply->notify(notification(method, told + tag + '}'));
        });
}

void Server::State::task_request(const CallPtr& call, const Message& message) {
    if (!call->caller->declares_extension(tasks_extension))
        return refuse(call,
                      missing_capability(Json{{"extensions", Json{{std::string(tasks_extension), Json::object()}}}}));
    const std::string* id = find_text(message.params, "taskId");
    if (id == nullptr) return refuse(call, rpc::invalid_params, "Invalid params: `taskId` must be a string");
    const auto task = tasks.find(*id);
    if (!task) return refuse(call, rpc::invalid_params, "Unknown task");
    if (message.method == "tasks/get") return finish(call, task->members(true));
    if (message.method == "tasks/cancel") {
        task->cancel(clock.wall());
    } else {
        const Json* responses = find_member(message.params, "inputResponses");
        if (responses == nullptr || !responses->is_object())
            return refuse(call, rpc::invalid_params, "Invalid params: `inputResponses` must be an object");
        task->answer(*responses, clock.wall());
    }
    finish(call, {});
}

void Server::State::answer_question(Session& session, Message message) {
    auto& questions = state_of(session).questions;
    const auto found = questions.find(message.id);
    if (found == questions.end()) return;
    const auto question = found->second;
    if (message.is_error) {
        const std::string* text = find_text(message.params, "message");
        question->refused = "the client refused: " + base::escape_line(text == nullptr ? "" : text->substr(0, 200));
    } else {
        question->result = std::move(message.params);
    }
    question->answered->notify_all();
}

void Server::State::cancel_request(Session& session, const Json& params) {
    const Json* id = find_member(params, "requestId");
    if (id == nullptr) return;
    auto& by_id = state_of(session).by_id;
    const auto found = by_id.find(id_text(*id));
    if (found == by_id.end()) return;
    if (const auto call = found->second.lock()) cancel(call);
}

// ---- the server ----

Server::Server(asio::any_io_executor executor, async::Clock& clock, ServerInfo info, ServerLimits limits,
               ServerFeatures features)
    : state_(std::make_shared<State>(std::move(executor), clock, std::move(info), limits, features)) {}

Server::~Server() {
    state_->resources = nullptr;
    state_->find_process = nullptr;
    // The calls keep the state alive; without them here, the two do not keep each other.
    const auto calls = std::exchange(state_->calls, {});
    const auto listening = std::exchange(state_->listening, {});
    for (auto& lane : state_->lanes)
        for (auto* const turns : {&lane.working, &lane.waiting, &lane.changing}) turns->clear();
    for (const auto& call : calls) {
        call->place = state_->calls.end();
        call->reply.reset();
        call->signal.emit(asio::cancellation_type::terminal);
        call->no_longer_waits.emit(asio::cancellation_type::terminal);
    }
    for (const auto& call : listening) call->reply.reset();
}

void Server::set_resources(ResourceProvider& provider) { state_->resources = &provider; }
void Server::set_process_finder(std::function<Task<pid_t>(Principal)> find) { state_->find_process = std::move(find); }
void Server::set_completion(CompletionHandler handler) { state_->completion = std::move(handler); }

void Server::handle(const std::shared_ptr<Session>& session, Principal principal, Message message,
                    std::shared_ptr<Reply> reply) {
    switch (message.kind) {
        case MessageKind::request: {
            if (!has_envelope(message.params))
                return state_->legacy_request(session, principal, std::move(message), reply);
            auto read = read_envelope(message.params);
            if (auto* refused = std::get_if<RpcError>(&read)) {
                refused->id = message.id;
                return reply->finish(error_response(*refused), refused->code);
            }
            return handle_modern(session, principal, std::move(message), std::move(std::get<Caller>(read)),
                                 std::move(reply));
        }
        case MessageKind::notification:
            if (message.method == "notifications/cancelled") state_->cancel_request(*session, message.params);
            if (message.method == "notifications/initialized") State::state_of(*session).is_ready = true;
            return;
        case MessageKind::response: return state_->answer_question(*session, std::move(message));
    }
}

void Server::handle_modern(const std::shared_ptr<Session>& session, Principal principal, Message message, Caller caller,
                           std::shared_ptr<Reply> reply) {
    auto shared = std::make_shared<const Caller>(std::move(caller));
    const auto call = state_->make_call(session, principal, std::move(shared), message, std::move(reply));
    state_->modern_request(call, std::move(message));
}

bool Server::knows_modern(std::string_view method) const {
    if (is_one_of(method, {"server/discover", "tools/list", "tools/call", "subscriptions/listen"})) return true;
    if (is_one_of(method, {"prompts/list", "prompts/get"})) return !state_->prompts.empty();
    if (is_one_of(method, {"resources/list", "resources/templates/list", "resources/read"}))
        return state_->resources != nullptr;
    if (is_one_of(method, {"tasks/get", "tasks/update", "tasks/cancel"})) return state_->limits.tasks > 0;
    return method == "completion/complete" && state_->completion != nullptr;
}

void Server::set_outlet(const std::shared_ptr<Session>& session, std::function<void(std::string)> outlet) {
    state_->register_session(session);
    if (outlet)
        state_->reachable[session.get()] = session;
    else
        state_->reachable.erase(session.get());
    State::state_of(*session).outlet = std::move(outlet);
}

void Server::cancel_calls(Session& session) {
    std::vector<std::shared_ptr<Call>> open;
    for (const auto& [id, weak] : State::state_of(session).by_id)
        if (auto call = weak.lock()) open.push_back(std::move(call));
    for (const auto& call : open) state_->cancel(call);
}

void Server::abandon(const Reply& reply) {
    const auto calls = state_->calls;
    for (const auto& call : calls)
        if (call->only_reads && call->reply && call->reply->is_of(reply)) state_->cancel(call);
}

void Server::tools_changed() { state_->subscriptions.tools_changed(); }
void Server::prompts_changed() { state_->subscriptions.prompts_changed(); }
void Server::resources_changed() { state_->subscriptions.resources_changed(); }
void Server::resource_updated(const std::string& uri) { state_->subscriptions.updated(uri); }

void Server::log(LogLevel level, std::string_view logger, const Json& data) {
    const Json params{{"level", log_level_name(level)}, {"logger", logger}, {"data", data}};
    const std::string text = notification("notifications/message", json_text(params));
    const auto sessions = state_->reachable;
    for (const auto& [key, weak] : sessions) {
        const auto session = weak.lock();
        if (!session) continue;
        const auto& state = State::state_of(*session);
        if (!state.outlet || !state.caller->log_level || level < *state.caller->log_level) continue;
        const auto outlet = state.outlet;
        outlet(text);
    }
}

std::size_t Server::open_calls() const noexcept { return state_->calls.size(); }

Task<> Server::finish_calls(MonoTime until, async::Clock& clock) {
    const auto state = state_;
    const auto listening = std::exchange(state->listening, {});
    for (const auto& call : listening) state->end_listening(call);
    while (!state->calls.empty()) {
        const bool notified = co_await state->changed.wait_until(until, clock);
        if (!notified) break;
    }
    const auto left = state->calls;
    for (const auto& call : left) {
        if (call->reply) state->refuse(call, rpc::internal_error, "The server is shutting down");
        state->cancel(call);
    }
}

asio::any_io_executor Server::executor() const { return state_->executor; }

}  // namespace persistproc::mcp
