#pragma once
/// Lines that stand only in part on a page: how much of them is before and behind it. For the other sources of this
/// folder alone.
#include "common/logstore/range.hpp"

namespace persistproc::logstore {

/// How much of the page's first line stands before it (`missing_before`), and its beginning, where the last lines are
/// asked for and lines are cut in the middle. Errors: io, corrupt, unsupported, as for all here.
Result<void> find_front(Snapshot& log, const LineQuery& query, const Range& range, Line& front);

/// Goes from `next` to the end of the page's last line, which is told what is missing of it. Gives the position there.
Result<std::uint64_t> pass_over(Snapshot& log, const LineQuery& query, const Range& range, std::uint64_t next,
                                Line& last);

}  // namespace persistproc::logstore
