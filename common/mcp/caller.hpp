#pragma once
/// Who asks: what a client said of itself, once per session or (2026-07-28) with every request.
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "common/mcp/message.hpp"
#include "common/mcp/revision.hpp"

namespace persistproc::mcp {

/// Rising severity (RFC 5424).
enum class LogLevel : unsigned char { debug, info, notice, warning, error, critical, alert, emergency };
std::string_view log_level_name(LogLevel level) noexcept;
std::optional<LogLevel> find_log_level(std::string_view name) noexcept;

inline constexpr std::string_view tasks_extension = "io.modelcontextprotocol/tasks";

struct Caller {
    Revision revision = newest_session_revision;
    std::string name;  // "claude-code 2.1.3", fit to be shown; whatever the peer likes to say, "" when it said nothing
    Json capabilities = Json::object();
    std::optional<LogLevel> log_level;  // the least it wants to hear of; nothing: no log messages at all

    /// Whether it declared e.g. "sampling".
    bool declares(std::string_view capability) const;
    bool declares_extension(std::string_view extension) const;
};

/// From the params of a session's `initialize`.
Caller read_initialize(const Json& params);

/// Whether the params carry the claim of 2026-07-28: a `_meta` with the key of the protocol version.
bool has_envelope(const Json& params);
/// The claimed version; null when the claim is no string. Requires `has_envelope`.
const std::string* claimed_version(const Json& params);
/// Reads the envelope. The refusal has no id: claim ill-typed (-32602), version unknown (-32022), capabilities missing
/// (-32602). Requires `has_envelope`.
std::variant<Caller, RpcError> read_envelope(const Json& params);

/// -32021 for what the request's client did not declare, e.g. `{"sampling":{}}`.
RpcError missing_capability(Json required);

}  // namespace persistproc::mcp
