#include "tests/conformance/extra/modern.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/diagnostics.hpp"
#include "common/base/text.hpp"
#include "common/mcp/http/header_value.hpp"
#include "common/mcp/message.hpp"

namespace persistproc::conformance {

using namespace mcp;
using namespace mcp::client;

namespace {

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

ModernConversation::ModernConversation(boost::asio::any_io_executor executor, Endpoint endpoint, Dial dial,
                                       std::shared_ptr<async::Clock> clock, Options options)
    : Conversation(executor, std::move(endpoint), std::move(dial), std::move(clock), std::move(options)) {
    server_.revision = modern_revision;
}

Task<> ModernConversation::leave() { return tasks_.close(); }

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
        const Json* argument = find_argument(*arguments, header.path);
        const auto text = argument == nullptr ? std::nullopt : header_text(*argument);
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
        auto marked = find_param_headers(*schema);
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
    for (int round = 0; round <= max_rounds; ++round) {
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
    co_return Error{ErrorCode::corrupt, fmt::format("the server asks on after {} answers", max_rounds)};
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

}  // namespace persistproc::conformance
