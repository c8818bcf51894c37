#pragma once
/// Everything the core does with files and /proc, as awaitable calls. With Store, ShimHost and Clock it is all of the
/// world that the core sees: the real one (local_run_directories.hpp) works on the file threads, a simulated one in
/// memory. One executor, one thread; calls may overlap and complete in any order. Cancelling abandons the wait, never
/// the effect.
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/async/clock.hpp"
#include "common/logstore/reader.hpp"
#include "common/rundir/spec.hpp"
#include "common/rundir/state.hpp"
#include "daemon/core/probes.hpp"

namespace persistproc::core {

/// What is on disk of one run.
struct FoundRun {
    RunId id;
    rundir::RunState state;                      // phase none: nothing was written
    bool shim_alive = false;                     // its lock is held, or it is there all the same
    std::optional<rundir::Format> other_format;  // of another major version: not to be touched
    std::optional<rundir::RunSpec> spec;         // absent: missing, damaged or not asked for
    std::string trouble;                         // why something above is missing
    std::uint64_t cut_bytes = 0;  // its output is so much shorter than the record of its end says: a power cut took it
};

/// What is on disk of one process.
struct FoundProcess {
    ProcessId id;
    std::vector<std::uint32_t> runs;  // numbers, ascending
    std::optional<FoundRun> newest;
    bool has_output = false;  // of one without runs: something is in its log, so that a program ran once
    std::string trouble;      // why `runs` or `newest` could not be read: no proof that there is nothing
};

/// Which process to look at. The spec of `known_ended`, a run whose outcome is on record, is read only if its shim
/// lives all the same: of thousands that have ended a new daemon wants no more than proof of that.
struct ProcessQuestion {
    ProcessId id;
    std::optional<std::uint32_t> known_ended;
};

/// What to measure of one process.
struct SampleRequest {
    ProcessId id;
    TreeRoots roots;                         // none set: it has no tree
    std::uint32_t run = 0;                   // whose losses
    std::optional<logstore::Losses> losses;  // known so far; nothing: none are looked for
    bool is_of_log = true;                   // its end is looked for
};
struct Sample {
    TreeSample tree;
    std::optional<logstore::LogEnd> log_end;  // nothing: not looked for, or it could not be read
    logstore::Losses losses;                  // as known before where the log could not be read
    bool is_data_removed = false;             // the data directory is not there any more
};

/// What is looked at before a program is started.
struct LaunchLook {
    Result<void> room;              // for what `prepare` writes. Errors: io (lack_of_room in base/file.hpp)
    Result<std::string> directory;  // as `canonical_directory`
    Result<void> program;           // as `check_program`; not looked at where there is no directory
};

/// What a data directory holds.
struct ProcessDirectories {
    std::vector<ProcessId> processes;  // ascending
    std::vector<ProcessId> removals;   // ascending; begun, and not known to have ended: see begin_removal
};

/// By whom each process was started.
using Starters = std::map<ProcessId, std::string>;

class RunDirectories {
public:
    virtual ~RunDirectories() = default;

    /// Errors: io.
    virtual Task<Result<ProcessDirectories>> list() = 0;
    /// One answer for each question, in their order; what could not be read says so itself.
    virtual Task<std::vector<FoundProcess>> find_processes(std::vector<ProcessQuestion> questions) = 0;
    /// Errors: io (no proof of anything about the run).
    virtual Task<Result<FoundRun>> find_run(RunId id) = 0;
    /// Errors: not_found, corrupt, unsupported, io.
    virtual Task<Result<rundir::RunSpec>> load_spec(RunId id) = 0;

    /// INTENT on disk: directories, `spec` and `state` of a new run; durable a second later. The run's directory
    /// appears whole or not at all; one that is there and never had a program is replaced as a whole. Errors: io;
    /// nothing of the run is left behind then, and nothing else that was there before is touched.
    virtual Task<Result<void>> prepare(rundir::RunSpec spec) = 0;
    /// Removes a run directory. A missing one is no error. Errors: io.
    virtual Task<Result<void>> remove_run(RunId id) = 0;
    /// Removes a process with all its output; durable. A missing one is no error. Errors: io.
    virtual Task<Result<void>> remove_process(ProcessId id) = 0;
    /// Puts on record that the process is removed, by another name of its directory, which needs no room on a full
    /// disk; then removes its output. Durable; goes on with one that was begun. Errors: io, and then nothing was
    /// removed.
    virtual Task<Result<void>> begin_removal(ProcessId id) = 0;
    /// Once nothing else tells of the process, durably: removes that record.
    virtual Task<> end_removal(ProcessId id) = 0;
    /// Keeps of each process the newest `keep_runs` runs that had a program, with all that are younger, and the output
    /// of all processes within `bound_bytes`, of which those of each starter have a share (shares.hpp).
    virtual Task<> collect_garbage(std::size_t keep_runs, std::uint64_t bound_bytes, Starters starters) = 0;

    /// SIGKILLs what is left of a run whose shim is gone, and returns when all have ended, or after some 3 s: those
    /// that are in uninterruptible sleep by then are left to die. False: something may go on, since it may not be
    /// signalled (it is another user's by now), or could not be looked for.
    virtual Task<bool> kill_strays(StrayRoots roots) = 0;
    /// Whether anything of it lives, or may, since it could not be looked for.
    virtual Task<bool> has_strays(StrayRoots roots) = 0;
    /// Whether that very process is there and stopped, by a signal or by a debugger.
    virtual bool is_suspended(PidIdentity process) const = 0;
    /// Whether that very process has exited, and its parent has not taken note yet.
    virtual bool is_zombie(PidIdentity process) const = 0;
    /// Of the boot that goes on now.
    virtual base::BootId boot_id() const = 0;

    /// Removes the output of a process that has no shim; positions go on. Errors: io, unavailable (a shim has it).
    virtual Task<Result<void>> clear_output(ProcessId id) = 0;

    /// Whether an execve of `program` by `path` may succeed, as far as a look tells; of a script also whether that of
    /// the interpreter may, and whether it is the right one. Errors: exec_failed (os_error as execve would say; a
    /// message where the file is what is wrong). `was_refused`: execve took it for no program (ENOEXEC), so that no
    /// interpreter of the kernel's (binfmt_misc) runs it either. Errors of this and the next two besides: timeout (the
    /// directory is on a file system that does not answer).
    virtual Task<Result<void>> check_program(std::string program, std::string path, std::string directory,
                                             bool was_refused) = 0;
    /// Symbolic links resolved. Errors: invalid (not absolute, missing, no directory, not to be entered).
    virtual Task<Result<std::string>> canonical_directory(std::string path) = 0;
    /// All of it at once: a start would wait for each in turn otherwise.
    virtual Task<LaunchLook> look_before_launch(std::string program, std::string path, std::string directory) = 0;
    /// CPU, memory, ports, end of the log and losses, one answer for each request, in their order.
    virtual Task<std::vector<Sample>> sample(std::vector<SampleRequest> requests) = 0;
};

}  // namespace persistproc::core
