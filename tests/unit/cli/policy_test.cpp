#include "cli/session/policy.hpp"

#include <random>

#include "tests/support/catch.hpp"

namespace policy_test {

using namespace persistproc;
using namespace persistproc::cli;
using namespace persistproc::cli::session;

namespace {

using Acts = std::vector<Act>;
constexpr MonoTime zero{};

Acts acts(const std::vector<Action>& actions) {
    Acts out;
    for (const auto& action : actions) out.push_back(action.act);
    return out;
}

int status_of(const std::vector<Action>& actions) {
    for (const auto& action : actions)
        if (action.act == Act::finish) return action.status;
    return -1;
}

RunEnded ended(std::uint32_t run, int code) { return RunEnded{run, RunEnd{code, std::nullopt, std::nullopt, false}}; }
Polled polled(std::uint32_t run, ProcessState state, std::optional<int> code = std::nullopt,
              std::optional<int> signal = std::nullopt) {
    return Polled{run, state, code, signal};
}

/// A policy in one of its phases.
enum class In { following, after_end, draining, stopping, forcing };
Policy policy_in(In phase, OnExit on_exit) {
    Policy policy(on_exit, 1);
    switch (phase) {
        case In::following: break;
        case In::after_end: policy.on(ended(1, 7), zero); break;
        case In::draining: policy.on(polled(1, ProcessState::exited, 7), zero); break;
        case In::stopping: policy.on(Interrupted{}, zero); break;
        case In::forcing:
            policy.on(Interrupted{}, zero);
            policy.on(Interrupted{}, zero);
            break;
    }
    return policy;
}

}  // namespace

TEST_CASE("what each event means in each phase") {
    struct Row {
        In phase;
        OnExit on_exit;
        Event event;
        Acts expected;
        int status = -1;
    };
    using S = ProcessState;
    const auto D = OnExit::detach;
    const auto T = OnExit::stop;
    const std::vector<Row> rows = {
        // The log's word.
        {In::following, D, RunStarted{1, 10}, {}},
        {In::following, D, RunStarted{2, 10}, {Act::tell_restarted}},
        {In::following, D, ended(1, 7), {Act::poll_now}},
        {In::following, D, ended(2, 7), {Act::tell_restarted, Act::poll_now}},
        {In::after_end, D, RunStarted{2, 10}, {Act::tell_end, Act::tell_restarted}},
        {In::draining, D, RunStarted{2, 10}, {Act::tell_restarted}},
        {In::draining, D, ended(1, 7), {}},
        {In::stopping, T, ended(1, 7), {}},
        {In::forcing, T, ended(1, 7), {}},
        // The daemon's word.
        {In::following, D, polled(1, S::running), {}},
        {In::following, D, polled(1, S::exited, 7), {Act::drain}},
        {In::following, D, polled(1, S::lost), {Act::drain}},
        {In::following, D, polled(1, S::backoff), {}},
        {In::following, D, polled(2, S::running), {}},
        {In::after_end, D, polled(1, S::running), {Act::poll_soon}},
        {In::after_end, D, polled(1, S::stopping), {Act::poll_soon}},
        {In::after_end, D, polled(1, S::unreachable), {Act::poll_soon}},
        {In::after_end, D, polled(1, S::exited, 7), {Act::tell_end, Act::finish}, 7},
        {In::after_end, D, polled(1, S::killed, std::nullopt, 15), {Act::tell_end, Act::finish}, 143},
        {In::after_end, D, polled(1, S::lost), {Act::tell_end, Act::finish}, 125},
        {In::after_end, D, polled(1, S::gave_up, 3), {Act::tell_end, Act::finish}, 3},
        {In::after_end, D, polled(1, S::failed), {Act::tell_end, Act::finish}, 7},
        {In::after_end, D, polled(2, S::failed), {Act::drain}},
        {In::after_end, D, polled(1, S::backoff), {Act::tell_end}},
        {In::after_end, D, polled(2, S::exited, 1), {Act::drain}},
        {In::after_end, D, polled(2, S::backoff), {}},
        {In::after_end, D, polled(0, S::exited, 1), {Act::poll_soon}},
        {In::draining, D, polled(1, S::exited, 7), {}},
        {In::stopping, T, polled(1, S::exited, 7), {}},
        {In::forcing, T, polled(1, S::exited, 7), {}},
        // Nobody answers.
        {In::following, D, PollFailed{}, {}},
        {In::after_end, D, PollFailed{}, {}},
        {In::draining, D, PollFailed{}, {}},
        {In::stopping, T, PollFailed{}, {}},
        {In::following, D, Forgotten{}, {Act::drain}},
        {In::after_end, D, Forgotten{}, {Act::drain}},
        {In::stopping, T, Forgotten{}, {}},
        // Printed up to the end.
        {In::draining, D, PrintedAll{1}, {Act::tell_end, Act::finish}, 7},
        {In::draining, D, PrintedAll{0}, {}},
        {In::following, D, PrintedAll{1}, {}},
        // The user leaves.
        {In::following, D, Interrupted{}, {Act::tell_detached, Act::finish}, 0},
        {In::after_end, D, Interrupted{}, {Act::tell_detached, Act::finish}, 0},
        {In::draining, D, Interrupted{}, {Act::tell_detached, Act::finish}, 0},
        {In::following, T, Interrupted{}, {Act::stop}},
        {In::draining, T, Interrupted{}, {Act::stop}},
        {In::stopping, T, Interrupted{}, {Act::force_stop}},
        // At once after the second it is no third.
        {In::forcing, T, Interrupted{}, {}},
        // A terminal that is closed says so more than once.
        {In::following, T, Interrupted{SIGHUP}, {Act::stop}},
        {In::stopping, T, Interrupted{SIGHUP}, {}},
        {In::stopping, T, Interrupted{SIGTERM}, {}},
        {In::forcing, T, Interrupted{SIGHUP}, {}},
        {In::following, D, ReaderGone{}, {Act::finish}, 0},
        {In::following, T, ReaderGone{}, {Act::stop}},
        {In::stopping, T, ReaderGone{}, {}},
        // Its output cannot be written: the program is never stopped for that.
        {In::following, D, WriteFailed{}, {Act::tell_unshown, Act::finish}, 125},
        {In::following, T, WriteFailed{}, {Act::tell_unshown, Act::finish}, 125},
        {In::draining, D, WriteFailed{}, {Act::tell_unshown, Act::finish}, 125},
        {In::stopping, T, WriteFailed{}, {}},
        {In::forcing, T, WriteFailed{}, {}},
        // The stop was done.
        {In::following, T, StopAnswered{}, {}},
        {In::stopping, T, StopAnswered{}, {Act::drain}},
        {In::forcing, T, StopAnswered{}, {Act::drain}},
        {In::stopping, T, StopAnswered{Error{ErrorCode::unavailable, "no"}}, {Act::say, Act::finish}, 125},
    };
    for (std::size_t i = 0; i < rows.size(); ++i) {
        CAPTURE(i);
        Policy policy = policy_in(rows[i].phase, rows[i].on_exit);
        const auto actions = policy.on(rows[i].event, zero);
        CHECK(acts(actions) == rows[i].expected);
        CHECK(status_of(actions) == rows[i].status);
    }
}

TEST_CASE("a third Ctrl+C leaves, when it is one") {
    Policy policy = policy_in(In::forcing, OnExit::stop);
    CHECK(policy.on(Interrupted{}, zero + std::chrono::milliseconds(999)).empty());
    const auto actions = policy.on(Interrupted{}, zero + std::chrono::seconds(1));
    CHECK(acts(actions) == Acts{Act::say, Act::finish});
    CHECK(status_of(actions) == 125);
}

TEST_CASE("a stop ends with 0 once its last output was shown") {
    Policy policy = policy_in(In::stopping, OnExit::stop);
    const auto drained = policy.on(StopAnswered{}, zero);
    REQUIRE(acts(drained) == Acts{Act::drain});
    CHECK(status_of(policy.on(PrintedAll{drained[0].mark}, zero)) == 0);
    CHECK(policy.on(Interrupted{}, zero).empty());
}

TEST_CASE("without a daemon the log's word counts after a while") {
    Policy policy = policy_in(In::after_end, OnExit::detach);
    CHECK(policy.on(PollFailed{}, zero + patience_without_daemon - std::chrono::nanoseconds(1)).empty());
    CHECK(status_of(policy.on(PollFailed{}, zero + patience_without_daemon)) == 7);
    Policy alive(OnExit::detach, 1);
    CHECK(alive.on(PollFailed{}, zero + std::chrono::hours(24)).empty());
}

TEST_CASE("a restart is said once and followed to its own end") {
    Policy policy = policy_in(In::after_end, OnExit::detach);
    const auto told = policy.on(RunStarted{2, 99}, zero);
    REQUIRE(acts(told) == Acts{Act::tell_end, Act::tell_restarted});
    CHECK((told[0].run == 1 && told[0].how.exit_code == 7));
    CHECK((told[1].run == 2 && told[1].pid == 99));
    CHECK(policy.on(RunStarted{2, 99}, zero).empty());
    CHECK(policy.on(ended(1, 7), zero).empty());
    CHECK(acts(policy.on(ended(2, 9), zero)) == Acts{Act::poll_now});
    CHECK(status_of(policy.on(polled(2, ProcessState::exited, 9), zero)) == 9);

    // One that never got as far as the log ends the following all the same; one that did takes over.
    Policy stillborn = policy_in(In::after_end, OnExit::detach);
    const auto drained = stillborn.on(polled(2, ProcessState::failed), zero);
    REQUIRE(acts(drained) == Acts{Act::drain});
    const auto last = stillborn.on(PrintedAll{drained[0].mark}, zero);
    REQUIRE(acts(last) == Acts{Act::tell_end, Act::finish});
    CHECK(last[0].run == 2);
    CHECK(status_of(last) == 125);
    // So does one whose records found no room in the log.
    Policy unrecorded = policy_in(In::after_end, OnExit::detach);
    const auto rest = unrecorded.on(polled(2, ProcessState::exited, 4), zero);
    REQUIRE(acts(rest) == Acts{Act::drain});
    CHECK(status_of(unrecorded.on(PrintedAll{rest[0].mark}, zero)) == 4);
    Policy recorded = policy_in(In::after_end, OnExit::detach);
    const auto marked = recorded.on(polled(2, ProcessState::failed), zero);
    CHECK(acts(recorded.on(RunEnded{2, RunEnd{std::nullopt, std::nullopt, ENOENT, false}}, zero)) ==
          Acts{Act::tell_end, Act::tell_restarted, Act::poll_now});
    CHECK(recorded.on(PrintedAll{marked[0].mark}, zero).empty());
    CHECK(status_of(recorded.on(polled(2, ProcessState::failed), zero)) == 127);

    Policy crashing = policy_in(In::after_end, OnExit::detach);
    CHECK(acts(crashing.on(polled(1, ProcessState::backoff), zero)) == Acts{Act::tell_end});
    CHECK(crashing.on(polled(1, ProcessState::backoff), zero).empty());
    CHECK(acts(crashing.on(RunStarted{2, 99}, zero)) == Acts{Act::tell_restarted});

    // Who restarts it has it stopped first, and means the restart.
    Policy replaced(OnExit::detach, 1);
    replaced.on(RunEnded{1, RunEnd{std::nullopt, 15, std::nullopt, true}}, zero);
    CHECK(acts(replaced.on(RunStarted{2, 99}, zero)) == Acts{Act::tell_restarted});
}

TEST_CASE("exit statuses") {
    CHECK(exit_status_of(RunEnd{0, std::nullopt, std::nullopt, false}) == 0);
    CHECK(exit_status_of(RunEnd{std::nullopt, 9, std::nullopt, false}) == 137);
    CHECK(exit_status_of(RunEnd{std::nullopt, std::nullopt, ENOENT, false}) == 127);
    CHECK(exit_status_of(RunEnd{std::nullopt, std::nullopt, EACCES, false}) == 126);
    CHECK(exit_status_of(RunEnd{}) == 125);
}

TEST_CASE("whatever happens, it finishes at most once and always lets the user leave") {
    std::mt19937 random(11);
    for (int round = 0; round < 2000; ++round) {
        const OnExit on_exit = random() % 2 == 0 ? OnExit::detach : OnExit::stop;
        Policy policy(on_exit, 1);
        int finishes = 0;
        unsigned mark = 0;
        MonoTime now = zero;
        const auto step = [&](const Event& event) {
            for (const auto& action : policy.on(event, now)) {
                CHECK(finishes == 0);
                if (action.act == Act::finish) ++finishes;
                if (action.act == Act::drain) mark = action.mark;
            }
        };
        for (int i = 0; i < 30; ++i) {
            now += std::chrono::milliseconds(random() % 400);
            const auto run = static_cast<std::uint32_t>(1 + random() % 3);
            switch (random() % 10) {
                case 0: step(RunStarted{run, 5}); break;
                case 1: step(ended(run, 1)); break;
                case 2: step(polled(run, static_cast<ProcessState>(random() % 11), 1)); break;
                case 3: step(PollFailed{}); break;
                case 4: step(PrintedAll{mark}); break;
                case 5:
                    if (random() % 4 == 0) step(Interrupted{});
                    break;
                case 6:
                    if (random() % 8 == 0) step(ReaderGone{});
                    break;
                case 7:
                    if (random() % 8 == 0) step(WriteFailed{});
                    break;
                case 8:
                    if (random() % 8 == 0) step(Forgotten{});
                    break;
                default: step(StopAnswered{}); break;
            }
        }
        for (int i = 0; i < 3; ++i) {
            now += std::chrono::seconds(1);
            step(Interrupted{});
        }
        CHECK(finishes == 1);
    }
}

}  // namespace policy_test
