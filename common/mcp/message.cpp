#include "common/mcp/message.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "common/base/text.hpp"

namespace persistproc::mcp {

namespace {

/// RFC 8259, 7.
constexpr bool must_escape(char c) noexcept { return static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\'; }

/// Looked up, since each byte of an answer is.
bool may_need_escape(char c) noexcept {
    static constexpr auto known = [] {
        std::array<bool, 256> out{};
        for (unsigned i = 0; i < out.size(); ++i)
            out[i] = must_escape(static_cast<char>(i)) || base::may_need_json_escape(static_cast<char>(i));
        return out;
    }();
    return known[static_cast<unsigned char>(c)];
}

/// Of a character of that kind.
void append_escape(std::string& out, char c) {
    out += '\\';
    switch (c) {
        case '\n': out += 'n'; return;
        case '\t': out += 't'; return;
        case '\r': out += 'r'; return;
        case '\b': out += 'b'; return;
        case '\f': out += 'f'; return;
        case '"':
        case '\\': out += c; return;
        default: {
            constexpr std::string_view digits = "0123456789abcdef";
            out += "u00";
            out += digits[static_cast<unsigned char>(c) >> 4u];
            out += digits[static_cast<unsigned char>(c) & 15u];
        }
    }
}

}  // namespace

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

/// As the library's own dump writes it, which looks at each byte of a text several times.
void append_json(std::string& out, const Json& json) {
    using Type = Json::value_t;
    const auto append_number = [&out](const fmt::format_int& number) { out.append(number.data(), number.size()); };
    char before = '\0';
    switch (json.type()) {
        case Type::object:
            before = '{';
            for (const auto& [name, member] : json.get_ref<const Json::object_t&>()) {
                out += std::exchange(before, ',');
                append_quoted(out, name);
                out += ':';
                append_json(out, member);
            }
            if (before == '{') out += before;
            out += '}';
            return;
        case Type::array:
            before = '[';
            for (const Json& item : json.get_ref<const Json::array_t&>()) {
                out += std::exchange(before, ',');
                append_json(out, item);
            }
            if (before == '[') out += before;
            out += ']';
            return;
        case Type::string:
            if (!base::is_utf8(json.get_ref<const std::string&>())) break;
            return append_quoted(out, json.get_ref<const std::string&>());
        case Type::number_unsigned: return append_number(fmt::format_int(json.get<std::uint64_t>()));
        case Type::number_integer: return append_number(fmt::format_int(json.get<std::int64_t>()));
        default: break;
    }
    out += json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void append_quoted(std::string& out, std::string_view text) {
    // An answer of a mebibyte is mostly one text: a library's writer looks at each byte several times.
    if (!base::is_utf8(text)) return append_json(out, Json(text));
    out.reserve(out.size() + text.size() + text.size() / 16 + 2);
    out += '"';
    while (!text.empty()) {
        const auto special = std::find_if(text.begin(), text.end(), may_need_escape);
        const auto plain = static_cast<std::size_t>(special - text.begin());
        out.append(text.substr(0, plain));
        text.remove_prefix(plain);
        if (text.empty()) break;
        std::size_t taken = 1;
        if (must_escape(text.front()))
            append_escape(out, text.front());
        else if (taken = base::append_json_escape(out, text); taken == 0)
            out += text[taken++];
        text.remove_prefix(taken);
    }
    out += '"';
}

std::string error_object(const RpcError& error) {
    Json out{{"code", error.code}, {"message", error.message}};
    if (!error.data.is_null()) out["data"] = error.data;
    return json_text(out);
}

std::string error_response(const RpcError& error) {
    return R"({"jsonrpc":"2.0","id":)" + error.id + R"(,"error":)" + error_object(error) + '}';
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
    if (const Json* id = find_member(value, "id")) {
        message.id = id_text(*id);
        if (message.id.empty()) return refused("`id` must be a string or an integer");
        if (message.id.size() > most_id_bytes) {
            message.id.clear();
            return refused("`id` is longer than 16384 bytes");
        }
    }
    const std::string* version = find_text(value, "jsonrpc");
    if (version == nullptr || *version != "2.0") return refused(no_rpc);
    Json* method = find_member(value, "method");
    if (method == nullptr) {
        Json* result = find_member(value, "result");
        Json* error = find_member(value, "error");
        if ((result == nullptr) == (error == nullptr)) return refused(no_rpc);
        if (result != nullptr && !result->is_object()) return refused("`result` must be an object");
        message.kind = MessageKind::response;
        message.is_error = result == nullptr;
        message.params = std::move(message.is_error ? *error : *result);
        return message;
    }
    if (!method->is_string()) return refused("`method` must be a string");
    message.kind = message.id.empty() ? MessageKind::notification : MessageKind::request;
    message.method = std::move(method->get_ref<std::string&>());
    Json* params = find_member(value, "params");
    if (params != nullptr && (params->is_object() || message.kind == MessageKind::request))
        message.params = std::move(*params);
    dismantle(value);
    return message;
}

}  // namespace persistproc::mcp
