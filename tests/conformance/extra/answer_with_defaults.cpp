#include "tests/conformance/extra/answer_with_defaults.hpp"

#include <nlohmann/json.hpp>

namespace persistproc::conformance {

using mcp::find_member;
using mcp::Json;

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

}  // namespace persistproc::conformance
