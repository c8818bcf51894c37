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

    static constexpr auto fields() {
        using R = Controlled;
        using schema::field;
        return std::tuple{field("action", &R::action),         field("pid", &R::pid),
                          field("exit_code", &R::exit_code),   field("log_stdout", &R::log_stdout),
                          field("log_stderr", &R::log_stderr), field("log_combined", &R::log_combined),
                          field("label", &R::label),           field("error", &R::error)};
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

    static constexpr auto fields() {
        using R = Info;
        using schema::field;
        return std::tuple{field("pid", &R::pid),
                          field("command", &R::command),
                          field("working_directory", &R::working_directory),
                          field("status", &R::status),
                          field("label", &R::label),
                          field("start_time", &R::start_time),
                          field("end_time", &R::end_time),
                          field("exit_code", &R::exit_code),
                          field("log_stdout", &R::log_stdout),
                          field("log_stderr", &R::log_stderr),
                          field("log_combined", &R::log_combined)};
    }
};

struct Listed {
    std::vector<Info> processes;
    std::optional<std::string> error;
    static constexpr auto fields() {
        return std::tuple{schema::field("processes", &Listed::processes), schema::field("error", &Listed::error)};
    }
};

struct Status : Info {
    std::optional<std::string> error;
    static constexpr auto fields() {
        return std::tuple_cat(Info::fields(), std::tuple{schema::field("error", &Status::error)});
    }
};

/// Lines as "<time> <text>\n". The counts are of lines asked for and not shown.
struct OutputLines {
    std::optional<std::vector<std::string>> output;
    std::optional<std::int64_t> lines_before, lines_after;
    std::optional<std::string> error;

    static constexpr auto fields() {
        using R = OutputLines;
        return std::tuple{schema::field("output", &R::output), schema::field("lines_before", &R::lines_before),
                          schema::field("lines_after", &R::lines_after), schema::field("error", &R::error)};
    }
};

struct LogPaths {
    std::optional<std::string> out, err, combined;
    std::optional<std::string> note;
    std::optional<std::string> error;

    static constexpr auto fields() {
        using R = LogPaths;
        return std::tuple{schema::field("stdout", &R::out), schema::field("stderr", &R::err),
                          schema::field("combined", &R::combined), schema::field("note", &R::note),
                          schema::field("error", &R::error)};
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
