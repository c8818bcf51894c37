#include "daemon/tools/describe.hpp"

#include <fmt/format.h>

#include "common/base/text.hpp"

namespace persistproc::tools {

namespace {

std::string bytes_text(std::int64_t bytes) {
    if (bytes < 1024 * 1024) return fmt::format("{} KiB", bytes / 1024);
    return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / 1048576.0);
}

std::string how_it_ended(const domain::Ending& ending) {
    std::string out;
    if (ending.exit_code) out += fmt::format(", code {}", *ending.exit_code);
    if (ending.signal) out += fmt::format(", {}", *ending.signal);
    // That it was stopped is its state.
    const auto& reason = ending.reason;
    const bool is_told = !reason || *reason == OutcomeReason::self || *reason == OutcomeReason::stopped;
    if (!is_told) out += fmt::format(", reason {}", schema::enum_name(*reason));
    if (!ending.stopped_by.empty()) out += fmt::format(", by {}", base::escape_line(ending.stopped_by));
    return out;
}

/// " (…)" with all of them; nothing where there is none.
std::string in_brackets(const std::vector<Cause>& causes) {
    return causes.empty() ? "" : fmt::format(" ({})", base::escape_line(domain::causes_text(causes)));
}

}  // namespace

std::string describe(const ProcessView& view) {
    std::string out = fmt::format("{} {} {}", view.id, base::quote(view.label), schema::enum_name(view.state));
    out += how_it_ended(view);
    if (view.pid) out += fmt::format(", pid {}", *view.pid);
    if (view.ready) out += *view.ready ? ", ready" : ", not ready";
    if (view.run) out += fmt::format(", run {}", *view.run);
    if (!view.causes.empty()) out += fmt::format(" ({})", base::escape_line(domain::causes_text(view)));
    out += fmt::format("\n  {} in {}", base::escape_line(domain::command_line(view.command)),
                       base::escape_line(view.working_directory));
    if (!view.description.empty()) out += fmt::format("\n  {}", base::escape_line(view.description));
    out += fmt::format("\n  restarts {}", view.restarts);
    if (view.started_at) out += fmt::format(", started {}", base::format_rfc3339(*view.started_at));
    if (!view.started_by.empty()) out += fmt::format(" by {}", base::escape_line(view.started_by));
    if (view.ended_at) out += fmt::format(", ended {}", base::format_rfc3339(*view.ended_at));
    if (!view.ports.empty()) out += fmt::format(", ports {}", fmt::join(view.ports, " "));
    if (view.cpu_percent) out += fmt::format(", cpu {}%", *view.cpu_percent);
    if (view.memory_bytes) out += fmt::format(", memory {}", bytes_text(*view.memory_bytes));
    if (view.last_output_at) out += fmt::format(", last output {}", base::format_rfc3339(*view.last_output_at));
    if (view.log_path) out += fmt::format(", log {}", base::escape_line(*view.log_path));
    return out;
}

std::string describe(const std::vector<ProcessView>& views) {
    if (views.empty()) return "No processes.";
    std::string out;
    for (const auto& view : views) {
        if (!out.empty()) out += '\n';
        out += describe(view);
    }
    return out;
}

std::string headline(const core::Located& process) {
    std::string out =
        fmt::format("{} {} {}", to_string(process.id), base::quote(process.label), schema::enum_name(process.state));
    if (process.outcome) out += how_it_ended(domain::ending_of(*process.outcome));
    return out + in_brackets(process.causes);
}

domain::Ending ending_of(const core::Located& process) {
    domain::Ending out;
    if (process.outcome) out = domain::ending_of(*process.outcome);
    out.causes = process.causes;
    return out;
}

namespace {

std::string fate_alone(const std::optional<Outcome>& outcome) {
    if (!outcome) return "has ended";
    if (outcome->reason == OutcomeReason::stopped) {
        const std::string by =
            outcome->stopped_by.empty() ? "on request" : "by " + base::escape_line(outcome->stopped_by);
        return "was stopped " + by;
    }
    if (outcome->exit_code) return fmt::format("exited with code {}", *outcome->exit_code);
    if (outcome->signal) return fmt::format("was ended by {}", domain::signal_name(*outcome->signal));
    return outcome->reason == OutcomeReason::exec_failed ? "could not be started" : "ended in a way nobody can know";
}

}  // namespace

std::string fate(const std::optional<Outcome>& outcome) {
    return fate_alone(outcome) + (outcome ? in_brackets(outcome->causes) : "");
}

}  // namespace persistproc::tools
