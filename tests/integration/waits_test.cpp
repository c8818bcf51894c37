#include "common/rundir/paths.hpp"
#include "tests/integration/daemon_in_process.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/written_log.hpp"

namespace waits_test {

using namespace persistproc;
using namespace std::chrono_literals;
using domain::ProcessState;
using tests::DaemonInProcess;
using tests::error_code;
using tests::Json;

namespace {

/// One who waits for a process that begins again when it fails.
struct Waiting {
    explicit Waiting(mcp::Principal::Role role = mcp::Principal::Role::client)
        : daemon({}, std::make_shared<tests::TemporaryDirectory>(), true, false, role) {
        daemon.call("start_process", Json{{"command", Json::array({"a"})},
                                          {"working_directory", "/"},
                                          {"label", "web"},
                                          {"restart", "on_failure"}});
    }
    void begin(Json arguments) {
        arguments["process"] = "web";
        if (!arguments.contains("timeout_seconds")) arguments["timeout_seconds"] = 60;
        call = daemon.call_later("wait_for_process", std::move(arguments));
        look();
    }
    /// The log is looked at, and no answer comes of it.
    void look() {
        for (int i = 0; i < 5; ++i) {
            daemon.advance(1ms);
            daemon.io.run_one_for(10ms);
        }
    }
    bool is_answered() const { return daemon.is_answered(call); }
    Json answer(std::chrono::nanoseconds step = 10ms) {
        daemon.advance_until(step, [&] { return is_answered(); });
        return daemon.answer(call)["result"];
    }
    static Json meta(const Json& result) { return result["_meta"]["persistproc/result"]; }
    static std::string text(const Json& result) { return result["content"][0]["text"].get<std::string>(); }
    void run_until(ProcessState state) {
        daemon.run_until([&] { return daemon.supervisor.find({1})->state == state; });
    }

    DaemonInProcess daemon;
    tests::WrittenLog log{rundir::process_paths(daemon.data->path(), {1}).log};
    int call = 0;
};

const Json for_ready{{"pattern", "ready"}};

}  // namespace

TEST_CASE("the lines before a match are shown, whether it was there before the wait or came later") {
    const bool is_live = GENERATE(false, true);
    Waiting web;
    if (is_live) web.begin(for_ready);
    for (const char* line : {"one\n", "two\n", "three\n", "four\n", "ready\n"}) {
        web.log.out(line);
        if (is_live) web.look();
    }
    if (!is_live) web.begin(for_ready);
    const std::string text = Waiting::text(web.answer());
    CHECK(text.ends_with("\ntwo\nthree\nfour\nready\n"));
    CHECK(text.find("one") == std::string::npos);
}

TEST_CASE("long lines are cut where a wait shows them, as in a page of output") {
    const std::string is_long = "ready" + std::string(3000, 'x') + "end";
    std::string many;
    for (int i = 0; i < 100'000; ++i) many += "\xC3\xA4";
    for (const std::string& line : {is_long, "ready" + many}) {
        for (const Json& arguments :
             {for_ready, Json{{"quiet_seconds", 0.5}}, Json{{"pattern", "never"}, {"timeout_seconds", 1}}}) {
            INFO(arguments.dump());
            Waiting web;
            web.log.out("first\n" + line + "\n");
            web.begin(arguments);
            const std::string text = Waiting::text(web.answer());
            const std::string shown = text.substr(text.find('\n') + 1);
            CHECK(shown.size() < 600);
            CHECK(text.find(", marks [; cursor ") < text.find('\n'));
            CHECK(shown.find("UTF-8") == std::string::npos);
            CHECK(shown.find("[\\x") == std::string::npos);
            CHECK(shown.find(fmt::format("[cut: {} bytes]", line.size())) != std::string::npos);
        }
    }
}

TEST_CASE("of a long line a wait shows what has matched") {
    for (const int before : {20'000, 60'000, 1'048'573}) {
        INFO(before);
        Waiting web;
        web.log.out("first\n" + std::string(static_cast<std::size_t>(before), 'x') + "ready" +
                    std::string(20'000, 'y') + "\n");
        web.begin(for_ready);
        const Json answer = web.answer();
        CHECK(Waiting::text(answer).find("xreadyy") != std::string::npos);
        CHECK(Waiting::meta(answer)["match"].get<std::string>().find("xreadyy") != std::string::npos);
    }
}

TEST_CASE("of a line that was redrawn a wait shows the state that matched") {
    const std::string progress = "a\rb\rready now\rc\n";
    for (const std::string& line : {progress, std::string(40'000, 'x') + "\r" + progress}) {
        Waiting web;
        web.log.out("first\n" + line);
        web.begin(for_ready);
        const Json answer = web.answer();
        CHECK(Waiting::text(answer).find("ready now") != std::string::npos);
        CHECK(Waiting::meta(answer)["match"] == "ready now");
    }
}

TEST_CASE("what there was no time to look at is not said to be missing") {
    Waiting web;
    std::string much;
    for (int i = 0; i < 10'000; ++i) much += std::string(200, 'a') + "\n";
    web.log.out(much + "the end\n");
    web.daemon.call("stop_process", Json{{"process", "web"}});
    web.begin(Json{{"pattern", "(a?a?a?a?){200}b|the end"}, {"timeout_seconds", 0.001}});
    const Json result = web.answer(1ms);
    CHECK(error_code(result) == "timeout");
    CHECK(Waiting::text(result).find("; there was no time for ") != std::string::npos);
    web.begin(Json{{"pattern", "the end"}, {"cursor", Waiting::meta(result)["next_cursor"]}});
    CHECK(Waiting::meta(web.answer())["outcome"] == "matched");
}

TEST_CASE("how a run ended is told once") {
    Waiting web;
    web.begin(for_ready);
    web.daemon.call("stop_process", Json{{"process", "web"}});
    const std::string text = Waiting::text(web.answer());
    INFO(text);
    CHECK(text.find("; run p1.1 ended before the pattern") != std::string::npos);
    const auto stopped = text.find("stopped");
    CHECK(stopped != std::string::npos);
    CHECK(text.find("stopped", stopped + 1) == std::string::npos);
}

TEST_CASE("nothing before the cursor of a wait is shown") {
    Waiting web;
    web.log.out("one\n");
    web.begin(Json{{"pattern", "one"}});
    Json again = for_ready;
    again["cursor"] = Waiting::meta(web.answer())["next_cursor"];
    web.begin(again);
    web.log.out("two\nready\n");
    const std::string text = Waiting::text(web.answer());
    CHECK(text.ends_with("\ntwo\nready\n"));
    CHECK(text.find("one") == std::string::npos);
}

TEST_CASE("a line that matches and is not finished is given a moment, then taken as it is") {
    Waiting web;
    web.begin(for_ready);
    web.log.out("ready");
    web.look();
    CHECK(!web.is_answered());
    SECTION("a prompt never is") {
        const MonoTime before = web.daemon.clock.now();
        CHECK(Waiting::meta(web.answer(5ms))["match"] == "ready");
        CHECK(web.daemon.clock.now() - before < 5s);  // files are looked at meanwhile, in no time of this clock
    }
    SECTION("what comes in two writes is shown whole") {
        web.log.out(" on port 3000\n", logstore::line_continues);
        CHECK(Waiting::meta(web.answer(5ms))["match"] == "ready on port 3000");
    }
    SECTION("a prompt behind which standard error goes on is one all the same") {
        web.log.separate(logstore::Stream::out);
        web.log.err("warning\n");
        CHECK(Waiting::meta(web.answer(5ms))["match"] == "ready");
    }
}

TEST_CASE("what does not match any more once it is finished is no match") {
    Waiting web;
    web.begin(Json{{"pattern", "^ready$"}, {"timeout_seconds", 2}});
    web.log.out("ready");
    web.look();
    web.log.out(" to fail\n", logstore::line_continues);
    CHECK(Waiting::meta(web.answer())["outcome"] == "timed_out");
}

TEST_CASE("a prompt that is there is no matter of time") {
    Waiting web;
    web.log.out("ready> ");
    web.begin(Json{{"pattern", "> $"}, {"timeout_seconds", 0}});
    CHECK(Waiting::meta(web.answer())["match"] == "ready> ");
}

TEST_CASE("a wait sees whole what the other stream has interrupted, and one stream if that is asked for") {
    Waiting web;
    Json arguments{{"pattern", "ready on port"}};
    SECTION("the line came in two pieces") {
        web.begin(arguments);
        web.log.out("now ready ");
        web.look();
        web.log.separate(logstore::Stream::out);
        web.log.err("a warning\n");
        web.look();
        web.log.out("on port 3000\n", logstore::line_continues);
        CHECK(Waiting::meta(web.answer())["match"] == "now ready on port 3000");
    }
    SECTION("the client may ask for one stream") {
        arguments["stream"] = "stderr";
        web.begin(arguments);
        web.log.out("ready on port 1\n");
        web.look();
        CHECK(!web.is_answered());
        web.log.err("ready on port 2\n");
        const Json result = web.answer();
        CHECK(Waiting::meta(result)["match"] == "ready on port 2");
        CHECK(Waiting::text(result).find("port 1") == std::string::npos);
    }
}

TEST_CASE("one that waits to run again, or is being restarted, is waited for in its next run") {
    for (const bool is_restart : {false, true}) {
        for (const Json& arguments : {for_ready, Json{{"port", 1}}}) {
            INFO(is_restart << arguments.dump());
            Waiting web(mcp::Principal::Role::agent);
            web.log.wall_ns = base::to_ns(web.daemon.clock.wall());
            web.log.out("ready\nTraceback (most recent call last):\n  File \"a\", line 1\nValueError: no\n");
            const auto first = web.daemon.shims.find({{1}, 1});
            if (is_restart) {
                web.daemon.shims.obeys_stop = false;
                web.daemon.call_later("restart_process", Json{{"process", "web"}});
                web.run_until(ProcessState::stopping);
            } else {
                first->end(1);
                web.run_until(ProcessState::backoff);
            }
            web.begin(arguments);
            CHECK(!web.is_answered());
            if (is_restart) first->end(15, true);
            web.daemon.advance_until(100ms, [&] { return web.daemon.supervisor.find({1})->run == 2; });
            web.run_until(ProcessState::running);
            web.log.run = 2;
            web.log.out("again ready\n");
            if (arguments.contains("port")) {
                web.daemon.shims.find({{1}, 2})->end(0);
                const Json result = web.answer();
                CHECK(Waiting::meta(result)["outcome"] == "ended");
                CHECK(Waiting::text(result).find("in its next run") == std::string::npos);
                continue;
            }
            const Json result = web.answer();
            CHECK(Waiting::meta(result)["match"] == "again ready");
            CHECK(Waiting::meta(result)["run"] == "p1.2");
            CHECK(Waiting::meta(result)["earlier_run"] == "p1.1");
            CHECK(Waiting::text(result).starts_with("in its next run, p1.2; last line"));
        }
    }
}

TEST_CASE("the end of one that waits to run again is that of its next run") {
    Waiting web;
    web.daemon.shims.find({{1}, 1})->end(1);
    web.run_until(ProcessState::backoff);
    Json arguments{{"until", "exit"}};
    if (GENERATE(false, true)) arguments["run"] = "p1.2";
    web.begin(arguments);
    CHECK(!web.is_answered());
    web.daemon.advance_until(100ms, [&] { return web.daemon.supervisor.find({1})->run == 2; });
    web.run_until(ProcessState::running);
    CHECK(!web.is_answered());
    web.daemon.shims.find({{1}, 2})->end(7);
    const Json meta = Waiting::meta(web.answer());
    CHECK(meta["run"] == "p1.2");
    CHECK(meta["earlier_run"] == "p1.1");
    CHECK(meta["exit_code"] == 7);
    // Of a run that is named, and has ended, it is known at once.
    web.begin(Json{{"until", "exit"}, {"run", "p1.2"}});
    CHECK(Waiting::meta(web.answer())["exit_code"] == 7);
}

TEST_CASE("the end of a run that is not there, nor the next one, is not waited for") {
    Waiting web;
    const std::string until = GENERATE("exit", "ready");
    const bool is_to_run_again = GENERATE(false, true);
    if (is_to_run_again) {
        web.daemon.shims.find({{1}, 1})->end(1);
        web.run_until(ProcessState::backoff);
    }
    web.begin(Json{{"until", until}, {"run", is_to_run_again ? "p1.3" : "p1.2"}});
    const Json result = web.answer();
    CHECK(error_code(result) == "not_found");
    CHECK(Waiting::text(result).find(is_to_run_again ? "p1 has no run 3; its newest is p1.1"
                                                     : "p1 has no run 2; its newest is p1.1") != std::string::npos);
}

TEST_CASE("a wait in vain tells how the run ended that it began in, while the next one runs") {
    Waiting web(mcp::Principal::Role::agent);
    web.begin(Json{{"pattern", "ready"}, {"timeout_seconds", 5}});
    web.daemon.shims.find({{1}, 1})->end(3);
    web.run_until(ProcessState::backoff);
    web.daemon.advance_until(100ms, [&] { return web.daemon.supervisor.find({1})->run == 2; });
    web.run_until(ProcessState::running);
    const Json result = web.answer(1s);
    CHECK(error_code(result) == "timeout");
    CHECK(Waiting::meta(result).contains("failure"));
}

TEST_CASE("what is called off before its next run begins has ended") {
    Waiting web;
    web.daemon.shims.find({{1}, 1})->end(1);
    web.run_until(ProcessState::backoff);
    SECTION("also where its end is waited for") {
        web.begin(Json{{"until", "exit"}});
        web.daemon.call("stop_process", Json{{"process", "web"}});
        const Json meta = Waiting::meta(web.answer());
        CHECK(meta["outcome"] == "ended");
        CHECK(meta["run"] == "p1.1");
        return;
    }
    web.begin(Json{{"pattern", "ready"}, {"timeout_seconds", 0.02}});
    CHECK(Waiting::text(web.answer(1ms)).find("; its next run has not begun") != std::string::npos);
    web.begin(for_ready);
    web.daemon.call("stop_process", Json{{"process", "web"}});
    const Json meta = Waiting::meta(web.answer());
    CHECK(meta["outcome"] == "ended");
    CHECK(meta["run"] == "p1.1");
    CHECK(meta["exit_code"] == 1);
}

TEST_CASE("the time that an agent's wait waits for its turn is of its own") {
    Waiting web(mcp::Principal::Role::agent);
    const auto wait_for = [&](int seconds) {
        return web.daemon.call_later("wait_for_process",
                                     Json{{"process", "web"}, {"until", "exit"}, {"timeout_seconds", seconds}});
    };
    std::vector<int> others;
    for (int i = 0; i < 200; ++i) others.push_back(wait_for(4));
    const int impatient = wait_for(2), patient = wait_for(6);
    web.daemon.advance(1900ms);
    CHECK_FALSE(web.daemon.is_answered(impatient));
    web.daemon.advance(100ms);
    REQUIRE(web.daemon.is_answered(impatient));
    CHECK(error_code(web.daemon.answer(impatient)["result"]) == "limit");
    web.daemon.advance(2s);
    for (const int other : others) web.daemon.run_until([&] { return web.daemon.is_answered(other); });
    web.daemon.advance(1900ms);
    CHECK_FALSE(web.daemon.is_answered(patient));
    web.daemon.advance(100ms);
    web.daemon.run_until([&] { return web.daemon.is_answered(patient); });
    CHECK(error_code(web.daemon.answer(patient)["result"]) == "timeout");
}

}  // namespace waits_test
