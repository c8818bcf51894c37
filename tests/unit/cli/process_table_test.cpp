// What `list` and `status` look like on terminals. The pictures are files: PERSISTPROC_WRITE_PICTURES=1 writes them
// anew, and the change is then read like any other.
#include "cli/format/process_table.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "cli/format/cells.hpp"
#include "cli/format/process_text.hpp"
#include "common/base/text.hpp"
#include "common/ops/client_operations.hpp"
#include "tests/support/catch.hpp"

namespace process_table_test {

using namespace persistproc;
using namespace persistproc::cli;
using namespace std::chrono_literals;
using format::TextStyle;

namespace {

const WallTime now = base::parse_rfc3339("2026-11-20T12:00:00Z").value();
constexpr int widths[] = {60, 80, 120, 200};

ProcessView running(std::string id, std::string label, std::string directory) {
    ProcessView view;
    view.id = std::move(id);
    view.command = {"npm", "run", "dev"};
    view.working_directory = std::move(directory);
    view.label = label.empty() ? domain::default_label(view.command, view.working_directory) : std::move(label);
    view.state = ProcessState::running;
    view.pid = 4711;
    view.started_at = now - 5min - 2s;
    view.run = view.id + ".1";
    view.cpu_percent = 1.25;
    view.memory_bytes = 48 << 20;
    view.started_by = "claude-code";
    view.log_path = "/home/ann/.local/state/persistproc/procs/" + view.id + "/log/00000001.log";
    return view;
}

ProcessView ended(std::string id, std::string label, ProcessState state, std::chrono::nanoseconds ago) {
    ProcessView view = running(std::move(id), std::move(label), "/home/ann/shop/services/api");
    view.state = state;
    view.pid.reset();
    view.cpu_percent.reset();
    view.memory_bytes.reset();
    view.ended_at = now - ago;
    return view;
}

std::vector<ProcessView> three() {
    ProcessView web = running("p1", "", "/home/ann/shop/packages/web");
    web.ports = {3000, 3001};
    ProcessView api = running("p2", "api", "/home/ann/shop/services/api");
    api.restarts = 2;
    api.ports = {8080, 9229, 24678, 24679};
    ProcessView crash = ended("p3", "crash", ProcessState::backoff, 2s);
    crash.exit_code = 3;
    crash.restarts = 5;
    crash.causes = {Cause{.code = CauseCode::runs_again, .count = 6, .most = 8, .at = now + 6400ms}};
    return {web, api, crash};
}

/// Every state, and labels of every kind.
std::vector<ProcessView> sixty() {
    const std::string labels[] = {"web",      "支付服务-日本語-ワーカー",
                                  "🚀 rocket", "a-label-that-is-much-longer-than-the-others-and-ends-in-this",
                                  "한국어",   "café",
                                  ""};
    const ProcessState states[] = {ProcessState::running, ProcessState::exited,  ProcessState::killed,
                                   ProcessState::stopped, ProcessState::gave_up, ProcessState::starting};
    std::vector<ProcessView> out;
    for (int i = 0; i < 60; ++i) {
        const std::string id = fmt::format("p{}", i + 1);
        std::string label = labels[static_cast<std::size_t>(i) % std::size(labels)];
        if (!label.empty()) label += fmt::format("-{}", i);
        const ProcessState state = states[static_cast<std::size_t>(i) % std::size(states)];
        ProcessView view = domain::is_live(state)
                               ? running(id, label, fmt::format("/home/ann/code/{}/packages/front-end", i))
                               : ended(id, label, state, std::chrono::seconds(i * 45));
        view.state = state;
        if (state == ProcessState::starting) view.memory_bytes = 0;
        if (state == ProcessState::exited) view.exit_code = i / 6 % 3;
        if (state == ProcessState::gave_up && i / 6 % 2 == 0) view.exit_code = 1;
        if (state == ProcessState::killed || (state == ProcessState::gave_up && !view.exit_code))
            view.signal = "SIGSEGV";
        if (state == ProcessState::stopped) view.signal = "SIGTERM";
        out.push_back(std::move(view));
    }
    return out;
}

TextStyle style_of(int width, bool ascii, bool colour) {
    TextStyle style;
    style.width = width;
    style.ascii = ascii;
    style.colour = colour;
    style.home = "/home/ann";
    return style;
}

std::string plain(std::string text) {
    for (std::size_t at = 0; (at = text.find("\x1b[", at)) != std::string::npos;)
        text.erase(at, text.find('m', at) - at + 1);
    return text;
}

void check_fits(const std::string& text, int width) {
    std::size_t at = 0;
    const std::string shown = plain(text);
    while (at < shown.size()) {
        const std::size_t end = shown.find('\n', at);
        const std::string line = shown.substr(at, end - at);
        INFO(line);
        CHECK(format::cells_of(line) <= static_cast<std::size_t>(width));
        at = end + 1;
    }
}

/// Compares with the file, or writes it.
void check_picture(const std::string& name, const std::string& text) {
    const std::filesystem::path file = std::filesystem::path(PERSISTPROC_TEST_DATA) / "pictures" / name;
    if (std::getenv("PERSISTPROC_WRITE_PICTURES") != nullptr) {
        std::filesystem::create_directories(file.parent_path());
        std::ofstream(file) << text;
    }
    std::ifstream stream(file);
    const std::string expected((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
    INFO(file.native());
    CHECK(text == expected);
}

std::string title(std::string_view what, bool ascii, bool colour) {
    return fmt::format("== {}, {}, {}\n", what, ascii ? "ASCII" : "UTF-8", colour ? "colour" : "no colour");
}

std::string visible(std::string text) {
    for (std::size_t at = 0; (at = text.find('\x1b', at)) != std::string::npos;) text.replace(at, 1, "\\e");
    return text;
}

ops::ProcessDetails details_of(ProcessView view) {
    ops::ProcessDetails out;
    static_cast<ProcessView&>(out) = std::move(view);
    out.restart_policy = domain::RestartPolicy::on_failure;
    out.first_signal = "SIGTERM";
    out.grace = 10;
    out.variable_names = {"DATABASE_URL", "PORT"};
    out.most_quick_failures = 8;
    out.healthy_seconds = 10;
    return out;
}

}  // namespace

TEST_CASE("pictures of list") {
    const std::pair<const char*, std::vector<ProcessView>> sets[] = {
        {"0 processes", {}}, {"3 processes", three()}, {"60 processes", sixty()}};
    for (const int width : widths) {
        std::string picture;
        for (const auto& [what, views] : sets)
            for (const bool ascii : {false, true})
                for (const bool colour : {false, true}) {
                    const auto choice = format::choose_processes(views, now, false, format::ListSort::state);
                    const std::string text = format::process_table(choice, now, style_of(width, ascii, colour));
                    check_fits(text, width);
                    CHECK((colour || plain(text) == text));
                    CHECK((!ascii || std::all_of(text.begin(), text.end(), [](char c) { return (c & 0x80) == 0; })));
                    picture += title(what, ascii, colour) + visible(text);
                }
        check_picture(fmt::format("list_{}.txt", width), picture);
    }
}

TEST_CASE("pictures of status") {
    ops::ProcessDetails crash = details_of(ended("p3", "支付服务", ProcessState::gave_up, 90s));
    crash.command = {"node", "--inspect", "server.js", "--config", "configuration/of/the/whole/shop/production.json"};
    crash.exit_code = 3;
    crash.causes = {Cause{.code = CauseCode::quick_failures, .count = 8, .seconds = 10}};
    ops::ProcessDetails web = details_of(three()[0]);
    web.programs = 4;
    ops::ProcessDetails waits = details_of(three()[2]);
    waits.stopped_by = "claude-code";
    for (const int width : widths) {
        std::string picture;
        for (const auto& [what, process] : {std::pair("gave up", crash), {"runs", web}, {"waits", waits}})
            for (const bool ascii : {false, true})
                for (const bool colour : {false, true})
                    picture += title(what, ascii, colour) +
                               visible(format::process_details(process, now, style_of(width, ascii, colour)));
        check_picture(fmt::format("status_{}.txt", width), picture);
    }
}

TEST_CASE("what list shows, and in which order") {
    const auto ids = [](const format::ListChoice& choice) {
        std::string out;
        for (const ProcessView& view : choice.shown) out += view.id + " ";
        return out;
    };
    std::vector<ProcessView> views = {ended("p1", "old", ProcessState::exited, 11min),
                                      ended("p2", "just", ProcessState::stopped, 9min),
                                      ended("p3", "later", ProcessState::exited, 1min),
                                      ended("p4", "broken", ProcessState::gave_up, 48h),
                                      running("p5", "web", "/w"),
                                      running("p10", "api", "/w"),
                                      ended("p11", "left", ProcessState::exited, 48h),
                                      ended("p12", "waits", ProcessState::backoff, 48h)};
    views[5].memory_bytes = 99 << 20;
    views[5].started_at = now - 1h;
    views[6].causes = {Cause{.code = CauseCode::left_running, .count = 1}};
    using format::ListSort;
    const auto some = format::choose_processes(views, now, false, ListSort::state);
    CHECK(ids(some) == "p5 p10 p11 p12 p4 p3 p2 ");
    CHECK(some.ended == 1);
    CHECK(ids(format::choose_processes(views, now, true, ListSort::state)) == "p5 p10 p11 p12 p4 p3 p2 p1 ");
    CHECK(ids(format::choose_processes(views, now, true, ListSort::id)) == "p1 p2 p3 p4 p5 p10 p11 p12 ");
    CHECK(ids(format::choose_processes(views, now, true, ListSort::memory)).starts_with("p10 p5 p1 "));
    CHECK(ids(format::choose_processes(views, now, true, ListSort::uptime)).starts_with("p10 p5 p1 "));
    CHECK(ids(format::choose_processes(views, now, true, ListSort::label)).starts_with("p10 p4 p2 "));

    const auto none = format::choose_processes({views[0]}, now, false, ListSort::state);
    CHECK(format::process_table(none, now, TextStyle{}) == "nothing runs\n1 ended: persistproc list -a\n");
}

TEST_CASE("list tells a reason that only a newer daemon knows, and no age of an end whose time is not known") {
    ProcessView view = ended("p1", "web", ProcessState::killed, 3min);
    view.signal = "SIGTERM";
    view.reason = schema::Open<OutcomeReason>::from_word("ascended");
    const auto table = [&] {
        return format::process_table(format::choose_processes({view}, now, true, format::ListSort::state), now,
                                     TextStyle{});
    };
    CHECK(table().find("killed SIGTERM (ascended), 3m ago") != std::string::npos);
    view.ended_at.reset();
    CHECK(table().find("ago") == std::string::npos);
}

TEST_CASE("list counts in its footer what ended more than ten minutes ago") {
    using format::ListSort;
    std::vector<ProcessView> views = {ended("p1", "web", ProcessState::exited, 9min + 59s),
                                      ended("p2", "api", ProcessState::stopped, 10min + 1s)};
    const auto table = [&](WallTime at) {
        return format::process_table(format::choose_processes(views, at, false, ListSort::state), at, TextStyle());
    };
    const std::string both = table(now - 2s);
    CHECK(both.find("\np1 ") != std::string::npos);
    CHECK(both.find("\np2 ") != std::string::npos);
    CHECK(both.find(" ended: ") == std::string::npos);
    const std::string one = table(now);
    CHECK(one.find("\np1 ") != std::string::npos);
    CHECK(one.find("\np2 ") == std::string::npos);
    CHECK(one.ends_with("\n1 ended: persistproc list -a\n"));
    CHECK(table(now + 2s) == "nothing runs\n2 ended: persistproc list -a\n");
    // What failed is told until somebody looks after it.
    views.push_back(ended("p3", "db", ProcessState::gave_up, 10min + 1s));
    CHECK(table(now).find("\np3 ") != std::string::npos);
}

TEST_CASE("no row is wider than the terminal, whatever stands in it") {
    std::mt19937 random(1);
    const std::string parts[] = {"a",       "b c", "日",      "👩‍💻", "❤️", "é",
                                 "e\u0301", "한",  "\x1b[2J", "\xff",        "/",      "-long-"};
    const auto text = [&] {
        std::string out;
        for (auto n = random() % 40; n-- > 0;) out += parts[random() % std::size(parts)];
        return out.empty() ? std::string("x") : out;
    };
    for (int round = 0; round < 100; ++round) {
        std::vector<ProcessView> views = three();
        for (ProcessView& view : views) {
            view.label = text();
            view.working_directory = "/home/ann/" + text();
            if (random() % 2 == 0)
                view.command = {text()}, view.label = domain::default_label(view.command, view.working_directory);
            view.ports.assign(random() % 9, 54321);
        }
        for (const int width : {1, 9, 20, 40, 60, 80, 200})
            for (const bool ascii : {false, true})
                check_fits(format::process_table({views, 12345}, now, style_of(width, ascii, round % 2 == 0)), width);
    }
}

TEST_CASE("the wide table fits the terminal, too, and keeps its own columns longest") {
    std::vector<ProcessView> views = three();
    views[1].command = {"node", "server.js", "--inspect", "--port", "8080", std::string(60, 'x')};
    views[1].description = "the shop's interface for everything that has to do with orders, 注文";
    for (const int width : {1, 20, 40, 60, 80, 120, 200, 400})
        for (const bool ascii : {false, true}) {
            TextStyle style = style_of(width, ascii, true);
            style.wide = true;
            check_fits(format::process_table({views, 3}, now, style), width);
        }
    TextStyle style = style_of(60, false, false);
    style.wide = true;
    CHECK(format::process_table({views, 0}, now, style).find("COMMAND") != std::string::npos);
    style.width = 80;
    const std::string narrow = format::process_table({views, 0}, now, style);
    INFO(narrow);
    for (const char* part : {"COMMAND", "STARTED BY", "node server", "claude-code"})
        CHECK(narrow.find(part) != std::string::npos);
    style.width = 0;
    CHECK(format::process_table({views, 0}, now, style).find(std::string(60, 'x')) != std::string::npos);
}

TEST_CASE("a long label gets all the room that a directory leaves, and no number is cut") {
    ProcessView view = running("p1", std::string(190, 'x'), "/home/ann/shop/packages/front-end/some/web");
    view.ports = {23100, 23101, 23102, 23103, 23104, 23105, 23106, 23107};
    const std::string text = format::process_table({{view}, 0}, now, style_of(200, false, false));
    const std::size_t row = text.find("p1 ");
    INFO(text);
    CHECK(format::cells_of(text.substr(row, text.find('\n', row) - row)) == 200);
    CHECK(text.find("  23100,23101,23102,23103,23104,23105,…  ") != std::string::npos);
    view.ports = {23100, 23101, 80};
    CHECK(format::process_table({{view}, 0}, now, style_of(200, false, false)).find(" 23100,23101,80 ") !=
          std::string::npos);
}

TEST_CASE("a narrow terminal tells processes without a label apart") {
    std::vector<ProcessView> views;
    const auto add = [&](std::string word, std::string directory) {
        ProcessView view = running(fmt::format("p{}", views.size() + 1), "", std::move(directory));
        view.command = {"python3", "-m", "http.server", std::move(word)};
        view.label = domain::default_label(view.command, view.working_directory);
        view.ports = {3000};
        views.push_back(std::move(view));
    };
    add("8001", "/home/ann/a-shop/packages/web");
    add("8002", "/home/ann/a-shop/packages/web");
    // What has the same command is told by where it runs.
    add("8003", "/home/ann/a-shop/packages/web");
    add("8003", "/home/ann/a-shop/packages/api");
    for (const int width : {40, 50, 60}) {
        const std::string text = format::process_table({views, 0}, now, style_of(width, false, false));
        INFO(text);
        check_fits(text, width);
        for (const char* part : {"001", "002", "web", "api"}) CHECK(text.find(part) != std::string::npos);
        CHECK(text.find("8001 in") == std::string::npos);
    }
    const std::string text = format::process_table({views, 0}, now, style_of(60, false, false));
    CHECK(text.find("python3 -m http.server 8001 ") != std::string::npos);
}

TEST_CASE("a pipe is given everything, and one long label widens no other row") {
    ProcessView long_one = running("p1", std::string(150, 'x'), "/w");
    ProcessView short_one = running("p2", "web", "/home/ann/w");
    const std::string text = format::process_table({{long_one, short_one}, 0}, now, TextStyle{.home = "/home/ann"});
    CHECK(text.find(std::string(150, 'x') + "  running") != std::string::npos);
    const std::size_t second = text.find("p2");
    CHECK(text.size() - second < 130);
    CHECK(text.find("/home/ann/w\n", second) != std::string::npos);
}

TEST_CASE("cells of a terminal") {
    CHECK(format::cells_of("abc") == 3);
    CHECK(format::cells_of("日本語") == 6);
    CHECK(format::cells_of("한국어") == 6);
    CHECK(format::cells_of("🚀") == 2);
    CHECK(format::cells_of("e\u0301") == 1);
    CHECK(format::cells_of("…") == 1);
    CHECK(format::cells_of("👩‍💻") == 4);
    CHECK(format::cut_middle("npm run dev", 7, "…") == "npm…dev");
    CHECK(format::cut_middle("日本語日本語", 6, "…") == "日…語");
    CHECK(format::cut_middle("日本語", 1, "…") == "");
    CHECK(format::cut_middle("e\u0301e\u0301e\u0301e\u0301", 3, "…") == "e\u0301…e\u0301");
    CHECK(format::cut_end("running", 4, "...") == "r...");
    CHECK(format::cut_end("running", 2, "...") == "ru");
    CHECK(format::to_ascii("a日é") == "a???");
    const TextStyle style = style_of(80, false, false);
    CHECK(format::short_directory("/home/ann", 40, style) == "~");
    CHECK(format::short_directory("/home/anna/x", 40, style) == "/home/anna/x");
    CHECK(format::short_directory("/home/ann/shop/packages/web", 40, style) == "~/shop/packages/web");
    CHECK(format::short_directory("/home/ann/shop/packages/web", 18, style) == "~/…/packages/web");
    CHECK(format::short_directory("/home/ann/shop/packages/web", 8, style) == "~/…/web");
    CHECK(format::short_directory("/srv/shop/packages/web", 10, style) == "/…/web");
    CHECK(format::short_directory("/srv/shop/packages/front-end", 8, style) == "/srv…end");
}

TEST_CASE("what a person types for a process") {
    CHECK(format::target_word(running("p1", "web", "/w")) == "web");
    CHECK(format::target_word(running("p1", "my web", "/w")) == "p1");
    CHECK(format::target_word(running("p1", "-x", "/w")) == "p1");
    CHECK(format::target_word(running("p1", "日本", "/w")) == "p1");
    CHECK(format::target_word(running("p1", "a$b", "/w")) == "'a$b'");
}

}  // namespace process_table_test
