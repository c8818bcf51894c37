#pragma once
/// The part of a log that a query asks for, found by the index alone. For the other sources of this folder alone.
#include "common/logstore/reader.hpp"
#include "common/logstore/snapshot.hpp"

namespace persistproc::logstore {

/// What a query asks for, before its lines are looked at.
struct Range {
    Place begin, end;
    std::uint64_t begin_position = 0;         // may be inside the record at `begin`
    std::uint64_t end_position = UINT64_MAX;  // may be inside the record before `end`
    std::uint64_t evicted_bytes = 0;
    bool to_log_end = true;
};

/// Errors: io, corrupt, unsupported, as for all here.
Result<Range> find_range(Snapshot& log, const LineQuery& query);

/// The position behind its last byte.
Result<std::uint64_t> end_position_of(Snapshot& log, const Range& range);

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
                             std::uint64_t max_bytes, std::uint64_t middle = 1);

/// Position after the `nth` newline (from 1) of the record at `place`.
Result<std::uint64_t> position_after_newline(Snapshot& log, Place place, std::uint64_t nth);

/// The range from a line's begin on, `bytes` before its end or more; all of it, if it has no more.
Result<Range> newest_of(Snapshot& log, Range range, std::uint64_t bytes);

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

}  // namespace persistproc::logstore
