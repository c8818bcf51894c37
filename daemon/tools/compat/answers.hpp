#pragma once
/// What the tools of the Python original answer: JSON as text, member for member as it was, absent facts null. A
/// failure is the member `error` in an answer that is otherwise a success, since its clients look there and raise on
/// `isError`. Pure.
#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "common/domain/process.hpp"
#include "common/mcp/tool.hpp"

namespace persistproc::tools::compat {

using mcp::Json;

/// The first one (start_process … get_process_log_paths) told a command as one line, a list as an array, and had
/// `error` in failures alone: its client asks whether the name occurs. Those after it had `error` in every answer.
enum class Generation { first, later };

/// The members of a tool's answer, in order. One that names no `error` is an object of that alone when it fails.
struct Shape {
    Generation generation = Generation::later;
    std::array<std::string_view, 11> members = {};
};

inline constexpr Shape first_info{
    Generation::first,
    {"pid", "command", "start_time", "status", "working_directory", "exit_code", "exit_time", "label"}};
inline constexpr Shape first_log_paths{Generation::first, {"stdout", "stderr", "combined"}};
inline constexpr Shape first_list{Generation::first};
inline constexpr Shape started{Generation::later,
                               {"pid", "log_stdout", "log_stderr", "log_combined", "label", "error"}};
inline constexpr Shape stopped{Generation::later, {"exit_code", "error"}};
inline constexpr Shape restarted{Generation::later, {"pid", "error"}};
inline constexpr Shape controlled{
    Generation::later, {"action", "pid", "exit_code", "log_stdout", "log_stderr", "log_combined", "label", "error"}};
inline constexpr Shape info{Generation::later,
                            {"pid", "command", "working_directory", "status", "label", "start_time", "end_time",
                             "log_stdout", "log_stderr", "log_combined"}};
inline constexpr Shape listed{Generation::later, {"processes"}};
inline constexpr Shape status_told{Generation::later,
                                   {"pid", "command", "working_directory", "status", "label", "error"}};
inline constexpr Shape output_lines{Generation::later, {"output", "lines_before", "lines_after", "error"}};
inline constexpr Shape log_paths_told{Generation::later, {"stdout", "stderr", "error"}};

/// The original's word for a state: running, terminated (stopped on request), exited or failed; where it has none,
/// ours. To its first generation a program that ended itself with another code than 0 has failed.
std::string status_word(const ProcessView& view, Generation generation = Generation::later);

/// As Python's Popen.returncode: the code, or minus the signal. Nothing: not ended, or nobody knows.
std::optional<int> return_code(const std::optional<int>& exit_code, const std::optional<int>& signal);

/// What any answer may tell, by its name there.
struct Facts {
    Json by_name = Json::object();
};

/// All that is known of a process. `pid`: of the current or last run, which is how the
/// original names one that has ended; 0: none.
Facts facts_of(const ProcessView& view, std::int64_t pid, Generation generation);

/// Those of the facts that the answer has.
Json shaped(const Facts& facts, const Shape& shape);

/// Accepts what Python's datetime.fromisoformat does of RFC 3339, where a missing offset means UTC and missing digits
/// are zeros; and ages ("5m") as all of persistproc does. Errors: invalid.
Result<WallTime> parse_time(std::string_view text, WallTime now);

/// The answer as text alone.
mcp::ToolResult answered(const Json& answer);
mcp::ToolResult refused(const Error& error, const Shape& shape, Facts facts = {});

}  // namespace persistproc::tools::compat
