#include "daemon/core/run/run_machine.hpp"

#include <fmt/format.h>

#include <random>

#include "tests/support/catch.hpp"

namespace run_machine_test {

using namespace persistproc;
using namespace persistproc::core;
using namespace persistproc::core::run;
using namespace std::chrono_literals;
using How = rundir::ProgramEnd::How;

namespace {

constexpr WallTime now{std::chrono::hours(24 * 365 * 56)};

rundir::RunState state(rundir::Phase phase) {
    rundir::RunState out;
    out.phase = phase;
    return out;
}
rundir::RunState started(std::uint8_t successors = 0) {
    auto out = state(rundir::Phase::started);
    out.exec_confirmed = 1;
    out.pid = 1001;
    out.successors = successors;
    return out;
}
rundir::RunState exited(bool empty, int code = 0) {
    auto out = state(rundir::Phase::exited);
    out.exec_confirmed = 1;
    out.exit_value = code;
    out.tree_empty = empty ? 1 : 0;
    return out;
}
rundir::RunState exec_failed() {
    auto out = state(rundir::Phase::exec_failed);
    out.stage = rundir::Stage::execve;
    out.os_error = 2;
    return out;
}
rundir::RunState unseen(bool empty) {
    auto out = started();
    out.outcome_unknown = 1;
    out.tree_empty = empty ? 1 : 0;
    return out;
}

Looked looked(rundir::RunState state, bool alive = false, bool can_replace = false, bool wanted = true) {
    Looked out;
    out.found.id = RunId{{1}, 1};
    out.found.state = state;
    out.found.shim_alive = alive;
    out.can_replace = can_replace;
    out.is_wanted = wanted;
    return out;
}

std::string name_of(const Phase& phase) {
    struct Name {
        std::string operator()(const Preparing&) { return "preparing"; }
        std::string operator()(const AwaitingShim&) { return "awaiting"; }
        std::string operator()(const Committed&) { return "committed"; }
        std::string operator()(const Live&) { return "live"; }
        std::string operator()(const Leftovers&) { return "leftovers"; }
        std::string operator()(const Leaving&) { return "leaving"; }
        std::string operator()(const Examining&) { return "examining"; }
        std::string operator()(const Sweeping&) { return "sweeping"; }
        std::string operator()(const Replacing& p) {
            static const char* const steps[] = {"looking", "pausing", "starting", "awaiting", "handed"};
            return fmt::format("replacing:{}", steps[static_cast<int>(p.step)]);
        }
        std::string operator()(const Silent& p) {
            static const char* const steps[] = {"pausing", "looking", "connecting", "greeting", "listening"};
            return fmt::format("silent:{}", steps[static_cast<int>(p.step)]);
        }
        std::string operator()(const Over&) { return "over"; }
    };
    return std::visit(Name{}, phase);
}

std::string names_of(const Actions& actions) {
    struct Name {
        std::string operator()(const StartReplacement&) { return "replace"; }
        std::string operator()(const Connect&) { return "connect"; }
        std::string operator()(const Look&) { return "look"; }
        std::string operator()(const Sweep&) { return "sweep"; }
        std::string operator()(const Wake&) { return "wake"; }
        std::string operator()(const Rest&) { return "rest"; }
        std::string operator()(const SendCommit&) { return "commit"; }
        std::string operator()(const SendHello&) { return "hello"; }
        std::string operator()(const SendStop& a) { return a.order.force ? "kill" : "stop"; }
        std::string operator()(const SendEnd&) { return "end"; }
        std::string operator()(const HandOver&) { return "hand over"; }
        std::string operator()(const HangUp&) { return "hang up"; }
        std::string operator()(const DropSpares&) { return ""; }
        std::string operator()(const WatchProgram&) { return "watch"; }
        std::string operator()(const TellStarted&) { return "STARTED"; }
        std::string operator()(const TellFailed&) { return "FAILED"; }
        std::string operator()(const TellEnded& a) {
            return fmt::format("ENDED{}{}", a.outcome.reason == OutcomeReason::lost ? "(lost)" : "",
                               a.leftovers ? "+" : "");
        }
        std::string operator()(const TellEmptied&) { return "EMPTIED"; }
        std::string operator()(const TellSilent&) { return "SILENT"; }
        std::string operator()(const Warn&) { return "warn"; }
    };
    std::string out;
    for (const auto& each : actions) {
        const std::string name = std::visit(Name{}, each);
        if (!name.empty()) out += (out.empty() ? "" : ", ") + name;
    }
    return out;
}

struct Step {
    Event event;
    const char* then;
    const char* actions;
};

void follow(RunMachine& machine, const std::vector<Step>& steps) {
    for (std::size_t i = 0; i < steps.size(); ++i) {
        INFO("step " << i);
        const auto actions = machine.on(steps[i].event, now);
        CHECK(name_of(machine.phase()) == steps[i].then);
        CHECK(names_of(actions) == steps[i].actions);
    }
}

const Event ready = ShimReady{};
const Event elapsed = Elapsed{};
const Event shim = ShimStarted{};
const Event gone = ShimGone{};
const Event gone_replaceable = ShimGone{true};
Event says(rundir::RunState state) { return ShimSays{state}; }
Event cannot_start() { return CannotStart{Error{ErrorCode::io, "no", 5}}; }

RunMachine live() {
    RunMachine machine{Bounds{}};
    follow(
        machine,
        {{shim, "awaiting", "wake"}, {ready, "committed", "commit, wake"}, {says(started()), "live", "STARTED, rest"}});
    return machine;
}

}  // namespace

TEST_CASE("a run from its start to its end") {
    RunMachine machine = live();
    SECTION("all of it ends at once") {
        follow(machine, {{says(exited(true)), "leaving", "ENDED, EMPTIED"}, {gone, "over", ""}});
        CHECK(machine.is_over());
    }
    SECTION("what it left behind ends later") {
        follow(machine, {{says(exited(false)), "leftovers", "ENDED+"},
                         {says(exited(false)), "leftovers", ""},
                         {says(exited(true)), "leaving", "EMPTIED"},
                         {gone, "over", ""}});
    }
    SECTION("its shim is told to end it, and keeps what it was told") {
        follow(machine, {{StopOrdered{{15, 10s, false}}, "live", "stop"},
                         {StopOrdered{{15, 1s, true}}, "live", "kill"},
                         {says(exited(true)), "leaving", "ENDED, EMPTIED"},
                         {StopOrdered{{15, 1s, true}}, "leaving", ""}});
    }
}

TEST_CASE("a start that comes to nothing says so once") {
    RunMachine machine{Bounds{}};
    SECTION("no directory or no shim") { follow(machine, {{cannot_start(), "over", "FAILED"}, {elapsed, "over", ""}}); }
    SECTION("a shim that does not get ready") {
        follow(machine, {{shim, "awaiting", "wake"}, {elapsed, "over", "hang up, FAILED, rest"}, {gone, "over", ""}});
    }
    SECTION("a shim that dies before it is ready") {
        follow(machine, {{shim, "awaiting", "wake"}, {gone, "over", "hang up, FAILED, rest"}});
    }
    SECTION("a program that cannot be executed") {
        follow(machine, {{shim, "awaiting", "wake"},
                         {ready, "committed", "commit, wake"},
                         {says(exec_failed()), "leaving", "FAILED, rest"},
                         {gone, "over", ""}});
    }
    SECTION("a shim that dies after COMMIT without a program") {
        follow(machine, {{shim, "awaiting", "wake"},
                         {ready, "committed", "commit, wake"},
                         {gone, "examining", "look, rest"},
                         {looked(state(rundir::Phase::prepared)), "over", "FAILED"}});
    }
}

TEST_CASE("what COMMIT went out for is never given up") {
    RunMachine machine{Bounds{}};
    follow(machine, {{shim, "awaiting", "wake"},
                     {ready, "committed", "commit, wake"},
                     {says(state(rundir::Phase::started)), "committed", ""},
                     {elapsed, "silent:listening", "SILENT, rest"}});
    SECTION("it answers late") { follow(machine, {{says(started()), "live", "STARTED"}}); }
    SECTION("it was over when it was heard of") {
        follow(machine, {{says(exited(true)), "leaving", "STARTED, ENDED, EMPTIED"}});
    }
    SECTION("it dies without a word") {
        follow(machine, {{gone, "examining", "look"}, {looked(started()), "over", "ENDED(lost), EMPTIED"}});
    }
}

TEST_CASE("a shim that has gone without a word has its directory tell the rest") {
    RunMachine machine = live();
    follow(machine, {{gone_replaceable, "examining", "look"}});
    SECTION("it had recorded the exit") { follow(machine, {{looked(exited(true)), "over", "ENDED, EMPTIED"}}); }
    SECTION("and what the program left behind is taken over") {
        follow(machine, {{looked(exited(false), false, true), "replacing:starting", "ENDED+, replace"}});
    }
    SECTION("it lives, or its lock is still held") {
        follow(machine, {{looked(started(), true), "silent:pausing", "SILENT, wake"}});
    }
    SECTION("nothing can be read") {
        follow(machine, {{CannotLook{}, "silent:pausing", "SILENT, wake"},
                         {elapsed, "silent:looking", "look, rest"},
                         {CannotLook{}, "silent:pausing", "wake"},
                         {elapsed, "silent:looking", "look, rest"},
                         {looked(started()), "over", "ENDED(lost), EMPTIED"}});
    }
    SECTION("nothing is held that would keep it: lost") {
        follow(machine, {{looked(started()), "over", "ENDED(lost), EMPTIED"}});
    }
    SECTION("it was to be stopped: its marked processes are killed first") {
        follow(machine, {{looked(started(), false, false, false), "sweeping", "sweep"},
                         {Swept{}, "over", "ENDED(lost), EMPTIED"}});
    }
    SECTION("nobody saw the end") { follow(machine, {{looked(unseen(true)), "over", "ENDED(lost), EMPTIED"}}); }
    SECTION("its record is damaged: it ran, and that is all that is known") {
        Looked damaged = looked(state(rundir::Phase::none));
        damaged.found.trouble = "corrupt";
        follow(machine, {{damaged, "over", "ENDED(lost), EMPTIED"}});
    }
}

TEST_CASE("a shim that was killed is replaced, however long it takes") {
    RunMachine machine = live();
    follow(machine, {{gone_replaceable, "examining", "look"},
                     {looked(started(), false, true), "replacing:starting", "replace"}});
    SECTION("at once") {
        follow(machine, {{shim, "replacing:awaiting", "wake"},
                         {ready, "replacing:handed", "hand over, wake"},
                         {says(started(0)), "replacing:handed", ""},
                         {says(started(1)), "live", "watch, rest"},
                         {says(exited(true)), "leaving", "ENDED, EMPTIED"}});
    }
    SECTION("what came meanwhile is told to the new one") {
        follow(machine, {{StopOrdered{{15, 10s, false}}, "replacing:starting", ""},
                         {ProgramSeenEnding{{How::exited, 0}}, "replacing:starting", ""},
                         {shim, "replacing:awaiting", "wake"},
                         {ready, "replacing:handed", "hand over, wake"},
                         {says(started(1)), "live", "watch, end, stop, rest"}});
    }
    SECTION("it cannot be started, does not get ready, dies, or does not take over") {
        follow(machine, {{cannot_start(), "replacing:pausing", "wake"},
                         {elapsed, "replacing:looking", "look, rest"},
                         {looked(started(), false, true), "replacing:starting", "replace"},
                         {shim, "replacing:awaiting", "wake"},
                         {elapsed, "replacing:pausing", "hang up, wake"},
                         {elapsed, "replacing:looking", "look, rest"},
                         {CannotLook{}, "replacing:starting", "replace"},
                         {shim, "replacing:awaiting", "wake"},
                         {gone, "replacing:pausing", "wake"},
                         {elapsed, "replacing:looking", "look, rest"},
                         {looked(started(), false, true), "replacing:starting", "replace"},
                         {shim, "replacing:awaiting", "wake"},
                         {ready, "replacing:handed", "hand over, wake"},
                         {elapsed, "replacing:pausing", "hang up, wake"},
                         {elapsed, "replacing:looking", "look, rest"},
                         {looked(started(), true, true), "silent:pausing", "SILENT, wake"}});
    }
    SECTION("there is nothing left to take over") {
        follow(machine, {{cannot_start(), "replacing:pausing", "wake"},
                         {elapsed, "replacing:looking", "look, rest"},
                         {looked(exited(true)), "over", "ENDED, EMPTIED"}});
    }
}

TEST_CASE("a start that its shim did not live to confirm is confirmed by the next") {
    RunMachine machine{Bounds{}};
    const auto unconfirmed = state(rundir::Phase::started);
    auto taken_over = unconfirmed;
    taken_over.successors = 1;
    follow(machine, {{shim, "awaiting", "wake"},
                     {ready, "committed", "commit, wake"},
                     {says(unconfirmed), "committed", ""},
                     {gone_replaceable, "examining", "look, rest"},
                     {looked(unconfirmed, false, true), "replacing:starting", "replace"},
                     {shim, "replacing:awaiting", "wake"},
                     {ready, "replacing:handed", "hand over, wake"},
                     {says(taken_over), "committed", "watch, wake"}});
    const Event ended = ProgramSeenEnding{{How::exited, 3}};
    SECTION("it runs") { follow(machine, {{says(started(1)), "live", "STARTED, watch, rest"}}); }
    SECTION("it ends before that: the next shim is told how") {
        follow(machine, {{ended, "committed", "end"}, {says(started(1)), "live", "STARTED, watch, end, rest"}});
    }
    SECTION("it ends, and nothing is confirmed") {
        follow(machine, {{elapsed, "silent:listening", "SILENT, rest"}, {ended, "silent:listening", "end"}});
    }
}

TEST_CASE("an end that is seen while its shim cannot be told is told once it answers") {
    RunMachine machine = live();
    const Event ended = ProgramSeenEnding{{How::exited, 3}};
    follow(machine, {{says(started(1)), "live", "watch"}, {gone, "examining", "look"}});
    SECTION("while its directory is read") {
        follow(machine, {{ended, "examining", ""}, {looked(started(1), true), "silent:pausing", "SILENT, wake"}});
    }
    SECTION("while it is silent") {
        follow(machine, {{looked(started(1), true), "silent:pausing", "SILENT, wake"}, {ended, "silent:pausing", ""}});
    }
    follow(machine, {{elapsed, "silent:looking", "look, rest"},
                     {looked(started(1), true), "silent:connecting", "connect"},
                     {Connected{}, "silent:greeting", "hello, wake"},
                     {says(started(1)), "live", "STARTED, watch, end, rest"},
                     {says(exited(true)), "leaving", "ENDED, EMPTIED"}});
}

TEST_CASE("leftovers whose shim was killed are kept by another, where that can be") {
    RunMachine machine = live();
    follow(machine, {{says(exited(false)), "leftovers", "ENDED+"}});
    SECTION("it can") {
        follow(machine, {{gone_replaceable, "examining", "look"},
                         {looked(exited(false), false, true), "replacing:starting", "replace"},
                         {shim, "replacing:awaiting", "wake"},
                         {ready, "replacing:handed", "hand over, wake"}});
        auto kept = exited(false);
        kept.successors = 1;
        follow(machine, {{says(kept), "leftovers", "rest"}});
    }
    SECTION("it cannot") { follow(machine, {{gone, "examining", "look"}, {looked(exited(false)), "over", "EMPTIED"}}); }
    SECTION("it cannot, and they were to be stopped") {
        follow(machine, {{StopOrdered{{15, 1s, false}}, "leftovers", "stop"},
                         {gone, "examining", "look"},
                         {looked(exited(false)), "sweeping", "sweep"},
                         {Swept{}, "over", "EMPTIED"}});
    }
    SECTION("it was the connection that broke: the shim is asked again, and told what it may not have heard") {
        follow(machine, {{StopOrdered{{15, 1s, false}}, "leftovers", "stop"},
                         {gone, "examining", "look"},
                         {looked(exited(false), true), "silent:pausing", "wake"},
                         {elapsed, "silent:looking", "look, rest"},
                         {looked(exited(false), true), "silent:connecting", "connect"},
                         {Connected{}, "silent:greeting", "hello, wake"},
                         {says(exited(false)), "leftovers", "stop, rest"},
                         {says(exited(true)), "leaving", "EMPTIED"},
                         {gone, "over", ""}});
    }
}

TEST_CASE("a run that an earlier daemon left is asked until it answers or is dead") {
    RunMachine machine{Bounds{}, started()};
    CHECK(names_of(machine.begin_found()) == "connect");
    follow(machine, {{Connected{}, "silent:greeting", "hello, wake"}});
    SECTION("it answers") { follow(machine, {{says(started()), "live", "STARTED, rest"}}); }
    SECTION("it is still between COMMIT and execve") {
        follow(machine, {{says(state(rundir::Phase::started)), "silent:listening", "rest"},
                         {says(started()), "live", "STARTED"}});
    }
    SECTION("it hangs up, or says nothing") {
        follow(machine, {{gone, "silent:pausing", "wake"},
                         {elapsed, "silent:looking", "look, rest"},
                         {looked(started(), true), "silent:connecting", "connect"},
                         {CannotConnect{}, "silent:pausing", "wake"},
                         {elapsed, "silent:looking", "look, rest"},
                         {looked(started(), true), "silent:connecting", "connect"},
                         {Connected{}, "silent:greeting", "hello, wake"},
                         {elapsed, "silent:pausing", "hang up, wake"}});
    }
    SECTION("it hangs up, and its directory cannot be read") {
        Looked newer = looked(state(rundir::Phase::none));
        newer.found.other_format = rundir::Format{3, 0};
        follow(machine, {{gone, "silent:pausing", "wake"},
                         {elapsed, "silent:looking", "look, rest"},
                         {newer, "silent:pausing", "wake"},
                         {elapsed, "silent:looking", "look, rest"},
                         {looked(exited(true)), "over", "STARTED, ENDED, EMPTIED"}});
    }
}

TEST_CASE("random events never break the invariants of a run") {
    std::mt19937 random(20261128);
    const std::vector<rundir::RunState> states = {state(rundir::Phase::none),
                                                  state(rundir::Phase::prepared),
                                                  state(rundir::Phase::started),
                                                  started(),
                                                  started(1),
                                                  started(255),
                                                  exited(false),
                                                  exited(true),
                                                  exec_failed(),
                                                  unseen(false),
                                                  unseen(true)};
    const auto any_event = [&]() -> Event {
        const auto& some = states[random() % states.size()];
        switch (random() % 15) {
            case 0: return ShimStarted{};
            case 1: return cannot_start();
            case 2: return ShimReady{};
            case 3:
            case 4:
            case 5: return ShimSays{some};
            case 6: return ShimGone{random() % 2 == 0};
            case 7:
            case 8: return looked(some, random() % 3 == 0, random() % 2 == 0, random() % 2 == 0);
            case 9: return CannotLook{};
            case 10: return Swept{};
            case 11: return random() % 2 == 0 ? Event(Connected{}) : Event(CannotConnect{});
            case 12: return StopOrdered{{15, 1s, random() % 2 == 0}};
            case 13: return ProgramSeenEnding{{random() % 2 == 0 ? How::unknown : How::exited, 0}};
            default: return Elapsed{};
        }
    };
    for (int round = 0; round < 4000; ++round) {
        RunMachine machine =
            round % 3 == 0 ? RunMachine{Bounds{}, states[random() % states.size()]} : RunMachine{Bounds{}};
        if (round % 3 == 0) machine.begin_found();
        bool has_started = false, has_ended = false, is_empty = false, is_silent = round % 3 == 0;
        for (int step = 0; step < 80; ++step) {
            const bool was_over = machine.is_over();
            const auto actions = machine.on(any_event(), now);
            if (was_over) {
                CHECK(actions.empty());
                CHECK(machine.is_over());
            }
            for (const auto& action : actions) {
                if (std::holds_alternative<TellStarted>(action)) {
                    CHECK(!has_ended);
                    CHECK((!has_started || is_silent));
                    has_started = true;
                    is_silent = false;
                }
                // One outcome, after which nothing is told but that the tree is empty.
                if (std::holds_alternative<TellEnded>(action) || std::holds_alternative<TellFailed>(action)) {
                    CHECK(!has_ended);
                    has_ended = true;
                    is_silent = false;
                }
                if (std::holds_alternative<TellSilent>(action)) {
                    CHECK(!has_ended);
                    is_silent = true;
                }
                if (std::holds_alternative<TellEmptied>(action)) {
                    CHECK(has_ended);
                    CHECK(!is_empty);
                    is_empty = true;
                }
            }
            // Nothing ends without an outcome.
            if (machine.is_over()) CHECK(has_ended);
        }
    }
}

TEST_CASE("a SIGKILL is another's only where the shim says that it sent none") {
    rundir::RunState ended = state(rundir::Phase::exited);
    ended.killed = 1;
    ended.exit_value = 9;
    SECTION("it sent none, and counted what the kernel killed") {
        ended.oom_kills = 2;
        ended.oom_kills_known = 1;
        const Outcome outcome = outcome_of(ended);
        REQUIRE(outcome.causes.size() == 1);
        CHECK(outcome.causes[0].code == CauseCode::killed_by_other);
        CHECK(outcome.causes[0].count == 2);
    }
    SECTION("it sent one") {
        ended.kill_sent = 1;
        CHECK(outcome_of(ended).causes.empty());
    }
    SECTION("it was stopped") {
        ended.stop_requested = 1;
        CHECK(outcome_of(ended).causes.empty());
    }
    SECTION("it is of format 2.0") {
        ended.minor = 0;
        CHECK(outcome_of(ended).causes.empty());
    }
}

}  // namespace run_machine_test
