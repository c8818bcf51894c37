#pragma once
/// What a bridge must know of a message that it passes on as it is. Pure.
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace persistproc::cli::bridge {

enum class MessageKind { request, notification, response, batch, not_json, not_a_message };

struct ScannedMessage {
    MessageKind kind = MessageKind::not_json;
    std::string id;                      // JSON text, ready to be echoed; "null" when it has none that can be
    std::string method;                  // empty for all but requests and notifications
    bool is_modern = false;              // carries the envelope of 2026-07-28
    std::optional<std::string> version;  // in the envelope, where it is a string
    std::optional<std::string> name;     // what the header Mcp-Name repeats, for methods that have it
    std::string cancelled_id;            // of notifications/cancelled, as JSON text
    std::vector<std::string> batch_ids;  // of the requests in a batch
};

ScannedMessage scan_message(std::string_view text);

/// Whether it is a request that changes nothing, by the effects of the operation where it is a call: it may be asked
/// again.
bool only_reads(const ScannedMessage& message) noexcept;

/// The text of a call that waits, for one that has waited `passed` already: what is left of its time. Any other text as
/// it was.
std::string with_rest_of_time(const ScannedMessage& message, std::string text, std::chrono::nanoseconds passed);

}  // namespace persistproc::cli::bridge
