#include "cli/words.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "cli/arguments.hpp"
#include "cli/commands/arguments.hpp"
#include "cli/format/process_text.hpp"
#include "cli/subcommand.hpp"
#include "common/base/text.hpp"

namespace persistproc::cli {

namespace {

struct ReservedWord {
    std::string_view word;
    std::string_view instead;  // what there is today; may be empty
};
constexpr ReservedWord reserved_words[] = {
    {"send", ""},
    {"top", "persistproc list shows CPU and memory"},
    {"web", ""},
    {"events", "persistproc audit -f follows who does what"},
    {"notify", ""},
    {"up", "there are no project files yet: persistproc start --label NAME CMD for each program"},
    {"down", "persistproc stop all stops everything"},
    {"check", "persistproc doctor examines the installation"},
    {"init", ""},
    {"allow", ""},
    {"revoke", ""},
    {"attach", "persistproc output -f TARGET follows its output"},
    {"port", "persistproc status TARGET shows its ports"},
    {"exec", ""},
    {"history", "persistproc audit TARGET says who did what"},
};

/// A word of another tool. `{}` stands for the target.
struct ForeignVerb {
    std::string_view word;
    std::string_view of_target;  // may be empty: it is not said of one
    std::string_view alone;      // without a target; may be empty
};
constexpr std::string_view to_forget = "persistproc rm {} (-f: also while it runs)";
constexpr std::string_view to_describe = "persistproc status {}";
constexpr std::string_view nothing_to_save = "nothing need be saved: processes and their output are kept";
constexpr std::string_view to_list = "persistproc list shows all processes";
constexpr ForeignVerb foreign_verbs[] = {
    {"kill", "persistproc stop --force {}, or persistproc signal KILL {}",
     "persistproc stop TARGET ends a process, persistproc shutdown the daemon"},
    {"delete", to_forget, ""},
    {"del", to_forget, ""},
    {"remove", to_forget, ""},
    {"forget", to_forget, ""},
    {"describe", to_describe, ""},
    {"show", to_describe, ""},
    {"info", to_describe, ""},
    {"inspect", "persistproc status --json {}", ""},
    {"pid", to_describe, ""},
    {"tree", to_describe, ""},
    {"env", to_describe, ""},
    {"is-active", to_describe, ""},
    {"monit", "", to_list},
    {"stats", "", to_list},
    {"dashboard", "", to_list},
    {"tail", "persistproc output -f {}", ""},
    {"cat", "persistproc output {}", ""},
    {"less", "persistproc output {}", ""},
    {"fg", "persistproc output -f {}", ""},
    {"save", "", nothing_to_save},
    {"dump", "", nothing_to_save},
    {"resurrect", "",
     "nothing need be brought back: the next daemon has all processes; persistproc start TARGET starts "
     "one again"},
    {"startup", "", "the systemd user unit starts the daemon: systemctl --user enable --now persistprocd"},
    {"unstartup", "", "systemctl --user disable persistprocd"},
    {"enable", "", "the systemd user unit starts the daemon: systemctl --user enable --now persistprocd"},
    {"disable", "", "systemctl --user disable persistprocd"},
    {"reload", "persistproc restart {}, or persistproc signal HUP {}", ""},
    {"clear", "persistproc flush {}",
     "persistproc flush TARGET empties a log, persistproc prune forgets what has ended"},
    {"clean", "persistproc flush {}", "persistproc prune forgets what has ended"},
    {"scale", "persistproc start --label NAME CMD for each instance", ""},
    {"pause", "persistproc signal STOP {}", ""},
    {"unpause", "persistproc signal CONT {}", ""},
    {"resume", "persistproc signal CONT {}", ""},
    {"update", "persistproc restart {}", ""},
};

struct ForeignFlag {
    std::string_view subcommands;  // in blanks; empty: of every one
    std::string_view flags;        // in blanks
    std::string_view instead;
};
constexpr ForeignFlag foreign_flags[] = {
    {" run start ", " --watch -w ", "nothing is restarted when files change yet; use the program's own watch mode"},
    {" run start ", " -i --instances ",
     "one process is one program: start it once for each instance, with a --label each"},
    {" run start ", " -it -ti -t --tty --interactive ", "programs get no terminal and no input yet"},
    {" run start ", " --max-restarts ", "--restart on-failure:N gives up after N quick failures in a row"},
    {" run start ", " --no-autorestart ", "a program that ends is not run again unless --restart says so"},
    {" run start ", " --restart-delay --exp-backoff-restart-delay ",
     "pauses grow by themselves from one restart to the next"},
    {" run start ", " --rm ", "what has ended is kept for a while; persistproc rm or prune forgets it"},
    {" run start ", " -p --publish ", "a program's ports are its own; persistproc list shows them"},
    {" run start ", " -m --memory --max-memory-restart --cpus ", "there are no limits of memory and CPU yet"},
    {" run start ", " --cron --cron-restart ", "nothing is run by the clock; use cron or a systemd timer"},
    {" run start ", " --interpreter ", "name the interpreter before the script: persistproc run node app.js"},
    {" run start ", " -u --user --uid ", "programs run as you"},
    {" run start ", " -f --file ",
     "there are no project files yet: persistproc start --label NAME CMD for each program"},
    {" run start ", " -o --output -l --log --error --merge-logs ", "all output is recorded: persistproc output TARGET"},
    {" run start ", " --args ", "what stands behind the command is the program's"},
    {" output ", " -o --out-file ", "redirect it: persistproc output TARGET > FILE"},
    {" output ", " -i --ignore-case ", "begin the pattern with (?i)"},
    {" output ", " -A -B --after-context --before-context ", "-C N shows N lines around each match"},
    {" wait ", " --ready ", "readiness checks are not available yet; use --pattern or --port"},
    {" list ", " --no-trunc ", "-o wide cuts nothing"},
    {"", " -y --yes ", "nothing ever asks"},
    {"", " -v --verbose ", "of serve and mcp alone"},
    {"", " -H --host ", "the daemon serves this machine alone; use ssh"},
};

/// Own flags that no program is known for. Others behind a command are the program's without a word.
constexpr std::string_view peculiar_flags[] = {"on-exit", "fresh", "no-autostart", "restart",
                                               "grace",   "label", "stop-signal"};
/// They run programs too, and have some of these themselves.
constexpr std::string_view runners[] = {"docker", "podman", "nerdctl", "pm2", "systemd-run", "persistproc"};

bool is_gap(char c) { return c == ' ' || c == '\t' || c == '\n'; }

std::string with_target(std::string_view text, std::string_view target) {
    std::string out(text);
    for (std::size_t at = 0; (at = out.find("{}", at)) != std::string::npos; at += target.size())
        out.replace(at, 2, target);
    return out;
}

std::string command_text(const std::vector<std::string>& command) {
    return base::excerpt(domain::command_line(command));
}

Error refusal(const std::vector<std::string>& command, std::string_view instead) {
    return Error{ErrorCode::invalid,
                 fmt::format("\"{}\" is not a subcommand: {}; to run a program of that name: persistproc run {}",
                             base::excerpt(command.front()), instead, command_text(command))};
}

const ForeignVerb* find_verb(std::string_view word) {
    const auto found = std::find_if(std::begin(foreign_verbs), std::end(foreign_verbs),
                                    [&](const ForeignVerb& each) { return each.word == word; });
    return found == std::end(foreign_verbs) ? nullptr : found;
}

bool is_program(const std::string& path) {
    struct stat facts {};
    return ::stat(path.c_str(), &facts) == 0 && S_ISREG(facts.st_mode) && ::access(path.c_str(), X_OK) == 0;
}

/// A word with a slash is a path: whether it leads anywhere is told by who runs it.
bool is_found(const StartArguments& arguments, const std::string& word) {
    if (word.find('/') != std::string::npos) return true;
    const auto& variables = arguments.request.environment;
    const auto own = variables.find("PATH");
    const char* const inherited = std::getenv("PATH");
    const std::string path = own != variables.end() ? own->second : inherited != nullptr ? inherited : "/bin:/usr/bin";
    for (std::size_t from = 0; from <= path.size();) {
        const std::size_t colon = std::min(path.find(':', from), path.size());
        const std::string folder = path.substr(from, colon - from);
        if (is_program((folder.empty() ? "." : folder) + "/" + word)) return true;
        from = colon + 1;
    }
    return false;
}

const ProcessView* find_named(const std::vector<ProcessView>& views, std::string_view word) {
    for (const auto& view : views)
        if (view.id == word || view.label == word || (view.pid && std::to_string(*view.pid) == word)) return &view;
    return nullptr;
}

/// "NAME=value" is an assignment in a shell; its value is shown nowhere.
std::string assigned_name(std::string_view word) {
    const std::size_t equals = word.find('=');
    if (equals == std::string_view::npos || equals == 0) return {};
    const std::string_view name = word.substr(0, equals);
    const bool is_name = std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    });
    return is_name ? std::string(name) : std::string();
}

}  // namespace

std::optional<Error> refuse_reserved(std::string_view word) {
    for (const ReservedWord& each : reserved_words)
        if (each.word == word)
            return Error{ErrorCode::invalid,
                         fmt::format("\"{0}\" is not available in this version{1}{2}; to run a program of that name: "
                                     "persistproc run {0}",
                                     word, each.instead.empty() ? "" : ": ", each.instead)};
    return std::nullopt;
}

std::string instead_of_flag(std::string_view subcommand, std::string_view flag) {
    const auto among = [](std::string_view list, std::string_view word) {
        return list.find(fmt::format(" {} ", word)) != std::string_view::npos;
    };
    for (const ForeignFlag& each : foreign_flags)
        if ((each.subcommands.empty() || among(each.subcommands, subcommand)) && among(each.flags, flag))
            return std::string(each.instead);
    return {};
}

std::optional<Error> refuse_assignment(std::string_view subcommand, const std::vector<std::string>& command) {
    std::string flags;
    std::vector<std::string> rest = command;
    while (!rest.empty() && !assigned_name(rest.front()).empty()) {
        flags += fmt::format("-e {}=… ", assigned_name(rest.front()));
        rest.erase(rest.begin());
    }
    if (flags.empty()) return std::nullopt;
    return Error{ErrorCode::invalid, fmt::format("variables stand before the command as flags: persistproc {} {}{}",
                                                 subcommand, flags, rest.empty() ? "CMD…" : command_text(rest))};
}

Result<std::vector<std::string>> split_line(std::string_view subcommand, const std::string& word) {
    const auto first = std::find_if_not(word.begin(), word.end(), is_gap);
    const std::string begin(first, std::find_if(first, word.end(), is_gap));
    if (!assigned_name(begin).empty()) {
        // What follows is shown only where it is understood.
        auto rest = domain::split_command(std::string(first + static_cast<std::ptrdiff_t>(begin.size()), word.end()));
        std::vector<std::string> command = {begin};
        if (rest) command.insert(command.end(), rest->begin(), rest->end());
        return *refuse_assignment(subcommand, command);
    }
    auto words = domain::split_command(word);
    const std::string shell =
        fmt::format("persistproc {} --shell {}", subcommand, base::excerpt(base::shell_quote(word)));
    if (!words) {
        const std::string& why = words.error().message;
        const std::string_view prefix = "command: ";
        const std::string what = why.substr(why.starts_with(prefix) ? prefix.size() : 0);
        return Error{ErrorCode::invalid, fmt::format("{}: {}", what.substr(0, what.find("; set shell")), shell)};
    }
    if (words->front() == "cd" || words->front() == "export" || words->front() == "source" || words->front() == ".")
        return Error{ErrorCode::invalid,
                     fmt::format("\"{}\" is a shell's own: {}; a directory: -C DIR", words->front(), shell)};
    return words;
}

std::optional<Error> refuse_project_file(std::string_view word) {
    constexpr std::string_view names[] = {"Procfile",
                                          "Procfile.dev",
                                          "ecosystem.config.js",
                                          "ecosystem.config.cjs",
                                          "ecosystem.config.json",
                                          "process-compose.yaml",
                                          "process-compose.yml",
                                          "compose.yaml",
                                          "compose.yml",
                                          "docker-compose.yaml",
                                          "docker-compose.yml",
                                          "mprocs.yaml"};
    const std::string_view name = word.substr(word.rfind('/') + 1);
    if (std::find(std::begin(names), std::end(names), name) == std::end(names)) return std::nullopt;
    return Error{ErrorCode::invalid,
                 fmt::format("{}: there are no project files yet: persistproc start --label NAME CMD for "
                             "each program of it",
                             name)};
}

std::optional<std::string> misplaced_flag(const StartArguments& arguments) {
    const auto& command = arguments.request.definition.command;
    const std::string program = command.front().substr(command.front().rfind('/') + 1);
    if (arguments.dashes || std::find(std::begin(runners), std::end(runners), program) != std::end(runners))
        return std::nullopt;
    for (std::size_t i = 1; i < command.size() && command[i] != "--"; ++i)
        for (const std::string_view flag : peculiar_flags)
            if (command[i].starts_with("--") && command[i].substr(2, command[i].find('=') - 2) == flag)
                return fmt::format("--{} stands behind the command and is passed on to it; ours stand before it", flag);
    return std::nullopt;
}

std::optional<Error> refuse_mistyped(const StartArguments& arguments) {
    const auto& command = arguments.request.definition.command;
    const std::string& word = command.front();
    if (arguments.dashes || is_found(arguments, word)) return std::nullopt;
    if (word == "cd" || word == "export" || word == "source")
        return Error{
            ErrorCode::invalid,
            fmt::format("\"{}\" is a shell's own: persistproc run --shell 'COMMAND LINE'; a directory: -C DIR", word)};
    if (!arguments.implied || find_verb(word) != nullptr) return std::nullopt;
    std::vector<std::string> names;
    for (const Subcommand* each : all_subcommands()) {
        if (each->typed.summary.empty()) continue;
        names.emplace_back(each->typed.name);
        for (std::string_view rest = each->typed.aliases; !rest.empty();) {
            const std::size_t blank = rest.find(' ');
            names.emplace_back(rest.substr(0, blank));
            rest.remove_prefix(blank == std::string_view::npos ? rest.size() : blank + 1);
        }
    }
    const std::string near = nearest_word(word, names);
    if (near.empty()) return std::nullopt;
    return Error{ErrorCode::invalid, fmt::format("no subcommand and no program is \"{}\"; did you mean persistproc {}?",
                                                 base::excerpt(word), near)};
}

bool may_be_known(const StartArguments& arguments) {
    if (arguments.dashes) return false;
    const auto& command = arguments.request.definition.command;
    return (arguments.implied && find_verb(command.front()) != nullptr) || !is_found(arguments, command.front());
}

std::optional<Error> refuse_known(const StartArguments& arguments, const std::vector<ProcessView>& views) {
    const auto& command = arguments.request.definition.command;
    const std::string& word = arguments.word.empty() ? command.front() : arguments.word;
    const ForeignVerb* const verb = arguments.implied ? find_verb(command.front()) : nullptr;
    const bool is_found = cli::is_found(arguments, command.front());
    if (verb != nullptr) {
        std::string target = "TARGET";
        bool is_known = false;
        for (auto each = command.begin() + 1; each != command.end() && !is_known; ++each) {
            if (each->starts_with('-')) continue;
            is_known = find_named(views, *each) != nullptr;
            if (is_known || target == "TARGET") target = base::excerpt(base::shell_quote(*each));
        }
        const bool is_alone = command.size() == 1;
        const std::string_view text = is_alone && !verb->alone.empty() ? verb->alone
                                      : verb->of_target.empty()        ? verb->alone
                                                                       : verb->of_target;
        // What is said of no target is never a program with arguments of its own.
        const bool is_meant = is_known || !is_found || (is_alone && !verb->alone.empty());
        if (is_meant) return refusal(command, with_target(text, target));
    }
    if (is_found) return std::nullopt;
    const ProcessView* const known = find_named(views, word);
    if (known == nullptr) return std::nullopt;
    const std::string name = base::escape_line(base::shell_quote(word));
    return Error{ErrorCode::invalid,
                 fmt::format("{} is {}, {}: persistproc status {}, persistproc output -f {}, or persistproc {} {}",
                             base::quote(word), known->id, format::state_text(*known), name, name,
                             domain::is_live(*known) ? "restart" : "start", name)};
}

}  // namespace persistproc::cli
