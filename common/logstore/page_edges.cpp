#include "common/logstore/page_edges.hpp"

#include <algorithm>
#include <string>
#include <string_view>

#include "common/logstore/line_assembler.hpp"
#include "common/logstore/line_parts.hpp"

namespace persistproc::logstore {

namespace {

constexpr std::uint64_t most_records_of_front = 256;
// How far back the beginning of a very long line is looked for.
constexpr std::uint64_t most_records_of_line = 1u << 14;

/// `front_begin`: of the line; where it is not known, of what is there.
Result<void> measure_front(Snapshot& log, const LineQuery& query, Line& front, std::uint64_t& front_begin) {
    auto found = log.find_position(front.position);
    if (!found) return found.error();
    std::uint64_t end = front.position;
    Place at = *found;
    for (std::uint64_t looked = 0; looked < most_records_of_line; ++looked) {
        auto in = log.segment(at.segment);
        if (!in) return in.error();
        if (*in == nullptr) break;
        if (at.record < (*in)->count()) {
            auto record = (*in)->record(at.record);
            if (!record) return record.error();
            if (*record && belongs(**record, query.stream)) {
                const std::uint64_t begin = (*in)->position_of(**record);
                const bool is_other = (*record)->run != front.run || (*record)->stream != front.stream;
                if (begin < end && is_other) return {};
                if (begin < end) {
                    auto length = std::min<std::uint64_t>((*record)->length, end - begin);
                    const bool has_begin = lines_of(**record, query.stream) > 0;
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
            if (at.segment == 0 && log.oldest_position() == 0) return {};
            if (at.segment == 0) break;
            --at.segment;
            auto before = log.segment(at.segment);
            if (!before) return before.error();
            if (*before == nullptr || (*before)->count() == 0) break;
            at.record = (*before)->count();
        }
        --at.record;
    }
    front_begin = front.position;
    return {};
}

}  // namespace

Result<void> find_front(Snapshot& log, const LineQuery& query, const Range& range, Line& front) {
    if (front.event || front.is_gap) return {};
    std::uint64_t begin = front.position;
    if (auto measured = measure_front(log, query, front, begin); !measured) return measured;
    const bool is_known = begin < front.position;
    if (query.longest_line == 0 || query.last == 0 || !is_known) return {};
    auto place = log.find_position(begin);
    if (!place) return place.error();
    const std::size_t most = query.longest_line / 2;
    std::string head;
    std::uint64_t looked = 0;
    const auto visit = [&](Segment& segment, const IndexRecord& record, Place&) -> Result<bool> {
        const std::uint64_t at = segment.position_of(record);
        if (at >= front.position || head.size() >= most || ++looked > most_records_of_front) return false;
        if (record.length == 0 || record.stream != front.stream || !belongs(record, query.stream)) return true;
        auto bytes = segment.data(record.offset, record.length);
        if (!bytes) return false;
        const std::size_t skipped = begin > at ? static_cast<std::size_t>(begin - at) : 0;
        if (skipped >= bytes->size()) return true;
        const std::uint64_t length = std::min(at + record.length, front.position) - std::max(at, begin);
        head += bytes->substr(skipped, std::min<std::uint64_t>(length, most - head.size()));
        return true;
    };
    auto done = for_each_record(log, *place, range.end, visit);
    if (!done) return done.error();
    head.resize(whole_characters(head));
    const std::uint64_t missing = front.missing_before - std::min<std::uint64_t>(front.missing_before, head.size());
    for (Hole& each : front.holes) each.at += head.size();
    front.missing_before = 0;
    if (missing > 0) front.holes.insert(front.holes.begin(), {head.size(), missing});
    front.text.insert(0, head);
    if (front.text.size() > query.longest_line) {
        const std::size_t tail = query.longest_line - std::min(query.longest_line, head.size());
        cut_out(front, head.size(), front.text.size() - tail);
    }
    return {};
}

Result<std::uint64_t> pass_over(Snapshot& log, const LineQuery& query, const Range& range, std::uint64_t next,
                                Line& last) {
    auto from = log.find_position(last.end);
    if (!from) return from.error();
    std::uint64_t seen = next;
    const auto visit = [&](Segment& segment, const IndexRecord& record, Place&) -> Result<bool> {
        const std::uint64_t begin = segment.position_of(record);
        const bool is_missing = begin > seen || (record.flags & gap) != 0 || is_loss(record.event, record.value);
        if (is_missing || (record.length > 0 && record.run != last.run)) return false;
        seen = std::max(seen, begin + record.length);
        if (!belongs(record, query.stream) || begin + record.length <= next) return true;
        if (record.stream != last.stream && (record.flags & separator) == 0) return false;
        const std::uint64_t skipped = next > begin ? next - begin : 0;
        std::uint64_t length = record.length - skipped;
        if (lines_of(record, query.stream) > 0) {
            auto bytes = segment.data(record.offset, record.length);
            if (!bytes) return false;
            const auto newline = bytes->find('\n', skipped);
            last.complete = newline != std::string_view::npos;
            if (last.complete) length = newline - skipped;
        }
        last.missing_after += length;
        last.end = next = begin + skipped + length + (last.complete ? 1 : 0);
        return !last.complete;
    };
    const auto done = for_each_record(log, *from, range.end, visit);
    if (!done) return done.error();
    return next;
}

}  // namespace persistproc::logstore
