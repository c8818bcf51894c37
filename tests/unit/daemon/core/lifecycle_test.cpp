#include "daemon/core/lifecycle.hpp"

#include <fmt/format.h>

#include <random>

#include "tests/support/catch.hpp"

namespace lifecycle_test {

using namespace persistproc;
using namespace persistproc::core;
using domain::RestartPolicy;

namespace {

constexpr MonoTime t0{std::chrono::hours(1)};

Outcome exited(int code) {
    Outcome out;
    out.exit_code = code;
    return out;
}
Outcome stopped() {
    Outcome out;
    out.signal = 15;
    out.reason = OutcomeReason::stopped;
    return out;
}
Outcome by_checks(OutcomeReason reason) {
    Outcome out = stopped();
    out.reason = reason;
    return out;
}
Outcome exec_failure() {
    Outcome out;
    out.reason = OutcomeReason::exec_failed;
    out.causes.push_back(Cause{.code = CauseCode::start_failed, .stage = "execve", .os_error = 2});
    return out;
}

std::string name_of(const Phase& phase) {
    struct Name {
        std::string operator()(const Idle&) { return "idle"; }
        std::string operator()(const Starting& p) { return p.stop_when_started ? "starting(stop)" : "starting"; }
        std::string operator()(const Running&) { return "running"; }
        std::string operator()(const Stopping& p) {
            const char* then = !p.then_start ? "" : p.by_policy ? "+retry" : "+start";
            return fmt::format("stopping{}{}{}", then, p.has_ended ? "(ended)" : "", p.well_for ? "(unwell)" : "");
        }
        std::string operator()(const Ended& p) { return p.leftovers ? "ended+leftovers" : "ended"; }
        std::string operator()(const Backoff& p) { return p.leftovers ? "backoff+leftovers" : "backoff"; }
        std::string operator()(const GaveUp& p) { return p.leftovers ? "gave_up+leftovers" : "gave_up"; }
        std::string operator()(const Unreachable& p) { return p.then_start ? "unreachable+start" : "unreachable"; }
    };
    return std::visit(Name{}, phase);
}

std::string names_of(const std::vector<LifecycleAction>& actions) {
    struct Name {
        std::string operator()(const Spawn& a) { return fmt::format("spawn {}", a.run); }
        std::string operator()(const SendStop& a) { return fmt::format("stop {}{}", a.run, a.force ? " force" : ""); }
        std::string operator()(const RecordOutcome& a) { return fmt::format("record {}", a.run); }
        std::string operator()(const ArmBackoff&) { return "arm"; }
        std::string operator()(const DisarmBackoff&) { return "disarm"; }
    };
    std::string out;
    for (const auto& each : actions) out += (out.empty() ? "" : ", ") + std::visit(Name{}, each);
    return out;
}

Lifecycle in(Phase phase, Wanted wanted = Wanted::up) { return Lifecycle(phase, wanted, 3, std::nullopt); }

struct Cell {
    const char* title;
    Phase phase;
    Wanted wanted;
    LifecycleEvent event;
    RestartPolicy policy;
    const char* then;
    const char* actions;
};

}  // namespace

TEST_CASE("every phase answers every event as the table says") {
    const auto up = Wanted::up;
    const auto down = Wanted::down;
    const auto never = RestartPolicy::never;
    const auto always = RestartPolicy::always;
    const auto on_failure = RestartPolicy::on_failure;
    const Idle idle;
    const Starting starting{.run = 3};
    const Starting retry{.run = 3, .by_policy = true};
    const Starting doomed{.run = 3, .stop_when_started = true};
    const Running running{3, t0};
    const Stopping stopping{3, false, false};
    const Stopping restarting{3, true, false};
    const Stopping sweeping{3, false, true};
    const Stopping sweeping_restart{3, true, true};
    const Stopping sweeping_retry{3, true, true, true};
    const Ended ended{3, false};
    const Ended leftovers{3, true};
    const Backoff backoff{3, t0};
    const Backoff backoff_left{3, t0, true};
    const GaveUp gave_up{3};
    const GaveUp gave_up_left{3, true};
    const Unreachable unreachable{3};
    const Unreachable interrupted{3, true};
    const StartRequested start;
    const StopRequested stop;
    const StopRequested kill{true};
    const RestartRequested restart;
    const ProgramStarted started;
    const StartFailed start_failed{exec_failure()};
    const ProgramEnded ok{exited(0), false};
    const ProgramEnded bad{exited(1), false};
    const ProgramEnded by_stop{stopped(), false};
    const ProgramEnded ok_left{exited(0), true};
    const TreeEmptied empty;
    const BackoffElapsed due;
    const ShimSilent silent;
    const ChecksFailed unwell;
    const Stopping failing{.run = 3, .well_for = std::chrono::seconds(1)};
    const ProgramEnded not_ready{by_checks(OutcomeReason::not_ready), false};
    const ProgramEnded unhealthy{by_checks(OutcomeReason::unhealthy), false};

    const Cell table[] = {
        {"idle unwell", idle, down, unwell, never, "idle", ""},
        {"starting unwell", starting, up, unwell, never, "starting", ""},
        {"running unwell", running, up, unwell, never, "stopping(unwell)", "stop 3"},
        {"stopping unwell", stopping, down, unwell, never, "stopping", ""},
        {"ended unwell", ended, down, unwell, never, "ended", ""},
        {"backoff unwell", backoff, up, unwell, always, "backoff", ""},
        {"gave up unwell", gave_up, down, unwell, always, "gave_up", ""},
        {"unreachable unwell", unreachable, up, unwell, always, "unreachable", ""},
        {"not ready, ended", failing, up, not_ready, never, "ended+leftovers", "record 3"},
        {"not ready, ended, on_failure", failing, up, not_ready, on_failure, "backoff+leftovers", "record 3, arm"},
        {"unhealthy, ended", failing, up, unhealthy, never, "backoff+leftovers", "record 3, arm"},
        {"unwell start", failing, up, start, never, "stopping+start", ""},
        {"unwell stop", failing, up, stop, always, "stopping", "stop 3"},
        {"unwell restart", failing, up, restart, never, "stopping+start", "stop 3"},
        {"unwell silent", failing, up, silent, never, "unreachable", ""},

        {"idle start", idle, down, start, never, "starting", "spawn 4"},
        {"idle stop", idle, up, stop, never, "idle", ""},
        {"idle restart", idle, down, restart, never, "starting", "spawn 4"},
        {"idle started", idle, down, started, never, "idle", ""},
        {"idle start failed", idle, down, start_failed, never, "idle", ""},
        {"idle ended", idle, down, ok, never, "idle", ""},
        {"idle empty", idle, down, empty, never, "idle", ""},
        {"idle due", idle, down, due, never, "idle", ""},
        {"idle silent", idle, down, silent, never, "idle", ""},

        {"starting start", starting, up, start, never, "starting", ""},
        {"starting stop", starting, up, stop, never, "starting(stop)", ""},
        {"starting restart", starting, up, restart, never, "starting", ""},
        {"starting started", starting, up, started, never, "running", ""},
        {"starting started, stop asked", doomed, down, started, never, "stopping", "stop 3"},
        {"starting failed", starting, up, start_failed, always, "ended", "record 3"},
        {"starting failed by policy", retry, up, start_failed, always, "backoff", "record 3, arm"},
        {"starting ended", starting, up, ok, never, "ended", "record 3"},
        {"starting empty", starting, up, empty, never, "starting", ""},
        {"starting due", starting, up, due, never, "starting", ""},
        {"starting silent", starting, up, silent, never, "unreachable", ""},

        {"running start", running, up, start, never, "running", ""},
        {"running stop", running, up, stop, never, "stopping", "stop 3"},
        {"running kill", running, up, kill, never, "stopping", "stop 3 force"},
        {"running restart", running, up, restart, never, "stopping+start", "stop 3"},
        {"running started", running, up, started, never, "running", ""},
        {"running start failed", running, up, start_failed, never, "running", ""},
        {"running ended", running, up, ok, never, "ended", "record 3"},
        {"running ended, leftovers", running, up, ok_left, never, "ended+leftovers", "record 3"},
        {"running ended, always", running, up, ok, always, "backoff", "record 3, arm"},
        {"running ended, leftovers, always", running, up, ok_left, always, "backoff+leftovers", "record 3, arm"},
        {"running ended well, on_failure", running, up, ok, on_failure, "ended", "record 3"},
        {"running ended badly, on_failure", running, up, bad, on_failure, "backoff", "record 3, arm"},
        {"running ended on request, always", running, up, by_stop, always, "ended", "record 3"},
        {"running ended, wanted down", running, down, ok, always, "ended", "record 3"},
        {"running empty", running, up, empty, never, "running", ""},
        {"running due", running, up, due, never, "running", ""},
        {"running silent", running, up, silent, never, "unreachable", ""},

        {"stopping start", stopping, down, start, never, "stopping+start", ""},
        {"stopping stop", restarting, up, stop, never, "stopping", "stop 3"},
        {"stopping kill", stopping, down, kill, never, "stopping", "stop 3 force"},
        {"stopping restart, after a stop", stopping, down, restart, never, "stopping", ""},
        {"stopping restart", stopping, up, restart, never, "stopping+start", "stop 3"},
        {"stopping started", stopping, down, started, never, "stopping", ""},
        {"stopping start failed", stopping, down, start_failed, never, "stopping", ""},
        {"stopping ended", stopping, down, by_stop, always, "stopping(ended)", "record 3"},
        {"stopping ended twice", sweeping, down, by_stop, always, "stopping(ended)", ""},
        {"stopping empty before the outcome", stopping, down, empty, never, "stopping", ""},
        {"stopping empty", sweeping, down, empty, never, "ended", ""},
        {"restarting empty", sweeping_restart, up, empty, never, "starting", "spawn 4"},
        {"retrying start", sweeping_retry, up, start, always, "stopping+start(ended)", ""},
        {"retrying stop", sweeping_retry, up, stop, always, "stopping(ended)", "stop 3"},
        {"retrying empty", sweeping_retry, up, empty, always, "starting", "spawn 4"},
        {"restarting empty, stopped meanwhile", sweeping_restart, down, empty, never, "ended", ""},
        {"stopping due", stopping, down, due, never, "stopping", ""},
        {"stopping silent", stopping, down, silent, never, "unreachable", ""},
        {"restarting silent", restarting, up, silent, never, "unreachable+start", ""},
        {"stopping silent after the outcome", sweeping, down, silent, never, "stopping(ended)", ""},

        {"ended start", ended, down, start, never, "starting", "spawn 4"},
        {"ended start, leftovers", leftovers, down, start, never, "stopping+start(ended)", "stop 3"},
        {"ended stop", ended, down, stop, never, "ended", ""},
        {"ended stop, leftovers", leftovers, down, stop, never, "stopping(ended)", "stop 3"},
        {"ended restart", ended, down, restart, never, "starting", "spawn 4"},
        {"ended restart, leftovers", leftovers, down, restart, never, "stopping+start(ended)", "stop 3"},
        {"ended started", ended, down, started, never, "ended", ""},
        {"ended start failed", ended, down, start_failed, never, "ended", ""},
        {"ended ended", ended, down, bad, always, "ended", ""},
        {"ended empty", leftovers, down, empty, never, "ended", ""},
        {"ended due", ended, up, due, always, "ended", ""},
        {"ended silent", ended, down, silent, never, "ended", ""},

        {"backoff start", backoff, up, start, always, "starting", "disarm, spawn 4"},
        {"backoff start, leftovers", backoff_left, up, start, always, "stopping+start(ended)", "disarm, stop 3"},
        {"backoff stop", backoff, up, stop, always, "ended", "disarm"},
        {"backoff stop, leftovers", backoff_left, up, stop, always, "stopping(ended)", "disarm, stop 3"},
        {"backoff restart", backoff, up, restart, always, "starting", "disarm, spawn 4"},
        {"backoff started", backoff, up, started, always, "backoff", ""},
        {"backoff start failed", backoff, up, start_failed, always, "backoff", ""},
        {"backoff ended", backoff, up, ok, always, "backoff", ""},
        {"backoff empty", backoff, up, empty, always, "backoff", ""},
        {"backoff empty, leftovers", backoff_left, up, empty, always, "backoff", ""},
        {"backoff due", backoff, up, due, always, "starting", "spawn 4"},
        {"backoff due, leftovers", backoff_left, up, due, always, "stopping+retry(ended)", "stop 3"},
        {"backoff due, wanted down", backoff, down, due, always, "backoff", ""},
        {"backoff silent", backoff, up, silent, always, "backoff", ""},

        {"gave up start", gave_up, down, start, always, "starting", "spawn 4"},
        {"gave up start, leftovers", gave_up_left, down, start, always, "stopping+start(ended)", "stop 3"},
        {"gave up stop", gave_up, down, stop, always, "gave_up", ""},
        {"gave up stop, leftovers", gave_up_left, down, stop, always, "stopping(ended)", "stop 3"},
        {"gave up restart", gave_up, down, restart, always, "starting", "spawn 4"},
        {"gave up started", gave_up, down, started, always, "gave_up", ""},
        {"gave up start failed", gave_up, down, start_failed, always, "gave_up", ""},
        {"gave up ended", gave_up, down, ok, always, "gave_up", ""},
        {"gave up empty", gave_up, down, empty, always, "gave_up", ""},
        {"gave up empty, leftovers", gave_up_left, down, empty, always, "gave_up", ""},
        {"gave up due", gave_up, up, due, always, "gave_up", ""},
        {"gave up silent", gave_up, down, silent, always, "gave_up", ""},

        {"unreachable start", unreachable, up, start, never, "unreachable", ""},
        {"unreachable stop", unreachable, up, stop, never, "unreachable", ""},
        {"unreachable restart", unreachable, up, restart, never, "unreachable", ""},
        {"unreachable answers", unreachable, up, started, never, "running", ""},
        {"unreachable answers, wanted down", unreachable, down, started, never, "stopping", "stop 3"},
        {"unreachable start failed", unreachable, up, start_failed, never, "ended", "record 3"},
        {"unreachable ended", unreachable, up, bad, never, "ended", "record 3"},
        {"unreachable empty", unreachable, up, empty, never, "unreachable", ""},
        {"unreachable due", unreachable, up, due, always, "unreachable", ""},
        {"interrupted restart answers", interrupted, up, started, never, "stopping+start", "stop 3"},
        {"interrupted restart stopped", interrupted, up, stop, never, "unreachable", ""},
        {"interrupted restart ended", interrupted, up, by_stop, never, "stopping+start(ended)", "record 3, stop 3"},
        {"unreachable silent", unreachable, up, silent, never, "unreachable", ""},
    };
    for (const auto& cell : table) {
        INFO(cell.title);
        Lifecycle life = in(cell.phase, cell.wanted);
        RestartRule rule;
        rule.policy = cell.policy;
        const auto actions = life.apply(cell.event, t0 + std::chrono::seconds(1), rule);
        CHECK(name_of(life.phase()) == cell.then);
        CHECK(names_of(actions) == cell.actions);
    }
}

TEST_CASE("a process that ends too soon too often is given up, and a start forgives it") {
    RestartRule rule;
    rule.policy = RestartPolicy::always;
    rule.give_up_after = 3;
    MonoTime now = t0;
    Lifecycle life;
    life.apply(StartRequested{}, now, rule);
    std::vector<std::chrono::nanoseconds> delays;
    while (!std::holds_alternative<GaveUp>(life.phase())) {
        life.apply(ProgramStarted{}, now, rule);
        life.apply(ProgramEnded{exited(1), false}, now, rule);
        if (const auto* backoff = std::get_if<Backoff>(&life.phase())) {
            delays.push_back(backoff->until - now);
            now = backoff->until;
            life.apply(BackoffElapsed{}, now, rule);
        }
        REQUIRE(life.last_run() < 10);
    }
    CHECK(delays == std::vector<std::chrono::nanoseconds>{rule.first_delay, rule.first_delay * 2});
    CHECK(life.state() == ProcessState::gave_up);
    CHECK(life.wanted() == Wanted::down);
    life.apply(StartRequested{}, now, rule);
    CHECK(life.state() == ProcessState::starting);
    CHECK(life.quick_failures() == 0);
}

TEST_CASE("exit codes decide as the definition says") {
    Definition definition;
    definition.restart = RestartPolicy::on_failure;
    definition.success_codes = {0, 3};
    definition.never_codes = {78};
    const RestartRule on_failure = restart_rule(definition);
    definition.restart = RestartPolicy::always;
    const RestartRule always = restart_rule(definition);
    struct Case {
        int code;
        bool again_on_failure, again_always;
    };
    for (const auto& [code, again_on_failure, again_always] :
         {Case{0, false, true}, Case{3, false, true}, Case{1, true, true}, Case{78, false, false}}) {
        INFO(code);
        CHECK(wants_restart(on_failure, exited(code), true) == again_on_failure);
        CHECK(wants_restart(always, exited(code), true) == again_always);
    }
}

TEST_CASE("a command that cannot be executed is tried again where it has worked before") {
    RestartRule rule;
    rule.policy = RestartPolicy::always;
    const int code = GENERATE(126, 127);
    Lifecycle life;
    life.apply(StartRequested{}, t0, rule);
    life.apply(ProgramStarted{}, t0, rule);
    SECTION("not the first time") {
        life.apply(ProgramEnded{exited(code), false}, t0, rule);
        CHECK(life.state() == ProcessState::exited);
        CHECK(life.wanted() == Wanted::down);
    }
    SECTION("in a run of the policy") {
        life.apply(ProgramEnded{exited(1), false}, t0 + rule.healthy_after, rule);
        life.apply(BackoffElapsed{}, t0 + rule.healthy_after, rule);
        life.apply(ProgramStarted{}, t0 + rule.healthy_after, rule);
        life.apply(ProgramEnded{exited(code), false}, t0 + rule.healthy_after, rule);
        CHECK(life.state() == ProcessState::backoff);
    }
}

TEST_CASE("how soon and how often it is run again is as the definition says") {
    Definition definition;
    definition.restart = RestartPolicy::always;
    definition.restart_limit = 3;
    definition.healthy_after_seconds = 0.5;
    definition.restart_delay_seconds = 1;
    definition.max_restart_delay_seconds = 1.5;
    const RestartRule rule = restart_rule(definition);
    CHECK(rule.give_up_after == 3);
    CHECK(rule.healthy_after == std::chrono::milliseconds(500));
    CHECK(backoff_delay(rule, 1) == std::chrono::seconds(1));
    CHECK(backoff_delay(rule, 2) == std::chrono::milliseconds(1500));
}

TEST_CASE("the policy begins no run for which no number is left") {
    RestartRule rule;
    rule.policy = RestartPolicy::always;
    Lifecycle life(Running{domain::last_number - 1, t0}, Wanted::up, domain::last_number - 1, std::nullopt);
    CHECK(life.has_number_left());
    life.apply(ProgramEnded{exited(1), false}, t0, rule);
    life.apply(BackoffElapsed{}, t0 + rule.first_delay, rule);
    REQUIRE(std::holds_alternative<Starting>(life.phase()));
    CHECK(life.last_run() == domain::last_number);
    CHECK(!life.has_number_left());
    life.apply(ProgramStarted{}, t0, rule);
    life.apply(ProgramEnded{exited(1), false}, t0, rule);
    CHECK(std::holds_alternative<Ended>(life.phase()));
    CHECK(life.wanted() == Wanted::down);
}

TEST_CASE("a run that was healthy is run again at once") {
    RestartRule rule;
    rule.policy = RestartPolicy::always;
    Lifecycle life = in(Running{3, t0});
    life.apply(ProgramEnded{exited(0), false}, t0 + rule.healthy_after, rule);
    const auto* backoff = std::get_if<Backoff>(&life.phase());
    REQUIRE(backoff != nullptr);
    CHECK(backoff->until == t0 + rule.healthy_after);
}

TEST_CASE("each stop brings its own grace, and a start that is to be stopped the shortest") {
    using std::chrono::seconds;
    const RestartRule rule;
    const auto grace_of = [](const std::vector<LifecycleAction>& actions) {
        REQUIRE(actions.size() == 1);
        return std::get<SendStop>(actions.front()).grace;
    };
    Lifecycle running = in(Running{3, t0});
    CHECK(grace_of(running.apply(StopRequested{false, seconds(60)}, t0, rule)) == seconds(60));
    CHECK(grace_of(running.apply(StopRequested{false, seconds(1)}, t0, rule)) == seconds(1));
    Lifecycle starting = in(Starting{.run = 3});
    starting.apply(StopRequested{false, seconds(1)}, t0, rule);
    starting.apply(StopRequested{false, seconds(60)}, t0, rule);
    CHECK(grace_of(starting.apply(ProgramStarted{}, t0, rule)) == seconds(1));
}

TEST_CASE("a pause that began under the daemon before goes on") {
    RestartRule rule;
    rule.policy = RestartPolicy::always;
    const auto until = [&rule](std::chrono::nanoseconds ago) {
        Lifecycle life(Running{3, t0}, Wanted::up, 3, std::nullopt, 4);
        life.apply(ProgramEnded{.outcome = exited(1), .leftovers = false, .ago = ago}, t0, rule);
        return std::get<Backoff>(life.phase()).until - t0;
    };
    const auto whole = backoff_delay(rule, 5);
    CHECK(until({}) == whole);
    CHECK(until(whole / 2) == whole - whole / 2);
    CHECK(until(whole * 2).count() == 0);
}

TEST_CASE("given a run that its checks end, when it was well for long, then it is no quick failure") {
    RestartRule rule;
    for (const auto well_for : {rule.healthy_after, rule.healthy_after - std::chrono::milliseconds(1)}) {
        Lifecycle life(Running{3, t0}, Wanted::up, 3, std::nullopt, 2);
        life.apply(ChecksFailed{well_for}, t0 + std::chrono::hours(1), rule);
        life.apply(ProgramEnded{by_checks(OutcomeReason::unhealthy), false}, t0 + std::chrono::hours(2), rule);
        CHECK(life.state() == ProcessState::backoff);
        CHECK(life.quick_failures() == (well_for == rule.healthy_after ? 0 : 3));
        CHECK(names_of(life.apply(TreeEmptied{}, t0 + std::chrono::hours(2), rule)).empty());
        CHECK(names_of(life.apply(BackoffElapsed{}, t0 + std::chrono::hours(2), rule)) == "spawn 4");
    }
}

TEST_CASE("failures that were counted before count on") {
    RestartRule rule;
    rule.policy = RestartPolicy::always;
    Lifecycle life(Running{3, t0}, Wanted::up, 3, std::nullopt, rule.give_up_after - 1);
    life.apply(ProgramEnded{exited(1), false}, t0, rule);
    CHECK(life.state() == ProcessState::gave_up);
}

TEST_CASE("backoff doubles up to its longest") {
    RestartRule rule;
    CHECK(backoff_delay(rule, 0).count() == 0);
    CHECK(backoff_delay(rule, 1) == rule.first_delay);
    CHECK(backoff_delay(rule, 2) == rule.first_delay * 2);
    CHECK(backoff_delay(rule, 60) == rule.longest_delay);
}

TEST_CASE("random events never break the invariants") {
    std::mt19937 random(20261120);
    const std::vector<LifecycleEvent> events = {StartRequested{},
                                                StopRequested{false},
                                                StopRequested{true},
                                                RestartRequested{},
                                                ProgramStarted{},
                                                StartFailed{exec_failure()},
                                                ProgramEnded{exited(0), false},
                                                ProgramEnded{exited(1), true},
                                                ProgramEnded{stopped(), false},
                                                TreeEmptied{},
                                                BackoffElapsed{},
                                                ShimSilent{},
                                                ChecksFailed{},
                                                ProgramEnded{by_checks(OutcomeReason::unhealthy), false}};
    for (int round = 0; round < 2000; ++round) {
        Lifecycle life;
        RestartRule rule;
        rule.policy = static_cast<RestartPolicy>(round % 3);
        MonoTime now = t0;
        std::uint32_t recorded = 0;
        for (int step = 0; step < 60; ++step) {
            const auto& event = events[random() % events.size()];
            const bool user_start =
                std::holds_alternative<StartRequested>(event) || std::holds_alternative<RestartRequested>(event);
            const Wanted wanted_before = life.wanted();
            const bool was_live = life.is_live() && !std::holds_alternative<Idle>(life.phase());
            const auto* was_stopping = std::get_if<Stopping>(&life.phase());
            const bool could_hand_over = was_stopping != nullptr && was_stopping->has_ended;
            const std::uint32_t run_before = life.last_run();
            now += std::chrono::milliseconds(random() % 20000);
            const auto actions = life.apply(event, now, rule);
            int spawns = 0;
            for (const auto& action : actions) {
                if (const auto* spawn = std::get_if<Spawn>(&action)) {
                    ++spawns;
                    CHECK(spawn->run == run_before + 1);
                    // One live run at a time: only a tree that is gone is followed by another.
                    CHECK((!was_live || could_hand_over));
                    // Wanted down is never started but by a person or agent.
                    CHECK((wanted_before == Wanted::up || user_start));
                }
                if (const auto* outcome = std::get_if<RecordOutcome>(&action)) {
                    CHECK(outcome->run > recorded);  // an outcome is recorded once
                    recorded = outcome->run;
                }
            }
            CHECK(spawns <= 1);
            CHECK(life.last_run() == run_before + static_cast<std::uint32_t>(spawns));
        }
    }
}

}  // namespace lifecycle_test
