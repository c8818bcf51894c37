#pragma once
/// Waits so that agents need not poll: until it is ready, for a line, a port, quiet, or the end of a process. Woken by
/// the log's growth (`PatternWatches`) and by changes of the process, never by a tick, except for ports, which the
/// kernel does not announce.
#include <memory>
#include <optional>
#include <string>

#include "common/logstore/error_block.hpp"
#include "common/logstore/reader.hpp"
#include "common/ops/wait_for_process.hpp"
#include "daemon/core/error_watch.hpp"
#include "daemon/core/pattern_watches.hpp"
#include "daemon/core/supervisor.hpp"
#include "daemon/core/workers.hpp"

namespace persistproc::core {

using ops::WaitCondition;
using ops::WaitOutcome;

struct WaitResult {
    WaitOutcome end = WaitOutcome::timed_out;
    Located process;                    // at the end of the wait
    std::uint32_t run = 0;              // the run that was waited for
    std::uint32_t begun_in = 0;         // the run that there was when the wait began
    bool was_over = false;              // that had ended then, and no other was to come
    std::vector<logstore::Line> lines;  // matched: the line with its context; else the newest output
    std::optional<std::string> match;
    std::optional<int> port;
    std::string not_ready;           // until ready, and it is not: why
    std::optional<Outcome> outcome;  // ended: of `run`, where it is known
    // error: the first one since the wait or its cursor began, or shortly before, if the program has printed on after
    // it for no longer than a second; ended: the run's last one
    std::optional<logstore::ErrorBlock> error;
    std::uint64_t next = 0;        // position to go on from
    std::uint64_t unsearched = 0;  // timed_out: bytes from there on for which there was no time
};

/// On the heap: the frame of each function that awaits it keeps room for it while hundreds of waits may sleep.
using Waited = Result<std::unique_ptr<WaitResult>>;

class Waiter {
public:
    /// References outlive the waiter.
    Waiter(async::Clock& clock, Supervisor& supervisor, Workers& workers, PatternWatches& patterns);

    /// Whose wait it is decides when it is its turn to look for a pattern. Completes when it has come true, the process
    /// has ended first (`ended`), or printed an error that it did not handle within a second (`error`), or the time is
    /// up (`timed_out`). One that waits to run again, or is being restarted, is waited for in its next run. Errors: as
    /// locate; invalid (pattern, and what does not go together); unavailable (the daemon leaves). Cancelling ends the
    /// wait.
    Task<Waited> wait(ops::WaitRequest request, Asker who);

    /// What is wrong with the arguments of a wait whatever the process: asked before something is done for it. Agents
    /// take turns. Errors: invalid, limit (too many wait).
    Task<Result<void>> check(ops::WaitSpec spec, Asker who);
    /// The same of expressions that a new process's checks have.
    Task<Result<void>> check(domain::Checks checks, Asker who);

    /// So many wait that it is worth to find out what processes agents are.
    bool is_crowded() const noexcept { return patterns_.is_crowded(); }

    /// Looks so far of waits that look at intervals, for what nobody announces: ports, and silence.
    std::uint64_t polls() const noexcept { return polling_->looks; }

private:
    /// A request, read for the process that it is about, and how far the search has come.
    struct Wait;
    using WaitPtr = std::unique_ptr<Wait>;
    struct Look;
    struct Polling {
        std::size_t waits = 0;
        std::uint64_t looks = 0;
        std::size_t reads = 0;  // under way
    };
    class Poller;
    static Result<WaitPtr> wait_of(const ops::WaitRequest& request, const Located& process);
    Task<Result<WaitPtr>> begin(ops::WaitRequest request, Asker who);
    Task<Result<void>> compile(std::string pattern, std::size_t memory, std::string said, Asker who);
    Task<Waited> wait_for_pattern(WaitPtr wait);
    Task<Waited> wait_for_port(WaitPtr wait);
    Task<Waited> wait_for_quiet(WaitPtr wait);
    Task<Waited> wait_for_ready(WaitPtr wait);
    Task<Waited> wait_for_exit(WaitPtr wait);
    Look look_at(ProcessId id) const;
    Task<Waited> matched(const Wait& wait, logstore::Line match);
    Task<Waited> finish(WaitOutcome end, const Wait& wait);
    Task<std::uint64_t> find_new_output(const Wait& wait);
    Task<std::unique_ptr<ErrorWatch>> watch_errors(const Wait& wait);
    Task<> sleep(const Wait& wait, ErrorWatch* errors, std::uint64_t changes, MonoTime until);
    Task<Waited> ended(const Wait& wait);
    Task<Waited> failed(const Wait& wait, const ErrorWatch& errors);
    Task<Result<logstore::LinePage>> read(std::filesystem::path log, logstore::LineQuery query);

    async::Clock& clock_;
    Supervisor& supervisor_;
    Workers& workers_;
    PatternWatches& patterns_;
    std::shared_ptr<Polling> polling_ = std::make_shared<Polling>();
};

}  // namespace persistproc::core
