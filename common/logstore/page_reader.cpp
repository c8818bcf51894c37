#include "common/logstore/page_reader.hpp"

#include <algorithm>
#include <utility>

#include "common/logstore/page_edges.hpp"
#include "common/logstore/search.hpp"

namespace persistproc::logstore {

namespace {

constexpr std::size_t batch_bytes = 256u << 10;
constexpr std::size_t batches_in_text = 4;  // of the longest text that one look may take
constexpr std::size_t no_pattern = batches_in_text * batch_bytes;
// How far before its beginning a search looks for the beginning of a line that the other stream interrupted.
constexpr std::uint64_t most_records_between = 512;
constexpr std::size_t most_resumed_bytes = 64u << 10;
constexpr std::uint64_t most_records_of_part = 4096;
// Of a line that may be passed over: others have room beside it.
constexpr std::size_t most_part_bytes = 8u << 10;
// Of a line that is not given whole: how little of what its middle takes counts where the last lines are looked for.
constexpr std::uint64_t middle_counts_as = 16;

/// Where the last `count` lines of text that ends one begin; 0: it has no more.
std::size_t begin_of_last_lines(std::string_view text, std::uint64_t count) {
    std::size_t at = text.size();
    while (count-- > 0 && at > 0) {
        const std::size_t newline = at > 1 ? text.rfind('\n', at - 2) : text.npos;
        at = newline == text.npos ? 0 : newline + 1;
    }
    return at;
}

}  // namespace

PageReader::PageReader(Snapshot& log, const LineQuery& query, Range range, const LinePattern* pattern,
                       const LinePattern* exclude, const ReadBudget& budget)
    : log_(log),
      query_(query),
      range_(range),
      pattern_(pattern),
      longest_text_(
          std::min(pattern ? pattern->longest_text() : no_pattern, exclude ? exclude->longest_text() : no_pattern)),
      batch_bytes_(std::min(batch_bytes, longest_text_ / batches_in_text)),
      is_joined_(pattern && query.stream == StreamChoice::combined),
      meter_(budget, batch_bytes_ < batch_bytes),
      lines_(is_joined_ ? StreamChoice::out : query.stream,
             pattern                  ? longest_text_
             : query.longest_line > 0 ? std::clamp<std::size_t>(query.max_bytes, 1, most_part_bytes)
                                      : std::max<std::size_t>(query.max_bytes, 1)),
      err_lines_(StreamChoice::err, longest_text_),
      page_(query, pattern, exclude, budget.of_line, meter_) {}

Result<LinePage> PageReader::read() {
    if (query_.last > 0 && !pattern_ && !query_.count_only) {
        if (auto done = skip_to_last(); !done) return done.error();
    }
    position_ = range_.begin_position;
    page_.begin_at(position_);
    if (pattern_ != nullptr) {
        if (auto found = resume_lines(); !found) return found.error();
    }
    const auto looking = [this](Segment& segment, const IndexRecord& record, Place& at) {
        return visit(segment, record, at);
    };
    if (auto done = for_each_record(log_, range_.begin, range_.end, looking); !done) return done.error();
    if (page_.is_spent()) {
        if (auto told = tell_spent(); !told) return told.error();
    }
    if (!page_.is_stopped()) {
        if (auto ended = finish(); !ended) return ended.error();
    }
    if (!pattern_ && page_.front() != nullptr) {
        if (auto found = find_front(log_, query_, range_, *page_.front()); !found) return found.error();
    }
    if (page_.is_stopped_within() && query_.longest_line > 0) {
        auto end = end_position_of(log_, range_);
        if (!end) return end.error();
        auto passed = pass_over(log_, query_, range_, page_.next(), *page_.back());
        if (!passed) return passed.error();
        page_.pass_to(*passed);
        if (*passed >= *end) page_.reach_end();
    }
    return page_.give(range_.evicted_bytes);
}

std::optional<std::uint32_t> PageReader::open_line_run() const {
    if (lines_.is_within()) return lines_.open_line().run;
    if (err_lines_.is_within()) return err_lines_.open_line().run;
    if (lines_.has_open_line()) return lines_.open_line().run;
    return err_lines_.has_open_line() ? std::optional(err_lines_.open_line().run) : std::nullopt;
}

bool PageReader::flush() {
    const bool is_err_first = lines_.has_open_line() && err_lines_.has_open_line() &&
                              err_lines_.open_line().position < lines_.open_line().position;
    LineAssembler& first = is_err_first ? err_lines_ : lines_;
    LineAssembler& second = is_err_first ? lines_ : err_lines_;
    const auto sink = [this](const LineView& line) { return give(line); };
    const bool goes_on = first.flush(sink) && second.flush(sink);
    page_.end_long_lines();
    return goes_on;
}

struct PageReader::Resumed {
    bool is_known = false;
    std::string text;
    std::string before;  // the end of the part before, where the page begins within a long line
    LineView line;

    LineView line_of() {
        line.text = text;
        line.resumed = line.position;
        return line;
    }
};

struct PageReader::BothResumed {
    Resumed out, err;
    std::uint32_t run = 0;  // whose they are; 0: there is none
};

Result<PageReader::BothResumed> PageReader::find_interrupted(Place at, std::uint64_t position) {
    BothResumed found;
    auto& [out, err, run] = found;
    bool is_adjacent = true;  // to the position: a line that goes on there was given as far as it went
    for (std::uint64_t looked = 0; looked < most_records_between && !(out.is_known && err.is_known); ++looked) {
        const bool is_behind = looked == 0;  // the record in which the position is
        if (!is_behind && at.record == 0) {
            if (at.segment == 0) break;
            --at.segment;
        }
        auto in = log_.segment(at.segment);
        if (!in) return in.error();
        if (*in == nullptr) break;
        if (!is_behind) at.record = (at.record == 0 ? (*in)->count() : at.record) - 1;
        if (at.record >= (*in)->count()) continue;
        auto record = (*in)->record(at.record);
        if (!record) return record.error();
        const bool begins_before = *record && (*in)->position_of(**record) < position;
        if (is_behind && !begins_before) continue;
        if (!*record || ((*record)->flags & gap) != 0 || is_loss((*record)->event, (*record)->value)) break;
        if ((*record)->length == 0) continue;
        if (run != 0 && (*record)->run != run) break;
        run = (*record)->run;
        Resumed& one = (*record)->stream == Stream::err ? err : out;
        if (std::exchange(is_adjacent, false) && ((*record)->flags & separator) == 0) {
            one.is_known = true;
            auto before = line_before(at, **record, position);
            if (!before) return before.error();
            one.before = std::move(*before);
            one.line.stream = (*record)->stream;
            one.line.run = run;
        }
        if (one.is_known || ((*record)->flags & separator) != 0) continue;
        if (auto done = resume(**in, **record, one); !done) return done.error();
    }
    return found;
}

Result<void> PageReader::resume_lines() {
    auto found = find_interrupted(range_.begin, range_.begin_position);
    if (!found) return found.error();
    auto& [out, err, run] = *found;
    if (query_.run && *query_.run != run) return {};
    if (!out.text.empty() && query_.stream != StreamChoice::err) lines_.resume(out.line_of());
    if (!err.text.empty() && query_.stream != StreamChoice::out) assembler_of(Stream::err).resume(err.line_of());
    for (Resumed* each : {&out, &err}) {
        const auto hidden = each == &out ? StreamChoice::err : StreamChoice::out;
        if (each->before.size() < least_part_bytes || query_.stream == hidden) continue;
        assembler_of(each->line.stream).begin_within(each->line.stream, each->line.run);
        page_.begin_within(each->line.stream, std::move(each->before));
    }
    return {};
}

Result<std::string> PageReader::line_before(Place at, const IndexRecord& last, std::uint64_t position) {
    const std::size_t wanted = std::max(least_part_bytes, pattern_ ? PartSearch::kept_bytes(*pattern_) : 0);
    std::string out;
    for (std::uint64_t looked = 0; looked < most_records_of_part; ++looked) {
        auto in = log_.segment(at.segment);
        if (!in) return in.error();
        if (*in == nullptr) break;
        if (at.record < (*in)->count()) {
            auto record = (*in)->record(at.record);
            if (!record) return record.error();
            if (!*record || ((*record)->flags & gap) != 0 || is_loss((*record)->event, (*record)->value)) break;
            const bool is_other = (*record)->run != last.run || (*record)->stream != last.stream;
            if ((*record)->length > 0 && is_other) break;
            auto bytes = (*in)->data((*record)->offset, (*record)->length);
            if (!bytes) break;
            const std::uint64_t here = position - (*in)->position_of(**record);
            const std::string_view text = bytes->substr(0, std::min<std::uint64_t>(here, bytes->size()));
            const auto newline = text.rfind('\n');
            out.insert(0, text.substr(newline == text.npos ? 0 : newline + 1));
            if (newline != text.npos || out.size() >= wanted) break;
        }
        if (at.record == 0) {
            if (at.segment == 0) break;
            --at.segment;
            auto before = log_.segment(at.segment);
            if (!before) return before.error();
            if (*before == nullptr) break;
            at.record = (*before)->count();
        }
        if (at.record > 0) --at.record;
    }
    return out.substr(out.size() - std::min(out.size(), wanted));
}

Result<void> PageReader::resume(Segment& segment, const IndexRecord& record, Resumed& one) {
    one.is_known = (record.flags & line_complete) != 0;
    if (one.is_known) return {};
    auto bytes = segment.data(record.offset, record.length);
    one.is_known = !bytes;
    if (one.is_known) return {};
    const std::size_t room = std::min(most_resumed_bytes, longest_text_ / 2) - one.text.size();
    const std::size_t cut = bytes->size() - std::min(bytes->size(), room);
    const auto newline = bytes->rfind('\n');
    const std::size_t begin = newline == bytes->npos || newline < cut ? cut : newline + 1;
    one.is_known = begin > 0;
    one.line.begins = begin == 0 || (newline != bytes->npos && begin == newline + 1);
    if (one.text.empty()) one.line.end = segment.position_of(record) + record.length;
    one.text.insert(0, bytes->substr(begin));
    one.line.stream = record.stream;
    one.line.run = record.run;
    one.line.wall_ns = record.wall_ns;
    one.line.position = segment.position_of(record) + begin;
    return {};
}

Result<void> PageReader::skip_to_last() {
    const std::uint64_t enough = static_cast<std::uint64_t>(query_.max_bytes) + batch_bytes;
    const auto middle = query_.longest_line > 0 ? middle_counts_as : 1;
    auto walked = walk_back(log_, range_, query_.stream, query_.last, enough, middle);
    if (!walked) return walked.error();
    if (walked->start <= range_.begin) return {};
    auto skipped = log_.count_lines(range_.begin, walked->start, query_.stream);
    if (!skipped) return skipped.error();
    page_.omit(*skipped);
    auto position = log_.position_at(walked->start);
    if (!position) return position.error();
    range_.begin = walked->start;
    range_.begin_position = *position;
    return {};
}

Result<bool> PageReader::visit(Segment& segment, const IndexRecord& record, Place& at) {
    const std::uint64_t begin = segment.position_of(record);
    if (begin > position_ && !miss(record, begin - position_)) return false;
    position_ = std::max(position_, begin + record.length);
    if ((record.flags & gap) != 0) return miss(record, static_cast<std::uint64_t>(record.value));
    if ((record.flags & event) != 0) return visit_event(record, begin);
    if (pattern_) {
        // What another run has not ended is not gone on with.
        if (open_line_run() != record.run && !flush()) return false;
        const std::uint64_t before = position_;
        auto skipped = skip_batch(segment, at);
        if (!skipped) return skipped.error();
        if (*skipped) return meter_.is_read_enough(position_ - before) ? end_spent() : true;
    }
    if (!belongs(record, query_.stream)) return meter_.is_read_enough(record.length) ? end_spent() : true;
    auto bytes = segment.data(record.offset, record.length);
    // What the device does not give back is as lost as what it did not take.
    if (!bytes) return miss(record, record.length);
    std::string_view rest = *bytes;
    std::uint64_t position = begin;
    if (const std::uint64_t from = std::max(range_.begin_position, fed_from_); position < from) {
        const std::uint64_t cut = std::min<std::uint64_t>(from - position, rest.size());
        rest.remove_prefix(cut);
        position += cut;
    }
    if (position >= range_.end_position) return true;
    rest = rest.substr(0, range_.end_position - position);
    const auto sink = [this](const LineView& line) { return give(line); };
    if (!assembler_of(record.stream).feed(record, rest, position, sink)) return false;
    return meter_.is_read_enough(rest.size()) ? end_spent() : true;
}

Result<bool> PageReader::visit_event(const IndexRecord& record, std::uint64_t begin) {
    if (is_end(record.event)) ended_run_ = record.run;
    const bool is_loss = logstore::is_loss(record.event, record.value);
    // What a killed shim had in hand, or somebody removed, may have been the rest of a line.
    if (is_loss && !flush()) return false;
    if ((query_.events || (query_.losses && is_loss)) && !pattern_) {
        // A run's last words come before the news of its end.
        if (is_end(record.event) || record.event == Event::started)
            if (!flush()) return false;
        return page_.take_event(record, begin);
    }
    return true;
}

bool PageReader::miss(const IndexRecord& record, std::uint64_t bytes) {
    return flush() && page_.take_loss(record, position_, bytes);
}

Result<bool> PageReader::skip_batch(Segment& segment, Place& at) {
    if (page_.wants_next_line() || has_open_line() || at < no_skip_before_) return false;
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
    // What comes behind them may match.
    const std::size_t skipped = query_.context > 0 ? begin_of_last_lines(*text, query_.context) : text->size();
    if (skipped == 0) return false;
    fed_from_ = segment.first_position() + offset + skipped;
    page_.pass_over(fed_from_);
    if (skipped == text->size()) {
        position_ = std::max(position_, fed_from_);
        at.record = last - 1;
        return true;
    }
    std::uint64_t in = at.record;  // the record in which they begin
    for (std::uint64_t end = offset; in < last; ++in) {
        auto record = segment.record(in);
        if (!record) return record.error();
        end += (*record)->length;
        if (end > offset + skipped) break;
    }
    if (in == at.record) return false;
    position_ = std::max(position_, fed_from_);
    at.record = in - 1;
    return true;
}

bool PageReader::may_match_in(std::string_view lines) {
    while (lines.size() > batch_bytes_) {
        const std::size_t end = lines.rfind('\n', batch_bytes_ - 1);
        if (end == lines.npos || pattern_->may_match_in(lines.substr(0, end + 1)) || meter_.is_spent(end + 1))
            return true;
        lines.remove_prefix(end + 1);
    }
    return pattern_->may_match_in(lines);
}

bool PageReader::end_spent() {
    std::uint64_t begin = position_;
    for (const LineAssembler* each : {&lines_, &err_lines_})
        if (each->has_open_line()) begin = std::min(begin, whole_from(each->open_line(), position_));
    return begin <= range_.begin_position || page_.end_spent(begin);
}

Result<void> PageReader::tell_spent() {
    // Context that waits for its match is looked at again.
    const auto waiting = page_.waiting_from();
    if (waiting && *waiting > range_.begin_position) page_.pass_to(std::min(page_.next(), *waiting));
    auto end = end_position_of(log_, range_);
    if (!end) return end.error();
    page_.tell_unread(*end - std::min(*end, page_.next()));
    return {};
}

Result<void> PageReader::leave_interrupted() {
    if (pattern_ == nullptr || !query_.to || range_.end_position != *query_.to) return {};
    if (!lines_.has_open_line() && !err_lines_.has_open_line()) return {};
    auto at = log_.find_position(*query_.to);
    if (!at) return at.error();
    auto found = find_interrupted(*at, *query_.to);
    if (!found) return found.error();
    std::uint32_t next_run = 0;
    const auto looking = [&next_run](Segment&, const IndexRecord& record, Place&) -> Result<bool> {
        if (record.length > 0 || (record.flags & gap) != 0) next_run = record.run;
        return next_run == 0;
    };
    if (auto done = for_each_record(log_, *at, log_.end(), looking); !done) return done;
    for (const Resumed* each : {&found->out, &found->err}) {
        if (each->text.empty()) continue;
        LineAssembler& lines = assembler_of(each->line.stream);
        const LineView& open = lines.open_line();
        const bool is_seen_there =
            lines.has_open_line() && open.position == each->line.position && open.end == each->line.end;
        if (is_seen_there && open.run == next_run) lines.drop();
    }
    return {};
}

Result<void> PageReader::finish() {
    if (auto left = leave_interrupted(); !left) return left;
    const RangeEnd end{range_.to_log_end, ended_run_};
    page_.reach(end);
    std::optional<std::uint64_t> unfinished;
    for (const LineAssembler* each : {&lines_, &err_lines_}) {
        if (!each->has_open_line() || end.is_final(each->open_line())) continue;
        const std::uint64_t from = whole_from(each->open_line(), log_.end_position());
        unfinished = std::min(unfinished.value_or(from), from);
    }
    if (unfinished) page_.tell_unfinished(*unfinished);
    if (unfinished && !query_.include_partial) {
        page_.pass_to(*unfinished);
        return {};
    }
    if (!flush()) return {};
    auto position = end_position_of(log_, range_);
    if (!position) return position.error();
    page_.pass_to(range_.to_log_end ? *position : std::max(page_.next(), *position));
    return {};
}

std::uint64_t PageReader::whole_from(const LineView& open, std::uint64_t end) const {
    if (pattern_ == nullptr) return open.position;
    return open.end == end ? open.resumed : end;
}

}  // namespace persistproc::logstore
