#include "common/logstore/reader.hpp"

#include <algorithm>
#include <array>
#include <deque>
#include <utility>

#include "common/logstore/line_assembler.hpp"
#include "common/logstore/search.hpp"
#include "common/logstore/snapshot.hpp"

namespace persistproc::logstore {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t batch_bytes = 256u << 10;
constexpr std::size_t batches_in_text = 4;  // of the longest text that one look may take
constexpr std::size_t no_pattern = batches_in_text * batch_bytes;
constexpr unsigned steps_between_looks = 16;
constexpr std::size_t bytes_between_looks = 64u << 10;
// How far before its beginning a search looks for the beginning of a line that the other stream interrupted.
constexpr std::uint64_t most_records_between = 512;
constexpr std::size_t most_bytes_across = 4u << 10;  // of a match that lies in two parts of a very long line
constexpr std::size_t most_resumed_bytes = 64u << 10;
// Of a line that may be passed over: others have room beside it.
constexpr std::size_t most_part_bytes = 8u << 10;
// Of a line that is not given whole: what is read of it on a page that goes on behind it, and how little of what its
// middle takes counts where the last lines are looked for.
constexpr std::uint64_t most_read_of_line = 4u << 20;
constexpr std::uint64_t middle_counts_as = 16;
constexpr std::uint64_t most_records_of_front = 256;
// How far back the beginning of a very long line is looked for.
constexpr std::uint64_t most_records_of_line = 1u << 14;
// Of a search from the end: what is looked at first, and how much more each time that is not enough.
constexpr std::uint64_t first_window = 256u << 10, least_window = 16u << 10;
constexpr std::uint64_t window_growth = 8;

/// What a query asks for, before its lines are looked at.
struct Range {
    Place begin, end;
    std::uint64_t begin_position = 0;         // may be inside the record at `begin`
    std::uint64_t end_position = UINT64_MAX;  // may be inside the record before `end`
    std::uint64_t evicted_bytes = 0;
    bool to_log_end = true;
};

std::optional<bool> is_before_time(const IndexRecord& record, std::int64_t wall_ns) {
    if (record.wall_ns == 0) return std::nullopt;
    return record.wall_ns < wall_ns;
}

Result<Range> find_range(Snapshot& log, const LineQuery& query) {
    Range range;
    range.end = log.end();
    range.begin_position = log.oldest_position();
    bool from_oldest = true;
    const auto begin_at = [&](Place place) -> Result<void> {
        if (place <= range.begin) return {};
        auto position = log.position_at(place);
        if (!position) return position.error();
        range.begin = place;
        range.begin_position = *position;
        from_oldest = false;
        return {};
    };
    const auto end_at = [&](Place place) {
        if (place >= range.end) return;
        range.end = place;
        range.to_log_end = false;
    };

    if (query.run) {
        const std::uint32_t run = *query.run;
        auto first =
            log.find([run](const Segment&, const IndexRecord& r) -> std::optional<bool> { return r.run < run; });
        if (!first) return first.error();
        auto after =
            log.find([run](const Segment&, const IndexRecord& r) -> std::optional<bool> { return r.run <= run; });
        if (!after) return after.error();
        if (auto done = begin_at(*first); !done) return done.error();
        end_at(*after);
    }
    if (query.since_ns) {
        const std::int64_t since = *query.since_ns;
        auto first = log.find([since](const Segment&, const IndexRecord& r) { return is_before_time(r, since); });
        if (!first) return first.error();
        if (auto done = begin_at(*first); !done) return done.error();
    }
    if (query.until_ns) {
        const std::int64_t until = *query.until_ns;
        auto after = log.find([until](const Segment&, const IndexRecord& r) { return is_before_time(r, until + 1); });
        if (!after) return after.error();
        end_at(*after);
    }
    if (query.from) {
        if (*query.from < log.oldest_position()) {
            if (from_oldest) range.evicted_bytes = log.oldest_position() - *query.from;
        } else {
            auto place = log.find_position(*query.from);
            if (!place) return place.error();
            if (auto done = begin_at(*place); !done) return done.error();
            range.begin_position = std::max(range.begin_position, std::min(*query.from, log.end_position()));
            from_oldest = false;
        }
    } else if (from_oldest) {
        range.evicted_bytes = log.oldest_position();
    }
    if (query.to && *query.to < log.end_position()) {
        auto place = log.find_position(*query.to);
        if (!place) return place.error();
        auto position = log.position_at(*place);
        if (!position) return position.error();
        // It may stand within that record.
        if (*position < *query.to) {
            auto in = log.segment(place->segment);
            if (!in) return in.error();
            const bool is_past = *in == nullptr || place->record >= (*in)->count();
            *place = is_past ? Place{place->segment + 1, 1} : Place{place->segment, place->record + 1};
        }
        range.end_position = *query.to;
        range.to_log_end = false;
        end_at(*place);
    }
    if (range.end < range.begin) range.end = range.begin;
    range.end_position = std::max(range.end_position, range.begin_position);
    return range;
}

/// Calls `visit(segment, record)` for the good records of a range until it returns false; `Result<bool>` each. Damaged
/// records and missing segments are left to the positions of what follows.
template <class Visit>
Result<void> for_each_record(Snapshot& log, Place from, Place to, Visit visit) {
    for (; from < to; ++from.segment, from.record = 0) {
        if (from.segment >= log.segment_count()) break;
        auto in = log.segment(from.segment);
        if (!in) return in.error();
        if (*in == nullptr) continue;
        const std::uint64_t stop = from.segment == to.segment ? to.record : (*in)->count();
        for (; from.record < stop; ++from.record) {
            auto record = (*in)->record(from.record);
            if (!record) return record.error();
            if (!*record) continue;
            Result<bool> more = visit(**in, **record, from);
            if (!more) return more.error();
            if (!*more) return {};
        }
    }
    return {};
}

struct WalkedBack {
    Place start;                 // a record of the range
    std::uint64_t newlines = 0;  // of the view, from `start` to the range's end
    std::uint64_t bytes = 0;
    bool ends_open = false;  // the last line of the view has no '\n'
    bool reached = false;    // as many newlines as wanted
};

/// From the range's end towards its begin until `newlines` are behind (one more where the last line is closed), or
/// `max_bytes` were passed; of what holds no newline a part only counts, one of `middle`.
Result<WalkedBack> walk_back(Snapshot& log, const Range& range, StreamChoice choice, std::uint64_t newlines,
                             std::uint64_t max_bytes, std::uint64_t middle = 1) {
    WalkedBack walked{.start = range.end};
    bool seen_output = false;
    Place at = range.end;
    while (at > range.begin) {
        if (at.record == 0) {
            --at.segment;
            auto in = log.segment(at.segment);
            if (!in) return in.error();
            if (*in == nullptr) break;  // taken by the bound: nothing older is there either
            at.record = (*in)->count();
            continue;
        }
        auto in = log.segment(at.segment);
        if (!in) return in.error();
        if (*in == nullptr) break;
        --at.record;
        auto record = (*in)->record(at.record);
        if (!record) return record.error();
        if (!*record || !belongs(**record, choice)) continue;
        const std::uint64_t begin = (*in)->position_of(**record);
        if (begin + (*record)->length <= range.begin_position) break;
        if (begin >= range.end_position) continue;
        const auto length = std::min<std::uint64_t>((*record)->length, range.end_position - begin);
        const bool is_cut = length < (*record)->length;
        std::uint64_t lines = lines_of(**record, choice);
        if (!seen_output) {
            seen_output = true;
            walked.ends_open = ((*record)->flags & (line_complete | separator)) == 0;
            if (is_cut || (walked.ends_open && ((*record)->flags & recovered) != 0)) {
                auto bytes = (*in)->data((*record)->offset, static_cast<std::uint32_t>(length));
                if (!bytes) return bytes.error();
                walked.ends_open = !bytes->ends_with('\n');
                if (is_cut) lines = static_cast<std::uint64_t>(std::count(bytes->begin(), bytes->end(), '\n'));
            }
        }
        walked.start = at;
        walked.newlines += lines;
        walked.bytes += lines == 0 ? length / middle : length;
        if (walked.newlines >= newlines + (walked.ends_open ? 0 : 1)) {
            walked.reached = true;
            return walked;
        }
        if (walked.bytes >= max_bytes) return walked;
    }
    walked.start = range.begin;
    return walked;
}

/// Position after the `nth` newline (from 1) of the record at `place`.
Result<std::uint64_t> position_after_newline(Snapshot& log, Place place, std::uint64_t nth) {
    auto in = log.segment(place.segment);
    if (!in) return in.error();
    auto record = (*in)->record(place.record);
    if (!record) return record.error();
    auto bytes = (*in)->data((*record)->offset, (*record)->length);
    if (!bytes) return bytes.error();
    std::size_t at = 0;
    while (nth-- > 0) {
        const std::size_t newline = bytes->find('\n', at);
        if (newline == std::string_view::npos) break;
        at = newline + 1;
    }
    return (*in)->position_of(**record) + at;
}

/// Whether they are parts of one line, which was too long.
bool goes_on(const Line& part, const Line& next) noexcept { return part.ordinal != 0 && part.ordinal == next.ordinal; }

bool continues_character(char c) noexcept { return (static_cast<unsigned char>(c) & 0xC0u) == 0x80u; }

/// Where a character begins, at `at` or up to three bytes before it.
std::size_t border_before(std::string_view text, std::size_t at) noexcept {
    std::size_t border = at;
    for (int inner = 0; inner < 3 && border > 0 && border < text.size() && continues_character(text[border]); ++inner)
        --border;
    return border < text.size() && continues_character(text[border]) ? at : border;
}

/// As much of its front as holds no part of a character alone.
std::size_t whole_characters(std::string_view text) noexcept {
    std::size_t lead = text.size();
    for (int back = 0; back < 4 && lead > 0; ++back) {
        const auto byte = static_cast<unsigned char>(text[--lead]);
        if (continues_character(text[lead])) continue;
        const std::size_t length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1;
        return lead + length > text.size() ? lead : text.size();
    }
    return text.size();
}

/// The bytes [begin, end) of its text are missing then.
void cut_out(Line& line, std::size_t begin, std::size_t end) {
    begin = border_before(line.text, begin);
    end = border_before(line.text, end);
    if (begin >= end) return;
    Hole hole{.at = begin, .bytes = end - begin};
    std::vector<Hole> holes;
    for (const Hole& each : line.holes) {
        if (each.at >= begin && each.at <= end)
            hole.bytes += each.bytes;
        else
            holes.push_back({each.at < begin ? each.at : each.at - (end - begin), each.bytes});
    }
    const auto behind = std::find_if(holes.begin(), holes.end(), [&](const Hole& each) { return each.at > begin; });
    holes.insert(behind, hole);
    line.holes = std::move(holes);
    line.text.erase(begin, end - begin);
}

/// What is left are both ends, and what stands around `match`.
void shorten(Line& line, std::size_t most, std::size_t match, std::size_t match_size) {
    const std::size_t size = line.text.size();
    if (size <= most) return;
    const std::size_t half = most / 2, quarter = most / 4;
    if (match + match_size <= half || match >= size - half) return cut_out(line, half, size - half);
    const std::size_t before = match_size < half ? (half - match_size) / 2 : 0;
    const std::size_t from = std::clamp(match - std::min(match, before), quarter, size - quarter);
    const std::size_t to = std::min(from + half, size - quarter);
    cut_out(line, to, size - quarter);
    cut_out(line, quarter, from);
}

/// Goes on with the next part of a line: what is left are its beginning and its end.
void append_part(Line& line, const Line& rest, std::size_t most) {
    const std::size_t head = line.holes.empty() ? most / 2 : line.holes.back().at;
    for (const Hole& each : rest.holes) line.holes.push_back({line.text.size() + each.at, each.bytes});
    line.text += rest.text;
    line.end = rest.end;
    line.is_open = rest.is_open;
    line.complete = rest.complete;
    if (line.text.size() <= most) return;
    const std::size_t tail = std::max(most - std::min(most, head), most / 4);
    cut_out(line, head, std::max(head, line.text.size() - tail));
}

/// Reads the lines of one query into a page.
class PageReader {
public:
    /// Longer lines are matched in parts.
    PageReader(Snapshot& log, const LineQuery& query, Range range, const LinePattern* pattern,
               const LinePattern* exclude, const ReadBudget& budget)
        : log_(log),
          query_(query),
          range_(range),
          budget_(budget),
          longest_text_(
              std::min(pattern ? pattern->longest_text() : no_pattern, exclude ? exclude->longest_text() : no_pattern)),
          batch_bytes_(std::min(batch_bytes, longest_text_ / batches_in_text)),
          is_joined_(pattern && query.stream == StreamChoice::combined),
          lines_(is_joined_ ? StreamChoice::out : query.stream,
                 pattern                  ? longest_text_
                 : query.longest_line > 0 ? std::clamp<std::size_t>(query.max_bytes, 1, most_part_bytes)
                                          : std::max<std::size_t>(query.max_bytes, 1)),
          err_lines_(StreamChoice::err, longest_text_),
          pattern_(pattern),
          exclude_(exclude) {}

    Result<LinePage> read() {
        if (query_.last > 0 && !pattern_ && !query_.count_only) {
            if (auto done = skip_to_last(); !done) return done.error();
        }
        next_ = range_.begin_position;
        position_ = range_.begin_position;
        const auto sink = [this](const LineView& line) { return take(line); };
        if (pattern_ != nullptr) {
            if (auto found = resume_lines(); !found) return found.error();
        }
        auto done = for_each_record(log_, range_.begin, range_.end,
                                    [&](Segment& segment, const IndexRecord& record, Place& at) -> Result<bool> {
                                        return visit(segment, record, at, sink);
                                    });
        if (!done) return done.error();
        if (page_.is_spent) {
            if (auto told = tell_spent(); !told) return told.error();
        }
        if (!stopped_) {
            is_finishing_ = true;
            if (auto ended = finish(sink); !ended) return ended.error();
        }
        if (!pattern_ && !kept_.empty()) {
            if (auto found = find_front(kept_.front()); !found) return found.error();
        }
        if (is_stopped_within_ && query_.longest_line > 0) {
            if (auto passed = pass_over(kept_.back()); !passed) return passed.error();
        }
        page_.next = next_;
        page_.more = stopped_;
        if (stopped_ && !page_.is_spent) page_.omitted_after = 1;
        for (auto& line : kept_) page_.lines.push_back(std::move(line));
        page_.evicted_bytes = query_.last > 0 && kept_.size() >= query_.last ? 0 : range_.evicted_bytes;
        return std::move(page_);
    }

private:
    LineAssembler& lines_of_stream(Stream stream) { return is_joined_ && stream == Stream::err ? err_lines_ : lines_; }
    bool has_open_line() const { return lines_.has_open_line() || err_lines_.has_open_line(); }
    /// Gives what is unfinished, in order.
    template <class Sink>
    bool flush(const Sink& sink) {
        const bool is_err_first = lines_.has_open_line() && err_lines_.has_open_line() &&
                                  err_lines_.open_line().position < lines_.open_line().position;
        LineAssembler& first = is_err_first ? err_lines_ : lines_;
        const bool goes_on = first.flush(sink) && (is_err_first ? lines_ : err_lines_).flush(sink);
        long_lines_ = {};
        return goes_on;
    }

    /// The beginning of a line of one stream that the other one had interrupted where the range begins.
    struct Resumed {
        bool is_known = false;
        std::string text;
        LineView line;

        LineView line_of() {
            line.text = text;
            line.resumed = line.position;
            return line;
        }
    };

    Result<void> resume_lines() {
        Resumed out, err;
        Place at = range_.begin;
        bool is_adjacent = true;  // to the range's begin: a line that goes on there was given as far as it went
        std::uint32_t run = 0;
        for (std::uint64_t looked = 0; looked < most_records_between && !(out.is_known && err.is_known); ++looked) {
            const bool is_in_range = looked == 0;  // the record in which the range begins
            if (!is_in_range && at.record == 0) {
                if (at.segment == 0) break;
                --at.segment;
            }
            auto in = log_.segment(at.segment);
            if (!in) return in.error();
            if (*in == nullptr) break;
            if (!is_in_range) at.record = (at.record == 0 ? (*in)->count() : at.record) - 1;
            if (at.record >= (*in)->count()) continue;
            auto record = (*in)->record(at.record);
            if (!record) return record.error();
            const bool begins_before = *record && (*in)->position_of(**record) < range_.begin_position;
            if (is_in_range && !begins_before) continue;
            if (!*record || ((*record)->flags & gap) != 0 || is_loss((*record)->event, (*record)->value)) break;
            if ((*record)->length == 0) continue;
            if (run != 0 && (*record)->run != run) break;
            run = (*record)->run;
            Resumed& one = (*record)->stream == Stream::err ? err : out;
            if (std::exchange(is_adjacent, false) && ((*record)->flags & separator) == 0) one.is_known = true;
            if (one.is_known || ((*record)->flags & separator) != 0) continue;
            if (auto done = resume(**in, **record, one); !done) return done;
        }
        if (query_.run && *query_.run != run) return {};
        if (!out.text.empty() && query_.stream != StreamChoice::err) lines_.resume(out.line_of());
        if (!err.text.empty() && query_.stream != StreamChoice::out) lines_of_stream(Stream::err).resume(err.line_of());
        return {};
    }

    /// Puts the end of `record` before what is known of the line.
    Result<void> resume(Segment& segment, const IndexRecord& record, Resumed& one) {
        one.is_known = (record.flags & line_complete) != 0;
        if (one.is_known) return {};
        auto bytes = segment.data(record.offset, record.length);
        one.is_known = !bytes || one.text.size() + bytes->size() > std::min(most_resumed_bytes, longest_text_ / 2);
        if (one.is_known) return {};
        const auto newline = bytes->rfind('\n');
        const std::size_t begin = newline == bytes->npos ? 0 : newline + 1;
        one.is_known = begin > 0;
        if (one.text.empty()) one.line.end = segment.position_of(record) + record.length;
        one.text.insert(0, bytes->substr(begin));
        one.line.stream = record.stream;
        one.line.run = record.run;
        one.line.wall_ns = record.wall_ns;
        one.line.position = segment.position_of(record) + begin;
        return {};
    }

    /// Moves the range's begin to the last lines asked for, or to a place behind which there is more than fits.
    Result<void> skip_to_last() {
        const std::uint64_t enough = static_cast<std::uint64_t>(query_.max_bytes) + batch_bytes;
        const auto middle = query_.longest_line > 0 ? middle_counts_as : 1;
        auto walked = walk_back(log_, range_, query_.stream, query_.last, enough, middle);
        if (!walked) return walked.error();
        if (walked->start <= range_.begin) return {};
        auto skipped = log_.count_lines(range_.begin, walked->start, query_.stream);
        if (!skipped) return skipped.error();
        page_.omitted_before += *skipped;
        auto position = log_.position_at(walked->start);
        if (!position) return position.error();
        range_.begin = walked->start;
        range_.begin_position = *position;
        return {};
    }

    /// A pattern that may need much time for little text.
    bool is_slow() const noexcept { return batch_bytes_ < batch_bytes; }

    /// Whether the budget is used up, now that `bytes` more are about to be, or were, looked at.
    bool is_spent(std::uint64_t bytes) {
        bytes_since_look_ += bytes;
        if (!is_slow() && ++steps_ % steps_between_looks != 0 && bytes_since_look_ < bytes_between_looks) return false;
        bytes_since_look_ = 0;
        return budget_.stop.stop_requested() || (budget_.is_over && budget_.is_over()) ||
               (budget_.until && std::chrono::steady_clock::now() >= *budget_.until);
    }
    bool is_read_enough(std::uint64_t bytes) {
        read_bytes_ += bytes;
        return read_bytes_ >= budget_.bytes || is_spent(bytes);
    }

    /// Nothing more is looked at from `position` on.
    bool end_spent(std::uint64_t position) {
        page_.is_spent = stopped_ = true;
        next_ = position;
        return false;
    }
    /// Between records: a line that is not whole yet belongs to the next page; if it is all there is of this one, it is
    /// read on.
    bool end_spent() {
        std::uint64_t begin = position_;
        for (const LineAssembler* each : {&lines_, &err_lines_})
            if (each->has_open_line()) begin = std::min(begin, whole_from(each->open_line(), position_));
        return begin <= range_.begin_position || end_spent(begin);
    }

    Result<void> tell_spent() {
        // Context that waits for its match is looked at again.
        if (!before_.empty() && before_.front().first.resumed > range_.begin_position)
            next_ = std::min(next_, before_.front().first.resumed);
        std::uint64_t end = log_.end_position();
        if (!range_.to_log_end) {
            auto position = log_.position_at(range_.end);
            if (!position) return position.error();
            end = *position;
        }
        end = std::min(end, range_.end_position);
        page_.unread_bytes = end - std::min(end, next_);
        if (page_.unread_bytes == 0) page_.is_spent = stopped_ = false;
        return {};
    }

    template <class Sink>
    Result<bool> visit(Segment& segment, const IndexRecord& record, Place& at, const Sink& sink) {
        const std::uint64_t begin = segment.position_of(record);
        if (begin > position_ && !miss(record, begin - position_, sink)) return false;
        position_ = std::max(position_, begin + record.length);
        if ((record.flags & gap) != 0) return miss(record, static_cast<std::uint64_t>(record.value), sink);
        if ((record.flags & event) != 0) {
            if (is_end(record.event)) ended_run_ = record.run;
            const bool is_loss = logstore::is_loss(record.event, record.value);
            // What a killed shim had in hand, or somebody removed, may have been the rest of a line.
            if (is_loss && !flush(sink)) return false;
            if ((query_.events || (query_.losses && is_loss)) && !pattern_) {
                // A run's last words come before the news of its end.
                if (is_end(record.event) || record.event == Event::started)
                    if (!flush(sink)) return false;
                return take_event(record, begin);
            }
            return true;
        }
        if (pattern_) {
            // What another run has not ended is not gone on with.
            if (open_line_run() != record.run && !flush(sink)) return false;
            const std::uint64_t before = position_;
            auto skipped = skip_batch(segment, at);
            if (!skipped) return skipped.error();
            if (*skipped) return is_read_enough(position_ - before) ? end_spent() : true;
        }
        if (!belongs(record, query_.stream)) return is_read_enough(record.length) ? end_spent() : true;
        auto bytes = segment.data(record.offset, record.length);
        // What the device does not give back is as lost as what it did not take.
        if (!bytes) return miss(record, record.length, sink);
        std::string_view rest = *bytes;
        std::uint64_t position = begin;
        if (position < range_.begin_position) {
            const std::uint64_t cut = std::min<std::uint64_t>(range_.begin_position - position, rest.size());
            rest.remove_prefix(cut);
            position += cut;
        }
        if (position >= range_.end_position) return true;
        rest = rest.substr(0, range_.end_position - position);
        if (!lines_of_stream(record.stream).feed(record, rest, position, sink)) return false;
        return is_read_enough(rest.size()) ? end_spent() : true;
    }

    /// Bytes that are not there: no line goes on behind them.
    template <class Sink>
    bool miss(const IndexRecord& record, std::uint64_t bytes, const Sink& sink) {
        if (!flush(sink)) return false;
        page_.lost_bytes += bytes;
        lost_before_ = (position_ == lost_at_ ? lost_before_ : 0) + bytes;
        lost_at_ = position_;
        if (!query_.losses || pattern_) return true;
        Line line;
        line.run = record.run;
        line.wall_ns = record.wall_ns;
        line.position = position_;
        line.matched = false;
        line.is_gap = true;
        line.value = static_cast<std::int64_t>(bytes);
        return keep(std::move(line), std::max(next_, position_));
    }

    /// Steps over a stretch of records in whose bytes nothing can match, all at once. `at` is left on the last one.
    Result<bool> skip_batch(Segment& segment, Place& at) {
        if (query_.context > 0 || query_.context_after.value_or(0) > 0 || has_open_line() || at < no_skip_before_)
            return false;
        const std::uint64_t stop = at.segment == range_.end.segment ? range_.end.record : segment.count();
        std::uint64_t last = at.record;  // after the last record that can be stepped over
        std::uint64_t offset = 0, bytes = 0, whole_bytes = 0;
        std::optional<IndexRecord> before;
        for (std::uint64_t i = at.record; i < stop; ++i) {
            auto record = segment.record(i);
            if (!record) return record.error();
            if (!*record || (*record)->length == 0 || ((*record)->flags & recovered) != 0) break;
            // A line was interrupted, and is looked at as a whole.
            if (is_joined_ && ((*record)->flags & separator) != 0) break;
            if (segment.position_of(**record) + (*record)->length > range_.end_position) break;
            if (!belongs(**record, query_.stream)) break;
            if (segment.position_of(**record) < range_.begin_position) break;
            if (before && (before->flags & (line_complete | separator)) == 0 &&
                (before->stream != (*record)->stream || before->run != (*record)->run))
                break;
            if (!before) offset = (*record)->offset;
            if ((*record)->offset != offset + bytes) break;
            if (bytes > 0 && bytes + (*record)->length > batch_bytes_) break;
            bytes += (*record)->length;
            before = **record;
            if (((*record)->flags & (line_complete | separator)) != 0) {
                last = i + 1;
                whole_bytes = bytes;
            }
        }
        no_skip_before_ = Place{at.segment, std::max(last, at.record + 1)};
        if (whole_bytes == 0) return false;
        auto text = segment.data(offset, whole_bytes);
        if (!text) return false;
        if (!is_plain(*text) || may_match_in(*text)) return false;
        position_ = std::max(position_, segment.first_position() + offset + whole_bytes);
        next_ = position_;
        at.record = last - 1;
        return true;
    }

    /// Whether lines are to be looked at one by one, since one of them may match or there is no time left.
    bool may_match_in(std::string_view lines) {
        while (lines.size() > batch_bytes_) {
            const std::size_t end = lines.rfind('\n', batch_bytes_ - 1);
            if (end == lines.npos || pattern_->may_match_in(lines.substr(0, end + 1)) || is_spent(end + 1)) return true;
            lines.remove_prefix(end + 1);
        }
        return pattern_->may_match_in(lines);
    }

    /// How much of the page's first line stands before it, and its beginning.
    Result<void> find_front(Line& front) {
        if (front.event || front.is_gap) return {};
        std::uint64_t begin = front.position;
        if (auto measured = measure_front(front, begin); !measured) return measured;
        const bool is_known = begin < front.position;
        if (query_.longest_line == 0 || query_.last == 0 || !is_known) return {};
        auto place = log_.find_position(begin);
        if (!place) return place.error();
        const std::size_t most = query_.longest_line / 2;
        std::string head;
        std::uint64_t looked = 0;
        const auto visit = [&](Segment& segment, const IndexRecord& record, Place&) -> Result<bool> {
            const std::uint64_t at = segment.position_of(record);
            if (at >= front.position || head.size() >= most || ++looked > most_records_of_front) return false;
            if (record.length == 0 || record.stream != front.stream || !belongs(record, query_.stream)) return true;
            auto bytes = segment.data(record.offset, record.length);
            if (!bytes) return false;
            const std::size_t skipped = begin > at ? static_cast<std::size_t>(begin - at) : 0;
            if (skipped >= bytes->size()) return true;
            const std::uint64_t length = std::min(at + record.length, front.position) - std::max(at, begin);
            head += bytes->substr(skipped, std::min<std::uint64_t>(length, most - head.size()));
            return true;
        };
        auto done = for_each_record(log_, *place, range_.end, visit);
        if (!done) return done.error();
        head.resize(whole_characters(head));
        const std::uint64_t missing = front.missing_before - std::min<std::uint64_t>(front.missing_before, head.size());
        for (Hole& each : front.holes) each.at += head.size();
        front.missing_before = 0;
        if (missing > 0) front.holes.insert(front.holes.begin(), {head.size(), missing});
        front.text.insert(0, head);
        if (front.text.size() > query_.longest_line) {
            const std::size_t tail = query_.longest_line - std::min(query_.longest_line, head.size());
            cut_out(front, head.size(), front.text.size() - tail);
        }
        return {};
    }
    /// `front_begin`: of the line; where it is not known, of what is there.
    Result<void> measure_front(Line& front, std::uint64_t& front_begin) {
        auto found = log_.find_position(front.position);
        if (!found) return found.error();
        std::uint64_t end = front.position;
        Place at = *found;
        for (std::uint64_t looked = 0; looked < most_records_of_line; ++looked) {
            auto in = log_.segment(at.segment);
            if (!in) return in.error();
            if (*in == nullptr) break;
            if (at.record < (*in)->count()) {
                auto record = (*in)->record(at.record);
                if (!record) return record.error();
                if (*record && belongs(**record, query_.stream)) {
                    const std::uint64_t begin = (*in)->position_of(**record);
                    const bool is_other = (*record)->run != front.run || (*record)->stream != front.stream;
                    if (begin < end && is_other) return {};
                    if (begin < end) {
                        auto length = std::min<std::uint64_t>((*record)->length, end - begin);
                        const bool has_begin = lines_of(**record, query_.stream) > 0;
                        if (has_begin) {
                            auto bytes = (*in)->data((*record)->offset, static_cast<std::size_t>(length));
                            if (!bytes) return {};
                            const auto newline = bytes->rfind('\n');
                            if (newline != std::string_view::npos) {
                                front.missing_before += length - newline - 1;
                                front_begin = begin + newline + 1;
                                return {};
                            }
                        }
                        front.missing_before += length;
                        front_begin = end = begin;
                    }
                } else if (*record && (((*record)->flags & gap) != 0 || is_loss((*record)->event, (*record)->value))) {
                    return {};
                }
            }
            if (at.record == 0) {
                if (at.segment == 0 && log_.oldest_position() == 0) return {};
                if (at.segment == 0) break;
                --at.segment;
                auto before = log_.segment(at.segment);
                if (!before) return before.error();
                if (*before == nullptr || (*before)->count() == 0) break;
                at.record = (*before)->count();
            }
            --at.record;
        }
        front_begin = front.position;
        return {};
    }

    /// Goes to the end of the page's last line.
    Result<void> pass_over(Line& last) {
        auto from = log_.find_position(last.end);
        if (!from) return from.error();
        std::uint64_t seen = next_;
        const auto visit = [&](Segment& segment, const IndexRecord& record, Place&) -> Result<bool> {
            const std::uint64_t begin = segment.position_of(record);
            const bool is_missing = begin > seen || (record.flags & gap) != 0 || is_loss(record.event, record.value);
            if (is_missing || (record.length > 0 && record.run != last.run)) return false;
            seen = std::max(seen, begin + record.length);
            if (!belongs(record, query_.stream) || begin + record.length <= next_) return true;
            if (record.stream != last.stream && (record.flags & separator) == 0) return false;
            const std::uint64_t skipped = next_ > begin ? next_ - begin : 0;
            std::uint64_t length = record.length - skipped;
            if (lines_of(record, query_.stream) > 0) {
                auto bytes = segment.data(record.offset, record.length);
                if (!bytes) return false;
                const auto newline = bytes->find('\n', skipped);
                last.complete = newline != std::string_view::npos;
                if (last.complete) length = newline - skipped;
            }
            last.missing_after += length;
            last.end = next_ = begin + skipped + length + (last.complete ? 1 : 0);
            return !last.complete;
        };
        const auto done = for_each_record(log_, *from, range_.end, visit);
        if (!done) return done.error();
        std::uint64_t end = log_.end_position();
        if (!range_.to_log_end) {
            auto position = log_.position_at(range_.end);
            if (!position) return position.error();
            end = std::min(*position, range_.end_position);
        }
        if (next_ >= end) stopped_ = false;
        return {};
    }

    /// Of each stream, a line that comes in parts.
    struct LongLine {
        std::uint64_t end = 0;  // of the part before; 0: that was all of it
        std::uint32_t run = 0;
        std::uint64_t ordinal = 0;
        std::uint64_t bytes = 0;             // of it until there
        std::uint64_t matched = UINT64_MAX;  // where the part begins that matched; none has
    };
    void note_part(const LineView& line, LongLine& of) {
        if (of.end == 0 || of.end != line.position || of.run != line.run) of = {.ordinal = ++ordinal_};
        of.bytes += line.text.size();
        of.end = line.complete ? 0 : line.end;
        of.run = line.run;
    }
    /// Whether a part before has matched: it is one match.
    bool is_told(const LineView& line, const LongLine& of) {
        if (of.matched == UINT64_MAX) return false;
        if (!kept_.empty() && kept_.back().position == of.matched) {
            if (query_.longest_line > 0) return join(make_line(line, true), line.end);
            kept_.back().missing_after += line.text.size();
            kept_.back().end = line.end;
            kept_.back().complete = false;
        }
        next_ = line.end;
        return true;
    }

    /// A line of the view. False: the page is full.
    bool take(const LineView& line) {
        // Nothing of it was printed since: the page before has given it.
        if (line.end <= range_.begin_position) return true;
        LongLine& whole = long_lines_[line.stream == Stream::err ? 1 : 0];
        note_part(line, whole);
        if ((pattern_ || query_.count_only) && is_told(line, whole)) return true;
        // A record may hold many lines, and each may take its time.
        if (pattern_ && !is_finishing_ && line.resumed > range_.begin_position && is_spent(line.text.size()))
            return end_spent(line.resumed);
        auto match = pattern_ ? pattern_->find_match(line.text) : line.text;
        if (pattern_ && !match && matches_across(line)) match = line.text;
        if (pattern_) remember_part(line, match.has_value());
        if (match && exclude_ && is_excluded(*exclude_, *match)) match.reset();
        if (match) whole.matched = line.position;
        if (query_.count_only) {
            page_.matches += match ? 1 : 0;
            next_ = line.end;
            return true;
        }
        if (!match) {
            const bool has_context = after_ > 0 || query_.context > 0;
            Line shown = has_context ? make_line(line, false) : Line{};
            // The parts of a long line are one of context.
            const bool is_rest = has_context && !kept_.empty() && !kept_.back().matched && goes_on(kept_.back(), shown);
            if (after_ > 0 || is_rest) {
                if (!is_rest) --after_;
                return keep(std::move(shown), line.end);
            }
            if (query_.context > 0) take_before(std::move(shown), line.end);
            next_ = line.end;
            return true;
        }
        while (!before_.empty()) {
            auto context = std::move(before_.front());
            before_.pop_front();
            if (!keep(std::move(context.first), context.second)) return false;
        }
        after_ = pattern_ ? query_.context_after.value_or(query_.context) : 0;
        const bool is_state = match->size() < line.text.size();
        // Too long to be given with what it was redrawn to.
        const std::size_t most_of_line = query_.longest_line > 0 ? query_.longest_line : query_.max_bytes;
        const bool is_state_alone = is_state && line.text.size() > most_of_line;
        LineView shown = line;
        if (is_state_alone) shown.text = *match;
        Line found = make_line(shown, true, place_of_match(shown.text));
        if (is_state_alone) {
            const auto before = static_cast<std::size_t>(match->data() - line.text.data());
            const std::size_t behind = line.text.size() - before - match->size();
            if (query_.longest_line == 0) {
                found.missing_before = before;
                found.missing_after += behind;
            } else {
                if (before > 0) found.holes.insert(found.holes.begin(), {0, before});
                if (behind > 0) found.holes.push_back({found.text.size(), behind});
            }
        }
        if (pattern_) found.missing_before += whole.bytes - line.text.size();
        if (is_state && !is_state_alone) {
            found.match_begin = static_cast<std::size_t>(match->data() - line.text.data());
            found.match_size = match->size();
        }
        if (!keep(std::move(found), line.end)) return false;
        ++page_.matches;
        return true;
    }

    /// Context that waits for a match.
    void take_before(Line line, std::uint64_t end) {
        if (query_.longest_line > 0 && !before_.empty() && goes_on(before_.back().first, line)) {
            append_part(before_.back().first, line, query_.longest_line);
            before_.back().second = end;
            return;
        }
        before_.emplace_back(std::move(line), end);
        if (before_.size() > query_.context) before_.pop_front();
    }

    /// Whether a match begins in the part before of a very long line, and ends in this one.
    bool matches_across(const LineView& line) const {
        if (part_.empty() || line.position != part_end_) return false;
        return !pattern_->matches(part_) && pattern_->matches(part_ + std::string(line.text.substr(0, part_bytes())));
    }
    void remember_part(const LineView& line, bool matched) {
        const bool is_part = !line.complete && !matched && !is_finishing_;
        part_end_ = line.end;
        part_ = is_part ? line.text.substr(line.text.size() - std::min(line.text.size(), part_bytes())) : "";
    }
    std::size_t part_bytes() const noexcept { return std::min(most_bytes_across, longest_text_ / 4); }

    bool take_event(const IndexRecord& record, std::uint64_t position) {
        Line line;
        line.stream = record.stream;
        line.run = record.run;
        line.wall_ns = record.wall_ns;
        line.position = position;
        line.event = record.event;
        line.value = record.value;
        line.matched = query_.events;
        return keep(std::move(line), std::max(next_, position));
    }

    /// Where in a line that is too long the pattern is found: begin and size. Escapes make it a guess.
    std::pair<std::size_t, std::size_t> place_of_match(std::string_view text) const {
        if (query_.longest_line == 0 || text.size() <= query_.longest_line || pattern_ == nullptr) return {0, 0};
        if (is_plain(text)) {
            const auto span = pattern_->find_span(text);
            if (!span) return {0, 0};
            return {static_cast<std::size_t>(span->data() - text.data()), span->size()};
        }
        const std::size_t window = std::max<std::size_t>(query_.longest_line / 2, 2);
        for (std::size_t at = 0; at < text.size(); at += window / 2)
            if (pattern_->matches(text.substr(at, window))) return {at, std::min(window, text.size() - at)};
        return {0, 0};
    }

    Line make_line(const LineView& view, bool matched, std::pair<std::size_t, std::size_t> match = {}) const {
        Line line;
        if (query_.longest_line > 0) {
            line.text = view.text;
            shorten(line, query_.longest_line, match.first, match.second);
        } else {
            line.text = view.text.substr(0, std::max<std::size_t>(query_.max_bytes, 1));
            line.missing_after = view.text.size() - line.text.size();
        }
        line.stream = view.stream;
        line.run = view.run;
        line.wall_ns = view.wall_ns;
        line.position = view.position;
        line.end = view.end;
        line.resumed = pattern_ != nullptr ? view.resumed : view.position;
        line.is_open = is_finishing_ && !view.complete && !is_final(view);
        line.complete = view.complete && line.missing_after == 0;
        line.matched = matched;
        line.ordinal = long_lines_[view.stream == Stream::err ? 1 : 0].ordinal;
        return line;
    }

    /// Of a line that comes in parts, its beginning and its end.
    bool join(const Line& rest, std::uint64_t end) {
        Line& line = kept_.back();
        bytes_ -= counted(line);
        append_part(line, rest, query_.longest_line);
        bytes_ += counted(line);
        next_ = end;
        if (query_.last > 0) drop_what_does_not_fit();
        if (pattern_ || query_.last > 0 || line.complete || next_ - line.position < most_read_of_line) return true;
        stopped_ = is_stopped_within_ = true;
        return false;
    }
    /// Bytes of it that count for the page.
    std::uint64_t counted(const Line& line) const { return std::min(line.text.size(), query_.counted_line) + 1; }
    void drop_what_does_not_fit() {
        while (kept_.size() > 1 && (matched_ > query_.last || bytes_ > query_.max_bytes)) drop_oldest();
        // Context before a match that was dropped goes with it.
        while (kept_.size() > 1 && dropped_match_ && !kept_.front().matched) drop_oldest();
    }

    bool keep(Line line, std::uint64_t end) {
        const bool is_rest = !kept_.empty() && goes_on(kept_.back(), line);
        if (is_rest && query_.longest_line > 0 && line.matched == kept_.back().matched) return join(line, end);
        const bool matched = line.matched && !is_rest;
        if (query_.last == 0) {
            const bool full = (query_.first > 0 && matched && matched_ >= query_.first) ||
                              (!kept_.empty() && bytes_ + counted(line) > query_.max_bytes);
            if (full) {
                stopped_ = true;
                is_stopped_within_ = is_rest;
                // The next page begins with this line, and with what is missing before it.
                next_ = std::max(next_, line.resumed);
                while (kept_.size() > 1 && (kept_.back().is_gap || kept_.back().event) &&
                       kept_.back().position >= next_)
                    kept_.pop_back();
                if (lost_at_ >= next_) page_.lost_bytes -= lost_before_;
                return false;
            }
        }
        bytes_ += counted(line);
        matched_ += matched ? 1 : 0;
        kept_.push_back(std::move(line));
        next_ = end;
        if (query_.last > 0) drop_what_does_not_fit();
        return true;
    }

    void drop_oldest() {
        const Line& oldest = kept_.front();
        bytes_ -= counted(oldest);
        if (oldest.matched && !(kept_.size() > 1 && goes_on(oldest, kept_[1]))) {
            --matched_;
            ++page_.omitted_before;
        }
        dropped_match_ = oldest.matched;
        kept_.pop_front();
    }

    /// What the last line of the range is, now that its end is reached.
    template <class Sink>
    Result<void> finish(const Sink& sink) {
        for (const LineAssembler* each : {&lines_, &err_lines_}) {
            if (!each->has_open_line() || is_final(each->open_line())) continue;
            const std::uint64_t from = whole_from(each->open_line(), log_.end_position());
            page_.unfinished = std::min(page_.unfinished.value_or(from), from);
        }
        if (page_.unfinished && !query_.include_partial) {
            next_ = *page_.unfinished;
            return {};
        }
        if (!flush(sink)) return {};
        if (range_.to_log_end) {
            next_ = log_.end_position();
        } else {
            auto position = log_.position_at(range_.end);
            if (!position) return position.error();
            next_ = std::max(next_, std::min(*position, range_.end_position));
        }
        return {};
    }
    /// Where a page that goes on at `end` must begin to hold all of an unfinished line.
    std::uint64_t whole_from(const LineView& open, std::uint64_t end) const {
        if (pattern_ == nullptr) return open.position;
        return open.end == end ? open.resumed : end;
    }
    /// Nothing comes behind the end of a line that has none.
    bool is_final(const LineView& line) const { return !range_.to_log_end || ended_run_ == line.run; }
    std::optional<std::uint32_t> open_line_run() const {
        if (lines_.has_open_line()) return lines_.open_line().run;
        return err_lines_.has_open_line() ? std::optional(err_lines_.open_line().run) : std::nullopt;
    }

    Snapshot& log_;
    const LineQuery& query_;
    Range range_;
    const ReadBudget& budget_;
    std::uint64_t read_bytes_ = 0, bytes_since_look_ = 0;
    unsigned steps_ = 0;
    std::size_t longest_text_ = 0, batch_bytes_ = 0;
    bool is_joined_;  // a search sees the lines of each stream whole
    LineAssembler lines_, err_lines_;
    const LinePattern* pattern_;
    const LinePattern* exclude_;
    LinePage page_;
    std::deque<Line> kept_;
    std::deque<std::pair<Line, std::uint64_t>> before_;  // context that waits for a match, with its end
    std::uint64_t after_ = 0;                            // context lines still due after a match
    std::uint64_t ordinal_ = 0;
    std::uint64_t bytes_ = 0, matched_ = 0, next_ = 0, position_ = 0;
    std::uint64_t lost_before_ = 0, lost_at_ = 0;  // bytes lost at one position
    std::string part_;                             // the end of the part before, in which nothing matched
    std::uint64_t part_end_ = 0;
    Place no_skip_before_;  // looked at already: something there matches, or it cannot be stepped over
    std::optional<std::uint32_t> ended_run_;
    std::array<LongLine, 2> long_lines_;
    bool stopped_ = false, is_finishing_ = false, dropped_match_ = false;
    bool is_stopped_within_ = false;  // a line
};

/// The range from a line's begin on, `bytes` before its end or more; all of it, if it has no more.
Result<Range> newest_of(Snapshot& log, Range range, std::uint64_t bytes) {
    std::uint64_t end = log.end_position();
    if (!range.to_log_end) {
        auto position = log.position_at(range.end);
        if (!position) return position.error();
        end = std::min(*position, range.end_position);
    }
    if (end - std::min(end, range.begin_position) <= bytes) return range;
    auto begin = log.find_position(end - bytes);
    if (!begin) return begin.error();
    while (*begin > range.begin) {
        Place before = *begin;
        if (before.record == 0) before.segment -= 1;
        auto in = log.segment(before.segment);
        if (!in) return in.error();
        if (*in == nullptr) return range;
        before.record = (before.record == 0 ? (*in)->count() : before.record);
        if (before.record == 0) return range;
        --before.record;
        auto record = (*in)->record(before.record);
        if (!record) return record.error();
        if (*record && (*record)->length > 0 && ((*record)->flags & (line_complete | separator)) != 0) break;
        *begin = before;
    }
    auto position = log.position_at(*begin);
    if (!position) return position.error();
    if (*begin <= range.begin || *position <= range.begin_position) return range;
    range.begin = *begin;
    range.begin_position = *position;
    return range;
}

/// The last matches, from the end on, as far back as is needed or the budget allows.
Result<LinePage> search_back(Snapshot& log, const LineQuery& query, const Range& range, const LinePattern* pattern,
                             const LinePattern* exclude, ReadBudget budget) {
    std::optional<LinePage> found;
    const std::uint64_t all_from = range.begin_position;
    std::uint64_t room = budget.bytes;
    // A slow pattern must not use up its time at the front of the first one.
    const std::uint64_t first = std::clamp<std::uint64_t>(pattern->longest_text(), least_window, first_window);
    for (std::uint64_t wanted = first;; wanted *= window_growth) {
        const std::uint64_t window = std::min(wanted, room);
        auto part = newest_of(log, range, window);
        if (!part) return part.error();
        const bool is_all = part->begin_position == range.begin_position;
        auto page = PageReader(log, query, *part, pattern, exclude, budget).read();
        // What was found further on stands; there was no time for more.
        if (page && page->is_spent && found) {
            found->unsearched_bytes = found->earlier.value_or(0) - std::min(found->earlier.value_or(0), all_from);
            return std::move(*found);
        }
        if (!page) return page;
        if (!is_all) page->evicted_bytes = 0;
        if (!is_all) page->earlier = part->begin_position;
        if (page->is_spent) return page;
        const bool is_enough = page->omitted_before > 0 || page->matches >= query.last;
        if (is_enough && (!is_all || page->omitted_before > 0)) page->earlier = page->lines.front().resumed;
        room -= window;
        if (!is_all && !is_enough && room == 0) page->unsearched_bytes = part->begin_position - all_from;
        if (is_all || is_enough || room == 0) return page;
        found = std::move(*page);
    }
}

}  // namespace

Result<LogEnd> LogView::find_log_end() {
    LogEnd end;
    if (log_->empty()) return end;
    end.position = log_->end_position();
    end.oldest = log_->oldest_position();
    for (Place at = log_->end();;) {
        auto in = log_->segment(at.segment);
        if (!in) return in.error();
        if (*in == nullptr) break;
        if (end.newest_segment.empty()) {
            end.newest_segment = data_path(log_->directory(), (*in)->number()).native();
            if ((*in)->header().first_sequence > 0) end.last_sequence = (*in)->header().first_sequence - 1;
        }
        bool found = false;
        while (at.record > 0 && !found) {
            auto record = (*in)->record(--at.record);
            if (!record) return record.error();
            if (!*record) continue;
            end.last_sequence = std::max(end.last_sequence, (*record)->sequence);
            if ((*record)->length > 0 && (*record)->wall_ns != 0) {
                end.last_output_ns = (*record)->wall_ns;
                found = true;
            }
        }
        if (found || at.segment == 0) break;
        --at.segment;
        auto earlier = log_->segment(at.segment);
        if (!earlier) return earlier.error();
        if (*earlier == nullptr) break;
        at.record = (*earlier)->count();
    }
    return end;
}

Result<LogSpan> LogView::locate(const LineQuery& query) {
    if (log_->empty()) {
        const std::uint64_t from = query.from.value_or(0);
        return LogSpan{.begin = from, .end = from};
    }
    auto range = find_range(*log_, query);
    if (!range) return range.error();
    LogSpan span{.begin = range->begin_position, .end = log_->end_position(), .evicted_bytes = range->evicted_bytes};
    if (!range->to_log_end) {
        auto end = log_->position_at(range->end);
        if (!end) return end.error();
        span.end = std::min(*end, range->end_position);
    }
    if (query.last > 0) {
        auto walked = walk_back(*log_, *range, query.stream, query.last, UINT64_MAX);
        if (!walked) return walked.error();
        if (walked->reached) {
            const std::uint64_t wanted = query.last + (walked->ends_open ? 0 : 1);
            auto begin = position_after_newline(*log_, walked->start, walked->newlines - wanted + 1);
            if (!begin) return begin.error();
            if (*begin > span.begin) {
                span.begin = *begin;
                span.evicted_bytes = 0;
            }
        }
    }
    return span;
}

LogView::LogView(std::unique_ptr<Snapshot> log) : log_(std::move(log)) {}
LogView::LogView(LogView&&) noexcept = default;
LogView& LogView::operator=(LogView&&) noexcept = default;
LogView::~LogView() = default;

Result<LogView> LogView::open(const fs::path& log_directory) {
    auto log = Snapshot::take(log_directory);
    if (!log) return log.error();
    return LogView(std::make_unique<Snapshot>(std::move(*log)));
}

std::uint64_t LogView::end() const noexcept { return log_->empty() ? 0 : log_->end_position(); }

bool LogView::is_flushed() const noexcept { return end() > 0 && log_->oldest_position() == log_->end_position(); }

Result<LinePage> LogView::read(const LineQuery& query, const ReadBudget& budget) {
    LinePage nothing;
    nothing.next = query.from.value_or(0);
    if (budget.stop.stop_requested()) {
        nothing.more = nothing.is_spent = true;
        return nothing;
    }
    std::optional<LinePattern> pattern, exclude;
    const auto compile = [&](std::string_view expression, std::optional<LinePattern>& into) -> Result<void> {
        auto compiled = LinePattern::compile(expression, query.grep_memory, query.ignore_case);
        if (!compiled) return compiled.error();
        into = std::move(*compiled);
        return {};
    };
    if (query.exclude)
        if (auto done = compile(*query.exclude, exclude); !done) return done.error();
    // What excludes lines alone looks for all others.
    if (query.grep || query.exclude)
        if (auto done = compile(query.grep.value_or(""), pattern); !done) return done.error();
    if (log_->empty()) {
        nothing.unindexed_bytes = log_->unindexed_bytes();
        return nothing;
    }
    auto range = find_range(*log_, query);
    if (!range) return range.error();
    const LinePattern* const sought = pattern ? &*pattern : nullptr;
    const LinePattern* const excluded = exclude ? &*exclude : nullptr;
    auto page = sought && query.last > 0 && !query.count_only
                    ? search_back(*log_, query, *range, sought, excluded, budget)
                    : PageReader(*log_, query, *range, sought, excluded, budget).read();
    if (page && !page->more && range->to_log_end && query.losses) page->unindexed_bytes = log_->unindexed_bytes();
    return page;
}

std::uint64_t LogView::unindexed_bytes() const { return log_->unindexed_bytes(); }

Result<LogEnd> find_log_end(const fs::path& log_directory) {
    auto log = LogView::open(log_directory);
    if (!log) return log.error();
    return log->find_log_end();
}

Result<LogSpan> locate(const fs::path& log_directory, const LineQuery& query) {
    auto log = LogView::open(log_directory);
    if (!log) return log.error();
    return log->locate(query);
}

Result<LinePage> read_lines(const fs::path& log_directory, const LineQuery& query, const ReadBudget& budget) {
    auto log = LogView::open(log_directory);
    if (!log) return log.error();
    return log->read(query, budget);
}

}  // namespace persistproc::logstore
