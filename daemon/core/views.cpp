// What users see of processes: facts of the lifecycle, the kernel and the log in one view.
#include <fmt/format.h>

#include <cstring>

#include "common/async/offload.hpp"
#include "common/logstore/loss_text.hpp"
#include "common/rundir/paths.hpp"
#include "daemon/core/process.hpp"

namespace persistproc::core {

namespace {

constexpr std::uint64_t freshness_ns = 250'000'000;

struct ProbeTarget {
    TreeRoots roots;
    std::filesystem::path log;
    std::uint32_t run = 0;
    std::optional<logstore::Losses> losses;  // known so far; nothing: none are to be looked for
};
struct ProbeAnswer {
    std::vector<TreeSample> samples;
    std::vector<Result<logstore::LogEnd>> logs;
    std::vector<logstore::Losses> losses;
};

ProbeAnswer probe(const std::vector<ProbeTarget>& targets) {
    ProbeAnswer answer;
    std::vector<TreeRoots> roots;
    for (const auto& each : targets) {
        roots.push_back(each.roots);
        answer.logs.push_back(logstore::find_log_end(each.log));
        const logstore::Losses known = each.losses.value_or(logstore::Losses{});
        const auto found = each.losses ? logstore::find_losses(each.log, each.run, known) : known;
        answer.losses.push_back(found ? *found : known);
    }
    answer.samples = sample_trees(roots);
    return answer;
}

TreeRoots roots_of(const rundir::RunState& state) {
    const bool is_foreign = state.successors > 0 && state.phase == rundir::Phase::started && state.outcome_unknown == 0;
    return {.shim = state.shim_pid, .program = is_foreign ? state.pid : 0};
}

bool may_have_losses(const rundir::RunState& state) {
    return state.has_gaps != 0 || state.successors != 0 || state.recording == rundir::Recording::no_room;
}

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

}  // namespace

ProcessView Supervisor::make_view(const Process& process) const {
    ProcessView view;
    const Definition& definition = process.record.definition;
    view.id = process.name();
    view.label = definition.label;
    view.command = definition.command;
    view.working_directory = definition.working_directory;
    view.state = process.unsupported ? ProcessState::unsupported : process.life.state();
    const bool live = process.life.is_live();
    const auto& state = process.run_state;
    if (live && state.pid > 0) view.pid = state.pid;
    if (state.started_wall_ns != 0) view.started_at = base::from_ns(state.started_wall_ns);
    if (process.life.last_run() > 0) view.run = to_string(process.newest_run());
    view.restarts = process.record.restarts;
    view.started_by = definition.started_by;
    const auto* stopping = std::get_if<Stopping>(&process.life.phase());
    const bool has_ended = !live || (stopping != nullptr && stopping->has_ended);
    if (has_ended && process.life.outcome()) {
        const Outcome& outcome = *process.life.outcome();
        view.ended_at = outcome.ended_at;
        view.exit_code = outcome.exit_code;
        if (outcome.signal) view.signal = domain::signal_name(*outcome.signal);
        view.reason = outcome.reason;
        if (outcome.failure)
            view.detail = outcome.failure->os_error != 0 && outcome.failure->stage.find(' ') == std::string::npos
                              ? fmt::format("{}: {}", outcome.failure->stage, std::strerror(outcome.failure->os_error))
                              : outcome.failure->stage;
        else if (!outcome.detail.empty())
            view.detail = outcome.detail;
    }
    if (const auto* backoff = std::get_if<Backoff>(&process.life.phase()))
        view.detail =
            fmt::format("runs again at {}", base::format_rfc3339(clock_.wall() + (backoff->until - clock_.now())));
    if (const auto* ended = std::get_if<Ended>(&process.life.phase()); ended != nullptr && ended->leftovers)
        view.detail = "programs it started still run";
    if (live && view.state == ProcessState::unreachable && !view.detail && state.shim_pid > 0)
        view.detail = fmt::format("its shim (PID {}) lives but does not answer; it is asked again", state.shim_pid);
    if (const std::string recording = recording_text(state, process.losses, live); !recording.empty())
        view.detail = view.detail ? *view.detail + "; " + recording : recording;
    if (live) {
        view.ports = process.sample.ports;
        view.cpu_percent = process.cpu_percent;
        if (process.sample.taken_boot_ns != 0) view.memory_bytes = process.sample.memory_bytes;
    }
    if (process.log_end.last_output_ns != 0) view.last_output_at = base::from_ns(process.log_end.last_output_ns);
    view.log_path = process.log_end.newest_segment.empty()
                        ? (rundir::process_paths(options_.data, process.record.id).log / "00000001.log").string()
                        : process.log_end.newest_segment;
    return view;
}

Task<> Supervisor::refresh(std::vector<ProcessPtr> stale) {
    std::vector<ProbeTarget> targets;
    for (const auto& process : stale)
        targets.push_back({process->life.is_live() ? roots_of(process->run_state) : TreeRoots{},
                           rundir::process_paths(options_.data, process->record.id).log, process->life.last_run(),
                           may_have_losses(process->run_state) ? std::optional(process->losses) : std::nullopt});
    std::vector<std::uint32_t> runs;
    for (const auto& each : targets) runs.push_back(each.run);
    auto look = [targets = std::move(targets)] { return probe(targets); };
    auto answer = co_await async::offload(files_, std::move(look));
    for (std::size_t i = 0; i < stale.size(); ++i) {
        Process& process = *stale[i];
        TreeSample& sample = answer.samples[i];
        if (process.life.is_live() && !sample.pids.empty()) {
            const double run_seconds =
                std::max(1e-3, static_cast<double>(sample.taken_boot_ns - process.run_state.started_boot_ns) / 1e9);
            double seconds = run_seconds;
            double ticks = static_cast<double>(sample.cpu_ticks);
            // Since the sample before, where there is one; children that ended in between take their time with them.
            if (process.sample.taken_boot_ns != 0 && sample.cpu_ticks >= process.sample.cpu_ticks) {
                seconds = static_cast<double>(sample.taken_boot_ns - process.sample.taken_boot_ns) / 1e9;
                ticks -= static_cast<double>(process.sample.cpu_ticks);
            }
            if (seconds > 0.05) process.cpu_percent = std::round(ticks / ticks_per_second() / seconds * 1000) / 10;
        }
        process.probed_boot_ns = sample.taken_boot_ns;
        process.sample = std::move(sample);
        if (process.life.last_run() == runs[i]) process.losses = answer.losses[i];
        if (answer.logs[i]) process.log_end = std::move(*answer.logs[i]);
        // After the shim is gone nobody writes: what was read stays true.
        process.log_is_final = !process.life.is_live() && !process.link && process.end_heard;
    }
}

Task<Result<ProcessView>> Supervisor::view_now(ProcessPtr process) {
    std::vector<ProcessPtr> one{process};
    co_await refresh(std::move(one));
    co_return make_view(*process);
}

Task<Result<std::vector<ProcessView>>> Supervisor::list(ListFilter filter) {
    if (auto ready = co_await wait_adopted(); !ready) co_return ready.error();
    if (filter.working_directory) {
        // One that is gone by now is compared as it is written.
        const std::string given = *filter.working_directory;
        auto find_directory = [given] { return canonical_directory(given); };
        auto directory = co_await async::offload(files_, std::move(find_directory));
        if (directory) filter.working_directory = std::move(*directory);
    }
    std::vector<ProcessPtr> chosen;
    if (filter.target) {
        auto found = resolve(*filter.target);
        if (!found) co_return found.error();
        chosen.push_back(*found);
    } else {
        for (const auto& [id, process] : processes_) chosen.push_back(process);
    }
    std::erase_if(chosen, [&](const ProcessPtr& process) {
        if (process->fresh && !process->life.is_live()) return true;
        const auto state = process->unsupported ? ProcessState::unsupported : process->life.state();
        return (filter.state && state != *filter.state) ||
               (filter.working_directory && process->record.definition.working_directory != *filter.working_directory);
    });
    std::vector<ProcessPtr> stale;
    const std::uint64_t now = base::boot_now_ns();
    for (const auto& process : chosen) {
        // What was seen of one that ended since is not how it ended.
        const bool is_fresh =
            process->life.is_live() && process->probed_boot_ns != 0 && now - process->probed_boot_ns <= freshness_ns;
        if (!process->log_is_final && !is_fresh) stale.push_back(process);
    }
    if (!stale.empty()) co_await refresh(std::move(stale));
    std::vector<ProcessView> views;
    views.reserve(chosen.size());
    for (const auto& process : chosen)
        if (!process->removed) views.push_back(make_view(*process));
    co_return views;
}

Task<std::vector<int>> Supervisor::ports(ProcessId id) {
    const auto found = processes_.find(id);
    if (found == processes_.end()) co_return std::vector<int>();
    ProcessPtr process = found->second;
    std::vector<ProcessPtr> one{process};
    co_await refresh(std::move(one));
    co_return process->sample.ports;
}

}  // namespace persistproc::core
