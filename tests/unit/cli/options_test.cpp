#include "cli/options.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <sstream>

#include "cli/arguments.hpp"
#include "cli/commands/arguments.hpp"
#include "cli/format/cells.hpp"
#include "cli/format/help.hpp"
#include "cli/format/manual.hpp"
#include "cli/format/tool_table.hpp"
#include "tests/support/catch.hpp"

namespace options_test {

using namespace persistproc;
using namespace persistproc::cli;

namespace {

using Words = std::vector<std::string>;

template <class Arguments>
Arguments parsed(const Words& arguments) {
    auto invocation = parse_invocation(arguments);
    if (!invocation) throw std::runtime_error(invocation.error().message);
    if (invocation->subcommand->kind != &cli::detail::kind_of<Arguments>)
        throw std::runtime_error("another subcommand: " + std::string(invocation->subcommand->typed.name));
    return *static_cast<Arguments*>(invocation->arguments.get());
}

std::string help_of(const Words& arguments) {
    auto invocation = parse_invocation(arguments);
    if (!invocation) throw std::runtime_error(invocation.error().message);
    return invocation->help;
}

std::string subcommand_of(const Words& arguments) {
    auto invocation = parse_invocation(arguments);
    if (!invocation) throw std::runtime_error(invocation.error().message);
    return std::string(invocation->subcommand->typed.name);
}

CommonOptions common_of(const Words& arguments) {
    auto invocation = parse_invocation(arguments);
    if (!invocation) throw std::runtime_error(invocation.error().message);
    return invocation->common;
}

std::string text_of(const std::filesystem::path& path) {
    std::ifstream file(path);
    return std::string((std::istreambuf_iterator<char>(file)), {});
}

std::string refusal_of(const Words& arguments) {
    auto invocation = parse_invocation(arguments);
    if (invocation) return "";
    CHECK(invocation.error().code == ErrorCode::invalid);
    CHECK(invocation.error().message.find('\n') == std::string::npos);
    return invocation.error().message;
}

/// The machine's own settings must not reach the tests.
struct CleanVariables {
    CleanVariables() {
        for (const char* name :
             {"PERSISTPROC_FORMAT", "PERSISTPROC_PORT", "PERSISTPROC_DATA_DIR", "PERSISTPROC_COMPAT"})
            ::unsetenv(name);
        ::setenv("HOME", "/nowhere", 1);
    }
} const clean_variables;

}  // namespace

TEST_CASE("everything after the first word of a command belongs to the program") {
    struct Row {
        Words arguments;
        Words command;
    };
    const std::vector<Row> rows = {
        {{"run", "node", "server.js", "--port", "3000", "-v"}, {"node", "server.js", "--port", "3000", "-v"}},
        {{"node", "server.js", "--port", "3000", "-v"}, {"node", "server.js", "--port", "3000", "-v"}},
        {{"npm", "run", "dev"}, {"npm", "run", "dev"}},
        {{"run", "--", "ls", "-la"}, {"ls", "-la"}},
        {{"--", "list", "--json"}, {"list", "--json"}},
        {{"run", "ls", "-la"}, {"ls", "-la"}},
        {{"run", "--label", "web", "ls", "--label", "x"}, {"ls", "--label", "x"}},
        {{"run", "--label=web", "ls", "--", "x"}, {"ls", "--", "x"}},
        {{"run", "-q", "--", "--strange", "-x"}, {"--strange", "-x"}},
        {{"run", "echo", "[a,b]", "", "ä ö", "--help", "-h"}, {"echo", "[a,b]", "", "ä ö", "--help", "-h"}},
        {{"[a,b]", "{c}"}, {"[a,b]", "{c}"}},
        {{"run", "list"}, {"list"}},
        {{"run", "-"}, {"-"}},
        {{"run", "-C/tmp", "-eA=1", "-e", "B=[x,y]", "true"}, {"true"}},
        {{"--on-exit", "stop", "make", "watch"}, {"make", "watch"}},
        {{"-q", "run", "--fresh", "x", "--fresh"}, {"x", "--fresh"}},
        {{"run", "printf", "%s\n", "a'b\"c"}, {"printf", "%s\n", "a'b\"c"}},
        {{"run", "npm run 'd v'"}, {"npm", "run", "d v"}},
        {{"npm run dev"}, {"npm", "run", "dev"}},
        {{"run", "npm run", "dev"}, {"npm run", "dev"}},
        {{"run", "--", "npm run dev"}, {"npm run dev"}},
        {{"run", "--shell", "npm run dev"}, {"npm run dev"}},
        {{"run", "-d", "--name", "x", "--cwd", "/", "--stop-timeout", "3", "true"}, {"true"}},
    };
    for (const auto& row : rows) {
        CAPTURE(row.arguments);
        CHECK(parsed<RunArguments>(row.arguments).start.request.definition.command == row.command);
    }
    CHECK(
        parsed<BackgroundArguments>({"start", "--label", "db", "postgres", "-D", "data"}).request.definition.command ==
        Words{"postgres", "-D", "data"});
}

TEST_CASE("flags of run") {
    const auto run = parsed<RunArguments>({"run",
                                           "--on-exit",
                                           "stop",
                                           "--label",
                                           "web",
                                           "-C",
                                           "/tmp",
                                           "-e",
                                           "A=[1,2]",
                                           "--env",
                                           "B=",
                                           "--env-file",
                                           "f",
                                           "--history",
                                           "20",
                                           "--raw",
                                           "--restart",
                                           "on-failure",
                                           "--grace",
                                           "2.5",
                                           "--fresh",
                                           "--no-autostart",
                                           "--stop-signal",
                                           "int",
                                           "cmd"});
    const domain::Definition& definition = run.start.request.definition;
    CHECK(run.on_exit == OnExit::stop);
    CHECK(definition.label == "web");
    CHECK(definition.working_directory == "/tmp");
    CHECK(run.start.request.environment == domain::Environment{{"A", "[1,2]"}, {"B", ""}});
    CHECK(run.start.environment_files == Words{"f"});
    CHECK(run.history == 20);
    CHECK(run.raw);
    CHECK(definition.restart == domain::RestartPolicy::on_failure);
    CHECK(definition.grace_seconds == 2.5);
    CHECK(definition.stop_signal == 2);
    CHECK(parsed<BackgroundArguments>({"start", "--description", "for tests", "x"}).request.definition.description ==
          "for tests");
    CHECK(refusal_of({"run", "--description", std::string(201, 'x'), "x"}).find("--description: 1 to 200 bytes") !=
          std::string::npos);
    CHECK(run.start.fresh);
    CHECK(run.start.no_autostart);
    CHECK_FALSE(run.start.is_bare());
    CHECK(parsed<BackgroundArguments>({"start", "--fresh", "-q", "web"}).is_bare());
    CHECK(parsed<BackgroundArguments>({"start", "web", "-v"}).word.empty());
    CHECK(parsed<BackgroundArguments>({"start", "a && b"}).unsplit);
    CHECK(parsed<RunArguments>({"run", "--env-file", "f", "-e", "A=1", "x"}).start.restart.policy ==
          domain::RestartPolicy::never);
    const std::vector<Words> defining = {{"-C", "/"},       {"--label", "x"},       {"--shell"},
                                         {"-e", "A=1"},     {"--env-file", "f"},    {"--restart", "always"},
                                         {"--grace", "1s"}, {"--description", "x"}, {"--stop-signal", "INT"}};
    for (const Words& flag : defining) {
        CAPTURE(flag[0]);
        Words line{"start"};
        line.insert(line.end(), flag.begin(), flag.end());
        line.push_back("web");
        CHECK(parsed<BackgroundArguments>(line).word == "web");
        CHECK_FALSE(parsed<BackgroundArguments>(line).is_bare());
    }
    CHECK(parsed<BackgroundArguments>({"start", "-C", "/", "web"}).defining_flag == "working-directory");
    CHECK(parsed<BackgroundArguments>({"start", "--", "web"}).word.empty());
    CHECK_FALSE(parsed<BackgroundArguments>({"start", "--fresh", "--", "web"}).is_bare());
    CHECK(refusal_of({"run", "--label", "", "x"}).find("--label: 1 to 200 bytes") != std::string::npos);
    CHECK(refusal_of({"run", "-e", "SECRET", "x"}) == "run: --env: give KEY=VALUE");
    CHECK(parsed<RunArguments>({"--label", "x", "cmd"}).start.request.definition.label == "x");
    CHECK(parsed<RunArguments>({"--label", "x", "run", "cmd"}).start.request.definition.label == "x");
    CHECK(parsed<RunArguments>({"run", "--label", "-x", "cmd"}).start.request.definition.label == "-x");
    // As views and tools spell it.
    CHECK(parsed<RunArguments>({"run", "--restart", "on_failure", "cmd"}).start.request.definition.restart ==
          domain::RestartPolicy::on_failure);
    CHECK(parsed<RunArguments>({"run", "--restart", "never", "cmd"}).start.request.definition.restart ==
          domain::RestartPolicy::never);
    CHECK(parsed<RunArguments>({"run", "--restart", "always", "cmd"}).start.request.definition.restart ==
          domain::RestartPolicy::always);
    struct Policy {
        const char* typed;
        domain::RestartPolicy policy;
        std::optional<std::int64_t> limit;
    };
    for (const auto& [typed, policy, limit] :
         {Policy{"no", domain::RestartPolicy::never, {}}, Policy{"unless-stopped", domain::RestartPolicy::always, {}},
          Policy{"on-failure:3", domain::RestartPolicy::on_failure, 3},
          Policy{"always:1", domain::RestartPolicy::always, 1}}) {
        CAPTURE(typed);
        const auto& definition = parsed<RunArguments>({"run", "--restart", typed, "cmd"}).start.request.definition;
        CHECK(definition.restart == policy);
        CHECK(definition.restart_limit == limit);
    }
    for (const char* wrong : {"", "sometimes", "on-failure:", "on-failure:0", "on-failure:x", "no:3"})
        CHECK(refusal_of({"run", "--restart", wrong, "cmd"}).find("run: --restart: ") == 0);
}

TEST_CASE("a number that is none is refused with what is wanted") {
    for (const char* wrong : {"-5", "abc", "", "1.5", "1 2"}) {
        CAPTURE(wrong);
        CHECK(refusal_of({"output", "web", "-n", wrong}).find("--lines: a whole number, or all, got ") !=
              std::string::npos);
        CHECK(refusal_of({"run", "--history", wrong, "x"}).find("a whole number, got ") != std::string::npos);
    }
    for (const char* large : {"1000000001", "99999999999999999999"})
        CHECK(refusal_of({"output", "web", "-n", large})
                  .find("--lines: a whole number from 0 to 1000000000, or all, got \"") != std::string::npos);
    CHECK(refusal_of({"run", "--history", "99999999999999999999", "x"})
              .find("a whole number of at most 18 digits, got ") != std::string::npos);
    for (const char* wrong : {"-1", "x", "", "1 x", "3601", "2h", "nan"}) {
        CAPTURE(wrong);
        CHECK(refusal_of({"stop", "web", "--grace", wrong}).find("stop: --grace: ") == 0);
    }
    CHECK(refusal_of({"stop", "web", "--grace", "2h"}) == "stop: --grace: from 0s to 1h, got \"2h\"");
    CHECK(parsed<StopArguments>({"stop", "web", "--grace", "0.25"}).request.grace_seconds == 0.25);
    CHECK(parsed<StopArguments>({"stop", "web", "--grace", "1m30s"}).request.grace_seconds == 90);
    CHECK(parsed<OutputArguments>({"output", "web", "-n", "0"}).request.lines == 0);
    // docker's word leaves out the past where it is 0.
    CHECK(parsed<OutputArguments>({"output", "web", "--tail=0"}).leaves_past);
    for (const char* everything : {"-n0", "-0", "--lines=0", "--tail=all"})
        CHECK(!parsed<OutputArguments>({"output", "web", everything}).leaves_past);
}

TEST_CASE("common flags stand on both sides of the subcommand; the later one counts") {
    CHECK(common_of({"--data-dir", "/x/y", "list"}).data_directory == "/x/y");
    CHECK(common_of({"list", "--data-dir", "/x/y"}).data_directory == "/x/y");
    CHECK(common_of({"--data-dir", "/x/y", "list", "--data-dir", "/z"}).data_directory == "/z");
    CHECK(refusal_of({"--data-dir", "/a", "--data-dir", "/b", "list"}) ==
          "--data-dir /a and --data-dir /b are one flag with two values: give it once");
    CHECK(common_of({"--json", "list"}).format == OutputFormat::json);
    CHECK(common_of({"list", "--format", "json"}).format == OutputFormat::json);
    CHECK(common_of({"--json", "list", "--format", "text"}).format == OutputFormat::text);
    CHECK(common_of({"-q", "stop", "x"}).quiet);
    CHECK(common_of({"stop", "-qf", "x"}).quiet);
    CHECK(common_of({"list", "--no-color"}).no_color);
    CHECK(parsed<ServeArguments>({"serve", "-v"}).flags.verbose);
    CHECK_FALSE(common_of({"list"}).port_given);
    CHECK(common_of({"--port", "9", "list"}).port_given);
    CHECK(common_of({"list"}).port == 8947);
    CHECK(common_of({"list", "--port", "9"}).port == 9);
    ::setenv("PERSISTPROC_FORMAT", "json", 1);
    CHECK(common_of({"list"}).format == OutputFormat::json);
    CHECK(common_of({"list", "--format=text"}).format == OutputFormat::text);
    ::setenv("PERSISTPROC_FORMAT", "yaml", 1);
    CHECK(refusal_of({"list"}).find("PERSISTPROC_FORMAT") == 0);
    ::unsetenv("PERSISTPROC_FORMAT");
}

TEST_CASE("wait has a port and a quiet time of its own") {
    auto wait = parsed<WaitArguments>({"wait", "web", "--port", "3000", "--timeout", "2m"});
    CHECK(wait.request.until == ops::WaitCondition::port);
    CHECK(wait.request.port == 3000);
    CHECK(wait.timeout_seconds == 120);
    CHECK(common_of({"--port", "77", "wait", "web", "--port", "3000"}).port == 77);
    wait = parsed<WaitArguments>({"wait", "--quiet", "2.5", "web"});
    CHECK(wait.request.until == ops::WaitCondition::quiet);
    CHECK(wait.request.quiet_seconds == 2.5);
    CHECK(common_of({"wait", "-q", "web"}).quiet);
    CHECK(parsed<WaitArguments>({"wait", "web"}).request.until == ops::WaitCondition::exit);
    CHECK(parsed<WaitArguments>({"wait", "--ready", "web"}).request.until == ops::WaitCondition::ready);
    CHECK(refusal_of({"wait", "web", "--ready", "--port", "3"}).find("one of") != std::string::npos);
    CHECK(refusal_of({"wait", "web", "--exit", "--port", "3"}).find("one of") != std::string::npos);
}

TEST_CASE("given checks, when a start is typed, then all of them must hold") {
    const auto start = parsed<BackgroundArguments>({"start", "--ready", "3000", "--ready=log:up on \\d+", "--health",
                                                    "/healthz", "--wait", "--wait-timeout", "2m", "app"});
    const auto& definition = start.request.definition;
    REQUIRE(definition.ready.size() == 2);
    CHECK(domain::check_text(definition.ready[0]) == "port 3000");
    CHECK(domain::check_text(definition.ready[1]) == "log /up on \\d+/");
    REQUIRE(definition.health.size() == 1);
    CHECK(domain::check_text(definition.health[0]) == "GET /healthz");
    CHECK(start.ready.wait);
    CHECK(start.ready.timeout_seconds == 120);
    CHECK(refusal_of({"start", "--ready", "soon", "app"}).find("--ready: \"soon\" is no check: PORT, /path") !=
          std::string::npos);
    CHECK(refusal_of({"start", "--wait-timeout", "3", "app"}).find("goes with --wait") != std::string::npos);
    CHECK(refusal_of({"run", "--wait", "app"}).find("--wait goes with --detach") != std::string::npos);
}

TEST_CASE("targets, output and signals") {
    CHECK(parsed<StopArguments>({"stop", "a", "--grace", "2", "b"}).targets == Words{"a", "b"});
    CHECK(parsed<StopArguments>({"stop", "--", "-x"}).targets == Words{"-x"});
    CHECK(parsed<RestartArguments>({"restart", "--force", "[a,b]"}).targets == Words{"[a,b]"});
    auto signal = parsed<SignalArguments>({"signal", "HUP", "web", "p2"});
    CHECK(signal.request.signal == "SIGHUP");
    CHECK(signal.targets == Words{"web", "p2"});
    CHECK(parsed<SignalArguments>({"signal", "15", "4711"}).targets == Words{"4711"});
    CHECK(parsed<SignalArguments>({"signal", "web", "sigusr1"}).request.signal == "SIGUSR1");
    auto output = parsed<OutputArguments>({"logs", "-fn5", "web", "--stream=stderr", "-t"});
    CHECK(output.follow);
    CHECK(output.request.lines == 5);
    CHECK(output.lines_given);
    CHECK(output.request.stream == domain::StreamChoice::err);
    CHECK(output.timestamps);
    CHECK(parsed<OutputArguments>({"output", "web"}).request.lines == 100);
    CHECK(parsed<OutputArguments>({"logs", "--tail", "all", "web"}).request.lines == 0);
    CHECK(parsed<OutputArguments>({"logs", "-n", "all", "web"}).lines_given);
    CHECK_FALSE(parse_invocation({"logs", "-n", "every", "web"}));
    CHECK_FALSE(parse_invocation({"logs", "-f", "--cursor", "p1:0", "-n", "3", "web"}));
    CHECK(parse_invocation({"logs", "-f", "--cursor", "p1:0", "web"}));
    CHECK(parsed<OutputArguments>({"output", "web"}).is_of_one());
    CHECK_FALSE(parsed<OutputArguments>({"logs"}).is_of_one());
    CHECK_FALSE(parsed<OutputArguments>({"logs", "all"}).is_of_one());
    auto several = parsed<OutputArguments>({"logs", "-i", "-v", "GET", "a", "-A1", "-B", "2", "b"});
    CHECK(several.targets == Words{"a", "b"});
    CHECK(several.ignore_case);
    CHECK(several.exclude == "GET");
    CHECK((several.after == 1 && several.before == 2));
    CHECK(parsed<ListArguments>({"ps", "--state", "running"}).request.state == ProcessState::running);
    CHECK(parsed<ShutdownArguments>({"shutdown", "--keep"}).request.keep);
    CHECK(parsed<ServeArguments>({"serve", "--detach", "--ready-fd", "5"}).flags.ready_fd == 5);
    CHECK_FALSE(common_of({"serve"}).compat);
    CHECK(parsed<ServeArguments>({"serve", "--compat"}).settings.compat);
    // A daemon that another command starts: by the variable alone.
    ::setenv("PERSISTPROC_COMPAT", "1", 1);
    CHECK(common_of({"run", "true"}).compat);
    ::setenv("PERSISTPROC_COMPAT", "yes", 1);
    CHECK(refusal_of({"serve"}).find("PERSISTPROC_COMPAT") == 0);
    ::unsetenv("PERSISTPROC_COMPAT");
    CHECK(refusal_of({"start", "--compat", "true"}).find("--compat") != std::string::npos);
}

TEST_CASE("help and version") {
    CHECK(help_of({}).find("Usage: persistproc") != std::string::npos);
    CHECK(help_of({"--help"}) == help_of({}));
    ::unsetenv("HOME");
    CHECK(help_of({}) == help_of({"--help"}));
    CHECK_FALSE(help_of({"run", "--help"}).empty());
    ::setenv("HOME", "/nowhere", 1);
    const std::string run_help = help_of({"run", "--help"});
    CHECK(run_help.find("--on-exit") != std::string::npos);
    CHECK(run_help.find("Examples:") != std::string::npos);
    CHECK(help_of({"help", "run"}) == run_help);
    CHECK(help_of({"help", "--json", "run"}) == run_help);
    CHECK(help_of({"--help", "run"}) == run_help);
    CHECK(help_of({"logs", "-h"}).find("persistproc output") != std::string::npos);
    CHECK(subcommand_of({"--version"}) == "version");
    CHECK(subcommand_of({"version"}) == "version");
}

TEST_CASE("a mistake is one line that says what instead") {
    CHECK(refusal_of({"run", "--labl", "x", "ls"}) == "run: unknown flag --labl; did you mean --label?");
    CHECK(refusal_of({"--jsn", "list"}) == "unknown flag --jsn; did you mean --json?");
    CHECK(refusal_of({"list", "-z"}) == "list: unknown flag -z");
    CHECK(refusal_of({"run", "--label"}).find("--label needs a value") != std::string::npos);
    CHECK(refusal_of({"list", "--json=x"}).find("takes no value") != std::string::npos);
    CHECK(refusal_of({"run", "--on-exit", "ask", "ls"}).find("--on-exit") != std::string::npos);
    CHECK(refusal_of({"run", "--history", "many", "ls"}).find("--history") != std::string::npos);
    CHECK(refusal_of({"run"}).find("no command") != std::string::npos);
    CHECK(refusal_of({"-q"}).find("no subcommand") != std::string::npos);
    CHECK(refusal_of({"stop"}).find("which process") != std::string::npos);
    CHECK(refusal_of({"output", "a", "all"}).find("\"all\" stands for every process") == 0);
    CHECK(refusal_of({"logs", "--cursor", "p1:0"}) == "logs: --cursor and --run are of one process; name it");
    CHECK(refusal_of({"logs", "-i", "web"}) == "-A, -B, -C and -i go with --grep or --exclude");
    CHECK(refusal_of({"list", "--port", "x"}).find("--port") == 0);
    CHECK(refusal_of({"--label", "x", "list"}).find("--label") == 0);
    CHECK(refusal_of({"signal", "FOO", "BAR"}).find("signal") != std::string::npos);
    CHECK(refusal_of({"run", "--shell", "a", "b"}).find("one word") != std::string::npos);
    CHECK(refusal_of({"serve", "--json"}).find("--json is of serve --detach") != std::string::npos);
    CHECK(parsed<ServeArguments>({"serve", "--detach", "--json"}).detach);
    CHECK(refusal_of({"help", "nothing"}).find("no subcommand") != std::string::npos);
    CHECK(parsed<RunArguments>({"run", "mcp"}).start.request.definition.command == Words{"mcp"});
}

TEST_CASE("a refusal names the subcommand as it was typed") {
    CHECK(refusal_of({"logs", "--cursor", "p1:0"}).starts_with("logs: "));
    CHECK(refusal_of({"output", "--cursor", "p1:0"}).starts_with("output: "));
    CHECK(refusal_of({"serve", "--max-processes", "0"}).find("--max-processes: a whole number from 1 to 999999999") !=
          std::string::npos);
}

TEST_CASE("setup names clients, a scope and an entry") {
    const auto setup = parsed<SetupArguments>({"setup", "claude"});
    CHECK(setup.agents == std::vector{ops::find_agent("claude-code")});
    CHECK(setup.scope == ops::AgentScope::user);
    CHECK(setup.name == "persistproc");
    CHECK_FALSE(setup.print);
    const auto other =
        parsed<SetupArguments>({"setup", "--scope", "project", "zed", "--name=a-1", "--stdio", "--print"});
    CHECK(other.agents.front()->name == "zed");
    CHECK(other.scope == ops::AgentScope::project);
    CHECK(other.name == "a-1");
    CHECK((other.stdio && other.print));
    CHECK(parsed<SetupArguments>({"setup", "zed", "--http"}).http);
    CHECK(refusal_of({"setup", "zed", "--http", "--stdio"}).find("one of --http") != std::string::npos);
    CHECK(parsed<SetupArguments>({"setup"}).agents.empty());
    CHECK(parsed<SetupArguments>({"setup", "zed", "claude", "claude-code"}).agents.size() == 2);
    CHECK(parsed<SetupArguments>({"setup", "--remove", "all"}).all);
    CHECK(refusal_of({"setup", "--remove"}).find("claude-code, cursor, vscode, codex, gemini, zed, windsurf") !=
          std::string::npos);
    CHECK(refusal_of({"setup", "all", "zed"}).find("\"all\" and a client") != std::string::npos);
    CHECK(refusal_of({"setup", "zed", "--remove", "--print"}).find("--remove") == 0);
    CHECK(refusal_of({"setup", "vim"}).find("unknown client \"vim\"; known: claude-code") != std::string::npos);
    CHECK(refusal_of({"setup", "windsurf", "--scope", "project"}).find("Windsurf") != std::string::npos);
    CHECK(refusal_of({"setup", "zed", "--name", "a.b"}).find("--name") == 0);
    CHECK(refusal_of({"setup", "zed", "--http", "--port", "0"}).find("--port") == 0);
    CHECK(refusal_of({"doctor", "zed"}).find("unexpected \"zed\"") != std::string::npos);
}

TEST_CASE("errors of a bad command line come in the format asked for") {
    CHECK(guess_format({"list", "--json", "--bad"}) == OutputFormat::json);
    CHECK(guess_format({"list", "--format", "json", "--bad"}) == OutputFormat::json);
    CHECK(guess_format({"run", "--bad", "--", "x", "--json"}) == OutputFormat::text);
    CHECK(guess_format({"list", "--json", "--format=text", "--bad"}) == OutputFormat::text);
}

TEST_CASE("help fits the terminal, and keeps what is to be typed whole") {
    for (const int columns : {0, 40, 80, 200}) {
        const auto most = static_cast<std::size_t>(columns == 0 ? 80 : std::min(columns, 100));
        CAPTURE(columns);
        std::vector<std::string> texts = {format::general_help(columns)};
        for (const Subcommand* each : all_subcommands())
            if (!each->typed.summary.empty()) texts.push_back(format::subcommand_help(*each, columns));
        for (const std::string& text : texts) {
            std::istringstream lines(text.substr(0, text.find("\n  persistproc ")));
            for (std::string line; std::getline(lines, line);) {
                CAPTURE(line);
                // A flag with its value, or one long word, is never broken.
                if (columns != 40) CHECK(format::cells_of(line) <= most);
                if (line.starts_with("  ")) CHECK(line.find_first_not_of(' ') < most);
            }
        }
    }
    CHECK(format::wrap_behind("one two three four five six seven", 30, 4) == "one two three four five\n    six seven");
}

TEST_CASE("help names every flag of every subcommand, and the general help every subcommand") {
    for (const Subcommand* each : all_subcommands()) {
        if (each->typed.summary.empty()) continue;
        CAPTURE(each->typed.name);
        CHECK(format::general_help().find("\n  " + std::string(each->typed.name)) != std::string::npos);
        const std::string help = help_of({std::string(each->typed.name), "--help"});
        auto arguments = each->make();
        for (const Flag& flag : each->flags(arguments.get())) {
            CHECK(help.find(flag_text(flag)) != std::string::npos);
            CHECK(std::string(flag.facts.sentence()) != "");
        }
        CHECK(std::string(each->typed.text).ends_with("."));
    }
}

TEST_CASE("the README's tables are those of the program") {
    const std::string readme = text_of(PERSISTPROC_README);
    const std::pair<std::string, std::string> tables[] = {{"subcommands", format::readme_table()},
                                                          {"tools", format::tool_table()}};
    for (const auto& [name, table] : tables) {
        CAPTURE(name);
        const std::string begin = "<!-- " + name + ", from the program -->\n", end = "<!-- end -->";
        const std::size_t from = readme.find(begin);
        REQUIRE(from != std::string::npos);
        const std::size_t to = readme.find(end, from);
        REQUIRE(to != std::string::npos);
        CHECK(readme.substr(from + begin.size(), to - from - begin.size()) == table);
    }
}

TEST_CASE("the manual knows each variable that the sources name, and no other of ours") {
    namespace fs = std::filesystem;
    const fs::path root = fs::path(PERSISTPROC_README).parent_path();
    const std::regex variable("\"((PERSISTPROC|XDG)_[A-Z_]*[A-Z]|NO_COLOR|NOTIFY_SOCKET)\"");
    std::set<std::string> named;
    for (const char* folder : {"cli", "common", "daemon"})
        for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
            const fs::path& path = entry.path();
            // Those of crash tests are in no build that is installed.
            if (path.extension() != ".cpp" || path.stem() == "manual" || path.stem() == "kill_point") continue;
            const std::string text = text_of(path);
            for (std::sregex_iterator each(text.begin(), text.end(), variable), end; each != end; ++each)
                named.insert((*each)[1]);
        }
    std::set<std::string> explained;
    const std::string client = format::client_manual(), daemon = format::daemon_manual("");
    for (const format::ManualEntry& each : format::known_variables()) {
        explained.insert(std::string(each.name));
        const std::string term = "\n.B " + std::string(each.name) + "\n";
        CHECK((client.find(term) != std::string::npos) == ((each.page & format::ManualEntry::client) != 0));
        CHECK((daemon.find(term) != std::string::npos) == ((each.page & format::ManualEntry::daemon) != 0));
    }
    CHECK(named == explained);
    for (const std::string& page : {client, daemon}) CHECK(page.find("/config.toml\n") != std::string::npos);
}

}  // namespace options_test
