#pragma once
/// Performs what the lifecycle rules decide: makes runs, talks to their shims, records outcomes, adopts what an earlier
/// daemon left. Knows no MCP, no HTTP and no SQL. Everything runs on one executor and one thread; what blocks goes to
/// the pool of file threads. A caller that is cancelled abandons its wait, never the effect.
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/thread_pool.hpp>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/async/notifier.hpp"
#include "common/async/task_group.hpp"
#include "common/domain/process.hpp"
#include "common/rundir/spec.hpp"
#include "daemon/core/lifecycle.hpp"
#include "daemon/core/run_files.hpp"
#include "daemon/core/shim_host.hpp"
#include "daemon/core/store.hpp"
#include "daemon/core/targets.hpp"

namespace persistproc::core {

struct SupervisorOptions {
    std::filesystem::path data;
    std::size_t keep_ended = 100;  // processes that have ended; the oldest beyond it are forgotten
    std::size_t keep_runs = 5;     // run directories of each process
    std::uint64_t process_log_bytes = 64u << 20;
    std::uint64_t total_log_bytes = 2048ull << 20;
    std::chrono::nanoseconds adoption_bound = std::chrono::seconds(5);             // for shims to answer
    std::chrono::nanoseconds first_answer_bound = std::chrono::milliseconds(100);  // then a suspended one is left alone
    std::chrono::nanoseconds gate_bound = std::chrono::seconds(20);  // for a call that waits for the adoption
    std::chrono::nanoseconds start_bound = std::chrono::seconds(15);
    std::chrono::nanoseconds retention_interval = std::chrono::minutes(1);
    std::vector<std::string> environment;  // of the daemon: what runs started by agents inherit
    mode_t umask = 022;
    std::vector<rundir::ResourceLimit> limits;  // of runs whose caller brings none
};

enum class WhenRunning { keep, restart, refuse };

struct StartParameters {
    std::vector<std::string> command;
    bool shell = false;
    std::string working_directory;
    std::optional<std::string> label;
    Environment environment;                                   // set on top of the base
    std::optional<std::vector<std::string>> base_environment;  // the caller's own; else the daemon's
    std::optional<mode_t> umask;
    std::vector<rundir::ResourceLimit> limits;
    domain::RestartPolicy restart = domain::RestartPolicy::never;
    int stop_signal = 15;
    double grace_seconds = 10;
    WhenRunning when_running = WhenRunning::keep;
    std::string request_key;  // of the caller's choice; a second request of the same key finds what the first one did
    std::string actor;
};
struct Started {
    ProcessView view;
    bool created = false;
};

struct StopParameters {
    std::string target;
    bool force = false;
    std::optional<double> grace_seconds;
    std::string actor;
};
struct Restarted {
    ProcessView view;
    std::optional<std::int64_t> old_pid;
};

struct ListFilter {
    std::optional<std::string> target;
    std::optional<std::string> working_directory;
    std::optional<ProcessState> state;
};

/// What a reader of output needs to know of a process.
struct Located {
    ProcessId id;
    std::string label;
    std::string working_directory;
    ProcessState state = ProcessState::starting;
    std::uint32_t run = 0;           // the current or last one; 0: none
    std::uint64_t run_begin = 0;     // position in the output where that run begins
    std::optional<Outcome> outcome;  // of that run, when it has ended
    bool is_live = false;
    std::int64_t pid = 0;         // of that run; 0: none was ever known
    std::uint32_t ended_run = 0;  // the last one that has ended; 0: none
    std::optional<Outcome> last_outcome;
    std::uint64_t changes = 0;  // for `changed`
    std::optional<std::string> detail;
    std::filesystem::path log;
};

/// How far the adoption is, in processes. `total` is 0 until the disk has been listed.
struct AdoptionProgress {
    bool is_done = false;  // calls no longer wait; shims that are silent are asked on
    std::size_t adopted = 0;
    std::size_t total = 0;
};

class Supervisor {
public:
    /// All references outlive the supervisor.
    Supervisor(boost::asio::any_io_executor executor, async::Clock& clock, Store& store, ShimHost& shims,
               boost::asio::thread_pool& files, SupervisorOptions options);
    ~Supervisor();

    /// Loads the store and takes over every run on disk, in parallel and bounded in time. Calls below wait for it, and
    /// give up with `unavailable` and how far it is after `gate_bound`. The executor is never kept for long meanwhile.
    /// Errors: io, corrupt (the store or the directory cannot be read at all); those calls then fail with the same.
    Task<Result<void>> adopt();
    bool is_adopted() const noexcept { return adoption_.is_done; }
    const AdoptionProgress& adoption() const noexcept { return adoption_; }

    /// Starts a command, or finds the process it already is. Completes when the program runs (its execve succeeded) and
    /// that is durable. Errors: invalid, conflict (a live label with another command, or `refuse`), exec_failed (the
    /// program could not be started: a new process then does not exist), io, unavailable, timeout.
    Task<Result<Started>> start(StartParameters parameters);

    /// Completes when nothing of the process's tree is left. Stopping what does not run succeeds. Errors: not_found,
    /// ambiguous, unavailable (its shim does not answer), timeout (it resists SIGKILL), io.
    Task<Result<ProcessView>> stop(StopParameters parameters);

    /// Stop, then start with the same definition and environment, as one operation. Errors: as stop and start;
    /// conflict (stopped by somebody else meanwhile).
    Task<Result<Restarted>> restart(StopParameters parameters);

    /// Sends one signal to the program's process group. Errors: not_found, ambiguous, conflict (does not run), invalid.
    Task<Result<ProcessView>> signal(std::string target, int signal, std::string actor);

    /// Forgets a process that does not run, with its output. Errors: not_found, ambiguous, conflict (it runs), io.
    Task<Result<ProcessView>> remove(std::string target, std::string actor);

    /// Views, oldest process first. CPU, memory, ports and output times are at most 250 ms old.
    Task<Result<std::vector<ProcessView>>> list(ListFilter filter);

    /// Errors: not_found, ambiguous, unavailable (adoption takes too long).
    Task<Result<Located>> locate(std::string target);
    /// All of them, oldest first, without asking the kernel anything. Errors: unavailable.
    Task<Result<std::vector<Located>>> locate_all();
    /// As `locate`, without waiting; nothing when the process is gone.
    std::optional<Located> find(ProcessId id) const;
    /// The listening ports of its tree now. Blocks nobody.
    Task<std::vector<int>> ports(ProcessId id);

    /// Completes when the process has changed since it was found with `changes`, or when `until` has come (false).
    Task<bool> changed(ProcessId id, std::uint64_t changes, MonoTime until);

    /// Called after every change of a process: made, removed, another state. It must not call back.
    void set_on_change(std::function<void(ProcessId)> on_change) { on_change_ = std::move(on_change); }

    struct LeaveReport {
        std::vector<std::string> stopped, kept;
    };
    /// Stops every process (unless `keep`), for a daemon that leaves. No start is accepted any more.
    Task<Result<LeaveReport>> leave(bool keep, std::string actor);
    /// Completes when a `leave` has done its work: the daemon may go.
    Task<> left();
    bool has_left() const noexcept { return has_left_; }
    /// Cancels the supervisor's own tasks and completes when they are gone. Shims live on.
    Task<> close();

    std::size_t size() const noexcept { return processes_.size(); }

private:
    struct Process;
    using ProcessPtr = std::shared_ptr<Process>;

    // requests; each is carried out by a task of the supervisor's own, the caller only waits for it
    template <class T>
    struct Asked;
    template <class T>
    Task<Result<T>> carry_out(std::string name, Task<Result<T>> request);
    template <class T>
    static Task<> perform(Task<Result<T>> request, std::shared_ptr<Asked<T>> asked);
    Task<Result<Started>> start_now(StartParameters parameters);
    Task<Result<ProcessView>> stop_now(StopParameters parameters);
    Task<Result<Restarted>> restart_now(StopParameters parameters);
    Task<Result<ProcessView>> signal_now(std::string target, int number, std::string actor);
    Task<Result<ProcessView>> remove_now(std::string target, std::string actor);
    Task<Result<LeaveReport>> leave_now(bool keep, std::string actor);
    Task<Result<void>> wait_adopted();
    Result<ProcessPtr> resolve(const std::string& target) const;
    std::vector<Candidate> candidates() const;
    Result<ProcessPtr> find_or_create(const StartParameters& parameters, Definition definition, bool& created);
    void redefine(Process& process, Definition definition, StartParameters& parameters);
    void announce(Process& process);
    Task<bool> settled(ProcessPtr process, MonoTime until);
    Task<Result<ProcessView>> view_now(ProcessPtr process);
    void forget(const ProcessPtr& process);

    // effects
    void apply(const ProcessPtr& process, const LifecycleEvent& event);
    Task<> make_run(ProcessPtr process, std::uint32_t run);
    Task<Result<void>> try_run(ProcessPtr process, std::uint32_t run);
    Task<Result<void>> make_room(ProcessPtr process);
    Task<> watch(ProcessPtr process, std::uint32_t run, std::shared_ptr<ShimLink> link);
    Task<> after_shim(ProcessPtr process, std::uint32_t run);
    Task<> replace_shim(ProcessPtr process, std::uint32_t run);
    Task<Result<void>> try_to_replace_shim(ProcessPtr process, std::uint32_t run);
    Task<> watch_child(ProcessPtr process, std::uint32_t run, std::shared_ptr<ChildHold> child);
    void heard(const ProcessPtr& process, std::uint32_t run, const rundir::RunState& state);
    void send_stop(Process& process, bool force);
    Task<> sleep_out_backoff(ProcessPtr process, MonoTime until, std::uint64_t armed);
    Task<> record(StoreChange change, std::string what);
    Task<> retain();
    Task<> retain_regularly();
    Task<> collect();
    StoreChange change_of(const Process& process, const std::string& actor, const std::string& action,
                          std::string detail) const;

    // adoption
    struct Remnant;
    struct Undecided;
    static Result<std::vector<Remnant>> match(StoreSnapshot snapshot, const std::filesystem::path& data);
    static std::vector<Remnant> look_at(std::vector<Remnant> remnants, const std::filesystem::path& data);
    Task<Result<void>> adopt_now();
    Task<Result<void>> adopt_all();
    void place(Remnant remnant, std::vector<Undecided>& undecided);
    void take_as_ended(Process& process, const FoundProcess& found, std::optional<Outcome> recorded);
    Task<> adopt_process(ProcessPtr process, FoundProcess found, std::optional<Outcome> recorded, MonoTime until,
                         std::shared_ptr<std::size_t> left, std::shared_ptr<async::Notifier> all_done);
    Task<> settle_found(ProcessPtr process, FoundProcess found, std::optional<Outcome> recorded, MonoTime until);
    /// What an earlier daemon was asked for, recorded and may not have done; waits for a shim that is silent.
    Task<> carry_through(ProcessPtr process, std::uint32_t run, Intent intent, std::uint32_t intent_run);
    Task<bool> take_over(ProcessPtr process, std::uint32_t run, MonoTime until);
    void reach_again(const ProcessPtr& process, std::uint32_t run);
    Task<> reconnect(ProcessPtr process, std::uint32_t run);

    // views
    ProcessView make_view(const Process& process) const;
    Task<> refresh(std::vector<ProcessPtr> stale);

    boost::asio::any_io_executor executor_;
    async::Clock& clock_;
    Store& store_;
    ShimHost& shims_;
    boost::asio::thread_pool& files_;
    SupervisorOptions options_;
    std::map<ProcessId, ProcessPtr> processes_;
    std::uint32_t next_process_ = 1;
    std::uint64_t epoch_ = 1;
    AdoptionProgress adoption_;
    std::optional<Error> adoption_failed_;
    bool leaving_ = false;
    bool has_left_ = false;
    bool retaining_ = false;
    std::uint64_t next_request_ = 1;
    async::Notifier adoption_done_;
    async::Notifier left_done_;
    std::function<void(ProcessId)> on_change_;
    async::TaskGroup tasks_;
};

}  // namespace persistproc::core
