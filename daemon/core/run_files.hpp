#pragma once
/// The files of a process and its runs, as the daemon makes, finds and removes them: what LocalRunDirectories does on
/// its threads. Everything blocks on the disk.
#include "daemon/core/run_directories.hpp"
#include "daemon/core/writeback.hpp"

namespace persistproc::core {

/// INTENT on disk: directories, `spec` and `state` of a new run. The run's directory appears whole or not at all; after
/// a power cut before all that is returned is synced, also without its files or with empty ones. `boot`: of the machine
/// as it runs now. Errors: io; nothing is left behind then.
Result<Unsynced> prepare_run(std::filesystem::path data, rundir::RunSpec spec, base::BootId boot);

/// Errors: io (the directory `procs` itself).
Result<ProcessDirectories> find_directories(const std::filesystem::path& data);
/// The directory of one process with its newest run. The spec of `known_ended`, a run whose outcome is on record, is
/// read only if its shim lives all the same: of thousands that have ended a new daemon wants no more than proof of
/// that.
FoundProcess find_process(const std::filesystem::path& data, ProcessId id, std::optional<std::uint32_t> known_ended,
                          base::BootId boot);
/// `boot`: of the machine as it runs now. Errors: io (no proof of anything about the run).
Result<FoundRun> find_run(std::filesystem::path data, RunId id, base::BootId boot, bool known_ended = false);
/// Errors: not_found, corrupt, unsupported, io.
Result<rundir::RunSpec> load_spec(const std::filesystem::path& data, RunId id);

/// Removes a run directory, or a process with all its output: renamed to a hidden name first, so that a crash leaves
/// nothing half-valid. Missing ones are no error.
Result<void> remove_run_files(std::filesystem::path data, RunId id);
Result<void> remove_process_files(std::filesystem::path data, ProcessId id);
/// See RunDirectories.
Result<void> begin_removal(std::filesystem::path data, ProcessId id);
void end_removal(std::filesystem::path data, ProcessId id);

/// Keeps the newest `keep` run directories of a process, and its output within `bound_bytes` in all processes together:
/// of who holds most (shares.hpp) the oldest segments go first, never the newest of a process. Hidden leftovers of
/// removals are swept, but for what puts on record that of a process which has no directory any more.
void collect_garbage(std::filesystem::path data, std::size_t keep_runs, std::uint64_t bound_bytes,
                     const Starters& starters);

/// Symbolic links resolved. Errors: invalid (not absolute, missing, no directory, not to be entered).
/// See RunDirectories.
Result<void> check_room(const std::filesystem::path& data);
Result<std::string> canonical_directory(const std::string& path);
Result<void> clear_output(const std::filesystem::path& data, ProcessId id);
/// The file of the program that a run would execute; nothing: there is none, or it cannot be told.
std::optional<rundir::ProgramFile> find_program_file(const rundir::RunSpec& spec);
/// The first files that its command names: regular ones, whatever they are to it.
std::vector<rundir::ArgumentFile> find_argument_files(const rundir::RunSpec& spec);
Result<void> check_program(const std::string& program, std::string_view path, const std::string& directory,
                           bool was_refused = false);

}  // namespace persistproc::core
