#include "cli/commands/arguments.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/text.hpp"

namespace persistproc::cli {

bool is_defining_flag(std::string_view name) {
    bool out = name == "env-file" || name == "color";
    ops::StartRequest::fields([&](const auto& f) { out = out || (f.flag != nullptr && name == f.flag); });
    return out;
}

Result<void> StartArguments::take(std::vector<std::string> words, const Given& given) {
    if (words.empty())
        return Error{ErrorCode::invalid,
                     fmt::format("{0}: no command; try: persistproc {0} npm run dev", given.subcommand)};
    domain::Definition& definition = request.definition;
    if (definition.shell && words.size() != 1)
        return Error{ErrorCode::invalid, "--shell takes the command as one word; quote it: --shell 'a | b'"};
    definition.command = std::move(words);
    is_word = definition.command.size() == 1 && !given.dashes;
    const auto defining = std::find_if(given.flags.begin(), given.flags.end(), is_defining_flag);
    if (defining != given.flags.end()) defining_flag = *defining;
    return {};
}

Result<void> StatusArguments::take(std::vector<std::string> words, const Given&) {
    targets = std::move(words);
    return {};
}

void SignalArguments::prepare(std::vector<std::string>& line) {
    for (auto word = line.begin(); word != line.end() && *word != "--"; ++word) {
        const auto next = word + 1;
        if ((*word == "-s" || *word == "--signal") && next != line.end() && domain::parse_signal(*next)) {
            line.erase(word);
            return;
        }
        if (word->size() < 2 || word->front() != '-' || !domain::parse_signal(word->substr(1))) continue;
        word->erase(0, 1);
        return;
    }
}

Result<void> SignalArguments::take(std::vector<std::string> words, const Given&) {
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
    if (words.empty()) return missing_target(given.subcommand);
    if (words.size() > 1) return unexpected_word(given.subcommand, words[1]);
    request.process = words[0];
    lines_given = given.has("lines");
    if (follow && request.until) return Error{ErrorCode::invalid, "--until and --follow exclude each other"};
    return {};
}

Result<void> WaitArguments::take(std::vector<std::string> words, const Given& given) {
    if (words.empty()) return missing_target(given.subcommand);
    if (words.size() > 1) return unexpected_word(given.subcommand, words[1]);
    if (ready)
        return Error{ErrorCode::invalid, "--ready: readiness checks are not available yet; use --pattern or --port"};
    request.process = words[0];
    int conditions = exit ? 1 : 0;
    const std::pair<bool, ops::WaitCondition> asked[] = {
        {request.pattern.has_value(), ops::WaitCondition::pattern},
        {request.port.has_value(), ops::WaitCondition::port},
        {request.quiet_seconds.has_value(), ops::WaitCondition::quiet}};
    for (const auto& [is_asked, condition] : asked) {
        if (!is_asked) continue;
        request.until = condition;
        ++conditions;
    }
    if (conditions > 1) return Error{ErrorCode::invalid, "wait: one of --pattern, --port, --quiet and --exit"};
    return {};
}

Result<void> SetupArguments::take(std::vector<std::string> words, const Given& given) {
    std::string known;
    for (const ops::Agent& each : ops::known_agents())
        known += fmt::format("{}{}", known.empty() ? "" : ", ", each.name);
    if (words.empty()) return Error{ErrorCode::invalid, fmt::format("setup: for which client? Known: {}", known)};
    if (words.size() > 1) return unexpected_word(given.subcommand, words[1]);
    agent = ops::find_agent(words[0]);
    if (agent == nullptr)
        return Error{ErrorCode::invalid,
                     fmt::format("setup: unknown client \"{}\"; known: {}", base::excerpt(words[0]), known)};
    if (scope == ops::AgentScope::project && agent->project_file.empty())
        return Error{ErrorCode::invalid,
                     fmt::format("setup: {} has no file for projects; leave out --scope", agent->title)};
    constexpr std::size_t longest_name = 64;
    const bool is_name =
        !name.empty() && name.size() <= longest_name && std::all_of(name.begin(), name.end(), [](char c) {
            return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
        });
    if (!is_name)
        return Error{ErrorCode::invalid, fmt::format("--name: 1 to {} letters, digits, \"-\" and \"_\", got \"{}\"",
                                                     longest_name, base::excerpt(name))};
    if (!stdio && given.common.port == 0)
        return Error{ErrorCode::invalid, "--port: a client needs one that stays; give a port from 1 to 65535"};
    return {};
}

}  // namespace persistproc::cli
