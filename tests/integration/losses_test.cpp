// What people and agents are told of output that is missing.
#include "common/rundir/paths.hpp"
#include "tests/integration/daemon_in_process.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/written_log.hpp"

namespace losses_test {

using namespace persistproc;
using tests::DaemonInProcess;
using tests::Json;

namespace {

/// One running process, "web", with a log of ours.
struct Recorded {
    Recorded() : log(rundir::process_paths(daemon.data->path(), {1}).log) {
        const Json start{{"command", Json::array({"a", "x"})}, {"working_directory", "/"}, {"label", "web"}};
        daemon.call("start_process", start);
    }
    void change(std::uint8_t recording, int error, bool has_gaps) {
        const auto shim = daemon.shims.find(RunId{{1}, 1});
        shim->state.recording = static_cast<rundir::Recording>(recording);
        shim->state.recording_errno = static_cast<std::uint8_t>(error);
        shim->state.has_gaps = has_gaps ? 1 : 0;
        shim->push(rundir::MessageType::state);
        daemon.run_until([&] { return shim->outbox.empty(); });
    }
    /// The causes in the view; none where they are null.
    Json causes() {
        daemon.advance(std::chrono::seconds(1));
        const Json listed = daemon.call("list_processes", Json::object());
        return listed["structuredContent"]["processes"][0].value("causes", Json());
    }
    std::string output(Json arguments = Json::object()) {
        arguments["process"] = "web";
        answer = daemon.call("get_process_output", arguments);
        const std::string text = answer["content"][0]["text"];
        return text.substr(text.find('\n') + 1);
    }
    DaemonInProcess daemon;
    tests::WrittenLog log;
    Json answer;
};

}  // namespace

TEST_CASE("a view says how recording stands and what is missing") {
    Recorded web;
    web.log.out("one\n");
    CHECK(web.causes().is_null());
    web.change(1, ENOSPC, true);
    CHECK(web.causes() == Json::array({{{"code", "output_dropped"}, {"os_error", ENOSPC}}, {{"code", "output_lost"}}}));
    web.log.lose(logstore::Stream::out, 4096);
    web.log.out("two\n");
    web.change(0, 0, true);
    web.daemon.shims.find(RunId{{1}, 1})->end(0);
    CHECK(web.causes() == Json::array({{{"code", "output_lost"}, {"bytes", 4096}}}));
}

TEST_CASE("a device that failed, and a shim that was replaced, are told of") {
    Recorded web;
    web.change(2, EIO, false);
    CHECK(web.causes() == Json::array({{{"code", "log_device_error"}, {"os_error", EIO}}}));
    web.log.event(logstore::Event::taken_over, 65536);
    const auto shim = web.daemon.shims.find(RunId{{1}, 1});
    shim->state.successors = 1;
    web.change(0, 0, false);
    shim->end(3);
    CHECK(web.causes() == Json::array({{{"code", "shim_replaced"}, {"count", 1}, {"bytes", 65536}}}));
}

TEST_CASE("output shows the place of what is missing, and does not count it as a line") {
    Recorded web;
    web.log.out("one\n");
    web.log.lose(logstore::Stream::out, 4096);
    web.log.out("two\n");
    web.log.event(logstore::Event::taken_over, 65536);
    web.log.out("three\n");
    CHECK(web.output() ==
          "one\n[4096 bytes were lost here: they could not be recorded, or cannot be read any more]\ntwo\n"
          "[the shim was killed and another took over here: at most 65536 bytes may be missing]\nthree\n");
    CHECK(web.answer["_meta"]["persistproc/result"]["lines"] == 3);
    CHECK(web.answer["_meta"]["persistproc/result"]["lost_bytes"] == 4096);
    CHECK(web.answer["content"][0]["text"].get<std::string>().find("4096 bytes were lost here") != std::string::npos);
    // The last lines, with what is missing between them.
    CHECK(web.output(Json{{"lines", 1}}) == "three\n");
    CHECK(web.output(Json{{"grep", "t"}}) == "[4096 bytes lost (full disk or damaged log)]\ntwo\nthree\n");
    // Page by page nothing is told twice.
    std::string all;
    Json arguments{{"lines", 1}, {"cursor", "p1:0"}};
    for (int page = 0; page < 3; ++page) {
        all += web.output(arguments);
        arguments["cursor"] = web.answer["_meta"]["persistproc/result"]["next_cursor"];
    }
    CHECK(all == web.output());
}

}  // namespace losses_test
