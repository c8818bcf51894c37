#include "common/mcp/client/conversation.hpp"

#include <fmt/format.h>

#include "common/base/text.hpp"
#include "common/mcp/message.hpp"

namespace persistproc::mcp::client {

namespace {

constexpr const char* server_info_key = "io.modelcontextprotocol/serverInfo";

std::string text_of(const Json& object, const char* name) {
    const auto found = object.find(name);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

Refusal read_refusal(Json& error) {
    Refusal refusal;
    if (!error.is_object()) {
        refusal.message = "refused";
        return refusal;
    }
    const auto code = error.find("code");
    if (code != error.end() && code->is_number_integer()) refusal.code = code->get<int>();
    refusal.message = text_of(error, "message");
    if (refusal.message.empty()) refusal.message = "refused";
    const auto data = error.find("data");
    if (data != error.end()) refusal.data = std::move(*data);
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
    const auto found = message.find("params");
    const Json params = found != message.end() && found->is_object() ? *found : Json::object();
    if (method != "notifications/progress") {
        if (options_.on_notification) options_.on_notification(method, params);
        return;
    }
    const auto token = params.find("progressToken");
    const auto progress = params.find("progress");
    if (token == params.end() || progress == params.end() || !progress->is_number()) return;
    const auto waiting = progress_.find(token->dump());
    if (waiting == progress_.end() || !waiting->second) return;
    std::optional<double> total;
    const auto given = params.find("total");
    if (given != params.end() && given->is_number()) total = given->get<double>();
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
    const auto error = message.find("error");
    const auto result = message.find("result");
    if ((error == message.end()) == (result == message.end()))
        return Error{ErrorCode::corrupt, "the server's answer holds neither a result nor a refusal"};
    if (error != message.end()) {
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
    const auto given = json->find("id");
    const bool is_ours = given != json->end() && given->dump() == id;
    // What cannot be read is refused without an id.
    const bool is_refused = json->contains("error") && (given == json->end() || given->is_null());
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
    return Error{code, refusal.message};
}

void read_server_facts(const Json& result, ServerFacts& facts) {
    const Json* info = nullptr;
    if (const auto found = result.find("serverInfo"); found != result.end()) info = &*found;
    if (const auto meta = result.find("_meta"); info == nullptr && meta != result.end() && meta->is_object())
        if (const auto found = meta->find(server_info_key); found != meta->end()) info = &*found;
    if (info != nullptr && info->is_object()) {
        facts.name = text_of(*info, "name");
        facts.version = text_of(*info, "version");
    }
    if (const auto found = result.find("capabilities"); found != result.end() && found->is_object())
        facts.capabilities = *found;
    if (const std::string text = text_of(result, "instructions"); !text.empty()) facts.instructions = text;
}

}  // namespace persistproc::mcp::client
