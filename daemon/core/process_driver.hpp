#pragma once
/// Performs what the rules of a process decide (lifecycle.hpp): begins runs, has trees ended, waits out backoffs,
/// records outcomes; and hears from the runs what became of them. One for all processes. One executor, one thread.
#include "daemon/core/events.hpp"
#include "daemon/core/options.hpp"
#include "daemon/core/process_table.hpp"

namespace persistproc::core {

class ProcessDriver final : public run::RunOwner {
public:
    /// References outlive the driver. `world.tasks` owns its tasks.
    ProcessDriver(run::RunWorld& world, Store& store, ProcessTable& table, Events& events,
                  const SupervisorOptions& options)
        : world_(world), store_(store), table_(table), events_(events), options_(options) {}

    /// Applies an event to the rules of a process and performs what they answer.
    void apply(const ProcessPtr& process, const LifecycleEvent& event);
    /// Takes up a run that an earlier daemon left; the phase of the process is unreachable.
    void take_over(const ProcessPtr& process, const FoundRun& found);

    /// Tells everybody who waits for or shows the process.
    void announce(Process& process);
    /// No longer one of the table's. Its files and its row are the caller's to remove.
    void forget(const ProcessPtr& process);
    /// Kills what the newest run left behind that nobody keeps. Errors: timeout (it does not end).
    Task<Result<void>> end_strays(ProcessPtr process);
    /// Completes when no run is being made and no tree is being ended, or when `until` has come (false).
    Task<bool> settled(ProcessPtr process, MonoTime until);

    /// What a run is begun with, also one that the process is not defined for yet.
    rundir::RunSpec spec_of(RunId id, const Definition& definition, const LaunchContext& launch,
                            const std::string& request_key) const;
    /// The run that was to come does not: its directory goes, and with it the values in it. On record by the caller.
    void drop_pending(const ProcessPtr& process);

    /// Makes sure that `process->launch` is there; after an adoption it is read back. Errors: io.
    Task<Result<void>> know_launch(ProcessPtr process);

    /// The process as it is to be remembered, with an entry of the audit.
    StoreChange change_of(const Process& process, const std::string& actor, std::string_view action,
                          std::string detail) const;
    /// Commits what the run directories would tell as well: a failure is reported and no more.
    Task<> record(StoreChange change, std::string what);
    /// Commits `change`, by which nothing tells any more of a process whose removal was begun. The removal stays on
    /// record until that is durable; where there is no room for it yet, for the next daemon.
    Task<> end_removal(ProcessId id, StoreChange change);

    /// No backoff ends in a run any more.
    void leave() noexcept { is_leaving_ = true; }
    bool is_leaving() const noexcept { return is_leaving_; }
    /// What runs come from now on tells events (see events.hpp).
    void tell_news() noexcept { tells_news_ = true; }

    /// What the program of a run is given. Known once know_launch has succeeded.
    std::vector<std::string> environment_of(const Process& process) const;

    /// Called after each end of a run.
    std::function<void()> on_end;
    /// Called when the rules of a process have changed it.
    std::function<void(const ProcessPtr&)> on_change;
    /// Called when a member of a project has changed, whatever of it, and when it was forgotten. It begins nothing by
    /// itself.
    std::function<void(const ProcessPtr&)> on_member_change;
    /// To be called when the definition of a process has got other checks: if it runs, these are asked from now on.
    std::function<void(const ProcessPtr&)> replace_checks;
    /// Awaited before a run begins.
    std::function<Task<>(ProcessPtr)> before_run;
    /// Whether a process that waits to run again may do so when its time has come; else it is asked again after each
    /// change of it. Empty: always.
    std::function<bool(const Process&)> may_run_again;
    /// What a process waits for in its project before it is begun. Empty, or none: it does not wait.
    std::function<std::vector<std::string>(const Process&)> waits_for;
    /// What it needs in its project and has not now, whether it waits for that or is begun without. Empty, or none: it
    /// lacks nothing.
    std::function<std::vector<std::string>(const Process&)> lacks;
    /// What a process needs in its project and cannot have, "db of its project, which exited with code 3". Empty, or
    /// nothing: it may be begun. `of_work`: of what was to end first alone.
    std::function<std::optional<std::string>(const Process&, bool of_work)> obstacle;

    /// Removes the files and the row of one that is forgotten, a start that came to nothing.
    Task<> discard(ProcessId id);
    /// Of a run that is being ended already: sooner, where this order is the less patient one. What follows stays.
    void end_program(const ProcessPtr& process, run::StopOrder order);

private:
    void hear(run::RunDriver& run, const run::Telling& telling) override;
    void changed(run::RunDriver& run) override;
    bool is_wanted(const run::RunDriver& run) const override;
    ProcessPtr process_of(const run::RunDriver& run) const;
    void hear_start(const ProcessPtr& process, const run::TellStarted& told);
    void hear_failure(const ProcessPtr& process, const run::TellFailed& told);
    void record_outcome(const ProcessPtr& process, const RecordOutcome& ended);

    void begin_run(const ProcessPtr& process, std::uint32_t number);
    Task<> make_ready(ProcessPtr process, std::shared_ptr<run::RunDriver> run, std::shared_ptr<run::RunDriver> before,
                      StrayRoots strays);
    /// Returns what the run is begun with, as it was when that was decided.
    Task<Result<LaunchContext>> record_start(ProcessPtr process, RunId run, std::shared_ptr<run::RunDriver> before,
                                             StrayRoots strays);
    Task<Result<void>> make_room(ProcessPtr process, std::shared_ptr<run::RunDriver> before, StrayRoots strays);
    Task<> stop_by_command(ProcessPtr process, std::shared_ptr<run::RunDriver> run, run::StopOrder order,
                           std::shared_ptr<StopByCommand> stop);
    Task<> hasten_stop(std::shared_ptr<run::RunDriver> run, run::StopOrder order, std::shared_ptr<StopByCommand> stop);
    std::vector<std::string> environment_of(const Definition& definition, const LaunchContext& launch) const;
    void note_begun(const ProcessPtr& process, std::uint32_t run);
    void drop_values(const ProcessPtr& process);
    void drop_directory(const ProcessPtr& process, std::uint32_t number);
    Task<> remove_pending(ProcessPtr process, std::uint32_t number, bool is_passed_over);
    /// The newest run has a program, or may have one: it is not taken back any more.
    void confirm(Process& process);
    void take_back_start(const ProcessPtr& process, AtRest& at_rest);
    Task<> discard_run(ProcessPtr process, std::shared_ptr<run::RunDriver> run);
    Task<> remove_mark(ProcessId id);
    Task<> sleep_out_backoff(ProcessPtr process, MonoTime until, std::uint32_t run);

    run::RunWorld& world_;
    Store& store_;
    ProcessTable& table_;
    Events& events_;
    const SupervisorOptions& options_;
    bool is_leaving_ = false;
    bool tells_news_ = false;
    std::uint64_t ends_ = 0;  // so far, of those that are news
};

/// How long the tree of a process may take to end once it was told to: its grace, then SIGKILL and sweeps on a machine
/// under load.
inline constexpr auto kill_bound = std::chrono::seconds(30);
/// Adds what is on record of the end of a run that is heard of now: who stopped it, or sent the signal that ended it.
void explain_end(Outcome& outcome, const ProcessRecord& record, std::uint32_t run);

/// Why it is not known what is to be run; nothing: it is.
std::optional<Cause> find_not_understood(const Definition& definition);
/// Whether it is known what is to be run. What a later release has put in a record in a way that is not understood here
/// is kept, and nothing is run in its place. Errors: unsupported.
Result<void> check_understood(const Process& process);

std::chrono::nanoseconds seconds_of(double seconds);
std::chrono::nanoseconds grace_of(const Process& process, std::optional<double> asked);

/// The failure a caller of start is told, from the record of a run that never executed.
Error start_error_of(const Definition& definition, const rundir::RunState& state);

}  // namespace persistproc::core
