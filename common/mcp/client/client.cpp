#include "common/mcp/client/client.hpp"

#include <fmt/format.h>

#include <boost/asio/experimental/awaitable_operators.hpp>

#include "common/mcp/client/legacy.hpp"
#include "common/mcp/client/modern.hpp"
#include "common/mcp/message.hpp"

namespace persistproc::mcp::client {

namespace {

using boost::asio::experimental::awaitable_operators::operator||;

constexpr std::chrono::seconds farewell_patience{2};
constexpr int max_pages = 1000;

bool lists_modern_version(const Json& object, const char* member) {
    const Json* versions = find_member(object, member);
    if (versions == nullptr || !versions->is_array()) return false;
    for (const auto& each : *versions)
        if (each == revision_name(modern_revision)) return true;
    return false;
}

/// What the answer to server/discover says. Errors: those that another revision would not avoid.
Result<bool> is_modern(const Result<Reply>& reply) {
    if (!reply) {
        // A server of sessions may answer what it does not understand with anything.
        if (reply.error().code == ErrorCode::corrupt) return false;
        return reply.error();
    }
    if (!reply->refusal) return lists_modern_version(reply->result, "supportedVersions");
    const int code = reply->refusal->code;
    if (code == rpc::header_mismatch || code == rpc::missing_capability) return error_of(*reply);
    if (code == rpc::unsupported_version) return lists_modern_version(reply->refusal->data, "supported");
    if (reply->status >= 500) return error_of(*reply);
    return false;
}

ToolResult read_tool_result(Json& result) {
    ToolResult out;
    const Json* content = find_member(result, "content");
    if (content != nullptr && content->is_array()) {
        for (const auto& block : *content) {
            if (!block.is_object() || block.value("type", std::string()) != "text") continue;
            if (!out.text.empty()) out.text += '\n';
            out.text += block.value("text", std::string());
        }
    }
    if (Json* structured = find_member(result, "structuredContent")) out.structured = std::move(*structured);
    if (Json* meta = find_member(result, "_meta")) out.meta = std::move(*meta);
    out.is_error = result.value("isError", false);
    return out;
}

Result<void> outcome(const Result<Reply>& reply) {
    if (!reply) return reply.error();
    if (reply->refusal) return error_of(*reply);
    return {};
}

}  // namespace

Client::Client(std::shared_ptr<Conversation> conversation) : conversation_(std::move(conversation)) {}

Client::~Client() { conversation_->abandon(); }

const ServerFacts& Client::server() const noexcept { return conversation_->server(); }

Task<Result<std::unique_ptr<Client>>> Client::connect(boost::asio::any_io_executor executor, Endpoint endpoint,
                                                      Options options) {
    Dial dial = [executor, endpoint] { return open_connection(executor, endpoint); };
    return connect(std::move(executor), std::move(endpoint), std::move(options), std::move(dial),
                   std::make_shared<async::SystemClock>());
}

Task<Result<std::unique_ptr<Client>>> Client::connect(boost::asio::any_io_executor executor, Endpoint endpoint,
                                                      Options options, Dial dial, std::shared_ptr<async::Clock> clock) {
    if (options.era != Era::sessions) {
        auto modern = std::make_shared<ModernConversation>(executor, endpoint, dial, clock, options);
        std::unique_ptr<Client> client(new Client(modern));
        if (options.era == Era::modern) co_return std::move(client);
        auto reply = co_await modern->discover();
        auto found = is_modern(reply);
        if (!found) co_return found.error();
        if (*found) co_return std::move(client);
    }
    auto legacy = std::make_shared<LegacyConversation>(std::move(executor), std::move(endpoint), std::move(dial),
                                                       std::move(clock), std::move(options));
    std::unique_ptr<Client> client(new Client(legacy));
    auto opened = co_await legacy->open();
    if (!opened) co_return opened.error();
    co_return std::move(client);
}

Task<Result<Reply>> Client::request(std::string method, Json params, CallOptions options) {
    const auto conversation = conversation_;
    if (!options.timeout)
        co_return co_await conversation->request(std::move(method), std::move(params), std::move(options));
    const MonoTime until = conversation->clock().now() + *options.timeout;
    const std::string what = method;
    auto asking = conversation->request(std::move(method), std::move(params), std::move(options));
    auto limit = conversation->clock().sleep_until(until);
    auto first = co_await (std::move(asking) || std::move(limit));
    if (first.index() == 0) co_return std::move(std::get<0>(first));
    co_return Error{ErrorCode::timeout, fmt::format("the server did not answer {} in time", what)};
}

Task<Result<ToolResult>> Client::call_tool(std::string tool, Json arguments, CallOptions options) {
    Json params = Json::object();
    params["name"] = std::move(tool);
    params["arguments"] = std::move(arguments);
    auto reply = co_await request("tools/call", std::move(params), std::move(options));
    if (!reply) co_return reply.error();
    if (reply->refusal) co_return error_of(*reply);
    co_return read_tool_result(reply->result);
}

Task<Result<Json>> Client::result_of(std::string method, Json params) {
    CallOptions options;
    options.repeatable = true;
    auto reply = co_await request(std::move(method), std::move(params), std::move(options));
    if (!reply) co_return reply.error();
    if (reply->refusal) co_return error_of(*reply);
    co_return json_value(std::move(reply->result));
}

Task<Result<Json>> Client::list(std::string method, std::string member) {
    Json all = Json::array();
    Json params = Json::object();
    for (int page = 0; page < max_pages; ++page) {
        auto result = co_await result_of(method, params);
        if (!result) co_return result.error();
        Json* items = find_member(*result, member);
        if (items != nullptr && items->is_array())
            for (auto& each : *items) all.push_back(std::move(each));
        // An empty cursor is one like any other.
        const Json* cursor = find_member(*result, "nextCursor");
        if (cursor == nullptr || !cursor->is_string()) co_return json_value(std::move(all));
        if (params.contains("cursor") && params["cursor"] == *cursor) break;
        params["cursor"] = *cursor;
    }
    co_return Error{ErrorCode::corrupt, fmt::format("the server's answers to {} do not end", method)};
}

Task<Result<Json>> Client::list_tools() { return list("tools/list", "tools"); }
Task<Result<Json>> Client::list_resources() { return list("resources/list", "resources"); }
Task<Result<Json>> Client::list_resource_templates() { return list("resources/templates/list", "resourceTemplates"); }
Task<Result<Json>> Client::list_prompts() { return list("prompts/list", "prompts"); }

Task<Result<Json>> Client::read_resource(std::string uri) {
    Json params = Json::object();
    params["uri"] = std::move(uri);
    return result_of("resources/read", std::move(params));
}

Task<Result<Json>> Client::get_prompt(std::string name, Json arguments) {
    Json params = Json::object();
    params["name"] = std::move(name);
    if (!arguments.is_null()) params["arguments"] = std::move(arguments);
    return result_of("prompts/get", std::move(params));
}

Task<Result<Json>> Client::complete(Json ref, Json argument) {
    Json params = Json::object();
    params["ref"] = std::move(ref);
    params["argument"] = std::move(argument);
    return result_of("completion/complete", std::move(params));
}

Task<Result<void>> Client::ping() {
    // The newest revision has no ping; what the server is it always says.
    const bool is_modern = conversation_->server().revision == modern_revision;
    auto result = co_await result_of(is_modern ? "server/discover" : "ping", Json::object());
    if (!result) co_return result.error();
    co_return Result<void>();
}

Task<Result<void>> Client::set_log_level(std::string level) {
    const auto conversation = conversation_;
    auto reply = co_await conversation->set_log_level(std::move(level));
    co_return outcome(reply);
}

Task<Result<void>> Client::subscribe(std::string uri) {
    const auto conversation = conversation_;
    auto reply = co_await conversation->subscribe(std::move(uri));
    co_return outcome(reply);
}

Task<Result<void>> Client::unsubscribe(std::string uri) {
    const auto conversation = conversation_;
    auto reply = co_await conversation->unsubscribe(std::move(uri));
    co_return outcome(reply);
}

Task<Result<void>> Client::listen(Json wanted) {
    const auto conversation = conversation_;
    auto reply = co_await conversation->listen(std::move(wanted));
    co_return outcome(reply);
}

Task<> Client::close() {
    const auto conversation = conversation_;
    const MonoTime until = conversation->clock().now() + farewell_patience;
    auto leaving = conversation->leave();
    auto limit = conversation->clock().sleep_until(until);
    co_await (std::move(leaving) || std::move(limit));
    conversation->abandon();
}

Json answer_with_defaults(const Json& params) {
    Json answer = Json::object();
    answer["action"] = "decline";
    if (!params.is_object() || params.value("mode", std::string("form")) != "form") return answer;
    const Json* schema = find_member(params, "requestedSchema");
    if (schema == nullptr || !schema->is_object()) return answer;
    Json content = Json::object();
    const Json* properties = find_member(*schema, "properties");
    if (properties != nullptr && properties->is_object())
        for (const auto& [name, property] : properties->items())
            if (property.is_object() && property.contains("default")) content[name] = property["default"];
    const Json* required = find_member(*schema, "required");
    if (required != nullptr && required->is_array())
        for (const auto& name : *required)
            if (name.is_string() && !content.contains(name.get_ref<const std::string&>())) return answer;
    answer["action"] = "accept";
    answer["content"] = std::move(content);
    return answer;
}

}  // namespace persistproc::mcp::client
