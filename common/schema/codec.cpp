#include "common/schema/codec.hpp"

#include "common/base/text.hpp"

namespace persistproc::schema::detail {

std::string describe_json(const Json& value) {
    if (value.is_null()) return "null";
    if (value.is_boolean()) return value.get<bool>() ? "true" : "false";
    if (value.is_number()) return "number " + value.dump();
    if (value.is_array()) return "array";
    if (value.is_object()) return "object";
    std::string text = value.get<std::string>();
    const bool cut = text.size() > 60;
    if (cut) text.resize(60);
    return "string \"" + base::escape_line(base::to_valid_utf8(text)) + (cut ? "…\"" : "\"");
}

Error wrong_type(const std::string& path, std::string_view expected, const Json& got) {
    return Error{ErrorCode::invalid, fmt::format("{}: expected {}, got {}", path.empty() ? "arguments" : path, expected,
                                                 describe_json(got))};
}

void write_unknown(const Unknown& unknown, Json& into) {
    for (const auto& [name, text] : unknown.members) into[name] = Json::parse(text, nullptr, false);
}

Json write_bytes(const std::string& text) {
    return base::is_utf8(text) ? Json(text) : Json{{"bytes", base::bytes_to_text(text)}};
}

Result<std::string> read_bytes(const Json& json, const std::string& path) {
    if (json.is_string()) return json.get<std::string>();
    const auto bytes = json.is_object() ? json.find("bytes") : json.end();
    if (bytes == json.end() || !bytes->is_string()) return wrong_type(path, "string", json);
    auto text = base::text_to_bytes(bytes->get_ref<const std::string&>());
    if (!text) return wrong_type(path, "bytes", json);
    return std::move(*text);
}

std::string document_text(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

Result<Json> document_json(std::string_view text) {
    Json json = Json::parse(text, nullptr, false);
    if (!json.is_object()) return Error{ErrorCode::corrupt, "a document is no JSON object"};
    return {boost::system::in_place_value, std::move(json)};
}

void keep_unknown(const std::string& name, const Json& value, Unknown& into) {
    into.members.emplace_back(name, value.dump(-1, ' ', false, Json::error_handler_t::replace));
}

}  // namespace persistproc::schema::detail
