#include "daemon/tools/compat/answers.hpp"

#include "common/base/time.hpp"

namespace persistproc::tools::compat {

std::string status_word(const ProcessView& view) {
    if (domain::is_live(view)) return "running";
    if (view.state == ProcessState::stopped) return "terminated";
    if (view.state == ProcessState::exited || view.state == ProcessState::killed) return "exited";
    return std::string(schema::enum_name(view.state));
}

std::optional<int> return_code(const std::optional<int>& exit_code, const std::optional<int>& signal) {
    if (exit_code) return exit_code;
    if (signal) return -*signal;
    return std::nullopt;
}

Info info_of(const ProcessView& view, std::int64_t pid) {
    Info out;
    if (pid > 0) out.pid = pid;
    out.command = view.command;
    out.working_directory = view.working_directory;
    out.status = status_word(view);
    out.label = view.label;
    out.start_time = view.started_at;
    out.end_time = view.ended_at;
    out.exit_code = return_code(view.exit_code, view.signal ? domain::find_signal(*view.signal) : std::nullopt);
    out.log_stdout = out.log_stderr = out.log_combined = view.log_path;
    return out;
}

Result<WallTime> parse_time(std::string_view text, WallTime now) {
    const std::string given(text);
    for (const std::string& spelling : {given, given + "Z", given + ":00Z", given + "T00:00:00Z"})
        if (const auto time = base::parse_rfc3339(spelling)) return *time;
    return base::parse_time_or_age(text, now);
}

std::string json_text(const schema::Json& json) {
    return json.dump(-1, ' ', false, schema::Json::error_handler_t::replace);
}

}  // namespace persistproc::tools::compat
