#include <fcntl.h>
#include <sys/stat.h>

#include <fstream>

#include "common/base/file.hpp"
#include "common/rundir/paths.hpp"
#include "tests/integration/daemon_in_process.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/project_order.hpp"
#include "tests/support/written_log.hpp"

namespace file_watches_test {

using namespace persistproc;
using namespace std::chrono_literals;
using domain::ProcessState;
using tests::DaemonInProcess;
using tests::Json;
namespace fs = std::filesystem;

namespace {

/// A process that is run again when "src/**/*.js" or "*.toml" changes.
struct Watching {
    explicit Watching(domain::RestartPolicy restart = domain::RestartPolicy::never,
                      std::initializer_list<const char*> files = {}) {
        fs::create_directories(root.path() / "src/deep");
        for (const char* each : files) write(each);
        ops::StartRequest request;
        request.definition.command = {"a"};
        request.definition.working_directory = root.path().native();
        request.definition.label = "web";
        request.definition.restart = restart;
        if (restart != domain::RestartPolicy::never) request.definition.restart_limit = 1;
        request.definition.watch = watch();
        begin(std::move(request));
    }
    domain::Watch watch() const {
        return {.directory = root.path().native(), .paths = {"src/**/*.js", "*.toml"}, .ignore = {"src/made.js"}};
    }
    void begin(ops::StartRequest request) {
        async::TaskGroup tasks(daemon.io.get_executor());
        bool is_begun = false;
        tasks.spawn("start", start(daemon, std::move(request), &is_begun));
        daemon.run_until([&] { return is_begun; });
        settle();
    }
    /// Of a project in its directory.
    core::UpProcess member(const char* name, const char* command, std::vector<domain::Dependency> depends_on = {}) {
        return tests::make_member(root.path() / "persistproc.toml", name, {command}, root.path(),
                                  std::move(depends_on));
    }
    static Task<> start(DaemonInProcess& daemon, ops::StartRequest request, bool* is_begun) {
        auto started = co_await daemon.supervisor.start(std::move(request), "test");
        REQUIRE(started);
        *is_begun = true;
    }
    void bring_up(core::UpOrder order) {
        async::TaskGroup tasks(daemon.io.get_executor());
        tasks.spawn("up", up(daemon, std::move(order)));
        daemon.run_until([&] { return tasks.size() == 0; });
    }
    static Task<> up(DaemonInProcess& daemon, core::UpOrder order) {
        const auto steps = co_await daemon.supervisor.up(std::move(order), "test");
        REQUIRE(steps);
    }
    /// The walk has ended: what it waits for are other threads.
    void settle() {
        for (int i = 0; i < 20; ++i) daemon.io.run_one_for(10ms);
    }
    void write(const fs::path& path) { std::ofstream(root.path() / path) << "x"; }
    /// As `touch -a` does.
    void touch_accessed(const fs::path& path) {
        const auto file = base::open_file(root.path() / path, O_WRONLY | O_CREAT);
        REQUIRE(file);
        const timespec times[] = {{.tv_sec = 0, .tv_nsec = UTIME_NOW}, {.tv_sec = 0, .tv_nsec = UTIME_OMIT}};
        REQUIRE(::futimens(file->get(), times) == 0);
    }
    std::uint32_t run() { return daemon.supervisor.find({1})->run; }
    /// It is run again for what has changed, once.
    bool is_run_again() {
        settle();
        const std::uint32_t before = run();
        for (int i = 0; i < 20 && run() == before; ++i) pass(50ms);
        if (run() == before) return false;
        daemon.run_until([&] { return daemon.supervisor.find({1})->state == ProcessState::running; });
        pass(1s);
        CHECK(run() == before + 1);
        return true;
    }
    void pass(std::chrono::nanoseconds by) {
        daemon.advance(by);
        for (int i = 0; i < 5; ++i) daemon.io.run_one_for(2ms);
    }
    Json view() { return daemon.call("list_processes", Json::object())["structuredContent"]["processes"][0]; }

    tests::TemporaryDirectory root;
    DaemonInProcess daemon;
};

}  // namespace

TEST_CASE("a change of a watched file runs the process again, and says which") {
    Watching web;
    web.write("src/a.js");
    CHECK(web.is_run_again());
    CHECK(web.view()["causes"] == Json::array({{{"code", "files_changed"}, {"text", "src/a.js"}}}));
    web.daemon.call("restart_process", Json{{"process", "p1"}});
    CHECK(!web.view().contains("causes"));
}

TEST_CASE("what an editor does in a moment is one change") {
    Watching web;
    SECTION("a new file in the place of the old one") {
        web.write("src/a.js.tmp");
        fs::rename(web.root.path() / "src/a.js.tmp", web.root.path() / "src/a.js");
        CHECK(web.is_run_again());
    }
    SECTION("several files") {
        for (const char* each : {"src/a.js", "src/deep/b.js", "package.toml"}) web.write(each);
        CHECK(web.is_run_again());
    }
    SECTION("a new directory that is filled at once") {
        fs::create_directories(web.root.path() / "src/new/below");
        web.write("src/new/below/c.js");
        CHECK(web.is_run_again());
        web.write("src/new/below/c.js");
        CHECK(web.is_run_again());
    }
    SECTION("a removal") {
        web.write("src/a.js");
        CHECK(web.is_run_again());
        fs::remove(web.root.path() / "src/a.js");
        CHECK(web.is_run_again());
    }
}

TEST_CASE("what does not count runs nothing again") {
    Watching web;
    web.write("src/a.ts");
    web.write("src/made.js");
    web.write("src/.a.js.swp");
    fs::create_directories(web.root.path() / "src/node_modules");
    web.write("src/node_modules/x.js");
    CHECK_FALSE(web.is_run_again());
    web.write("src/a.js");
    CHECK(web.is_run_again());
    std::ifstream(web.root.path() / "src/a.js").get();
    ::utimensat(AT_FDCWD, (web.root.path() / "src/a.js").c_str(), nullptr, 0);
    CHECK_FALSE(web.is_run_again());
}

TEST_CASE("what is touched with -a is as it was, whether it was seen before or has changed since") {
    Watching web;
    for (const char* each : {"src/deep/b.js", "src/c.js"}) web.write(each);
    CHECK(web.is_run_again());
    web.write("src/c.js");
    CHECK(web.is_run_again());
    fs::rename(web.root.path() / "src/c.js", web.root.path() / "src/d.js");
    CHECK(web.is_run_again());
    for (const char* each : {"src/deep/b.js", "src/d.js"}) web.touch_accessed(each);
    CHECK_FALSE(web.is_run_again());
    web.write("src/d.js");
    CHECK(web.is_run_again());
}

TEST_CASE("what was there at the start is as it was when it is touched with -a") {
    Watching web(domain::RestartPolicy::never, {"src/a.js"});
    web.touch_accessed("src/a.js");
    CHECK_FALSE(web.is_run_again());
    web.write("src/a.js");
    CHECK(web.is_run_again());
}

TEST_CASE("what git leaves out from now on counts no more") {
    Watching web;
    web.write("src/deep/a.js");
    CHECK(web.is_run_again());
    std::ofstream(web.root.path() / ".gitignore") << "deep/\n";
    CHECK_FALSE(web.is_run_again());
    web.write("src/deep/a.js");
    CHECK_FALSE(web.is_run_again());
}

TEST_CASE("a stop on request is respected, an end is not") {
    Watching web;
    SECTION("stopped") {
        web.daemon.call("stop_process", Json{{"process", "p1"}});
        web.settle();
        web.write("src/a.js");
        CHECK_FALSE(web.is_run_again());
    }
    SECTION("ended by itself") {
        web.daemon.shims.find({{1}, 1})->end(1);
        web.daemon.run_until([&] { return web.daemon.supervisor.find({1})->state == ProcessState::exited; });
        web.write("src/a.js");
        CHECK(web.is_run_again());
    }
}

TEST_CASE("what was given up is run again when its files change") {
    Watching web(domain::RestartPolicy::on_failure);
    web.daemon.shims.find({{1}, 1})->end(1);
    web.daemon.run_until([&] { return web.daemon.supervisor.find({1})->state == ProcessState::gave_up; });
    web.write("src/a.js");
    CHECK(web.is_run_again());
}

TEST_CASE("a run that somebody begins needs no other one for what changed before") {
    Watching web;
    web.write("src/a.js");
    web.settle();
    web.daemon.call("restart_process", Json{{"process", "p1"}});
    web.settle();
    CHECK_FALSE(web.is_run_again());
}

TEST_CASE("a change of who needs what is not ready runs it again once that is, and once") {
    Watching web;
    // It becomes a project's, with a database that says when it is ready.
    core::UpProcess db = web.member("db", "b");
    domain::Check check;
    check.subject = domain::LogCheck{"up"};
    db.definition.ready = {check};
    domain::Dependency on_db;
    on_db.process = "db";
    core::UpProcess site = web.member("web", "a", {on_db});
    site.definition.watch = web.watch();
    web.bring_up(tests::make_order({db, site}));
    web.daemon.run_until([&] { return web.daemon.supervisor.find({2})->state == ProcessState::running; });
    tests::WrittenLog log{rundir::process_paths(web.daemon.data->path(), {2}).log};
    const auto become_ready = [&](std::uint32_t run) {
        log.run = run;
        log.out("up\n");
        web.daemon.advance_until(10ms, [&] { return web.daemon.supervisor.find({2})->ready == true; });
    };
    become_ready(1);
    web.write("src/a.js");
    CHECK(web.is_run_again());
    const std::uint32_t before = web.run();
    web.daemon.call("restart_process", Json{{"process", "p2"}});
    web.write("src/a.js");
    CHECK_FALSE(web.is_run_again());
    web.write("src/deep/b.js");
    CHECK_FALSE(web.is_run_again());
    become_ready(2);
    web.daemon.advance_until(10ms, [&] { return web.run() != before; });
    CHECK_FALSE(web.is_run_again());
    CHECK(web.run() == before + 1);
}

TEST_CASE("a process that changes what it watches is left alone after ten runs, and says so") {
    Watching web;
    for (int i = 0; i < 10; ++i) {
        web.write("src/out.js");
        REQUIRE(web.is_run_again());
    }
    web.write("src/out.js");
    CHECK_FALSE(web.is_run_again());
    const std::string told = web.view().dump();
    CHECK(told.find("watch_suspended") != std::string::npos);
    CHECK(told.find("src/out.js") != std::string::npos);
    web.daemon.call("restart_process", Json{{"process", "p1"}});
    web.settle();
    CHECK(web.view().dump().find("watch_suspended") == std::string::npos);
    web.write("src/out.js");
    CHECK(web.is_run_again());
}

TEST_CASE("who finds no watches left says how to raise them, and all others go on") {
    Watching web;
    web.daemon.services.file_watches.find_bound = [] { return std::size_t{4}; };
    tests::TemporaryDirectory other;
    fs::create_directories(other.path() / "a/b");
    ops::StartRequest request;
    request.definition.command = {"b"};
    request.definition.working_directory = other.path().native();
    request.definition.watch = domain::Watch{.directory = other.path().native(), .paths = {"**/*.js"}, .ignore = {}};
    web.begin(std::move(request));
    const auto told = [&](const char* process) {
        return web.daemon.call("list_processes", Json{{"process", process}}).dump();
    };
    while (told("p2").find("watch_failed") == std::string::npos) web.settle();
    CHECK(told("p2").find("sysctl fs.inotify.max_user_watches raises them") != std::string::npos);
    CHECK(told("p1").find("watch_failed") == std::string::npos);
    web.write("src/a.js");
    CHECK(web.is_run_again());
}

TEST_CASE("a watch that is left alone goes on once the project of its process is brought up") {
    Watching web;
    for (int i = 0; i < 10; ++i) {
        web.write("src/out.js");
        REQUIRE(web.is_run_again());
    }
    web.write("src/out.js");
    CHECK_FALSE(web.is_run_again());
    REQUIRE(web.view().dump().find("watch_suspended") != std::string::npos);
    core::UpProcess site = web.member("web", "a");
    site.definition.watch = web.watch();
    const std::uint32_t before = web.run();
    web.bring_up(tests::make_order({site}));
    web.settle();
    CHECK(web.run() == before);
    CHECK(web.view().dump().find("watch_suspended") == std::string::npos);
    web.write("src/out.js");
    CHECK(web.is_run_again());
}

}  // namespace file_watches_test
