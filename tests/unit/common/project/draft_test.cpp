#include "common/project/draft.hpp"

#include "common/project/digest.hpp"
#include "tests/unit/common/project/world.hpp"

namespace draft_test {

using namespace persistproc;
using namespace project;

namespace {

/// What `file` comes to, and what the file comes to that is written from it: digests of each process.
std::map<std::string, Digests> digests_in(const Project& project) {
    std::map<std::string, Digests> out;
    for (const auto& each : project.processes) out[each.name] = digests_of(each, "secret");
    return out;
}

/// The file that is written means what the other means.
std::string draft_of(World world, const std::string& file) {
    const Draft draft = draft_from(file, world.lookups());
    for (const auto& each : draft.read.problems) UNSCOPED_INFO(draft.read.text(each));
    UNSCOPED_INFO(draft.text);
    REQUIRE(draft.read.problems.empty());
    const auto before = digests_in(world.good(file));
    world.files["/shop/persistproc.toml"] = draft.text;
    CHECK(digests_in(world.good()) == before);
    return draft.text;
}

}  // namespace

TEST_CASE("what is written from a Procfile means the same") {
    World world = world_of(
        "web: rails s -p $PORT -b '${a.b}' $${c}\nworker: VERBOSE=1 sidekiq \"q\" \\d\nrelease: rake db:migrate\n",
        "/shop/Procfile");
    world.files["/shop/.env"] = "TOKEN=hunter2\n";
    const std::string text = draft_of(world, "/shop/Procfile");
    CHECK(text.find("# From Procfile, by persistproc init.") == 0);
    CHECK(text.find("hunter2") == std::string::npos);
    world.files["/shop/.env"] = "PORT=3000\n";
    CHECK(draft_of(world, "/shop/Procfile").find("port = 3000\n") != std::string::npos);
}

TEST_CASE("what is written from a process-compose file means the same") {
    World world = world_of(R"(
environment: ["A=b"]
processes:
  db:
    command: |
      set -e
      exec postgres -D "$PGDATA"
    readiness_probe:
      exec: {command: pg_isready}
    shutdown: {command: "pg_ctl stop", signal: 2, timeout_seconds: 5}
    namespace: back
  api:
    command: "node server.js '${x.y}'"
    working_dir: "api dir"
    environment: ["URL=postgres://localhost/$DB", "QUOTE='\"\\"]
    availability: {restart: on_failure, max_restarts: 3}
    readiness_probe:
      http_get: {host: 127.0.0.1, port: 8080, path: /healthz}
    depends_on: {db: {condition: process_healthy}}
)",
                           "/shop/process-compose.yaml");
    draft_of(world, "/shop/process-compose.yaml");
    // With what lies over it.
    world.files["/shop/process-compose.override.yaml"] = "processes: {api: {command: other}}\n";
    CHECK(draft_of(world, "/shop/process-compose.yaml").find("other") != std::string::npos);
}

TEST_CASE("what is written from package.json and .claude/launch.json means the same") {
    draft_of(world_of(R"({"scripts": {"dev": "vite", "build:all": "x \"y\"", "test": "jest"}})", "/shop/package.json"),
             "/shop/package.json");
    const std::string launch = R"({"configurations": [
        {"name": "Web app", "runtimeExecutable": "npm", "runtimeArgs": ["run", "dev"], "port": 3000, "autoPort": true,
         "cwd": "${workspaceFolder}/web", "env": {"A.B": "${b.c}", "N": "1"}}]})";
    draft_of(world_of(launch, "/shop/.claude/launch.json"), "/shop/.claude/launch.json");
}

TEST_CASE("nothing is written from a file that is wrong") {
    World world = world_of("web: x\nweb: y\n", "/shop/Procfile");
    const Draft draft = draft_from("/shop/Procfile", world.lookups());
    CHECK(draft.text.empty());
    CHECK(draft.read.problems.size() == 1);
}

TEST_CASE("the first draft is a project") { CHECK(world_of(first_draft()).good().processes.size() == 1); }

}  // namespace draft_test
