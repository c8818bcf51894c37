#include "daemon/core/views.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "common/logstore/loss_text.hpp"
#include "daemon/core/process_driver.hpp"
#include "daemon/core/readiness_driver.hpp"

namespace persistproc::core {

namespace {

/// How the recording of a run stands, and what is missing of it.
void add_recording(std::vector<Cause>& out, const Process& process, const logstore::Losses& losses, bool is_live) {
    const rundir::RunState& state = process.run_state;
    if (state.recording == rundir::Recording::no_room && is_live)
        out.push_back(Cause{.code = CauseCode::output_dropped, .os_error = state.recording_errno});
    if (state.recording == rundir::Recording::device_error)
        out.push_back(Cause{.code = CauseCode::log_device_error, .os_error = state.recording_errno});
    auto missing = logstore::causes_of(losses);
    // Counted by the shim, and not yet told.
    if (missing.empty() && state.has_gaps != 0) missing.push_back(Cause{.code = CauseCode::output_lost});
    if (process.cut_bytes > 0)
        missing.push_back(Cause{.code = CauseCode::output_lost,
                                .bytes = static_cast<std::int64_t>(process.cut_bytes),
                                .text = "machine_restarted"});
    std::move(missing.begin(), missing.end(), std::back_inserter(out));
}

/// The outcome that is shown: a run's own, from its end on.
const Outcome* shown_outcome(const Process& process) {
    // What its project has in mind for it comes after whatever has been.
    if (process.state() == ProcessState::waiting || process.state() == ProcessState::failed)
        if (process.record.planned && !process.record.plan_causes.empty()) return nullptr;
    const auto* stopping = std::get_if<Stopping>(&process.life.phase());
    const bool has_ended = !process.life.is_live() || (stopping != nullptr && stopping->has_ended);
    return has_ended && process.life.outcome() ? &*process.life.outcome() : nullptr;
}

/// What a look at its tree and its files tells of one that lives.
void add_sampled(std::vector<Cause>& out, const Process& process) {
    const auto& suspended = process.reading.tree.suspended;
    if (std::find(suspended.begin(), suspended.end(), process.run_state.pid) != suspended.end())
        out.push_back(Cause{.code = CauseCode::suspended});
    if (process.reading.is_data_removed) out.push_back(Cause{.code = CauseCode::data_removed});
}

/// How many of what an ended program started still live, where they could be counted.
std::optional<std::int64_t> left_running(const Process& process) {
    const auto& pids = process.reading.tree.pids;
    if (process.reading.run != process.life.last_run()) return std::nullopt;
    // The sample may be from just before its end; only of a lost one the program itself may have been left.
    const bool is_lost = process.life.outcome() && process.life.outcome()->reason == OutcomeReason::lost;
    const auto left =
        std::count_if(pids.begin(), pids.end(), [&](pid_t each) { return is_lost || each != process.run_state.pid; });
    return left > 0 ? std::optional<std::int64_t>(left) : std::nullopt;
}

/// In seconds, of the stop under way; 0: it kills at once.
std::optional<double> stop_grace(const Process& process) {
    if (!process.is<Stopping>() || !process.run || !process.run->machine().order()) return std::nullopt;
    const run::StopOrder& order = *process.run->machine().order();
    return order.force ? 0.0 : std::chrono::duration<double>(order.grace).count();
}

/// With how often it has failed in a row, of how often it may.
Cause runs_again(const Process& process, WallTime at) {
    Cause out{.code = CauseCode::runs_again, .at = at};
    if (process.life.quick_failures() == 0) return out;
    out.count = process.life.quick_failures();
    out.most = restart_rule(process.record.definition).give_up_after;
    return out;
}

/// Of one that another version wrote: which, and whether it is still kept.
void add_other_version(std::vector<Cause>& out, const Process& process) {
    if (!process.other_format) return;
    const auto [major, minor] = *process.other_format;
    const bool is_older = major < rundir::format_major;
    out.push_back(Cause{.code = is_older ? CauseCode::written_by_older : CauseCode::written_by_newer,
                        .text = fmt::format("{}.{}", major, minor)});
    if (process.has_other_keeper) out.push_back(Cause{.code = CauseCode::left_running});
}

/// Runs in a row that ended too soon.
Cause quick_failures(const Process& process) {
    const auto healthy = restart_rule(process.record.definition).healthy_after;
    return Cause{.code = CauseCode::quick_failures,
                 .count = process.life.quick_failures(),
                 .seconds = std::chrono::duration<double>(healthy).count()};
}

/// It runs, between two ends that came too soon as far as anybody knows.
bool is_in_crash_loop(const Process& process, MonoTime now) {
    constexpr int few = 1;  // anything may fail once
    if (process.life.quick_failures() <= few) return false;
    const auto* running = std::get_if<Running>(&process.life.phase());
    const bool is_young = running && now - running->since < restart_rule(process.record.definition).healthy_after;
    return is_young || process.is<Starting>();
}

}  // namespace

std::vector<Cause> causes_of(const Process& process, WallTime wall, MonoTime now) {
    std::vector<Cause> out;
    if (const bool is_planned = process.state() == ProcessState::waiting || process.has_never_run(); is_planned)
        return process.record.plan_causes;
    if (process.state() == ProcessState::failed && !process.record.plan_causes.empty())
        return process.record.plan_causes;
    const bool live = process.life.is_live();
    if (const Outcome* outcome = shown_outcome(process)) out = outcome->causes;
    if (const auto* backoff = std::get_if<Backoff>(&process.life.phase()))
        out.push_back(runs_again(process, wall + (backoff->until - now)));
    if (process.is<GaveUp>() || is_in_crash_loop(process, now)) out.push_back(quick_failures(process));
    if (live && process.changed_run == process.life.last_run() && process.changed_run > 0)
        out.push_back(Cause{.code = CauseCode::files_changed, .text = process.changed_file});
    if (process.watch_trouble) out.push_back(*process.watch_trouble);
    add_other_version(out, process);
    if (process.is<Ended>() && process.record.called_off_run == process.ended_run)
        out.push_back(Cause{.code = CauseCode::called_off, .by = process.record.called_off_by});
    const bool is_unknown_wanted =
        process.is<Ended>() && process.life.outcome() &&
        wants_restart(restart_rule(process.record.definition), *process.life.outcome(), false);
    if (is_unknown_wanted)
        if (auto why = find_not_understood(process.record.definition)) out.push_back(std::move(*why));
    const bool are_strays_seen = !process.strays().is_none() && left_running(process);
    if (has_leftovers(process.life.phase()) || are_strays_seen)
        out.push_back(Cause{.code = CauseCode::left_running, .count = left_running(process)});
    if (live && process.is<Unreachable>() && process.run_state.shim_pid > 0)
        out.push_back(Cause{.code = CauseCode::shim_silent, .pid = process.run_state.shim_pid});
    if (live && process.is<Unreachable>() && !process.unread.empty())
        out.push_back(Cause{.code = CauseCode::run_damaged, .text = process.unread});
    const bool is_of_run = process.reading.run == process.life.last_run();
    if (live && is_of_run) add_sampled(out, process);
    add_recording(out, process, is_of_run ? process.reading.losses : logstore::Losses{}, live);
    return out;
}

ProcessView make_view(const Process& process, WallTime wall, MonoTime now) {
    ProcessView view;
    static_cast<Definition&>(view) = process.record.definition;
    if (view.command.empty()) view.command = {std::string(domain::unknown_command)};
    view.label = domain::shown_label(view);
    const Reading& reading = process.reading;
    const auto& state = process.run_state;
    const double grace = stop_grace(process).value_or(view.grace_seconds);
    if (grace != Definition{}.grace_seconds) view.own_grace_seconds = grace;
    if (view.restart != Definition{}.restart) {
        view.own_restart = schema::enum_name(view.restart);
        if (view.restart_limit) *view.own_restart += fmt::format(":{}", *view.restart_limit);
    }
    if (view.stop_signal != Definition{}.stop_signal) view.own_stop_signal = domain::signal_name(view.stop_signal);
    view.input = process.record.definition.input;
    if (view.input == domain::Input::tty)
        view.size = view.size.value_or(domain::TerminalSize{});
    else
        view.size.reset();
    view.id = process.name();
    view.state = process.state();
    view.ready = process.ready;
    view.detail = readiness_detail(process);
    if (!process.url.empty() && process.url_run == process.life.last_run() && process.life.is_live())
        view.url = process.url;
    const bool live = process.life.is_live();
    if (live && state.pid > 0) view.pid = state.pid;
    if (state.started_wall_ns != 0) view.started_at = base::from_ns(state.started_wall_ns);
    if (process.life.last_run() > 0) view.run = to_string(process.newest_run());
    view.restarts = process.record.restarts;
    if (const Outcome* outcome = shown_outcome(process)) {
        // Younger ones came to nothing: no program, no outcome, no output.
        if (process.ended_run > 0) view.run = to_string(RunId{process.record.id, process.ended_run});
        // A document may lack it.
        if (outcome->ended_at != WallTime{}) view.ended_at = outcome->ended_at;
        static_cast<domain::Ending&>(view) = domain::ending_of(*outcome);
    }
    view.causes = causes_of(process, wall, now);
    if (const auto& membership = view.membership)
        view.project = domain::ProjectPlace{membership->name, membership->file, membership->process};
    if (view.state == ProcessState::failed && domain::has_cause(view, CauseCode::dependency))
        view.reason = OutcomeReason::dependency;
    // Samples belong to one run.
    const bool may_have_tree = process.has_tree() || !process.strays().is_none();
    if (may_have_tree && reading.run == process.life.last_run()) {
        view.ports = reading.tree.ports;
        if (live) {
            view.cpu_percent = reading.cpu_percent;
            // Before its program is there, nothing has been measured.
            if (reading.tree.memory_bytes > 0) view.memory_bytes = reading.tree.memory_bytes;
        }
    }
    if (reading.log_end.last_output_ns != 0) view.last_output_at = base::from_ns(reading.log_end.last_output_ns);
    return view;
}

}  // namespace persistproc::core
