#pragma once
#include "cli/commands/arguments.hpp"
#include "common/logstore/line_filter.hpp"
#include "common/logstore/reader.hpp"

namespace persistproc::cli::commands {

/// What is asked for of one process's log. Errors: invalid (a time, a cursor, a run), not_found (no such run).
Result<logstore::LineQuery> make_output_query(const OutputArguments& options, const ProcessView& view);

/// Whether an answer can have given its cursor. Errors: invalid, naming the flag.
Result<void> check_cursor(const logstore::LineQuery& query, const ProcessView& view, const logstore::LogView& log);

/// What its patterns let pass. Says once that some of a line was passed over; gives up when a signal is held back.
/// Errors: invalid, naming the flag.
Result<logstore::LineFilter> make_output_filter(const Console& console, const logstore::LineQuery& query);

/// Why nothing was shown of logs that hold something. Empty: nobody need be told.
std::string nothing_text(const OutputArguments& options);

/// `output` of several processes, or of all: their lines in the order of time. Also of one that is followed with what
/// stands around each match.
Task<int> merged_output(Context context, OutputArguments options);

}  // namespace persistproc::cli::commands
