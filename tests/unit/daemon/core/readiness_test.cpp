#include "daemon/core/readiness.hpp"

#include <algorithm>
#include <random>
#include <utility>

#include "tests/support/catch.hpp"

namespace readiness_test {

using namespace persistproc;
using namespace persistproc::core;
using namespace std::chrono_literals;

constexpr MonoTime t0 = MonoTime(std::chrono::nanoseconds(1s));
constexpr CheckId first{Purpose::readiness, 0}, second{Purpose::readiness, 1}, health{Purpose::health, 0};

domain::Check port() { return {.subject = domain::PortCheck{3000}}; }
domain::Check log() { return {.subject = domain::LogCheck{"up"}}; }
domain::Check notify() { return {.subject = domain::NotifyCheck{}}; }

/// "probe 0, ready": what is to be done, for comparisons.
std::string text(const Readiness::Actions& actions) {
    std::string out;
    for (const auto& each : actions) {
        if (!out.empty()) out += ", ";
        if (const auto* probe = std::get_if<MakeProbe>(&each))
            out +=
                (probe->check.purpose == Purpose::health ? "health " : "probe ") + std::to_string(probe->check.index);
        if (std::holds_alternative<TellReady>(each)) out += "ready";
        if (std::holds_alternative<TellUnready>(each)) out += "unready";
        if (const auto* end = std::get_if<EndRun>(&each))
            out += end->why == EndRun::Why::not_ready ? "end: not ready" : "end: unhealthy";
    }
    return out;
}

CheckResult yes(CheckId id) { return {id, true, {}}; }
CheckResult no(CheckId id, std::string why = "refused") { return {id, false, std::move(why)}; }

TEST_CASE("given a check that fails, when it is probed, then pauses grow to a second and nothing else happens") {
    Readiness of({port()}, {}, t0);
    CHECK(text(of.begin(t0)) == "probe 0");
    CHECK(of.ready() == false);
    MonoTime now = t0;
    for (const auto pause : {100ms, 200ms, 400ms, 800ms, 1000ms, 1000ms}) {
        CHECK(!of.wake_at());
        CHECK(text(of.apply(no(first), now)).empty());
        CHECK(of.wake_at() == now + pause);
        CHECK(text(of.wake(now + pause - 1ns)).empty());
        now += pause;
        CHECK(text(of.wake(now)) == "probe 0");
    }
    CHECK(of.detail() == "port 3000: refused");
    CHECK(text(of.apply(yes(first), now)) == "ready");
    CHECK(of.ready() == true);
    CHECK(of.detail().empty());
    // Ready once, probing stops.
    CHECK(!of.wake_at());
    CHECK(text(of.wake(now + 1h)).empty());
}

TEST_CASE("given several checks, when they have all held, then it is ready, each having been asked for itself") {
    Readiness of({port(), log()}, {}, t0);
    CHECK(text(of.begin(t0)) == "probe 0");
    CHECK(text(of.apply(yes(first), t0)).empty());
    CHECK(!of.wake_at());
    CHECK(text(of.apply(yes(second), t0 + 3s)) == "ready");
}

TEST_CASE("given times of its own, when a check is probed, then these count") {
    auto check = port();
    check.initial_delay_seconds = 2;
    check.period_seconds = 0.5;
    check.probe_timeout_seconds = 7;
    check.successes = 2;
    Readiness of({check}, {}, t0);
    CHECK(text(of.begin(t0 + 1s)).empty());
    CHECK(of.wake_at() == t0 + 2s);
    const auto actions = of.wake(t0 + 2s);
    REQUIRE(text(actions) == "probe 0");
    CHECK(std::get<MakeProbe>(actions[0]).timeout == 7s);
    CHECK(text(of.apply(yes(first), t0 + 2s)).empty());
    CHECK(of.wake_at() == t0 + 2500ms);
    of.wake(t0 + 2500ms);
    CHECK(text(of.apply(no(first), t0 + 2500ms)).empty());
    CHECK(of.wake_at() == t0 + 3s);
    of.wake(t0 + 3s);
    of.apply(yes(first), t0 + 3s);
    of.wake(t0 + 3500ms);
    CHECK(text(of.apply(yes(first), t0 + 3500ms)) == "ready");
}

TEST_CASE("given no time of its own, when a check is probed, then its kind decides how long that may take") {
    const auto timeout = [](domain::Check check, Purpose purpose) {
        const bool is_health = purpose == Purpose::health;
        Readiness of(is_health ? domain::Checks{} : domain::Checks{check},
                     is_health ? domain::Checks{check} : domain::Checks{}, t0);
        auto actions = of.begin(t0);
        if (is_health) actions = of.wake(t0 + 10s);
        return std::get<MakeProbe>(actions.at(0)).timeout;
    };
    CHECK(timeout(port(), Purpose::readiness) == 1s);
    CHECK(timeout({.subject = domain::HttpCheck{.port = 3000, .path = "/", .body = {}}}, Purpose::readiness) == 2s);
    CHECK(timeout({.subject = domain::CommandCheck{{"x"}}}, Purpose::readiness) == 5s);
    CHECK(timeout(port(), Purpose::health) == 5s);
}

TEST_CASE("given an explicit timeout, when it has run out, then the run is ended, once, and without one never") {
    auto check = log();
    check.timeout_seconds = 30;
    Readiness of({check}, {}, t0);
    CHECK(text(of.begin(t0)).empty());
    CHECK(of.wake_at() == t0 + 30s);
    CHECK(text(of.wake(t0 + 30s)) == "end: not ready");
    CHECK(text(of.wake(t0 + 31s)).empty());
    CHECK(text(of.apply(yes(first), t0 + 31s)).empty());
    CHECK(of.ready() == false);
    Readiness extended({check}, {}, t0);
    extended.begin(t0);
    extended.extend(t0 + 20s);
    CHECK(extended.wake_at() == t0 + 30s);
    extended.extend(t0 + 40s);
    CHECK(text(extended.wake(t0 + 30s)).empty());
    CHECK(extended.wake_at() == t0 + 40s);
    CHECK(text(extended.wake(t0 + 40s)) == "end: not ready");
    Readiness patient({log()}, {}, t0);
    patient.begin(t0);
    CHECK(!patient.wake_at());
    CHECK(text(patient.wake(t0 + 1h)).empty());
}

TEST_CASE("given a health check, when it fails three times in a row, then the run is ended") {
    Readiness of({log()}, {port()}, t0);
    CHECK(text(of.begin(t0)).empty());
    CHECK(text(of.wake(t0 + 1min)).empty());  // not before it is ready
    CHECK(text(of.apply(yes(first), t0)) == "ready");
    MonoTime now = t0;
    const auto probed = [&](bool holds) {
        REQUIRE(of.wake_at() == now + 10s);
        now += 10s;
        CHECK(text(of.wake(now)) == "health 0");
        return text(of.apply(holds ? yes(health) : no(health), now));
    };
    CHECK(probed(true).empty());
    CHECK(probed(false).empty());
    CHECK(probed(false).empty());
    CHECK(probed(true).empty());
    CHECK(probed(false).empty());
    CHECK(probed(false).empty());
    CHECK(probed(false) == "unready, end: unhealthy");
    CHECK(of.ready() == false);
    CHECK(of.detail() == "port 3000: refused");
    CHECK(!of.wake_at());
}

TEST_CASE("given nothing that says when it is ready, when its health fails, then that counts once it has been well") {
    Readiness of({}, {port()}, t0);
    of.begin(t0);
    MonoTime now = t0;
    const auto probed = [&](bool holds) {
        now += 10s;
        of.wake(now);
        return text(of.apply(holds ? yes(health) : no(health), now));
    };
    for (int i = 0; i < 10; ++i) CHECK(probed(false).empty());
    CHECK(probed(true).empty());
    CHECK(probed(false).empty());
    CHECK(probed(false).empty());
    CHECK(probed(false) == "unready, end: unhealthy");
}

TEST_CASE("given a gap of two periods, when health is probed again, then earlier failures do not count") {
    Readiness of({log()}, {port()}, t0);
    of.begin(t0);
    of.apply(yes(first), t0);
    for (int i = 1; i <= 2; ++i) {
        of.wake(t0 + i * 10s);
        of.apply(no(health), t0 + i * 10s);
    }
    CHECK(text(of.wake(t0 + 50s)) == "health 0");  // it was due at 30 s
    CHECK(text(of.apply(no(health), t0 + 50s)).empty());
    of.wake(t0 + 60s);
    CHECK(text(of.apply(no(health), t0 + 60s)).empty());
    of.wake(t0 + 70s);
    CHECK(text(of.apply(no(health), t0 + 70s)) == "unready, end: unhealthy");
}

TEST_CASE("given several checks, when it is not ready, then each that does not hold says what it waits for") {
    Readiness of({port(), log(), notify(), port()}, {}, t0);
    of.begin(t0);
    CHECK(of.detail() == "log /up/: no line matches yet; notify: has not said so");
    of.apply(no(first), t0);
    of.apply(no({Purpose::readiness, 3}, "held by p4"), t0);
    CHECK(of.detail() ==
          "port 3000: refused; log /up/: no line matches yet; notify: has not said so; port 3000: held by p4");
    of.apply(yes({Purpose::readiness, 1}), t0);
    of.apply(yes({Purpose::readiness, 2}), t0);
    CHECK(of.detail() == "port 3000: refused; port 3000: held by p4");
    const domain::Check command{.subject = domain::CommandCheck{{"pg_isready"}}};
    Readiness of_command({command}, {}, t0);
    of_command.begin(t0);
    CHECK(of_command.detail() == "pg_isready: has not ended, or waits for its turn");
    Readiness of_health({}, {command}, t0);
    of_health.begin(t0);
    of_health.wake(t0 + 10s);
    CHECK(of_health.detail().empty());
}

TEST_CASE("given a program that reloads, when it says so, then it is not ready until it says that it is") {
    Readiness of({notify()}, {port()}, t0);
    of.begin(t0);
    CHECK(text(of.apply(yes(first), t0)) == "ready");
    CHECK(text(of.apply(no(first, "reloading"), t0 + 1s)) == "unready");
    CHECK(of.detail() == "notify: reloading");
    CHECK(!of.wake_at());  // its health is not looked at meanwhile
    CHECK(text(of.apply(yes(first), t0 + 2s)) == "ready");
    CHECK(of.wake_at() == t0 + 12s);
}

TEST_CASE("given a run that was ready, when a daemon adopts it, then it stays so until a probe says otherwise") {
    Readiness of({port(), log()}, {}, t0, true);
    CHECK(text(of.begin(t0 + 1h)) == "probe 0");
    CHECK(of.ready() == true);
    CHECK(text(of.apply(yes(first), t0 + 1h)).empty());
    CHECK(of.ready() == true);
    auto check = port();
    check.timeout_seconds = 5;
    Readiness lost({check}, {}, t0, true);
    lost.begin(t0 + 1h);
    CHECK(text(lost.apply(no(first), t0 + 1h)) == "unready");
    CHECK(lost.ready() == false);
    // It has all of its time once more.
    CHECK(text(lost.wake(t0 + 1h + 100ms)) == "probe 0");
    CHECK(text(lost.wake(t0 + 1h + 5s)) == "end: not ready");
}

TEST_CASE("given a file, when it is waited for, then it is looked at ten times a second") {
    Readiness of({{.subject = domain::FileCheck{"run.pid"}}}, {}, t0);
    CHECK(text(of.begin(t0)) == "probe 0");
    MonoTime now = t0;
    for (int i = 0; i < 5; ++i) {
        of.apply(no(first), now);
        CHECK(of.wake_at() == now + 100ms);
        now += 100ms;
        CHECK(text(of.wake(now)) == "probe 0");
    }
}

TEST_CASE("given a short period, when probes come late on a machine under load, then failures count all the same") {
    auto often = port();
    often.period_seconds = 0.05;
    often.failures = 2;
    Readiness of({log()}, {often}, t0);
    of.begin(t0);
    of.apply(yes(first), t0);
    CHECK(text(of.wake(t0 + 1s)) == "health 0");
    CHECK(text(of.apply(no(health), t0 + 2s)).empty());
    CHECK(text(of.wake(t0 + 6s)) == "health 0");
    CHECK(text(of.apply(no(health), t0 + 7s)) == "unready, end: unhealthy");
}

TEST_CASE("given a run that is ended for its checks, when it was well, then that is told") {
    const auto well_for = [](const Readiness::Actions& actions) { return std::get<EndRun>(actions.back()).well_for; };
    auto late = port();
    late.timeout_seconds = 5;
    Readiness never({late}, {}, t0);
    never.begin(t0);
    CHECK(well_for(never.wake(t0 + 5s)) == 0s);
    auto healthy = port();
    healthy.failures = 1;
    for (const bool held : {false, true}) {
        Readiness of({log()}, {healthy}, t0);
        of.begin(t0);
        of.apply(yes(first), t0 + 2s);
        of.wake(t0 + 12s);
        if (held) of.apply(yes(health), t0 + 12s);
        if (held) of.wake(t0 + 22s);
        // From when it was ready, or from when its check held last.
        CHECK(well_for(of.apply(no(health), t0 + 23s)) == (held ? 12s : 2s));
    }
}

TEST_CASE("given no check, when a run is asked about, then nobody knows") {
    Readiness of({}, {}, t0);
    CHECK(text(of.begin(t0)).empty());
    CHECK(!of.ready());
    CHECK(!of.wake_at());
}

TEST_CASE("given any order of answers, when a run goes on, then it is told ready and unready in turn and ends once") {
    std::mt19937 random(7);
    for (int round = 0; round < 300; ++round) {
        auto slow = port();
        slow.timeout_seconds = 20;
        Readiness of({slow, notify()}, {port(), {.subject = domain::CommandCheck{{"x"}}}}, t0, round % 3 == 0);
        bool is_ready = round % 3 == 0, has_ended = false;
        std::vector<CheckId> open;
        MonoTime now = t0;
        const auto take = [&](const Readiness::Actions& actions) {
            for (const auto& each : actions) {
                CHECK(!has_ended);
                if (const auto* probe = std::get_if<MakeProbe>(&each)) {
                    CHECK(std::find(open.begin(), open.end(), probe->check) == open.end());
                    open.push_back(probe->check);
                } else if (std::holds_alternative<TellReady>(each)) {
                    CHECK(!std::exchange(is_ready, true));
                } else if (std::holds_alternative<TellUnready>(each)) {
                    CHECK(std::exchange(is_ready, false));
                } else {
                    has_ended = true;
                }
            }
            CHECK(of.ready() == is_ready);
        };
        take(of.begin(now));
        for (int step = 0; step < 60; ++step) {
            now += std::chrono::milliseconds(random() % 4000);
            const auto kind = random() % 3;
            if (kind == 0) {
                take(of.wake(now));
                // Else it would be woken without end.
                CHECK((!of.wake_at() || *of.wake_at() > now));
            }
            if (kind == 1) take(of.apply({second, random() % 4 != 0, "x"}, now));
            if (kind == 2 && !open.empty()) {
                const CheckId id = open.back();
                open.pop_back();
                take(of.apply({id, random() % 2 == 0, "x"}, now));
            }
        }
    }
}

}  // namespace readiness_test
