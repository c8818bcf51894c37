#pragma once
/// What the core holds of one process. Its phase is the lifecycle's, what becomes of its newest run the run machine's;
/// what is here has no rules of its own.
#include "common/async/mutex.hpp"
#include "daemon/core/run/run_driver.hpp"
#include "daemon/core/sampler.hpp"
#include "daemon/core/store.hpp"

namespace persistproc::core {

enum class Standing {
    provisional,  // made by a start that has not been confirmed: forgotten when that fails
    established,
    unsupported,  // its newest run was written by another major version: not to be touched
};

/// What a run needs and the store must not hold. After an adoption it is read back from the last run's `spec`.
struct LaunchContext {
    std::vector<std::string> environment;
    mode_t umask = 022;
    std::vector<rundir::ResourceLimit> limits;
};

struct Before;
struct AtRest;
struct ChecksOfRun;

/// A run is being ended by its stop command: once, however many ask for its end.
struct StopByCommand {
    std::uint32_t run = 0;
    MonoTime until{};      // then it is killed: of several graces the shortest counts
    bool is_over = false;  // the command is: the program has been told since
};

struct Process {
    Process(boost::asio::any_io_executor executor, ProcessRecord initial)
        : record(std::move(initial)), operation(executor), changed(executor) {}

    ProcessRecord record;
    Lifecycle life;
    Standing standing = Standing::established;
    async::Mutex operation;    // held by a start, restart or removal; a stop never waits for it
    async::Notifier changed;   // after every change of what is here
    std::uint64_t stops = 0;   // asked for so far: who waited looks whether one came in between
    std::size_t stopping = 0;  // stops that are still to be answered: a start waits for them

    std::string actor;  // who asked for the change on its way
    std::optional<LaunchContext> launch;
    std::shared_ptr<Before> unrecorded;  // as it was, until the start on its way is on record
    std::shared_ptr<AtRest> at_rest;     // as it was, until the start on its way is known to have a program

    // The newest run.
    std::shared_ptr<run::RunDriver> run;             // nothing: none is there to talk to
    std::shared_ptr<run::RunDriver> failed_run;      // of a start that came to nothing: its shim may still be leaving
    std::shared_ptr<StopByCommand> stop_by_command;  // the newest there was
    rundir::RunState run_state;                      // the newest that was heard, also of one that is over
    rundir::Nonce nonce{};
    StrayRoots unended;           // of the run before, where a start came to nothing before it ended them
    std::uint32_t swept_run = 0;  // the newest of which whatever lived without a keeper was ended
    std::uint64_t cut_bytes = 0;  // of the output of that run, at its end: gone with a power cut
    std::optional<rundir::Format> other_format;  // of one that is unsupported
    bool has_other_keeper = false;               // and its shim lives, as far as was seen
    std::string unread;                          // why nothing is known of it; empty: it could be read
    std::uint32_t ended_run = 0;                 // the one `life.outcome()` is about
    std::uint64_t end_order = 0;                 // its place among the ends this daemon has seen; 0: none
    std::optional<Error> start_error;            // why the newest start failed
    std::uint32_t changed_run = 0;               // the newest that was begun since files had changed; 0: none
    std::string changed_file;                    // one of these
    std::uint64_t ups = 0;                       // of its project, since this daemon began
    std::optional<Cause> watch_trouble;          // why changes of its files do not run it again

    Reading reading;

    std::optional<bool> ready;            // the present run, as its checks say; nothing: it has none
    std::shared_ptr<ChecksOfRun> checks;  // nothing: none is asked now
    std::vector<int> free_ports;          // of those its checks name: nobody had them before the run
    std::string url;                      // where run `url_run` is to be reached; empty: not known
    std::uint32_t url_run = 0;

    RunId newest_run() const { return RunId{record.id, life.last_run()}; }
    std::string name() const { return to_string(record.id); }
    /// As whoever asked is told which is meant.
    std::string shown() const { return domain::name_text(name(), record.definition); }
    ProcessState state() const noexcept {
        if (standing == Standing::unsupported) return ProcessState::unsupported;
        const bool is_down = is<Ended>() || is<GaveUp>();
        if (is_down && record.planned == Planned::waiting) return ProcessState::waiting;
        if (is_down && record.planned == Planned::failed && !record.plan_causes.empty()) return ProcessState::failed;
        if (has_never_run()) return ProcessState::stopped;
        return life.state();
    }
    /// Of a project, and nothing of it was ever begun.
    bool has_never_run() const noexcept { return is<Ended>() && life.last_run() == 0; }
    bool is_in(ProcessState state) const noexcept { return this->state() == state; }
    template <class P>
    bool is() const noexcept {
        return std::holds_alternative<P>(life.phase());
    }
    /// Nothing of it runs, and nothing is being made or ended.
    bool is_at_rest() const noexcept { return (is<Ended>() || is<Backoff>() || is<GaveUp>()) && !has_tree(); }
    bool has_tree() const noexcept { return life.is_live() || has_leftovers(life.phase()); }
    /// Of a run whose keeper is gone and whose tree nobody saw empty: something of it may live. None: there is no such
    /// run.
    StrayRoots strays() const noexcept {
        const bool is_lost = life.outcome() && life.outcome()->reason == OutcomeReason::lost;
        const bool had_program = run_state.phase == rundir::Phase::started || run_state.phase == rundir::Phase::exited;
        const bool may_live = (is_lost || had_program) && run_state.tree_empty == 0;
        const bool has_no_keeper = may_live && !run && standing != Standing::unsupported;
        if (has_no_keeper) return StrayRoots{nonce, {run_state.pid, run_state.start_ticks}};
        return run ? StrayRoots{} : unended;
    }
    /// Whether something of it may live that nobody keeps, and that nobody has ended yet.
    bool may_have_strays() const noexcept { return !strays().is_none() && swept_run != life.last_run(); }
    /// A run is being made, or its tree is being ended: who wants something of it waits.
    bool is_moving() const noexcept { return is<Starting>() || is<Stopping>(); }
};
using ProcessPtr = std::shared_ptr<Process>;

}  // namespace persistproc::core
