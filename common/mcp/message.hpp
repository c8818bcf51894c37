#pragma once
/// JSON-RPC 2.0 messages: what came in as a value, what goes out as text. Pure.
#include <string>
#include <string_view>
#include <variant>

#include "common/mcp/json_reader.hpp"

namespace persistproc::mcp {

namespace rpc {
inline constexpr int parse_error = -32700;
inline constexpr int invalid_request = -32600;
inline constexpr int method_not_found = -32601;
inline constexpr int invalid_params = -32602;
inline constexpr int internal_error = -32603;
inline constexpr int session_not_found = -32001;   // habit of the SDKs; clients go by the HTTP status
inline constexpr int resource_not_found = -32002;  // sessions only; later an invalid_params
// 2026-07-28:
inline constexpr int header_mismatch = -32020;
inline constexpr int missing_capability = -32021;
inline constexpr int unsupported_version = -32022;
// Ours: outside of what JSON-RPC and MCP keep for themselves.
inline constexpr int limit_reached = 429;
}  // namespace rpc

/// A notification for a bridge alone, which passes it on to nobody: `text` says what a call has done already.
inline constexpr std::string_view done_method = "notifications/persistproc/done";

enum class MessageKind { request, notification, response };

struct Message {
    MessageKind kind = MessageKind::notification;
    std::string id;         // as JSON text, ready to be echoed; empty for a notification
    std::string method;     // empty for a response
    Json params;            // null when absent; of a request whatever came; of a response its result, or its error
    bool is_error = false;  // of a response
};

/// A refusal of one message; `id` is JSON text, "null" where none could be read.
struct RpcError {
    int code = rpc::internal_error;
    std::string message;
    std::string id = "null";
    Json data = nullptr;
};

/// Reads one element of a body (not an array).
std::variant<Message, RpcError> read_message(Json value);

/// `id` of a message as JSON text; empty when it is neither a string nor an integer.
std::string id_text(const Json& id);
/// Of ids and progress tokens, which are kept as long as a call runs; longer ones are refused.
inline constexpr std::size_t most_id_bytes = 16u << 10;

/// Compact JSON text; bytes that are not UTF-8 become U+FFFD.
std::string json_text(const Json& json);
/// The same behind what `out` holds.
void append_json(std::string& out, const Json& json);

/// `"text"` with JSON escapes; bytes that are not UTF-8 become U+FFFD.
void append_quoted(std::string& out, std::string_view text);

/// {"code":…,"message":…} as JSON text.
std::string error_object(const RpcError& error);
std::string error_response(const RpcError& error);
/// `params` is the JSON text of an object, or empty for none.
std::string notification(std::string_view method, std::string_view params);
/// `result` is the JSON text of an object.
std::string result_response(std::string_view id, std::string_view result);

}  // namespace persistproc::mcp
