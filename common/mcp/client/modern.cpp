#include "common/mcp/client/modern.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "common/async/notifier.hpp"
#include "common/base/diagnostics.hpp"
#include "common/base/text.hpp"
#include "common/mcp/message.hpp"

namespace persistproc::mcp::client {

namespace {

constexpr std::chrono::milliseconds first_pause{200};
constexpr std::chrono::seconds longest_pause{5};
constexpr int max_listen_failures = 8;
constexpr int max_tool_pages = 100;

bool may_ask_back(std::string_view method) {
    return method == "tools/call" || method == "prompts/get" || method == "resources/read";
}

/// The newest revision without sessions among those a server names.
std::optional<Revision> find_common_version(const Json& data) {
    const Json* supported = find_member(data, "supported");
    if (supported == nullptr || !supported->is_array()) return std::nullopt;
    std::optional<Revision> best;
    for (const auto& each : *supported) {
        if (!each.is_string()) continue;
        const auto known = find_revision(each.get_ref<const std::string&>());
        if (known && !has_sessions(*known) && (!best || *known > *best)) best = known;
    }
    return best;
}

}  // namespace

/// A stream of notifications. Broken, it is asked for again, under a new id.
struct ModernConversation::Listening {
    explicit Listening(boost::asio::any_io_executor executor) : changed(std::move(executor)) {}
    Json wanted;
    bool is_acknowledged = false;
    bool is_stopped = false;
    std::optional<Result<Reply>> refused;
    std::shared_ptr<Wire> wire;
    async::Notifier changed;
};

ModernConversation::ModernConversation(boost::asio::any_io_executor executor, Endpoint endpoint, Dial dial,
                                       std::shared_ptr<async::Clock> clock, Options options)
    : Conversation(executor, std::move(endpoint), std::move(dial), std::move(clock), std::move(options)) {
    server_.revision = modern_revision;
}

Task<Result<void>> ModernConversation::open() { co_return Result<void>(); }

Task<> ModernConversation::leave() { return tasks_.close(); }

Task<Result<Reply>> ModernConversation::discover() {
    bool ignored = false;
    auto reply = co_await ask("server/discover", Json::object(), ProgressHandler(), &ignored);
    if (reply && !reply->refusal) read_server_facts(reply->result, server_);
    co_return reply;
}

// ---- what every request carries ----

Json ModernConversation::with_context(Json params) const {
    if (!params.is_object()) params = Json::object();
    Json& meta = params["_meta"];
    if (!meta.is_object()) meta = Json::object();
    meta["io.modelcontextprotocol/protocolVersion"] = revision_name(server_.revision);
    meta["io.modelcontextprotocol/clientCapabilities"] = options_.capabilities;
    Json& info = meta["io.modelcontextprotocol/clientInfo"];
    info["name"] = options_.name;
    info["version"] = options_.version;
    if (!log_level_.empty()) meta["io.modelcontextprotocol/logLevel"] = log_level_;
    return params;
}

Result<std::string> ModernConversation::headers(const std::string& method, const Json& params) const {
    if (method.empty() || !std::all_of(method.begin(), method.end(), [](char c) { return c > 0x20 && c < 0x7f; }))
        return Error{ErrorCode::invalid, base::escape_line(fmt::format("\"{}\" is no name of a method", method))};
    std::string out =
        fmt::format("Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: {}\r\nMcp-Method: {}\r\n",
                    revision_name(server_.revision), method);
    const auto member = http::named_member(method);
    const std::string* name = member.empty() ? nullptr : find_text(params, member);
    if (name == nullptr) return out;
    const auto into = std::back_inserter(out);
    fmt::format_to(into, "Mcp-Name: {}\r\n", http::encode_header_value(*name));
    const auto marked = param_headers_.find(*name);
    const Json* arguments = find_member(params, "arguments");
    if (method != "tools/call" || marked == param_headers_.end() || arguments == nullptr) return out;
    for (const auto& header : marked->second) {
        const Json* argument = http::find_argument(*arguments, header.path);
        const auto text = argument == nullptr ? std::nullopt : http::header_text(*argument);
        if (text)
            fmt::format_to(into, "{}{}: {}\r\n", http::param_header_prefix, header.name,
                           http::encode_header_value(*text));
    }
    return out;
}

void ModernConversation::keep_usable_tools(Json& result) {
    Json* tools = find_member(result, "tools");
    if (tools == nullptr || !tools->is_array()) return;
    for (auto each = tools->begin(); each != tools->end();) {
        const std::string* name = find_text(*each, "name");
        const Json* schema = find_member(*each, "inputSchema");
        if (name == nullptr || schema == nullptr) {
            ++each;
            continue;
        }
        auto marked = http::find_param_headers(*schema);
        if (!marked) {
            base::report(base::Severity::warning, "the tool {} of the server is left out: {}", *name,
                         marked.error().message);
            param_headers_.erase(*name);
            each = tools->erase(each);
            continue;
        }
        param_headers_[*name] = std::move(*marked);
        ++each;
    }
}

Task<Result<void>> ModernConversation::learn_tools() {
    Json cursor;
    for (int page = 0; page < max_tool_pages; ++page) {
        Json params = Json::object();
        if (!cursor.is_null()) params["cursor"] = cursor;
        bool ignored = false;
        auto reply = co_await ask("tools/list", std::move(params), ProgressHandler(), &ignored);
        if (!reply) co_return reply.error();
        if (reply->refusal) co_return error_of(*reply);
        const Json* next = find_member(reply->result, "nextCursor");
        if (next == nullptr || *next == cursor) break;
        cursor = *next;
    }
    co_return Result<void>();
}

// ---- requests ----

Task<Result<Reply>> ModernConversation::request(std::string method, Json params, CallOptions options) {
    if (!params.is_object()) params = Json::object();
    for (int round = 0; round <= options_.max_rounds; ++round) {
        auto reply = co_await send(method, params, options);
        if (!reply || reply->refusal) co_return reply;
        const Json* type = find_member(reply->result, "resultType");
        if (type == nullptr || *type == "complete") co_return reply;
        if (*type != "input_required" || !may_ask_back(method))
            co_return Error{ErrorCode::corrupt,
                            base::escape_line(fmt::format("the server's answer to {} is of type {}, which is not known",
                                                          method, json_text(*type)))};
        const Json* questions = find_member(reply->result, "inputRequests");
        const Json* state = find_member(reply->result, "requestState");
        const bool is_asking = questions != nullptr && questions->is_object();
        if (!is_asking && state == nullptr)
            co_return Error{ErrorCode::corrupt, "the server asks for input and does not say for which"};
        params.erase("inputResponses");
        params.erase("requestState");
        if (is_asking) {
            auto answers = co_await gather(*questions);
            if (!answers) co_return answers.error();
            params["inputResponses"] = std::move(*answers);
        }
        if (state != nullptr) params["requestState"] = *state;
    }
    co_return Error{ErrorCode::corrupt, fmt::format("the server asks on after {} answers", options_.max_rounds)};
}

Task<Result<Json>> ModernConversation::gather(Json questions) {
    Json answers = Json::object();
    for (const auto& [key, question] : questions.items()) {
        const std::string* method = find_text(question, "method");
        if (method == nullptr) co_return Error{ErrorCode::corrupt, "the server asks for input without a method"};
        Json params = Json::object();
        if (const Json* found = find_member(question, "params")) params = *found;
        auto answered = co_await answer(*method, std::move(params));
        if (!answered) co_return base::with_context(answered.error(), "the server asks for more");
        answers[key] = std::move(*answered);
    }
    co_return json_value(std::move(answers));
}

Task<Result<Reply>> ModernConversation::send(std::string method, Json params, CallOptions options) {
    bool was_repeated = false;
    bool was_told_versions = false;
    bool was_relearnt = false;
    while (true) {
        bool is_repeatable = options.repeatable;
        auto reply = co_await ask(method, params, options.on_progress, &is_repeatable);
        if (!reply) {
            if (reply.error().code != ErrorCode::unavailable || was_repeated || !is_repeatable ||
                connections_.is_closed())
                co_return reply;
            was_repeated = true;
            co_await pause_before_repeat();
            continue;
        }
        if (!reply->refusal) co_return reply;
        const auto common = find_common_version(reply->refusal->data);
        if (reply->refusal->code == rpc::unsupported_version && common && !was_told_versions) {
            was_told_versions = true;
            server_.revision = *common;
            continue;
        }
        // The server knows of marked arguments that we have not heard of, or has changed them.
        if (reply->refusal->code == rpc::header_mismatch && method == "tools/call" && !was_relearnt) {
            was_relearnt = true;
            auto learnt = co_await learn_tools();
            if (learnt) continue;
        }
        co_return reply;
    }
}

Task<Result<Reply>> ModernConversation::ask(std::string method, Json params, ProgressHandler on_progress,
                                            bool* is_repeatable) {
    const std::string id = std::to_string(++last_id_);
    const ProgressEntry entry(progress_, id, on_progress);
    Json whole = with_context(std::move(params));
    if (on_progress) whole["_meta"]["progressToken"] = last_id_;
    auto head = headers(method, whole);
    if (!head) co_return head.error();
    std::string bytes = http_request(connections_.endpoint(), "POST", *head, message_text(id, method, whole));
    auto reply = co_await exchange(id, std::move(bytes), is_repeatable);
    if (!reply || reply->refusal) co_return reply;
    if (server_.name.empty()) read_server_facts(reply->result, server_);
    if (method == "tools/list") keep_usable_tools(reply->result);
    co_return reply;
}

Task<Result<Reply>> ModernConversation::exchange(std::string id, std::string bytes, bool* is_repeatable) {
    const auto patience = dial_patience();
    auto lease = co_await connections_.open(patience);
    if (!lease) {
        // It was tried long enough.
        *is_repeatable = false;
        co_return lease.error();
    }
    was_reached_ = true;
    std::optional<Json> response;
    EventSink sink = [this, &response, &id](http::SseEvent event) {
        auto message = read_json(event.data, answer_limits);
        if (!message || !message->is_object()) return false;
        const Json* given = find_member(*message, "id");
        if (message->contains("method")) {
            // Requests do not exist here.
            if (given == nullptr) notify(*message);
            return false;
        }
        if (given == nullptr || id_text(*given) != id) return false;
        response = std::move(*message);
        return true;
    };
    auto answer = co_await (*lease)->exchange(std::move(bytes), 0, std::move(sink));
    if (response) {
        if (answer) lease->give_back();
        co_return read_reply(std::move(*response), 200);
    }
    if (!answer) {
        if ((*lease)->is_unsent()) *is_repeatable = true;
        co_return answer.error();
    }
    lease->give_back();
    if (answer->is_stream) co_return Error{ErrorCode::unavailable, "the connection ended before the answer did"};
    co_return read_reply(*answer, id);
}

Task<Result<Reply>> ModernConversation::set_log_level(std::string level) {
    log_level_ = std::move(level);
    co_return Reply();
}

// ---- streams of notifications ----

Task<Result<Reply>> ModernConversation::subscribe(std::string uri) {
    Json wanted = Json::object();
    wanted["resourceSubscriptions"] = Json::array();
    wanted["resourceSubscriptions"].push_back(uri);
    return listen(std::move(wanted));
}

Task<Result<Reply>> ModernConversation::unsubscribe(std::string uri) {
    const auto found = subscriptions_.find(uri);
    if (found != subscriptions_.end()) {
        const auto listening = found->second;
        subscriptions_.erase(found);
        listening->is_stopped = true;
        if (listening->wire) listening->wire->close();
    }
    co_return Reply();
}

Task<Result<Reply>> ModernConversation::listen(Json wanted) {
    auto listening = std::make_shared<Listening>(connections_.executor());
    if (const Json* uris = find_member(wanted, "resourceSubscriptions"); uris != nullptr && uris->is_array())
        for (const auto& uri : *uris)
            if (uri.is_string()) subscriptions_[uri.get<std::string>()] = listening;
    listening->wanted = std::move(wanted);
    tasks_.spawn("stream of notifications", listen_on(shared_from_this(), listening));
    while (!listening->is_acknowledged && !listening->refused) co_await listening->changed.wait();
    if (listening->refused) co_return *listening->refused;
    co_return Reply();
}

Task<bool> ModernConversation::hear(Listening* listening) {
    Json params = Json::object();
    params["notifications"] = listening->wanted;
    const Json whole = with_context(std::move(params));
    auto head = headers("subscriptions/listen", whole);
    if (!head) co_return false;
    const std::string id = std::to_string(++last_id_);
    auto lease = co_await connections_.open(std::chrono::nanoseconds(0));
    if (!lease) {
        if (!listening->is_acknowledged) listening->refused = lease.error();
        co_return listening->is_acknowledged;
    }
    was_reached_ = true;
    listening->wire = lease->wire();
    std::string bytes =
        http_request(connections_.endpoint(), "POST", *head, message_text(id, "subscriptions/listen", whole));
    std::optional<Json> response;
    EventSink sink = [this, listening, &id, &response](http::SseEvent event) {
        auto message = read_json(event.data, answer_limits);
        if (!message || !message->is_object()) return false;
        if (!message->contains("method")) {
            const Json* given = find_member(*message, "id");
            if (given == nullptr || id_text(*given) != id) return false;
            response = std::move(*message);
            return true;
        }
        if ((*message)["method"] == "notifications/subscriptions/acknowledged") {
            listening->is_acknowledged = true;
            listening->changed.notify_all();
        } else {
            notify(*message);
        }
        return false;
    };
    auto answer = co_await (*lease)->exchange(std::move(bytes), 0, std::move(sink));
    listening->wire.reset();
    if (listening->is_stopped) co_return false;
    std::optional<Result<Reply>> reply;
    if (response)
        reply = read_reply(std::move(*response), 200);
    else if (answer && !answer->is_stream)
        reply = read_reply(*answer, id);
    else if (!answer && !listening->is_acknowledged)
        reply = answer.error();
    if (answer) lease->give_back();
    if (!listening->is_acknowledged && !reply)
        reply = Error{ErrorCode::unavailable, "the connection ended before the answer did"};
    const bool is_refused = reply && (!*reply || (*reply)->refusal);
    if (!listening->is_acknowledged) listening->refused = std::move(reply);
    // Acknowledged and then broken, or ended by the server: it may be had again.
    co_return listening->is_acknowledged && !is_refused;
}

Task<> ModernConversation::listen_on(std::shared_ptr<ModernConversation> self, std::shared_ptr<Listening> listening) {
    int failures = 0;
    while (failures < max_listen_failures && !listening->is_stopped) {
        const MonoTime begun = self->clock_->now();
        auto hearing = self->hear(listening.get());
        const bool may_go_on = co_await std::move(hearing);
        listening->changed.notify_all();
        if (!may_go_on) break;
        failures = self->clock_->now() - begun < longest_pause ? failures + 1 : 0;
        const std::chrono::nanoseconds longest = longest_pause;
        const std::chrono::nanoseconds pause = first_pause * (1 << std::min(failures, 5));
        const MonoTime next = self->clock_->now() + std::min(pause, longest);
        co_await self->clock_->sleep_until(next);
    }
}

}  // namespace persistproc::mcp::client
