// What is said of beginnings and ends.
#include "cli/commands/arguments.hpp"
#include "cli/format/cells.hpp"
#include "cli/format/ending.hpp"
#include "cli/format/json_text.hpp"
#include "cli/format/note.hpp"
#include "cli/joining.hpp"
#include "tests/support/catch.hpp"

namespace said_test {

using namespace persistproc;
using namespace persistproc::cli;
using namespace std::chrono_literals;

namespace {

constexpr WallTime began = WallTime(1'700'000'000s);

ProcessView ended(ProcessState state, std::optional<int> code, std::optional<std::string> signal,
                  std::chrono::nanoseconds after = 1s) {
    ProcessView view;
    view.id = "p92";
    view.label = "api";
    view.command = {"node", "app.js"};
    view.working_directory = "/src";
    view.state = state;
    view.exit_code = code;
    view.signal = std::move(signal);
    view.started_at = began;
    view.ended_at = began + after;
    return view;
}

}  // namespace

TEST_CASE("each end in words") {
    using S = ProcessState;
    const auto text = [](const ProcessView& view) { return format::ending_text(view, began + 2s); };
    CHECK(text(ended(S::exited, 7, {})) == "p92 (api) exited with code 7 after 1 s");
    CHECK(text(ended(S::killed, {}, "SIGSEGV", 4ms)) == "p92 (api) was killed by SIGSEGV after 4 ms");
    auto stopped = ended(S::stopped, {}, "SIGTERM", 75s);
    CHECK(text(stopped) == "p92 (api) was stopped after 1m 15s");
    stopped.stopped_by = "claude-code 2.1.0";
    CHECK(text(stopped) == "p92 (api) was stopped by claude-code after 1m 15s");
    stopped.stopped_by = "persistproc 0.1.0";
    CHECK(text(stopped) == "p92 (api) was stopped from a command line after 1m 15s");
    stopped.causes.push_back(Cause{.code = CauseCode::shut_down});
    CHECK(text(stopped) == "p92 (api) was stopped by persistproc shutdown after 1m 15s");
    auto out_of_memory = ended(S::killed, {}, "SIGKILL");
    out_of_memory.reason = OutcomeReason::oom;
    CHECK(text(out_of_memory) == "p92 (api) was killed by SIGKILL (out of memory) after 1 s");
    auto waiting = ended(S::backoff, 3, {});
    waiting.causes.push_back(Cause{.code = CauseCode::runs_again, .at = began + 8400ms});
    CHECK(text(waiting) == "p92 (api) exited with code 3 after 1 s; restarts in 6.4 s");
    CHECK(text(ended(S::gave_up, 3, {})) ==
          "p92 (api) exited with code 3 after 1 s; it ended too often and is not restarted any more");
    auto unstarted = ended(S::backoff, {}, {}, 2ms);
    unstarted.reason = OutcomeReason::exec_failed;
    unstarted.causes.push_back(Cause{.code = CauseCode::start_failed, .stage = "execve", .os_error = ENOENT});
    CHECK(text(unstarted) == "p92 (api) could not be started: node: No such file or directory; it will be restarted");
    CHECK(format::ended_json(unstarted).starts_with(R"({"event":"failed",)"));
    unstarted.state = S::gave_up;
    CHECK(text(unstarted) ==
          "p92 (api) could not be started: node: No such file or directory; it ended too often and "
          "is not restarted any more");
    // As who hears of the run alone shows it.
    unstarted.state = S::exited;
    CHECK(text(unstarted) == "p92 (api) could not be started: node: No such file or directory");
    auto lost = ended(S::lost, {}, {});
    lost.causes.push_back(Cause{.code = CauseCode::machine_restarted});
    CHECK(text(lost) == "p92 (api) has ended with the machine");
    auto unlabelled = ended(S::exited, 0, {});
    unlabelled.label = domain::default_label(unlabelled.command, unlabelled.working_directory);
    unlabelled.ended_at.reset();
    CHECK(text(unlabelled) == "p92 (node app.js) exited with code 0");
}

TEST_CASE("how a process is called, and what is typed for it") {
    ProcessView view = ended(ProcessState::running, {}, {});
    const std::pair<const char*, const char*> rows[] = {{"api", "api"},
                                                        {"two words", "p92"},
                                                        {"-x", "p92"},
                                                        {"123", "p92"},
                                                        {"a-very-long-label-that-nobody-types", "p92"}};
    for (const auto& [label, typed] : rows) {
        view.label = label;
        CHECK(format::target_text(view) == typed);
    }
    view.label = std::string(100, 'x');
    CHECK(format::name_text(view) == "p92 (" + std::string(40, 'x') + "…)");
    view.label = "支付服务";
    CHECK(format::name_text(view) == "p92 (支付服务)");
    view.label = "\x1b[31mred";
    CHECK(format::name_text(view).find('\x1b') == std::string::npos);
}

TEST_CASE("what the client says breaks between words, below its own beginning") {
    const std::string text = "started p1 (支付服务), PID 4711; Ctrl+C detaches, it goes on";
    CHECK(format::note_text(text, 0) == "persistproc: " + text + "\n");
    CHECK(format::note_text(text, 80) == "persistproc: " + text + "\n");
    CHECK(format::note_text(text, 72) ==
          "persistproc: started p1 (支付服务), PID 4711; Ctrl+C detaches, it goes\n             on\n");
    CHECK(format::note_text(text, 40) ==
          "persistproc: started p1 (支付服务), PID\n             4711; Ctrl+C detaches, it\n             goes on\n");
    CHECK(format::note_text(text, 32) == "persistproc: " + text + "\n");
    CHECK(format::note_text("see " + std::string(90, '/') + " for", 60) ==
          "persistproc: see\n             " + std::string(90, '/') + "\n             for\n");
    const std::string line = "p3 ('sleep 100 | cat' in /home/ann/shop) is running, PID 26472";
    CHECK(format::answer_text(line, 0) == line + "\n");
    CHECK(format::answer_text(line, 62) == line + "\n");
    CHECK(format::answer_text(line, 60) == "p3 ('sleep 100 | cat' in /home/ann/shop) is running, PID\n26472\n");
    CHECK(format::answer_text(line, 19) == line + "\n");
    CHECK(format::note_text("a\x1b[31m\nb \xff", 80) == "persistproc: a\\x1b[31m\\x0ab \xef\xbf\xbd\n");
    for (int columns = 33; columns < 90; ++columns) {
        std::string rest = format::note_text(text, columns);
        for (std::size_t end = 0; (end = rest.find('\n')) != std::string::npos; rest.erase(0, end + 1))
            CHECK(format::cells_of(rest.substr(0, end)) <= static_cast<std::size_t>(columns));
    }
}

TEST_CASE("spans") {
    const std::pair<std::chrono::nanoseconds, const char*> rows[] = {
        {0ns, "0 ms"},     {4ms, "4 ms"},    {999ms, "999 ms"}, {1s, "1 s"},     {1500ms, "1.5 s"},
        {9900ms, "9.9 s"}, {9990ms, "10 s"}, {59s, "59 s"},     {125s, "2m 5s"}, {2h, "2h 0m"}};
    for (const auto& [span, text] : rows) CHECK(format::span_text(span) == text);
}

TEST_CASE("what does not apply to one that is joined is named as it was typed") {
    ops::StartResponse joined;
    joined.id = "p1";
    joined.label = "web";
    StartArguments asked;
    CHECK(ignored_text(joined, asked).empty());
    joined.ignored_variables = {"CLICOLOR_FORCE", "FORCE_COLOR"};
    asked.colour = true;
    CHECK(ignored_text(joined, asked) == "joined as it is, without --color; --fresh replaces it");
    asked.request.environment["FORCE_COLOR"] = "0";
    CHECK(ignored_text(joined, asked) ==
          "joined as it is, without --color, environment (FORCE_COLOR); --fresh replaces it");
    asked.colour = false;
    asked.request.environment["CLICOLOR_FORCE"] = "1";
    CHECK(ignored_text(joined, asked) ==
          "joined with another environment (CLICOLOR_FORCE, FORCE_COLOR); persistproc restart -e CLICOLOR_FORCE=… -e "
          "FORCE_COLOR=… web");
    joined.ignored_settings = {"restart", "grace_seconds"};
    joined.ignored_variables.clear();
    CHECK(ignored_text(joined, asked) == "joined as it is, without --restart, --grace; --fresh replaces it");
    // The size of the terminal at which it was typed is nobody's wish.
    joined.ignored_settings = {"tty", "size"};
    CHECK(ignored_text(joined, asked) == "joined without a terminal; persistproc restart --tty web");
    asked.request.said = {"size"};
    CHECK(ignored_text(joined, asked) == "joined as it is, without --tty, --size; --fresh replaces it");
    joined.ignored_settings = {"input"};
    CHECK(ignored_text(joined, asked) == "joined without an input; persistproc restart --input web");
}

TEST_CASE("what a process of a project lacks is said with what begins it in order") {
    ops::StartResponse begun;
    begun.id = "p3";
    begun.label = "shop/api";
    begun.project = domain::ProjectPlace{"shop", "/srv/my shop/persistproc.toml", "api"};
    CHECK(lacking_text(begun).empty());
    begun.lacking = {"db", "migrate"};
    CHECK(lacking_text(begun) ==
          "p3 (shop/api) begins without db, migrate, which it needs; persistproc up -C '/srv/my shop' api begins them "
          "in order");
}

}  // namespace said_test
