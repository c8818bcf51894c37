#include "cli/format/help.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace persistproc::cli::format {

namespace {

struct VerbHelp {
    std::string_view verb, usage, text, examples;
};

constexpr VerbHelp helps[] = {
    {"serve", "serve [FLAGS]",
     "Runs the daemon in the foreground, or with --detach in the background. Prints its endpoint and how to add it to "
     "agents.",
     "  persistproc serve --detach\n  persistproc serve --port 9000\n"},
    {"run", "run [FLAGS] CMD…",
     "Starts the command, or joins the one already running in this directory, and streams its output. Flags end at "
     "the\n"
     "first word of the command. The exit status is the program's (128+N for signal N).",
     "  persistproc run npm run dev\n  persistproc npm run dev                  # the same\n"
     "  persistproc run --on-exit stop --label api node server.js --port 3000\n"},
    {"start", "start [FLAGS] CMD… | TARGET",
     "Starts the command in the background and returns once it runs. One word that is the id or label of a process "
     "that has\n"
     "ended starts that one again.",
     "  persistproc start --label db postgres -D data\n  persistproc start db\n"},
    {"stop", "stop [FLAGS] TARGET… | all",
     "Stops processes and everything they started; returns when all of it is gone.",
     "  persistproc stop web\n  persistproc stop --grace 2 p3 p4\n  persistproc stop all\n"},
    {"restart", "restart [FLAGS] TARGET… | all",
     "Stops and starts again, with the same command, directory and environment.", "  persistproc restart web\n"},
    {"signal", "signal SIGNAL TARGET… | all", "Sends one signal to the program's process group.",
     "  persistproc signal HUP nginx\n"},
    {"list", "list [FLAGS] [TARGET]", "All processes. Also: ls, ps.",
     "  persistproc list\n  persistproc list --json --state running\n"},
    {"status", "status TARGET… | all", "Processes in full. Exit status: 0 running, 3 not running, 4 unknown.",
     "  persistproc status web\n"},
    {"output", "output [FLAGS] TARGET", "Recorded output, of running and ended processes. Also: logs.",
     "  persistproc output web\n  persistproc output -f --since 2m web\n  persistproc output -n 0 --stream stdout web "
     "> all.txt\n"
     "  persistproc output --grep 'error|warn' web\n"},
    {"wait", "wait TARGET --pattern RE2 | --port N | --quiet SECONDS | --exit",
     "Waits until it is so; fails at once when the process ends first. 124: the time is over.",
     "  persistproc wait web --port 3000 --timeout 30\n  persistproc wait build --exit\n"},
    {"rm", "rm TARGET… | all", "Forgets processes that are not running, with their output.",
     "  persistproc rm old-web\n"},
    {"shutdown", "shutdown [--keep]", "Ends the daemon. Processes are stopped first, or left running with --keep.",
     "  persistproc shutdown --keep\n"},
    {"setup", "setup [FLAGS] CLIENT",
     "Adds the daemon to the MCP servers of a client: claude-code, cursor, vscode, codex, gemini, zed or windsurf. "
     "Changes "
     "its own\nentry in the client's file and nothing else.",
     "  persistproc setup claude-code\n  persistproc setup vscode --scope project\n  persistproc setup codex "
     "--print\n"},
    {"doctor", "doctor",
     "Examines the installation, the daemon and the clients' files, and says what to do. Changes nothing. Exit status: "
     "0 no\nproblem, 1 problems.",
     "  persistproc doctor\n"},
    {"mcp", "mcp [FLAGS]",
     "Serves MCP on stdin and stdout, for agents that start their servers themselves. Passes everything on to the "
     "daemon,\nwhich it starts when needed.",
     "  claude mcp add persistproc -- persistproc mcp\n"},
    {"version", "version", "Version of the client and, if it answers, of the daemon.", ""},
};

}  // namespace

std::string general_help() {
    return "persistproc: the process layer for people and coding agents\n"
           "\n"
           "Usage: persistproc SUBCOMMAND …, or persistproc CMD… to run a command\n"
           "\n"
           "  run CMD…       start a command, or join the one already running, and stream its output\n"
           "  start CMD…     start it in the background\n"
           "  stop, restart, signal TARGET…\n"
           "  list           all processes (ls, ps)\n"
           "  status TARGET  one process in full\n"
           "  output TARGET  recorded output (logs)\n"
           "  wait TARGET    for a pattern, a port, quiet, or the end\n"
           "  rm TARGET      forget a process that is not running\n"
           "  serve          run the daemon; it is also started when needed\n"
           "  shutdown       end the daemon\n"
           "  setup CLIENT   add it to Claude Code, Cursor, VS Code, Codex, Gemini CLI, Zed, Windsurf\n"
           "  doctor         examine the installation\n"
           "  mcp            serve MCP on stdin and stdout, for agents\n"
           "  version        of client and daemon\n"
           "\n"
           "TARGET: an id (p3), a label, a PID or a command. Own flags end at the first word of a command.\n"
           "Every subcommand: --port, --data-dir, --format text|json, --json, -v, -q, --help.\n"
           "\n"
           "  persistproc run npm run dev        # Ctrl+C detaches, the program goes on\n"
           "  persistproc list\n"
           "  persistproc output -f web\n";
}

std::string verb_help(std::string_view verb, const std::vector<FlagHelp>& flags) {
    std::string out;
    for (const VerbHelp& help : helps) {
        if (help.verb != verb) continue;
        out = fmt::format("Usage: persistproc {}\n\n{}\n\n", help.usage, help.text);
        std::size_t width = 0;
        for (const auto& flag : flags) width = std::max(width, flag.names.size());
        for (const auto& flag : flags) out += fmt::format("  {:<{}}  {}\n", flag.names, width, flag.text);
        if (!help.examples.empty()) out += fmt::format("\nExamples:\n{}", help.examples);
    }
    return out;
}

}  // namespace persistproc::cli::format
