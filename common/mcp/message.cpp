#include "common/mcp/message.hpp"

#include <utility>

#include "common/base/text.hpp"

namespace persistproc::mcp {

std::string id_text(const Json& id) {
    std::string out;
    if (id.is_string()) append_quoted(out, id.get_ref<const std::string&>());
    if (id.is_number_integer()) append_json(out, id);
    return out;
}

std::string json_text(const Json& json) {
    std::string out;
    append_json(out, json);
    return out;
}

void append_json(std::string& out, const Json& json) {
    char separator = '\0';
    const auto separate = [&out, &separator](char first) {
        out += std::exchange(separator, ',') == '\0' ? first : ',';
    };
    switch (json.type()) {
        case Json::value_t::object:
            for (const auto& [name, value] : json.get_ref<const Json::object_t&>()) {
                separate('{');
                append_quoted(out, name);
                out += ':';
                append_json(out, value);
            }
            out += separator == '\0' ? "{}" : "}";
            break;
        case Json::value_t::array:
            for (const auto& value : json.get_ref<const Json::array_t&>()) {
                separate('[');
                append_json(out, value);
            }
            out += separator == '\0' ? "[]" : "]";
            break;
        case Json::value_t::string: append_quoted(out, json.get_ref<const std::string&>()); break;
        case Json::value_t::boolean: out += json.get<bool>() ? "true" : "false"; break;
        case Json::value_t::number_integer: out += std::to_string(json.get<std::int64_t>()); break;
        case Json::value_t::number_unsigned: out += std::to_string(json.get<std::uint64_t>()); break;
        case Json::value_t::null: out += "null"; break;
        // How a floating-point number is written best is the library's to know.
        default: out += json.dump();
    }
}

void append_quoted(std::string& out, std::string_view text) {
    if (!base::is_utf8(text)) {
        append_quoted(out, base::to_valid_utf8(text));
        return;
    }
    constexpr char hex[] = "0123456789abcdef";
    out.reserve(out.size() + text.size() + 2);
    out += '"';
    std::size_t plain = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto c = static_cast<unsigned char>(text[i]);
        if (c >= 0x20 && c != '"' && c != '\\') continue;
        out.append(text, plain, i - plain);
        plain = i + 1;
        switch (c) {
            case '"': out += "\\\""; break;
            case '\\': out += "\\\\"; break;
            case '\n': out += "\\n"; break;
            case '\r': out += "\\r"; break;
            case '\t': out += "\\t"; break;
            default:
                out += "\\u00";
                out += hex[c >> 4];
                out += hex[c & 15];
        }
    }
    out.append(text, plain, text.size() - plain);
    out += '"';
}

std::string error_response(const RpcError& error) {
    std::string out =
        R"({"jsonrpc":"2.0","id":)" + error.id + R"(,"error":{"code":)" + std::to_string(error.code) + R"(,"message":)";
    append_quoted(out, error.message);
    if (!error.data.is_null()) out += R"(,"data":)" + json_text(error.data);
    out += "}}";
    return out;
}

std::string notification(std::string_view method, std::string_view params) {
    std::string out = R"({"jsonrpc":"2.0","method":")";
    out += method;
    out += '"';
    if (!params.empty()) {
        out += R"(,"params":)";
        out += params;
    }
    out += '}';
    return out;
}

std::string result_response(std::string_view id, std::string_view result) {
    std::string out;
    out.reserve(id.size() + result.size() + 40);
    out += R"({"jsonrpc":"2.0","id":)";
    out += id;
    out += R"(,"result":)";
    out += result;
    out += '}';
    return out;
}

std::variant<Message, RpcError> read_message(Json value) {
    Message message;
    const auto refused = [&message](const char* why) {
        return RpcError{rpc::invalid_request, std::string("Invalid request: ") + why,
                        message.id.empty() ? "null" : message.id, nullptr};
    };
    constexpr const char* no_rpc = "not a JSON-RPC 2.0 message";
    if (!value.is_object()) return refused(no_rpc);
    const auto id = value.find("id");
    if (id != value.end()) {
        message.id = id_text(*id);
        if (message.id.empty()) return refused("`id` must be a string or an integer");
    }
    const auto version = value.find("jsonrpc");
    if (version == value.end() || !version->is_string() || version->get_ref<const std::string&>() != "2.0")
        return refused(no_rpc);
    const auto method = value.find("method");
    if (method == value.end()) {
        const auto result = value.find("result");
        const auto error = value.find("error");
        if ((result == value.end()) == (error == value.end())) return refused(no_rpc);
        if (result != value.end() && !result->is_object()) return refused("`result` must be an object");
        message.kind = MessageKind::response;
        message.is_error = result == value.end();
        message.params = std::move(message.is_error ? *error : *result);
        return message;
    }
    if (!method->is_string()) return refused("`method` must be a string");
    message.kind = message.id.empty() ? MessageKind::notification : MessageKind::request;
    message.method = std::move(method->get_ref<std::string&>());
    const auto params = value.find("params");
    if (params != value.end() && (params->is_object() || message.kind == MessageKind::request))
        message.params = std::move(*params);
    dismantle(value);
    return message;
}

}  // namespace persistproc::mcp
