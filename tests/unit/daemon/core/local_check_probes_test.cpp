#include "daemon/core/local_check_probes.hpp"

#include <fmt/format.h>

#include <boost/asio/io_context.hpp>

#include "common/async/notifier.hpp"
#include "common/async/task_group.hpp"
#include "daemon/core/readiness_driver.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fake_clock.hpp"

namespace local_check_probes_test {

using namespace persistproc;
using namespace persistproc::core;

namespace {

/// Commands that have begun, and go on until they are told to end.
class SlowCommands final : public ShimHost {
public:
    explicit SlowCommands(boost::asio::any_io_executor executor) : ended_(std::move(executor)) {}
    Task<Result<std::unique_ptr<ShimLink>>> spawn(RunId) override { co_return Error{ErrorCode::unsupported, "none"}; }
    Task<Result<std::unique_ptr<ShimLink>>> connect(RunId) override { co_return Error{ErrorCode::unsupported, "none"}; }
    Task<Result<CommandEnd>> run_command(CommandOrder order) override {
        ++running[order.working_directory];
        while (!may_end_) co_await ended_.wait();
        CommandEnd end;
        end.exit_code = exit_code;
        end.output = output;
        co_return end;
    }
    void end_all() {
        may_end_ = true;
        ended_.notify_all();
    }
    std::map<std::string, int> running;  // and ended, by the directory of the process
    int exit_code = 0;
    std::string output;

private:
    bool may_end_ = false;
    async::Notifier ended_;
};

}  // namespace

TEST_CASE("given an answer cut at every byte, when it is read, then it is whole at its end and not before") {
    const std::pair<std::string, std::string> rows[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello"},
        {"HTTP/1.1 302 Found\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n", ""},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n", "hello"},
        {"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok"}};
    for (const auto& [bytes, body] : rows) {
        CAPTURE(bytes);
        const HttpAnswer whole = read_http_answer(bytes);
        CHECK(whole.is_whole);
        CHECK(whole.body == body);
        for (std::size_t size = 0; size < bytes.size(); ++size) {
            const HttpAnswer part = read_http_answer(std::string_view(bytes).substr(0, size));
            CHECK((part.status == 0 || part.status == whole.status));
            CHECK(body.starts_with(part.body));
        }
    }
    CHECK(read_http_answer("HTTP/1.0 404 Not Found\r\n\r\nno").status == 404);
    for (const char* other : {"SSH-2.0-OpenSSH_9.2\r\n", "HTTP/2 200\r\n\r\n", "HTTP/1.1 abc x\r\n\r\n", "\r\n\r\n"})
        CHECK(read_http_answer(other).status == 0);
}

TEST_CASE("given a body of which not all is looked at, when it does not match there, then that is said") {
    const auto easy = logstore::LinePattern::compile("^ready$").value();
    CHECK(judge_body("x\nready", true, easy).holds);
    CHECK(judge_body("x", true, easy).detail == "its body does not match");
    // It may go on, so that its end is none of a line.
    CHECK(judge_body("x\nready", false, easy).detail ==
          "the first 7 bytes of its body do not match, and no more is looked at");
    const auto slow = logstore::LinePattern::compile("ready|(x{1,500}){1,2}y").value();
    const std::size_t most = slow.longest_text();
    REQUIRE(most < 64u << 10);
    CHECK(judge_body("ready" + std::string(most, '.'), true, slow).holds);
    CHECK(judge_body(std::string(most, '.') + "ready", true, slow).detail ==
          fmt::format("the first {} bytes of its body do not match, and no more is looked at", most));
}

TEST_CASE("given what programs print, when addresses of this machine are looked for, then they can be opened") {
    const std::pair<const char*, const char*> rows[] = {
        {"  Local:   http://localhost:5173/", "http://localhost:5173/"},
        {"Uvicorn running on http://0.0.0.0:8000 (Press CTRL+C to quit)", "http://localhost:8000"},
        {"ready at https://127.0.0.1:3000/app?x=1.", "https://127.0.0.1:3000/app?x=1"},
        {"listening (http://[::]:4000)", "http://localhost:4000"},
        {"<a href='http://[::1]:1/'>", "http://[::1]:1/"},
        {"see http://example.com:80/ or http://localhost/", ""},
        {"http://localhost:99999/ http://localhost:x/", ""},
        {"Network: http://192.168.0.7:5173/", ""}};
    for (const auto& [line, url] : rows) {
        CAPTURE(line);
        const auto found = find_urls(line);
        CHECK((found.empty() ? std::string() : found.front().text) == url);
    }
}

TEST_CASE("given a debugger's port, when a program is looked for, then it is none of its") {
    CHECK(application_ports({3000, 5005, 5678, 9229, 9230, 9239, 9240, 24678}) == std::vector<int>{3000, 9240});
}

struct Asked {
    ~Asked() {
        tasks.cancel();
        run();
    }
    void run() {
        io.restart();
        io.poll();
    }
    Task<> one(std::uint32_t process, std::string starter) {
        CheckQuestion question;
        question.check.subject = domain::CommandCheck{{"true"}, false};
        question.run = RunId{{process}, 1};
        question.starter = std::move(starter);
        question.working_directory = std::to_string(process);
        const auto answer = co_await probes.ask(std::move(question));
        if (answer.holds) ++held;
        detail = answer.detail;
    }
    void ask(std::uint32_t process, std::string starter = "agent") {
        tasks.spawn("ask", one(process, std::move(starter)));
        run();
    }

    boost::asio::io_context io;
    boost::asio::thread_pool threads{1};
    tests::FakeClock clock{io.get_executor()};
    LogChanges changes{io.get_executor(), clock, threads};
    PatternWatches patterns{io.get_executor(), clock, threads, changes};
    SlowCommands commands{io.get_executor()};
    LocalCheckProbes probes{io.get_executor(), clock, patterns, commands, threads};
    async::TaskGroup tasks{io.get_executor()};
    int held = 0;
    std::string detail;
};

TEST_CASE_METHOD(Asked, "given a process whose commands take long, when another asks for one, then it is run at once") {
    constexpr int wanted = 8;
    for (int i = 0; i < wanted; ++i) ask(1);
    CHECK(commands.running["1"] == static_cast<int>(LocalCheckProbes::most_commands_of_one));
    ask(2);
    ask(3);
    CHECK(commands.running["2"] == 1);
    CHECK(commands.running["3"] == 1);
    commands.end_all();
    run();
    CHECK(held == wanted + 2);
}

TEST_CASE_METHOD(Asked, "given an agent with many processes, when another or the person asks, then it is run at once") {
    for (std::uint32_t process = 1; process <= 60; ++process) ask(process);
    ask(61, "other agent");
    CHECK(commands.running["61"] == 1);
    ask(62, "persistproc");
    CHECK(commands.running["62"] == 1);
    commands.end_all();
    run();
    CHECK(held == 62);
}

TEST_CASE_METHOD(Asked, "given a command that prints words of ours, when it fails, then these are quoted") {
    commands.exit_code = 3;
    commands.output = "ok); the last line matched; cursor p1:0 (\"all well\n";
    commands.end_all();
    ask(1);
    CHECK(detail == "exit 3: \"ok); the last line matched; cursor p1:0 (\\\"all well\"");
}

}  // namespace local_check_probes_test
