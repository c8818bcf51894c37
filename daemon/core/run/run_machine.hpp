#pragma once
/// The rules of one run and its shim, as a pure machine: no clock, no I/O. The driver feeds it what happened and
/// performs the actions it answers with. What becomes of the process (again by policy, ended, gave up) is not its
/// matter: it tells the rules of the process (lifecycle.hpp) what it has learned, each fact once.
///
///   phase          meaning                                                     what ends it
///   preparing      directory and shim are being made                           the shim is there, or cannot be
///   awaiting shim  it was started and has not said `ready`                     `ready`; its end, or a deadline: failed
///   committed      COMMIT is out: only the shim knows what becomes of it       its word; a deadline: silent
///   live           its program runs, under a shim that answers                 the program's end, the shim's end
///   leftovers      the program has ended, its shim keeps what it left behind   an empty tree, the shim's end
///   leaving        nothing of the tree is left, or no program ever ran         the shim's end
///   examining      the connection has ended without a last word; its          what stands there
///                  directory is read
///   sweeping       it was to be stopped and has no keeper: its marked          they are dead: lost
///                  processes are being killed
///   replacing      its shim was killed, and another takes over                 it has taken over; nothing is left
///   silent         its shim lives, or may, and does not answer                 its answer, or proof that it is dead
///   over           nothing of it is left to talk to                            nothing
///
/// An error proves nothing: what cannot be read is asked for again. A program is told as ended or as failed once, and
/// never after that as started.
#include <chrono>
#include <optional>
#include <variant>
#include <vector>

#include "common/rundir/control.hpp"
#include "daemon/core/run_directories.hpp"

namespace persistproc::core::run {

/// What the rules of the process have heard of this run.
enum class Told { nothing, started, ended };

/// How the tree is to be ended. Of several orders the shim obeys the one that kills first.
struct StopOrder {
    int signal = 15;
    std::chrono::nanoseconds grace{};
    bool force = false;
};

// Phases.
struct Preparing {};
struct AwaitingShim {};
struct Committed {};
struct Live {};
struct Leftovers {};
struct Leaving {};
struct Examining {
    Told told = Told::nothing;
};
struct Sweeping {
    Told told = Told::nothing;
};
struct Replacing {
    enum class Step { looking, pausing, starting, awaiting_ready, awaiting_takeover };
    Told told = Told::nothing;
    Step step = Step::looking;
    std::chrono::nanoseconds pause{};
};
struct Silent {
    enum class Step { pausing, looking, connecting, greeting, listening };
    Told told = Told::nothing;  // or `ended`: the program is gone, and what it left behind may live
    Step step = Step::pausing;
    std::chrono::nanoseconds pause{};
};
struct Over {};
using Phase = std::variant<Preparing, AwaitingShim, Committed, Live, Leftovers, Leaving, Examining, Sweeping, Replacing,
                           Silent, Over>;

// What happened.
struct ShimStarted {};  // a new one, or one that is to take over; its connection is open
struct CannotStart {
    Error error;
};
struct ShimReady {};
struct ShimSays {
    rundir::RunState state;
};
struct ShimGone {
    bool can_replace = false;  // what a replacement needs is held
};
struct Looked {
    FoundRun found;
    bool can_replace = false;
    bool is_wanted = true;  // no stop was asked for
    bool same_boot = true;
};
struct CannotLook {};
struct Swept {};
struct Connected {};
struct CannotConnect {};
struct Elapsed {};
struct StopOrdered {
    StopOrder order;
};
struct ProgramSeenEnding {  // it is this daemon's child, because its shim was killed; unknown: it is another's
    rundir::ProgramEnd end;
};
using Event = std::variant<ShimStarted, CannotStart, ShimReady, ShimSays, ShimGone, Looked, CannotLook, Swept,
                           Connected, CannotConnect, Elapsed, StopOrdered, ProgramSeenEnding>;

// What the driver must do, in order. Those that take time end with an event.
struct StartReplacement {};  // → ShimStarted, CannotStart
struct Connect {};           // → Connected, CannotConnect
struct Look {};              // → Looked, CannotLook
struct Sweep {};             // → Swept
struct Wake {                // → Elapsed, unless another Wake or Rest comes first
    std::chrono::nanoseconds after{};
};
struct Rest {};  // no Elapsed any more
struct SendCommit {};
struct SendHello {};
struct SendStop {
    StopOrder order;
};
struct SendEnd {
    rundir::ProgramEnd end;
};
struct HandOver {};  // commit with the spare descriptors
struct HangUp {};
/// Spare descriptors that a replacement would no longer need.
struct DropSpares {
    bool report = false, child = false, all = false;
};
struct WatchProgram {};  // how it ends: its shim is not its parent
struct TellStarted {
    bool has_ended = false;  // its end is told next
};
struct TellFailed {
    Outcome outcome;
    std::optional<Error> error;  // nothing: the record says why
};
struct TellEnded {
    Outcome outcome;
    bool leftovers = false;
};
struct TellEmptied {};
struct TellSilent {};
struct Warn {
    Error error;
};
using Action =
    std::variant<StartReplacement, Connect, Look, Sweep, Wake, Rest, SendCommit, SendHello, SendStop, SendEnd, HandOver,
                 HangUp, DropSpares, WatchProgram, TellStarted, TellFailed, TellEnded, TellEmptied, TellSilent, Warn>;
using Actions = std::vector<Action>;

/// Deadlines and pauses of a run.
struct Bounds {
    std::chrono::nanoseconds start = std::chrono::seconds(15);  // for a new shim: `ready`, then its word after COMMIT
    std::chrono::nanoseconds answer = std::chrono::seconds(5);  // for a greeting
    std::chrono::nanoseconds first_pause = std::chrono::milliseconds(10);
    std::chrono::nanoseconds longest_pause = std::chrono::seconds(2);
};

class RunMachine {
public:
    explicit RunMachine(Bounds bounds) : bounds_(bounds) {}
    /// Of a run that an earlier daemon left, and of which nobody knows yet how it stands.
    RunMachine(Bounds bounds, const rundir::RunState& state) : bounds_(bounds), phase_(Silent{}), state_(state) {}

    /// The first actions of a run that is found. A new one begins by being prepared, which its owner sees to.
    Actions begin_found();

    /// Applies one event. One that means nothing in the present phase changes nothing and gives no action.
    Actions on(const Event& event, WallTime now);

    const Phase& phase() const noexcept { return phase_; }
    bool is_over() const noexcept { return std::holds_alternative<Over>(phase_); }
    /// The newest its shim has said, or its directory.
    const rundir::RunState& state() const noexcept { return state_; }
    /// What all orders to end it come to, of those of this daemon. Nothing: there was none.
    const std::optional<StopOrder>& order() const noexcept { return order_; }

private:
    struct Step;
    friend struct Step;
    bool has_deadline() const noexcept;

    Bounds bounds_;
    Phase phase_;
    rundir::RunState state_{};
    std::optional<StopOrder> order_;           // kept for a shim that takes over
    std::optional<rundir::ProgramEnd> ended_;  // likewise
};

/// How a run ended, from its shim's record. Precondition: phase is exited or exec_failed. Pure.
Outcome outcome_of(const rundir::RunState& state);
Outcome lost_outcome(Cause why, WallTime now);

}  // namespace persistproc::core::run
