#include "common/project/load.hpp"

#include "common/base/time.hpp"
#include "tests/unit/common/project/world.hpp"

namespace persistproc::project {

namespace {

using Words = std::vector<std::string>;

constexpr const char* shop = R"(
name = "shop"
env_file = ".env"
env = { NODE_ENV = "development", WORKERS = 2, DEBUG = true }
[groups]
back = ["db", "api"]
all-of-it = ["back", "web"]
[process.db]
run = "postgres -D .pg -p ${db.port}"
port = "5432+"
ready = { command = "pg_isready -p ${db.port}", probe_timeout = "3s" }
stop_signal = "INT"
[process.migrate]
run = "npm run migrate"
oneshot = true
depends_on = ["db"]
[process.api]
run = ["node", "server.js"]
cwd = "packages/api"
port = "auto"
env = { DATABASE_URL = "postgres://localhost:${db.port}/shop", NODE_ENV = "test" }
depends_on = ["db", "migrate"]
ready = "/healthz"
health = { http = "/healthz", period = 5, failures = 2 }
restart = { policy = "on-failure", max = 3, never_codes = [2] }
watch = ["src/**/*.js"]
grace = "2s"
log_limit = "8MiB"
[process.web]
run = "PORT=1 vite --port ${web.port}"
port = { main = 3000, hmr = 24678 }
ready = "${project.root}"
)";

}  // namespace

TEST_CASE("given a project's file, when it is loaded, then each key has its type and its default") {
    World world = world_of(shop);
    world.files["/shop/.env"] = "SECRET='s3cret'\nWORKERS=8\n";
    std::string& text = world.files["/shop/persistproc.toml"];
    text.replace(text.find("vite --port ${web.port}"), 23, "vite --port ${web.port.main}");
    text.replace(text.find("\"${project.root}\""), 17, "[3000, {log = \"ready in .* ms\"}]");
    const Project project = world.good();
    CHECK(project.name == "shop");
    CHECK(project.root == "/shop");
    REQUIRE(project.processes.size() == 4);
    CHECK(project.groups.at("back") == Words{"db", "api"});
    CHECK(project.groups.at("all-of-it") == Words{"db", "api", "web"});

    const Process& db = *project.find("db");
    CHECK(db.definition.command == Words{"postgres", "-D", ".pg", "-p", "5432"});
    CHECK(!db.definition.shell);
    CHECK(db.definition.working_directory == "/shop");
    CHECK(db.definition.stop_signal == 2);
    CHECK(db.definition.grace_seconds == 10);
    CHECK(db.environment.at("PORT") == "5432");
    CHECK(db.environment.at("SECRET") == "s3cret");
    REQUIRE(db.ready.size() == 1);
    CHECK(std::get<domain::CommandCheck>(db.ready[0].subject).command == Words{"pg_isready", "-p", "5432"});
    CHECK(db.ready[0].probe_timeout_seconds == 3);

    const Process& migrate = *project.find("migrate");
    CHECK(migrate.definition.command == Words{"npm", "run", "migrate"});
    CHECK(migrate.oneshot);
    CHECK(migrate.ready.empty());
    CHECK(migrate.depends_on.front().until == Condition::ready);
    CHECK(migrate.autostart);
    CHECK(!migrate.watch);

    const Process& api = *project.find("api");
    CHECK(api.definition.working_directory == "/shop/packages/api");
    CHECK(api.environment == domain::Environment{{"DATABASE_URL", "postgres://localhost:5432/shop"},
                                                 {"DEBUG", "true"},
                                                 {"NODE_ENV", "test"},
                                                 {"PORT", "20000"},
                                                 {"SECRET", "s3cret"},
                                                 {"WORKERS", "2"}});
    CHECK(std::get<domain::HttpCheck>(api.ready.at(0).subject).port == 20000);
    CHECK(api.health.at(0).failures == 2);
    CHECK(api.health.at(0).period_seconds == 5);
    CHECK(api.definition.restart == domain::RestartPolicy::on_failure);
    CHECK(api.definition.restart_limit == 3);
    CHECK(api.restart.never_codes == std::vector<int>{2});
    CHECK(api.watch->paths == Words{"src/**/*.js"});
    CHECK(api.watch->debounce_seconds == 0.3);
    CHECK(api.definition.grace_seconds == 2);
    CHECK(api.log_limit_bytes == 8 << 20);

    const Process& web = *project.find("web");
    CHECK(web.definition.shell);
    CHECK(web.definition.command == Words{"PORT=1 vite --port 3000"});
    CHECK(web.environment.at("PORT_MAIN") == "3000");
    CHECK(web.environment.at("PORT_HMR") == "24678");
    CHECK(web.ready.size() == 2);
}

TEST_CASE("given a command as text, when it is plain words, then no shell reads it") {
    struct Row {
        const char* keys;
        Words command;
        bool shell;
    };
    const Row rows[] = {{"run = 'npm run dev'", {"npm", "run", "dev"}, false},
                        {"run = 'A=1 npm start'", {"A=1 npm start"}, true},
                        {"run = 'cd api && go run .'", {"cd api && go run ."}, true},
                        {"run = 'exec node x'", {"exec node x"}, true},
                        {"run = 'source .env'", {"source .env"}, true},
                        {"run = 'echo $HOME'", {"echo $HOME"}, true},
                        {"run = \"\"\"\na\nb\n\"\"\"", {"a\nb\n"}, true},
                        {"run = ['a b', '$X']", {"a b", "$X"}, false},
                        {"run = 'npm start'\nshell = 'bash'", {"bash", "-c", "npm start"}, false},
                        {"run = 'npm start'\nshell = 'sh'", {"npm start"}, true}};
    for (const auto& row : rows) {
        CAPTURE(row.keys);
        const Project project = world_of(std::string("[process.a]\n") + row.keys).good();
        CHECK(project.processes[0].definition.command == row.command);
        CHECK(project.processes[0].definition.shell == row.shell);
    }
}

TEST_CASE("given mistakes, when a file is checked, then each is told with its place and the nearest key") {
    struct Row {
        const char* text;
        const char* told;
    };
    const Row rows[] = {
        {"[process.a]\nrun = 'x'\nreadiness = 3000\n",
         "/shop/persistproc.toml:3:1: process.a.readiness: no such key; nearest: ready"},
        {"[process.a]\nrun = 'x'\n[proces.b]\nrun = 'x'",
         "/shop/persistproc.toml:3:2: proces: no such key; nearest: process"},
        {"trust = true\n[process.a]\nrun = 'x'\n", "/shop/persistproc.toml:1:1: trust: no such key; known: name, "},
        {"[process.a]\nready = 3000\n", "/shop/persistproc.toml:1:10: process.a.run: required: the command"},
        {"[process.a]\nrun = 'x'\nready = { htp = '/x' }\n",
         "/shop/persistproc.toml:3:17: process.a.ready.htp: no such key; nearest: http"},
        {"[process.a]\nrun = 'x'\nready = [1, { log = 'x', timeout = 'soon' }]\n",
         "/shop/persistproc.toml:3:36: process.a.ready[1].timeout: \"soon\" is not a duration"},
        {"[process.a]\nrun = 'x'\nready = 'https://localhost/x'\n",
         "/shop/persistproc.toml:3:9: process.a.ready: \"https://localhost/x\": https is not spoken; use a command"},
        {"[process.a]\nrun = 'x'\nready = 'http://db:80/x'\n",
         "/shop/persistproc.toml:3:9: process.a.ready: \"http://db:80/x\": only this machine"},
        {"[process.a]\nrun = 'x'\nready = '/x'\n", "/shop/persistproc.toml:3:9: process.a.ready: which port?"},
        {"[process.a]\nrun = 'x'\nready = '/x'\nport = {http = 1, admin = 2}\n",
         "/shop/persistproc.toml:3:9: process.a.ready: which port? \"http://localhost:${a.port.admin}/x\" or "
         "\"http://localhost:${a.port.http}/x\""},
        {"[process.a]\nrun = 'x'\nready = 'port'\nport = {http = 1, admin = 2}\n",
         "/shop/persistproc.toml:3:9: process.a.ready: which port? \"${a.port.admin}\" or \"${a.port.http}\""},
        {"[process.a]\nrun = 'x'\nhealth = 'notify'\n",
         "/shop/persistproc.toml:3:10: process.a.health: notify: what a program has said is no sign"},
        {"[process.a]\nrun = 'x -p ${a.port'\nport = 1\n",
         "/shop/persistproc.toml:2:7: process.a.run: ${a.port: \"}\" is missing behind it"},
        {"[process.a]\nrun = 'x'\ncwd = '${env.HOME}'\n",
         "/shop/persistproc.toml:3:7: process.a.cwd: ${env.HOME}: values of variables are shown nowhere"},
        {"[process.a]\nrun = 'x'\nenv_file = '${env.HOME}/.env'\n",
         "/shop/persistproc.toml:3:12: process.a.env_file: ${env.HOME}: values of variables are shown nowhere"},
        {"env_file = '${env.HOME}/.env'\n[process.a]\nrun = 'x'\n",
         "/shop/persistproc.toml:1:12: env_file: ${env.HOME}: values of variables are shown nowhere"},
        {"[process.a]\nrun = 'x'\nport = 1\n[process.b]\nrun = 'x'\nport = 1\n",
         "/shop/persistproc.toml:6:8: process.b.port: 1 is also a's; one of them may say \"auto\""},
        {"[process.a]\nrun = 'x'\nport = {http = 1, admin = 1}\n",
         "/shop/persistproc.toml:3:8: process.a.port: 1 is also a's; one of them may say \"auto\""},
        {"[process.a]\nrun = 'x'\nready = { log = '(' }\n", "/shop/persistproc.toml:3:9: process.a.ready: "},
        {"[process.a]\nrun = 'x'\nready = 70000\n", "/shop/persistproc.toml:3:9: process.a.ready: must be 1 to 65535"},
        {"[process.a]\nrun = 'x'\nport = 'any'\n", "/shop/persistproc.toml:3:8: process.a.port: expected a port"},
        {"[process.a]\nrun = 'x'\nstop_signal = 'BOO'\n",
         "/shop/persistproc.toml:3:15: process.a.stop_signal: signal: \"BOO\" cannot be sent"},
        {"[process.a]\nrun = 'x'\ngrace = 7200\n", "/shop/persistproc.toml:3:9: process.a.grace: must be 0 to 3600"},
        {"[process.a]\nrun = 'x'\nrestart = 'sometimes'\n",
         "/shop/persistproc.toml:3:11: process.a.restart: \"sometimes\" is not one of never"},
        {"[process.a]\nrun = 'x'\nrestart = { policy = 'always', tries = 2 }\n",
         "/shop/persistproc.toml:3:40: process.a.restart.tries: no such key; known: policy, max"},
        {"[process.a]\nrun = 'x'\nsuccess_codes = [0, 256]\n",
         "/shop/persistproc.toml:3:21: process.a.success_codes[1]: an exit code is 0 to 255"},
        {"[process.a]\nrun = 'x'\nenv = { '1A' = 'secret' }\n", "/shop/persistproc.toml:3:7: process.a.env: "},
        {"[process.a]\nrun = 'x'\nenv = { A = [1] }\n",
         "/shop/persistproc.toml:3:13: process.a.env.A: expected a text, a whole number, true or false, got array"},
        {"[process.a]\nrun = 'x'\nreplicas = 2\n",
         "/shop/persistproc.toml:3:1: process.a.replicas: nothing here shares a port"},
        {"[process.a]\nrun = 'x'\ncron = '* * * * *'\n",
         "/shop/persistproc.toml:3:1: process.a.cron: nothing is run by the clock; a timer does: systemd-run"},
        {"[process.a]\nrun = 'x'\nsize = '90x20'\n",
         "/shop/persistproc.toml:3:8: process.a.size: is that of a terminal"},
        {"[process.a]\nrun = 'x'\ntty = true\nsize = '9x20'\n", "/shop/persistproc.toml:4:8: process.a.size: \"9x20\""},
        {"[process.a]\nrun = 'x'\ntty = true\ninput = true\n",
         "/shop/persistproc.toml:4:9: process.a.input: tty is an input already"},
        {"[process.12]\nrun = 'x'\n", "/shop/persistproc.toml:1:10: \"12\": a number would be taken for a PID"},
        {"[process.p7]\nrun = 'x'\n", "/shop/persistproc.toml:1:10: \"p7\": has the form of a process's id"},
        {"[process.\"p7.2\"]\nrun = 'x'\n", "/shop/persistproc.toml:1:10: \"p7.2\": has the form of a run"},
        {"[process.all]\nrun = 'x'\n", "/shop/persistproc.toml:1:10: \"all\": means every process"},
        {"[process.env]\nrun = 'x'\n", "/shop/persistproc.toml:1:10: \"env\": ${env.…} means something else"},
        {"[process.'a b']\nrun = 'x'\n", "/shop/persistproc.toml:1:10: \"a b\": a name is letters"},
        {"process = 1\n", "/shop/persistproc.toml:1:11: process: tables are expected: [process.NAME]"},
        {"name = 'a b'\n[process.a]\nrun = 'x'\n", "/shop/persistproc.toml:1:8: name: letters, digits"},
        {"[groups]\ng = ['b']\n[process.a]\nrun = 'x'\n",
         "/shop/persistproc.toml:2:6: groups.g: no process or group \"b\""},
        {"[groups]\ng = ['h']\nh = ['g']\n[process.a]\nrun = 'x'\n",
         "/shop/persistproc.toml:2:5: groups.g: holds itself: g -> h -> g"},
        {"[groups]\na = []\n[process.a]\nrun = 'x'\n", "/shop/persistproc.toml:2:1: groups.a: a process has that name"},
        {"[defaults]\nport = 1\n[process.a]\nrun = 'x'\n",
         "/shop/persistproc.toml:2:1: defaults.port: each process has its own"},
        {"[process.a]\nrun = \"unbalanced 'quote\"\n",
         "/shop/persistproc.toml:2:7: process.a.run: the quote that ' opens is never closed; close it, or give a list "
         "of "
         "words"},
        {"[process.a]\nrun = 'x'\nstop_command = 'y \"z'\n",
         "/shop/persistproc.toml:3:16: process.a.stop_command: the quote that \" opens is never closed"},
        {"[process.a]\nrun = 'x'\nready = { command = \"it's\" }\n",
         "/shop/persistproc.toml:3:9: process.a.ready: the quote that ' opens is never closed"},
        {"[process.a]\nrun = 'x'\noneshot = true\nrestart = 'always'\n",
         "/shop/persistproc.toml:4:11: process.a.restart: always would run a oneshot again when it is done; "
         "\"on-failure\" until it is, or \"never\""},
        {"[process.a\n", "/shop/persistproc.toml:1:11: "},
        {"", "/shop/persistproc.toml:1:1: there is no process in it: [process.NAME]"}};
    for (const auto& row : rows) {
        CAPTURE(row.text);
        const auto wrong = world_of(row.text).wrong();
        REQUIRE(!wrong.empty());
        CHECK(wrong.front().starts_with(row.told));
        if (!wrong.front().starts_with(row.told)) CHECK(wrong.front() == row.told);
        CHECK(wrong.front().find("secret") == std::string::npos);
    }
}

TEST_CASE("given several mistakes, when a file is checked, then all are told in the order of the file") {
    const auto wrong =
        world_of("[process.b]\nrun = 1\n[process.a]\nrun = 'x'\nport = 'any'\nhealthy = 1\ngrace = 'x'\n").wrong();
    REQUIRE(wrong.size() == 4);
    CHECK(wrong[0].starts_with("/shop/persistproc.toml:2:7: process.b.run: "));
    CHECK(wrong[1].starts_with("/shop/persistproc.toml:5:8: process.a.port: "));
    CHECK(wrong[2].starts_with("/shop/persistproc.toml:6:1: process.a.healthy: "));
    CHECK(wrong[3].starts_with("/shop/persistproc.toml:7:9: process.a.grace: "));
    World world = world_of("a = 1\nb = 1\n");
    CHECK(world.load().error().message.ends_with("; and 1 more: persistproc check"));
}

TEST_CASE("given [x], when a file is loaded, then what is in it is the user's") {
    CHECK(world_of("[x]\nanything = [1]\n[process.a]\nrun = 'x'\n").good().processes.size() == 1);
}

TEST_CASE("given [defaults], when a process has a key, then its own counts, and tables are joined") {
    const Project project =
        world_of(
            "[defaults]\nrestart = 'always'\nenv = {A = '1', B = '1'}\nsuccess_codes = [0, 1]\n"
            "[process.a]\nrun = 'x'\nenv = {B = '2'}\nsuccess_codes = [3]\n[process.b]\nrun = 'x'\n")
            .good();
    CHECK(project.find("a")->environment == domain::Environment{{"A", "1"}, {"B", "2"}});
    CHECK(project.find("a")->success_codes == std::vector<int>{3});
    CHECK(project.find("b")->success_codes == std::vector<int>{0, 1});
    CHECK(project.find("b")->restart.policy == domain::RestartPolicy::always);
}

TEST_CASE("given a local file, when it is laid over, then tables are joined and lists replaced") {
    World world = world_of(
        "[process.a]\nrun = 'x'\nport = {http = 1000, admin = 1001}\nwatch = ['a', 'b']\nready = 1000\n"
        "env = {A = '1'}\n[process.b]\nrun = 'x'\n");
    world.files["/shop/persistproc.local.toml"] =
        "[process.a]\nport = {http = 2000}\nwatch = ['c']\nenv = {B = '2'}\n[process.b]\nremove = true\n"
        "[process.c]\nrun = 'y'\n";
    const Project project = world.good();
    CHECK(project.find("a")->port_numbers == std::map<std::string, int>{{"admin", 1001}, {"http", 2000}});
    CHECK(project.find("a")->watch->paths == Words{"c"});
    CHECK(project.find("a")->environment.at("B") == "2");
    CHECK(project.find("b") == nullptr);
    CHECK(project.find("c")->definition.command == Words{"y"});

    world.files["/shop/persistproc.local.toml"] = "[process.a]\nwach = []\n[process.d]\nremove = true\n";
    const auto wrong = world.wrong();
    REQUIRE(wrong.size() == 2);
    CHECK(wrong[0] == "/shop/persistproc.local.toml:2:1: process.a.wach: no such key; nearest: watch");
    CHECK(wrong[1] == "/shop/persistproc.local.toml:3:10: process.d: there is none to remove");
}

TEST_CASE("given included files, when they are loaded, then each stands by itself") {
    World world = world_of(
        "include = ['api/persistproc.toml']\nenv = {A = 'main'}\n[process.web]\nrun = 'x'\n"
        "depends_on = ['api']\n");
    world.files["/shop/api/persistproc.toml"] =
        "env = {A = 'api'}\nenv_file = '.env'\ninclude = ['../lib/db.toml']\n[process.api]\nrun = 'x'\ncwd = 'src'\n"
        "depends_on = ['db']\n[groups]\nback = ['api', 'db']\n";
    world.files["/shop/api/.env"] = "B=2\n";
    world.files["/shop/lib/db.toml"] = "[process.db]\nrun = 'x'\n";
    const Project project = world.good();
    CHECK(project.find("api")->definition.working_directory == "/shop/api/src");
    CHECK(project.find("api")->environment == domain::Environment{{"A", "api"}, {"B", "2"}});
    CHECK(project.find("web")->environment == domain::Environment{{"A", "main"}});
    CHECK(project.find("db")->definition.working_directory == "/shop/lib");
    CHECK(project.groups.at("back") == Words{"api", "db"});

    world.files["/shop/lib/db.toml"] = "name = 'x'\n[process.web]\nrun = 'x'\n[process.db]\nrun = 'x'\n";
    const auto wrong = world.wrong();
    REQUIRE(wrong.size() == 2);
    CHECK(wrong[0] == "/shop/lib/db.toml:1:1: name: the file that includes this one has the name");
    CHECK(wrong[1] == "/shop/lib/db.toml:2:10: process.web is defined already: /shop/persistproc.toml:3");
}

TEST_CASE("given an include that leads out, around or nowhere, when it is loaded, then it is refused") {
    const auto told = [](std::string list) {
        World world = world_of("include = [" + list + "]\n[process.a]\nrun = 'x'\n");
        world.files["/shop/b.toml"] = "include = ['persistproc.toml']\n[process.b]\nrun = 'x'\n";
        for (int i = 0; i < 10; ++i)
            world.files["/shop/deep" + std::to_string(i) + ".toml"] =
                "include = ['deep" + std::to_string(i + 1) + ".toml']\n";
        return world.wrong().at(0);
    };
    CHECK(told("'../other/x.toml'").find("lies outside of the repository /shop") != std::string::npos);
    CHECK(told("'/etc/passwd'").find("lies outside of the repository /shop") != std::string::npos);
    CHECK(told("'../shopping/x.toml'").find("lies outside of the repository /shop") != std::string::npos);
    CHECK(told("'none.toml'") == "/shop/persistproc.toml:1:12: /shop/none.toml: no such file");
    CHECK(told("'b.toml'") == "/shop/b.toml:1:12: include: \"/shop/persistproc.toml\" is there already");
    CHECK(told("'deep0.toml'").find("more than 8 files include each other") != std::string::npos);
    CHECK(told("1") == "/shop/persistproc.toml:1:12: include: a file's name is expected");
}

TEST_CASE("given a project beyond its bounds, when it is loaded, then that is all that is told") {
    std::string many;
    for (int i = 0; i < 300; ++i) many += "[process.a" + std::to_string(i) + "]\nrun = 'x'\n";
    CHECK(world_of(many).wrong() == Words{"/shop/persistproc.toml:513:10: more than 256 processes"});
    std::string keys = "[process.a]\nrun = 'x'\n[process.a.env]\n";
    for (int i = 0; i < 2000; ++i) keys += "A" + std::to_string(i) + " = ''\n";
    CHECK(world_of(keys).wrong() ==
          Words{"/shop/persistproc.toml:1:10: process.a: a table or list with more than 1024 members"});
    // Each names the one before it twice.
    std::string groups = "[process.a]\nrun = 'x'\n[groups]\ng0 = ['a']\n";
    for (int i = 1; i < 200; ++i) {
        const std::string before = "'g" + std::to_string(i - 1) + "'";
        groups += "g" + std::to_string(i) + " = [" + before + ", " + before + "]\n";
    }
    CHECK(world_of(groups).good().groups.at("g199") == Words{"a"});
    World world = world_of("env_file = 'big'\n[process.a]\nrun = 'x'\n");
    world.files["/shop/big"] = std::string(1 << 20, '#');
    CHECK(world.wrong().at(0) ==
          "/shop/persistproc.toml:1:12: env_file: /shop/big: the project's files are more than 1 MiB in all");
    CHECK(World().wrong() == Words{"/shop/persistproc.toml: no such file"});
}

TEST_CASE("given a project that comes to much more than its files, when it is loaded, then it is refused") {
    const auto is_refused = [](World world, const std::string& file = "/shop/persistproc.toml") {
        const auto told = world.wrong(file);
        return told.size() == 1 && told[0].find("come to more than 32 MiB") != std::string::npos;
    };
    std::string processes;
    for (int i = 0; i < 200; ++i) processes += "[process.a" + std::to_string(i) + "]\nrun = 'x'\n";
    CHECK(is_refused(world_of(processes + "[defaults]\ndescription = '" + std::string(200'000, 'x') + "'\n")));
    World variables = world_of("env_file = 'many'\n" + processes);
    for (int i = 0; i < 10'000; ++i) variables.files["/shop/many"] += "A" + std::to_string(i) + "=\n";
    CHECK(is_refused(variables));
    World expanded = world_of("env = {A = '${env.LONG}${env.LONG}'}\n" + processes);
    expanded.variables["LONG"] = std::string(100'000, 'x');
    CHECK(is_refused(expanded));
    std::string text = "[process.a]\nrun = 'x'\nenv = {A = '";
    for (int i = 0; i < 20; ++i) text += "${env.LONG}";
    World one = world_of(text + "'}\n");
    one.variables["LONG"] = std::string(100'000, 'x');
    CHECK(one.wrong() == Words{"/shop/persistproc.toml:3:12: process.a.env: with what its references stand for it is "
                               "longer than 1 MiB"});
    const std::string compose = "/shop/process-compose.yaml";
    std::string vars = "vars: {V: '" + std::string(100'000, 'x') + "'}\nprocesses:\n  a:\n    command: '";
    for (int i = 0; i < 50; ++i) vars += "{{.V}}";
    CHECK(world_of(vars + "'\n", compose).wrong(compose) ==
          Words{"/shop/process-compose.yaml:4:14: up to here vars stand for more than 4 MiB"});
}

TEST_CASE("given a file that is one thing over and over, when it is loaded, then that takes as long as reading it") {
    const auto filled = [](const std::string& head, std::string_view each, const std::string& end) {
        std::string out = head;
        while (out.size() + each.size() + end.size() < 1'000'000) out += each;
        return out + end;
    };
    const std::string compose = "/shop/process-compose.yaml", own = "/shop/persistproc.toml";
    const std::string environment = "processes:\n  a:\n    command: x\n    environment:\n      A: '";
    const std::string command = "vars: {V: v}\nprocesses:\n  a:\n    command: '";
    const auto [file, text] = GENERATE_COPY(table<std::string, std::string>(
        {{compose, filled(environment, "y", "'\n")},
         {compose, filled(environment, "${y", "'\n")},
         {compose, filled(command, "{{", "'\n")},
         {compose, filled(command, "{{.", "}}'\n")},
         {compose, filled(command, "{{.V}}", "'\n")},
         {"/shop/.claude/launch.json",
          filled(R"({"configurations": [{"name": "a", "runtimeExecutable": ")", "${workspaceFolder}", R"("}]})")},
         {own, filled("process.a.run = 'x'\nenv = {A = '", "${a.b:-", "'}\n")},
         {own, filled("process.a.run = 'x'\nenv = {A = '", "${env.A:-}", "'}\n")},
         {"/shop/.env", filled("A=", "${", "\n")},
         {"/shop/.env", filled("A=", "${B:-", "\n")},
         {"/shop/.env", filled("A=", "${B:-b}", "\n")}}));
    World world = world_of(text, file);
    const bool is_environment = file.ends_with(".env");
    if (is_environment) world.files[own] = "process.a.run = 'x'\nenv_file = [{path = '.env', expand = true}]\n";
    CAPTURE(file, text.substr(0, 80));
    const auto before = base::thread_time();
    world.load(is_environment ? own : file);
    CHECK(base::thread_time() - before < std::chrono::seconds(5));
}

TEST_CASE("given environment files, when they are read, then the stronger ones count, and PORT is strongest") {
    World world = world_of(
        "env_file = ['.env', { path = 'none', required = false }]\nenv = {B = 'top', C = 'top'}\n"
        "[process.a]\nrun = 'x'\nport = 4000\nenv_file = { path = 'own', expand = true }\n"
        "env = {D = 'own'}\n");
    world.files["/shop/.env"] = "A=file\nB=file\nPORT=1\n";
    world.files["/shop/own"] = "C=${A}-${HOME}\nD=file\n";
    world.variables["HOME"] = "/home/me";
    CHECK(world.good().processes[0].environment ==
          domain::Environment{{"A", "file"}, {"B", "top"}, {"C", "file-/home/me"}, {"D", "own"}, {"PORT", "4000"}});
    world.files["/shop/.env"] = "A='s3cret\n";
    const auto wrong = world.wrong();
    REQUIRE(wrong.size() == 1);
    CHECK(wrong[0] == "/shop/persistproc.toml:1:12: env_file: /shop/.env:1:3: a quote that is never closed");
    world.files.erase("/shop/.env");
    CHECK(world.wrong().at(0) == "/shop/persistproc.toml:1:12: env_file: /shop/.env: no such file");
}

TEST_CASE("given a value with ${ in an environment file, when it is checked, then its name is pointed at") {
    World world = world_of("env_file = '.env'\n[process.a]\nrun = 'x'\n[process.b]\nrun = 'x'\n");
    world.files["/shop/.env"] = "A=pre${HOME}s3cret\n";
    const Loaded loaded = world.load();
    REQUIRE(loaded.project);
    REQUIRE(loaded.notes.size() == 1);
    CHECK(loaded.text(loaded.notes[0]) ==
          "/shop/persistproc.toml:1:12: /shop/.env: \"${\" stays as it is in A; {path = …, expand = true} expands it");
    CHECK(loaded.project->processes[0].environment.at("A") == "pre${HOME}s3cret");
}

TEST_CASE("given a port that nobody may have, when it is loaded, then the book's word is told at its key") {
    World world = world_of("[process.a]\nrun = 'x'\nport = 3000\n");
    auto lookups = world.lookups();
    lookups.port = [](const std::string&, const PortWish&) -> Result<int> {
        return Error{ErrorCode::conflict, "port 3000 is shop@fix/web's"};
    };
    const Loaded loaded = load("/shop/persistproc.toml", lookups);
    REQUIRE(loaded.problems.size() == 1);
    CHECK(loaded.text(loaded.problems[0]) == "/shop/persistproc.toml:3:8: process.a.port: port 3000 is shop@fix/web's");
}

TEST_CASE("given a port and no check, when it is loaded, then ready means that it is listened on") {
    const Project project = world_of(
                                "[process.a]\nrun = 'x'\nport = 3000\n[process.b]\nrun = 'x'\nport = 3001\n"
                                "oneshot = true\n[process.c]\nrun = 'x'\nport = 3002\nready = []\n")
                                .good();
    CHECK(project.find("a")->ready == domain::Checks{{.subject = domain::PortCheck{3000}}});
    CHECK(project.find("b")->ready.empty());
    CHECK(project.find("c")->ready.empty());
}

TEST_CASE("given a directory, when the file has no name, then it is called after it and after its worktree") {
    CHECK(default_name("/home/me/shop", "") == "shop");
    CHECK(default_name("/home/me/my shop/", "") == "my-shop");
    CHECK(default_name("/srv/fix", "gitdir: /home/me/shop/.git/worktrees/fix\n") == "shop@fix");
    CHECK(default_name("/srv/sub", "gitdir: ../.git/modules/sub\n") == "sub");
    CHECK(default_name("/", "") == "project");
    CHECK(make_label("shop", "api", [](const std::string&) { return false; }) == "shop/api");
    CHECK(make_label("shop", "api", [](const std::string& l) { return l != "shop/api~3"; }) == "shop/api~3");
    for (const char* made : {"shop/api", "shop/api~3", "shop/api~12"}) CHECK(is_made_label(made, "shop", "api"));
    for (const char* other : {"", "api", "shop", "shop/", "shop/apis", "shop/api~", "shop/api~x", "shops/api", "mine"})
        CHECK(!is_made_label(other, "shop", "api"));
}

TEST_CASE("given a file cut at every byte, when it is loaded, then it is a project or says why not") {
    const std::string text = shop;
    for (std::size_t size = 0; size < text.size(); ++size) {
        World world = world_of(text.substr(0, size));
        world.files["/shop/.env"] = "";
        const Loaded loaded = world.load();
        CHECK(loaded.project.has_value() == loaded.problems.empty());
    }
}

}  // namespace persistproc::project
