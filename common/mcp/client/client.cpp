#include "common/mcp/client/client.hpp"

#include <fmt/format.h>

#include <boost/asio/experimental/awaitable_operators.hpp>

#include "common/mcp/client/legacy.hpp"

namespace persistproc::mcp::client {

namespace {

using boost::asio::experimental::awaitable_operators::operator||;

constexpr std::chrono::seconds farewell_patience{2};

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
    auto legacy = std::make_shared<LegacyConversation>(std::move(executor), std::move(endpoint), std::move(dial),
                                                       std::move(clock), std::move(options));
    auto client = std::make_unique<Client>(legacy);
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

Task<> Client::close() {
    const auto conversation = conversation_;
    const MonoTime until = conversation->clock().now() + farewell_patience;
    auto leaving = conversation->leave();
    auto limit = conversation->clock().sleep_until(until);
    co_await (std::move(leaving) || std::move(limit));
    conversation->abandon();
}

}  // namespace persistproc::mcp::client
