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

}  // namespace persistproc::schema::detail
