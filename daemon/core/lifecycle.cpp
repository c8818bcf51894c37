#include "daemon/core/lifecycle.hpp"

#include <algorithm>

namespace persistproc::core {

using Actions = std::vector<LifecycleAction>;

bool has_leftovers(const Phase& phase) noexcept {
    const auto* ended = std::get_if<Ended>(&phase);
    const auto* backoff = std::get_if<Backoff>(&phase);
    const auto* gave_up = std::get_if<GaveUp>(&phase);
    return (ended != nullptr && ended->leftovers) || (backoff != nullptr && backoff->leftovers) ||
           (gave_up != nullptr && gave_up->leftovers);
}

bool runs_again(const Phase& phase) noexcept {
    const auto* stopping = std::get_if<Stopping>(&phase);
    const auto* unreachable = std::get_if<Unreachable>(&phase);
    return std::holds_alternative<Backoff>(phase) || (stopping != nullptr && stopping->then_start) ||
           (unreachable != nullptr && unreachable->then_start);
}

bool wants_restart(const RestartRule& rule, const Outcome& outcome, bool on_request) noexcept {
    if (outcome.reason == OutcomeReason::stopped) return false;
    if (outcome.reason == OutcomeReason::unhealthy) return true;
    const auto is_among = [&outcome](const std::vector<int>& codes) {
        return outcome.exit_code && std::find(codes.begin(), codes.end(), *outcome.exit_code) != codes.end();
    };
    if (is_among(rule.never_codes)) return false;
    // What a shell says of a command that it cannot execute, or not find.
    if (on_request && (outcome.exit_code == 126 || outcome.exit_code == 127)) return false;
    const bool has_failed = !is_among(rule.success_codes) || outcome.reason == OutcomeReason::not_ready;
    switch (rule.policy) {
        case domain::RestartPolicy::never: return false;
        case domain::RestartPolicy::always: return true;
        case domain::RestartPolicy::on_failure: return has_failed;
    }
    return false;
}

RestartRule restart_rule(const Definition& definition) {
    const auto span = [](double seconds) {
        return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(seconds));
    };
    RestartRule rule;
    rule.policy = definition.restart;
    if (const auto limit = definition.restart_limit) rule.give_up_after = static_cast<int>(*limit);
    if (const auto healthy = definition.healthy_after_seconds) rule.healthy_after = span(*healthy);
    if (const auto delay = definition.restart_delay_seconds) rule.first_delay = span(*delay);
    if (const auto longest = definition.max_restart_delay_seconds) rule.longest_delay = span(*longest);
    rule.never_codes = definition.never_codes;
    if (!definition.success_codes.empty()) rule.success_codes = definition.success_codes;
    return rule;
}

std::chrono::nanoseconds backoff_delay(const RestartRule& rule, int failures) noexcept {
    if (failures <= 0) return std::chrono::nanoseconds(0);
    auto delay = rule.first_delay;
    for (int i = 1; i < failures && delay < rule.longest_delay; ++i) delay *= 2;
    return std::min(delay, rule.longest_delay);
}

Lifecycle::Lifecycle(Phase phase, Wanted wanted, std::uint32_t last_run, std::optional<Outcome> outcome,
                     int quick_failures)
    : phase_(phase),
      wanted_(wanted),
      last_run_(last_run),
      outcome_(std::move(outcome)),
      quick_failures_(quick_failures) {}

Spawn Lifecycle::next_run(bool by_policy) {
    last_run_ = next_number();
    phase_ = Starting{.run = last_run_, .by_policy = by_policy};
    return Spawn{last_run_};
}

/// One overload per (phase, event) that means something; `ignored` names every pair that does not. There is no
/// catch-all: a new phase or event does not compile until each of its cells is decided.
struct Lifecycle::Step {
    Lifecycle& self;
    MonoTime now;
    const RestartRule& rule;

    template <class P, class E>
    Actions ignored(const P&, const E&) {
        return {};
    }

    Actions spawn(Actions before = {}, bool by_policy = false) {
        before.emplace_back(self.next_run(by_policy));
        return before;
    }

    /// The end of a run that nobody asked for: ended, or once more by policy.
    Actions settle(std::uint32_t run, const Outcome& outcome, bool leftovers, MonoTime since, bool on_request = false,
                   std::chrono::nanoseconds ago = {}) {
        self.outcome_ = outcome;
        Actions actions{RecordOutcome{run, outcome}};
        if (self.wanted_ == Wanted::down || !wants_restart(rule, outcome, on_request) || !self.has_number_left()) {
            self.wanted_ = Wanted::down;
            self.phase_ = Ended{run, leftovers};
            return actions;
        }
        self.quick_failures_ = now - since >= rule.healthy_after ? 0 : self.quick_failures_ + 1;
        if (self.quick_failures_ >= rule.give_up_after) {
            self.wanted_ = Wanted::down;
            self.phase_ = GaveUp{run, leftovers};
            return actions;
        }
        // A pause goes on over the death of a daemon.
        const auto left = backoff_delay(rule, self.quick_failures_) - ago;
        const MonoTime until = now + std::max(left, std::chrono::nanoseconds{});
        self.phase_ = Backoff{run, until, leftovers};
        actions.emplace_back(ArmBackoff{until});
        return actions;
    }

    using Grace = std::optional<std::chrono::nanoseconds>;
    Actions begin_stop(std::uint32_t run, bool force, Grace grace, bool then_start, bool has_ended) {
        self.phase_ = Stopping{run, then_start, has_ended};
        return {SendStop{run, force, grace}};
    }
    /// Two trees of one process never live at once: the old one's leftovers go first.
    Actions replace_leftovers(std::uint32_t run, Actions before = {}, bool by_policy = false) {
        self.phase_ = Stopping{.run = run, .then_start = true, .has_ended = true, .by_policy = by_policy};
        before.emplace_back(SendStop{.run = run});
        return before;
    }

    // start
    Actions want_up_and_spawn() {
        self.wanted_ = Wanted::up;
        self.quick_failures_ = 0;
        return spawn();
    }
    Actions operator()(const Idle&, const StartRequested&) { return want_up_and_spawn(); }
    Actions operator()(const Starting& p, const StartRequested& e) { return ignored(p, e); }
    Actions operator()(const Running& p, const StartRequested& e) { return ignored(p, e); }
    Actions operator()(const Stopping& p, const StartRequested&) {
        self.wanted_ = Wanted::up;
        self.phase_ = Stopping{p.run, true, p.has_ended};
        return {};
    }
    Actions operator()(const Ended& p, const StartRequested&) {
        if (!p.leftovers) return want_up_and_spawn();
        self.wanted_ = Wanted::up;
        self.quick_failures_ = 0;
        return replace_leftovers(p.run);
    }
    Actions operator()(const Backoff& p, const StartRequested&) {
        self.wanted_ = Wanted::up;
        self.quick_failures_ = 0;
        return p.leftovers ? replace_leftovers(p.run, {DisarmBackoff{}}) : spawn({DisarmBackoff{}});
    }
    Actions operator()(const GaveUp& p, const StartRequested&) {
        return (*this)(Ended{p.run, p.leftovers}, StartRequested{});
    }
    Actions operator()(const Unreachable& p, const StartRequested& e) { return ignored(p, e); }

    // stop
    Actions operator()(const Idle&, const StopRequested&) { return want_down(); }
    static Grace shorter(Grace a, Grace b) { return a && b ? std::min(a, b) : a ? a : b; }
    Actions operator()(const Starting& p, const StopRequested& e) {
        self.wanted_ = Wanted::down;
        self.phase_ = Starting{
            .run = p.run, .stop_when_started = true, .force = p.force || e.force, .grace = shorter(p.grace, e.grace)};
        return {};
    }
    Actions operator()(const Running& p, const StopRequested& e) {
        self.wanted_ = Wanted::down;
        return begin_stop(p.run, e.force, e.grace, false, false);
    }
    Actions operator()(const Stopping& p, const StopRequested& e) {
        self.wanted_ = Wanted::down;
        self.phase_ = Stopping{p.run, false, p.has_ended};
        return {SendStop{p.run, e.force, e.grace}};
    }
    Actions operator()(const Ended& p, const StopRequested& e) {
        self.wanted_ = Wanted::down;
        if (!p.leftovers) return {};
        return begin_stop(p.run, e.force, e.grace, false, true);
    }
    Actions operator()(const Backoff& p, const StopRequested& e) {
        self.wanted_ = Wanted::down;
        if (p.leftovers) {
            self.phase_ = Stopping{p.run, false, true};
            return {DisarmBackoff{}, SendStop{p.run, e.force, e.grace}};
        }
        self.phase_ = Ended{p.run, false};
        return {DisarmBackoff{}};
    }
    Actions operator()(const GaveUp& p, const StopRequested& e) {
        if (!p.leftovers) return want_down();
        return begin_stop(p.run, e.force, e.grace, false, true);
    }
    Actions operator()(const Unreachable& p, const StopRequested&) {
        self.phase_ = Unreachable{p.run};
        return want_down();
    }
    Actions want_down() {
        self.wanted_ = Wanted::down;
        return {};
    }

    // restart
    Actions operator()(const Idle&, const RestartRequested&) { return want_up_and_spawn(); }
    Actions operator()(const Starting& p, const RestartRequested& e) { return ignored(p, e); }
    Actions operator()(const Running& p, const RestartRequested& e) {
        self.wanted_ = Wanted::up;
        self.quick_failures_ = 0;
        return begin_stop(p.run, e.force, e.grace, true, false);
    }
    Actions operator()(const Stopping& p, const RestartRequested& e) {
        if (self.wanted_ == Wanted::down) return ignored(p, e);
        self.wanted_ = Wanted::up;
        self.quick_failures_ = 0;
        self.phase_ = Stopping{p.run, true, p.has_ended};
        return {SendStop{p.run, e.force, e.grace}};
    }
    Actions operator()(const Ended& p, const RestartRequested& e) {
        if (!p.leftovers) return want_up_and_spawn();
        self.wanted_ = Wanted::up;
        self.quick_failures_ = 0;
        return begin_stop(p.run, e.force, e.grace, true, true);
    }
    Actions operator()(const Backoff& p, const RestartRequested&) { return (*this)(p, StartRequested{}); }
    Actions operator()(const GaveUp& p, const RestartRequested& e) { return (*this)(Ended{p.run, p.leftovers}, e); }
    Actions operator()(const Unreachable& p, const RestartRequested& e) { return ignored(p, e); }

    // the program runs
    Actions operator()(const Idle& p, const ProgramStarted& e) { return ignored(p, e); }
    Actions operator()(const Starting& p, const ProgramStarted&) {
        if (p.stop_when_started) return begin_stop(p.run, p.force, p.grace, false, false);
        self.phase_ = Running{p.run, now, !p.by_policy};
        return {};
    }
    Actions operator()(const Running& p, const ProgramStarted& e) { return ignored(p, e); }
    Actions operator()(const Stopping& p, const ProgramStarted& e) { return ignored(p, e); }
    Actions operator()(const Ended& p, const ProgramStarted& e) { return ignored(p, e); }
    Actions operator()(const Backoff& p, const ProgramStarted& e) { return ignored(p, e); }
    Actions operator()(const GaveUp& p, const ProgramStarted& e) { return ignored(p, e); }
    Actions operator()(const Unreachable& p, const ProgramStarted&) {
        // What was asked for while its shim was silent is carried out now.
        if (self.wanted_ == Wanted::down) return begin_stop(p.run, false, {}, false, false);
        if (p.then_start) return begin_stop(p.run, false, {}, true, false);
        self.phase_ = Running{p.run, now};
        return {};
    }

    // no program ever ran
    Actions operator()(const Idle& p, const StartFailed& e) { return ignored(p, e); }
    Actions operator()(const Starting& p, const StartFailed& e) {
        // Whoever asked is told; only the policy's own tries are repeated.
        if (!p.by_policy) self.wanted_ = Wanted::down;
        return settle(p.run, e.outcome, false, now);
    }
    Actions operator()(const Running& p, const StartFailed& e) { return ignored(p, e); }
    Actions operator()(const Stopping& p, const StartFailed& e) { return ignored(p, e); }
    Actions operator()(const Ended& p, const StartFailed& e) { return ignored(p, e); }
    Actions operator()(const Backoff& p, const StartFailed& e) { return ignored(p, e); }
    Actions operator()(const GaveUp& p, const StartFailed& e) { return ignored(p, e); }
    Actions operator()(const Unreachable& p, const StartFailed& e) { return settle(p.run, e.outcome, false, now); }

    // the program ended
    Actions operator()(const Idle& p, const ProgramEnded& e) { return ignored(p, e); }
    Actions operator()(const Starting& p, const ProgramEnded& e) {
        return settle(p.run, e.outcome, e.leftovers, now, !p.by_policy);
    }
    Actions operator()(const Running& p, const ProgramEnded& e) {
        return settle(p.run, e.outcome, e.leftovers, p.since, p.on_request, e.ago);
    }
    Actions operator()(const Stopping& p, const ProgramEnded& e) {
        if (p.has_ended) return {};
        // What is left of its tree is being ended already.
        if (p.well_for) return settle(p.run, e.outcome, true, now - *p.well_for);
        self.outcome_ = e.outcome;
        self.phase_ = Stopping{.run = p.run, .then_start = p.then_start, .has_ended = true, .by_policy = p.by_policy};
        return {RecordOutcome{p.run, e.outcome}};
    }
    Actions operator()(const Ended& p, const ProgramEnded& e) { return ignored(p, e); }
    Actions operator()(const Backoff& p, const ProgramEnded& e) { return ignored(p, e); }
    Actions operator()(const GaveUp& p, const ProgramEnded& e) { return ignored(p, e); }
    Actions operator()(const Unreachable& p, const ProgramEnded& e) {
        if (p.then_start && self.wanted_ == Wanted::up) {
            self.outcome_ = e.outcome;
            return replace_leftovers(p.run, {RecordOutcome{p.run, e.outcome}});
        }
        return settle(p.run, e.outcome, e.leftovers, now);
    }

    // nothing of its tree is left
    Actions operator()(const Idle& p, const TreeEmptied& e) { return ignored(p, e); }
    Actions operator()(const Starting& p, const TreeEmptied& e) { return ignored(p, e); }
    Actions operator()(const Running& p, const TreeEmptied& e) { return ignored(p, e); }
    Actions operator()(const Stopping& p, const TreeEmptied& e) {
        // Only an outcome proves the end; an empty tree without one is still to be explained.
        if (!p.has_ended) return ignored(p, e);
        self.phase_ = Ended{p.run, false};
        if (p.then_start && self.wanted_ == Wanted::up) return spawn({}, p.by_policy);
        return {};
    }
    Actions operator()(const Ended& p, const TreeEmptied&) {
        self.phase_ = Ended{p.run, false};
        return {};
    }
    Actions operator()(const Backoff& p, const TreeEmptied&) {
        self.phase_ = Backoff{p.run, p.until, false};
        return {};
    }
    Actions operator()(const GaveUp& p, const TreeEmptied&) {
        self.phase_ = GaveUp{p.run, false};
        return {};
    }
    Actions operator()(const Unreachable& p, const TreeEmptied& e) { return ignored(p, e); }

    // the time of the next run has come
    Actions operator()(const Idle& p, const BackoffElapsed& e) { return ignored(p, e); }
    Actions operator()(const Starting& p, const BackoffElapsed& e) { return ignored(p, e); }
    Actions operator()(const Running& p, const BackoffElapsed& e) { return ignored(p, e); }
    Actions operator()(const Stopping& p, const BackoffElapsed& e) { return ignored(p, e); }
    Actions operator()(const Ended& p, const BackoffElapsed& e) { return ignored(p, e); }
    Actions operator()(const Backoff& p, const BackoffElapsed& e) {
        if (self.wanted_ == Wanted::down) return ignored(p, e);
        if (p.leftovers) return replace_leftovers(p.run, {}, true);
        return spawn({}, true);
    }
    Actions operator()(const GaveUp& p, const BackoffElapsed& e) { return ignored(p, e); }
    Actions operator()(const Unreachable& p, const BackoffElapsed& e) { return ignored(p, e); }

    // its shim does not answer
    Actions operator()(const Idle& p, const ShimSilent& e) { return ignored(p, e); }
    Actions operator()(const Starting& p, const ShimSilent&) { return silent(p.run); }
    Actions operator()(const Running& p, const ShimSilent&) { return silent(p.run); }
    Actions operator()(const Stopping& p, const ShimSilent& e) {
        // Its outcome is on record already: whatever is left of its tree changes nothing about it.
        if (p.has_ended) return ignored(p, e);
        return silent(p.run, p.then_start);
    }
    Actions operator()(const Ended& p, const ShimSilent& e) { return ignored(p, e); }
    Actions operator()(const Backoff& p, const ShimSilent& e) { return ignored(p, e); }
    Actions operator()(const GaveUp& p, const ShimSilent& e) { return ignored(p, e); }
    Actions operator()(const Unreachable& p, const ShimSilent& e) { return ignored(p, e); }
    Actions silent(std::uint32_t run, bool then_start = false) {
        self.phase_ = Unreachable{run, then_start};
        return {};
    }

    // its checks have failed
    Actions operator()(const Idle& p, const ChecksFailed& e) { return ignored(p, e); }
    Actions operator()(const Starting& p, const ChecksFailed& e) { return ignored(p, e); }
    Actions operator()(const Running& p, const ChecksFailed& e) {
        self.phase_ = Stopping{.run = p.run, .well_for = e.well_for};
        return {SendStop{.run = p.run}};
    }
    Actions operator()(const Stopping& p, const ChecksFailed& e) { return ignored(p, e); }
    Actions operator()(const Ended& p, const ChecksFailed& e) { return ignored(p, e); }
    Actions operator()(const Backoff& p, const ChecksFailed& e) { return ignored(p, e); }
    Actions operator()(const GaveUp& p, const ChecksFailed& e) { return ignored(p, e); }
    Actions operator()(const Unreachable& p, const ChecksFailed& e) { return ignored(p, e); }
};

std::vector<LifecycleAction> Lifecycle::apply(const LifecycleEvent& event, MonoTime now, const RestartRule& rule) {
    // Copies: a cell replaces the phase it was called with.
    const Phase phase = phase_;
    return std::visit(Step{*this, now, rule}, phase, event);
}

ProcessState Lifecycle::state() const noexcept {
    struct Word {
        const Lifecycle& self;
        ProcessState ended() const noexcept {
            if (!self.outcome_ || self.outcome_->reason == OutcomeReason::lost) return ProcessState::lost;
            if (self.outcome_->reason == OutcomeReason::exec_failed) return ProcessState::failed;
            if (self.outcome_->reason == OutcomeReason::stopped) return ProcessState::stopped;
            return self.outcome_->signal ? ProcessState::killed : ProcessState::exited;
        }
        ProcessState operator()(const Idle&) const noexcept { return ProcessState::starting; }
        ProcessState operator()(const Starting&) const noexcept { return ProcessState::starting; }
        ProcessState operator()(const Running&) const noexcept { return ProcessState::running; }
        ProcessState operator()(const Stopping&) const noexcept { return ProcessState::stopping; }
        ProcessState operator()(const Ended&) const noexcept { return ended(); }
        ProcessState operator()(const Backoff&) const noexcept { return ProcessState::backoff; }
        ProcessState operator()(const GaveUp&) const noexcept { return ProcessState::gave_up; }
        ProcessState operator()(const Unreachable&) const noexcept { return ProcessState::unreachable; }
    };
    return std::visit(Word{*this}, phase_);
}

}  // namespace persistproc::core
