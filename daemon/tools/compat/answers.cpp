#include "daemon/tools/compat/answers.hpp"

#include <algorithm>

#include "common/base/time.hpp"
#include "common/mcp/message.hpp"
#include "common/schema/json.hpp"

namespace persistproc::tools::compat {

std::string status_word(const ProcessView& view, Generation generation) {
    if (domain::is_live(view)) return "running";
    if (view.state == ProcessState::stopped) return "terminated";
    const bool has_ended = view.state == ProcessState::exited || view.state == ProcessState::killed;
    if (has_ended && generation == Generation::first && view.exit_code != 0) return "failed";
    if (has_ended) return "exited";
    return std::string(schema::enum_name(view.state));
}

std::optional<int> return_code(const std::optional<int>& exit_code, const std::optional<int>& signal) {
    if (exit_code) return exit_code;
    if (signal) return -*signal;
    return std::nullopt;
}

Facts facts_of(const ProcessView& view, std::int64_t pid, Generation generation) {
    const auto time = [](const std::optional<WallTime>& at) { return at ? Json(base::format_rfc3339(*at)) : Json(); };
    const auto code = return_code(view.exit_code, view.signal ? domain::find_signal(*view.signal) : std::nullopt);
    Facts out;
    Json& facts = out.by_name;
    if (pid > 0) facts["pid"] = pid;
    if (generation == Generation::first)
        facts["command"] = domain::command_line(view.command);
    else
        facts["command"] = view.command;
    facts["working_directory"] = view.working_directory;
    facts["status"] = status_word(view, generation);
    facts["label"] = view.label;
    facts["start_time"] = time(view.started_at);
    facts["end_time"] = facts["exit_time"] = time(view.ended_at);
    if (code) facts["exit_code"] = *code;
    for (const char* name : {"log_stdout", "log_stderr", "log_combined", "stdout", "stderr", "combined"})
        if (view.log_path) facts[name] = *view.log_path;
    return out;
}

Json shaped(const Facts& facts, const Shape& shape) {
    Json out = Json::object();
    for (const std::string_view name : shape.members) {
        if (name.empty()) break;
        const auto found = facts.by_name.find(std::string(name));
        out[std::string(name)] = found == facts.by_name.end() ? Json() : *found;
    }
    return out;
}

Result<WallTime> parse_time(std::string_view text, WallTime now) {
    const std::string given(text);
    for (const std::string& spelling : {given, given + "Z", given + ":00Z", given + "T00:00:00Z"})
        if (const auto time = base::parse_rfc3339(spelling)) return *time;
    return base::parse_time_or_age(text, now);
}

mcp::ToolResult answered(const Json& answer) {
    mcp::ToolResult result;
    result.text = mcp::json_text(answer);
    return result;
}

mcp::ToolResult refused(const Error& error, const Shape& shape, Facts facts) {
    facts.by_name["error"] = error.message;
    const bool is_member = std::find(shape.members.begin(), shape.members.end(), "error") != shape.members.end();
    return answered(is_member ? shaped(facts, shape) : Json{{"error", error.message}});
}

}  // namespace persistproc::tools::compat
