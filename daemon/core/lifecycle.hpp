#pragma once
/// The rules of one process, as a pure machine: no clock, no I/O. The supervisor feeds it events and performs the
/// actions it answers with.
///
///   phase        meaning                                              what interrupts it
///   idle         no run yet                                           start
///   starting     a run is being made; its program is not confirmed    stop (carried out once it runs)
///   running      the program runs                                     stop, restart, its own end
///   stopping     the tree is being ended; `then_start`: another run   a stop cancels `then_start`; force or a shorter
///                follows; `well_for`: its checks have failed, and    grace hastens it, and cancels what the policy
///                the policy says what follows                         would do
///   ended        `outcome` says how; `leftovers`: descendants live    start, stop (ends the leftovers)
///   backoff      ended, runs again at `until`; `leftovers` as above    start (now), stop (ends the leftovers)
///   gave_up      it ended too often too soon; `leftovers` as above     start, stop (ends the leftovers)
///   unreachable  its shim lives and does not answer                   its answer; nothing is signalled or replaced
///
/// Precedence: stop > restart by the user > restart policy: a restart that meets a stop on its way means nothing. A
/// process that is wanted down is never started by the machine itself. An outcome, once recorded for a run, never
/// changes.
#include <algorithm>
#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "common/domain/process.hpp"

namespace persistproc::core {

enum class Wanted { down, up };

struct Idle {};
struct Starting {
    std::uint32_t run = 0;
    bool by_policy = false;  // the restart policy's doing: a start that fails is tried again
    bool stop_when_started = false;
    bool force = false;
    std::optional<std::chrono::nanoseconds> grace;  // of that stop
};
struct Running {
    std::uint32_t run = 0;
    MonoTime since{};
    bool on_request = false;  // a person, an agent or a project began this run, not the restart policy
};
struct Stopping {
    std::uint32_t run = 0;
    bool then_start = false;
    bool has_ended = false;  // the program's outcome is known; its descendants are still being ended
    bool by_policy = false;  // what then starts is the restart policy's doing
    std::optional<std::chrono::nanoseconds> well_for{};  // as ChecksFailed
};
struct Ended {
    std::uint32_t run = 0;
    bool leftovers = false;
};
struct Backoff {
    std::uint32_t run = 0;  // the one that ended
    MonoTime until{};
    bool leftovers = false;
};
struct GaveUp {
    std::uint32_t run = 0;
    bool leftovers = false;
};
struct Unreachable {
    std::uint32_t run = 0;
    bool then_start = false;  // it was being ended, and another run follows
};
using Phase = std::variant<Idle, Starting, Running, Stopping, Ended, Backoff, GaveUp, Unreachable>;

/// Whether another run is to follow the newest there was. Pure.
bool runs_again(const Phase& phase) noexcept;

// Requests.
struct StartRequested {};
struct StopRequested {
    bool force = false;
    std::optional<std::chrono::nanoseconds> grace;  // nothing: the definition's
};
struct RestartRequested {
    bool force = false;
    std::optional<std::chrono::nanoseconds> grace;
};
// What happened.
struct ProgramStarted {};
struct StartFailed {
    Outcome outcome;
};
struct ProgramEnded {
    Outcome outcome;
    bool leftovers = false;          // descendants were alive when it ended
    std::chrono::nanoseconds ago{};  // that it was; not 0 of one that ended while no daemon lived
};
struct TreeEmptied {};  // nothing of the run's tree is left
struct BackoffElapsed {};
struct ShimSilent {};  // alive but not answering
/// The checks of the run say that it is no good: it is ended, and what the policy says of a failure follows.
struct ChecksFailed {
    std::chrono::nanoseconds well_for{};  // that it was good from its beginning on
};
using LifecycleEvent = std::variant<StartRequested, StopRequested, RestartRequested, ProgramStarted, StartFailed,
                                    ProgramEnded, TreeEmptied, BackoffElapsed, ShimSilent, ChecksFailed>;

// What the supervisor must do, in order.
struct Spawn {
    std::uint32_t run = 0;  // the new run's number
};
struct SendStop {
    std::uint32_t run = 0;
    bool force = false;
    std::optional<std::chrono::nanoseconds> grace;  // of this very request: of several the shortest counts
};
struct RecordOutcome {
    std::uint32_t run = 0;
    Outcome outcome;
};
struct ArmBackoff {
    MonoTime until{};
};
struct DisarmBackoff {};
using LifecycleAction = std::variant<Spawn, SendStop, RecordOutcome, ArmBackoff, DisarmBackoff>;

/// How soon and how often a process that ends by itself is run again. Pure.
struct RestartRule {
    domain::RestartPolicy policy = domain::RestartPolicy::never;
    std::chrono::nanoseconds healthy_after = std::chrono::seconds(10);  // a run this long forgives earlier failures
    std::chrono::nanoseconds first_delay = std::chrono::milliseconds(200);
    std::chrono::nanoseconds longest_delay = std::chrono::seconds(30);
    int give_up_after = 8;              // runs in a row that ended sooner than `healthy_after`
    std::vector<int> never_codes;       // exit codes after which it is not run again
    std::vector<int> success_codes{0};  // exit codes that are no failure
};

class Lifecycle {
public:
    Lifecycle() = default;
    /// As adopted from disk: `last_run` is the newest run number ever used.
    Lifecycle(Phase phase, Wanted wanted, std::uint32_t last_run, std::optional<Outcome> outcome,
              int quick_failures = 0);

    /// Applies one event. An event that means nothing in the present phase changes nothing and gives no action.
    std::vector<LifecycleAction> apply(const LifecycleEvent& event, MonoTime now, const RestartRule& rule);

    /// A stop is being recorded, and StopRequested follows: nothing is begun any more.
    void expect_stop() noexcept { wanted_ = Wanted::down; }

    /// Numbers up to this one have been used, by runs that came to nothing: none is used again.
    void reserve(std::uint32_t run) noexcept { highest_ = run; }
    /// The newest of these is the next one's after all.
    void release(std::uint32_t run) noexcept {
        if (run > 0 && highest_ == run) highest_ = run - 1;
    }
    /// Whether there is a number for another run. Where there is none, no start or restart may be applied.
    bool has_number_left() const noexcept { return std::max(last_run_, highest_) < domain::last_number; }

    /// Of the run that would be begun next.
    std::uint32_t next_number() const noexcept { return std::max(last_run_, highest_) + 1; }

    const Phase& phase() const noexcept { return phase_; }
    Wanted wanted() const noexcept { return wanted_; }
    std::uint32_t last_run() const noexcept { return last_run_; }
    /// Of the last run that ended.
    const std::optional<Outcome>& outcome() const noexcept { return outcome_; }
    /// Runs in a row that ended by themselves sooner than `healthy_after`, since a person or agent last started it.
    int quick_failures() const noexcept { return quick_failures_; }

    /// The word users see.
    ProcessState state() const noexcept;
    bool is_live() const noexcept { return domain::is_live(state()); }

private:
    Spawn next_run(bool by_policy);

    struct Step;
    friend struct Step;
    Phase phase_;
    Wanted wanted_ = Wanted::down;
    std::uint32_t last_run_ = 0;
    std::uint32_t highest_ = 0;  // as reserved
    std::optional<Outcome> outcome_;
    int quick_failures_ = 0;
};

RestartRule restart_rule(const Definition& definition);

/// Whether what a run that has ended started still lives.
bool has_leftovers(const Phase& phase) noexcept;

/// Whether the rule wants another run after this outcome. A stop on request never does; what was ended as unhealthy is
/// run again whatever the policy. `on_request`: as that of Running; a command that cannot be found or executed is not
/// tried again where nobody has seen it work.
bool wants_restart(const RestartRule& rule, const Outcome& outcome, bool on_request) noexcept;

/// Delay before the next run after `failures` quick ones: none at first, then doubling from `first_delay`.
std::chrono::nanoseconds backoff_delay(const RestartRule& rule, int failures) noexcept;

}  // namespace persistproc::core
