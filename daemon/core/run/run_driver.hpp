#pragma once
/// Performs what the rules of one run decide (run_machine.hpp): makes its directory, starts its shim, listens to it,
/// replaces one that was killed. One executor, one thread; owned by the process whose newest run it is, and by its own
/// tasks until the run is over.
#include <deque>
#include <map>
#include <memory>

#include "common/async/notifier.hpp"
#include "common/async/task_group.hpp"
#include "daemon/core/run/run_machine.hpp"
#include "daemon/core/shim_host.hpp"

namespace persistproc::core::run {

/// What a run tells its process.
using Telling = std::variant<TellStarted, TellFailed, TellEnded, TellEmptied, TellSilent>;

class RunDriver;

class RunOwner {
public:
    virtual ~RunOwner() = default;
    /// A fact for the rules of the process. A failed start that left no record brings its error.
    virtual void hear(RunDriver& run, const Telling& telling) = 0;
    /// Something of it is different: its state, whether its shim is there.
    virtual void changed(RunDriver& run) = 0;
    /// Whether a stop was asked for.
    virtual bool is_wanted(const RunDriver& run) const = 0;
};

/// The world of all runs. References outlive every task of `tasks`.
struct RunWorld {
    boost::asio::any_io_executor executor;
    async::Clock& clock;
    ShimHost& shims;
    RunDirectories& directories;
    async::TaskGroup& tasks;
    std::uint64_t epoch = 1;  // of this daemon
    std::uint64_t next_request = 1;
    Bounds bounds;
};

class RunDriver : public std::enable_shared_from_this<RunDriver> {
public:
    /// A new run, which begins with `start` or `fail`.
    RunDriver(RunWorld& world, RunOwner& owner, RunId id);
    /// One that an earlier daemon left.
    RunDriver(RunWorld& world, RunOwner& owner, const FoundRun& found);

    /// Everything is made ready for it: its directory is made and its shim started.
    void start(rundir::RunSpec spec);
    /// It cannot be made ready.
    void fail(Error error);
    /// Takes over a run whose shim lives, or whose program may.
    void take_over();

    /// Ends its tree, now or as soon as there is a shim to obey. A run that is over stays so.
    void stop(StopOrder order);
    /// Sends a signal to the program's process group. Errors: unavailable (no shim to talk to), conflict (it has
    /// ended), timeout, io (what kill(2) said).
    Task<Result<void>> signal(int number);
    /// Removes what has been recorded. Errors: unavailable, conflict (it ended first), unsupported (by an older shim),
    /// timeout, io.
    Task<Result<void>> flush();
    /// Completes when nothing of it is left to talk to, or when `until` has come (false).
    Task<bool> over(MonoTime until);

    RunId id() const noexcept { return id_; }
    const rundir::Nonce& nonce() const noexcept { return nonce_; }
    const rundir::RunState& state() const noexcept { return machine_.state(); }
    const RunMachine& machine() const noexcept { return machine_; }
    bool is_over() const noexcept { return machine_.is_over(); }
    bool has_link() const noexcept { return link_ != nullptr; }

private:
    Task<Result<std::optional<int>>> ask(rundir::ControlMessage message, const char* what);
    struct Performer;
    friend struct Performer;
    void feed(Event event);
    void perform(const Action& action);
    void take_link(std::unique_ptr<ShimLink> link, Event event);
    Task<> listen(std::shared_ptr<ShimLink> link);
    Task<> start_shim(rundir::RunSpec spec);
    Task<> start_replacement();
    Task<> connect();
    Task<> look();
    Task<> sweep();
    Task<> wake(MonoTime at, std::uint64_t timer);
    Task<> watch_program(std::shared_ptr<ChildHold> child);
    rundir::ControlMessage message(rundir::MessageType type);
    void send(const rundir::ControlMessage& message);

    RunWorld& world_;
    RunOwner& owner_;
    RunId id_;
    RunMachine machine_;
    rundir::Nonce nonce_{};
    std::shared_ptr<ShimLink> link_;                     // open while its shim lives and answers
    Spares spares_;                                      // for a shim that takes over
    std::weak_ptr<ChildHold> watched_;                   // the program whose end is being waited for
    std::map<std::uint64_t, std::optional<int>> asked_;  // whose answer is waited for
    std::deque<Event> waiting_;
    bool is_feeding_ = false;
    std::uint64_t timer_ = 0;  // the one that counts
    async::Notifier timers_;
    async::Notifier moved_;
};

}  // namespace persistproc::core::run
