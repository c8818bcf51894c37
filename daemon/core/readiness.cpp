#include "daemon/core/readiness.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace persistproc::core {

namespace {

using std::chrono::nanoseconds;
using namespace std::chrono_literals;

constexpr nanoseconds first_probe_pause = 100ms, longest_probe_pause = 1s, health_period = 10s, health_timeout = 5s;
constexpr std::int64_t health_failures = 3;
// So late a machine under load comes to a probe at most.
constexpr nanoseconds shortest_gap = 5s;

/// As long as nothing has come; most probes answer soon.
std::string unanswered(const domain::Check& check, bool is_awaited) {
    if (is_awaited && std::holds_alternative<domain::CommandCheck>(check.subject))
        return "has not ended, or waits for its turn";
    if (std::holds_alternative<domain::LogCheck>(check.subject)) return "no line matches yet";
    if (std::holds_alternative<domain::NotifyCheck>(check.subject)) return "has not said so";
    return {};
}

nanoseconds to_duration(double seconds) {
    return std::chrono::duration_cast<nanoseconds>(std::chrono::duration<double>(seconds));
}

/// A look at a file costs nothing.
nanoseconds longest_pause(const domain::Check& check) {
    const bool is_of_file = std::holds_alternative<domain::FileCheck>(check.subject) ||
                            std::holds_alternative<domain::SocketCheck>(check.subject);
    return is_of_file ? first_probe_pause : longest_probe_pause;
}

struct UsualTimeout {
    nanoseconds operator()(const domain::CommandCheck&) const { return 5s; }
    nanoseconds operator()(const domain::HttpCheck&) const { return 2s; }
    nanoseconds operator()(const auto&) const { return 1s; }
};

nanoseconds probe_timeout(const domain::Check& check, Purpose purpose) {
    if (check.probe_timeout_seconds) return to_duration(*check.probe_timeout_seconds);
    return purpose == Purpose::health ? health_timeout : std::visit(UsualTimeout{}, check.subject);
}

nanoseconds period_of(const domain::Check& health) {
    return health.period_seconds ? to_duration(*health.period_seconds) : health_period;
}

std::optional<MonoTime> soonest(std::optional<MonoTime> a, std::optional<MonoTime> b) {
    return a && b ? std::min(*a, *b) : a ? a : b;
}

}  // namespace

bool is_probed(const domain::Check& check) noexcept {
    return !std::holds_alternative<domain::LogCheck>(check.subject) &&
           !std::holds_alternative<domain::NotifyCheck>(check.subject);
}

Readiness::Readiness(domain::Checks ready, domain::Checks health, MonoTime started, bool was_ready)
    : started_(started), since_(started), is_told_ready_(was_ready) {
    for (auto& each : ready) ready_.push_back({.check = std::move(each), .due = {}, .detail = {}});
    for (auto& each : health) health_.push_back({.check = std::move(each), .due = {}, .detail = {}});
}

Readiness::Actions Readiness::begin(MonoTime now) {
    Actions out;
    for (State& each : ready_) {
        each.pause = each.check.period_seconds ? to_duration(*each.check.period_seconds) : first_probe_pause;
        // What it has printed or said before is known by those who observe, who tell again what still holds.
        if (is_probed(each.check))
            each.due = std::max(now, started_ + to_duration(each.check.initial_delay_seconds));
        else
            each.holds = is_told_ready_;
    }
    if (ready_.empty()) {
        phase_ = Phase::ready;
        begin_health(now);
    }
    settle(now, out);
    auto more = wake(now);
    out.insert(out.end(), more.begin(), more.end());
    return out;
}

Readiness::Actions Readiness::wake(MonoTime now) {
    Actions out;
    if (phase_ == Phase::over) return out;
    for (std::size_t i = 0; i < ready_.size(); ++i) {
        State& state = ready_[i];
        if (phase_ != Phase::starting || state.holds) continue;
        const bool is_late = state.check.timeout_seconds && now >= late_at(state.check);
        if (is_late && !is_told_ready_) {
            end(EndRun::Why::not_ready, {}, out);
            return out;
        }
        if (state.due && *state.due <= now) probe({Purpose::readiness, i}, state, out);
    }
    for (std::size_t i = 0; i < health_.size(); ++i) {
        State& state = health_[i];
        if (!state.due || *state.due > now) continue;
        // The daemon was gone, or the machine asleep: nobody has looked meanwhile.
        if (now - *state.due >= std::max(2 * period_of(state.check), shortest_gap)) state.failures = 0;
        probe({Purpose::health, i}, state, out);
    }
    return out;
}

Readiness::Actions Readiness::apply(const CheckResult& result, MonoTime now) {
    Actions out;
    auto& all = states(result.check.purpose);
    if (phase_ == Phase::over || result.check.index >= all.size()) return out;
    State& state = all[result.check.index];
    const bool is_asked = state.is_running || !is_probed(state.check);
    state.is_running = false;
    if (!is_asked) return out;
    if (result.check.purpose == Purpose::readiness)
        apply_readiness(state, result, now, out);
    else if (phase_ == Phase::ready)
        apply_health(state, result, now, out);
    return out;
}

void Readiness::apply_readiness(State& state, const CheckResult& result, MonoTime now, Actions& into) {
    const bool is_observed = !is_probed(state.check);
    if (phase_ == Phase::ready && !(is_observed && !result.holds)) return;
    state.detail = result.holds ? std::string() : result.detail;
    state.successes = result.holds ? state.successes + 1 : 0;
    state.holds = result.holds && (is_observed || state.successes >= state.check.successes.value_or(1));
    if (phase_ == Phase::ready) {
        // Taken back: it says itself that it is not ready now.
        phase_ = Phase::starting;
        for (State& each : health_) each.due.reset();
    }
    if (!result.holds && is_told_ready_) {
        is_told_ready_ = false;
        since_ = now;
        into.emplace_back(TellUnready{});
    }
    if (!state.holds && !is_observed) {
        state.due = now + state.pause;
        if (!state.check.period_seconds) state.pause = std::min(2 * state.pause, longest_pause(state.check));
    }
    settle(now, into);
}

void Readiness::apply_health(State& state, const CheckResult& result, MonoTime now, Actions& into) {
    state.due = is_probed(state.check) ? std::optional(now + period_of(state.check)) : std::nullopt;
    state.detail = result.holds ? std::string() : result.detail;
    state.successes = result.holds ? state.successes + 1 : 0;
    if (result.holds) {
        state.well = now;
        state.has_been_well = true;
    }
    // Where nothing says when it is ready, it is on its way until it has been well.
    if (!result.holds && ready_.empty() && !state.has_been_well) return;
    if (!result.holds) {
        ++state.failures;
    } else if (state.successes >= state.check.successes.value_or(1)) {
        state.failures = 0;
    }
    if (state.failures < state.check.failures.value_or(health_failures)) return;
    is_told_ready_ = false;
    into.emplace_back(TellUnready{});
    end(EndRun::Why::unhealthy, state.well - started_, into);
}

void Readiness::probe(CheckId id, State& state, Actions& into) {
    state.due.reset();
    state.is_running = true;
    into.emplace_back(MakeProbe{id, probe_timeout(state.check, id.purpose)});
}

void Readiness::settle(MonoTime now, Actions& into) {
    const bool all_hold = std::all_of(ready_.begin(), ready_.end(), [](const State& each) { return each.holds; });
    if (phase_ != Phase::starting || !all_hold) return;
    phase_ = Phase::ready;
    if (!is_told_ready_) into.emplace_back(TellReady{});
    is_told_ready_ = true;
    begin_health(now);
}

void Readiness::begin_health(MonoTime now) {
    for (State& each : health_) {
        each.failures = 0;
        each.successes = 0;
        each.well = now;
        if (is_probed(each.check) && !each.is_running)
            each.due = now + to_duration(each.check.initial_delay_seconds) + period_of(each.check);
    }
}

void Readiness::end(EndRun::Why why, std::chrono::nanoseconds well_for, Actions& into) {
    phase_ = Phase::over;
    into.emplace_back(EndRun{why, well_for});
}

/// Of a check that has a timeout.
MonoTime Readiness::late_at(const domain::Check& check) const noexcept {
    return std::max(since_ + to_duration(*check.timeout_seconds), extended_);
}

std::optional<MonoTime> Readiness::wake_at() const noexcept {
    std::optional<MonoTime> out;
    if (phase_ == Phase::over) return out;
    if (phase_ == Phase::starting)
        for (const State& each : ready_) {
            if (each.holds) continue;
            out = soonest(out, each.due);
            if (each.check.timeout_seconds && !is_told_ready_) out = soonest(out, late_at(each.check));
        }
    for (const State& each : health_) out = soonest(out, each.due);
    return out;
}

std::optional<bool> Readiness::ready() const noexcept {
    if (ready_.empty() && health_.empty()) return std::nullopt;
    if (ready_.empty()) return phase_ == Phase::over ? std::optional(false) : std::nullopt;
    return is_told_ready_;
}

std::string Readiness::detail() const {
    if (is_told_ready_) return {};
    std::string out;
    for (const auto* const states : {&ready_, &health_}) {
        for (const State& each : *states) {
            if (each.holds) continue;
            const bool is_awaited = each.is_running && states == &ready_;
            const std::string answer = each.detail.empty() ? unanswered(each.check, is_awaited) : each.detail;
            if (!answer.empty())
                out += fmt::format("{}{}: {}", out.empty() ? "" : "; ", domain::check_text(each.check), answer);
        }
        // Its health is asked once it is ready.
        if (!out.empty()) break;
    }
    return out;
}

}  // namespace persistproc::core
