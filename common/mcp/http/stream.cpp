#include "common/mcp/http/stream.hpp"

#include <charconv>
#include <utility>

#include "common/mcp/http/sse.hpp"

namespace persistproc::mcp::http {

std::string to_string(const EventId& id) {
    return (id.kind == StreamKind::standing ? "g" : "s") + std::to_string(id.stream) + "-" +
           std::to_string(id.position);
}

std::optional<EventId> find_event_id(std::string_view text) noexcept {
    EventId out;
    if (!text.starts_with('s') && !text.starts_with('g')) return std::nullopt;
    if (text.front() == 'g') out.kind = StreamKind::standing;
    const char* const end = text.data() + text.size();
    const auto stream = std::from_chars(text.data() + 1, end, out.stream);
    if (stream.ec != std::errc() || stream.ptr == end || *stream.ptr != '-') return std::nullopt;
    const auto position = std::from_chars(stream.ptr + 1, end, out.position);
    if (position.ec != std::errc() || position.ptr != end) return std::nullopt;
    return out;
}

void Stream::attach(const std::shared_ptr<StreamSink>& sink) {
    if (const auto former = std::exchange(sink_, sink).lock(); former && former != sink) former->end_stream();
}

void Stream::push(std::string data, std::optional<std::uint64_t> retry_ms) {
    SseEvent event;
    event.id = to_string(EventId{number_, ++last_, kind_});
    event.data = std::move(data);
    event.retry_ms = retry_ms;
    Stored stored{last_, sse_text(event)};
    if (const auto sink = sink_.lock()) sink->send_event(stored.text);
    bytes_ += stored.text.size();
    stored_.push_back(std::move(stored));
    // The newest event stays whatever its size: it may be the response.
    while (stored_.size() > 1 && (stored_.size() > limits_.stored_events || bytes_ > limits_.stored_bytes)) {
        bytes_ -= stored_.front().text.size();
        stored_.pop_front();
    }
}

void Stream::end() {
    has_ended_ = true;
    if (const auto sink = std::exchange(sink_, {}).lock()) sink->end_stream();
}

void Stream::detach(const StreamSink* sink) {
    if (const auto now = sink_.lock(); now.get() == sink) sink_.reset();
}

void Stream::let_carrier_go() {
    if (const auto sink = std::exchange(sink_, {}).lock()) sink->end_stream();
}

bool Stream::can_resume(std::uint64_t position) const noexcept {
    if (position > last_) return false;
    return position == last_ || (!stored_.empty() && stored_.front().position <= position + 1);
}

void Stream::resume(std::uint64_t position, const std::shared_ptr<StreamSink>& sink) {
    attach(sink);
    for (const auto& each : stored_)
        if (each.position > position) sink->send_event(each.text);
    if (has_ended_) end();
}

}  // namespace persistproc::mcp::http
