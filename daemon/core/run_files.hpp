#pragma once
/// The files of a process and its runs, as the daemon makes, finds and removes them. Everything blocks on the disk.
#include <filesystem>
#include <optional>
#include <vector>

#include "common/rundir/spec.hpp"
#include "common/rundir/state.hpp"

namespace persistproc::core {

/// INTENT on disk: directories, `spec` and `state` of a new run, synced. The run's directory appears whole or not at
/// all. Errors: io; nothing is left behind then.
Result<bool> prepare_run(std::filesystem::path data, rundir::RunSpec spec);

/// What an earlier daemon left of one run.
struct FoundRun {
    RunId id;
    rundir::RunState state;               // phase none: nothing was written
    bool shim_alive = false;              // its lock is held
    bool unsupported = false;             // of another major version: not to be touched
    std::optional<rundir::RunSpec> spec;  // absent: missing, damaged or not asked for
    std::string trouble;                  // why something above is missing
};
struct FoundProcess {
    ProcessId id;
    std::vector<std::uint32_t> runs;  // numbers, ascending
    std::optional<FoundRun> newest;
    std::string trouble;  // why `runs` or `newest` could not be read: no proof that there is nothing
};

/// The processes that have a directory, ascending. Errors: io (the directory `procs` itself).
Result<std::vector<ProcessId>> find_process_ids(const std::filesystem::path& data);
/// The directory of one process with its newest run. The spec of `known_ended`, a run whose outcome is on record, is
/// read only if its shim lives all the same: of thousands that have ended a new daemon wants no more than proof of
/// that.
FoundProcess find_process(const std::filesystem::path& data, ProcessId id, std::optional<std::uint32_t> known_ended);
/// Errors: io (no proof of anything about the run).
Result<FoundRun> find_run(std::filesystem::path data, RunId id, bool known_ended = false);

/// Removes a run directory, or a process with all its output: renamed to a hidden name first, so that a crash leaves
/// nothing half-valid. Missing ones are no error.
Result<bool> remove_run_files(std::filesystem::path data, RunId id);
Result<bool> remove_process_files(std::filesystem::path data, ProcessId id);

/// Keeps the newest `keep` run directories of a process, and its output within `bound_bytes` in all processes together:
/// the oldest segments go first, never the newest of a process. Hidden leftovers of removals are swept.
void collect_garbage(std::filesystem::path data, std::size_t keep_runs, std::uint64_t bound_bytes);

/// Living processes that carry a run's mark in their environment: what is left of a run whose shim is gone. The mark is
/// the proof of identity. /proc is walked.
std::vector<pid_t> find_marked(rundir::Nonce nonce);
/// SIGKILLs every process with the mark, in sweeps until none is left; each is signalled through a pidfd after its mark
/// was read. Returns how many were signalled.
std::size_t kill_marked(rundir::Nonce nonce);

}  // namespace persistproc::core
