#include "common/logstore/reader.hpp"

#include <algorithm>
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

/// What a query asks for, before its lines are looked at.
struct Range {
    Place begin, end;
    std::uint64_t begin_position = 0;  // may be inside the record at `begin`
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
    if (range.end < range.begin) range.end = range.begin;
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
/// `max_bytes` were passed.
Result<WalkedBack> walk_back(Snapshot& log, const Range& range, StreamChoice choice, std::uint64_t newlines,
                             std::uint64_t max_bytes) {
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
        if ((*in)->position_of(**record) + (*record)->length <= range.begin_position) break;
        if (!seen_output) {
            seen_output = true;
            walked.ends_open = ((*record)->flags & (line_complete | separator)) == 0;
            if (walked.ends_open && ((*record)->flags & recovered) != 0) {
                auto bytes = (*in)->data((*record)->offset, (*record)->length);
                if (!bytes) return bytes.error();
                walked.ends_open = !bytes->ends_with('\n');
            }
        }
        walked.start = at;
        walked.newlines += lines_of(**record, choice);
        walked.bytes += (*record)->length;
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

/// Reads the lines of one query into a page.
class PageReader {
public:
    /// Longer lines are matched in parts.
    PageReader(Snapshot& log, const LineQuery& query, Range range, std::optional<LinePattern> pattern,
               std::optional<LinePattern> exclude, const ReadBudget& budget)
        : log_(log),
          query_(query),
          range_(range),
          pattern_(std::move(pattern)),
          exclude_(std::move(exclude)),
          budget_(budget),
          longest_text_(std::min(pattern_ ? pattern_->longest_text() : no_pattern,
                                 exclude_ ? exclude_->longest_text() : no_pattern)),
          batch_bytes_(std::min(batch_bytes, longest_text_ / batches_in_text)),
          lines_(query.stream, pattern_ ? longest_text_ : std::max<std::size_t>(query.max_bytes, 1)) {}

    Result<LinePage> read() {
        if (query_.last > 0 && !pattern_ && !query_.count_only) {
            if (auto done = skip_to_last(); !done) return done.error();
        }
        next_ = range_.begin_position;
        position_ = range_.begin_position;
        const auto sink = [this](const LineView& line) { return take(line); };
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
        page_.next = next_;
        page_.more = stopped_;
        if (stopped_ && !page_.is_spent) page_.omitted_after = 1;
        for (auto& line : kept_) page_.lines.push_back(std::move(line));
        page_.evicted_bytes = query_.last > 0 && kept_.size() >= query_.last ? 0 : range_.evicted_bytes;
        return std::move(page_);
    }

private:
    /// Moves the range's begin to the last lines asked for, or to a place behind which there is more than fits.
    Result<void> skip_to_last() {
        const std::uint64_t enough = static_cast<std::uint64_t>(query_.max_bytes) + batch_bytes;
        auto walked = walk_back(log_, range_, query_.stream, query_.last, enough);
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
        return budget_.stop.stop_requested() || (budget_.until && std::chrono::steady_clock::now() >= *budget_.until);
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
        if (!lines_.has_open_line()) return end_spent(position_);
        const std::uint64_t begin = lines_.open_line().position;
        return begin <= range_.begin_position || end_spent(begin);
    }

    Result<void> tell_spent() {
        // Context that waits for its match is looked at again.
        if (!before_.empty() && before_.front().first.position > range_.begin_position)
            next_ = std::min(next_, before_.front().first.position);
        std::uint64_t end = log_.end_position();
        if (!range_.to_log_end) {
            auto position = log_.position_at(range_.end);
            if (!position) return position.error();
            end = *position;
        }
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
            // What a killed shim had in hand may have been the rest of the line.
            if (is_loss && !lines_.flush(sink)) return false;
            if ((query_.events || (query_.losses && is_loss)) && !pattern_) {
                // A run's last words come before the news of its end.
                if (is_end(record.event) || record.event == Event::started)
                    if (!lines_.flush(sink)) return false;
                return take_event(record, begin);
            }
            return true;
        }
        if (pattern_) {
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
        if (!lines_.feed(record, rest, position, sink)) return false;
        return is_read_enough(rest.size()) ? end_spent() : true;
    }

    /// Bytes that are not there: no line goes on behind them.
    template <class Sink>
    bool miss(const IndexRecord& record, std::uint64_t bytes, const Sink& sink) {
        if (!lines_.flush(sink)) return false;
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
        if (query_.context > 0 || query_.context_after.value_or(0) > 0 || lines_.has_open_line() ||
            at < no_skip_before_)
            return false;
        const std::uint64_t stop = at.segment == range_.end.segment ? range_.end.record : segment.count();
        std::uint64_t last = at.record;  // after the last record that can be stepped over
        std::uint64_t offset = 0, bytes = 0, whole_bytes = 0;
        std::optional<IndexRecord> before;
        for (std::uint64_t i = at.record; i < stop; ++i) {
            auto record = segment.record(i);
            if (!record) return record.error();
            if (!*record || (*record)->length == 0 || ((*record)->flags & recovered) != 0) break;
            if (!belongs(**record, query_.stream)) break;
            if (segment.position_of(**record) < range_.begin_position) break;
            if (before && (before->flags & (line_complete | separator)) == 0 &&
                (before->stream != (*record)->stream || before->run != (*record)->run))
                break;
            if (!before) offset = (*record)->offset;
            if ((*record)->offset != offset + bytes) break;
            if ((bytes > 0 || is_slow()) && bytes + (*record)->length > batch_bytes_) break;
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
        if (!is_plain(*text) || pattern_->may_match_in(*text)) return false;
        position_ = std::max(position_, segment.first_position() + offset + whole_bytes);
        next_ = position_;
        at.record = last - 1;
        return true;
    }

    /// A line of the view. False: the page is full.
    bool take(const LineView& line) {
        // A record may hold many lines, and each may take its time.
        if (pattern_ && !is_finishing_ && line.position > range_.begin_position && is_spent(line.text.size()))
            return end_spent(line.position);
        ++ordinal_;
        const auto match = pattern_ ? find_match(*pattern_, exclude_ ? &*exclude_ : nullptr, line.text) : line.text;
        if (query_.count_only) {
            page_.matches += match ? 1 : 0;
            next_ = line.end;
            return true;
        }
        if (!match) {
            if (after_ > 0) {
                --after_;
                return keep(make_line(line, false), line.end);
            }
            if (query_.context > 0) {
                before_.emplace_back(make_line(line, false), line.end);
                if (before_.size() > query_.context) before_.pop_front();
            }
            next_ = line.end;
            return true;
        }
        while (!before_.empty()) {
            auto context = std::move(before_.front());
            before_.pop_front();
            if (!keep(std::move(context.first), context.second)) return false;
        }
        after_ = pattern_ ? query_.context_after.value_or(query_.context) : 0;
        Line found = make_line(line, true);
        if (match->size() < line.text.size()) {
            found.match_begin = static_cast<std::size_t>(match->data() - line.text.data());
            found.match_size = match->size();
        }
        if (!keep(std::move(found), line.end)) return false;
        ++page_.matches;
        return true;
    }

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

    Line make_line(const LineView& view, bool matched) const {
        Line line;
        line.text = view.text.substr(0, std::max<std::size_t>(query_.max_bytes, 1));
        line.stream = view.stream;
        line.run = view.run;
        line.wall_ns = view.wall_ns;
        line.position = view.position;
        line.complete = view.complete && line.text.size() == view.text.size();
        line.matched = matched;
        line.ordinal = ordinal_;
        return line;
    }

    bool keep(Line line, std::uint64_t end) {
        const bool matched = line.matched;
        if (query_.last == 0) {
            const bool full = (query_.first > 0 && matched && matched_ >= query_.first) ||
                              (!kept_.empty() && bytes_ + line.text.size() + 1 > query_.max_bytes);
            if (full) {
                stopped_ = true;
                // The next page begins with this line, and with what is missing before it.
                next_ = std::max(next_, line.position);
                while (kept_.size() > 1 && (kept_.back().is_gap || kept_.back().event) &&
                       kept_.back().position >= next_)
                    kept_.pop_back();
                if (lost_at_ >= next_) page_.lost_bytes -= lost_before_;
                return false;
            }
        }
        bytes_ += line.text.size() + 1;
        matched_ += matched ? 1 : 0;
        kept_.push_back(std::move(line));
        next_ = end;
        if (query_.last > 0) {
            while (kept_.size() > 1 && (matched_ > query_.last || bytes_ > query_.max_bytes)) drop_oldest();
            // Context before a match that was dropped goes with it.
            while (kept_.size() > 1 && dropped_match_ && !kept_.front().matched) drop_oldest();
        }
        return true;
    }

    void drop_oldest() {
        const Line& oldest = kept_.front();
        bytes_ -= oldest.text.size() + 1;
        if (oldest.matched) {
            --matched_;
            ++page_.omitted_before;
        }
        dropped_match_ = oldest.matched;
        kept_.pop_front();
    }

    /// What the last line of the range is, now that its end is reached.
    template <class Sink>
    Result<void> finish(const Sink& sink) {
        if (lines_.has_open_line()) {
            const bool final = !range_.to_log_end || ended_run_ == lines_.open_line().run;
            if (!final) page_.unfinished = lines_.open_line().position;
            if (!query_.include_partial && !final) {
                next_ = lines_.open_line().position;
                return {};
            }
            if (!lines_.flush(sink)) return {};
        }
        if (range_.to_log_end) {
            next_ = log_.end_position();
        } else {
            auto position = log_.position_at(range_.end);
            if (!position) return position.error();
            next_ = std::max(next_, *position);
        }
        return {};
    }

    Snapshot& log_;
    const LineQuery& query_;
    Range range_;
    std::optional<LinePattern> pattern_, exclude_;
    const ReadBudget& budget_;
    std::uint64_t read_bytes_ = 0, bytes_since_look_ = 0;
    unsigned steps_ = 0;
    std::size_t longest_text_ = 0, batch_bytes_ = 0;
    LineAssembler lines_;
    LinePage page_;
    std::deque<Line> kept_;
    std::deque<std::pair<Line, std::uint64_t>> before_;  // context that waits for a match, with its end
    std::uint64_t after_ = 0;                            // context lines still due after a match
    std::uint64_t ordinal_ = 0;
    std::uint64_t bytes_ = 0, matched_ = 0, next_ = 0, position_ = 0;
    std::uint64_t lost_before_ = 0, lost_at_ = 0;  // bytes lost at one position
    Place no_skip_before_;  // looked at already: something there matches, or it cannot be stepped over
    std::optional<std::uint32_t> ended_run_;
    bool stopped_ = false, is_finishing_ = false, dropped_match_ = false;
};

}  // namespace

Result<LogEnd> find_log_end(const fs::path& log_directory) {
    auto log = Snapshot::take(log_directory);
    if (!log) return log.error();
    LogEnd end;
    if (log->empty()) return end;
    end.position = log->end_position();
    end.oldest = log->oldest_position();
    for (Place at = log->end();;) {
        auto in = log->segment(at.segment);
        if (!in) return in.error();
        if (*in == nullptr) break;
        if (end.newest_segment.empty()) {
            end.newest_segment = data_path(log_directory, (*in)->number()).native();
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
        auto earlier = log->segment(at.segment);
        if (!earlier) return earlier.error();
        if (*earlier == nullptr) break;
        at.record = (*earlier)->count();
    }
    return end;
}

Result<LogSpan> locate(const fs::path& log_directory, const LineQuery& query) {
    auto log = Snapshot::take(log_directory);
    if (!log) return log.error();
    if (log->empty()) {
        const std::uint64_t from = query.from.value_or(0);
        return LogSpan{.begin = from, .end = from};
    }
    auto range = find_range(*log, query);
    if (!range) return range.error();
    LogSpan span{.begin = range->begin_position, .end = log->end_position(), .evicted_bytes = range->evicted_bytes};
    if (!range->to_log_end) {
        auto end = log->position_at(range->end);
        if (!end) return end.error();
        span.end = *end;
    }
    if (query.last > 0) {
        auto walked = walk_back(*log, *range, query.stream, query.last, UINT64_MAX);
        if (!walked) return walked.error();
        if (walked->reached) {
            const std::uint64_t wanted = query.last + (walked->ends_open ? 0 : 1);
            auto begin = position_after_newline(*log, walked->start, walked->newlines - wanted + 1);
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
    if (log_->empty()) return nothing;
    auto range = find_range(*log_, query);
    if (!range) return range.error();
    return PageReader(*log_, query, *range, std::move(pattern), std::move(exclude), budget).read();
}

Result<LinePage> read_lines(const fs::path& log_directory, const LineQuery& query, const ReadBudget& budget) {
    auto log = LogView::open(log_directory);
    if (!log) return log.error();
    return log->read(query, budget);
}

}  // namespace persistproc::logstore
