#include "common/project/graph.hpp"

#include <fmt/format.h>

#include "tests/unit/common/project/world.hpp"

namespace persistproc::project {

namespace {

using Words = std::vector<std::string>;

/// db <- migrate (a oneshot) <- api, db <- api <- web; docs is started by name alone.
Project diamond() {
    return world_of(
               "[process.web]\nrun = 'x'\ndepends_on = ['api']\n[process.api]\nrun = 'x'\nport = 1\n"
               "depends_on = ['db:ready', 'migrate:done']\n[process.migrate]\nrun = 'x'\noneshot = true\n"
               "depends_on = ['db']\n[process.db]\nrun = 'x'\nready = 5432\n[process.docs]\nrun = 'x'\n"
               "autostart = false\n[groups]\nback = ['api', 'db']\n")
        .good();
}

Words started(const Project& project) {
    Words out;
    for (const auto* each : start_order(project)) out.push_back(each->name);
    return out;
}

}  // namespace

TEST_CASE("given dependencies, when they are ordered, then each stands behind what it waits for") {
    CHECK(started(diamond()) == Words{"db", "migrate", "api", "web", "docs"});
}

TEST_CASE("given an edge without a condition, when the project is loaded, then it waits for what is known") {
    const Project project = world_of(
                                "[process.a]\nrun = 'x'\ndepends_on = ['b', 'c', 'd']\n[process.b]\nrun = 'x'\n"
                                "[process.c]\nrun = 'x'\nready = 1\n[process.d]\nrun = 'x'\noneshot = true\n")
                                .good();
    const auto& edges = project.find("a")->depends_on;
    CHECK(edges[0].until == Condition::started);
    CHECK(edges[1].until == Condition::ready);
    CHECK(edges[2].until == Condition::ready);
}

TEST_CASE("given edges as a table, when they are read, then each has its terms") {
    const Project project =
        world_of(
            "[process.a]\nrun = 'x'\n[process.a.depends_on]\nb = { until = 'log:up [0-9]+', restart = true }\n"
            "c = { required = false }\n[process.b]\nrun = 'x'\n[process.c]\nrun = 'x'\n")
            .good();
    const auto& edges = project.find("a")->depends_on;
    CHECK(edges[0] ==
          Dependency{
              .process = "b", .until = Condition::log, .is_stated = true, .pattern = "up [0-9]+", .restart = true});
    CHECK(edges[1] == Dependency{.process = "c", .until = Condition::started, .pattern = {}, .required = false});
}

TEST_CASE("given edges that can never come true, when the project is loaded, then each is told at its place") {
    struct Row {
        const char* edges;
        const char* told;
    };
    const Row rows[] = {
        {"['bb']", "2:15: process.a.depends_on: no process \"bb\"; nearest: b"},
        {"['a']", "2:15: process.a.depends_on: waits for itself"},
        {"['c', 'b:ready']",
         "2:20: process.a.depends_on: b has no check that says when it is ready: give it one, or write b:started"},
        {"['b:done']",
         "2:15: process.a.depends_on: b is no oneshot: nobody expects it to be done; b:ended takes any end"},
        {"['b:soon']", "2:15: process.a.depends_on[0]: \"soon\" is not one of ready, started, done, ended, log:RE2"},
        {"['b:log:(']", "2:14: process.a.depends_on: "},
        {"['b:log:']", "2:15: process.a.depends_on[0]: behind \"log:\" stands an expression, at most 1024 bytes"},
        {"['b', 'b:ended']", "2:20: process.a.depends_on[1]: \"b\" is named twice"},
        {"{ b = { unti = 'ready' } }", "2:29: process.a.depends_on.b.unti: no such key; nearest: until"},
        {"{ b = 'ready' }", "2:20: process.a.depends_on.b: expected object, got string \"ready\""},
        {"'b'", "2:14: process.a.depends_on: expected a list of \"process:condition\" or a table, got string \"b\""}};
    for (const auto& row : rows) {
        CAPTURE(row.edges);
        const std::string text = std::string("[process.a]\ndepends_on = ") + row.edges +
                                 "\nrun = 'x'\n[process.b]\nrun = 'x'\n[process.c]\nrun = 'x'\n";
        const auto wrong = world_of(text).wrong();
        REQUIRE(!wrong.empty());
        const std::string expected = std::string("/shop/persistproc.toml:") + row.told;
        CHECK(wrong[0].starts_with(expected));
        if (!wrong[0].starts_with(expected)) CHECK(wrong[0] == expected);
    }
}

TEST_CASE("given a cycle, when the project is loaded, then its path is told") {
    const auto wrong = world_of(
                           "[process.a]\nrun = 'x'\ndepends_on = ['b']\n[process.b]\nrun = 'x'\n"
                           "depends_on = ['c']\n[process.c]\nrun = 'x'\ndepends_on = ['a']\n")
                           .wrong();
    CHECK(wrong == Words{"/shop/persistproc.toml:9:15: process.c.depends_on: waits for itself: a -> b -> c -> a"});
}

TEST_CASE("given names, when they are selected, then what they need comes along") {
    const Project project = diamond();
    const auto all = select(project, {}, true);
    CHECK(all->named == Words{"web", "api", "migrate", "db"});
    CHECK(select(project, {"migrate"}, true)->processes == std::set<std::string>{"db", "migrate"});
    CHECK(select(project, {"migrate"}, false)->processes == std::set<std::string>{"migrate"});
    CHECK(select(project, {"back", "docs"}, true)->named == Words{"api", "db", "docs"});
    CHECK(select(project, {"back"}, true)->processes == std::set<std::string>{"api", "db", "migrate"});
    CHECK(select(project, {"wbe"}, true).error().message == "\"shop\" has no process or group \"wbe\"; nearest: web");
    CHECK(select(project, {"zzz"}, true).error().message.ends_with("there are: web, api, migrate, db, docs, back"));
}

TEST_CASE("given scripts of package.json, when one is named as it is there, then that one is meant") {
    const std::string file = "/shop/package.json";
    const Project project =
        world_of(R"({"scripts": {"dev": "vite", "dev:api": "x", "a.b": "y", "a:b": "z", "a b": "never"}})", file)
            .good(file);
    const auto named = [&](std::vector<std::string> names) {
        const auto selection = select(project, names, true);
        return selection ? fmt::format("{}", fmt::join(selection->named, " ")) : selection.error().message;
    };
    CHECK(named({"dev:api", "dev"}) == "dev-api dev");
    CHECK(named({"dev-api"}) == "dev-api");
    CHECK(named({"a:b", "a.b"}) == "a-b a.b");
    // Whose name another one has is not that other one.
    CHECK(named({"a b"}).starts_with("\"shop\" has no process or group \"a b\""));
    CHECK(project.find_typed("") == nullptr);
    CHECK(named({}).empty());
    CHECK(nothing_starts_text(project) ==
          "nothing of shop starts unless it is named; there are: dev, dev:api, a.b, a:b");
    // Of another file's processes the last word of a command names nothing.
    CHECK(diamond().find_typed("x") == nullptr);
}

TEST_CASE("given more names than a line shows, when nothing starts by itself, then it tells how many more there are") {
    std::string text = "[groups]\nall-of-it = ['p0x']\n";
    for (int i = 0; i < 20; ++i) text += fmt::format("[process.p{}x]\nrun = 'x'\nautostart = false\n", i);
    const std::string told = nothing_starts_text(world_of(text).good());
    CHECK(told.starts_with("nothing of shop starts unless it is named; there are: all-of-it, p0x, p1x, "));
    CHECK(told.ends_with(", p14x and 5 more"));
}

TEST_CASE("given names, when they are to be stopped, then what waits for them stops, too") {
    const Project project = diamond();
    CHECK(select_with_dependents(project, {"migrate"})->processes == std::set<std::string>{"api", "migrate", "web"});
    CHECK(select_with_dependents(project, {"web"})->processes == std::set<std::string>{"web"});
    CHECK(select_with_dependents(project, {})->processes.size() == 5);
}

}  // namespace persistproc::project
