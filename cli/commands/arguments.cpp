#include "cli/commands/arguments.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "common/base/text.hpp"

namespace persistproc::cli {

bool is_defining_flag(std::string_view name) {
    bool out = name == "env-file" || name == "color" || name == "input" || name == "restart";
    ops::StartRequest::fields([&](const auto& f) { out = out || (f.flag != nullptr && name == f.flag); });
    return out;
}

Result<void> StartArguments::take(std::vector<std::string> words, const Given& given) {
    domain::Definition& definition = request.definition;
    if (words.empty() && given.has("label"))
        return Error{ErrorCode::invalid,
                     fmt::format("{}: no command; a process that exists is named without --label: persistproc start {}",
                                 given.subcommand, base::excerpt(base::shell_quote(definition.label)))};
    if (words.empty())
        return Error{ErrorCode::invalid,
                     fmt::format("{0}: no command; try: persistproc {0} npm run dev", given.subcommand)};
    if (definition.shell && words.size() != 1)
        return Error{ErrorCode::invalid, "--shell takes the command as one word; quote it: --shell 'a | b'"};
    dashes = given.dashes;
    line = given.line;
    implied = given.implied;
    // pm2's number of instances.
    if (input && words.front().find_first_not_of("0123456789") == std::string::npos)
        return Error{ErrorCode::invalid, fmt::format("{}: -i keeps its input open; {}", given.subcommand,
                                                     instead_of_flag(given.subcommand, "--instances"))};
    if (input) definition.input = domain::Input::pipe;
    if (request.tty) definition.input = domain::Input::tty;
    if (auto fine = request.check_terminal(); !fine)
        return Error{ErrorCode::invalid, fmt::format("{}: --size goes with --tty", given.subcommand)};
    definition.restart = restart.policy;
    definition.restart_limit = restart.limit;
    definition.command = std::move(words);
    if (!dashes) {
        auto& command = definition.command;
        if (command.size() == 1) word = command.front();
        if (word == "all")
            return Error{ErrorCode::invalid,
                         fmt::format("{}: name those that are to be started; persistproc restart all restarts what "
                                     "runs; to run a program of that name: persistproc {} -- all",
                                     given.subcommand, given.subcommand)};
        if (auto refused = refuse_project_file(word)) return *refused;
        misplaced = find_misplaced(command, line, given.own_flags);
        SortedWords sorted = sort_out({command.begin() + 1, command.end()}, given.all_flags);
        behind = std::move(sorted.flags);
        names = std::move(sorted.rest);
        names.insert(names.begin(), command.front());
        const bool is_line = command.front().find_first_of(" \t\n") != std::string::npos && !definition.shell;
        // What a program may be called, and a process: who runs it looks for these first.
        if (is_line && ::access(command.front().c_str(), X_OK) != 0) {
            if (auto quoted = refuse_quoted_subcommand(*this)) {
                unsplit = std::move(quoted);
            } else if (word.empty()) {
                unsplit = refuse_quoted(*this, given.all_flags);
            } else if (auto split = split_line(line, word)) {
                command = std::move(*split);
            } else {
                unsplit = split.error();
            }
        } else if (auto assigns = refuse_assignment(line, command); assigns && !definition.shell) {
            return *assigns;
        }
    }
    const auto defining = std::find_if(given.flags.begin(), given.flags.end(),
                                       [](const auto& each) { return is_defining_flag(each.first); });
    if (defining != given.flags.end()) defining_flag = defining->first;
    domain::Definition::fields([&](const auto& f) {
        // One flag says both of a policy and its limit.
        const std::string_view name = f.name, known = f.flag == nullptr ? "" : f.flag;
        const std::string_view flag = name.starts_with("restart") ? "restart" : known.substr(known.rfind(',') + 1);
        if (!flag.empty() && given.has(std::string(flag))) request.said.emplace_back(name);
    });
    return {};
}

Result<void> ReadyWaitArguments::check() const {
    if (timeout_seconds && !wait) return Error{ErrorCode::invalid, "--wait-timeout goes with --wait"};
    return {};
}

Result<void> BackgroundArguments::take(std::vector<std::string> words, const Given& given) {
    if (auto fine = ready.check(); !fine) return fine;
    return StartArguments::take(std::move(words), given);
}

Result<void> ServeArguments::take(std::vector<std::string> words, const Given& given) {
    if (!words.empty()) return unexpected_word(given.subcommand, words.front());
    // What settings and environment say is of every subcommand, and keeps no daemon from beginning.
    const auto format = given.flags.find("format");
    const bool asks_for_json = given.has("json") || (format != given.flags.end() && format->second.value == "json");
    if (asks_for_json && !detach)
        return Error{ErrorCode::invalid,
                     "serve: --json is of serve --detach: a daemon in the foreground answers in no format"};
    return {};
}

Result<void> RunArguments::take(std::vector<std::string> words, const Given& given) {
    if (auto fine = ready.check(); !fine) return fine;
    if (ready.wait && !detach)
        return Error{ErrorCode::invalid, "--wait goes with --detach: run streams the output until it ends"};
    for (const char* const streaming : {"on-exit", "history", "raw"})
        if (detach && given.has(streaming))
            return Error{ErrorCode::invalid, fmt::format("--{} is for a run that streams its output, and --detach "
                                                         "returns once it runs: leave out one",
                                                         streaming)};
    return start.take(std::move(words), given);
}

Result<void> take_targets(std::vector<std::string> words, bool all, std::string_view subcommand,
                          std::vector<std::string>& into) {
    const bool is_said = words == std::vector<std::string>{"all"};
    if (all && !is_said) words.emplace_back("all");
    if (words.empty()) return missing_target(subcommand);
    into = std::move(words);
    return {};
}

Result<void> RestartArguments::take(std::vector<std::string> words, const Given& given) {
    const auto begin = std::stable_partition(words.begin(), words.end(),
                                             [](const auto& word) { return base::assigned_name(word).empty(); });
    // A label may look like a variable.
    if (!given.dashes && begin != words.begin() && begin != words.end()) {
        std::string flags;
        for (auto word = begin; word != words.end(); ++word)
            flags += fmt::format("-e {}=… ", base::assigned_name(*word));
        words.erase(begin, words.end());
        return Error{ErrorCode::invalid, fmt::format("restart: variables are set by flags: persistproc restart {}{}",
                                                     flags, shown_command(words))};
    }
    if ((tty ? 1 : 0) + (no_tty ? 1 : 0) + (input ? 1 : 0) > 1)
        return Error{ErrorCode::invalid, "restart: one of --tty, --no-tty and --input"};
    if (tty) request.input = domain::Input::tty;
    if (no_tty) request.input = domain::Input::none;
    if (input) request.input = domain::Input::pipe;
    return TargetArguments::take(std::move(words), given);
}

Result<void> RenameArguments::take(std::vector<std::string> words, const Given& given) {
    if (words.empty()) return missing_target(given.subcommand);
    if (words.size() == 1)
        return Error{ErrorCode::invalid, fmt::format("rename: to which label? persistproc rename {} LABEL",
                                                     base::excerpt(base::shell_quote(words.front())))};
    if (words.size() > 2) return unexpected_word(given.subcommand, words[2]);
    request.process = std::move(words[0]);
    request.label = std::move(words[1]);
    return domain::check_label(request.label);
}

Result<void> take_project(std::vector<std::string> words, const Given& given, std::string& into) {
    if (words.size() > 1) return unexpected_word(given.subcommand, words[1]);
    if (words.empty()) return {};
    for (const char* const flag : {"working-directory", "file"})
        if (given.has(flag))
            return Error{ErrorCode::invalid, fmt::format("{}: either --{} or {}", given.subcommand, flag,
                                                         base::excerpt(base::shell_quote(words[0])))};
    into = std::move(words[0]);
    return {};
}

Result<void> InitArguments::take(std::vector<std::string> words, const Given& given) {
    if (words.size() > 1) return unexpected_word(given.subcommand, words[1]);
    if (!words.empty()) directory = std::move(words[0]);
    return {};
}

Result<void> PortArguments::take(std::vector<std::string> words, const Given& given) {
    if (words.empty())
        return Error{ErrorCode::invalid,
                     "port: of which process of the project? persistproc port db; the port of the "
                     "daemon is a flag of serve"};
    if (words.size() > 2) return unexpected_word(given.subcommand, words[2]);
    request.process = std::move(words[0]);
    if (words.size() == 2) request.name = std::move(words[1]);
    return {};
}

Result<void> StatusArguments::take(std::vector<std::string> words, const Given&) {
    targets = std::move(words);
    return {};
}

Result<void> SignalArguments::take(std::vector<std::string> words, const Given& given) {
    if (given.has("signal")) {
        const auto signal = domain::parse_signal(request.signal);
        if (!signal) return signal.error();
        request.signal = domain::signal_name(*signal);
        return take_targets(std::move(words), all, given.subcommand, targets);
    }
    const bool is_said = std::find(words.begin(), words.end(), "all") != words.end();
    if (all && !is_said) words.emplace_back("all");
    if (words.size() < 2)
        return Error{ErrorCode::invalid,
                     "signal: give a signal, then one or more processes: persistproc signal HUP web"};
    // `kill` users put the signal first, others last; a number that comes first is the signal.
    auto place = words.begin();
    auto signal = domain::parse_signal(*place);
    if (!signal) {
        auto last = domain::parse_signal(words.back());
        if (!last) return signal.error();
        place = words.end() - 1;
        signal = std::move(last);
    }
    request.signal = domain::signal_name(*signal);
    words.erase(place);
    targets = std::move(words);
    return {};
}

Result<void> AuditArguments::take(std::vector<std::string> words, const Given& given) {
    if (words.size() > 1) return unexpected_word(given.subcommand, words[1]);
    if (!words.empty() && words[0] != "all") request.process = words[0];
    return {};
}

Result<void> ListArguments::take(std::vector<std::string> words, const Given& given) {
    targets = std::move(words);
    const bool has_all = std::find(targets.begin(), targets.end(), "all") != targets.end();
    if (has_all && targets.size() > 1)
        return Error{ErrorCode::invalid, "\"all\" stands for every process: give no other target beside it"};
    if (has_all) targets.clear();
    // Who names what they want to see gets all of it.
    all = all || has_all || !targets.empty() || request.state.has_value();
    if (watch && given.common.format == OutputFormat::json)
        return Error{ErrorCode::invalid, "--watch draws on a terminal; leave out --json, or --watch"};
    return {};
}

Result<void> OutputArguments::take(std::vector<std::string> words, const Given& given) {
    for (std::string& word : words)
        if (std::find(targets.begin(), targets.end(), word) == targets.end()) targets.push_back(std::move(word));
    if (targets.size() > 1 && std::find(targets.begin(), targets.end(), "all") != targets.end())
        return Error{ErrorCode::invalid, "\"all\" stands for every process: give no other target beside it"};
    if (is_of_one()) request.process = targets[0];
    if (!is_of_one() && (request.cursor || request.run))
        return Error{ErrorCode::invalid,
                     fmt::format("{}: --cursor and --run are of one process; name it", given.subcommand)};
    lines_given = given.has("lines");
    if (lines_given) leaves_past = given.flags.at("lines").is_empty_tail();
    if ((only_out || only_err) && (given.has("stream") || only_out == only_err))
        return Error{ErrorCode::invalid, "one of --stream, --out and --err"};
    if (only_out) request.stream = domain::StreamChoice::out;
    if (only_err) request.stream = domain::StreamChoice::err;
    if (follow && no_follow) return Error{ErrorCode::invalid, "--follow and --no-follow exclude each other"};
    if ((has_context() || ignore_case) && !has_filter())
        return Error{ErrorCode::invalid, "-A, -B, -C and -i go with --grep or --exclude"};
    if (follow && request.cursor && lines_given)
        return Error{ErrorCode::invalid,
                     "-n counts what came after --cursor, and --follow shows all of it: leave out one"};
    if (follow && request.until) return Error{ErrorCode::invalid, "--until and --follow exclude each other"};
    return {};
}

Result<void> WaitArguments::take(std::vector<std::string> words, const Given& given) {
    if (auto taken = take_targets(std::move(words), false, given.subcommand, targets); !taken) return taken.error();
    if (std::find(targets.begin(), targets.end(), "all") != targets.end())
        return Error{ErrorCode::invalid, "wait: name the processes; \"all\" is none"};
    int conditions = (exit ? 1 : 0) + (ready ? 1 : 0);
    if (ready) request.until = ops::WaitCondition::ready;
    const std::pair<bool, ops::WaitCondition> asked[] = {
        {request.pattern.has_value(), ops::WaitCondition::pattern},
        {request.port.has_value(), ops::WaitCondition::port},
        {request.quiet_seconds.has_value(), ops::WaitCondition::quiet}};
    for (const auto& [is_asked, condition] : asked) {
        if (!is_asked) continue;
        request.until = condition;
        ++conditions;
    }
    names_condition = conditions > 0;
    if (conditions > 1) return Error{ErrorCode::invalid, "wait: one of --ready, --pattern, --port, --quiet and --exit"};
    if (given.has("stream") && !request.pattern) return Error{ErrorCode::invalid, "wait: --stream goes with --pattern"};
    return {};
}

Result<void> SetupArguments::take(std::vector<std::string> words, const Given& given) {
    std::string known;
    for (const ops::Agent& each : ops::known_agents())
        known += fmt::format("{}{}", known.empty() ? "" : ", ", each.name);
    if (words.empty() && (print || http || stdio || remove))
        return Error{ErrorCode::invalid, fmt::format("setup: for which client? Known: {}", known)};
    for (const std::string& word : words) {
        if (word == "all") {
            all = true;
            continue;
        }
        const ops::Agent* const agent = ops::find_agent(word);
        if (agent == nullptr)
            return Error{ErrorCode::invalid,
                         fmt::format("setup: unknown client \"{}\"; known: {}", base::excerpt(word), known)};
        if (scope == ops::AgentScope::project && agent->project_file.empty())
            return Error{ErrorCode::invalid,
                         fmt::format("setup: {} has no file for projects; leave out --scope", agent->title)};
        if (std::find(agents.begin(), agents.end(), agent) == agents.end()) agents.push_back(agent);
    }
    if (all && !agents.empty())
        return Error{ErrorCode::invalid, "setup: \"all\" and a client beside it; give one of both"};
    if (http && stdio) return Error{ErrorCode::invalid, "setup: one of --http and --stdio"};
    if (remove && (print || http || stdio))
        return Error{ErrorCode::invalid,
                     "--remove: takes an entry out, whatever its form; leave out --print, --http and --stdio"};
    constexpr std::size_t longest_name = 64;
    const bool is_name =
        !name.empty() && name.size() <= longest_name && std::all_of(name.begin(), name.end(), [](char c) {
            return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
        });
    if (!is_name)
        return Error{ErrorCode::invalid, fmt::format("--name: 1 to {} letters, digits, \"-\" and \"_\", got \"{}\"",
                                                     longest_name, base::excerpt(name))};
    if (!words.empty() && http && given.common.port == 0)
        return Error{ErrorCode::invalid, "--port: a client needs one that stays; give a port from 1 to 65535"};
    return {};
}

}  // namespace persistproc::cli
