#include "common/mcp/caller.hpp"

#include <algorithm>
#include <array>

#include "common/base/text.hpp"

namespace persistproc::mcp {

namespace {

constexpr std::size_t max_name_bytes = 100;
constexpr std::array<std::string_view, 8> level_names{"debug", "info",     "notice", "warning",
                                                      "error", "critical", "alert",  "emergency"};
constexpr const char* version_key = "io.modelcontextprotocol/protocolVersion";
constexpr const char* capabilities_key = "io.modelcontextprotocol/clientCapabilities";
constexpr const char* info_key = "io.modelcontextprotocol/clientInfo";
constexpr const char* level_key = "io.modelcontextprotocol/logLevel";

std::string shown_text(const std::string& text) {
    return base::escape_invisible(base::to_valid_utf8(text.substr(0, max_name_bytes)));
}

std::string name_of(const Json* info) {
    std::string out;
    if (info == nullptr) return out;
    if (const std::string* name = find_text(*info, "name")) out = shown_text(*name);
    // A version alone names nobody, and blanks do not.
    if (!base::why_invisible(out).empty()) return {};
    if (const std::string* version = find_text(*info, "version")) out += ' ' + shown_text(*version);
    return out;
}

/// Bytes of texts and a rough share for each value, up to somewhat more than `most`.
std::size_t weigh(const Json& json, std::size_t most) {
    constexpr std::size_t each_value = 16;
    std::size_t out = each_value;
    if (json.is_string()) out += json.get_ref<const std::string&>().size();
    if (!json.is_structured()) return out;
    for (const auto& [name, value] : json.items()) {
        if (out > most) break;
        out += name.size() + weigh(value, most - std::min(out, most));
    }
    return out;
}

/// They are kept as long as the session is: what nobody here asks for, and what is large, is left out.
Json kept_capabilities(const Json& given) {
    constexpr std::size_t most_bytes = 4u << 10;  // of each
    Json out = Json::object();
    for (const char* name : {"sampling", "elicitation", "roots", "tasks", "extensions", "experimental"}) {
        const Json* found = find_member(given, name);
        if (found == nullptr) continue;
        if (weigh(*found, most_bytes) <= most_bytes)
            out[name] = *found;
        else
            out[name] = Json::object();
    }
    return out;
}

RpcError bad_envelope(std::string message) {
    return RpcError{rpc::invalid_params, std::move(message), "null", nullptr};
}

}  // namespace

std::string_view log_level_name(LogLevel level) noexcept { return level_names[static_cast<std::size_t>(level)]; }

std::optional<LogLevel> find_log_level(std::string_view name) noexcept {
    for (std::size_t each = 0; each < level_names.size(); ++each)
        if (level_names[each] == name) return static_cast<LogLevel>(each);
    return std::nullopt;
}

bool Caller::declares(std::string_view capability) const { return find_member(capabilities, capability) != nullptr; }

bool Caller::declares_extension(std::string_view extension) const {
    const Json* extensions = find_member(capabilities, "extensions");
    return extensions != nullptr && find_member(*extensions, extension) != nullptr;
}

Caller read_initialize(const Json& params) {
    Caller out;
    if (const std::string* version = find_text(params, "protocolVersion"))
        out.revision = find_session_revision(*version).value_or(newest_session_revision);
    out.name = name_of(find_member(params, "clientInfo"));
    if (const Json* capabilities = find_member(params, "capabilities");
        capabilities != nullptr && capabilities->is_object())
        out.capabilities = kept_capabilities(*capabilities);
    // The protocol leaves the level before `logging/setLevel` to the server.
    out.log_level = LogLevel::info;
    return out;
}

bool has_envelope(const Json& params) {
    const Json* meta = find_member(params, "_meta");
    return meta != nullptr && find_member(*meta, version_key) != nullptr;
}

const std::string* claimed_version(const Json& params) { return find_text(*find_member(params, "_meta"), version_key); }

std::variant<Caller, RpcError> read_envelope(const Json& params) {
    const Json& meta = *find_member(params, "_meta");
    const std::string* version = claimed_version(params);
    if (version == nullptr) return bad_envelope(std::string("Invalid params: `") + version_key + "` must be a string");
    if (*version != revision_name(modern_revision)) {
        RpcError refused{rpc::unsupported_version, "Unsupported protocol version", "null", nullptr};
        refused.data =
            Json{{"supported", Json::array({revision_name(modern_revision)})}, {"requested", base::excerpt(*version)}};
        return refused;
    }
    const Json* capabilities = find_member(meta, capabilities_key);
    if (capabilities == nullptr || !capabilities->is_object())
        return bad_envelope(std::string("Invalid params: `") + capabilities_key + "` must be an object");
    Caller out;
    out.revision = modern_revision;
    out.capabilities = kept_capabilities(*capabilities);
    out.name = name_of(find_member(meta, info_key));
    if (const std::string* level = find_text(meta, level_key)) out.log_level = find_log_level(*level);
    return out;
}

RpcError missing_capability(Json required) {
    RpcError out{rpc::missing_capability, "Missing required client capability", "null", nullptr};
    for (const auto& [name, value] : required.items()) out.message += ": " + base::escape_line(name);
    out.data = Json{{"requiredCapabilities", std::move(required)}};
    return out;
}

}  // namespace persistproc::mcp
