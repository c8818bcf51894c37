#pragma once
/// Whether one run is ready, and healthy after that: the rules, as a pure machine without a clock or I/O. Its driver
/// makes the probes it asks for, tells it what they and what is observed say, and wakes it at `wake_at`.
///
///   phase      meaning                                                       what ends it
///   starting   checks that have not held yet are probed, soon and then       all have held: ready; the timeout that a
///              ever less often; a failure means nothing                      check has: not_ready
///   ready      it is, and nobody asks for it any more; its health is         `failures` in a row of a health check:
///              probed                                                        unhealthy; an observed check that is
///                                                                            taken back: starting
///   over       the run is to be ended, once                                  nothing
///
/// What listens, answers, is run or is there (port, http, command, file, socket) is probed; what is said (log, notify)
/// is observed. A check that has held is not probed again. Of an adopted run that was ready the first probe decides:
/// until then it stays ready.
#include <chrono>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/base/time.hpp"
#include "common/domain/readiness.hpp"

namespace persistproc::core {

enum class Purpose { readiness, health };

/// Which check of the run's definition.
struct CheckId {
    Purpose purpose = Purpose::readiness;
    std::size_t index = 0;
    friend bool operator==(const CheckId&, const CheckId&) = default;
};

// What the driver must do.
struct MakeProbe {
    CheckId check;
    std::chrono::nanoseconds timeout{};  // then it has failed
};
struct TellReady {};
struct TellUnready {};
/// The run's tree is to be ended, and what the policy says of such an end follows.
struct EndRun {
    enum class Why { not_ready, unhealthy };
    Why why = Why::not_ready;
    std::chrono::nanoseconds well_for{};  // from its beginning on, as far as its checks say
};
using ReadinessAction = std::variant<MakeProbe, TellReady, TellUnready, EndRun>;

/// What came of a probe, or what was observed.
struct CheckResult {
    CheckId check;
    bool holds = false;
    std::string detail;  // of one that does not: "exit 2", for people
};

/// Whether a check is probed; else it is observed.
bool is_probed(const domain::Check& check) noexcept;

class Readiness {
public:
    using Actions = std::vector<ReadinessAction>;

    /// `started`: when the run began. `was_ready`: it was before this daemon knew it.
    Readiness(domain::Checks ready, domain::Checks health, MonoTime started, bool was_ready = false);

    /// The first actions; without a check: none, for there is no knowing.
    Actions begin(MonoTime now);
    Actions wake(MonoTime now);
    /// A result of a check that is no longer asked for means nothing.
    Actions apply(const CheckResult& result, MonoTime now);

    /// It has asked for more time: until then its checks are waited for, beyond their timeouts.
    void extend(MonoTime until) noexcept { extended_ = until; }

    /// When `wake` is due. Nothing: a result is waited for, or nothing is.
    std::optional<MonoTime> wake_at() const noexcept;
    /// Nothing: no check says.
    std::optional<bool> ready() const noexcept;
    /// Why it is not ready, check by check with its last answer: "port 3000: nothing listens; pg_isready: exit 2".
    /// Empty: it is, or nothing is known yet.
    std::string detail() const;

private:
    enum class Phase { starting, ready, over };
    struct State {
        domain::Check check;
        bool holds = false;          // readiness: has held
        bool has_been_well = false;  // health: has held once
        bool is_running = false;     // a probe
        std::optional<MonoTime> due;
        std::chrono::nanoseconds pause{};  // before the next probe
        std::int64_t successes = 0, failures = 0;
        MonoTime well{};  // health: when it held last, or the run became ready
        std::string detail;
    };

    std::vector<State>& states(Purpose purpose) { return purpose == Purpose::readiness ? ready_ : health_; }
    MonoTime late_at(const domain::Check& check) const noexcept;
    void probe(CheckId id, State& state, Actions& into);
    void settle(MonoTime now, Actions& into);
    void begin_health(MonoTime now);
    void end(EndRun::Why why, std::chrono::nanoseconds well_for, Actions& into);
    void apply_readiness(State& state, const CheckResult& result, MonoTime now, Actions& into);
    void apply_health(State& state, const CheckResult& result, MonoTime now, Actions& into);

    std::vector<State> ready_, health_;
    MonoTime started_;
    MonoTime since_;  // it has been waited for, which a timeout counts from
    MonoTime extended_{};
    Phase phase_ = Phase::starting;
    bool is_told_ready_;
};

}  // namespace persistproc::core
