#include "common/mcp/client/client_session.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

namespace persistproc::mcp::client {

namespace {

constexpr std::chrono::milliseconds shortest_retry{10};
constexpr std::chrono::milliseconds longest_retry{60'000};
constexpr int max_doublings = 4;

}  // namespace

std::string ClientSession::headers() const {
    std::string out;
    if (revision) out += fmt::format("MCP-Protocol-Version: {}\r\n", revision_name(*revision));
    if (!id.empty()) out += fmt::format("Mcp-Session-Id: {}\r\n", id);
    return out;
}

void ClientSession::begin(std::string its_id, const Json& result) {
    const std::string* version = find_text(result, "protocolVersion");
    // Nothing but a name that is known goes into a header.
    revision = version == nullptr ? std::nullopt : find_session_revision(*version);
    id = std::move(its_id);
    ++generation;
}

void Track::see(const http::SseEvent& event) {
    ++events;
    if (!event.id.empty()) last_event = event.id;
    constexpr auto longest = static_cast<std::uint64_t>(longest_retry.count());
    if (event.retry_ms)
        retry = std::max(shortest_retry,
                         std::chrono::milliseconds(static_cast<std::int64_t>(std::min(*event.retry_ms, longest))));
}

std::chrono::nanoseconds Track::pause(int failures, std::chrono::nanoseconds longest) const {
    return std::min(retry * (1 << std::min(failures, max_doublings)), longest);
}

EventSink tracked(Track* track, std::function<bool(std::string)> take) {
    return [track, take = std::move(take)](http::SseEvent event) {
        track->see(event);
        return !event.data.empty() && take(std::move(event.data));
    };
}

std::string stream_request(const Endpoint& endpoint, const ClientSession& session, const Track& track) {
    std::string headers = "Accept: text/event-stream\r\n" + session.headers();
    if (!track.last_event.empty()) headers += fmt::format("Last-Event-ID: {}\r\n", track.last_event);
    return http_request(endpoint, "GET", headers, {});
}

Heard heard(const Result<Answer>& answer, Track& track) {
    if (!answer) return Heard::cut;
    if (answer->is_stream) return Heard::ended;
    if (answer->status == 404) return Heard::unknown_session;
    if (answer->status == 405) return Heard::not_offered;
    const bool was_resumed = !std::exchange(track.last_event, {}).empty();
    return was_resumed && answer->status == 400 ? Heard::ended : Heard::refused;
}

}  // namespace persistproc::mcp::client
