#pragma once
/// Takes over what an earlier daemon left: every run directory becomes a fact (found.hpp), then the rules go on from
/// there. One executor, one thread.
#include "daemon/core/found.hpp"
#include "daemon/core/process_driver.hpp"
#include "daemon/core/projects/projects.hpp"

namespace persistproc::core {

/// How far the adoption is, in processes. `total` is 0 until the disk has been listed.
struct AdoptionProgress {
    bool is_done = false;  // calls no longer wait; shims that are silent are asked on
    std::size_t adopted = 0;
    std::size_t total = 0;
};

class Adoption {
public:
    /// References outlive it.
    Adoption(run::RunWorld& world, Store& store, ProcessTable& table, ProcessDriver& driver,
             projects::Projects& projects, const SupervisorOptions& options)
        : world_(world),
          store_(store),
          table_(table),
          driver_(driver),
          projects_(projects),
          options_(options),
          moved_(world.executor) {}

    /// Loads the store and takes over every run on disk, in parallel and bounded in time. The executor is never kept
    /// for long. Errors: io, corrupt (the store or the directory cannot be read at all); `wait` then fails with the
    /// same.
    Task<Result<void>> run();
    /// Completes when it is done. Errors: unavailable (it takes too long; says how far it is), or as `run`.
    Task<Result<void>> wait();
    const AdoptionProgress& progress() const noexcept { return progress_; }

private:
    struct Undecided;
    Task<Result<void>> take_all();
    Task<std::vector<Remnant>> look_at(std::vector<Remnant> remnants);
    Task<> recall(Remnant& remnant);
    void record_anew(ProcessId id);
    void commit_record(const Process& process, std::string what);
    void yield_label(Process& process, const RunRecord* recorded);
    void place(Remnant remnant, std::vector<Undecided>& undecided);
    Task<> adopt(Undecided each, MonoTime until, std::shared_ptr<std::size_t> left);
    Task<> settle(ProcessPtr process, FoundRun run, std::optional<RunRecord> record, MonoTime until);
    Task<Result<std::optional<FoundRun>>> find_newest(FoundProcess& found, Process& process,
                                                      std::optional<RunRecord> recorded, MonoTime until);
    void take_as_never_run(Process& process);
    Task<> take_as_not_begun(ProcessPtr process, FoundProcess found);
    Task<FoundRun> await_start(FoundRun run, MonoTime until);
    void take_state(Process& process, const FoundRun& run) const;
    void take_as_ended(Process& process, const FoundRun& run, std::optional<Outcome> outcome);
    void take_end_as_news(const ProcessPtr& process, const FoundRun& run, const FoundEnded& ended,
                          std::uint32_t highest);
    Task<> drop(ProcessPtr process);
    /// Of those that a daemon before has begun.
    Task<> go_on_with_removals(std::vector<ProcessId> ids);
    /// Of a process that has no directory: none is looked for, whatever has come there since.
    void drop_row(ProcessId id);
    Task<bool> answered(ProcessPtr process, MonoTime until);
    /// What an earlier daemon was asked for, recorded and may not have done; waits for a shim that is silent.
    Task<> carry_through(ProcessPtr process, std::uint32_t run, Intent intent, std::uint32_t intent_run);

    run::RunWorld& world_;
    Store& store_;
    ProcessTable& table_;
    ProcessDriver& driver_;
    projects::Projects& projects_;
    const SupervisorOptions& options_;
    AdoptionProgress progress_;
    std::optional<Error> failed_;
    async::Notifier moved_;
};

}  // namespace persistproc::core
