// What an agent is shown of output, and at what price.
#include "daemon/tools/reading.hpp"

#include <fmt/format.h>

#include <array>
#include <cctype>
#include <fstream>

#include "common/rundir/paths.hpp"
#include "tests/integration/daemon_in_process.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/written_log.hpp"

namespace reading_test {

using namespace persistproc;
using tests::DaemonInProcess;
using tests::Json;

namespace {

/// One running process, "web", with a log of ours.
struct Reading {
    explicit Reading(mcp::Principal::Role role = mcp::Principal::Role::client)
        : daemon({}, std::make_shared<tests::TemporaryDirectory>(), true, false, role),
          log(rundir::process_paths(daemon.data->path(), {1}).log) {
        const Json start{{"command", Json::array({"a", "x"})}, {"working_directory", "/"}, {"label", "web; 9 lines"}};
        daemon.call("start_process", start);
    }
    std::string read(Json arguments = Json::object()) {
        arguments["process"] = "p1";
        const Json answer = daemon.call("get_process_output", arguments);
        meta = answer["_meta"]["persistproc/result"];
        const std::string text = answer["content"][0]["text"];
        header = text.substr(0, text.find('\n'));
        return text.substr(text.find('\n') + 1);
    }

    DaemonInProcess daemon;
    tests::WrittenLog log;
    std::string header;
    Json meta;
};

/// As row 11 of the benchmark counts them: one for each begun 8 letters of a word, 3 digits, 4 signs in a row.
int count_tokens(const std::string& text) {
    const auto room_of = [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return c == ' ' ? 0 : std::isalpha(byte) != 0 ? 8 : std::isdigit(byte) != 0 ? 3 : 4;
    };
    int out = 0, room = 0, left = 0;
    for (const char c : text) {
        if (room_of(c) != room || left == 0) {
            room = left = room_of(c);
            out += room > 0 ? 1 : 0;
        }
        left -= left > 0 ? 1 : 0;
    }
    return out;
}

}  // namespace

TEST_CASE("a read begins with one short line of ours") {
    Reading web;
    CHECK(web.read() == "");
    CHECK(web.header == "running; 0 lines; cursor p1:0");
    for (int i = 0; i < 40; ++i)
        web.log.out(std::string(1, static_cast<char>('A' + i)) + " p1 running; cursor p1:99\n");
    CHECK(web.read().ends_with(" p1 running; cursor p1:99\n"));
    CHECK(web.header == "running; 40 lines; cursor " + web.meta["next_cursor"].get<std::string>());
    INFO(web.header);
    CHECK(count_tokens(web.header) <= 18);
    CHECK(web.read(Json{{"lines", 1}}) == "h p1 running; cursor p1:99\n");
    CHECK(web.header.starts_with("running; 1 of 40 lines; cursor p1:"));
    CHECK(web.meta["omitted_before"] == 39);
    CHECK(web.read(Json{{"max_bytes", 256}}).starts_with("[no room for more in max_bytes]\n"));
    CHECK(web.header.starts_with("running; 6 of 40 lines, marks [; cursor p1:"));
    CHECK(web.read(Json{{"lines", 1}, {"cursor", "p1:0"}}) == "A p1 running; cursor p1:99\n");
    CHECK(web.header.starts_with("running; 1 line, more; cursor p1:"));
    Reading same;
    for (int i = 0; i < 40; ++i) same.log.out("the same once more\n");
    CHECK(same.read() == "[1 line as below, 39 times]\nthe same once more\n");
    CHECK(same.header.starts_with("running; 1 of 40 lines, marks [; cursor p1:"));
}

TEST_CASE("the first line of a read is short whatever there is to say") {
    Reading web;
    web.log.out("\xff\n");
    for (int i = 0; i < 40; ++i) web.log.out("GET / 200\n" + std::string(900, 'x') + "\n");
    web.log.lose(logstore::Stream::out, 100);
    for (const char* state : {"running", "exited 17"}) {
        for (Json arguments : {Json{{"lines", 3}}, Json{{"max_bytes", 256}}, Json{{"grep", "x"}, {"lines", 2}},
                               Json{{"grep", "GET"}, {"context", 2}, {"lines", 7}},
                               Json{{"cursor", "p1:0"}, {"lines", 2}, {"view", "raw"}}, Json{{"lines", 0}}}) {
            web.read(arguments);
            INFO(web.header);
            CHECK(web.header.starts_with(std::string(state) + "; "));
            CHECK(count_tokens(web.header) <= 18);
        }
        if (std::string_view(state) == "running") {
            web.daemon.shims.find(RunId{{1}, 1})->end(17);
            web.daemon.run_until([&] { return web.daemon.supervisor.find({1})->state == ProcessState::exited; });
        }
    }
    CHECK(web.read(Json{{"grep", "GET"}}).starts_with("[100 bytes lost"));
    web.daemon.call("restart_process", Json{{"process", "p1"}});
    web.daemon.call("stop_process", Json{{"process", "p1"}});
    CHECK(web.read(Json{{"lines", 1}}).starts_with("[stopped by "));
    CHECK(web.header.starts_with("stopped; 1 of "));
}

TEST_CASE("a budget holds with context, and the header names what our marks begin with") {
    Reading web;
    const auto word = [](int i) {
        return fmt::format("{}{}", static_cast<char>('a' + i % 26), static_cast<char>('a' + i / 26));
    };
    for (int i = 0; i < 600; ++i) web.log.out(word(i) + (i % 20 == 10 ? " needle\n" : " hay\n"));
    const std::string text = web.read(Json{{"grep", "needle"}, {"context", 7}, {"lines", 40}});
    CHECK(std::count(text.begin(), text.end(), '\n') <= 40);
    CHECK(text.find("\n[--]\n") != std::string::npos);
    CHECK(web.header.find(", marks [; cursor p1:") != std::string::npos);
}

TEST_CASE("max_bytes bounds the whole answer, its first line too") {
    Reading web;
    for (int i = 0; i < 400; ++i)
        web.log.out(fmt::format("{} {} word\n", i,
                                std::string(static_cast<std::size_t>(i % 90), static_cast<char>('a' + i % 7))));
    for (const int most : {256, 257, 300, 500, 999, 2000, 5000}) {
        for (Json arguments : {Json{{"lines", 0}}, Json{{"view", "raw"}}, Json{{"grep", "word"}, {"context", 2}},
                               Json{{"grep", "7 "}, {"lines", 0}}, Json{{"cursor", "p1:0"}, {"view", "raw"}}}) {
            arguments["max_bytes"] = most;
            const std::string shown = web.read(arguments);
            INFO(arguments.dump() + "\n" + web.header + "\n" + shown);
            CHECK(web.header.size() + 1 + shown.size() <= static_cast<std::size_t>(most));
            CHECK(!shown.empty());
        }
    }
}

TEST_CASE("less context than was asked for is told") {
    Reading web;
    web.log.out("a\nb\nhit\nc\nd\n");
    CHECK(web.read(Json{{"grep", "hit"}, {"context", 2}, {"lines", 3}}) == "b\nhit\nc\n");
    CHECK(web.header.starts_with("running; 3 lines, context 1; cursor "));
    CHECK(web.read(Json{{"grep", "hit"}, {"context", 2}, {"lines", 2}}) == "hit\n");
    CHECK(web.header.starts_with("running; 1 line, context 0; cursor "));
    CHECK(web.read(Json{{"grep", "hit"}, {"context", 2}, {"lines", 5}}) == "a\nb\nhit\nc\nd\n");
    CHECK(web.header.starts_with("running; 5 lines; cursor "));
}

TEST_CASE("a search whose matches have no room says where the older ones are") {
    Reading web;
    for (const char* word : {"alpha", "beta", "gamma", "delta", "epsilon", "zeta"})
        web.log.out(std::string(word) + " hit\nno\n");
    CHECK(web.read(Json{{"grep", "hit"}, {"lines", 3}}).ends_with("epsilon hit\nzeta hit\n"));
    INFO(web.header);
    CHECK(web.header.starts_with("running; 2 of 6 lines, marks ["));
    std::string until = web.meta.at("earlier_cursor");
    CHECK(web.read(Json{{"grep", "hit"}, {"lines", 3}}).starts_with("[older ones until " + until + "]\n"));
    CHECK(web.read(Json{{"grep", "hit"}, {"lines", 4}, {"until", until}}) ==
          "alpha hit\nbeta hit\ngamma hit\ndelta hit\n");
    CHECK(!web.meta.contains("earlier_cursor"));
}

TEST_CASE("a search gives the newest matches, and a position behind which the older ones are") {
    Reading web;
    std::string piece;
    for (int i = 0; i < 20000; ++i) {
        piece += fmt::format("{} {}\n", i % 1000 == 0 ? "needle" : "some hay that is not looked for", i);
        if (i % 100 == 99) web.log.out(std::exchange(piece, ""));
    }
    Json arguments{{"grep", "needle"}, {"lines", 3}, {"view", "raw"}};
    for (int i = 19; i > 0; i -= 2) {
        const std::string text = web.read(arguments);
        CHECK(text.ends_with(fmt::format("needle {}\nneedle {}\n", (i - 1) * 1000, i * 1000)));
        if (i == 1) break;
        REQUIRE(web.meta.contains("earlier_cursor"));
        arguments["until"] = web.meta["earlier_cursor"];
        CHECK(text.starts_with("[older ones until " + arguments["until"].get<std::string>() + "]\n"));
        CHECK(web.header.starts_with("running; 2 lines, marks [; cursor p1:"));
    }
    arguments["until"] = "p2:1";
    CHECK(tests::error_code(web.daemon.call("get_process_output", Json{{"process", "p1"}, {"until", "p2:1"}})) ==
          "invalid");
}

TEST_CASE("what is said above the output has its share of lines and max_bytes") {
    Reading web;
    std::string piece;
    for (int i = 0; i < 3000; ++i) {
        piece += fmt::format("{} [{}]\n", i % 3 == 0 ? "needle" : "some hay that is not looked for", i);
        if (i % 100 == 99) web.log.out(std::exchange(piece, ""));
    }
    for (const char* view : {"clean", "raw"}) {
        for (Json arguments :
             {Json{{"max_bytes", 400}, {"grep", "needle"}, {"context", 1}, {"lines", 0}},
              Json{{"max_bytes", 256}, {"grep", "needle"}, {"lines", 0}}, Json{{"grep", "needle"}, {"lines", 7}},
              Json{{"max_bytes", 300}, {"lines", 40}}, Json{{"grep", "\\["}, {"lines", 3}, {"context", 1}}}) {
            arguments["view"] = view;
            INFO(arguments.dump());
            const std::string text = web.read(arguments);
            INFO(text);
            CHECK(text.find('\n') != text.rfind('\n'));
            CHECK(text.size() <= arguments.value("max_bytes", 1u << 20));
            const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
            CHECK(lines <= (arguments.value("lines", 0u) > 0 ? arguments.value("lines", 0u) : 1u << 20));
        }
    }
    // One line is shown anyway.
    web.read(Json{{"grep", "needle"}, {"lines", 1}});
    CHECK(web.meta["lines"] == 1);
}

TEST_CASE("a slow search gives way to those who come while it looks, and says that there is more") {
    Reading web(mcp::Principal::Role::agent);
    // Far more than there is time for, also without others.
    for (int i = 0; i < 64; ++i) web.log.out(std::string(64u << 10, 'a'));
    web.log.out("\n");
    auto& searches = web.daemon.workers.searches;
    const auto bounds = tools::bounds_beside(web.daemon.workers);
    CHECK(bounds.time() == tools::longest_look);
    const Json slow{{"process", "p1"}, {"grep", "(a{1,500}){1,2}b"}, {"cursor", "p1:0"}};
    const int search = web.daemon.call_later("get_process_output", slow);
    web.daemon.run_until([&] { return searches.running() == 1; });
    searches.hold(true);
    async::Turns::Ticket ticket = 0;
    const std::array<char, 30> others{};
    for (const char& each : others)
        searches.enter(
            &each, [] {}, ticket);
    CHECK(bounds.time() == std::chrono::milliseconds(100));
    const Json answer = web.daemon.answer(search)["result"];
    const std::string text = answer["content"][0]["text"];
    CHECK(text.starts_with("running; 0 lines, more, marks [; cursor p1:"));
    CHECK(answer["_meta"]["persistproc/result"]["unread_bytes"] > 0);
    searches.clear();
    searches.hold(false);
}

TEST_CASE("a log that has lost its index is not told as one that is empty") {
    Reading web;
    web.log.out("one\ntwo\n");
    CHECK(web.read(Json{{"lines", 5}}) == "one\ntwo\n");
    std::filesystem::remove(web.log.index_file(1));
    const std::string text = web.read(Json{{"lines", 5}});
    CHECK(text.find("8 bytes cannot be read: their index is damaged or gone") != std::string::npos);
    CHECK(text.find(web.log.path().native()) != std::string::npos);
}

TEST_CASE("what those go on printing that an ended program has left is not told as damage") {
    const bool are_there = GENERATE(true, false);
    Reading web;
    web.log.out("one\ntwo\n");
    web.daemon.shims.find(RunId{{1}, 1})->end(0, false, are_there);
    web.daemon.run_until([&] { return web.daemon.supervisor.find({1})->state == ProcessState::exited; });
    // It stands in the log, and its record is about to be written.
    std::ofstream(web.log.data_file(1), std::ios::app) << "three\n";
    const std::string text = web.read(Json{{"lines", 5}});
    CHECK(text.ends_with("one\ntwo\n"));
    CHECK((text.find("cannot be read") == std::string::npos) == are_there);
}

TEST_CASE("a window that is turned round is refused, not empty") {
    Reading web;
    web.log.out("one\ntwo\n");
    const auto refusal = [&](Json arguments) {
        arguments["process"] = "p1";
        const Json answer = web.daemon.call("get_process_output", arguments);
        CHECK(tests::error_code(answer) == "invalid");
        return answer["content"][0]["text"].get<std::string>();
    };
    CHECK(refusal(Json{{"since", "1m"}, {"until", "1h"}}) == "invalid: since 1m is later than until 1h: exchange them");
    CHECK(web.read(Json{{"run", 1}}) == "one\ntwo\n");
    CHECK(refusal(Json{{"cursor", "p1:8"}, {"until", "p1:4"}}).find("stands behind until") != std::string::npos);
    CHECK(web.read(Json{{"cursor", "p1:4"}, {"until", "p1:4"}}) == "");
    CHECK(web.read(Json{{"since", "1h"}, {"until", "1m"}}) == "");
}

TEST_CASE("a cursor behind the end of the log is refused, and not waited at") {
    Reading web;
    web.log.out("one\ntwo\n");
    CHECK(web.read(Json{{"cursor", "p1:8"}}) == "");
    CHECK(web.read(Json{{"until", "p1:8"}}) == "one\ntwo\n");
    const auto refusal = [&](const char* tool, Json arguments) {
        arguments["process"] = "p1";
        const Json answer = web.daemon.call(tool, arguments);
        CHECK(tests::error_code(answer) == "invalid");
        return answer["content"][0]["text"].get<std::string>();
    };
    const std::string why =
        ": \"p1:9\" stands behind the end of its output, p1:8; use the next cursor of an answer about p1, unchanged";
    CHECK(refusal("get_process_output", Json{{"cursor", "p1:9"}}) == "invalid: cursor" + why);
    CHECK(refusal("get_process_output", Json{{"cursor", "p1:9"}, {"grep", "o"}}) == "invalid: cursor" + why);
    CHECK(refusal("get_process_output", Json{{"until", "p1:9"}}) == "invalid: until" + why);
    const Json pattern{{"until", "pattern"}, {"pattern", "two"}, {"cursor", "p1:9"}};
    CHECK(refusal("wait_for_process", pattern) == "invalid: cursor" + why);
}

TEST_CASE("a run that a process has not had is refused, and not shown as empty") {
    Reading web;
    for (const char* run : {"p1.7", "7"}) {
        const Json answer = web.daemon.call("get_process_output", Json{{"process", "p1"}, {"run", run}});
        CHECK(tests::error_code(answer) == "not_found");
        CHECK(answer["content"][0]["text"] == "not_found: run: p1 has no run 7; its newest is p1.1");
    }
}

TEST_CASE("the clean view folds and cuts, the raw one does not") {
    Reading web;
    const std::string long_line(600, 'x');
    for (int i = 0; i < 20; ++i) web.log.out(fmt::format("\x1b[32mGET\x1b[0m /health 200 in {} ms\n", i + 1));
    web.log.out(long_line + "\n");
    CHECK(web.read().starts_with("[1 line as below, 19 times]\nGET /health 200 in 20 ms\nxxx"));
    CHECK(web.meta["lines"] == 2);
    CHECK(web.meta["omitted_before"] == 0);
    const std::string raw = web.read(Json{{"view", "raw"}});
    CHECK(raw.starts_with("\x1b[32mGET\x1b[0m /health 200 in 1 ms\n"));
    CHECK(raw.ends_with("\n" + long_line + "\n"));
    CHECK(web.meta["lines"] == 21);
}

}  // namespace reading_test
