#include "daemon/core/sampler.hpp"

#include <algorithm>
#include <cmath>

#include "common/base/proc.hpp"
#include "daemon/core/process.hpp"

namespace persistproc::core {

namespace {

constexpr std::uint64_t shortest_interval_ns = 200'000'000;

/// What a shim that was replaced had below it are children of whoever, as if there were none.
TreeRoots roots_of(const Process& process) {
    const auto& state = process.run_state;
    if (!process.has_tree()) return {.strays = process.strays()};
    if (state.successors == 0) return {.shim = state.shim_pid};
    return {.shim = state.shim_pid, .strays = {process.nonce, {state.pid, state.start_ticks}}};
}

/// What was seen of one that has ended since is not how it ended.
bool may_change(const Process& process) { return process.has_tree() || !process.strays().is_none(); }

std::optional<logstore::Losses> losses_to_look_for(const Process& process, std::uint32_t run) {
    const auto& state = process.run_state;
    const bool has_any = state.has_gaps != 0 || state.successors != 0 || state.recording == rundir::Recording::no_room;
    if (!has_any) return std::nullopt;
    return process.reading.run == run ? process.reading.losses : logstore::Losses{};
}

/// After its shim has gone nobody writes to the log, and no tree is left to be looked at but what carries its mark.
bool is_silent_for_good(const Process& process) { return !process.has_tree() && process.run == nullptr; }

}  // namespace

void Reading::note_cpu(std::uint64_t ticks, std::uint64_t taken_boot_ns, std::uint64_t started_boot_ns) {
    if (!cpu_mark) cpu_mark = CpuMark{started_boot_ns, 0};
    if (taken_boot_ns < cpu_mark->boot_ns + shortest_interval_ns && cpu_percent) return;
    if (taken_boot_ns <= cpu_mark->boot_ns) return;
    // Of what ended unseen, the time can be missing for good.
    const std::uint64_t used = ticks > cpu_mark->ticks ? ticks - cpu_mark->ticks : 0;
    const double seconds = static_cast<double>(taken_boot_ns - cpu_mark->boot_ns) / 1e9;
    cpu_percent = std::round(static_cast<double>(used) / base::ticks_per_second() / seconds * 1000) / 10;
    cpu_mark = CpuMark{taken_boot_ns, std::max(ticks, cpu_mark->ticks)};
}

Task<> Sampler::refresh(std::vector<ProcessPtr> processes, std::chrono::nanoseconds max_age, Look look) {
    const MonoTime since = clock_.now() - max_age;
    const std::uint64_t before = flights_;
    const auto is_known = [&](const ProcessPtr& process) {
        const Reading& reading = process->reading;
        const auto is_young = [&](const Reading::Stamp& stamp) {
            return stamp.taken && (stamp.flight > before || (may_change(*process) && *stamp.taken > since));
        };
        if (reading.run != process->life.last_run() || !reading.of_tree.taken) return false;
        return reading.is_final || (is_young(reading.of_tree) && (look == Look::tree || is_young(reading.of_log)));
    };
    for (;;) {
        std::erase_if(processes, is_known);
        if (processes.empty()) co_return;
        for (const auto& each : processes) {
            Wanted& wanted = wanted_[each->record.id];
            wanted.process = each;
            if (look == Look::whole) wanted.look = look;
        }
        if (!is_flying_) {
            is_flying_ = true;
            tasks_.spawn("sampling", fly());
        }
        co_await landed_.wait();
    }
}

Task<> Sampler::fly() {
    // By no destructor: a flight that is destroyed with its executor, in the middle, has outlived the sampler.
    try {
        co_await take_readings();
    } catch (...) {
        land();
        throw;
    }
    land();
}

void Sampler::land() {
    is_flying_ = false;
    landed_.notify_all();
}

Task<> Sampler::take_readings() {
    struct Seat {
        ProcessPtr process;
        std::uint32_t run = 0;
        bool is_final = false;
        bool is_of_log = false;
    };
    std::vector<Seat> seats;
    std::vector<SampleRequest> requests;
    for (const auto& [id, wanted] : wanted_) {
        const Process& process = *wanted.process;
        const std::uint32_t run = process.life.last_run();
        // Decided before the looking: an end that comes meanwhile is for the next flight.
        const bool is_final = is_silent_for_good(process);
        const bool is_of_log = is_final || wanted.look == Look::whole;
        seats.push_back({wanted.process, run, is_final, is_of_log});
        requests.push_back({.id = id,
                            .roots = roots_of(process),
                            .run = run,
                            .losses = losses_to_look_for(process, run),
                            .is_of_log = is_of_log});
    }
    wanted_.clear();
    const MonoTime left = clock_.now();
    const std::uint64_t flight = ++flights_;
    auto samples = co_await directories_.sample(std::move(requests));
    for (std::size_t i = 0; i < seats.size(); ++i) {
        Process& process = *seats[i].process;
        if (process.life.last_run() != seats[i].run) continue;  // of a run that is the newest no more
        if (process.reading.run != seats[i].run) process.reading = Reading{.run = seats[i].run};
        Reading& reading = process.reading;
        Sample& sample = samples[i];
        if (process.life.is_live() && !sample.tree.pids.empty())
            reading.note_cpu(sample.tree.cpu_ticks, sample.tree.taken_boot_ns, process.run_state.started_boot_ns);
        reading.tree = std::move(sample.tree);
        reading.losses = sample.losses;
        reading.is_data_removed = sample.is_data_removed;
        if (sample.log_end) reading.log_end = std::move(*sample.log_end);
        reading.of_tree = {left, flight};
        if (seats[i].is_of_log) reading.of_log = {left, flight};
        // Nothing comes of nothing.
        reading.is_final = seats[i].is_final && reading.tree.pids.empty();
    }
}

}  // namespace persistproc::core
