#pragma once
/// The core as its adapters see it: requests, views, waiting and events. It is a facade: the rules of a process are in
/// lifecycle.hpp and those of a run in run/run_machine.hpp, what they decide is done by process_driver.hpp and
/// run/run_driver.hpp, requests are carried out in operations/, what an earlier daemon left is taken over by
/// adoption.hpp. Knows no MCP, no HTTP and no SQL. Everything runs on one executor and one thread; the world (files,
/// /proc, shims, store, time) is behind interfaces. A caller that is cancelled abandons its wait, never the effect.
#include "daemon/core/events.hpp"
#include "daemon/core/operations/operations.hpp"
#include "daemon/core/plans.hpp"
#include "daemon/core/projects/projects.hpp"
#include "daemon/core/readiness_driver.hpp"
#include "daemon/core/retention.hpp"
#include "daemon/core/run_roots.hpp"

namespace persistproc::core {

/// A process as a watch of its files needs to know it.
struct WatchedState {
    std::optional<domain::Watch> watch;
    std::uint32_t run = 0;    // the newest
    bool on_request = false;  // somebody asked for that run; else its policy began it, or nobody knows
    bool is_stopped = false;  // on request: it stays down
    std::uint64_t ups = 0;    // of its project, by this daemon
};

class Supervisor {
public:
    /// All references outlive the supervisor.
    Supervisor(boost::asio::any_io_executor executor, async::Clock& clock, Store& store, ShimHost& shims,
               RunDirectories& directories, CheckProbes& probes, projects::ProjectSource& projects,
               SupervisorOptions options);
    ~Supervisor();

    /// Takes over what an earlier daemon left (see Adoption::run). Calls below wait for it, and give up with
    /// `unavailable` and how far it is after `gate_bound`. Errors: io, corrupt; those calls then fail with the same.
    Task<Result<void>> adopt();
    bool is_adopted() const noexcept { return adoption_.progress().is_done; }
    const AdoptionProgress& adoption() const noexcept { return adoption_.progress(); }

    // Requests are those of common/ops; `actor` is who asks, for the audit.

    /// Starts a command, or finds the process it already is. Completes when the program runs (its execve succeeded) and
    /// that is durable. Errors: invalid, conflict (a live label with another command, `refuse`, or stopped by somebody
    /// meanwhile), exec_failed (the program could not be started: a new process then does not exist), io, unavailable,
    /// timeout.
    Task<Result<ops::StartResponse>> start(ops::StartRequest request, std::string actor);

    /// Completes when nothing of the process's tree is left. Stopping what does not run succeeds. Errors: not_found,
    /// ambiguous, unavailable (its shim does not answer), timeout (it resists SIGKILL), conflict (started again since).
    Task<Result<ProcessView>> stop(ops::StopRequest request, std::string actor);

    /// Stop, then start with the same definition and environment, as one operation. Errors: as stop and start; conflict
    /// (stopped by somebody else meanwhile; it waits for what it needs in its project, and goes on waiting).
    Task<Result<ops::RestartResponse>> restart(ops::RestartRequest request, std::string actor);

    /// As Plans::restart_in_order and Plans::restart_with_dependents.
    Task<Result<void>> restart_in_order(std::string file, std::vector<std::string> names, std::string actor,
                                        MonoTime until, RestartedPtr done);
    Task<Result<ops::RestartResponse>> restart_with_dependents(ops::RestartRequest request, std::string actor);

    /// Sends one signal to the program's process group. Errors: not_found, ambiguous, conflict (does not run), invalid.
    Task<Result<ProcessView>> signal(ops::SignalRequest request, std::string actor);

    /// Forgets a process that does not run, with its output. Errors: not_found, ambiguous, conflict (it runs), io.
    Task<Result<ProcessView>> remove(ops::RemoveRequest request, std::string actor);

    /// Gives a process another label. Errors: not_found, ambiguous, invalid, conflict (another process has it), io.
    Task<Result<ProcessView>> rename(ops::RenameRequest request, std::string actor);

    /// Removes what a process has printed so far. Errors: not_found, ambiguous, unavailable, unsupported (its shim is
    /// too old), io.
    Task<Result<ProcessView>> flush(ops::FlushRequest request, std::string actor);

    /// Views, oldest process first. CPU, memory, ports and output times are at most 250 ms old.
    Task<Result<std::vector<ProcessView>>> list(ops::ListRequest request) {
        return operations_.list(std::move(request));
    }

    /// One process in full, as fresh as `list` has it. Errors: not_found, ambiguous, unavailable.
    Task<Result<ops::ProcessDetails>> describe(ops::DescribeRequest request) {
        return operations_.describe(std::move(request));
    }

    /// Errors: not_found, ambiguous, unavailable (adoption takes too long).
    Task<Result<Located>> locate(std::string target);
    /// All of them, oldest first, without asking the kernel anything. Errors: unavailable.
    Task<Result<std::vector<Located>>> locate_all();
    /// As `locate`, without waiting; nothing when the process is gone.
    std::optional<Located> find(ProcessId id) const;
    /// By which programs of what runs, or has run last, are known. Errors: unavailable.
    Task<Result<std::vector<RunRoot>>> run_roots();
    /// Nothing: there is no such process, or it is not to be touched.
    std::optional<WatchedState> watched_state(ProcessId id) const;
    /// As Plans::may_restart.
    Task<bool> may_restart(ProcessId id) { return plans_.may_restart(id); }
    /// Its newest run was begun since this file had changed.
    void note_changed_file(ProcessId id, std::string path);
    /// Why changes of its files do not run it again, for its views. Nothing: they do, or none are watched.
    void tell_of_watch(ProcessId id, std::optional<Cause> trouble);
    /// The listening ports of its tree, at most 50 ms old. Blocks nobody.
    Task<std::vector<int>> ports(ProcessId id);

    /// As it lies on disk; see projects::Projects::look. Errors besides: unavailable.
    Task<Result<projects::LoadedPtr>> look_at_project(projects::ProjectQuery query);
    /// See projects::Projects::load, allow and revoke. Errors besides: unavailable.
    Task<Result<projects::LoadedPtr>> load_project(projects::ProjectQuery query, projects::ProjectCheck check);
    Task<Result<projects::LoadedPtr>> allow_project(projects::ProjectQuery query, std::string actor);
    Task<Result<projects::Revoked>> revoke_project(projects::ProjectQuery query, std::string actor);
    projects::Projects& projects() noexcept { return projects_; }

    /// Somebody has seen a run ready: it is one that worked.
    void note_ready(ProcessId id, std::uint32_t run);
    /// Completes when it is known where the process, which is ready, is to be reached, as far as it can be.
    Task<> find_url(ProcessId id);

    /// Completes when the process has changed since it was found with `changes`, or when `until` has come (false).
    Task<bool> changed(ProcessId id, std::uint64_t changes, MonoTime until);

    /// As Plans::up, Plans::look and Plans::down.
    Task<Result<std::vector<UpStep>>> up(UpOrder order, std::string actor);
    Task<Result<std::vector<UpStep>>> look_up(UpOrder order) { return plans_.look(std::move(order)); }
    Task<Result<std::vector<std::string>>> down(std::string file, std::vector<std::string> names, bool only, bool force,
                                                std::string actor);
    /// How many a restart with dependents restarts besides, at most.
    std::size_t count_dependents(const std::string& target) const;
    /// How far projects are.
    Plans& plans() noexcept { return plans_; }

    /// What happens to processes, for any number of subscribers.
    Events& events() noexcept { return events_; }

    /// Stops every process (unless `keep`), for a daemon that leaves. No start is accepted any more.
    Task<Result<ops::ShutdownResponse>> leave(ops::ShutdownRequest request, std::string actor);
    /// Completes when a `leave` has done its work: the daemon may go.
    Task<> left() { return operations_.left(); }
    bool has_left() const noexcept { return operations_.has_left(); }
    /// Cancels the supervisor's own tasks and completes when they are gone. Shims live on.
    Task<> close();

    /// As Events::published, and Operations::seen_since.
    std::uint64_t changes_told() const noexcept { return events_.published(); }
    std::optional<MonoTime> seen_since() const { return operations_.seen_since(); }

    std::size_t size() const noexcept { return table_.size(); }
    /// Walks of /proc and the logs so far.
    std::uint64_t samplings() const noexcept { return sampler_.flights(); }

private:
    template <class T>
    struct Asked;
    template <class T>
    Task<Result<T>> carry_out(std::string name, Task<Result<T>> request);
    template <class T>
    static Task<> perform(Task<Result<T>> request, std::shared_ptr<Asked<T>> asked);
    Task<Result<void>> adopt_now();
    Task<Result<projects::LoadedPtr>> load_project_now(projects::ProjectQuery query, projects::ProjectCheck check);
    Task<Result<projects::LoadedPtr>> allow_project_now(projects::ProjectQuery query, std::string actor);
    Task<Result<projects::Revoked>> revoke_project_now(projects::ProjectQuery query, std::string actor);
    Task<Result<void>> remove_old(ProcessId id);

    const SupervisorOptions options_;
    async::TaskGroup tasks_;
    run::RunWorld world_;
    Events events_;
    ProcessTable table_;
    ProcessDriver driver_;
    Sampler sampler_;
    ReadinessDriver readiness_;
    projects::Projects projects_;
    Adoption adoption_;
    Operations operations_;
    Plans plans_;
    Retention retention_;
};

}  // namespace persistproc::core
