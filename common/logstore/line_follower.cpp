#include "common/logstore/line_follower.hpp"

#include <algorithm>
#include <utility>

#include "common/logstore/line_assembler.hpp"

namespace persistproc::logstore {

namespace {

/// A line without end must not fill the memory.
constexpr std::size_t longest_line_bytes = 1u << 20;

/// What an item is, for what is no output.
LogEntry note_of(const Follower::Item& item) {
    LogEntry out;
    out.line.stream = item.stream;
    out.line.run = item.run;
    out.line.wall_ns = item.wall_ns;
    out.line.position = item.position;
    out.line.value = item.value;
    if (item.event != Event::none) out.line.event = item.event;
    out.line.is_gap = (item.flags & gap) != 0 || item.evicted_bytes > 0;
    out.removed_bytes = item.evicted_bytes;
    return out;
}

}  // namespace

/// Pieces into entries.
class LineFollower::Lines {
public:
    Lines(StreamChoice choice, LineFilter filter)
        : choice_(choice),
          filter_(std::move(filter)),
          is_joined_(filter_.is_search() && choice == StreamChoice::combined),
          lines_(is_joined_ ? StreamChoice::out : choice, longest_line_bytes),
          err_lines_(StreamChoice::err, longest_line_bytes) {}

    void take(const Follower::Item& item, std::vector<LogEntry>& out) {
        if (item.bytes.empty()) return take_note(item, out);
        const IndexRecord record{.length = static_cast<std::uint32_t>(item.bytes.size()),
                                 .run = item.run,
                                 .wall_ns = item.wall_ns,
                                 .stream = item.stream,
                                 .flags = item.flags};
        const bool is_open = lines_.has_open_line() || err_lines_.has_open_line();
        if (!is_open && item.bytes.ends_with('\n') && belongs(record, choice_) && filter_.can_skip(item.bytes))
            return filter_.skip();
        // The line of another run is not gone on with.
        if (is_open && open_run() != item.run) flush(out);
        LineAssembler& lines = is_joined_ && item.stream == Stream::err ? err_lines_ : lines_;
        lines.feed(record, item.bytes, item.position, [&](const LineView& line) { return give(line, out); });
    }

    void flush(std::vector<LogEntry>& out) {
        const auto sink = [&](const LineView& line) { return give(line, out); };
        const bool is_err_first = lines_.has_open_line() && err_lines_.has_open_line() &&
                                  err_lines_.open_line().position < lines_.open_line().position;
        (is_err_first ? err_lines_ : lines_).flush(sink);
        (is_err_first ? lines_ : err_lines_).flush(sink);
    }

private:
    void take_note(const Follower::Item& item, std::vector<LogEntry>& out) {
        const bool is_shown = item.event == Event::none || item.event == Event::started || is_end(item.event) ||
                              item.event == Event::stopping || is_loss(item.event, item.value);
        if (!is_shown) return;
        // A run's last words come before the news of its end, and no line goes on behind what is missing. Nor is a line
        // that waits for a match moved behind these.
        if (item.event != Event::stopping) {
            flush(out);
            filter_.begin_anew();
        }
        if (item.event != Event::output_closed) out.push_back(note_of(item));
    }

    bool give(const LineView& view, std::vector<LogEntry>& out) {
        Line line;
        line.text = view.text;
        line.stream = view.stream;
        line.run = view.run;
        line.wall_ns = view.wall_ns;
        line.position = view.position;
        line.complete = view.complete;
        const LineEnds ends{.begins = view.begins, .ends = !view.goes_on};
        filter_.take(std::move(line), ends, [&](Line shown, bool is_after) {
            out.push_back(LogEntry{.line = std::move(shown), .is_after = is_after});
        });
        return true;
    }

    std::uint32_t open_run() const {
        return lines_.has_open_line() ? lines_.open_line().run : err_lines_.open_line().run;
    }

    StreamChoice choice_;
    LineFilter filter_;
    bool is_joined_;  // a search sees the lines of each stream whole
    LineAssembler lines_, err_lines_;
};

LineFollower::LineFollower(std::filesystem::path log_directory, StreamChoice choice, LineFilter filter,
                           std::uint64_t begin)
    : follower_(std::move(log_directory), begin), lines_(std::make_unique<Lines>(choice, std::move(filter))) {}
LineFollower::~LineFollower() = default;

void LineFollower::stop_at(std::uint64_t end, bool is_final) {
    end_ = end;
    is_final_ = is_final;
}

void LineFollower::go_on() { end_.reset(); }

Result<EntrySource::Reading> LineFollower::read_more(std::size_t max_bytes) {
    Reading out;
    if (held_.empty()) {
        auto items = follower_.read_more(max_bytes);
        if (!items) return items.error();
        for (auto& each : *items) held_.push_back(std::move(each));
    }
    out.more = !held_.empty();
    while (!held_.empty()) {
        Follower::Item& item = held_.front();
        if (end_ && item.position >= *end_ && !(item.bytes.empty() && item.position == *end_)) break;
        if (end_ && item.position + item.bytes.size() > *end_) {
            // The rest comes when it goes on.
            const std::size_t here = *end_ - item.position;
            Follower::Item part = item;
            part.bytes.resize(here);
            lines_->take(part, out.entries);
            item.bytes.erase(0, here);
            item.position = *end_;
            break;
        }
        lines_->take(item, out.entries);
        held_.pop_front();
    }
    const bool is_at_end = end_ && (!held_.empty() || !out.more);
    if (!held_.empty()) out.more = false;
    if (is_at_end && is_final_) lines_->flush(out.entries);
    return out;
}

}  // namespace persistproc::logstore
