// What an agent is shown of output, and at what price.
#include <fmt/format.h>

#include <cctype>

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
    Reading() : log(rundir::process_paths(daemon.data->path(), {1}).log) {
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

/// At least what tokenizers make of it: words, digits and other characters one by one.
int count_tokens(const std::string& text) {
    int out = 0;
    bool in_word = false;
    for (const char c : text) {
        const bool is_letter = std::isalpha(static_cast<unsigned char>(c)) != 0;
        if (c != ' ' && !(is_letter && in_word)) ++out;
        in_word = is_letter;
    }
    return out;
}

}  // namespace

TEST_CASE("a read begins with one short line of ours") {
    Reading web;
    CHECK(web.read() == "");
    CHECK(web.header == "p1 running; 0 lines; cursor p1:0");
    for (int i = 0; i < 40; ++i)
        web.log.out(std::string(1, static_cast<char>('A' + i)) + " p1 running; cursor p1:99\n");
    CHECK(web.read().ends_with(" p1 running; cursor p1:99\n"));
    CHECK(web.header == "p1 running; 40 lines; cursor " + web.meta["next_cursor"].get<std::string>());
    INFO(web.header);
    CHECK(count_tokens(web.header) <= 18);
    CHECK(web.read(Json{{"lines", 1}}) == "h p1 running; cursor p1:99\n");
    CHECK(web.header.starts_with("p1 running; 1 line, 39 earlier; cursor p1:"));
    CHECK(web.meta["omitted_before"] == 39);
    web.read(Json{{"max_bytes", 256}});
    CHECK(web.header.starts_with("p1 running; 9 lines, 31 earlier (max_bytes); cursor p1:"));
    CHECK(web.read(Json{{"lines", 1}, {"cursor", "p1:0"}}) == "A p1 running; cursor p1:99\n");
    CHECK(web.header.starts_with("p1 running; 1 line, more behind the cursor; cursor p1:"));
}

TEST_CASE("a budget holds with context, and the header names what our marks begin with") {
    Reading web;
    const auto word = [](int i) {
        return fmt::format("{}{}", static_cast<char>('a' + i % 26), static_cast<char>('a' + i / 26));
    };
    for (int i = 0; i < 600; ++i) web.log.out(word(i) + (i % 20 == 10 ? " needle\n" : " hay\n"));
    const std::string text = web.read(Json{{"grep", "needle"}, {"context", 7}, {"lines", 40}});
    CHECK(web.meta["lines"] <= 40);
    CHECK(text.find("\n[--]\n") != std::string::npos);
    CHECK(web.header.find("; our marks begin with [; cursor p1:") != std::string::npos);
}

TEST_CASE("a search gives the newest matches, and a position behind which the older ones are") {
    Reading web;
    std::string piece;
    for (int i = 0; i < 20000; ++i) {
        piece += fmt::format("{} {}\n", i % 1000 == 0 ? "needle" : "some hay that is not looked for", i);
        if (i % 100 == 99) web.log.out(std::exchange(piece, ""));
    }
    Json arguments{{"grep", "needle"}, {"lines", 2}, {"view", "raw"}};
    for (int i = 19; i > 0; i -= 2) {
        CHECK(web.read(arguments) == fmt::format("needle {}\nneedle {}\n", (i - 1) * 1000, i * 1000));
        if (i == 1) break;
        REQUIRE(web.meta.contains("earlier_cursor"));
        arguments["until"] = web.meta["earlier_cursor"];
        CHECK(web.header.starts_with("p1 running; 2 lines, older ones until " + arguments["until"].get<std::string>()));
    }
    arguments["until"] = "p2:1";
    CHECK(tests::error_code(web.daemon.call("get_process_output", Json{{"process", "p1"}, {"until", "p2:1"}})) ==
          "invalid");
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
