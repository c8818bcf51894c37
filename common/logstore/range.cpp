#include "common/logstore/range.hpp"

#include <algorithm>
#include <string_view>

namespace persistproc::logstore {

namespace {

std::optional<bool> is_before_time(const IndexRecord& record, std::int64_t wall_ns) {
    if (record.wall_ns == 0) return std::nullopt;
    return record.wall_ns < wall_ns;
}

}  // namespace

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

Result<std::uint64_t> end_position_of(Snapshot& log, const Range& range) {
    if (range.to_log_end) return log.end_position();
    auto position = log.position_at(range.end);
    if (!position) return position.error();
    return std::min(*position, range.end_position);
}

Result<WalkedBack> walk_back(Snapshot& log, const Range& range, StreamChoice choice, std::uint64_t newlines,
                             std::uint64_t max_bytes, std::uint64_t middle) {
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

Result<Range> newest_of(Snapshot& log, Range range, std::uint64_t bytes) {
    auto end = end_position_of(log, range);
    if (!end) return end.error();
    if (*end - std::min(*end, range.begin_position) <= bytes) return range;
    auto begin = log.find_position(*end - bytes);
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

}  // namespace persistproc::logstore
