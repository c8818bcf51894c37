#include "cli/bridge/message_scan.hpp"

#include <algorithm>
#include <iterator>

#include "common/mcp/caller.hpp"
#include "common/mcp/http/header_value.hpp"
#include "common/mcp/message.hpp"
#include "common/ops/agent_operations.hpp"
#include "common/ops/wait_for_process.hpp"
#include "common/schema/codec.hpp"

namespace persistproc::cli::bridge {

namespace {

using mcp::find_member;
using mcp::find_text;
using mcp::Json;

/// What is too large is the receiver's to refuse, to whom it belongs; this bound keeps our stack.
constexpr mcp::JsonLimits limits{.depth = 500, .nodes = static_cast<std::size_t>(-1)};

std::string id_of(const Json* id) {
    const std::string text = id == nullptr ? std::string() : mcp::id_text(*id);
    return text.empty() ? "null" : text;
}

MessageKind kind_of(const Json& message) {
    const bool has_id = find_member(message, "id") != nullptr;
    if (find_text(message, "method") != nullptr) return has_id ? MessageKind::request : MessageKind::notification;
    const bool is_answer = find_member(message, "result") != nullptr || find_member(message, "error") != nullptr;
    return is_answer ? MessageKind::response : MessageKind::not_a_message;
}

}  // namespace

ScannedMessage scan_message(std::string_view text) {
    ScannedMessage out;
    const auto json = mcp::read_json(text, limits);
    if (!json) return out;
    if (json->is_array()) {
        out.kind = MessageKind::batch;
        for (const auto& each : *json)
            if (kind_of(each) == MessageKind::request) out.batch_ids.push_back(id_of(find_member(each, "id")));
        return out;
    }
    out.kind = kind_of(*json);
    out.id = id_of(find_member(*json, "id"));
    const std::string* method = find_text(*json, "method");
    if (method == nullptr) return out;
    out.method = *method;
    const Json* params = find_member(*json, "params");
    if (params == nullptr) return out;
    out.is_modern = mcp::has_envelope(*params);
    if (const std::string* version = out.is_modern ? mcp::claimed_version(*params) : nullptr) out.version = *version;
    const auto member = mcp::http::named_member(*method);
    if (const std::string* name = member.empty() ? nullptr : find_text(*params, member)) out.name = *name;
    const Json* cancelled = *method == "notifications/cancelled" ? find_member(*params, "requestId") : nullptr;
    if (cancelled != nullptr) out.cancelled_id = id_of(cancelled);
    return out;
}

bool only_reads(const ScannedMessage& message) noexcept {
    if (message.kind != MessageKind::request) return false;
    if (message.method == "tools/call") {
        const ops::Operation* const called = message.name ? ops::find_agent_operation(*message.name) : nullptr;
        return called != nullptr && called->effects.read_only;
    }
    constexpr std::string_view reading[] = {"ping",           "tools/list",         "resources/list",
                                            "prompts/list",   "prompts/get",        "resources/templates/list",
                                            "resources/read", "completion/complete"};
    return std::find(std::begin(reading), std::end(reading), message.method) != std::end(reading);
}

std::string with_rest_of_time(const ScannedMessage& message, std::string text, std::chrono::nanoseconds passed) {
    if (message.method != "tools/call" || message.name != ops::WaitRequest::operation.name) return text;
    auto json = mcp::read_json(text, limits);
    Json* const params = json ? mcp::find_member(*json, "params") : nullptr;
    Json* const arguments = params != nullptr ? mcp::find_member(*params, "arguments") : nullptr;
    if (arguments == nullptr || !arguments->is_object()) return text;
    const auto wait = schema::parse<ops::WaitRequest>(*arguments, schema::Audience::agent);
    // What is wrong the daemon says.
    if (!wait) return text;
    const double left = wait->timeout_seconds - std::chrono::duration<double>(passed).count();
    (*arguments)["timeout_seconds"] = std::max(left, 0.0);
    return mcp::json_text(*json);
}

}  // namespace persistproc::cli::bridge
