#pragma once
/// Joins recorded pieces into the lines of one view. Pure. For the other sources of this folder alone.
///
/// A view of one stream sees that stream's pieces alone, so a line that the other stream interrupted is whole again.
/// The combined view sees every byte in recorded order; an interrupted line ends at the separator and its rest is a
/// line of its own. No line holds bytes of two streams, two runs, or both sides of a gap.
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "common/logstore/segment.hpp"

namespace persistproc::logstore {

/// Whether a run prints nothing more after it.
inline bool is_end(Event event) noexcept {
    return event == Event::exited || event == Event::killed || event == Event::exec_failed ||
           event == Event::output_closed;
}
/// Whether output is missing where it stands.
inline bool is_loss(Event event, std::int64_t value) noexcept {
    return event == Event::removed || (event == Event::taken_over && value > 0);
}

/// One line of a view; `text` lives until the sink returns.
struct LineView {
    std::string_view text;  // without its '\n'
    Stream stream = Stream::none;
    std::uint32_t run = 0;
    std::int64_t wall_ns = 0;
    std::uint64_t position = 0;  // of its first byte
    std::uint64_t end = 0;       // after its last byte, '\n' included
    std::uint64_t resumed = 0;   // where its last piece begins, if the other stream has interrupted it; else `position`
    bool complete = true;
    bool begins = true;    // false: it goes on with the part before it
    bool goes_on = false;  // the part that follows is of the same line
};

class LineAssembler {
public:
    /// Longer lines are given in parts of `max_line_bytes`, all but the last one with `complete` false.
    LineAssembler(StreamChoice choice, std::size_t max_line_bytes) : choice_(choice), max_line_bytes_(max_line_bytes) {}

    /// Bytes of a record, or the rest of them from `position` on. `sink(const LineView&)` returns false to stop; then
    /// feed returns false and the assembler must not be used again.
    template <class Sink>
    bool feed(const IndexRecord& record, std::string_view bytes, std::uint64_t position, Sink&& sink) {
        if ((record.flags & gap) != 0) return flush(sink);
        if (!belongs(record, choice_) || bytes.empty()) return true;
        if ((record.flags & separator) != 0) {
            // The line may have been given already: its run ended within it.
            if (!open_) {
                is_within_ = false;
                return true;
            }
            open_line_.end = position + bytes.size();
            open_line_.complete = true;
            return give_open(sink);
        }
        if (open_ && (open_line_.run != record.run || open_line_.stream != record.stream))
            if (!flush(sink)) return false;
        if (is_within_ && !is_within(record)) is_within_ = false;
        if (open_ && position != open_line_.end) open_line_.resumed = position;
        LineView line{.stream = record.stream, .run = record.run, .wall_ns = record.wall_ns};
        while (!bytes.empty()) {
            const std::size_t room = max_line_bytes_ - (open_ ? carried_.size() : 0);
            const void* newline = std::memchr(bytes.data(), '\n', bytes.size());
            const std::size_t length = newline == nullptr
                                           ? bytes.size()
                                           : static_cast<std::size_t>(static_cast<const char*>(newline) - bytes.data());
            if (length > room) {
                if (!part(record, bytes.substr(0, room), position, sink)) return false;
                bytes.remove_prefix(room);
                position += room;
                continue;
            }
            if (newline == nullptr) {
                begin_open(record, position);
                carried_ += bytes;
                open_line_.end = position + bytes.size();
                return true;
            }
            if (open_) {
                carried_ += bytes.substr(0, length);
                open_line_.end = position + length + 1;
                open_line_.complete = true;
                if (!give_open(sink)) return false;
            } else {
                line.text = bytes.substr(0, length);
                line.position = line.resumed = position;
                line.end = position + length + 1;
                line.begins = !std::exchange(is_within_, false);
                if (!sink(static_cast<const LineView&>(line))) return false;
            }
            bytes.remove_prefix(length + 1);
            position += length + 1;
        }
        return true;
    }

    /// Gives the unfinished line, if there is one.
    template <class Sink>
    bool flush(Sink&& sink) {
        is_within_ = false;
        return !open_ || give_open(sink);
    }

    /// Forgets the unfinished line.
    void drop() { open_ = is_within_ = false; }

    /// As if the beginning of a line had been fed: `text` from `line.position` on, until `line.end`.
    void resume(const LineView& line) {
        open_ = true;
        carried_ = line.text;
        open_line_ = line;
        open_line_.complete = false;
    }

    /// The next piece of the stream goes on with a line of which a part was given before.
    void begin_within(Stream stream, std::uint32_t run) {
        is_within_ = true;
        open_line_.stream = stream;
        open_line_.run = run;
    }
    /// Whether that has not come yet.
    bool is_within() const noexcept { return is_within_; }
    bool is_within(const IndexRecord& record) const noexcept {
        return is_within_ && open_line_.run == record.run && open_line_.stream == record.stream;
    }

    /// The unfinished line began here.
    bool has_open_line() const noexcept { return open_; }
    const LineView& open_line() const noexcept { return open_line_; }

private:
    void begin_open(const IndexRecord& record, std::uint64_t position) {
        if (open_) return;
        open_ = true;
        carried_.clear();
        open_line_ = LineView{.stream = record.stream,
                              .run = record.run,
                              .wall_ns = record.wall_ns,
                              .position = position,
                              .end = position,
                              .resumed = position,
                              .complete = false,
                              .begins = !std::exchange(is_within_, false)};
    }
    template <class Sink>
    bool part(const IndexRecord& record, std::string_view bytes, std::uint64_t position, Sink&& sink) {
        begin_open(record, position);
        carried_ += bytes;
        open_line_.end = position + bytes.size();
        open_line_.goes_on = true;
        is_within_ = true;
        return give_open(sink);
    }
    template <class Sink>
    bool give_open(Sink&& sink) {
        open_ = false;
        open_line_.text = carried_;
        return sink(static_cast<const LineView&>(open_line_));
    }

    StreamChoice choice_;
    std::size_t max_line_bytes_;
    std::string carried_;
    LineView open_line_;
    bool open_ = false, is_within_ = false;
};

}  // namespace persistproc::logstore
