#include "tests/simulation/disk.hpp"

#include <cerrno>

#include "tests/simulation/world.hpp"

namespace persistproc::simulation {

ProcessDirectory* Disk::find(ProcessId id) {
    const auto found = all_.find(id);
    return found == all_.end() ? nullptr : &found->second;
}

RunDirectory* Disk::find(RunId id) {
    ProcessDirectory* process = find(id.process);
    if (process == nullptr) return nullptr;
    const auto found = process->runs.find(id.number);
    return found == process->runs.end() ? nullptr : &found->second;
}

int Disk::write_state(RunId run, const rundir::RunState& state) {
    RunDirectory* directory = find(run);
    // Removed under the shim: what it writes goes to a file without a name.
    if (directory == nullptr) return 0;
    if (world_.random.percent(world_.mood.shim_disk_errors)) return EIO;
    directory->state = state;
    return 0;
}

void Disk::prepare(const rundir::RunSpec& spec) {
    world_.record.note("disk: {} is prepared for {}", to_string(spec.id), spec.definition.started_by);
    RunDirectory& run = all_[spec.id.process].runs[spec.id.number];
    run = RunDirectory{};
    run.spec = spec;
    world_.judge.prepared(spec);
}

void Disk::remove_run(RunId id, const char* why) {
    ProcessDirectory* process = find(id.process);
    if (process == nullptr || !process->runs.contains(id.number)) return;
    world_.record.note("disk: {} is removed ({})", to_string(id), why);
    world_.judge.run_removed(id, process->runs);
    process->runs.erase(id.number);
}

void Disk::remove_process(ProcessId id) {
    ProcessDirectory* process = find(id);
    if (process == nullptr) return;
    world_.record.note("disk: {} is removed with all its output", to_string(id));
    world_.judge.process_removed(id, *process);
    all_.erase(id);
}

void Disk::begin_removal(ProcessId id) {
    remove_process(id);
    removals_.insert(id);
}

void Disk::collect_garbage(std::size_t keep_runs) {
    for (auto& [id, process] : all_) {
        std::vector<RunId> old;
        std::size_t kept = 0;
        for (auto run = process.runs.rbegin(); run != process.runs.rend(); ++run) {
            if (kept >= keep_runs)
                old.push_back(RunId{id, run->first});
            else if (run->second.state.phase >= rundir::Phase::started)
                ++kept;
        }
        for (const RunId each : old) remove_run(each, "old");
    }
}

}  // namespace persistproc::simulation
