#include "daemon/core/run/run_machine.hpp"

#include <algorithm>
#include <csignal>
#include <type_traits>

namespace persistproc::core::run {

namespace {

constexpr auto silent_first_pause = std::chrono::milliseconds(20);
constexpr unsigned most_counted_successors = 255;

template <class... Es>
struct Events {
    template <class E>
    static constexpr bool has = (std::is_same_v<E, Es> || ...);
};

/// Which events mean nothing in a phase. A pair that stands neither here nor among the overloads below does not
/// compile.
template <class P>
struct IgnoredIn;
template <>
struct IgnoredIn<Preparing>
    : Events<ShimReady, ShimSays, ShimGone, Looked, CannotLook, Swept, Connected, CannotConnect, Elapsed> {};
template <>
struct IgnoredIn<AwaitingShim>
    : Events<ShimStarted, CannotStart, ShimSays, Looked, CannotLook, Swept, Connected, CannotConnect> {};
template <>
struct IgnoredIn<Committed>
    : Events<ShimStarted, CannotStart, ShimReady, Looked, CannotLook, Swept, Connected, CannotConnect> {};
template <>
struct IgnoredIn<Live>
    : Events<ShimStarted, CannotStart, ShimReady, Looked, CannotLook, Swept, Connected, CannotConnect, Elapsed> {};
template <>
struct IgnoredIn<Leftovers>
    : Events<ShimStarted, CannotStart, ShimReady, Looked, CannotLook, Swept, Connected, CannotConnect, Elapsed> {};
template <>
struct IgnoredIn<Leaving> : Events<ShimStarted, CannotStart, ShimReady, ShimSays, Looked, CannotLook, Swept, Connected,
                                   CannotConnect, Elapsed> {};
template <>
struct IgnoredIn<Examining>
    : Events<ShimStarted, CannotStart, ShimReady, ShimSays, ShimGone, Swept, Connected, CannotConnect, Elapsed> {};
template <>
struct IgnoredIn<Sweeping> : Events<ShimStarted, CannotStart, ShimReady, ShimSays, ShimGone, Looked, CannotLook,
                                    Connected, CannotConnect, Elapsed> {};
template <>
struct IgnoredIn<Replacing> : Events<Swept, Connected, CannotConnect> {};
template <>
struct IgnoredIn<Silent> : Events<ShimStarted, CannotStart, ShimReady, Swept> {};
template <>
struct IgnoredIn<Over> : Events<ShimStarted, CannotStart, ShimReady, ShimSays, ShimGone, Looked, CannotLook, Swept,
                                Connected, CannotConnect, Elapsed> {};

bool has_ended(const rundir::RunState& state) {
    return state.phase == rundir::Phase::exited || state.outcome_unknown != 0;
}

/// `stage`: the step of the start that failed, or a whole sentence of why there was none.
Cause start_failure(std::string stage, int os_error) {
    Cause out{.code = CauseCode::start_failed, .stage = std::move(stage)};
    const bool is_step = out.stage->find(' ') == std::string::npos;
    if (is_step && os_error != 0) out.os_error = os_error;
    return out;
}

void append(Actions& to, Actions from) {
    to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

}  // namespace

Outcome outcome_of(const rundir::RunState& state) {
    Outcome out;
    out.ended_at = base::from_ns(state.ended_wall_ns);
    if (state.phase == rundir::Phase::exec_failed) {
        out.reason = OutcomeReason::exec_failed;
        out.causes.push_back(start_failure(rundir::stage_name(state.stage), state.os_error));
        return out;
    }
    (state.killed != 0 ? out.signal : out.exit_code) = state.exit_value;
    out.reason = state.oom != 0              ? OutcomeReason::oom
                 : state.stop_requested != 0 ? OutcomeReason::stopped
                                             : OutcomeReason::self;
    // A shim of format 2.0 does not say whether it has sent one.
    const bool is_foreign =
        out.signal == SIGKILL && out.reason == OutcomeReason::self && state.minor >= 1 && state.kill_sent == 0;
    if (is_foreign) {
        Cause cause{.code = CauseCode::killed_by_other};
        if (state.oom_kills_known != 0) cause.count = state.oom_kills;
        out.causes.push_back(std::move(cause));
    }
    return out;
}

Outcome lost_outcome(Cause why, WallTime now) {
    Outcome out;
    out.reason = OutcomeReason::lost;
    out.ended_at = now;
    out.causes.push_back(std::move(why));
    return out;
}

struct RunMachine::Step {
    RunMachine& self;
    WallTime now;

    template <class P, class E>
    requires(IgnoredIn<P>::template has<E>) Actions operator()(const P&, const E&) { return {}; }

    Actions fail(Error error, std::string stage) {
        Outcome outcome;
        outcome.reason = OutcomeReason::exec_failed;
        outcome.ended_at = now;
        outcome.causes.push_back(start_failure(std::move(stage), error.os_error));
        self.phase_ = Over{};
        return {TellFailed{std::move(outcome), std::move(error)}};
    }

    Actions lose(Cause why) {
        self.phase_ = Over{};
        return {TellEnded{lost_outcome(std::move(why), now), false}, TellEmptied{}};
    }

    Actions examine(Told told) {
        self.phase_ = Examining{told};
        return {Look{}};
    }

    /// The rules hear of it while the program runs: of one that has ended its outcome is all they want.
    Actions fall_silent(Silent::Step step, Told told) {
        const bool ended = told == Told::ended;
        self.phase_ = Silent{ended ? Told::ended : Told::nothing, step, silent_first_pause};
        Actions out;
        if (!ended) out.emplace_back(TellSilent{});
        if (step == Silent::Step::pausing) out.emplace_back(Wake{silent_first_pause});
        return out;
    }

    /// What the record says, as far as nobody has been told of it. Leaves the phase alone where it says nothing yet.
    Actions judge(const rundir::RunState& state, Told told) {
        self.state_ = state;
        const bool ended = has_ended(state);
        const bool failed = state.phase == rundir::Phase::exec_failed;
        const bool runs = state.phase == rundir::Phase::started && state.exec_confirmed != 0;
        Actions out;
        if (told == Told::nothing && (runs || ended)) {
            out.emplace_back(TellStarted{.has_ended = state.phase == rundir::Phase::exited});
            told = Told::started;
        }
        if (told == Told::nothing && failed) {
            out.emplace_back(TellFailed{outcome_of(state), std::nullopt});
            told = Told::ended;
        }
        if (told == Told::started && ended) {
            const bool unseen = state.phase != rundir::Phase::exited;
            Outcome outcome = unseen ? lost_outcome(Cause{.code = CauseCode::end_unseen}, now) : outcome_of(state);
            out.emplace_back(TellEnded{std::move(outcome), state.tree_empty == 0});
            told = Told::ended;
        }
        const bool empty = failed || state.tree_empty != 0;
        if (told == Told::ended && empty && !failed) out.emplace_back(TellEmptied{});
        const DropSpares drop{.report = state.exec_confirmed != 0, .child = ended || failed, .all = empty};
        if (drop.report || drop.child || drop.all) out.emplace_back(drop);
        if (state.successors > 0 && !ended) {
            out.emplace_back(WatchProgram{});
            // The program is watched once, and may have ended while no shim could be told.
            if (self.ended_) out.emplace_back(SendEnd{*self.ended_});
        }
        if (told == Told::started) self.phase_ = Live{};
        if (told == Told::ended) {
            if (empty)
                self.phase_ = Leaving{};
            else
                self.phase_ = Leftovers{};
        }
        return out;
    }

    Actions replace(Told told) {
        self.phase_ = Replacing{told, Replacing::Step::starting, self.bounds_.first_pause};
        return {StartReplacement{}};
    }

    /// What an ended program left behind has no keeper: another takes over where that can be; where it was to be
    /// stopped, the mark proves what is the run's own; else it is nobody's.
    Actions give_up_leftovers(const Looked& looked) {
        if (looked.can_replace) return replace(Told::ended);
        if (self.order_) {
            self.phase_ = Sweeping{Told::ended};
            return {Sweep{}};
        }
        self.phase_ = Over{};
        return {TellEmptied{}};
    }

    /// The shim is dead: what its directory says of the run is all there will be, unless another takes over.
    Actions settle(const Looked& looked, Told told) {
        const auto& state = looked.found.state;
        const bool failed = state.phase == rundir::Phase::exec_failed && told == Told::nothing;
        if (told == Told::ended && !has_ended(state)) return give_up_leftovers(looked);
        if (failed || has_ended(state)) {
            Actions out = judge(state, told);
            if (std::holds_alternative<Leftovers>(self.phase_)) {
                // What the program left behind still prints, perhaps.
                append(out, give_up_leftovers(looked));
                return out;
            }
            self.phase_ = Over{};
            return out;
        }
        const bool is_damaged = !looked.found.trouble.empty();
        if (state.phase == rundir::Phase::started || told == Told::started || is_damaged) {
            if (state.phase == rundir::Phase::started) self.state_ = state;
            if (looked.can_replace) return replace(told);
            if (!looked.is_wanted) {
                // A stop was asked for and its keeper is gone: the mark proves what is the run's own.
                self.phase_ = Sweeping{told};
                return {Sweep{}};
            }
            if (is_damaged) return lose(Cause{.code = CauseCode::run_damaged, .text = looked.found.trouble});
            if (!looked.same_boot) return lose(Cause{.code = CauseCode::machine_restarted});
            return lose(Cause{.code = CauseCode::shim_killed});
        }
        self.state_ = state;
        return fail(Error{ErrorCode::unavailable,
                          "the shim of " + to_string(looked.found.id) + " left before the program was started"},
                    "shim");
    }

    // preparing
    Actions operator()(const Preparing&, const ShimStarted&) {
        self.phase_ = AwaitingShim{};
        return {Wake{self.bounds_.start}};
    }
    Actions operator()(const Preparing&, const CannotStart& e) { return fail(e.error, e.error.message); }

    // awaiting shim
    Actions not_ready() {
        const Error error{ErrorCode::unavailable, "its shim did not get ready"};
        Actions out = fail(error, error.message);
        out.insert(out.begin(), HangUp{});
        return out;
    }
    Actions operator()(const AwaitingShim&, const ShimReady&) {
        self.phase_ = Committed{};
        return {SendCommit{}, Wake{self.bounds_.start}};
    }
    Actions operator()(const AwaitingShim&, const ShimGone&) { return not_ready(); }
    Actions operator()(const AwaitingShim&, const Elapsed&) { return not_ready(); }

    // committed
    Actions operator()(const Committed&, const ShimSays& e) { return judge(e.state, Told::nothing); }
    Actions operator()(const Committed&, const ShimGone&) { return examine(Told::nothing); }
    // The program may start any moment: what is not known to have failed is not given up.
    Actions operator()(const Committed&, const Elapsed&) { return fall_silent(Silent::Step::listening, Told::nothing); }

    // live
    Actions operator()(const Live&, const ShimSays& e) { return judge(e.state, Told::started); }
    Actions operator()(const Live&, const ShimGone&) { return examine(Told::started); }

    // leftovers
    Actions operator()(const Leftovers&, const ShimSays& e) { return judge(e.state, Told::ended); }
    // A connection that has ended is no proof that its shim has: what it keeps may live.
    Actions operator()(const Leftovers&, const ShimGone&) { return examine(Told::ended); }

    // leaving
    Actions operator()(const Leaving&, const ShimGone&) {
        self.phase_ = Over{};
        return {};
    }

    // examining
    Actions operator()(const Examining& p, const Looked& e) {
        if (e.found.shim_alive && !is_told_by(e.found.state, p.told)) return fall_silent(Silent::Step::pausing, p.told);
        return settle(e, p.told);
    }
    /// Whether the record says all there is to be heard of the run, whatever its shim still does.
    static bool is_told_by(const rundir::RunState& state, Told told) {
        if (told == Told::nothing && state.phase == rundir::Phase::exec_failed) return true;
        return has_ended(state) && state.tree_empty != 0;
    }
    Actions operator()(const Examining& p, const CannotLook&) { return fall_silent(Silent::Step::pausing, p.told); }

    // sweeping
    Actions operator()(const Sweeping& p, const Swept&) {
        if (p.told == Told::ended) {
            self.phase_ = Over{};
            return {TellEmptied{}};
        }
        return lose(Cause{.code = CauseCode::shim_killed});
    }

    // replacing
    Actions try_later(const Replacing& p, std::optional<Error> why) {
        Actions out;
        // A shim that was killed can be met before its lock has gone.
        if (why && p.pause >= std::chrono::milliseconds(100)) out.emplace_back(Warn{std::move(*why)});
        out.emplace_back(Wake{p.pause});
        self.phase_ = Replacing{p.told, Replacing::Step::pausing, std::min(p.pause * 2, self.bounds_.longest_pause)};
        return out;
    }
    Actions hang_up_and_try_later(const Replacing& p, const char* why) {
        Actions out{HangUp{}};
        append(out, try_later(p, Error{ErrorCode::unavailable, why}));
        return out;
    }
    Actions operator()(const Replacing& p, const Looked& e) {
        if (p.step != Replacing::Step::looking) return {};
        // One that was killed may have come to the end of its work and not to telling so.
        const bool is_done = !e.found.shim_alive && has_ended(e.found.state) && e.found.state.tree_empty != 0;
        // It was not killed after all, or one that was to take over is still there.
        if (e.found.shim_alive) return fall_silent(Silent::Step::pausing, p.told);
        if (!is_done) return start_again(p);
        Actions out = judge(e.found.state, p.told);
        self.phase_ = Over{};
        return out;
    }
    Actions operator()(const Replacing& p, const CannotLook&) {
        if (p.step != Replacing::Step::looking) return {};
        return start_again(p);
    }
    Actions start_again(const Replacing& p) {
        self.phase_ = Replacing{p.told, Replacing::Step::starting, p.pause};
        return {StartReplacement{}};
    }
    Actions operator()(const Replacing& p, const ShimStarted&) {
        if (p.step != Replacing::Step::starting) return {};
        self.phase_ = Replacing{p.told, Replacing::Step::awaiting_ready, p.pause};
        return {Wake{self.bounds_.start}};
    }
    Actions operator()(const Replacing& p, const CannotStart& e) {
        if (p.step != Replacing::Step::starting) return {};
        return try_later(p, e.error);
    }
    Actions operator()(const Replacing& p, const ShimReady&) {
        if (p.step != Replacing::Step::awaiting_ready) return {};
        self.phase_ = Replacing{p.told, Replacing::Step::awaiting_takeover, p.pause};
        return {HandOver{}, Wake{self.bounds_.start}};
    }
    Actions operator()(const Replacing& p, const ShimSays& e) {
        if (p.step != Replacing::Step::awaiting_takeover) return {};
        const bool took_over =
            e.state.successors != self.state_.successors || self.state_.successors == most_counted_successors;
        if (!took_over) return {};
        Actions out = judge(e.state, p.told);
        if (p.told != Told::ended && self.phase_.index() == Phase(Replacing{}).index()) {
            // It has taken over a start that is still to be confirmed.
            self.phase_ = Committed{};
            out.emplace_back(Wake{self.bounds_.start});
        }
        // What came while nobody was there to hear it.
        if (self.order_ && !std::holds_alternative<Leaving>(self.phase_)) out.emplace_back(SendStop{*self.order_});
        return out;
    }
    Actions operator()(const Replacing& p, const ShimGone&) {
        if (p.step == Replacing::Step::awaiting_ready || p.step == Replacing::Step::awaiting_takeover)
            return try_later(p, Error{ErrorCode::unavailable, "it left before it had taken over"});
        return {};
    }
    Actions operator()(const Replacing& p, const Elapsed&) {
        switch (p.step) {
            case Replacing::Step::pausing:
                self.phase_ = Replacing{p.told, Replacing::Step::looking, p.pause};
                return {Look{}};
            case Replacing::Step::awaiting_ready: return hang_up_and_try_later(p, "it did not get ready");
            case Replacing::Step::awaiting_takeover: return hang_up_and_try_later(p, "it did not take over");
            case Replacing::Step::looking:
            case Replacing::Step::starting: break;
        }
        return {};
    }

    // silent
    Actions ask_later(const Silent& p) {
        self.phase_ = Silent{p.told, Silent::Step::pausing,
                             std::min<std::chrono::nanoseconds>(p.pause * 2, self.bounds_.longest_pause)};
        return {Wake{p.pause}};
    }
    Actions operator()(const Silent& p, const Elapsed&) {
        if (p.step == Silent::Step::pausing) {
            self.phase_ = Silent{p.told, Silent::Step::looking, p.pause};
            return {Look{}};
        }
        if (p.step != Silent::Step::greeting) return {};
        Actions out{HangUp{}};
        append(out, ask_later(p));
        return out;
    }
    Actions operator()(const Silent& p, const Looked& e) {
        if (p.step != Silent::Step::looking) return {};
        if (e.found.other_format) return ask_later(p);
        if (!e.found.shim_alive) return settle(e, p.told);
        self.phase_ = Silent{p.told, Silent::Step::connecting, p.pause};
        return {Connect{}};
    }
    Actions operator()(const Silent& p, const CannotLook&) {
        return p.step == Silent::Step::looking ? ask_later(p) : Actions{};
    }
    Actions operator()(const Silent& p, const Connected&) {
        if (p.step != Silent::Step::connecting) return {};
        self.phase_ = Silent{p.told, Silent::Step::greeting, p.pause};
        return {SendHello{}, Wake{self.bounds_.answer}};
    }
    Actions operator()(const Silent& p, const CannotConnect&) {
        return p.step == Silent::Step::connecting ? ask_later(p) : Actions{};
    }
    Actions operator()(const Silent& p, const ShimSays& e) {
        if (p.step != Silent::Step::greeting && p.step != Silent::Step::listening) return {};
        Actions out = judge(e.state, p.told);
        // It has answered, and has still to say what became of the program.
        if (std::holds_alternative<Silent>(self.phase_)) self.phase_ = Silent{p.told, Silent::Step::listening, p.pause};
        // Of a program that runs the rules order it anew.
        const bool kept = p.told == Told::ended && std::holds_alternative<Leftovers>(self.phase_);
        if (kept && self.order_) out.emplace_back(SendStop{*self.order_});
        return out;
    }
    Actions operator()(const Silent& p, const ShimGone&) {
        if (p.step == Silent::Step::greeting) return ask_later(p);
        if (p.step != Silent::Step::listening) return {};
        return examine(p.told);
    }
};

Actions RunMachine::begin_found() {
    phase_ = Silent{Told::nothing, Silent::Step::connecting, silent_first_pause};
    return {Connect{}};
}

bool RunMachine::has_deadline() const noexcept {
    if (const auto* p = std::get_if<Replacing>(&phase_))
        return p->step != Replacing::Step::looking && p->step != Replacing::Step::starting;
    if (const auto* p = std::get_if<Silent>(&phase_))
        return p->step == Silent::Step::pausing || p->step == Silent::Step::greeting;
    return std::holds_alternative<AwaitingShim>(phase_) || std::holds_alternative<Committed>(phase_);
}

Actions RunMachine::on(const Event& event, WallTime now) {
    const bool hears = std::holds_alternative<Live>(phase_) || std::holds_alternative<Leftovers>(phase_);
    if (const auto* stop = std::get_if<StopOrdered>(&event)) {
        if (!order_) order_ = stop->order;
        order_->force |= stop->order.force;
        order_->grace = std::min(order_->grace, stop->order.grace);
        if (hears) return {SendStop{stop->order}};
        return {};
    }
    if (const auto* seen = std::get_if<ProgramSeenEnding>(&event)) {
        ended_ = seen->end;
        const auto* silent = std::get_if<Silent>(&phase_);
        const bool is_listening = silent != nullptr && silent->step == Silent::Step::listening;
        if (hears || is_listening || std::holds_alternative<Committed>(phase_)) return {SendEnd{seen->end}};
        return {};
    }
    // A copy: a cell replaces the phase it was called with.
    const Phase before = phase_;
    const bool had_deadline = has_deadline();
    Step step{*this, now};
    const auto apply = [&](const auto& each) -> Actions {
        using E = std::decay_t<decltype(each)>;
        if constexpr (std::is_same_v<E, StopOrdered> || std::is_same_v<E, ProgramSeenEnding>)
            return {};
        else
            return std::visit([&](const auto& p) { return step(p, each); }, before);
    };
    Actions actions = std::visit(apply, event);
    const bool has_new = std::any_of(actions.begin(), actions.end(),
                                     [](const Action& each) { return std::holds_alternative<Wake>(each); });
    if (had_deadline && !has_new && !has_deadline()) actions.emplace_back(Rest{});
    return actions;
}

}  // namespace persistproc::core::run
