#include "common/logstore/page_lines.hpp"

#include <algorithm>

#include "common/logstore/line_parts.hpp"
#include "common/logstore/read_meter.hpp"
#include "common/logstore/search.hpp"

namespace persistproc::logstore {

namespace {

// Of a line that is not given whole: what is read of it on a page that goes on behind it.
constexpr std::uint64_t most_read_of_line = 4u << 20;

}  // namespace

std::optional<std::uint64_t> PageLines::waiting_from() const {
    return before_.empty() ? std::nullopt : std::optional(before_.front().first.resumed);
}

void PageLines::begin_within(Stream stream, std::string text) {
    LongLine& whole = long_line_of(stream);
    whole.bytes = text.size();
    whole.end = begin_;
    whole.ordinal = ++ordinal_;
    whole.search.begin_behind(std::move(text));
}

LinePage PageLines::give(std::uint64_t evicted) {
    for (const LongLine& each : long_lines_) page_.passed_bytes += each.search.passed_bytes();
    page_.next = next_;
    page_.more = is_stopped_;
    if (is_stopped_ && !page_.is_spent) page_.omitted_after = 1;
    page_.evicted_bytes = query_.last > 0 && kept_.size() >= query_.last ? 0 : evicted;
    for (auto& line : kept_) page_.lines.push_back(std::move(line));
    return std::move(page_);
}

bool PageLines::end_spent(std::uint64_t position) {
    page_.is_spent = is_stopped_ = true;
    next_ = position;
    return false;
}

void PageLines::tell_unread(std::uint64_t unread) {
    page_.unread_bytes = unread;
    if (unread == 0) page_.is_spent = is_stopped_ = false;
}

void PageLines::note_part(const LineView& line, LongLine& of) {
    if (of.end == 0 || line.begins) {
        of.ordinal = ++ordinal_;
        of.bytes = 0;
        of.matched = UINT64_MAX;
    }
    of.bytes += line.text.size();
    of.end = line.goes_on ? line.end : 0;
}

bool PageLines::is_told(const LineView& line, const LongLine& of) {
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

bool PageLines::take(const LineView& line) {
    // Nothing of it was printed since: the page before has given it.
    if (line.end <= begin_) return true;
    LongLine& whole = long_line_of(line.stream);
    const std::uint64_t end_before = whole.end;
    note_part(line, whole);
    if ((pattern_ || query_.count_only) && is_told(line, whole)) return true;
    // A record may hold many lines, and each may take its time.
    if (pattern_ && !reached_ && line.resumed > begin_ && meter_.is_spent(line.text.size()))
        return end_spent(line.resumed);
    const LineEnds ends{.begins = line.begins, .ends = !line.goes_on};
    const auto found = pattern_ ? whole.search.look(*pattern_, exclude_, line.text, ends)
                                : PartSearch::Found{.text = line.text, .match = line.text};
    if (query_.count_only) {
        page_.matches += found ? 1 : 0;
        if (found) whole.matched = line.position;
        next_ = line.end;
        return true;
    }
    if (!found) return take_other(line, whole);
    const bool is_shown = found->before > 0 && shows(whole, end_before);
    LineView shown = line;
    if (!is_shown || found->match.size() < found->text.size()) {
        shown.text = found->text;
        shown.position -= std::min<std::uint64_t>(found->before, shown.position);
        return take_match(shown, found->match, whole);
    }
    return take_match(line, line.text, whole);
}

bool PageLines::shows(const LongLine& of, std::uint64_t end) const {
    const auto is_it = [&](const Line& each) { return each.ordinal == of.ordinal && each.end == end; };
    return std::any_of(before_.begin(), before_.end(), [&](const auto& each) { return is_it(each.first); }) ||
           std::any_of(kept_.rbegin(), kept_.rend(), is_it);
}

bool PageLines::take_other(const LineView& line, const LongLine& whole) {
    const bool has_context = after_ > 0 || query_.context > 0;
    Line shown = has_context ? make_line(line, false) : Line{};
    if (query_.longest_line == 0) shown.missing_before = whole.bytes - line.text.size();
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

bool PageLines::take_match(const LineView& line, std::string_view match, LongLine& whole) {
    while (!before_.empty()) {
        auto context = pop_before();
        if (!keep(std::move(context.first), context.second)) return false;
    }
    after_ = pattern_ ? query_.context_after.value_or(query_.context) : 0;
    const bool is_state = match.size() < line.text.size();
    // Too long to be given with what it was redrawn to.
    const bool is_state_alone = is_state && line.text.size() > most_of_line();
    LineView shown = line;
    if (is_state_alone) shown.text = match;
    const LineEnds ends = ends_of_state(line.text, shown.text, {.begins = line.begins, .ends = !line.goes_on});
    Line found = make_line(shown, true, place_of_match(shown.text, ends));
    whole.matched = found.position;
    if (is_state_alone) {
        const auto before = static_cast<std::size_t>(match.data() - line.text.data());
        const std::size_t behind = line.text.size() - before - match.size();
        if (query_.longest_line == 0) {
            found.missing_before += before;
            found.missing_after += behind;
        } else {
            if (before > 0) found.holes.insert(found.holes.begin(), {0, before});
            if (behind > 0) found.holes.push_back({found.text.size(), behind});
        }
    }
    if (pattern_) found.missing_before += whole.bytes - std::min<std::uint64_t>(whole.bytes, line.text.size());
    if (is_state && !is_state_alone) {
        found.match_begin = static_cast<std::size_t>(match.data() - line.text.data());
        found.match_size = match.size();
    }
    if (!keep(std::move(found), line.end)) return false;
    ++page_.matches;
    return true;
}

void PageLines::take_before(Line line, std::uint64_t end) {
    if (query_.longest_line > 0 && !before_.empty() && goes_on(before_.back().first, line)) {
        append_part(before_.back().first, line, query_.longest_line);
        before_.back().second = end;
        return;
    }
    if (before_.empty() || !goes_on(before_.back().first, line)) ++before_lines_;
    before_bytes_ += line.text.size();
    before_.emplace_back(std::move(line), end);
    // Of a line that fills the page alone, its end.
    const auto is_too_long = [this] {
        return before_bytes_ > query_.max_bytes && before_.size() > 1 && goes_on(before_[0].first, before_[1].first);
    };
    while (before_lines_ > query_.context || is_too_long()) pop_before();
}

std::pair<Line, std::uint64_t> PageLines::pop_before() {
    auto oldest = std::move(before_.front());
    before_.pop_front();
    before_bytes_ -= std::min<std::uint64_t>(before_bytes_, oldest.first.text.size());
    if (before_.empty() || !goes_on(oldest.first, before_.front().first)) --before_lines_;
    return oldest;
}

bool PageLines::take_event(const IndexRecord& record, std::uint64_t position) {
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

bool PageLines::take_loss(const IndexRecord& record, std::uint64_t position, std::uint64_t bytes) {
    page_.lost_bytes += bytes;
    lost_before_ = (position == lost_at_ ? lost_before_ : 0) + bytes;
    lost_at_ = position;
    if (!query_.losses || pattern_) return true;
    Line line;
    line.run = record.run;
    line.wall_ns = record.wall_ns;
    line.position = position;
    line.matched = false;
    line.is_gap = true;
    line.value = static_cast<std::int64_t>(bytes);
    return keep(std::move(line), std::max(next_, position));
}

std::size_t PageLines::most_of_line() const noexcept {
    return query_.longest_line > 0 ? query_.longest_line : std::max<std::size_t>(query_.max_bytes, 1);
}

PageLines::Span PageLines::place_of_match(std::string_view text, LineEnds ends) const {
    if (text.size() <= most_of_line() || pattern_ == nullptr) return {0, 0};
    if (is_plain(text)) {
        const auto span = pattern_->find_span(text, ends);
        if (!span) return {0, 0};
        return {static_cast<std::size_t>(span->data() - text.data()), span->size()};
    }
    const std::size_t window = std::max<std::size_t>(most_of_line() / 2, 2);
    for (std::size_t at = 0; at < text.size(); at += window / 2) {
        const std::string_view part = text.substr(at, window);
        if (pattern_->matches(part, ends_of_part(text, part, ends))) return {at, part.size()};
    }
    return {0, 0};
}

Line PageLines::make_line(const LineView& view, bool matched, Span match) {
    Line line;
    if (query_.longest_line > 0) {
        line.text = view.text;
        shorten(line, query_.longest_line, match.first, match.second);
    } else {
        const auto [from, to] = window_around(view.text, most_of_line(), match.first, match.second);
        line.text = view.text.substr(from, to - from);
        line.missing_before = from;
        line.missing_after = view.text.size() - to;
    }
    line.stream = view.stream;
    line.run = view.run;
    line.wall_ns = view.wall_ns;
    line.position = view.position + line.missing_before;
    line.end = view.end;
    line.resumed = pattern_ != nullptr ? view.resumed : view.position;
    line.is_open = reached_ && !view.complete && !reached_->is_final(view);
    line.complete = view.complete && line.missing_after == 0;
    line.matched = matched;
    line.ordinal = long_line_of(view.stream).ordinal;
    return line;
}

bool PageLines::join(const Line& rest, std::uint64_t end) {
    Line& line = kept_.back();
    bytes_ -= counted(line);
    append_part(line, rest, query_.longest_line);
    bytes_ += counted(line);
    next_ = end;
    if (query_.last > 0) drop_what_does_not_fit();
    if (pattern_ || query_.last > 0 || line.complete || next_ - line.position < most_read_of_line) return true;
    is_stopped_ = is_stopped_within_ = true;
    return false;
}

void PageLines::drop_what_does_not_fit() {
    while (kept_.size() > 1 && (matched_ > query_.last || bytes_ > query_.max_bytes)) drop_oldest();
    // Context before a match that was dropped goes with it.
    while (kept_.size() > 1 && dropped_match_ && !kept_.front().matched) drop_oldest();
}

bool PageLines::keep(Line line, std::uint64_t end) {
    const bool is_rest = !kept_.empty() && goes_on(kept_.back(), line);
    if (is_rest && query_.longest_line > 0 && line.matched == kept_.back().matched) return join(line, end);
    const bool matched = line.matched && !is_rest;
    if (query_.last == 0) {
        const bool full = (query_.first > 0 && matched && matched_ >= query_.first) ||
                          (!kept_.empty() && bytes_ + counted(line) > query_.max_bytes);
        if (full) {
            is_stopped_ = true;
            is_stopped_within_ = is_rest;
            // The next page begins with this line, and with what is missing before it.
            next_ = std::max(next_, line.resumed);
            while (kept_.size() > 1 && (kept_.back().is_gap || kept_.back().event) && kept_.back().position >= next_)
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

void PageLines::drop_oldest() {
    const Line& oldest = kept_.front();
    bytes_ -= counted(oldest);
    if (oldest.matched && !(kept_.size() > 1 && goes_on(oldest, kept_[1]))) {
        --matched_;
        ++page_.omitted_before;
    }
    dropped_match_ = oldest.matched;
    kept_.pop_front();
}

}  // namespace persistproc::logstore
