#include "tests/conformance/extra/param_headers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "common/base/text.hpp"
#include "common/mcp/http/access.hpp"
#include "common/mcp/http/header_value.hpp"

namespace persistproc::conformance {

namespace {

constexpr const char* mark = "x-mcp-header";
/// Integers beyond it are not told apart by a double.
constexpr double max_exact = 9007199254740992.0;

bool is_token(std::string_view text) {
    const auto fits = [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
               (c != '\0' && std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos);
    };
    return !text.empty() && std::all_of(text.begin(), text.end(), fits);
}

Error refused(const std::vector<std::string>& path, std::string_view why) {
    const std::string where = path.empty() ? std::string("the schema itself") : fmt::format("{}", fmt::join(path, "."));
    return Error{ErrorCode::invalid, base::escape_line(fmt::format("\"{}\" on {}: {}", mark, where, why))};
}

/// Finds the marks of a schema and of all schemas inside it. What is no schema (`default`, `enum`, `const`, examples,
/// the names of properties) may hold anything.
class Search {
public:
    Result<void> look(const Json& schema, bool is_reachable) {
        if (!schema.is_object()) return {};
        if (const Json* found = mcp::find_member(schema, mark))
            if (auto taken = take(schema, *found, is_reachable); !taken) return taken;
        for (const auto& [keyword, value] : schema.items()) {
            if (keyword == "properties") {
                if (auto seen = look_at_members(value, is_reachable); !seen) return seen;
            } else if (has(schema_maps, keyword)) {
                path_.push_back(keyword);
                if (auto seen = look_at_members(value, false); !seen) return seen;
                path_.pop_back();
            } else if (has(schemas, keyword)) {
                path_.push_back(keyword);
                if (auto seen = look_at_elements(value); !seen) return seen;
                path_.pop_back();
            }
        }
        return {};
    }

    std::vector<ParamHeader> marked;

private:
    static constexpr std::string_view schema_maps[] = {"patternProperties", "$defs", "definitions", "dependentSchemas",
                                                       "dependencies"};
    static constexpr std::string_view schemas[] = {"items",
                                                   "prefixItems",
                                                   "additionalItems",
                                                   "unevaluatedItems",
                                                   "contains",
                                                   "additionalProperties",
                                                   "unevaluatedProperties",
                                                   "propertyNames",
                                                   "contentSchema",
                                                   "not",
                                                   "if",
                                                   "then",
                                                   "else",
                                                   "allOf",
                                                   "anyOf",
                                                   "oneOf"};
    template <std::size_t N>
    static bool has(const std::string_view (&keywords)[N], std::string_view keyword) {
        return std::find(keywords, keywords + N, keyword) != keywords + N;
    }

    Result<void> look_at_members(const Json& members, bool is_reachable) {
        if (!members.is_object()) return {};
        for (const auto& [name, value] : members.items()) {
            path_.push_back(name);
            if (auto seen = look(value, is_reachable); !seen) return seen;
            path_.pop_back();
        }
        return {};
    }

    /// One schema or a list of them.
    Result<void> look_at_elements(const Json& value) {
        if (!value.is_array()) return look(value, false);
        for (const auto& each : value)
            if (auto seen = look(each, false); !seen) return seen;
        return {};
    }

    Result<void> take(const Json& schema, const Json& name, bool is_reachable) {
        if (!is_reachable || path_.empty())
            return refused(path_, "only arguments reached through `properties` have it");
        if (!name.is_string() || !is_token(name.get_ref<const std::string&>()))
            return refused(path_, "must name an HTTP header");
        const Json* type = mcp::find_member(schema, "type");
        if (type == nullptr || (*type != "string" && *type != "integer" && *type != "boolean"))
            return refused(path_, "only for type string, integer or boolean");
        const auto& text = name.get_ref<const std::string&>();
        for (const auto& each : marked)
            if (mcp::http::equals_ignoring_case(each.name, text))
                return refused(path_, fmt::format("\"{}\" is taken", text));
        marked.push_back(ParamHeader{text, path_});
        return {};
    }

    std::vector<std::string> path_;
};

/// Integers are compared as numbers: "07" is no number as JSON writes it, but means one.
bool says_the_same(const std::string& header, const std::string& body, bool is_number) {
    if (header == body) return true;
    if (!is_number) return false;
    std::int64_t said = 0, meant = 0;
    const auto all = [](const std::string& text, std::int64_t& value) {
        const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
        return failed == std::errc() && end == text.data() + text.size();
    };
    return all(header, said) && all(body, meant) && said == meant;
}

mcp::RpcError mismatch(std::string message, const mcp::Message& about) {
    return mcp::RpcError{mcp::rpc::header_mismatch, "Header mismatch: " + std::move(message), about.id, nullptr};
}

}  // namespace

Result<std::vector<ParamHeader>> find_param_headers(const Json& input_schema) {
    Search search;
    if (auto seen = search.look(input_schema, true); !seen) return seen.error();
    return std::move(search.marked);
}

const Json* find_argument(const Json& arguments, const std::vector<std::string>& path) {
    const Json* at = &arguments;
    for (const auto& name : path)
        if (at != nullptr) at = mcp::find_member(*at, name);
    return at == nullptr || at->is_null() ? nullptr : at;
}

std::optional<std::string> header_text(const Json& argument) {
    if (argument.is_string()) return argument.get<std::string>();
    if (argument.is_boolean()) return argument.get<bool>() ? "true" : "false";
    if (argument.is_number_integer()) return argument.dump();
    if (argument.is_number_float()) {
        const double value = argument.get<double>();
        if (std::trunc(value) == value && std::abs(value) <= max_exact)
            return std::to_string(static_cast<long long>(value));
    }
    return std::nullopt;
}

void HeaderChecks::add(const mcp::ToolDefinition& tool) {
    auto marked = find_param_headers(tool.input_schema);
    if (marked && !marked->empty()) marked_[tool.name] = std::move(*marked);
}

std::optional<mcp::RpcError> HeaderChecks::check(const mcp::Message& message,
                                                 const mcp::http::RequestReader& reader) const {
    if (message.method != "tools/call") return std::nullopt;
    const std::string* name = mcp::find_text(message.params, "name");
    const auto marked = name == nullptr ? marked_.end() : marked_.find(*name);
    if (marked == marked_.end()) return std::nullopt;
    const Json* arguments = mcp::find_member(message.params, "arguments");
    const Json none = Json::object();
    for (const auto& each : marked->second) {
        const std::string header = std::string(mcp::http::param_header_prefix) + each.name;
        const auto said = reader.find_header(header);
        const Json* argument = find_argument(arguments == nullptr ? none : *arguments, each.path);
        if (argument == nullptr) {
            if (said) return mismatch(header + " repeats nothing", message);
            continue;
        }
        const auto meant = header_text(*argument);
        // An argument of another type is the tool's to refuse.
        if (!meant) continue;
        if (!said) return mismatch(header + " is missing", message);
        const auto text = mcp::http::decode_header_value(*said);
        if (!text) return mismatch(header + " is not base64", message);
        if (!says_the_same(*text, *meant, argument->is_number()))
            return mismatch(header + " is not the body's", message);
    }
    return std::nullopt;
}

}  // namespace persistproc::conformance
