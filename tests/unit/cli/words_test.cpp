#include "cli/words.hpp"

#include "cli/commands/arguments.hpp"
#include "cli/options.hpp"
#include "common/domain/process.hpp"
#include "tests/support/catch.hpp"

namespace persistproc::cli {
namespace {

std::vector<ProcessView> known_processes() {
    std::vector<ProcessView> out;
    for (const char* const label : {"w1", "server", "sn"}) {
        ProcessView view;
        view.id = "p" + std::to_string(out.size() + 1);
        view.label = label;
        view.state = ProcessState::running;
        out.push_back(std::move(view));
    }
    return out;
}

/// What a command line without a subcommand is refused with.
std::string said_of(std::vector<std::string> command) {
    StartArguments arguments;
    arguments.implied = true;
    arguments.request.definition.command = std::move(command);
    const auto refused = refuse_known(arguments, known_processes());
    return refused ? refused->message : std::string();
}

/// What was typed as it was: without a subcommand, or behind `run`.
StartArguments typed(const std::vector<std::string>& arguments) {
    auto invocation = parse_invocation(arguments);
    if (!invocation) throw std::runtime_error(invocation.error().message);
    return static_cast<RunArguments*>(invocation->arguments.get())->start;
}

}  // namespace

TEST_CASE("a line of ours in quotes is no command") {
    const auto said = [](const std::vector<std::string>& arguments) {
        const auto refused = typed(arguments).unsplit;
        return refused ? refused->message : std::string();
    };
    CHECK(said({"list -a"}) == "\"list -a\" is one word, and no program; without the quotes: persistproc list -a");
    CHECK(said({"stop w1"}) == "\"stop w1\" is one word, and no program; without the quotes: persistproc stop w1");
    CHECK(said({"run sleep 1"}).ends_with("; without the quotes: persistproc run sleep 1"));
    CHECK(said({" list\t"}).ends_with("; without the quotes: persistproc list"));
    CHECK(said({"help list"}).ends_with("; without the quotes: persistproc help list"));
    CHECK(said({"logs -n 5", "w1"}).ends_with("; without the quotes: persistproc logs -n 5 w1"));
    CHECK(said({"logs w1 | head"}).ends_with("; without the quotes: persistproc logs w1 | head"));
    CHECK(said({"run -e A=secret x"}).ends_with("; without the quotes: persistproc run …"));
    // Who names a program, or says which is meant, is believed.
    CHECK(said({"sh -c true"}).empty());
    CHECK(said({"--", "list -a"}).empty());
    CHECK(said({"run", "list -a"}).empty());
}

TEST_CASE("a line that begins with a label is told which process that is") {
    StartArguments arguments = typed({"w1 status"});
    const auto refused = refuse_known(arguments, known_processes());
    REQUIRE(refused);
    CHECK(refused->message.starts_with("\"w1\" is p1, running: persistproc status w1"));
    CHECK(refuse_known(typed({" w1"}), known_processes()));
}

TEST_CASE("own flags behind a command, as pm2 takes them, are told of at once") {
    const auto flag = [](const std::vector<std::string>& command) {
        std::vector<std::string> line = {"run"};
        line.insert(line.end(), command.begin(), command.end());
        const auto misplaced = typed(line).misplaced;
        return misplaced && misplaced->is_peculiar ? misplaced->flag : std::string();
    };
    for (const char* own : {"--name", "--label", "--cwd", "--working-directory", "--description", "--history",
                            "--restart", "--grace", "--on-exit"})
        CHECK(flag({"sleep", "5", own, "5"}) == own);
    CHECK(flag({"python3", "--name", "x", "--", "x.py"}) == "--name");
    // What programs are known for is theirs.
    CHECK(flag({"docker", "run", "--name", "x"}).empty());
    CHECK(flag({"/usr/bin/gunicorn", "--name", "x"}).empty());
    CHECK(flag({"yarn", "--cwd", "web", "start"}).empty());
    CHECK(flag({"yarn", "--cwd", "web", "--name", "x"}) == "--name");
    for (const char* common : {"--env-file", "--color", "--raw", "--shell", "--detach", "-C", "-e"})
        CHECK(flag({"node", common, "x"}).empty());
}

TEST_CASE("the verb of another tool is advised on what was typed alone") {
    const std::string kill_target =
        "\"kill\" is not a subcommand: persistproc stop --force TARGET, or persistproc signal KILL TARGET; no process "
        "is ";
    const auto begins = [](const std::string& said, const std::string& expected) {
        INFO(said);
        CHECK(said.starts_with(expected));
    };
    begins(said_of({"kill", "w2"}), kill_target + "\"w2\" (did you mean \"w1\"?), persistproc list -a shows all;");
    begins(said_of({"kill", "1"}), kill_target + "\"1\", persistproc list -a");
    begins(said_of({"kill", "-9", "1"}), kill_target + "\"1\", persistproc list -a");
    begins(said_of({"kill", "-s", "HUP", "nope"}), kill_target + "\"nope\", persistproc list -a");
    // What is a program is no slip.
    begins(said_of({"kill", "nope", "sh"}), kill_target + "\"nope\" or \"sh\", persistproc list -a");
    begins(
        said_of({"delete", "serve"}),
        "\"delete\" is not a subcommand: persistproc rm TARGET (-f: also while it runs); no process is \"serve\" (did "
        "you mean \"server\"?),");
    begins(said_of({"kill", "sn", "nope"}),
           "\"kill\" is not a subcommand: persistproc stop --force sn, or persistproc signal KILL sn; no process is "
           "\"nope\", persistproc list -a");
    CHECK(said_of({"tail", "-n", "1", "nope"}).find("w1") == std::string::npos);
    // Where other words than targets may stand, nothing is said of them.
    begins(said_of({"sendSignal", "SIGHUP", "sn"}),
           "\"sendSignal\" is not a subcommand: persistproc signal SIGNAL sn; to run");
}

TEST_CASE("what other programs do with files is told of a process") {
    const auto tells = [](const std::vector<std::string>& command, const std::string& expected) {
        const std::string said = said_of(command);
        INFO(said);
        CHECK(said.find(expected) != std::string::npos);
    };
    tells({"head", "-n", "5", "w1"}, ": persistproc output -n all w1 | head; to run");
    tells({"grep", "error", "w1"}, ": persistproc output --grep PATTERN w1; to run");
    tells({"stat", "w1"}, ": persistproc status w1; to run");
    tells({"id", "w1"}, ": persistproc status w1; to run");
    tells({"open", "w1"}, ": persistproc status w1 shows its ports; to run");
    tells({"nice", "w1"}, "persistproc status w1; to run");
    tells({"env", "w1"}, ": persistproc status w1; to run");
    tells({"env", "A=1", "sevrer"}, "did you mean \"server\"?");
    // A program with its words.
    for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{
             {"nice", "npm", "run", "server"}, {"env", "A=1", "npm", "run", "w1"}, {"id", "-u"}, {"head", "/dev/null"}})
        CHECK(said_of(command).empty());
}

TEST_CASE("words about boot say what is started again after a reboot") {
    for (const char* word : {"enable", "save", "dump"})
        CHECK(said_of({word, "w1"})
                  .find("what has --restart always is started again after a reboot; persistproc start "
                        "w1 starts another as it was") != std::string::npos);
    for (const char* word : {"save", "dump", "resurrect", "startup", "enable"})
        CHECK(said_of({word}).find("--restart always") != std::string::npos);
    CHECK(said_of({"disable", "w1"})
              .find(": only what has --restart always is started at boot; persistproc stop w1 "
                    "stops it;") != std::string::npos);
}

TEST_CASE("a label in letters of another size is meant") {
    const std::string expected = "no process and no program is \"W1\"; did you mean \"w1\" (p1, running)?";
    CHECK(said_of({"W1"}) == expected);
    CHECK(said_of({"SN"}).find("did you mean \"sn\"") != std::string::npos);
    // What is another tool is no slip.
    const auto near = [](const char* word) { return refuse_near(typed({word, "list"}), known_processes()); };
    CHECK(near("sevrer"));
    std::vector<ProcessView> views = known_processes();
    views.front().label = "pq2";
    CHECK(!refuse_near(typed({"pm2", "list"}), views));
}

TEST_CASE("what a shell does itself is left to one") {
    for (const char* word : {"cd", "ulimit", "alias", "umask", "eval", "source"}) {
        const auto refused = refuse_mistyped(typed({"run", word, "x"}));
        REQUIRE(refused);
        CHECK(refused->message.starts_with(std::string("\"") + word + "\" is a shell's own: persistproc run --shell "));
    }
}

TEST_CASE("variables before a command line are all flags") {
    const auto refused = split_line("persistproc run", "FOO=1 BAR=secret  npm start");
    REQUIRE(!refused);
    CHECK(refused.error().message ==
          "variables stand before the command as flags: persistproc run -e FOO=… -e BAR=… npm start");
    CHECK(split_line("persistproc run", "FOO=\"a secret\" BAR=2 npm").error().message.ends_with(" -e FOO=… CMD…"));
}

TEST_CASE("what the subcommand serve does not take may be meant for npm's") {
    const auto said = [](const std::vector<std::string>& arguments) {
        return parse_invocation(arguments).error().message;
    };
    constexpr const char* hint = "; to run the program of that name: persistproc run serve …";
    CHECK(said({"serve", "-s", "build"}) == std::string("serve: unknown flag -s") + hint);
    CHECK(said({"serve", "."}) == std::string("serve: unexpected \".\"") + hint);
    CHECK(said({"serve", "8080"}) == std::string("serve: unexpected \"8080\"") + hint);
    CHECK(said({"list", "--zebra"}) == "list: unknown flag --zebra");
    CHECK(said({"list", "--sort=-cpu"}).find("\"-cpu\" is not one of") != std::string::npos);
    CHECK(split_line("persistproc run", "  \t").error().message ==
          "no command: the word holds nothing but blanks: persistproc run CMD…");
}

TEST_CASE("flags of docker say what is meant here") {
    CHECK(instead_of_flag("run", "--interactive").find("-t runs it on a terminal") != std::string::npos);
    CHECK(instead_of_flag("run", "-w").starts_with("-C DIR"));
    CHECK(instead_of_flag("start", "-v").find("no volume need be named") != std::string::npos);
    CHECK(instead_of_flag("list", "-v") == "of serve and mcp alone; -V is the version");
}

TEST_CASE("a flag before the first word is told of the subcommand behind it") {
    const auto said = [](const std::vector<std::string>& arguments) {
        const auto refused = parse_invocation(arguments);
        return refused ? std::string() : refused.error().message;
    };
    CHECK(said({"-v", "list"}) == "unknown flag -v: of serve and mcp alone; -V is the version");
    CHECK(said({"-v"}) == "unknown flag -v: of serve and mcp alone; -V is the version");
    CHECK(said({"-v", "sleep"}).find("no volume need be named") != std::string::npos);
}

TEST_CASE("what is no verb of anybody is told what can be done with the process behind it") {
    for (const std::string word : {"purge", "cleanup"}) {
        CHECK(said_of({word}).find(" persistproc prune forgets what has ended") != std::string::npos);
        CHECK(said_of({word, "w1"}).find(" persistproc rm w1 ") != std::string::npos);
    }
    CHECK(said_of({"frobnicate", "sn", "x"})
              .starts_with("no subcommand and no program is \"frobnicate\"; \"sn\" is p3, "
                           "running: persistproc status sn, "));
    CHECK(said_of({"frobnicate", "nothing"}).empty());
    // A slip is asked about.
    CHECK(said_of({"strat", "sn"}).empty());
}

TEST_CASE("all stands for every process behind the verb of another tool too") {
    CHECK(said_of({"kill", "all"}).find(": persistproc stop --force all, or persistproc signal KILL all;") !=
          std::string::npos);
    CHECK(said_of({"delete", "all"}).find(": persistproc rm -f all;") != std::string::npos);
    CHECK(instead_of_flag("output", "--all") == "persistproc output all: of every process");
    CHECK(instead_of_flag("status", "--all") == "persistproc status all: of every process");
}

}  // namespace persistproc::cli
