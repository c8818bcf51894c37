#include "daemon/tools/describe.hpp"

#include "tests/support/catch.hpp"

namespace describe_test {

using namespace persistproc;
using namespace std::chrono_literals;

namespace {

constexpr WallTime now{std::chrono::hours(24 * 365 * 56)};

ProcessView view(int number, ProcessState state, std::chrono::nanoseconds ended_ago = 0s) {
    ProcessView out;
    out.id = "p" + std::to_string(number);
    out.label = "e" + std::to_string(number);
    out.command = {"a"};
    out.state = state;
    if (state == ProcessState::exited || state == ProcessState::gave_up) {
        out.ended_at = now - ended_ago;
        out.exit_code = 1;
    }
    return out;
}

}  // namespace

TEST_CASE("a list tells what lives, and the newest eight that ended within the hour") {
    std::vector<ProcessView> views;
    for (int i = 1; i <= 20; ++i) views.push_back(view(i, ProcessState::exited, i * 1min));
    views.push_back(view(30, ProcessState::exited, 59min));
    views.push_back(view(31, ProcessState::exited, 61min));
    views.push_back(view(40, ProcessState::running));
    views.push_back(view(41, ProcessState::backoff));
    auto listing = tools::choose(views, now);
    REQUIRE(listing.live.size() == 2);
    CHECK(listing.live[0].id == "p40");
    REQUIRE(listing.ended.size() == 8);
    CHECK(listing.ended.front().id == "p1");
    CHECK(listing.ended.back().id == "p8");
    CHECK(listing.left_out == 14);

    listing = tools::choose({view(30, ProcessState::gave_up, 59min), view(31, ProcessState::exited, 61min)}, now);
    CHECK(tools::list_text(listing, now) ==
          "p30 \"e30\" gave_up, code 1, 59m 0s ago\n1 more ended: ask by state, working_directory or process");
    CHECK(tools::list_text({}, now) == "No processes.");
}

TEST_CASE("a list that is asked for by state or directory is bounded, newest first") {
    std::vector<ProcessView> views;
    for (int i = 100; i >= 1; --i) views.push_back(view(i, ProcessState::exited, i * 1h));
    views.push_back(view(200, ProcessState::running));
    const auto listing = tools::choose_all(std::move(views));
    CHECK(listing.live.size() == 1);
    REQUIRE(listing.ended.size() == 20);
    CHECK(listing.ended.front().id == "p1");
    CHECK(listing.ended.back().id == "p20");
    CHECK(tools::list_text(listing, now).ends_with("\n80 more ended: ask by working_directory or process"));
}

TEST_CASE("a line has what is needed to act") {
    ProcessView web = view(3, ProcessState::running);
    web.label = "web";
    web.pid = 4711;
    web.ports = {3000};
    CHECK(tools::line_of(web, now) == "p3 \"web\" running, PID 4711, port 3000");
    web.ports = {3000, 3001};
    web.ready = false;
    CHECK(tools::line_of(web, now) == "p3 \"web\" running, PID 4711, not ready, ports 3000 3001");
    CHECK(tools::short_line_of(web) == "p3 \"web\", PID 4711");
    // What a person called it is not cut; what was made from a command is, and not within a character.
    web.label = std::string(100, 'l');
    CHECK(tools::short_line_of(web).find(web.label) != std::string::npos);
    web.command = {"\u652f\u4ed8\u652f\u4ed8\u652f\u4ed8\u652f\u4ed8\u652f\u4ed8\u652f\u4ed8\u652f\u4ed8\u652f\u4ed8"};
    web.working_directory = "/srv/app";
    web.label = domain::default_label(web.command, web.working_directory);
    CHECK(tools::short_line_of(web) ==
          "p3 \"'\u652f\u4ed8\u652f\u4ed8\u652f\u4ed8\u652f\u4ed8\u652f\u2026\u4ed8\u652f\u4ed8' in /srv/app\", "
          "PID 4711");
}

TEST_CASE("an agent is told whether an agent or a command line has stopped it") {
    ProcessView view;
    view.id = "p3";
    view.label = "web";
    view.state = ProcessState::stopped;
    view.stopped_by = "codex 1.2";
    CHECK(tools::line_of(view, base::wall_now()) == "p3 \"web\" stopped, by codex 1.2");
    view.stopped_by = "persistproc 0.1.0";
    CHECK(tools::line_of(view, base::wall_now()) == "p3 \"web\" stopped, from a command line");
    view.stopped_by.clear();
    view.state = ProcessState::killed;
    view.signal = "SIGKILL";
    view.causes = {Cause{.code = CauseCode::signal_sent, .by = "persistproc 0.1.0"}};
    CHECK(tools::line_of(view, base::wall_now()) ==
          "p3 \"web\" killed, SIGKILL (the signal was sent from a command line)");
}

}  // namespace describe_test
