#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>

#include "cli/environment.hpp"
#include "cli/format/cells.hpp"
#include "cli/format/ending.hpp"
#include "cli/format/json_text.hpp"
#include "cli/format/output_text.hpp"
#include "cli/format/process_table.hpp"
#include "cli/format/process_text.hpp"
#include "common/base/text.hpp"
#include "common/ops/client_operations.hpp"
#include "tests/support/catch.hpp"

namespace format_test {

using namespace persistproc;
using namespace persistproc::cli;
using logstore::Follower;
using logstore::Stream;

namespace {

const WallTime now = base::parse_rfc3339("2026-11-20T12:00:00Z").value();

ProcessView web() {
    ProcessView view;
    view.id = "p1";
    view.label = "web";
    view.command = {"npm", "run", "dev server"};
    view.working_directory = "/srv/app";
    view.state = ProcessState::running;
    view.pid = 4711;
    view.started_at = now - std::chrono::minutes(5) - std::chrono::seconds(2);
    view.run = "p1.2";
    view.restarts = 1;
    view.ports = {3000, 3001};
    view.cpu_percent = 1.25;
    view.memory_bytes = 48 << 20;
    view.log_path = "/data/procs/p1/log/00000001.log";
    return view;
}

ProcessView worker() {
    ProcessView view;
    view.id = "p12";
    view.label = "wörker in /srv";
    view.command = {"wörker"};
    view.state = ProcessState::stopped;
    view.signal = "SIGTERM";
    view.reason = OutcomeReason::stopped;
    view.stopped_by = "claude-code";
    return view;
}

std::string table_of(std::vector<ProcessView> views, const format::TextStyle& style = {}) {
    return format::process_table({std::move(views), 0}, now, style);
}

Follower::Item piece(Stream stream, std::string bytes, std::uint8_t flags = 0, std::int64_t wall_ns = 0) {
    Follower::Item item;
    item.stream = stream;
    item.bytes = std::move(bytes);
    item.flags = flags;
    item.run = 1;
    item.wall_ns = wall_ns;
    return item;
}

/// What both streams get, "O:" and "E:" before each change.
std::string shown(format::OutputView& view, const std::vector<Follower::Item>& items) {
    std::vector<format::Chunk> chunks;
    for (const auto& item : items) view.take(item, chunks);
    view.finish(chunks);
    std::string out;
    for (const auto& chunk : chunks) out += (chunk.fd == STDERR_FILENO ? "E:" : "O:") + chunk.bytes;
    return out;
}

const std::vector<Follower::Item> interrupted = {
    piece(Stream::out, "begin "), piece(Stream::out, "\n", logstore::separator), piece(Stream::err, "oops\n"),
    piece(Stream::out, "end\n", logstore::line_continues)};

}  // namespace

TEST_CASE("the table of processes") {
    const std::string expected =
        "ID   LABEL           STATE     PID  UPTIME  RESTARTS  PORTS       CPU    MEMORY  DIRECTORY\n"
        "p1   web             running  4711   5m 2s         1  3000,3001  1.2%  48.0 MiB  /srv/app\n"
        "p12  wörker in /srv  stopped\n";
    CHECK(table_of({web(), worker()}) == expected);
    CHECK(table_of({}) == "no processes\n");
    const std::string wide = table_of({web(), worker()}, format::TextStyle{.wide = true});
    CHECK(wide.find("  npm run 'dev server'") != std::string::npos);
    CHECK(wide.find("STARTED BY  DESCRIPTION\n") != std::string::npos);
    CHECK(table_of({web()}, format::TextStyle{.colour = true}).find("\x1b[32mrunning\x1b[0m") != std::string::npos);
}

TEST_CASE("one process in full, and in a line") {
    ops::ProcessDetails details;
    static_cast<ProcessView&>(details) = web();
    const std::string text = format::process_details(details, now, format::TextStyle{});
    CHECK(text.find("command            npm run 'dev server'\n") != std::string::npos);
    CHECK(text.find("started            2026-11-20T11:54:58.000Z (5m 2s ago)\n") != std::string::npos);
    CHECK(format::process_line(web()) == "p1 (web) is running, PID 4711");
    details.ports = {10001, 10002, 10003, 10004, 10005, 10006, 10007};
    const std::string narrow = format::process_details(details, now, format::TextStyle{.width = 58});
    CHECK(narrow.find("ports              10001,10002,10003,10004,10005,10006,\n                   10007\n") !=
          std::string::npos);
    CHECK(format::joined_line(web()) == "p1 (web) is running, PID 4711 already");
    ProcessView replaced = web();
    replaced.causes = {Cause{.code = CauseCode::shim_replaced, .count = 1, .bytes = 0}};
    CHECK(format::joined_line(replaced) ==
          "p1 (web) is running, PID 4711 already: its shim was killed and replaced; nothing is missing");
    CHECK(format::process_line(worker()) == "p12 (wörker in /srv) stopped by claude-code (SIGTERM)");
    details.first_signal = "SIGTERM";
    details.grace = 0.5;
    CHECK(format::process_details(details, now, format::TextStyle{}).find("SIGTERM, SIGKILL after 500ms\n") !=
          std::string::npos);
    // One that was stopped while it waited to run again, after its last run had ended by itself.
    ProcessView called_off = worker();
    called_off.state = ProcessState::exited;
    called_off.signal.reset();
    called_off.exit_code = 7;
    called_off.reason = OutcomeReason::self;
    called_off.stopped_by.clear();
    called_off.causes = {Cause{.code = CauseCode::called_off, .by = "claude-code"}};
    CHECK(format::process_line(called_off) ==
          "p12 (wörker in /srv) exited with code 7: stopped by claude-code after it had ended");
    CHECK(table_of({called_off}).find("exited 7, stopped\n") != std::string::npos);
    called_off.causes.front().by = "persistproc 0.1.0";
    CHECK(format::process_line(called_off) ==
          "p12 (wörker in /srv) exited with code 7: stopped by you after it had ended");
    ProcessView crashing = web();
    crashing.started_at = now - std::chrono::milliseconds(1200);
    crashing.causes = {Cause{.code = CauseCode::quick_failures, .count = 6, .seconds = 10}};
    CHECK(table_of({crashing}).find("running, 6 short runs  4711") != std::string::npos);
    CHECK(table_of({crashing}).find("shorter") == std::string::npos);
    CHECK(table_of({crashing}, format::TextStyle{.colour = true}).find("\x1b[32m") == std::string::npos);
    static_cast<ProcessView&>(details) = crashing;
    CHECK(format::process_details(details, now, format::TextStyle{})
              .find("state              running for 1.2 s: 6 runs in a row were shorter than 10s\n") !=
          std::string::npos);
    ProcessView waiting = called_off;
    waiting.state = ProcessState::backoff;
    waiting.causes = {Cause{.code = CauseCode::runs_again, .count = 1, .most = 8, .at = base::wall_now()}};
    CHECK(format::process_line(waiting).find(": restarts in ") != std::string::npos);
    CHECK(format::process_line(waiting).find("runs again at") == std::string::npos);
    ProcessView without = called_off;
    without.state = ProcessState::failed;
    without.project = domain::ProjectPlace{"shop", "/srv/my shop/persistproc.toml", "api"};
    without.causes = {Cause{.code = CauseCode::dependency, .text = "db"}};
    static_cast<ProcessView&>(details) = without;
    CHECK(format::process_details(details, now, format::TextStyle{})
              .find("persistproc up -C '/srv/my shop' api begins it once what it needs is there\n") !=
          std::string::npos);
    ProcessView tricky = web();
    tricky.label = "a\x1b[2Jb";
    CHECK(table_of({tricky}).find('\x1b') == std::string::npos);
    CHECK(format::format_bytes(1023) == "1023 B");
    CHECK(format::format_bytes(1536) == "1.5 KiB");
}

TEST_CASE("words of a newer daemon are shown as they are, and what is known besides") {
    ProcessView view = worker();
    view.stopped_by.clear();
    view.state = schema::Open<ProcessState>::from_word("snoozed");
    view.reason = schema::Open<OutcomeReason>::from_word("snoozed");
    CHECK(format::process_line(view) == "p12 (wörker in /srv) snoozed (killed by SIGTERM)");
    CHECK(format::ending_text(view, now) == "p12 (wörker in /srv) was killed by SIGTERM (snoozed)");
    view.state = ProcessState::killed;
    CHECK(format::process_line(view) == "p12 (wörker in /srv) killed by SIGTERM (snoozed)");
    CHECK(format::ending_text(view, now) == "p12 (wörker in /srv) was killed by SIGTERM (snoozed)");
    ops::ProcessDetails details;
    static_cast<ProcessView&>(details) = view;
    details.restart_policy = schema::Open<domain::RestartPolicy>::from_word("when_moon");
    details.most_quick_failures = 8;
    CHECK(format::process_details(details, now, format::TextStyle{}).find("restart policy     when_moon\n") !=
          std::string::npos);
}

TEST_CASE("several waits: what stands for which, and the exit status") {
    const auto came = [](const char* process, int status) {
        format::WaitLine line{.target = process, .came = ops::WaitMeta{}, .failed = {}, .status = status};
        line.came->process = process;
        return line;
    };
    const auto failed = [](const char* process, ErrorCode code, int status) {
        return format::WaitLine{.target = process, .came = {}, .failed = Error{code, "no"}, .status = status};
    };
    const auto ok = came("p1", 0), ended = came("p2", 3);
    // Of what came only what there is.
    CHECK(format::wait_json(ok).find("null") == std::string::npos);
    CHECK(format::waits_json({ok, ended}).find("null") == std::string::npos);
    const auto late = failed("p3", ErrorCode::timeout, 124), gone = failed("nope", ErrorCode::not_found, 125);
    struct Row {
        std::vector<format::WaitLine> waits;
        int status;
        const char* error;  // the code beside the list
    };
    const Row rows[] = {
        {{ok, ok}, 0, nullptr},
        {{ok, ended}, 3, nullptr},
        {{late, ended}, 124, "timeout"},
        {{ended, late}, 3, "timeout"},
        {{ok, gone, late}, 125, "not_found"},
        {{late, gone, ok}, 124, "timeout"},
        {{ok, ended, gone}, 3, "not_found"},
    };
    for (const Row& row : rows) {
        const std::string text = format::waits_json(row.waits);
        INFO(text);
        CHECK(format::wait_status(row.waits) == row.status);
        // One after the other, each with what it alone would have ended with.
        std::size_t at = 0;
        for (const auto& each : row.waits) {
            at = text.find(fmt::format("\"process\":\"{}\"", each.target), at);
            REQUIRE(at != std::string::npos);
            at = text.find(fmt::format("\"exit_status\":{}", each.status), at);
            REQUIRE(at != std::string::npos);
        }
        const std::size_t error = text.rfind("}],\"error\":{\"code\":\"");
        CHECK((error != std::string::npos) == (row.error != nullptr));
        if (row.error != nullptr) CHECK(text.find(row.error, error) != std::string::npos);
    }
}

TEST_CASE("a wait that failed tells what is known of the run") {
    format::WaitLine line{.target = "p1", .came = {}, .failed = Error{ErrorCode::conflict, "no"}, .status = 1};
    CHECK(format::wait_failed_json(line) == format::error_json(*line.failed));
    // Of which nothing is known.
    line.failure.emplace();
    CHECK(format::wait_failed_json(line) == format::error_json(*line.failed));
    line.failure->held_port = 3000;
    line.failure->text = "port 3000 is held";
    line.printed.emplace().message = "ValueError: no";
    for (const std::string& text : {format::wait_failed_json(line), format::waits_json({line})}) {
        INFO(text);
        CHECK(text.find("\"held_port\":3000") != std::string::npos);
        CHECK(text.find("\"printed\":{\"message\":\"ValueError: no\"") != std::string::npos);
    }
}

TEST_CASE("what is too long for a terminal goes on below itself") {
    ops::ProcessDetails details;
    static_cast<ProcessView&>(details) = web();
    details.command = {"/opt/tools/bin/a-program-with-a-long-name", "--flag=" + std::string(60, 'x'), "last"};
    details.working_directory = "/home/ann/projects/shop/services/payments/支付/backend";
    details.state = ProcessState::failed;
    details.pid.reset();
    details.causes = {Cause{.code = CauseCode::start_failed, .stage = "execve", .os_error = ENOENT}};
    for (const int width : {40, 50, 60}) {
        const std::string text = format::process_details(details, now, format::TextStyle{.width = width});
        INFO(text);
        std::string whole;
        for (std::size_t at = 0; at < text.size();) {
            const std::size_t end = text.find('\n', at);
            const std::string line = text.substr(at, end - at);
            CHECK(format::cells_of(line) <= static_cast<std::size_t>(width));
            whole += line.substr(std::min<std::size_t>(line.size(), 19));
            at = end + 1;
        }
        std::erase(whole, ' ');
        CHECK(whole.find(details.working_directory) != std::string::npos);
        CHECK(whole.find(std::string(60, 'x') + "last") != std::string::npos);
        CHECK(whole.find("/opt/tools/bin/a-program-with-a-long-name:Nosuch") != std::string::npos);
    }
}

TEST_CASE("documents are one line of JSON each") {
    CHECK(format::error_json(Error{ErrorCode::not_found, "no \"x\""}) ==
          "{\"error\":{\"code\":\"not_found\",\"message\":\"no \\\"x\\\"\"}}\n");
    CHECK(format::views_json({}) == "{\"processes\":[]}\n");
    const std::string view = format::view_json(web());
    CHECK(view.find("\"id\":\"p1\"") != std::string::npos);
    CHECK(view.find("\"ready\":null") != std::string::npos);
    CHECK(view.find('\n') == view.size() - 1);
    logstore::Line line;
    line.text = "a\xff";
    line.stream = Stream::err;
    line.run = 2;
    format::OutputStyle style;
    style.process_id = "p1";
    CHECK(format::line_text(line, style, true) ==
          "{\"time\":null,\"stream\":\"stderr\",\"run\":\"p1.2\",\"text\":\"a\xEF\xBF\xBD\"}\n");
    CHECK(format::lines_begin_json("p1") + format::lines_end_json("p1:2", 3, 4) ==
          "{\"process\":\"p1\",\"lines\":[],\"next_cursor\":\"p1:2\",\"evicted_bytes\":3,\"lost_bytes\":4}\n");
    CHECK(format::lines_begin_json("p1") + format::lines_failed_json(Error{ErrorCode::io, "x"}) ==
          "{\"process\":\"p1\",\"lines\":[],\"error\":{\"code\":\"io\",\"message\":\"x\"}}\n");
}

TEST_CASE("bytes go where the program sent them; the separator belongs to the combined view") {
    format::OutputStyle style;
    style.process_id = "p1";
    style.split = true;
    CHECK(shown(*format::make_byte_view(style), interrupted) == "O:begin E:oops\nO:end\n");
    style.one_screen = true;
    CHECK(shown(*format::make_byte_view(style), interrupted) == "O:begin O:\nE:oops\nO:end\n");
    style.split = false;
    CHECK(shown(*format::make_byte_view(style), interrupted) == "O:begin O:\nO:oops\nO:end\n");
    // Nothing that is shown has begun the line.
    const std::vector<Follower::Item> from_separator(interrupted.begin() + 1, interrupted.end());
    CHECK(shown(*format::make_byte_view(style), from_separator) == "O:oops\nO:end\n");
    style.choice = logstore::StreamChoice::out;
    CHECK(shown(*format::make_byte_view(style), interrupted) == "O:begin O:end\n");
}

TEST_CASE("to a terminal escapes other than colour are shown, even when they come in pieces") {
    format::OutputStyle style;
    style.escape_out = true;
    style.one_screen = true;
    auto view = format::make_byte_view(style);
    const std::string text =
        shown(*view, {piece(Stream::out, "a\x1b"), piece(Stream::out, "]0;title\x07"), piece(Stream::out, "\xC3"),
                      piece(Stream::out, "\xA4\x1b[3"), piece(Stream::out, "1mred\x1b[0m\n")});
    CHECK(text.find("\x1b]") == std::string::npos);
    CHECK(text.find("\x1b[31mred") != std::string::npos);
    CHECK(text.find("ä") != std::string::npos);
    CHECK(format::incomplete_suffix("abc") == 0);
    CHECK(format::incomplete_suffix("abc\x1b") == 1);
    CHECK(format::incomplete_suffix("abc\x1b[1;3") == 5);
    CHECK(format::incomplete_suffix("abc\x1b[1m") == 0);
    // Where sequences are dropped none may be cut, be it a title.
    constexpr auto dropped = base::Sequences::dropped;
    CHECK(format::incomplete_suffix("abc\x1b]0;title", dropped) == 9);
    CHECK(format::incomplete_suffix("abc\x1b[?25", dropped) == 5);
    CHECK(format::incomplete_suffix("abc\x1b[?25l", dropped) == 0);
    CHECK(format::incomplete_suffix("\xE2\x82") == 2);
    CHECK(format::incomplete_suffix("\xE2\x82\xAC") == 0);
    CHECK(format::incomplete_suffix("\x80\x80\x80\x80") == 0);
}

TEST_CASE("a program's own colours are left out where none are wanted, wherever they are cut") {
    const std::string text = "\x1b[1;31mred\x1b[0m \x1b[2K\x1b[m\xc3\xa9\x1b[38:5:1mend\x1b\n\x1b[";
    const std::string plain =
        "red \x1b[2K\xc3\xa9"
        "end\x1b\n\x1b[";
    CHECK(base::without_colours(text) == plain);
    format::OutputStyle style;
    style.plain_out = true;
    for (std::size_t cut = 0; cut <= text.size(); ++cut) {
        auto view = format::make_byte_view(style);
        std::string out;
        std::vector<format::Chunk> chunks;
        view->take(piece(Stream::out, text.substr(0, cut)), chunks);
        view->take(piece(Stream::out, text.substr(cut)), chunks);
        view->finish(chunks);
        for (const auto& chunk : chunks) out += chunk.bytes;
        INFO(cut);
        CHECK(out == plain);
    }
    logstore::Line line;
    line.text = text.substr(0, text.find('\n'));
    CHECK(format::line_text(line, style, false) == plain.substr(0, plain.find('\n') + 1));
    CHECK(format::line_text(line, style, true).find("[1;31m") != std::string::npos);
    style.escape_out = true;
    CHECK(format::line_text(line, style, false) ==
          "red \\x1b[2K\xc3\xa9"
          "end\\x1b\n");
}

TEST_CASE("times stand before lines, once per line") {
    format::OutputStyle style;
    style.timestamps = true;
    style.events = true;
    style.one_screen = true;
    style.process_id = "p1";
    auto view = format::make_byte_view(style);
    const std::int64_t ns = base::to_ns(now);
    Follower::Item ended;
    ended.event = logstore::Event::exited;
    ended.flags = logstore::event;
    ended.value = 7;
    ended.run = 1;
    ended.wall_ns = ns;
    const std::string at = base::format_local_time(now) + " ";
    CHECK(shown(*view, {piece(Stream::out, "a\nb", 0, ns), piece(Stream::out, "c", 0, ns), ended}) ==
          "O:" + at + "a\n" + at + "bO:cO:\n" + at + "-- p1.1 exited with code 7\n");
}

TEST_CASE("a carriage return of a program leads to no column before its text") {
    format::OutputStyle style;
    style.escape_out = true;
    style.process_id = "p1";
    const std::int64_t ns = base::to_ns(now);
    const std::string at = base::format_local_time(now) + " ";
    logstore::Line line;
    line.text = "ok\r\rstate  running\r";
    line.wall_ns = ns;
    CHECK(format::line_text(line, style, false) == "ok\r\rstate  running\r\n");
    style.before = "  ";
    CHECK(format::line_text(line, style, false) == "  state  running\n");
    style.before.clear();
    style.timestamps = true;
    CHECK(format::line_text(line, style, false) == at + "state  running\n");
    const auto piecewise = [&](std::vector<std::string> pieces) {
        std::vector<Follower::Item> items;
        for (const auto& each : pieces) items.push_back(piece(Stream::out, each, 0, ns));
        std::string out;
        std::vector<format::Chunk> chunks;
        auto view = format::make_byte_view(style);
        for (const auto& item : items) view->take(item, chunks);
        view->finish(chunks);
        for (const auto& chunk : chunks) out += chunk.bytes;
        return out;
    };
    const std::string again = "\r\x1b[K" + at;
    CHECK(piecewise({"a\rb\r\nc\r\n"}) == at + "b\n" + at + "c\n");
    CHECK(piecewise({"1%", "\r2%", "\r\r3%\n", "x"}) == at + "1%" + again + "2%" + again + "3%\n" + at + "x");
    CHECK(piecewise({"1%\r", "2%\r", "\n", "\rx"}) == at + "1%" + again + "2%\n" + at + "x");
}

TEST_CASE("what is missing of one log is said as of several") {
    const format::OutputStyle style;
    Follower::Item gone;
    gone.evicted_bytes = 9;
    const std::string said = "E:persistproc: 9 bytes before this are gone";
    CHECK(shown(*format::make_byte_view(style), {gone}).starts_with(said));
    CHECK(shown(*format::make_line_view(style, {}, false), {gone}).starts_with(said));
    CHECK(shown(*format::make_line_view(style, {}, true), {gone})
              .starts_with(R"(O:{"event":"removed","bytes":9,"text":"9 bytes before this are gone)"));
}

TEST_CASE("the line view joins pieces and searches them") {
    format::OutputStyle style;
    style.process_id = "p1";
    logstore::LineQuery query;
    query.grep = "n";
    auto filter = logstore::LineFilter::make(query);
    // A search sees the lines of each stream whole, as one that follows nothing does.
    CHECK(shown(*format::make_line_view(style, std::move(*filter), false), interrupted) == "O:begin end\n");
    query.grep = "";
    filter = logstore::LineFilter::make(query);
    CHECK(shown(*format::make_line_view(style, std::move(*filter), false), interrupted) == "O:oops\nO:begin end\n");
    style.choice = logstore::StreamChoice::out;
    CHECK(shown(*format::make_line_view(style, {}, false), interrupted) == "O:begin end\n");
}

TEST_CASE("the line view looks at a very long line in parts, which neither begin nor end it") {
    const format::OutputStyle style;
    const std::size_t part = 1u << 20;
    const std::vector<Follower::Item> items{piece(Stream::out, std::string(part - 3, 'a') + "nee"),
                                            piece(Stream::out, "dle" + std::string(part - 3, 'b')),
                                            piece(Stream::out, "c\nd\n")};
    const auto lines_with = [&](const std::string& pattern, logstore::LookLimits limits) {
        logstore::LineQuery query;
        query.grep = pattern;
        auto filter = logstore::LineFilter::make(query, std::move(limits));
        return shown(*format::make_line_view(style, std::move(*filter), false), items);
    };
    for (const std::string pattern : {"^dle", "nee$", "^c", "b$", "\\bc"}) CHECK(lines_with(pattern, {}).empty());
    CHECK(lines_with("aneedleb", {}).find("aneedleb") != std::string::npos);
    CHECK(lines_with("^d|c$", {}).ends_with("bc\nO:d\n"));

    // A slow pattern is given little at once, and one line no more time than it may take.
    const std::string slow = "needle|[ab]{900}Z|d$";
    std::size_t passed = 0;
    logstore::LookLimits limits;
    limits.of_line = std::chrono::nanoseconds(1);
    limits.on_passed = [&] { ++passed; };
    CHECK(lines_with(slow, limits) == "O:d\n");
    CHECK(passed > 0);
    // So it is looked at in parts of its own, whose borders are none of the line.
    const auto is_shown = [&](const std::string& pattern) {
        logstore::LineQuery query;
        query.grep = pattern + "|[ab]{900}Z";
        const auto most = logstore::LinePattern::compile(*query.grep).value().longest_text();
        auto filter = logstore::LineFilter::make(query);
        const std::string line = std::string(most - 3, 'a') + "needle" + std::string(100, 'b') + "\n";
        return !shown(*format::make_line_view(style, std::move(*filter), false), {piece(Stream::out, line)}).empty();
    };
    for (const std::string pattern : {"^dle", "nee$", "\\bdle"}) CHECK_FALSE(is_shown(pattern));
    CHECK(is_shown("aneedleb"));
    // Who gives up waits for no look.
    std::size_t asked = 0;
    limits.is_over = [&] { return ++asked > 0; };
    passed = 0;
    CHECK(lines_with(slow, limits).empty());
    CHECK(passed == 0);
}

TEST_CASE("a part of a very long line that stands around its match is shown once") {
    const format::OutputStyle style;
    const std::size_t part = 1u << 20;
    const auto head = piece(Stream::out, std::string(part - 3, 'a') + "nee");
    const auto rest = piece(Stream::out, "dle\nother\n");
    const auto err = [](const std::string& line) { return piece(Stream::err, line + "\n"); };
    const std::vector<std::vector<Follower::Item>> logs{
        {piece(Stream::out, "quiet\n"), head, rest},
        {head, err("quiet"), rest},
        // It stands behind a match that was shown before.
        {piece(Stream::out, "needle\n"), head, rest},
        {err("needle"), head, rest},
        {head, err("needle"), rest},
    };
    const auto text_of = [&](const std::vector<Follower::Item>& log) {
        logstore::LineQuery query;
        query.grep = "needle";
        query.context = 2;
        auto filter = logstore::LineFilter::make(query);
        return shown(*format::make_line_view(style, std::move(*filter), false), log);
    };
    for (const auto& log : logs) {
        const std::string text = text_of(log);
        INFO(&log - logs.data());
        CHECK(std::count(text.begin(), text.end(), 'a') == static_cast<std::ptrdiff_t>(part) - 3);
        CHECK(text.ends_with("dle\nO:other\n"));
    }
    // It is no context any more.
    const std::string text = text_of({head, err("1"), err("2"), err("3"), rest});
    CHECK(text.ends_with("needle\nO:other\n"));
    CHECK(text.size() < part);
}

TEST_CASE("what is ours is not inherited") {
    const char* own[] = {"PATH=/bin",       "PERSISTPROC_PORT=1", "NOTIFY_SOCKET=x", "LISTEN_FDS=1",
                         "INVOCATION_ID=1", "JOURNAL_STREAM=1",   "LISTENER=1",      nullptr};
    CHECK(inherited_environment(own) == std::vector<std::string>{"PATH=/bin", "LISTENER=1"});
}

}  // namespace format_test
