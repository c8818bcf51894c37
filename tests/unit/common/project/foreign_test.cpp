#include "common/project/foreign.hpp"

#include <algorithm>

#include "tests/unit/common/project/world.hpp"

namespace persistproc::project {

namespace {

using Words = std::vector<std::string>;

constexpr const char* compose_file = "/shop/process-compose.yaml";

Words notes_of(World world, const std::string& file) {
    const Loaded loaded = world.load(file);
    Words out;
    for (const auto& each : loaded.notes) out.push_back(loaded.text(each));
    return out;
}

}  // namespace

TEST_CASE("given a Procfile, when it is read, then it is foreman's") {
    World world = world_of(
        "# comment\nweb: bundle exec rails s -p $PORT\nworker: sidekiq # not a comment of ours\n"
        "css: vite --port 5173\nnot a line\nrelease: rake db:migrate\na b: x\nempty:   \n",
        "/shop/Procfile");
    const Project project = world.good("/shop/Procfile");
    REQUIRE(project.processes.size() == 4);
    const Process& web = *project.find("web");
    CHECK(web.definition.command == Words{"bundle exec rails s -p $PORT"});
    CHECK(web.definition.shell);
    CHECK(web.environment.at("PORT") == "5000");
    CHECK(web.ready.empty());
    CHECK(project.find("worker")->environment.at("PORT") == "5100");
    CHECK(project.find("worker")->ports == std::vector<PortWish>{{"", PortWish::Kind::from, 5100}});
    CHECK(!project.find("css")->environment.contains("PORT"));
    CHECK(!project.find("release")->autostart);
    CHECK(project.find("release")->oneshot);
}

TEST_CASE("given PORT in .env or of who brings it up, when a Procfile is read, then it counts on from there") {
    World world = world_of("web: x $PORT\nworker: y\n", "/shop/Procfile.dev");
    world.variables["PORT"] = "9000";  // of who looks
    world.base_port = 4000;
    CHECK(world.good("/shop/Procfile.dev").find("worker")->environment.at("PORT") == "4100");
    world.files["/shop/.env"] = "PORT=3000\nA=${HOME}\n";
    const Project project = world.good("/shop/Procfile.dev");
    CHECK(project.find("web")->ports == std::vector<PortWish>{{"", PortWish::Kind::exactly, 3000}});
    CHECK(project.find("worker")->environment.at("PORT") == "3100");
    CHECK(project.find("web")->environment.at("A") == "${HOME}");
}

TEST_CASE("given two Procfiles in one project, when they are read, then their ports begin at different numbers") {
    World world = world_of("include = ['api/Procfile', 'web/Procfile']\n", "/shop/persistproc.toml");
    world.files["/shop/api/Procfile"] = "api: x\n";
    world.files["/shop/web/Procfile"] = "web: y\n";
    SECTION("by PORT of who brings it up") {
        world.base_port = 3000;
        const Project project = world.good("/shop/persistproc.toml");
        CHECK(project.find("api")->environment.at("PORT") == "3000");
        CHECK(project.find("web")->environment.at("PORT") == "4000");
    }
    SECTION("by what is usual") {
        const Project project = world.good("/shop/persistproc.toml");
        CHECK(wish_text(project.find("api")->ports.front()) == "5000+");
        CHECK(wish_text(project.find("web")->ports.front()) == "6000+");
    }
}

TEST_CASE("given a name twice in a Procfile, when it is read, then that is told") {
    CHECK(world_of("web: x\nweb: y\n", "/shop/Procfile").wrong("/shop/Procfile") ==
          Words{"/shop/Procfile:2:1: \"web\" is there twice"});
}

TEST_CASE("given what a shell, docker or awk writes, when a foreign file is read, then it comes to them as it is") {
    const std::string text = "docker ps --format '{{.Name}}' | awk '{print $1}' ${a.port}";
    CHECK(world_of("a: " + text, "/shop/Procfile").good("/shop/Procfile").processes[0].definition.command ==
          Words{text});
    const Project project =
        world_of("processes:\n  a:\n    command: \"docker ps --format '{{.Name}}' | awk '{print $$1}' ${a.port}\"\n",
                 compose_file)
            .good(compose_file);
    CHECK(project.processes[0].definition.command == Words{"bash", "-c", text});
}

TEST_CASE("given .claude/launch.json, when it is read, then its workspace is the project's directory") {
    const std::string file = "/shop/.claude/launch.json";
    const Project project = world_of(R"({
  // two of them
  "version": "0.0.1",
  "configurations": [
    {"name": "web app", "runtimeExecutable": "npm", "runtimeArgs": ["run", "dev"], "port": 3000, "autoPort": true,
     "cwd": "${workspaceFolder}/web", "env": {"A": "${b.c}"}},
    {"name": "api", "program": "server.js", "args": ["--verbose"], "port": 4000},
  ]
})",
                                     file)
                                .good(file);
    const Process& web = *project.find("web-app");
    CHECK(web.definition.command == Words{"npm", "run", "dev"});
    CHECK(web.definition.working_directory == "/shop/web");
    CHECK(web.environment.at("A") == "${b.c}");
    CHECK(web.ports == std::vector<PortWish>{{"", PortWish::Kind::from, 3000}});
    CHECK(web.ready == domain::Checks{{.subject = domain::PortCheck{3000}}});
    const Process& api = *project.find("api");
    CHECK(api.definition.command == Words{"node", "server.js", "--verbose"});
    CHECK(api.definition.working_directory == "/shop");
    CHECK(api.ports.front().kind == PortWish::Kind::exactly);

    CHECK(world_of(R"({"configurations": [{"name": "a"}]})", file).wrong(file) ==
          Words{file + ":1:21: a configuration needs runtimeExecutable or program"});
    CHECK(world_of(R"({"configurations": [{"program": "a"}]})", file).wrong(file) ==
          Words{file + ":1:21: a configuration needs a name"});
    CHECK(world_of("{}", file).wrong(file) == Words{file + ":1:1: configurations: a list is expected"});
}

TEST_CASE("given package.json, when it is read, then scripts are names that nothing starts") {
    const std::string file = "/shop/package.json";
    World world = world_of(R"({"name": "x", "scripts": {"dev": "vite", "build:css": "x", "all": "x"}})", file);
    const Project project = world.good(file);
    REQUIRE(project.processes.size() == 2);
    CHECK(project.find("dev")->definition.command == Words{"npm", "run", "dev"});
    CHECK(project.find("build-css")->definition.command == Words{"npm", "run", "build:css"});
    CHECK(!project.find("dev")->autostart);
    world.files["/shop/pnpm-lock.yaml"] = "";
    CHECK(world.good(file).find("dev")->definition.command == Words{"pnpm", "run", "dev"});
}

TEST_CASE("given scripts that no process can be called after, when package.json is read, then they are noted") {
    const std::string file = "/shop/package.json";
    const Loaded loaded =
        world_of(R"({"scripts": {"dev": "x", "all": "x", "a:b": "x", "a.b": "x", "a b": "x"}})", file).load(file);
    REQUIRE(loaded.project);
    std::vector<std::string> notes;
    for (const auto& each : loaded.notes) notes.push_back(loaded.text(each));
    CHECK(notes == Words{file + ":1:26: scripts.all: left out: \"all\": means every process",
                         file + ":1:62: scripts.a b: left out: a-b is another's name"});
    for (const char* empty : {"{}", R"({"scripts": {}})", R"({"scripts": {"all": "x"}})"})
        CHECK(world_of(empty, file).wrong(file) == Words{file + ":1:1: there is no process in it"});
    CHECK(world_of(R"({"scripts": ["x"]})", file).wrong(file) ==
          Words{file + ":1:13: scripts: a table is expected, got a list"});
}

TEST_CASE("given two configurations with one port, when launch.json is read, then that is no mistake") {
    const std::string file = "/shop/.claude/launch.json";
    const Loaded loaded = world_of(R"({"configurations": [{"name": "dev", "program": "a", "port": 3000},
                                                         {"name": "preview", "program": "b", "port": 3000}]})",
                                   file)
                              .load(file);
    REQUIRE(loaded.project);
    REQUIRE(loaded.notes.size() == 1);
    CHECK(loaded.notes[0].what == "process.preview.port: 3000 is also dev's: one of them runs at a time");
}

TEST_CASE("given names with blanks, when a process-compose file is read, then they are names here") {
    const Project project =
        world_of(
            "processes:\n  my db:\n    command: x\n    namespace: the back\n  api:\n    command: y\n"
            "    depends_on:\n      my db:\n        condition: process_started\n",
            compose_file)
            .good(compose_file);
    CHECK(project.processes[0].name == "my-db");
    CHECK(project.find("api")->depends_on.front().process == "my-db");
    CHECK(project.groups.at("the-back") == Words{"my-db"});
    CHECK(world_of("processes:\n  my db:\n    command: x\n  my-db:\n    command: y\n", compose_file)
              .wrong(compose_file) == Words{std::string(compose_file) + ":4:3: \"my-db\" is there twice"});
}

TEST_CASE("given a process-compose file, when it is read, then what such files use is what it means here") {
    World world = world_of(R"yaml(version: "0.5"
is_strict: true
environment:
  - "GLOBAL=1"
vars:
  PORT: 8080
x-base: &base
  namespace: back
processes:
  db:
    command: postgres -D "$PGDATA" -p {{.PORT}}
    working_dir: ./db
    environment:
      - PGDATA=.pg
      - URL=http://$HOST/${PATH_PART}?a=$$1
    namespace: back
    readiness_probe:
      exec:
        command: pg_isready
        working_dir: sub dir
      initial_delay_seconds: 1
      period_seconds: 5
      failure_threshold: 300
    shutdown:
      command: pg_ctl stop
      signal: 2
      timeout_seconds: 20
    availability:
      restart: on_failure
      backoff_seconds: 2
      max_restarts: 5
  migrate:
    command: npm run migrate
    depends_on:
      db:
        condition: process_healthy
  api:
    command: node server.js
    namespace: back
    depends_on:
      migrate: {condition: process_completed_successfully}
      cache: {condition: process_started}
    readiness_probe:
      http_get: {host: 127.0.0.1, path: /healthz, port: 8080}
    liveness_probe:
      http_get: {host: 127.0.0.1, path: /healthz, port: "8080"}
      failure_threshold: 4
  cache:
    entrypoint: ["redis-server", "--port", "6379"]
    ready_log_line: "Ready to accept (connections)"
    disabled: true
    success_exit_codes: [0, 143]
  daemon:
    command: dockerd
    is_daemon: true
    availability: {restart: always}
)yaml",
                           compose_file);
    world.variables["HOST"] = "h";
    const Project project = world.good(compose_file);
    const Process& db = *project.find("db");
    CHECK(db.definition.command == Words{"bash", "-c", "postgres -D \"$PGDATA\" -p 8080"});
    CHECK(db.definition.working_directory == "/shop/db");
    CHECK(db.environment == domain::Environment{{"GLOBAL", "1"}, {"PGDATA", ".pg"}, {"URL", "http://h/?a=$1"}});
    REQUIRE(db.ready.size() == 1);
    CHECK(std::get<domain::CommandCheck>(db.ready[0].subject).command ==
          Words{"bash", "-c", "cd 'sub dir' && pg_isready"});
    CHECK(db.ready[0].initial_delay_seconds == 1);
    CHECK(db.ready[0].period_seconds == 5);
    CHECK(!db.ready[0].failures);
    CHECK(db.stop_command == Words{"bash", "-c", "pg_ctl stop"});
    CHECK(db.definition.stop_signal == 2);
    CHECK(db.definition.grace_seconds == 20);
    CHECK(db.restart.policy == domain::RestartPolicy::on_failure);
    CHECK(db.restart.delay_seconds == 2);
    CHECK(db.restart.max_delay_seconds == 2);
    CHECK(db.restart.max == 5);
    CHECK(project.groups.at("back") == Words{"db", "api"});

    CHECK(project.find("migrate")->oneshot);
    CHECK(project.find("migrate")->depends_on[0].until == Condition::ready);
    const Process& api = *project.find("api");
    CHECK(api.depends_on[0].until == Condition::started);
    CHECK(api.depends_on[1].until == Condition::done);
    CHECK(std::get<domain::HttpCheck>(api.ready[0].subject).port == 8080);
    CHECK(api.health[0].failures == 4);
    const Process& cache = *project.find("cache");
    CHECK(cache.definition.command == Words{"redis-server", "--port", "6379"});
    CHECK(std::get<domain::LogCheck>(cache.ready[0].subject).pattern == "Ready to accept \\(connections\\)");
    CHECK(!cache.autostart);
    CHECK(cache.success_codes == std::vector<int>{0, 143});
    CHECK(project.find("daemon")->oneshot);
    CHECK(project.find("daemon")->definition.restart == domain::RestartPolicy::on_failure);
}

TEST_CASE("given a process-compose file that watches, when it is read, then its roots are patterns of the project") {
    World world = world_of(R"yaml(processes:
  api:
    command: x
    working_dir: ./srv
    watch:
      debounce: 400ms
      max_entries: 100
      paths:
        - path: ./src
          exclude: ["*_test.go", "testdata/**"]
        - path: .
          include: ["*.go", "conf/*.yml"]
  rest:
    command: y
    watch: {cascade: true, disable_default_excludes: true, paths: [{path: .}, {path: ../other}, {path: /etc}]}
)yaml",
                           compose_file);
    const Project project = world.good(compose_file);
    const auto& api = *project.find("api")->watch;
    CHECK(api.paths == Words{"srv/src/**", "srv/src", "srv/**/*.go", "srv/conf/*.yml"});
    CHECK(api.debounce_seconds == 0.4);
    CHECK(api.defaults);
    CHECK(!api.gitignore);
    REQUIRE(api.ignore.size() > 2);
    CHECK(api.ignore[0] == "*_test.go");
    CHECK(api.ignore[1] == "srv/src/testdata/**");
    CHECK(std::find(api.ignore.begin(), api.ignore.end(), "vendor") != api.ignore.end());
    const auto& rest = *project.find("rest")->watch;
    CHECK(rest.paths == Words{"**"});
    CHECK(rest.ignore.empty());
    CHECK(!rest.defaults);
    const auto notes = notes_of(world, compose_file);
    REQUIRE(notes.size() == 3);
    CHECK(notes[0].find("watch.cascade") != std::string::npos);
    CHECK(notes[1].find("nothing outside of the file's directory is watched") != std::string::npos);
    for (const auto* wrong : {"watch: src", "watch: {debounce: 1s}", "watch: {paths: [src]}", "watch: {paths: [{}]}"}) {
        const auto refused =
            world_of("processes:\n  a:\n    command: x\n    " + std::string(wrong) + "\n", compose_file)
                .load(compose_file);
        CHECK(!refused.project);
    }
}

TEST_CASE("given an override, when a process-compose file is read, then it lies over it") {
    World world = world_of("processes:\n  a:\n    command: x\n    namespace: n\n", compose_file);
    world.files["/shop/process-compose.override.yaml"] = "processes:\n  a:\n    command: y\n  b:\n    command: z\n";
    const Project project = world.good(compose_file);
    CHECK(project.find("a")->definition.command == Words{"bash", "-c", "y"});
    CHECK(project.groups.contains("n"));
    CHECK(project.find("b") != nullptr);
}

TEST_CASE("given what cannot be done as a process-compose file says, when it is read, then it says where and why") {
    struct Row {
        const char* lines;
        const char* told;
    };
    const Row rows[] = {
        {"schedule: {cron: '* * * * *'}", "4:5: processes.a.schedule: nothing is run by the clock"},
        {"replicas: 2", "4:15: processes.a.replicas: nothing here shares a port"},
        {"is_foreground: true", "4:5: processes.a.is_foreground: programs that need the terminal"},
        {"readines_probe: {}", "4:5: processes.a.readines_probe: no such key; nearest: readiness_probe"},
        {"readiness_probe: {command: x}", "4:23: processes.a.readiness_probe.command: no such key; known: exec"},
        {"readiness_probe: {http_get: {scheme: https, port: 1}}",
         "4:33: process.a.ready[0].http: \"https://localhost:1/\""},
        {"readiness_probe: {http_get: {host: db, port: 1}}",
         "4:33: process.a.ready[0].http: \"http://db:1/\": only this"},
        {"depends_on: {b: {condition: healthy}}",
         "4:33: processes.a.depends_on.b.condition: \"healthy\" is not one of"},
        {"depends_on: {b: {condition: process_started}}", "4:18: process.a.depends_on: no process \"b\""},
        {"availability: {restart: perhaps}", "4:29: processes.a.availability.restart: \"perhaps\" is not one of"},
        {"disabled: maybe", "4:15: processes.a.disabled: true or false is expected"},
        {"command: [x]", "4:14: processes.a.command: a text is expected, got a list"},
        {"environment: [A]", "4:19: environment: NAME=VALUE is expected"}};
    for (const auto& row : rows) {
        CAPTURE(row.lines);
        std::string text = std::string("processes:\n  a:\n    description: d\n    ") + row.lines + "\n";
        if (text.find(" command: [") == std::string::npos) text += "    command: x\n";
        const auto wrong = world_of(text, compose_file).wrong(compose_file);
        REQUIRE(!wrong.empty());
        const std::string expected = std::string(compose_file) + ":" + row.told;
        CHECK(wrong[0].starts_with(expected));
        if (!wrong[0].starts_with(expected)) CHECK(wrong[0] == expected);
    }
    CHECK(world_of("processes: {a: {command: x}}\nenv_cmds: {A: date}\n", compose_file).wrong(compose_file).at(0) ==
          std::string(compose_file) + ":2:1: env_cmds: nothing is run to read a file; put the values into .env");
}

TEST_CASE("given what makes a difference, when a process-compose file is read, then it is noted") {
    const World world = world_of(
        "processes:\n  a:\n    command: x\n    log_location: ./a.log\n"
        "    availability: {exit_on_end: true, exit_on_skipped: false}\n",
        compose_file);
    CHECK(notes_of(world, compose_file) ==
          Words{std::string(compose_file) + ":4:5: processes.a.log_location: output is kept by persistproc",
                std::string(compose_file) +
                    ":5:20: processes.a.availability.exit_on_end: the others run on when it ends"});
}

TEST_CASE("given a foreign file cut at every byte, when it is loaded, then it is a project or says why not") {
    const std::string text =
        "processes:\n  a: &a\n    command: |\n      x {{.V}}\n    environment: [A=$B]\n  b:\n    <<: *a\n    "
        "namespace: n\n"
        "    readiness_probe: {http_get: {port: 1}}\nvars: {V: '1'}\n";
    for (std::size_t size = 0; size <= text.size(); ++size) {
        const Loaded loaded = world_of(text.substr(0, size), compose_file).load(compose_file);
        CHECK(loaded.project.has_value() == loaded.problems.empty());
    }
}

}  // namespace persistproc::project
