#include "daemon/core/views.hpp"

#include <fmt/format.h>

#include <cstring>

#include "common/logstore/loss_text.hpp"

namespace persistproc::core {

namespace {

/// How the recording of a run stands, and what is missing of it; empty: all is well.
std::string recording_text(const rundir::RunState& state, const logstore::Losses& losses, bool is_live) {
    std::string out;
    const char* why = std::strerror(state.recording_errno);
    if (state.recording == rundir::Recording::no_room && is_live)
        out = fmt::format("output is being dropped ({}): make room, and recording goes on", why);
    if (state.recording == rundir::Recording::device_error)
        out = fmt::format("its log met a device error ({}): check the disk", why);
    std::string missing = logstore::losses_text(losses);
    // Counted by the shim, and not yet told.
    if (missing.empty() && state.has_gaps != 0) missing = "some output was not recorded";
    if (!out.empty() && !missing.empty()) out += "; ";
    return out + missing;
}

/// The outcome that is shown: a run's own, from its end on.
const Outcome* shown_outcome(const Process& process) {
    const auto* stopping = std::get_if<Stopping>(&process.life.phase());
    const bool has_ended = !process.life.is_live() || (stopping != nullptr && stopping->has_ended);
    return has_ended && process.life.outcome() ? &*process.life.outcome() : nullptr;
}

/// How many of what an ended program started still live, where they could be counted.
std::optional<std::int64_t> left_running(const Process& process) {
    const bool is_counted = has_leftovers(process.life.phase()) && process.reading.run == process.life.last_run() &&
                            !process.reading.tree.pids.empty();
    return is_counted ? std::optional(static_cast<std::int64_t>(process.reading.tree.pids.size())) : std::nullopt;
}

std::string failure_text(const domain::StartFailure& failure) {
    const bool is_stage = failure.os_error != 0 && failure.stage.find(' ') == std::string::npos;
    return is_stage ? fmt::format("{}: {}", failure.stage, std::strerror(failure.os_error)) : failure.stage;
}

}  // namespace

std::optional<std::string> detail_of(const Process& process, WallTime wall, MonoTime now) {
    std::optional<std::string> out;
    const bool live = process.life.is_live();
    if (const Outcome* outcome = shown_outcome(process)) {
        if (outcome->failure)
            out = failure_text(*outcome->failure);
        else if (!outcome->detail.empty())
            out = outcome->detail;
    }
    if (const auto* backoff = std::get_if<Backoff>(&process.life.phase()))
        out = fmt::format("runs again at {}", base::format_rfc3339(wall + (backoff->until - now)));
    if (has_leftovers(process.life.phase()) && !process.is<Backoff>()) {
        const auto left = left_running(process);
        out = left ? fmt::format("{} left running", *left) : "programs it started still run";
    }
    if (live && process.is<Unreachable>() && !out && process.run_state.shim_pid > 0)
        out = fmt::format("its shim (PID {}) lives but does not answer; it is asked again", process.run_state.shim_pid);
    const bool is_of_run = process.reading.run == process.life.last_run();
    const std::string recording =
        recording_text(process.run_state, is_of_run ? process.reading.losses : logstore::Losses{}, live);
    if (!recording.empty()) out = out ? *out + "; " + recording : recording;
    return out;
}

ProcessView make_view(const Process& process, const std::filesystem::path& log, WallTime wall, MonoTime now) {
    ProcessView view;
    static_cast<Definition&>(view) = process.record.definition;
    const Reading& reading = process.reading;
    const auto& state = process.run_state;
    view.id = process.name();
    view.state = process.state();
    const bool live = process.life.is_live();
    if (live && state.pid > 0) view.pid = state.pid;
    if (state.started_wall_ns != 0) view.started_at = base::from_ns(state.started_wall_ns);
    if (process.life.last_run() > 0) view.run = to_string(process.newest_run());
    view.restarts = process.record.restarts;
    if (const Outcome* outcome = shown_outcome(process)) {
        view.ended_at = outcome->ended_at;
        view.exit_code = outcome->exit_code;
        if (outcome->signal) view.signal = domain::signal_name(*outcome->signal);
        view.reason = outcome->reason;
    }
    view.detail = detail_of(process, wall, now);
    // Samples belong to one run.
    if (process.has_tree() && reading.run == process.life.last_run()) {
        view.ports = reading.tree.ports;
        if (live) {
            view.cpu_percent = reading.cpu_percent;
            if (reading.tree.taken_boot_ns != 0) view.memory_bytes = reading.tree.memory_bytes;
        }
    }
    if (reading.log_end.last_output_ns != 0) view.last_output_at = base::from_ns(reading.log_end.last_output_ns);
    view.log_path =
        reading.log_end.newest_segment.empty() ? (log / "00000001.log").string() : reading.log_end.newest_segment;
    return view;
}

}  // namespace persistproc::core
