#include "common/schema/json.hpp"

#include <algorithm>

template class nlohmann::basic_json<nlohmann::ordered_map>;

namespace persistproc::schema {

namespace {

/// How deep brackets stand in each other. Of what is no JSON anything.
std::size_t depth_of(std::string_view text) {
    std::size_t depth = 0, deepest = 0;
    bool in_string = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (in_string && c == '\\')
            ++i;
        else if (c == '"')
            in_string = !in_string;
        else if (!in_string && (c == '[' || c == '{'))
            deepest = std::max(deepest, ++depth);
        else if (!in_string && (c == ']' || c == '}') && depth > 0)
            --depth;
    }
    return deepest;
}

}  // namespace

Json parse_json(std::string_view text) {
    constexpr std::size_t deepest = 256;
    if (depth_of(text) > deepest) return Json(Json::value_t::discarded);
    return Json::parse(text, nullptr, false);
}

}  // namespace persistproc::schema
