#include "cli/words.hpp"

#include "cli/commands/arguments.hpp"
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

}  // namespace

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

TEST_CASE("all stands for every process behind the verb of another tool too") {
    CHECK(said_of({"kill", "all"}).find(": persistproc stop --force all, or persistproc signal KILL all;") !=
          std::string::npos);
    CHECK(said_of({"delete", "all"}).find(": persistproc rm -f all;") != std::string::npos);
    CHECK(instead_of_flag("output", "--all") == "persistproc output all: of every process");
    CHECK(instead_of_flag("status", "--all") == "persistproc status all: of every process");
}

}  // namespace persistproc::cli
