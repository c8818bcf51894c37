#include "common/mcp/http/sse.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace persistproc::mcp::http {

std::string sse_text(const SseEvent& event) {
    std::string out;
    out.reserve(event.data.size() + event.id.size() + 48);
    if (!event.id.empty()) out += "id: " + event.id + "\n";
    if (event.retry_ms) out += "retry: " + std::to_string(*event.retry_ms) + "\n";
    if (!event.data.empty()) out += "event: message\n";
    out += "data: ";
    out += event.data;
    out += "\n\n";
    return out;
}

bool SseReader::feed(std::string_view bytes, std::vector<SseEvent>& events) {
    while (!bytes.empty()) {
        if (after_cr_ && bytes.front() == '\n') {
            after_cr_ = false;
            bytes.remove_prefix(1);
            continue;
        }
        after_cr_ = false;
        const auto end = bytes.find_first_of("\r\n");
        line_.append(bytes.substr(0, end));
        if (line_.size() + event_.data.size() > max_) return false;
        if (end == std::string_view::npos) return true;
        after_cr_ = bytes[end] == '\r';
        bytes.remove_prefix(end + 1);
        line(events);
        line_.clear();
    }
    return true;
}

void SseReader::line(std::vector<SseEvent>& events) {
    if (std::exchange(at_start_, false) && line_.starts_with("\xEF\xBB\xBF")) line_.erase(0, 3);
    if (line_.empty()) {
        if (has_field_) {
            // The standard drops events without data; an id alone still matters to whoever resumes.
            SseEvent next;
            next.id = event_.id;
            events.push_back(std::exchange(event_, std::move(next)));
        }
        has_data_ = has_field_ = false;
        return;
    }
    const std::string_view text = line_;
    const auto colon = text.find(':');
    if (colon == 0) return;
    const auto name = text.substr(0, colon);
    auto value = colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);
    if (value.starts_with(' ')) value.remove_prefix(1);
    if (name == "data") {
        if (has_data_) event_.data += '\n';
        event_.data += value;
        has_data_ = has_field_ = true;
    } else if (name == "id" && value.find('\0') == std::string_view::npos) {
        event_.id = value;
        has_field_ = true;
    } else if (name == "retry" && !value.empty() &&
               std::all_of(value.begin(), value.end(), [](char c) { return c >= '0' && c <= '9'; })) {
        std::uint64_t ms = 0;
        if (std::from_chars(value.data(), value.data() + value.size(), ms).ec == std::errc()) event_.retry_ms = ms;
        has_field_ = true;
    }
}

}  // namespace persistproc::mcp::http
