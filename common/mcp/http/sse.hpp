#pragma once
/// Server-sent events (WHATWG HTML, "Server-sent events"): writer and reader. Pure.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace persistproc::mcp::http {

struct SseEvent {
    std::string id;  // sticky while reading; when written, empty: no id
    std::string data;
    std::optional<std::uint64_t> retry_ms;
};

/// The bytes of one event. `data` may be empty (a priming event: an id alone) and must hold no line break.
std::string sse_text(const SseEvent& event);

/// What keeps a silent stream open.
inline constexpr std::string_view sse_comment = ": ka\n\n";

/// Takes a stream in pieces of any size; LF, CR and CRLF end lines; comments and unknown fields are skipped.
class SseReader {
public:
    explicit SseReader(std::size_t max_event_bytes = 64u << 20) : max_(max_event_bytes) {}
    /// Appends the events completed by `bytes`. False: an event is longer than the bound; the stream is unusable.
    bool feed(std::string_view bytes, std::vector<SseEvent>& events);

private:
    void line(std::vector<SseEvent>& events);

    std::size_t max_;
    std::string line_;
    SseEvent event_;
    bool has_data_ = false;
    bool has_field_ = false;
    bool after_cr_ = false;
    bool at_start_ = true;
};

}  // namespace persistproc::mcp::http
