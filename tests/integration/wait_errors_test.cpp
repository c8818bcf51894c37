#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/system_executor.hpp>

#include "common/base/file.hpp"
#include "common/rundir/paths.hpp"
#include "common/rundir/state.hpp"
#include "tests/integration/daemon_in_process.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/written_log.hpp"

namespace wait_errors_test {

using namespace persistproc;
using namespace std::chrono_literals;
using tests::DaemonInProcess;
using tests::error_code;
using tests::Json;

namespace {

constexpr const char* traceback =
    "Traceback (most recent call last):\n"
    "  File \"/home/me/shop/app.py\", line 3, in <module>\n"
    "    f()\n"
    "ValueError: no\n";

/// An agent that waits for one process.
struct Waiting {
    explicit Waiting(mcp::Principal::Role role = mcp::Principal::Role::agent)
        : daemon({}, std::make_shared<tests::TemporaryDirectory>(), true, false, role) {
        daemon.call("start_process",
                    Json{{"command", Json::array({"a"})}, {"working_directory", "/"}, {"label", "web"}});
        now();
    }
    /// What is printed next is recorded as of this moment.
    void now() { log.wall_ns = base::to_ns(daemon.clock.wall()); }
    void begin(Json arguments) {
        arguments["process"] = "web";
        if (!arguments.contains("timeout_seconds")) arguments["timeout_seconds"] = 8;
        call = daemon.call_later("wait_for_process", std::move(arguments));
    }
    bool is_answered() const { return daemon.is_answered(call); }
    Json answer() {
        daemon.advance_until(50ms, [&] { return is_answered(); });
        return daemon.answer(call)["result"];
    }
    static Json meta(const Json& result) { return result["_meta"]["persistproc/result"]; }
    static std::string text(const Json& result) { return result["content"][0]["text"].get<std::string>(); }

    DaemonInProcess daemon;
    tests::WrittenLog log{rundir::process_paths(daemon.data->path(), {1}).log};
    int call = 0;
};

/// What the shim of a run would have written of its end; fake ones write nothing.
void write_end(const tests::TemporaryDirectory& data, RunId id, const rundir::RunState& state) {
    auto fd = base::open_file(rundir::run_paths(data.path(), id).state, O_RDWR);
    REQUIRE(fd);
    rundir::StateWriter writer(fd->get(), state);
    REQUIRE(writer.commit() == 0);
}

const Json for_pattern{{"until", "pattern"}, {"pattern", "^ready"}};
const Json for_port{{"until", "port"}, {"port", 1}};
const Json for_quiet{{"until", "quiet"}, {"quiet_seconds", 3}};

}  // namespace

TEST_CASE("an error ends a wait for something else, with file and line and the whole block") {
    for (const Json& arguments : {for_pattern, for_port, for_quiet}) {
        INFO(arguments.dump());
        Waiting web;
        web.log.out("begin\n");
        web.begin(arguments);
        web.daemon.advance(100ms);
        web.now();
        web.log.err(traceback);
        const Json result = web.answer();
        CHECK(error_code(result) == "conflict");
        const Json meta = Waiting::meta(result);
        CHECK(meta["outcome"] == "error");
        CHECK(meta["error"]["file"] == "/home/me/shop/app.py");
        CHECK(meta["error"]["line"] == 3);
        CHECK(!meta["error"].contains("column"));
        CHECK(meta["error"]["message"] == "ValueError: no");
        CHECK(meta["error"]["text"] == traceback);
        const std::string text = Waiting::text(result);
        const std::string_view awaited = arguments == for_pattern ? "the pattern"
                                         : arguments == for_port  ? "the port"
                                                                  : "it was quiet";
        CHECK(
            text.starts_with(fmt::format("conflict: error at /home/me/shop/app.py:3 before {}; cursor p1:", awaited)));
        CHECK(text.ends_with(std::string("\n") + traceback));
        CHECK(text.find("Traceback") == text.rfind("Traceback"));
        // The cursor goes on behind the error.
        Json again = for_pattern;
        again["cursor"] = meta["next_cursor"];
        again["timeout_seconds"] = 2;
        web.begin(again);
        CHECK(Waiting::meta(web.answer())["outcome"] == "timed_out");
    }
}

TEST_CASE("an error that what is waited for follows within a second was handled") {
    Waiting web;
    web.begin(for_pattern);
    web.daemon.advance(100ms);
    web.now();
    web.log.err(traceback);
    for (int i = 0; i < 8; ++i) web.daemon.advance(100ms);
    CHECK(!web.is_answered());
    web.log.out("ready\n");
    CHECK(Waiting::meta(web.answer())["outcome"] == "matched");
}

TEST_CASE("silence is no proof that an error was handled") {
    Waiting web;
    web.begin(Json{{"quiet_seconds", 0.5}});
    web.daemon.advance(100ms);
    web.now();
    web.log.err("Error: out of paper\n");
    CHECK(Waiting::meta(web.answer())["outcome"] == "error");
}

TEST_CASE("a traceback that is printed with pauses is told with its last line") {
    Waiting web;
    web.begin(for_pattern);
    for (const char* each : {"Traceback (most recent call last):\n", "  File \"/home/me/shop/app.py\", line 3, in f\n",
                             "    f()\n", "ValueError: no\n"}) {
        web.now();
        web.log.err(each);
        for (int i = 0; i < 4; ++i) web.daemon.advance(100ms);
    }
    CHECK(Waiting::meta(web.answer())["error"]["message"] == "ValueError: no");
}

TEST_CASE("a pattern that matches the error itself is a match") {
    Waiting web;
    web.begin(Json{{"until", "pattern"}, {"pattern", "^ValueError"}});
    web.daemon.advance(100ms);
    web.log.err(traceback);
    CHECK(Waiting::meta(web.answer())["match"] == "ValueError: no");
}

TEST_CASE("what an error is told with is no match, unless the pattern names errors") {
    const std::string refused =
        "Error: listen EADDRINUSE: address already in use 127.0.0.1:3000\n"
        "    at Server.listen (node:net:1)\n"
        "  port: 3000\n"
        "}\n";
    const std::pair<std::string, std::string> pattern_printed[] = {
        {"3000", refused}, {"ready", "Error: cannot start: port 3000 not ready\n"}, {"listen", traceback + refused}};
    for (const auto& [pattern, printed] : pattern_printed) {
        INFO(pattern);
        Waiting web;
        web.log.err(printed);
        web.begin(Json{{"pattern", pattern}});
        CHECK(Waiting::meta(web.answer())["outcome"] == "error");
        // The client's users see what they ask for.
        Waiting users(mcp::Principal::Role::client);
        users.log.err(printed);
        users.begin(Json{{"until", "pattern"}, {"pattern", pattern}});
        CHECK(Waiting::meta(users.answer())["outcome"] == "matched");
    }
    Waiting web;
    web.log.err(refused);
    web.begin(Json{{"pattern", "3000|EADDRINUSE"}});
    CHECK(Waiting::meta(web.answer())["outcome"] == "matched");
    // Beside an error, on its stream, too.
    for (const std::string ready : {"  > Local: http://localhost:3000/", "Listening on 3000", " * Running on :3000"}) {
        Waiting other;
        other.log.err(refused + ready + "\n");
        other.begin(Json{{"pattern", "3000"}});
        CHECK(Waiting::meta(other.answer())["match"] == ready);
    }
}

TEST_CASE("source that an error is shown with is no match, also where the error follows it") {
    const std::string source = "/home/me/shop/ready.js:2\nconsole.log(\"ready on \" + o.user.name);\n   ^\n\n";
    const std::string error = "TypeError: bad\n    at f (/home/me/shop/ready.js:2:34)\n";
    const bool is_stored = GENERATE(true, false);
    Waiting web;
    web.log.err(is_stored ? source + error : source);
    web.begin(Json{{"pattern", "ready on|ready.js"}});
    if (!is_stored) {
        web.daemon.advance(20ms);
        web.log.err(error);
    }
    CHECK(Waiting::meta(web.answer())["outcome"] == "error");
    // Without an error it is what was waited for.
    Waiting other;
    other.log.err(source);
    other.begin(Json{{"pattern", "ready on"}});
    CHECK(Waiting::meta(other.answer())["outcome"] == "matched");
}

TEST_CASE("an error shortly before the wait counts, an old one does not") {
    const bool is_old = GENERATE(false, true);
    for (const Json& arguments : {for_pattern, for_port, for_quiet}) {
        INFO(arguments.dump());
        Waiting web;
        web.log.err(traceback);
        web.daemon.advance(is_old ? std::chrono::seconds(90) : std::chrono::seconds(10));
        web.begin(arguments);
        const std::string outcome = Waiting::meta(web.answer())["outcome"];
        CHECK((outcome == "error") == !is_old);
    }
}

TEST_CASE("an error that the program has printed on after, before the wait, does not end it") {
    const Json for_ready{{"until", "ready"}};
    for (const Json& arguments : {for_pattern, for_port, for_quiet, for_ready}) {
        INFO(arguments.dump());
        Waiting web;
        web.log.err(traceback);
        web.daemon.advance(5s);
        web.now();
        web.log.out("compiled\n");
        web.daemon.advance(3s);
        web.begin(arguments);
        const bool is_quiet = arguments == for_quiet;
        CHECK(Waiting::meta(web.answer())["outcome"] == (is_quiet ? "quiet" : "timed_out"));
    }
    // The newest one stands: nothing has followed it.
    for (const Json& arguments : {for_pattern, for_port, for_quiet}) {
        Waiting web;
        web.log.err(traceback);
        web.daemon.advance(5s);
        web.now();
        web.log.err("Error: out of paper\n");
        web.daemon.advance(3s);
        web.begin(arguments);
        CHECK(Waiting::meta(web.answer())["error"]["message"] == "Error: out of paper");
    }
}

TEST_CASE("a wait for a pattern in one stream is not ended by an error on the other one") {
    for (const std::string stream : {"stdout", "stderr"}) {
        Waiting web(mcp::Principal::Role::client);
        Json arguments = for_pattern;
        arguments["watch_errors"] = true;
        arguments["stream"] = stream;
        web.begin(arguments);
        web.daemon.advance(100ms);
        web.now();
        web.log.err("Error: out of paper\n");
        CHECK(Waiting::meta(web.answer())["outcome"] == (stream == "stderr" ? "error" : "timed_out"));
    }
}

TEST_CASE("lines that only look like errors end no wait, however many there are") {
    Waiting web;
    for (int i = 0; i < 2000; ++i) web.log.out("GET /error/" + std::to_string(i) + " 404\n");
    web.begin(for_pattern);
    web.daemon.advance(100ms);
    web.log.out("Found 0 errors.\nready\n");
    CHECK(Waiting::meta(web.answer())["outcome"] == "matched");
    web.log.err(traceback);
    web.begin(Json{{"until", "pattern"}, {"pattern", "^never"}, {"timeout_seconds", 600}});
    CHECK(Waiting::meta(web.answer())["outcome"] == "error");
}

TEST_CASE("a run that ends first is told with its error") {
    Waiting web;
    web.begin(for_port);
    web.daemon.advance(100ms);
    web.log.err(traceback);
    web.daemon.shims.find(RunId{{1}, 1})->end(1);
    const Json result = web.answer();
    CHECK(Waiting::meta(result)["outcome"] == "ended");
    CHECK(Waiting::meta(result)["error"]["message"] == "ValueError: no");
    const std::string text = Waiting::text(result);
    CHECK(text.find("; error at /home/me/shop/app.py:3; cursor p1:") != std::string::npos);
    CHECK(text.ends_with(std::string("\n") + traceback));
}

TEST_CASE("the client waits for what it asks for, unless it asks for errors") {
    Waiting web(mcp::Principal::Role::client);
    web.log.err(traceback);
    Json arguments = for_pattern;
    arguments["timeout_seconds"] = 3;
    web.begin(arguments);
    const Json result = web.answer();
    CHECK(Waiting::meta(result)["outcome"] == "timed_out");
    CHECK(!Waiting::meta(result).contains("error"));
    arguments["watch_errors"] = true;
    web.begin(arguments);
    CHECK(Waiting::meta(web.answer())["outcome"] == "error");
}

TEST_CASE("of one that has failed, status and the prompt tell the error") {
    Waiting web(mcp::Principal::Role::client);
    const auto prompted = [&] {
        Json params{{"name", "diagnose_process"}, {"arguments", Json{{"process", "web"}}}};
        const Json answer = web.daemon.answer(web.daemon.send("prompts/get", std::move(params)));
        return answer["result"]["messages"][0]["content"]["text"].get<std::string>();
    };
    web.log.err(traceback);
    web.log.out("bye\n");
    CHECK(!web.daemon.call("describe_process", Json{{"process", "web"}})["structuredContent"].contains("error"));
    CHECK(prompted().find("last error") == std::string::npos);
    web.daemon.shims.find(RunId{{1}, 1})->end(1);
    web.begin(Json{{"until", "exit"}});
    web.answer();
    const Json details = web.daemon.call("describe_process", Json{{"process", "web"}})["structuredContent"];
    CHECK(details["error"]["message"] == "ValueError: no");
    CHECK(details["error"]["line"] == 3);
    CHECK(details.contains("failure"));
    const std::string said = prompted();
    CHECK(said.find("Its last error at /home/me/shop/app.py:3 stands in its newest output") != std::string::npos);
    CHECK(said.find(traceback) == said.rfind(traceback));
}

TEST_CASE("the prompt tells an error that is repeated once") {
    Waiting web(mcp::Principal::Role::client);
    for (int i = 0; i < 9; ++i) web.log.err(traceback);
    web.daemon.shims.find(RunId{{1}, 1})->end(1);
    web.begin(Json{{"until", "exit"}});
    web.answer();
    Json params{{"name", "diagnose_process"}, {"arguments", Json{{"process", "web"}}}};
    const Json answer = web.daemon.answer(web.daemon.send("prompts/get", std::move(params)));
    const auto said = answer["result"]["messages"][0]["content"]["text"].get<std::string>();
    CHECK(said.find(traceback) == said.rfind(traceback));
    CHECK(said.find("[4 lines as below, 8 times]\nTraceback") != std::string::npos);
    CHECK(said.find("marks of ours in it begin with [.\n<output-") != std::string::npos);
}

TEST_CASE("one that has failed is told with why where it is listed by name") {
    Waiting web;
    web.log.err(traceback);
    const auto list = [&] { return web.daemon.call("list_processes", Json{{"process", "web"}}); };
    CHECK(!list()["structuredContent"]["processes"][0].contains("failure"));
    web.daemon.shims.find(RunId{{1}, 1})->end(1);
    web.daemon.run_until([&] { return !web.daemon.supervisor.find({1})->is_live; });
    const Json listed = list();
    const Json& view = listed["structuredContent"]["processes"][0];
    CHECK(view.contains("failure"));
    CHECK(view["error"]["message"] == "ValueError: no");
    const std::string text = Waiting::text(listed);
    CHECK((text + "\n").ends_with(std::string("\n  its last error at /home/me/shop/app.py:3:\n") + traceback));
    const Json brief = web.daemon.call("list_processes", Json::object());
    CHECK(!brief["structuredContent"]["processes"][0].contains("failure"));
}

TEST_CASE("a run that somebody saw ready has worked, unless it failed by itself soon after") {
    const bool is_error = GENERATE(false, true);
    const bool is_stopped = GENERATE(true, false);
    Waiting web(mcp::Principal::Role::client);
    web.log.out(is_error ? traceback : "ready\n");
    web.begin(Json{{"until", "pattern"}, {"pattern", is_error ? "^Traceback" : "^ready"}});
    CHECK(Waiting::meta(web.answer())["outcome"] == "matched");
    if (is_stopped)
        web.daemon.call("stop_process", Json{{"process", "web"}});
    else
        web.daemon.shims.find(RunId{{1}, 1})->end(1);
    web.daemon.run_until([&] { return !web.daemon.supervisor.find({1})->is_live; });
    write_end(*web.daemon.data, RunId{{1}, 1}, web.daemon.shims.find(RunId{{1}, 1})->state);
    web.daemon.call("restart_process", Json{{"process", "web"}, {"environment", Json{{"PORT", "1"}}}});
    web.daemon.shims.find(RunId{{1}, 2})->end(1);
    web.daemon.run_until([&] { return !web.daemon.supervisor.find({1})->is_live; });
    const Json failure = web.daemon.call("describe_process", Json{{"process", "web"}})["structuredContent"]["failure"];
    if (is_error || !is_stopped) {
        CHECK(!failure.contains("good_run"));
        return;
    }
    CHECK(failure["good_run"] == "p1.1");
    CHECK(failure["changes"] == Json::array({"variables added: PORT"}));
}

TEST_CASE("who has the port that a program wanted is told with its failure") {
    boost::asio::ip::tcp::acceptor holder(boost::asio::system_executor(), {boost::asio::ip::address_v4::loopback(), 0});
    const int port = holder.local_endpoint().port();
    Waiting web;
    web.begin(for_pattern);
    web.daemon.advance(100ms);
    web.now();
    web.log.err("Error: listen EADDRINUSE: address already in use :::" + std::to_string(port) + "\n");
    const Json result = web.answer();
    const Json failure = Waiting::meta(result)["failure"];
    CHECK(failure["held_port"] == port);
    CHECK(failure["holder_pid"] == ::getpid());
    CHECK(Waiting::text(result).find("; port " + std::to_string(port) + " is held by ") != std::string::npos);
}

TEST_CASE("a port that only the command names is told, also of a run that was followed by another") {
    boost::asio::ip::tcp::acceptor holder(boost::asio::system_executor(), {boost::asio::ip::address_v4::loopback(), 0});
    const int port = holder.local_endpoint().port();
    Waiting web(mcp::Principal::Role::client);
    web.daemon.call(
        "start_process",
        Json{{"command", Json::array({"b", std::to_string(port)})}, {"working_directory", "/"}, {"label", "other"}});
    tests::WrittenLog log{rundir::process_paths(web.daemon.data->path(), {2}).log};
    log.wall_ns = base::to_ns(web.daemon.clock.wall());
    log.err("OSError: [Errno 98] Address already in use\n");
    web.daemon.shims.find(RunId{{2}, 1})->end(1);
    web.daemon.run_until([&] { return !web.daemon.supervisor.find({2})->is_live; });
    const auto told = [&](Json arguments) {
        arguments["process"] = "other";
        return web.daemon.call("describe_process", std::move(arguments))["structuredContent"].value("failure", Json());
    };
    const Json newest = told(Json::object());
    REQUIRE(newest.is_object());
    CHECK(newest["held_port"] == port);
    CHECK(newest["text"].get<std::string>().find("port " + std::to_string(port) + " is held by ") != std::string::npos);
    web.daemon.call(
        "start_process",
        Json{{"command", Json::array({"b", std::to_string(port)})}, {"working_directory", "/"}, {"label", "other"}});
    CHECK(told(Json::object()).is_null());
    const Json of_first = told(Json{{"run", "p2.1"}});
    REQUIRE(of_first.is_object());
    CHECK(of_first["held_port"] == port);
}

TEST_CASE("who has the port of a program that goes on is told, too, by what its command names") {
    boost::asio::ip::tcp::acceptor holder(boost::asio::system_executor(), {boost::asio::ip::address_v4::loopback(), 0});
    const int port = holder.local_endpoint().port();
    const std::string number = std::to_string(port);
    const bool is_error = GENERATE(true, false);
    DaemonInProcess daemon({}, std::make_shared<tests::TemporaryDirectory>(), true, false, mcp::Principal::Role::agent);
    daemon.call("start_process",
                Json{{"command", Json::array({"a", number})}, {"working_directory", "/"}, {"label", "web"}});
    tests::WrittenLog log{rundir::process_paths(daemon.data->path(), {1}).log};
    log.wall_ns = base::to_ns(daemon.clock.wall());
    log.err(is_error ? "OSError: [Errno 98] Address already in use\n"
                     : "Port " + number + " is in use, trying others\n");
    Json arguments = for_pattern;
    arguments["process"] = "web";
    arguments["timeout_seconds"] = 3;
    const int call = daemon.call_later("wait_for_process", std::move(arguments));
    daemon.advance_until(50ms, [&] { return daemon.is_answered(call); });
    const Json result = daemon.answer(call)["result"];
    CHECK(Waiting::meta(result)["outcome"] == (is_error ? "error" : "timed_out"));
    CHECK(Waiting::meta(result)["failure"]["held_port"] == port);
    CHECK(Waiting::text(result).find("; port " + number + " is held by ") != std::string::npos);
}

TEST_CASE("a wait for the end of a run that fails tells why, as other views do") {
    const int exit_value = GENERATE(1, 0);
    const bool is_stopped = GENERATE(false, true);
    boost::asio::ip::tcp::acceptor holder(boost::asio::system_executor(), {boost::asio::ip::address_v4::loopback(), 0});
    const std::string number = std::to_string(holder.local_endpoint().port());
    Waiting web;
    web.log.err(traceback);
    for (int i = 0; i < 20; ++i) web.log.err("    at the bottom of it\n");
    web.log.err("Error: Port " + number + " is already in use\n");
    web.begin(Json{{"until", "exit"}});
    if (is_stopped)
        web.daemon.call("stop_process", Json{{"process", "web"}});
    else
        web.daemon.shims.find(RunId{{1}, 1})->end(exit_value);
    const Json result = web.answer();
    const std::string text = Waiting::text(result);
    CHECK(error_code(result).empty());
    const bool is_failure = !is_stopped && exit_value != 0;
    CHECK(Waiting::meta(result).contains("failure") == is_failure);
    CHECK((text.find("; port " + number + " is held by ") != std::string::npos) == is_failure);
    CHECK((text.find("\nTraceback") != std::string::npos) == is_failure);
    CHECK(text.find("is already in use\n") != std::string::npos);
}

TEST_CASE("what a run ended with is shown, not an error of long before") {
    Waiting web;
    web.log.err(traceback);
    for (int i = 0; i < 20; ++i) web.log.out("another thing was done\n");
    web.log.out("1 of 20 failed\n");
    web.begin(Json{{"until", "exit"}});
    web.daemon.shims.find(RunId{{1}, 1})->end(1);
    const std::string text = Waiting::text(web.answer());
    CHECK(text.find("Traceback") == std::string::npos);
    CHECK(text.ends_with("1 of 20 failed\n"));
}

TEST_CASE("an error that only its frames show to be one ends a wait, once they come") {
    Waiting web;
    web.begin(for_pattern);
    web.log.err("msg SyntaxError: Unexpected token\n");
    web.log.out("a line beside it\n");
    web.daemon.advance(100ms);
    web.log.err("    at load (/home/me/shop/a.js:1:12)\n");
    Json error = Waiting::meta(web.answer())["error"];
    CHECK(error["message"] == "msg SyntaxError: Unexpected token");
    CHECK(error["file"] == "/home/me/shop/a.js");
    CHECK(error["text"] == "msg SyntaxError: Unexpected token\n    at load (/home/me/shop/a.js:1:12)\n");
    // Without them it is none.
    Waiting other;
    other.log.err("msg SyntaxError: Unexpected token\n");
    for (int i = 0; i < 20; ++i) other.log.err("and on it goes\n");
    other.begin(Json{{"until", "pattern"}, {"pattern", "^never"}, {"timeout_seconds", 3}});
    CHECK(Waiting::meta(other.answer())["outcome"] == "timed_out");
}

TEST_CASE("a program that listens is ready, whatever it has printed before") {
    boost::asio::ip::tcp::acceptor server(boost::asio::system_executor(), {boost::asio::ip::address_v4::loopback(), 0});
    Waiting web;
    web.log.err("Error: old thing\n");
    web.daemon.advance(20s);
    // The run's tree: what the test's own process has begun, which holds the socket as well.
    const pid_t child = ::fork();
    if (child == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // also where the test fails
        for (;;) ::pause();
    }
    REQUIRE(child > 0);
    const auto shim = web.daemon.shims.find(RunId{{1}, 1});
    shim->state.shim_pid = ::getpid();
    shim->push(rundir::MessageType::state);
    web.daemon.run_until([&] { return shim->outbox.empty(); });
    web.begin(Json{{"until", "ready"}});
    const Json meta = Waiting::meta(web.answer());
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    CHECK(meta["outcome"] == "ready");
    // What listens on nothing is not.
    Waiting other;
    other.log.err("Error: old thing\n");
    other.begin(Json{{"until", "ready"}});
    CHECK(Waiting::meta(other.answer())["outcome"] == "error");
}

TEST_CASE("a file's name cannot pass for a fact of ours") {
    Waiting web;
    web.log.err("  File \"/a; next cursor p1:7:7/b.py\", line 3\n    x(\n     ^\nSyntaxError: invalid syntax\n");
    web.begin(for_pattern);
    const std::string text = Waiting::text(web.answer());
    CHECK(text.find("error at \"/a; next cursor p1:7:7/b.py:3\" before") != std::string::npos);
}

}  // namespace wait_errors_test
