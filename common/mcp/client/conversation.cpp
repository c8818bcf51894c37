#include "common/mcp/client/conversation.hpp"

#include <fmt/format.h>

#include "common/base/text.hpp"
#include "common/mcp/message.hpp"

namespace persistproc::mcp::client {

namespace {

constexpr const char* server_info_key = "io.modelcontextprotocol/serverInfo";

std::string text_of(const Json& object, const char* name) {
    const std::string* found = find_text(object, name);
    return found == nullptr ? std::string() : *found;
}

Refusal read_refusal(Json& error) {
    Refusal refusal;
    const Json* code = find_member(error, "code");
    if (code != nullptr && code->is_number_integer()) refusal.code = code->get<int>();
    refusal.message = text_of(error, "message");
    if (refusal.message.empty()) refusal.message = "refused";
    if (Json* data = find_member(error, "data")) refusal.data = std::move(*data);
    return refusal;
}

/// What an HTTP status says when no message says more.
Error error_of_status(unsigned status) {
    if (status == 401) return Error{ErrorCode::denied, "the server asks for a token (HTTP status 401)"};
    if (status == 403) return Error{ErrorCode::denied, "the server refuses this client (HTTP status 403)"};
    if (status == 429 || status >= 500)
        return Error{ErrorCode::unavailable, fmt::format("the server cannot answer now (HTTP status {})", status)};
    return Error{ErrorCode::corrupt, fmt::format("the server answered with HTTP status {} and no message", status)};
}

}  // namespace

Conversation::Conversation(boost::asio::any_io_executor executor, Endpoint endpoint, Dial dial,
                           std::shared_ptr<async::Clock> clock, Options options)
    : clock_(std::move(clock)),
      options_(std::move(options)),
      connections_(executor, std::move(endpoint), std::move(dial), *clock_),
      tasks_(executor) {}

void Conversation::abandon() {
    connections_.close();
    tasks_.cancel();
}

Task<> Conversation::pause_before_repeat() {
    const MonoTime until = clock_->now() + repeat_pause;
    co_await clock_->sleep_until(until);
}

std::chrono::nanoseconds Conversation::dial_patience() const {
    return was_reached_ ? options_.return_patience : options_.patience;
}

void Conversation::notify(const Json& message) {
    const std::string method = text_of(message, "method");
    const Json* found = find_member(message, "params");
    const Json params = found != nullptr && found->is_object() ? *found : Json::object();
    if (method != "notifications/progress") {
        if (options_.on_notification) options_.on_notification(method, params);
        return;
    }
    const Json* token = find_member(params, "progressToken");
    const Json* progress = find_member(params, "progress");
    if (token == nullptr || progress == nullptr || !progress->is_number()) return;
    const auto waiting = progress_.find(id_text(*token));
    if (waiting == progress_.end() || !waiting->second) return;
    std::optional<double> total;
    const Json* given = find_member(params, "total");
    if (given != nullptr && given->is_number()) total = given->get<double>();
    // A copy: the handler may end the call that owns it.
    const ProgressHandler handler = waiting->second;
    handler(progress->get<double>(), total, text_of(params, "message"));
}

Task<Result<Json>> Conversation::answer(std::string method, Json params) {
    if (method == "ping") co_return json_value(Json::object());
    const auto found = options_.questions.find(method);
    if (found == options_.questions.end())
        co_return Error{ErrorCode::unsupported,
                        base::escape_line(fmt::format("this client does not answer {}", method))};
    auto answering = found->second(std::move(params));
    co_return co_await std::move(answering);
}

ProgressEntry::ProgressEntry(std::map<std::string, ProgressHandler>& table, std::string token, ProgressHandler handler)
    : table_(table), token_(std::move(token)) {
    if (handler) table_[token_] = std::move(handler);
}

ProgressEntry::~ProgressEntry() { table_.erase(token_); }

std::string message_text(std::string_view id, std::string_view method, const Json& params) {
    std::string out = R"({"jsonrpc":"2.0",)";
    if (!id.empty()) {
        out += R"("id":)";
        out += id;
        out += ',';
    }
    out += R"("method":)";
    append_quoted(out, method);
    if (!params.is_null()) out += R"(,"params":)" + json_text(params);
    out += '}';
    return out;
}

Result<Reply> read_reply(Json message, unsigned status) {
    Reply reply;
    reply.status = status;
    Json* error = find_member(message, "error");
    Json* result = find_member(message, "result");
    if ((error == nullptr) == (result == nullptr))
        return Error{ErrorCode::corrupt, "the server's answer holds neither a result nor a refusal"};
    if (error != nullptr) {
        reply.refusal = read_refusal(*error);
        return reply;
    }
    if (!result->is_object()) return Error{ErrorCode::corrupt, "the result in the server's answer is not an object"};
    reply.result = std::move(*result);
    return reply;
}

Result<Reply> read_reply(const Answer& answer, std::string_view id) {
    if (answer.body.empty()) return error_of_status(answer.status);
    auto json = read_json(answer.body, answer_limits);
    // A refusal of the HTTP layer says in words what a message would.
    if (!json && answer.status >= 400) return error_of_status(answer.status);
    if (!json)
        return Error{ErrorCode::corrupt, fmt::format("the server's answer is not JSON: {}", json.error().message)};
    if (!json->is_object() || json->contains("method")) return error_of_status(answer.status);
    const Json* given = find_member(*json, "id");
    const bool is_ours = given != nullptr && id_text(*given) == id;
    // What cannot be read is refused without an id.
    const bool is_refused = json->contains("error") && (given == nullptr || given->is_null());
    if (!is_ours && !is_refused) return Error{ErrorCode::corrupt, "the server answered another request"};
    if (answer.status == 401 || answer.status == 403) return error_of_status(answer.status);
    return read_reply(std::move(*json), answer.status);
}

Error error_of(const Reply& reply) {
    if (!reply.refusal) return error_of_status(reply.status);
    const Refusal& refusal = *reply.refusal;
    ErrorCode code = ErrorCode::invalid;
    if (refusal.code == rpc::internal_error || refusal.code == rpc::session_not_found) code = ErrorCode::unavailable;
    if (refusal.code == rpc::method_not_found) code = ErrorCode::unsupported;
    if (refusal.code == rpc::limit_reached) code = ErrorCode::limit;
    return Error{code, refusal.message};
}

void read_server_facts(const Json& result, ServerFacts& facts) {
    const Json* info = find_member(result, "serverInfo");
    const Json* meta = find_member(result, "_meta");
    if (info == nullptr && meta != nullptr) info = find_member(*meta, server_info_key);
    if (info != nullptr && info->is_object()) {
        facts.name = text_of(*info, "name");
        facts.version = text_of(*info, "version");
    }
    const Json* capabilities = find_member(result, "capabilities");
    if (capabilities != nullptr && capabilities->is_object()) facts.capabilities = *capabilities;
    if (const std::string text = text_of(result, "instructions"); !text.empty()) facts.instructions = text;
}

}  // namespace persistproc::mcp::client
