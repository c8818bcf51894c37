#pragma once
/// What the tools of the Python original answer: one JSON object as text, absent facts null, and a failure as its
/// member `error` in an answer that is otherwise a success, since its clients look there. Pure.
#include <optional>
#include <string>
#include <vector>

#include "common/domain/process.hpp"
#include "common/mcp/tool.hpp"
#include "daemon/tools/compat/requests.hpp"

namespace persistproc::tools::compat {

/// Of start, stop and restart in every generation.
struct Controlled {
    Action action = Action::start;
    std::optional<std::int64_t> pid;
    std::optional<int> exit_code;
    std::optional<std::string> log_stdout, log_stderr, log_combined;
    std::optional<std::string> label;
    std::optional<std::string> error;

    template <class Each>
    static constexpr void fields(Each&& each) {
        using R = Controlled;
        using schema::field;
        each(field("action", &R::action));
        each(field("pid", &R::pid));
        each(field("exit_code", &R::exit_code));
        each(field("log_stdout", &R::log_stdout));
        each(field("log_stderr", &R::log_stderr));
        each(field("log_combined", &R::log_combined));
        each(field("label", &R::label));
        each(field("error", &R::error));
    }
};

/// A process of a list. `pid` is of the current or last run: it is how the original names one that has ended.
struct Info {
    std::optional<std::int64_t> pid;
    std::optional<std::vector<std::string>> command;
    std::optional<std::string> working_directory;
    std::optional<std::string> status;
    std::optional<std::string> label;
    std::optional<WallTime> start_time, end_time;
    std::optional<int> exit_code;
    std::optional<std::string> log_stdout, log_stderr, log_combined;

    template <class Each>
    static constexpr void fields(Each&& each) {
        using R = Info;
        using schema::field;
        each(field("pid", &R::pid));
        each(field("command", &R::command));
        each(field("working_directory", &R::working_directory));
        each(field("status", &R::status));
        each(field("label", &R::label));
        each(field("start_time", &R::start_time));
        each(field("end_time", &R::end_time));
        each(field("exit_code", &R::exit_code));
        each(field("log_stdout", &R::log_stdout));
        each(field("log_stderr", &R::log_stderr));
        each(field("log_combined", &R::log_combined));
    }
};

struct Listed {
    std::vector<Info> processes;
    std::optional<std::string> error;
    template <class Each>
    static constexpr void fields(Each&& each) {
        each(schema::field("processes", &Listed::processes));
        each(schema::field("error", &Listed::error));
    }
};

struct Status : Info {
    std::optional<std::string> error;
    template <class Each>
    static constexpr void fields(Each&& each) {
        Info::fields(each);
        each(schema::field("error", &Status::error));
    }
};

/// Lines as "<time> <text>\n". The counts are of lines asked for and not shown.
struct OutputLines {
    std::optional<std::vector<std::string>> output;
    std::optional<std::int64_t> lines_before, lines_after;
    std::optional<std::string> error;

    template <class Each>
    static constexpr void fields(Each&& each) {
        using R = OutputLines;
        each(schema::field("output", &R::output));
        each(schema::field("lines_before", &R::lines_before));
        each(schema::field("lines_after", &R::lines_after));
        each(schema::field("error", &R::error));
    }
};

struct LogPaths {
    std::optional<std::string> out, err, combined;
    std::optional<std::string> note;
    std::optional<std::string> error;

    template <class Each>
    static constexpr void fields(Each&& each) {
        using R = LogPaths;
        each(schema::field("stdout", &R::out));
        each(schema::field("stderr", &R::err));
        each(schema::field("combined", &R::combined));
        each(schema::field("note", &R::note));
        each(schema::field("error", &R::error));
    }
};

/// The original's word for a state: running, terminated (stopped on request), exited or failed; where it has none,
/// ours.
std::string status_word(const ProcessView& view);

/// As Python's Popen.returncode: the code, or minus the signal. Nothing: not ended, or nobody knows.
std::optional<int> return_code(const std::optional<int>& exit_code, const std::optional<int>& signal);

/// `pid`: of the current or last run; 0: none.
Info info_of(const ProcessView& view, std::int64_t pid);

/// Accepts what Python's datetime.fromisoformat does of RFC 3339, where a missing offset means UTC and missing digits
/// are zeros; and ages ("5m") as all of persistproc does. Errors: invalid.
Result<WallTime> parse_time(std::string_view text, WallTime now);

std::string json_text(const schema::Json& json);

/// The answer as text alone.
template <class Answer>
mcp::ToolResult answered(const Answer& answer) {
    mcp::ToolResult result;
    result.text = json_text(schema::to_json(answer));
    return result;
}

/// `answer` with nothing but `error`.
template <class Answer>
mcp::ToolResult refused(Answer answer, const Error& error) {
    answer.error = error.message;
    return answered(answer);
}

}  // namespace persistproc::tools::compat
