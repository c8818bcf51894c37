#include "cli/words.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <span>

#include "cli/arguments.hpp"
#include "cli/client.hpp"
#include "cli/commands/arguments.hpp"
#include "cli/format/process_text.hpp"
#include "cli/subcommand.hpp"
#include "common/base/letters.hpp"
#include "common/base/text.hpp"

namespace persistproc::cli {

namespace {

/// What a word of a command to come, or of another tool, is here. `{}` stands for the targets.
struct OtherWord {
    std::string_view word;
    std::string_view of_target;  // may be empty: it is not said of one
    std::string_view alone;      // without a target; may be empty
};
constexpr OtherWord reserved_words[] = {
    {"send", "programs get no input yet; persistproc signal SIGNAL {} sends a signal", ""},
    {"top", "persistproc list --watch {} shows CPU and memory", "persistproc list shows CPU and memory"},
    {"web", "persistproc output -f {} follows its output", "persistproc list --watch shows all processes"},
    {"events", "persistproc audit -f {} follows who does what", "persistproc audit -f follows who does what"},
    {"notify", "persistproc wait {} --exit returns when it ends", ""},
    {"attach", "persistproc output -f {} follows its output", ""},
    {"exec", "persistproc status {} shows its directory and the names of its variables", ""},
    {"history", "persistproc audit {} says who did what", ""},
};

constexpr std::string_view to_list = "persistproc list shows all processes";
constexpr std::string_view to_forget = "persistproc rm {} (-f: also while it runs)";
constexpr std::string_view to_describe = "persistproc status {}";
constexpr std::string_view to_watch = "persistproc list --watch {}";
constexpr std::string_view nothing_to_save =
    "nothing need be saved: processes and their output are kept; after a reboot those with --restart always are "
    "started "
    "again, persistproc start LABEL starts another";
constexpr std::string_view to_start_later =
    "what has --restart always is started again after a reboot; persistproc start {} starts another as it was";
constexpr std::string_view unit_alone =
    "the systemd user unit starts the daemon at boot: systemctl --user enable --now persistprocd; it starts "
    "again what has --restart always, persistproc start LABEL another";
constexpr std::string_view no_unit =
    "systemctl --user disable persistprocd keeps the daemon from starting at boot; nothing else is started then";
constexpr std::string_view to_settings = "persistproc doctor names the file of settings";
constexpr std::string_view to_kill = "persistproc stop --force {}, or persistproc signal KILL {}";
constexpr std::string_view to_stop = "persistproc stop {}";
constexpr std::string_view to_bring_up =
    "persistproc up brings up what persistproc.toml, or another tool's file, defines here";
constexpr std::string_view to_define = "persistproc start --label NAME CMD";
constexpr std::string_view to_end = "persistproc stop TARGET ends a process, persistproc shutdown the daemon";
constexpr OtherWord foreign_verbs[] = {
    {"kill", to_kill, to_end},
    {"pkill", to_kill, to_end},
    {"killall", to_kill, to_end},
    {"terminate", to_stop, to_end},
    {"halt", to_stop, to_end},
    {"try-restart", "persistproc restart {}", ""},
    {"reload-or-restart", "persistproc restart {}", ""},
    {"gracefulReload", "persistproc restart {}", ""},
    {"rebuild", "persistproc restart {}", "persistproc up --recreate begins all of a project anew"},
    {"redeploy", "persistproc restart {}", "persistproc up --recreate begins all of a project anew"},
    {"bounce", "persistproc restart {}", ""},
    {"edit",
     "persistproc restart -e NAME=VALUE {} changes variables, persistproc start --fresh --label {} -- CMD the command",
     ""},
    {"reset", "persistproc restart {} begins it anew, persistproc flush {} empties its log", ""},
    {"reset-failed", "persistproc rm {}", "persistproc prune forgets what has ended"},
    {"reread", "persistproc restart {}",
     "persistproc up reads the project's file again; persistproc restart TARGET restarts a process"},
    {"sendSignal", "persistproc signal SIGNAL {}", "persistproc signal SIGNAL TARGET sends a signal"},
    {"process", to_describe, to_list},
    {"watch", "persistproc list --watch {}, or persistproc output -f {}", "persistproc list --watch"},
    {"view", "persistproc output {}", ""},
    {"cp", "persistproc output {} > FILE", ""},
    {"delete", to_forget, ""},
    {"destroy", to_forget, ""},
    {"unmonitor", to_forget, ""},
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
    {"is-failed", to_describe, ""},
    {"is-enabled", to_start_later, unit_alone},
    {"url", "persistproc status {} shows where it is ready, and its ports", to_list},
    {"health", to_describe, to_list},
    {"healthcheck", to_describe, to_list},
    {"monit", to_watch, to_list},
    {"stats", to_watch, to_list},
    {"dashboard", to_watch, to_list},
    {"tail", "persistproc output -f {}", ""},
    {"cat", "persistproc output {}", ""},
    {"less", "persistproc output {}", ""},
    {"more", "persistproc output {}", ""},
    {"head", "persistproc output -n all {} | head", ""},
    {"grep", "persistproc output --grep PATTERN {}", ""},
    {"egrep", "persistproc output --grep PATTERN {}", ""},
    {"rg", "persistproc output --grep PATTERN {}", ""},
    {"open", "persistproc status {} shows its ports", ""},
    {"join", "persistproc output -f {}", ""},
    {"stat", to_describe, ""},
    {"id", to_describe, ""},
    {"time", "persistproc status {} says how long it runs", ""},
    {"nice", "a process keeps the priority it has: persistproc status {}", ""},
    {"renice", "a process keeps the priority it has: persistproc status {}", ""},
    {"pgrep", to_describe, to_list},
    {"pidof", to_describe, ""},
    {"htop", to_watch, ""},
    {"fg", "persistproc output -f {}", ""},
    {"bg", "it is in the background already: persistproc status {}", ""},
    {"follow", "persistproc output -f {}", "persistproc output -f follows everything"},
    {"maintail", "persistproc output -f {}", "persistproc audit -f follows who does what"},
    {"mask", "persistproc stop {}: nothing starts it again by itself", "systemctl --user mask persistprocd"},
    {"unmask", "persistproc start {}", "systemctl --user unmask persistprocd"},
    {"avail", to_describe, to_list},
    {"launch", "persistproc start {}", to_define},
    {"spawn", "persistproc start {}", to_define},
    {"services", to_describe, to_list},
    {"service", to_describe, to_list},
    {"units", to_describe, to_list},
    {"add", "persistproc start {}", to_define},
    {"create", "persistproc start {}", to_define},
    {"quit", to_stop, to_end},
    {"exit", to_stop, to_end},
    {"upgrade", "persistproc restart {}", "persistproc serve --detach --replace takes a new daemon"},
    {"save", to_start_later, nothing_to_save},
    {"dump", to_start_later, nothing_to_save},
    {"resurrect", "persistproc start {}",
     "nothing need be brought back: the next daemon has all processes, and starts again after a reboot what has "
     "--restart "
     "always; persistproc start LABEL starts another"},
    {"startup", "", unit_alone},
    {"unstartup", "", no_unit},
    {"enable", to_start_later, unit_alone},
    {"disable", "only what has --restart always is started at boot; persistproc stop {} stops it", no_unit},
    {"reload", "persistproc restart {}, or persistproc signal HUP {}", ""},
    {"clear", "persistproc flush {}",
     "persistproc flush TARGET empties a log, persistproc prune forgets what has ended"},
    {"clean", "persistproc flush {}", "persistproc prune forgets what has ended"},
    {"cleanup", to_forget, "persistproc prune forgets what has ended"},
    {"purge", to_forget, "persistproc prune forgets what has ended"},
    {"gc", "", "persistproc prune forgets what has ended"},
    {"vacuum", "persistproc flush {}", "persistproc prune forgets what has ended"},
    {"truncate", "persistproc flush {}", ""},
    {"logrotate", "persistproc flush {}", "logs are bounded by themselves: persistproc output TARGET reads one"},
    {"scale", "persistproc start --label NAME CMD for each instance", ""},
    {"pause", "persistproc signal STOP {}", ""},
    {"unpause", "persistproc signal CONT {}", ""},
    {"resume", "persistproc signal CONT {}", ""},
    {"update", "persistproc restart {}", ""},
    {"jlist", "persistproc status --json {}", "persistproc list --json"},
    {"prettylist", "persistproc status --json {}", "persistproc list --json"},
    {"jobs", to_describe, to_list},
    {"container", to_describe, to_list},
    {"system", "", "persistproc prune forgets what has ended"},
    {"compose", "", to_bring_up},
    {"journalctl", "persistproc output {}", ""},
    {"daemon", "", "persistproc serve --detach starts the daemon, persistproc shutdown ends it"},
    {"daemon-reload", "", "nothing need be read anew; persistproc serve --detach --replace takes a new daemon"},
    {"config", "", to_settings},
    {"set", "persistproc restart -e NAME=VALUE {}", to_settings},
    {"get", to_describe, to_settings},
    {"unset", to_describe, to_settings},
    {"new-session", "persistproc start --label NAME CMD", ""},
    {"attach-session", "persistproc output -f {}", ""},
    {"kill-session", "persistproc stop {}", ""},
    {"send-keys", "programs get no input yet; persistproc signal SIGNAL {} sends a signal", ""},
    {"capture-pane", "persistproc output {}", ""},
    {"has-session", to_describe, ""},
    {"kill-pane", to_stop, ""},
    {"kill-window", to_stop, ""},
    {"new-window", to_define, ""},
    {"kill-server", "", "persistproc shutdown stops everything and the daemon"},
};

struct ForeignFlag {
    std::string_view subcommands;  // in blanks; empty: of every one
    std::string_view flags;        // in blanks
    std::string_view instead;
};
constexpr ForeignFlag foreign_flags[] = {
    {" start ", " -d --detach ", "start returns once the program runs; leave it out"},
    {" run start ", " --watch ",
     "the key watch of a persistproc.toml has a process restarted when files change: persistproc up"},
    {" run start ", " -w --workdir ",
     "-C DIR is where it runs; the key watch of a persistproc.toml has a process restarted when files change"},
    {" run start ", " -v ",
     "programs see this machine's files, no volume need be named; as --verbose: of serve and mcp alone"},
    {" run start ", " --instances ",
     "one process is one program: start it once for each instance, with a --label each"},
    {" run start ", " --interactive ", "-t runs it on a terminal, -i keeps its input open"},
    {" run start ", " --max-restarts ", "--restart on-failure:N gives up after N quick failures in a row"},
    {" run start ", " --no-autorestart ", "a program that ends is not run again unless --restart says so"},
    {" run start ", " --restart-delay --exp-backoff-restart-delay ",
     "pauses grow by themselves from one restart to the next"},
    {" run start ", " --rm ", "what has ended is kept for a while; persistproc rm or prune forgets it"},
    {" run start ", " -p --publish ", "a program's ports are its own; persistproc list shows them"},
    {" run start ", " -m --memory --max-memory-restart --cpus ", "there are no limits of memory and CPU yet"},
    {" run start ", " --cron --cron-restart ", "nothing is run by the clock; use cron or a systemd timer"},
    {" run start ", " --interpreter ", "name the interpreter before the script: persistproc run node app.js"},
    {" run start ", " -u --user --uid --privileged ", "programs run as you"},
    {" run start ", " --network --net ", "programs share this machine's network; persistproc list shows their ports"},
    {" run start ", " --volume --mount ", "programs see this machine's files; -C DIR is where one runs"},
    {" run start ", " -f --file ", "persistproc up --file FILE brings up what a project's file defines"},
    {" run start ", " -o --output -l --log --error --merge-logs ", "all output is recorded: persistproc output TARGET"},
    {" run start ", " --time ", "persistproc output -t TARGET shows the time of each line"},
    {" run start ", " --args ", "what stands behind the command is the program's"},
    {" up ", " -d --detach --wait --quiet-pull ", "up returns once all are ready; leave it out"},
    {" up ", " --build --pull ", "up builds nothing: a process with oneshot = true does, which others wait for"},
    {" up ", " --force-recreate ", "--recreate begins them anew"},
    {" up ", " --watch -w ", "the key watch of a process has it restarted when files change"},
    {" down ", " -v --volumes --rmi --remove-orphans ", "down stops processes, and removes nothing"},
    {" down ", " -t --timeout ", "the key grace of a process is how long it is given"},
    {" output ", " -o --out-file ", "redirect it: persistproc output TARGET > FILE"},
    {" output ", " --color --colour --clean ",
     "escape sequences are shown with --raw alone; run and start have --color, which asks the program for colours"},
    {" output ", " --all ", "persistproc output all: of every process"},
    {" output ", " -p --previous ", "--run N shows the run N; persistproc status TARGET names the newest"},
    {" status ", " --all ", "persistproc status all: of every process"},
    {" wait ", " --all ", "name the processes: all that are named are waited for"},
    {" rm ", " -r -R --recursive ", "a process has nothing below it; -f removes also one that runs"},
    {" wait ", " --for ", "one of --ready, --pattern, --port, --quiet and --exit"},
    {" list ", " --running --stopped --failed --exited ", "--state STATE chooses by it"},
    {" restart ", " --wait ", "persistproc wait TARGET --ready waits until it is ready"},
    {" status output ", " --watch ",
     "persistproc list --watch TARGET shows it anew every second, output -f what it prints"},
    {" restart ", " --watch ",
     "the key watch of a persistproc.toml has a process restarted when files change: persistproc up"},
    {" restart ",
     " --restart --label --name --description --ready --health --shell --stop-signal -C --working-directory --cwd ",
     "a restart keeps what a process is; persistproc start --fresh --label LABEL FLAGS -- CMD changes it"},
    {" list ", " --no-trunc ", "in a pipe nothing is cut: persistproc list | cat"},
    {" list ", " -l --long ", "-o wide shows commands and who started them"},
    {" list ", " -f --filter ", "a TARGET, --state STATE or -C DIR chooses some"},
    {" stop restart ", " -s --signal ",
     "what it sends first is said at the start, by --stop-signal; persistproc signal SIGNAL TARGET sends one"},
    {" prune flush ", " -f --force ", "nothing ever asks"},
    {"", " -y --yes ", "nothing ever asks"},
    {"", " -v --verbose ", "of serve and mcp alone; -V is the version"},
    {"", " -H --host ", "the daemon serves this machine alone; use ssh"},
};

/// Own flags, as they are typed, that hardly a program has: said of at once. Others are the program's until it fails.
constexpr std::string_view peculiar_flags[] = {"on-exit", "fresh",       "no-autostart", "restart", "grace",
                                               "label",   "stop-signal", "name",         "cwd",     "working-directory",
                                               "settle",  "description", "history",      "ready"};
/// Programs that have some of these themselves. `flags` in blanks; empty: all, since they run programs too.
struct KnownProgram {
    std::string_view names;  // in blanks
    std::string_view flags;
};
constexpr KnownProgram known_programs[] = {
    {" docker podman nerdctl pm2 systemd-run persistproc ", ""},
    {" npm npx pnpm yarn bun bunx turbo nx lerna ", " cwd "},
    {" gunicorn celery kind minikube k3d cargo ng nest chrome chromium ", " name "},
    {" xterm gnome-terminal konsole code ", " working-directory "},
};

/// Tools, and words of theirs, that have verbs behind them, or behind a target.
constexpr std::string_view groups =
    " compose container docker docker-compose nerdctl pm2 podman process process-compose processes service services "
    "supervisorctl system systemctl unit ";

bool is_among(std::string_view word, std::string_view list) {
    return list.find(fmt::format(" {} ", word)) != std::string_view::npos;
}

/// What a shell does itself, and no program does for another.
constexpr std::string_view words_of_shells =
    " cd export source . alias unalias ulimit umask unset eval type pushd popd trap shopt setopt declare ";

bool is_shells_own(std::string_view word) { return is_among(word, words_of_shells); }

/// `shell`: what is to be typed to have it done by one.
Error shells_own(std::string_view word, std::string_view shell) {
    return {ErrorCode::invalid,
            fmt::format("\"{}\" is a shell's own: {}; a directory: -C DIR; a variable: -e NAME=VALUE", word, shell)};
}

bool is_gap(char c) { return c == ' ' || c == '\t' || c == '\n'; }

std::string with_target(std::string_view text, std::string_view target) {
    std::string out(text);
    for (std::size_t at = 0; (at = out.find("{}", at)) != std::string::npos; at += target.size())
        out.replace(at, 2, target);
    return out;
}

Error refusal(const std::vector<std::string>& command, std::string_view instead) {
    return Error{ErrorCode::invalid,
                 fmt::format("\"{}\" is not a subcommand: {}; to run a program of that name: persistproc run {}",
                             base::excerpt(command.front()), instead, shown_command(command))};
}

const OtherWord* find_word(std::span<const OtherWord> words, std::string_view word) {
    const auto found =
        std::find_if(words.begin(), words.end(), [&](const OtherWord& each) { return each.word == word; });
    return found == words.end() ? nullptr : &*found;
}
const OtherWord* find_verb(std::string_view word) { return find_word(foreign_verbs, word); }
const OtherWord* find_reserved(std::string_view word) { return find_word(reserved_words, word); }

/// They end programs of other ids, or of other names: what was meant by them is never left to a guess.
bool ends_programs(const OtherWord& verb) {
    return verb.word == "kill" || verb.word == "pkill" || verb.word == "killall";
}

/// They run the program that stands behind them: where more than one word does, none of it is a target.
bool runs_programs(const OtherWord& verb) { return is_among(verb.word, " env nice time watch "); }

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
    return find_in_project_here(views, word);
}

/// The process whose label `word` is but for the size of its letters.
const ProcessView* find_but_for_case(const std::vector<ProcessView>& views, std::string_view word) {
    const std::string small = base::small_letters(word);
    for (const auto& view : views)
        if (base::small_letters(view.label) == small) return &view;
    return nullptr;
}

bool is_runner(std::string_view word) {
    return std::any_of(std::begin(known_programs), std::end(known_programs),
                       [&](const KnownProgram& each) { return each.flags.empty() && is_among(word, each.names); });
}

/// A label that `word` is a slip for; empty: it is another word, a tool that people know, or a file that is there.
std::string near_label(const std::vector<ProcessView>& views, const std::string& word) {
    if (::access(word.c_str(), F_OK) == 0 || is_runner(word)) return {};
    if (const ProcessView* const same = find_but_for_case(views, word)) return same->label;
    std::vector<std::string> labels;
    for (const auto& view : views) labels.push_back(view.label);
    return base::nearest_word(word, labels);
}

Error near_process(std::string_view word, const ProcessView& near) {
    return Error{ErrorCode::invalid,
                 fmt::format("no process and no program is {}; did you mean {} ({}, {})?", base::quote(word),
                             base::quote(near.label), near.id, format::state_text(near))};
}

using base::assigned_name;

/// Of `kill` and its like: "-s HUP", "-HUP", "-9", "--signal=HUP". Takes them out of `words`; empty: none is named.
std::string take_signal(std::vector<std::string>& words) {
    std::string found;
    std::vector<std::string> rest;
    for (std::size_t i = 0; i < words.size(); ++i) {
        const std::string& word = words[i];
        std::string_view text;
        if (word == "-s" || word == "-n" || word == "--signal")
            text = ++i < words.size() ? std::string_view(words[i]) : std::string_view();
        else if (word.starts_with("--signal="))
            text = std::string_view(word).substr(word.find('=') + 1);
        else if (word.size() > 1 && word[0] == '-' && word[1] != '-')
            text = std::string_view(word).substr(1);
        else {
            if (!word.starts_with('-')) rest.push_back(word);
            continue;
        }
        auto signal = domain::parse_signal(text);
        if (!signal && text.starts_with('s')) signal = domain::parse_signal(text.substr(1));
        if (signal) found = domain::signal_name(*signal).substr(3);
    }
    words = std::move(rest);
    return found;
}

}  // namespace

bool names_program(const StartArguments& arguments) {
    return is_found(arguments, arguments.request.definition.command.front());
}

std::string shown_command(const std::vector<std::string>& command) {
    std::string out;
    for (const std::string& word : command) {
        const std::size_t flag = word.starts_with("--env=") ? 6 : word.starts_with("-e") ? 2 : 0;
        const std::string name(assigned_name(std::string_view(word).substr(flag)));
        out += (out.empty() ? "" : " ") + (name.empty() ? base::shell_quote(word) : word.substr(0, flag) + name + "=…");
    }
    return base::shortened(out);
}

std::string namesake_hint(std::string_view subcommand) {
    constexpr std::string_view programs[] = {"serve"};
    if (std::find(std::begin(programs), std::end(programs), subcommand) == std::end(programs)) return {};
    return fmt::format("; to run the program of that name: persistproc run {} …", subcommand);
}

std::string instead_of_flag(std::string_view subcommand, std::string_view flag) {
    for (const ForeignFlag& each : foreign_flags)
        if ((each.subcommands.empty() || is_among(subcommand, each.subcommands)) && is_among(flag, each.flags))
            return std::string(each.instead);
    return {};
}

std::optional<Error> refuse_assignment(std::string_view line, const std::vector<std::string>& command) {
    std::string flags;
    std::vector<std::string> rest = command;
    while (!rest.empty() && !assigned_name(rest.front()).empty()) {
        flags += fmt::format("-e {}=… ", assigned_name(rest.front()));
        rest.erase(rest.begin());
    }
    if (flags.empty()) return std::nullopt;
    return Error{ErrorCode::invalid, fmt::format("variables stand before the command as flags: {} {}{}", line, flags,
                                                 rest.empty() ? "CMD…" : shown_command(rest))};
}

Result<std::vector<std::string>> split_line(std::string_view line, const std::string& word) {
    const auto first = std::find_if_not(word.begin(), word.end(), is_gap);
    const std::string begin(first, std::find_if(first, word.end(), is_gap));
    if (!assigned_name(begin).empty()) {
        std::vector<std::string> command;
        auto from = first;
        for (std::string next = begin; !assigned_name(next).empty();
             next.assign(from, std::find_if(from, word.end(), is_gap))) {
            command.push_back(next);
            from = std::find_if_not(from + static_cast<std::ptrdiff_t>(next.size()), word.end(), is_gap);
        }
        // What follows is shown only where it is understood.
        if (auto rest = domain::split_command(std::string(from, word.end())))
            command.insert(command.end(), rest->begin(), rest->end());
        return *refuse_assignment(line, command);
    }
    if (first == word.end())
        return Error{ErrorCode::invalid, fmt::format("no command: the word holds nothing but blanks: {} CMD…", line)};
    auto words = domain::split_command(word);
    const std::string shell =
        fmt::format("{} --shell {}", line,
                    base::hide_values(word) != word ? "'COMMAND LINE'" : base::shortened(base::shell_quote(word)));
    if (!words) {
        const std::string& why = words.error().message;
        const std::string_view prefix = "command: ";
        const std::string what = why.substr(why.starts_with(prefix) ? prefix.size() : 0);
        return Error{ErrorCode::invalid, fmt::format("{}: {}", what.substr(0, what.find("; set shell")), shell)};
    }
    if (is_shells_own(words->front())) return shells_own(words->front(), shell);
    return words;
}

std::optional<Error> refuse_project_file(std::string_view word) {
    constexpr std::string_view read[] = {"persistproc.toml", "Procfile", "Procfile.dev", "process-compose.yaml",
                                         "process-compose.yml"};
    constexpr std::string_view unread[] = {"ecosystem.config.js", "ecosystem.config.cjs", "ecosystem.config.json",
                                           "compose.yaml",        "compose.yml",          "docker-compose.yaml",
                                           "docker-compose.yml",  "mprocs.yaml"};
    const std::string_view name = word.substr(word.rfind('/') + 1);
    const auto is_among = [&name](const auto& names) {
        return std::find(std::begin(names), std::end(names), name) != std::end(names);
    };
    if (is_among(read))
        return Error{ErrorCode::invalid, fmt::format("{}: persistproc up --file {} brings up what it defines", name,
                                                     shown_command({std::string(word)}))};
    if (!is_among(unread)) return std::nullopt;
    return Error{ErrorCode::invalid,
                 fmt::format("{} is not read: write its programs into a persistproc.toml, which persistproc init "
                             "begins and persistproc up brings up",
                             name)};
}

std::optional<Error> refuse_quoted(const StartArguments& arguments, const std::vector<FlagShape>& flags) {
    const auto& command = arguments.request.definition.command;
    const SortedWords sorted = sort_out({command.begin() + 1, command.end()}, flags);
    std::string line = arguments.line;
    for (const TypedFlag& flag : sorted.flags) line += " " + flag.text;
    auto words = split_line(line, command.front());
    if (!words) return words.error();
    if (!is_found(arguments, words->front())) return std::nullopt;
    words->insert(words->end(), sorted.rest.begin(), sorted.rest.end());
    return Error{ErrorCode::invalid, fmt::format("no program is \"{}\"; did you mean {} -- {}?",
                                                 base::excerpt(command.front()), line, shown_command(*words))};
}

std::optional<Error> refuse_quoted_subcommand(const StartArguments& arguments) {
    const auto& command = arguments.request.definition.command;
    const std::string& line = command.front();
    const auto first = std::find_if_not(line.begin(), line.end(), is_gap);
    const std::string word(first, std::find_if(first, line.end(), is_gap));
    const bool is_subcommand = find_subcommand(word) != nullptr || word == "help";
    if (!arguments.implied || !is_subcommand || is_found(arguments, word)) return std::nullopt;
    std::string typed(first, line.end());
    typed.erase(typed.find_last_not_of(" \t\n") + 1);
    if (base::hide_values(typed) != typed) typed = word + " …";
    for (std::size_t i = 1; i < command.size(); ++i) typed += " " + shown_command({command[i]});
    return Error{ErrorCode::invalid, fmt::format("{} is one word, and no program; without the quotes: persistproc {}",
                                                 base::quote(base::excerpt(line)), base::shortened(typed))};
}

std::string Misplaced::hint() const {
    return fmt::format("{} stands behind the command and is passed on to it; ours stand before it: {} {}", flag, line,
                       shown_command(command));
}

std::optional<Misplaced> find_misplaced(const std::vector<std::string>& command, std::string_view line,
                                        const std::vector<FlagShape>& own_flags) {
    const std::string program = command.front().substr(command.front().rfind('/') + 1);
    std::string_view flags_of_program;
    for (const KnownProgram& each : known_programs) {
        if (!is_among(program, each.names)) continue;
        if (each.flags.empty()) return std::nullopt;
        flags_of_program = each.flags;
    }
    std::vector<FlagShape> known = own_flags;
    for (FlagShape& each : known)
        if (each.long_name != "env") each.short_name = 0;
    Misplaced out;
    out.sets_variables = true;
    std::size_t i = 0;
    while (i < command.size() && command[i] != "--") {
        auto found = i == 0 ? std::nullopt : find_flag_at(command, i, known);
        const bool sets = found && found->name == "env" && !assigned_name(found->value).empty();
        const std::string typed = found ? found->text.substr(0, found->text.find_first_of(" =")) : std::string();
        const bool is_program_s = found && is_among(std::string_view(typed).substr(2), flags_of_program);
        if (!found || is_program_s || (found->name == "env" && !sets)) {
            out.command.push_back(command[i++]);
            continue;
        }
        i += found->words;
        if (out.flag.empty()) out.flag = typed;
        for (const std::string_view peculiar : peculiar_flags)
            out.is_peculiar = out.is_peculiar || typed.substr(2) == peculiar;
        out.sets_variables = out.sets_variables && (sets || found->name == "env-file");
        out.flags += (out.flags.empty() ? "" : " ") + found->text;
    }
    if (out.flag.empty()) return std::nullopt;
    out.command.insert(out.command.end(), command.begin() + static_cast<std::ptrdiff_t>(i), command.end());
    out.line = fmt::format("{} {} --", line, out.flags);
    return out;
}

std::optional<Error> refuse_mistyped(const StartArguments& arguments) {
    const auto& command = arguments.request.definition.command;
    const std::string& word = command.front();
    if (arguments.dashes || is_found(arguments, word)) return std::nullopt;
    const std::string_view name = command.size() > 1 ? assigned_name(command[1]) : std::string_view();
    if (word == "export" && !name.empty())
        return Error{ErrorCode::invalid, fmt::format("a variable stands before the command as a flag: {} -e {}=… CMD…",
                                                     arguments.line, name)};
    if (is_shells_own(word)) return shells_own(word, arguments.line + " --shell 'COMMAND LINE'");
    if (!arguments.implied || arguments.unsplit || find_verb(word) != nullptr || find_reserved(word) != nullptr)
        return std::nullopt;
    const std::string near = near_subcommand(word);
    if (near.empty()) return std::nullopt;
    return Error{ErrorCode::invalid, fmt::format("no subcommand and no program is \"{}\"; did you mean persistproc {}?",
                                                 base::excerpt(word), near)};
}

std::string instead_of(std::string_view word) {
    const OtherWord* const other = find_verb(word) != nullptr ? find_verb(word) : find_reserved(word);
    if (other == nullptr) return {};
    return other->of_target.empty() ? std::string(other->alone) : with_target(other->of_target, "TARGET");
}

std::string near_subcommand(std::string_view word) {
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
    return base::nearest_word(base::small_letters(word), names);
}

bool may_be_program(const StartArguments& arguments) {
    const domain::Definition& definition = arguments.request.definition;
    // Folders of PATH may be relative to the directory.
    if (definition.shell || !definition.working_directory.empty()) return true;
    return is_found(arguments, definition.command.front());
}

/// Of one word alone, also of one that is a program: who means that has `run` to say so.
static bool may_be_label(const StartArguments& arguments) {
    return arguments.implied && !arguments.dashes && arguments.is_bare();
}

bool may_be_known(const StartArguments& arguments) {
    if (arguments.dashes) return false;
    const auto& command = arguments.request.definition.command;
    const std::string& word = command.front();
    const bool is_other =
        arguments.implied && (find_verb(word) != nullptr || find_reserved(word) != nullptr || is_among(word, groups));
    return is_other || may_be_label(arguments) || !is_found(arguments, word);
}

std::string redefining_line(const StartArguments& arguments, const ProcessView& known) {
    const std::string& flag = arguments.defining_flag;
    // In another directory it is another process.
    const bool has_its_own =
        flag.empty() || flag == "label" || flag == "env" || flag == "env-file" || flag == "working-directory";
    // What a project's process is stands in its file.
    if (has_its_own || known.project || known.command.empty()) return {};
    std::string out = arguments.line;
    if (!arguments.fresh) out += " --fresh";
    const bool has_label = !arguments.request.definition.label.empty() ||
                           known.label == domain::default_label(known.command, known.working_directory);
    if (!has_label) out += " --label " + base::escape_line(base::shell_quote(known.label));
    std::error_code unknown;
    const bool is_here = std::filesystem::current_path(unknown) == known.working_directory;
    if (!is_here && arguments.request.definition.working_directory.empty())
        out += " -C " + base::escape_line(base::shell_quote(known.working_directory));
    const std::string& first = known.command.front();
    // A view does not tell a shell's line from a program; the path of one seldom holds blanks.
    const bool is_line = known.command.size() == 1 && std::any_of(first.begin(), first.end(), is_gap) &&
                         ::access(first.c_str(), X_OK) != 0;
    if (is_line && !arguments.request.definition.shell) out += " --shell";
    return out + " -- " + shown_command(known.command);
}

namespace {

constexpr std::string_view word_for_all = "all";

/// What stands behind the word of another tool. Only what was typed is ever advised; what is near it is asked.
struct Typed {
    std::vector<std::string> known;    // name processes, or all of them
    std::vector<std::string> unknown;  // are neither these nor flags
    std::string near;                  // a label that one of the unknown is a slip for
};

Typed sort_typed(const StartArguments& arguments, const std::vector<std::string>& words,
                 const std::vector<ProcessView>& views) {
    Typed out;
    for (const std::string& each : words) {
        if (each.starts_with('-')) continue;
        const bool is_known = find_named(views, each) != nullptr ||
                              (each == word_for_all && words.size() == 1 && ::access(each.c_str(), F_OK) != 0);
        if (!is_known && !assigned_name(each).empty()) continue;
        (is_known ? out.known : out.unknown).push_back(each);
        const bool is_number = each.find_first_not_of("0123456789") == std::string::npos;
        if (!is_known && !is_number && out.near.empty() && !is_found(arguments, each))
            out.near = near_label(views, each);
    }
    return out;
}

/// Whether all that stands behind the verb are targets: of others it may be their own subcommand, a signal or a file.
bool takes_targets_alone(const OtherWord& verb) {
    return ends_programs(verb) || verb.of_target == to_forget || verb.of_target == "persistproc restart {}";
}

/// What is to be typed in place of a word with what stands behind it.
std::string instead_of_word(const OtherWord& word, const std::vector<std::string>& command, Typed typed) {
    constexpr std::string_view of_one[] = {"persistproc output ", "persistproc audit "};
    const bool may_be_other = command.size() == 1 || !ends_programs(word);  // than targets, what stands behind it
    const bool is_alone =
        word.of_target.empty() || (typed.known.empty() && typed.near.empty() && !word.alone.empty() && may_be_other);
    if (is_alone) return std::string(word.alone);
    const auto takes_one = [&](std::string_view each) { return word.of_target.find(each) != std::string_view::npos; };
    auto& targets = typed.known;
    if (targets.size() > 1 && std::any_of(std::begin(of_one), std::end(of_one), takes_one)) targets.resize(1);
    const bool forgets_all = word.of_target == to_forget && !targets.empty() && targets.front() == word_for_all;
    if (forgets_all) return "persistproc rm -f all";
    std::string out =
        with_target(word.of_target, targets.empty() ? "TARGET" : base::excerpt(domain::command_line(targets)));
    const bool tells_unknown = out != word.of_target && (targets.empty() || takes_targets_alone(word));
    if (typed.unknown.empty() || !tells_unknown) return out;
    std::string names;
    for (const std::string& each : typed.unknown) {
        // Behind the first, what is typed may be what another tool makes of it.
        if (!names.empty() && !takes_targets_alone(word)) break;
        names += (names.empty() ? "" : " or ") + base::quote(base::excerpt(each));
    }
    return out + fmt::format("; no process is {}{}, persistproc list -a shows all", names,
                             typed.near.empty() ? "" : fmt::format(" (did you mean {}?)", base::quote(typed.near)));
}

/// `container rm api`, `service api restart`: from the verb on, "rm api". Empty: no verb stands there.
std::vector<std::string> without_group(std::vector<std::string> command) {
    if (!is_among(command.front(), groups)) return {};
    const auto verb_or_target =
        std::find_if_not(command.begin(), command.end(), [](const auto& each) { return is_among(each, groups); });
    command.erase(command.begin(), verb_or_target);
    constexpr int most_words = 2;
    int words = 0;
    for (auto word = command.begin(); word != command.end() && words < most_words; ++word) {
        if (word->starts_with('-')) continue;
        ++words;
        if (find_subcommand(*word) == nullptr && find_verb(*word) == nullptr) continue;
        std::rotate(command.begin(), word, word + 1);
        return command;
    }
    return {};
}

/// What is to be typed for the verb of another tool and what stands behind it; flags alone that it has here, too.
std::string instead_of_group(const StartArguments& arguments, std::vector<std::string> command,
                             const std::vector<ProcessView>& views) {
    const Subcommand* const here = find_subcommand(command.front());
    const std::vector<std::string> behind(command.begin() + 1, command.end());
    if (here == nullptr)
        return instead_of_word(*find_verb(command.front()), command, sort_typed(arguments, behind, views));
    // What other tools run is an image, or stands in a file.
    if (here->typed.name == "run") return "persistproc run CMD runs a program";
    const auto values = here->make();
    const auto shapes = shapes_of(here->flags(values.get()));
    if (!split_arguments(behind, shapes, here->place())) {
        // What stands behind a flag that is not known here may be its value: a process is what it is.
        Typed typed = sort_typed(arguments, sort_out(behind, shapes).rest, views);
        command.resize(1);
        for (std::string& each : typed.known.empty() ? typed.unknown : typed.known) command.push_back(std::move(each));
    }
    return "persistproc " + shown_command(command);
}

std::string told_redefining_line(const StartArguments& arguments, const ProcessView& known) {
    const std::string line = redefining_line(arguments, known);
    return line.empty() ? line : fmt::format("; with --{}: {}", arguments.defining_flag, line);
}

/// A process of that name, and what to do with it.
Error known_process(const StartArguments& arguments, const std::string& word, const ProcessView& known) {
    const std::string name = base::escape_line(base::shell_quote(word));
    // Variables that stand behind the name: what restart takes.
    const bool sets_variables =
        arguments.misplaced && arguments.misplaced->sets_variables && arguments.misplaced->command.size() == 1;
    return Error{ErrorCode::invalid,
                 fmt::format("{} is {}, {}: persistproc status {}, persistproc output -f {}, or persistproc {} {}{}",
                             base::quote(word), known.id, format::state_text(known), name, name,
                             domain::is_live(known) || sets_variables ? "restart" : "start", name,
                             sets_variables ? " " + arguments.misplaced->flags : "") +
                     told_redefining_line(arguments, known)};
}

Error refuse_reserved(const OtherWord& reserved, const StartArguments& arguments,
                      const std::vector<ProcessView>& views) {
    const auto& command = arguments.request.definition.command;
    if (const ProcessView* const known = find_named(views, command.front())) {
        Error out = known_process(arguments, command.front(), *known);
        out.message += fmt::format("; a subcommand {} is not available in this version", base::quote(command.front()));
        return out;
    }
    Typed typed = sort_typed(arguments, {command.begin() + 1, command.end()}, views);
    return Error{
        ErrorCode::invalid,
        fmt::format("\"{}\" is not available in this version: {}; to run a program of that name: "
                    "persistproc run {}",
                    reserved.word, instead_of_word(reserved, command, std::move(typed)), shown_command(command))};
}

}  // namespace

/// Of what is no program and stands before a process: what can be done with that. Nothing: it is a slip for a
/// subcommand, or no process stands behind it.
static std::optional<Error> refuse_unknown_verb(const StartArguments& arguments,
                                                const std::vector<ProcessView>& views) {
    const auto& command = arguments.request.definition.command;
    if (!arguments.implied || arguments.dashes || command.size() < 2 || !near_subcommand(command.front()).empty())
        return std::nullopt;
    const ProcessView* const target = find_named(views, command[1]);
    if (target == nullptr) return std::nullopt;
    return Error{ErrorCode::invalid,
                 fmt::format("no subcommand and no program is {}; {} (persistproc --help lists what there is)",
                             base::quote(base::excerpt(command.front())),
                             known_process(arguments, command[1], *target).message)};
}

std::optional<Error> refuse_known(const StartArguments& arguments, const std::vector<ProcessView>& views) {
    const auto& command = arguments.request.definition.command;
    const std::string& word = arguments.word.empty() ? command.front() : arguments.word;
    const OtherWord* const verb = arguments.implied ? find_verb(command.front()) : nullptr;
    const bool is_found = cli::is_found(arguments, command.front());
    const OtherWord* const reserved = arguments.implied ? find_reserved(command.front()) : nullptr;
    if (reserved != nullptr) return refuse_reserved(*reserved, arguments, views);
    const std::vector<std::string> inner =
        arguments.implied && !arguments.dashes ? without_group(command) : std::vector<std::string>();
    const bool is_of_known = std::any_of(inner.begin(), inner.end(),
                                         [&](const std::string& each) { return find_named(views, each) != nullptr; });
    if (!inner.empty() && (!is_found || is_of_known))
        return refusal(command, instead_of_group(arguments, inner, views));
    if (verb != nullptr) {
        std::vector<std::string> targets(command.begin() + 1, command.end());
        const std::string signal = ends_programs(*verb) ? take_signal(targets) : std::string();
        const bool names_known = std::any_of(targets.begin(), targets.end(), [&](const std::string& each) {
            return find_named(views, each) != nullptr;
        });
        if (!signal.empty() && names_known) {
            const std::string named = base::excerpt(domain::command_line(targets));
            const std::string send = fmt::format("persistproc signal {} {}", signal, named);
            return refusal(command,
                           signal == "KILL" ? fmt::format("{}, or persistproc stop --force {}", send, named) : send);
        }
        Typed typed = sort_typed(arguments, targets, views);
        const auto words = std::count_if(targets.begin(), targets.end(), [](const std::string& each) {
            return !each.starts_with('-') && assigned_name(each).empty();
        });
        const bool is_command = runs_programs(*verb) && words > 1;
        const bool names_target = !is_command && (!typed.known.empty() || !typed.near.empty());
        // What is said of no target is never a program with arguments of its own.
        const bool is_meant =
            names_target || !is_found || ends_programs(*verb) || (command.size() == 1 && !verb->alone.empty());
        if (is_meant) return refusal(command, instead_of_word(*verb, command, std::move(typed)));
    }
    const ProcessView* known = is_found && !may_be_label(arguments) ? nullptr : find_named(views, word);
    // `persistproc 'web status'`.
    const bool is_line = !is_found && known == nullptr && command.front() != word;
    if (is_line) known = find_named(views, command.front());
    const std::string& name = is_line && known != nullptr ? command.front() : word;
    // `persistproc redis-server` joins the one that it has begun.
    const bool is_other_program = is_found && known != nullptr && known->label == word && known->command != command;
    if (is_other_program) {
        Error out = known_process(arguments, word, *known);
        out.message += fmt::format("; to run a program of that name: persistproc run {}", shown_command(command));
        return out;
    }
    if (is_found) return std::nullopt;
    if (known != nullptr) return known_process(arguments, name, *known);
    if (const ProcessView* const near = find_but_for_case(views, name)) return near_process(name, *near);
    if (auto unknown_verb = refuse_unknown_verb(arguments, views)) return unknown_verb;
    return refuse_unknown_id(word);
}

std::optional<Error> refuse_near(const StartArguments& arguments, const std::vector<ProcessView>& views) {
    const std::string& word = arguments.request.definition.command.front();
    if (arguments.dashes || is_found(arguments, word)) return std::nullopt;
    const ProcessView* const near = find_named(views, near_label(views, word));
    if (near == nullptr) return std::nullopt;
    return near_process(word, *near);
}

std::optional<Error> refuse_unknown_id(const std::string& word) {
    const bool is_number = !word.empty() && word.find_first_not_of("0123456789") == std::string::npos;
    if (!is_number && !domain::find_process_id(word)) return std::nullopt;
    return Error{ErrorCode::not_found,
                 fmt::format("no process and no program is \"{}\"; persistproc list -a shows all processes",
                             base::excerpt(word))};
}

}  // namespace persistproc::cli
