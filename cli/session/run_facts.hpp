#pragma once
/// What a log's events and the daemon's views mean to the policy of who follows them. Pure.
#include <cstdint>
#include <string>

#include "cli/session/policy.hpp"
#include "common/domain/process.hpp"
#include "common/logstore/format.hpp"

namespace persistproc::cli::session {

/// Whether it is a run's end, with how it ended.
bool is_run_end(logstore::Event event) noexcept;
/// `event` is one; `value` belongs to it.
RunEnded run_ended_of(logstore::Event event, std::int64_t value, std::uint32_t run, bool was_stopped);

Polled polled_of(const ProcessView& view);
/// The number of its newest run; 0: it has none.
std::uint32_t run_of(const ProcessView& view);

/// The view of a run that has ended as its log says, while the daemon has not told of it.
ProcessView ended_view(ProcessView known, const std::string& run, const RunEnd& how);

}  // namespace persistproc::cli::session
