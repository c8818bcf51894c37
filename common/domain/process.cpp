#include "common/domain/process.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <csignal>
#include <cstring>

#include "common/base/cells.hpp"
#include "common/base/text.hpp"

namespace persistproc::domain {

namespace {

struct NamedSignal {
    int number;
    const char* name;
};
/// What may be sent to a registered run. SIGKILL and SIGSTOP included; fault signals are the kernel's to send.
constexpr NamedSignal sendable[] = {
    {SIGHUP, "SIGHUP"},   {SIGINT, "SIGINT"},       {SIGQUIT, "SIGQUIT"}, {SIGUSR1, "SIGUSR1"}, {SIGUSR2, "SIGUSR2"},
    {SIGTERM, "SIGTERM"}, {SIGKILL, "SIGKILL"},     {SIGSTOP, "SIGSTOP"}, {SIGCONT, "SIGCONT"}, {SIGTSTP, "SIGTSTP"},
    {SIGALRM, "SIGALRM"}, {SIGWINCH, "SIGWINCH"},   {SIGABRT, "SIGABRT"}, {SIGPIPE, "SIGPIPE"}, {SIGTTIN, "SIGTTIN"},
    {SIGTTOU, "SIGTTOU"}, {SIGVTALRM, "SIGVTALRM"}, {SIGPROF, "SIGPROF"}, {SIGIO, "SIGIO"},     {SIGPWR, "SIGPWR"}};
constexpr NamedSignal only_received[] = {{SIGILL, "SIGILL"}, {SIGTRAP, "SIGTRAP"},    {SIGBUS, "SIGBUS"},
                                         {SIGFPE, "SIGFPE"}, {SIGSEGV, "SIGSEGV"},    {SIGCHLD, "SIGCHLD"},
                                         {SIGURG, "SIGURG"}, {SIGXCPU, "SIGXCPU"},    {SIGXFSZ, "SIGXFSZ"},
                                         {SIGSYS, "SIGSYS"}, {SIGSTKFLT, "SIGSTKFLT"}};

}  // namespace

std::string to_string(ProcessId id) { return fmt::format("p{}", id.number); }
std::string to_string(RunId id) { return fmt::format("p{}.{}", id.process.number, id.number); }

std::optional<std::uint32_t> find_number(std::string_view text) noexcept {
    std::uint32_t n = 0;
    if (text.empty() || text.front() == '0' || text.size() > 9) return std::nullopt;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return n;
}

std::optional<ProcessId> find_process_id(std::string_view text) noexcept {
    if (text.size() < 2 || text.front() != 'p') return std::nullopt;
    const auto number = find_number(text.substr(1));
    if (!number) return std::nullopt;
    return ProcessId{*number};
}

std::optional<std::uint32_t> find_run_number(std::string_view text, ProcessId process) noexcept {
    const std::size_t dot = text.find('.');
    if (dot == std::string_view::npos) return find_number(text);
    const auto id = find_process_id(text.substr(0, dot));
    if (!id || *id != process) return std::nullopt;
    return find_number(text.substr(dot + 1));
}

bool is_live(ProcessState state) noexcept {
    return state == ProcessState::starting || state == ProcessState::running || state == ProcessState::stopping ||
           state == ProcessState::unreachable;
}

bool has_ended(ProcessState state) noexcept {
    return !is_live(state) && state != ProcessState::backoff && state != ProcessState::unsupported &&
           state != ProcessState::waiting;
}

bool is_variable_name(std::string_view name) noexcept {
    const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
    return !name.empty() && is_letter(name.front()) && std::all_of(name.begin(), name.end(), [&](char c) {
        return is_letter(c) || (c >= '0' && c <= '9') || c == '.' || c == '-';
    });
}

namespace {

/// Behind "=" a value may stand, which appears nowhere.
std::string shown_name(std::string_view name) {
    const std::size_t equals = name.find('=');
    return base::quote(base::excerpt(name.substr(0, equals)) + (equals == std::string_view::npos ? "" : "=…"));
}

}  // namespace

Result<void> check_environment(const Environment& environment) {
    for (const auto& [name, value] : environment) {
        if (!is_variable_name(name))
            return Error{ErrorCode::invalid, fmt::format("environment: {} is not a variable's name, which is {}",
                                                         shown_name(name), variable_name_rule)};
        if (value.find('\0') != std::string::npos)
            return Error{ErrorCode::invalid,
                         fmt::format("environment: the value of {} holds a NUL byte", base::excerpt(name))};
    }
    return boost::system::in_place_value;
}

bool has_form_of_run(std::string_view text) noexcept {
    const auto dot = text.find('.');
    if (dot == text.npos) return false;
    const auto id = find_process_id(text.substr(0, dot));
    return id && find_run_number(text, *id);
}

Result<void> check_label(std::string_view label) {
    if (label.empty()) return Error{ErrorCode::invalid, "label: must not be empty"};
    if (label.size() > 200)
        return Error{ErrorCode::invalid, fmt::format("label: at most 200 bytes, got {}", label.size())};
    if (const std::string why = base::why_not_shown(label); !why.empty())
        return Error{ErrorCode::invalid, "label: " + why};
    if (base::escape_outer_blanks(label) != label)
        return Error{ErrorCode::invalid,
                     fmt::format("label: {} begins or ends with a blank, which nobody sees", base::quote(label))};
    if (label == "all") return Error{ErrorCode::invalid, "label: \"all\" means every process; choose another"};
    if (label.front() == '-')
        return Error{ErrorCode::invalid, fmt::format("label: \"{}\" would be taken for a flag; choose another", label)};
    if (find_process_id(label))
        return Error{ErrorCode::invalid, fmt::format("label: \"{}\" has the form of an id; choose another", label)};
    if (has_form_of_run(label))
        return Error{ErrorCode::invalid, fmt::format("label: \"{}\" has the form of a run; choose another", label)};
    return boost::system::in_place_value;
}

std::string cause_text(const ProcessView& view, const Cause& cause) {
    const std::string text = cause_text(cause);
    if (cause.code != CauseCode::start_failed) return text;
    const std::string stage = cause.stage.value_or("");
    if (stage == "execve" && !view.command.empty())
        return fmt::format("{}: {}", base::excerpt(view.command.front()), text);
    if (stage == "chdir")
        return fmt::format("{}: {}", view.working_directory, std::strerror(cause.os_error.value_or(0)));
    return text;
}

bool has_cause(const ProcessView& view, CauseCode code) noexcept {
    return std::any_of(view.causes.begin(), view.causes.end(), [&](const Cause& each) { return each.code == code; });
}

std::string causes_text(const ProcessView& view) {
    std::string out;
    for (const auto& each : view.causes) out += (out.empty() ? "" : "; ") + cause_text(view, each);
    return out;
}

std::string default_label(const std::vector<std::string>& command, std::string_view working_directory) {
    const std::string line = is_command_known(command) ? command_line(command) : std::string(unknown_command);
    // As who starts such a program would have to type it: no label begins like a flag.
    const std::string_view before = line.starts_with('-') ? "./" : "";
    const auto visible = [](const std::string& text) {
        return base::escape_outer_blanks(base::escape_invisible(text));
    };
    std::string label = visible(fmt::format("{}{} in {}", before, line, working_directory));
    if (label.size() <= 200) return label;
    // The directory tells processes apart, and both ends of the command do: its middle is cut.
    constexpr std::string_view cut = "…";
    std::string tail = visible(fmt::format("{} in {}", cut, working_directory)).substr(cut.size());
    if (tail.size() > 150) {
        std::string_view end = std::string_view(tail).substr(tail.size() - 147);
        while (!base::is_utf8(end)) end.remove_prefix(1);
        tail = fmt::format("{}{}", cut, end);
    }
    const std::string whole = visible(fmt::format("{}{}", before, line));
    const std::size_t room = 200 - tail.size();
    if (whole.size() <= room) return whole + tail;
    const std::size_t half = (room - cut.size()) / 2;
    std::string_view begin = std::string_view(whole).substr(0, half);
    while (!base::is_utf8(begin)) begin.remove_suffix(1);
    // What joins the character before it joins nothing behind the cut.
    for (std::size_t size = half;; --size) {
        const std::string_view end = std::string_view(whole).substr(whole.size() - size);
        if (!base::is_utf8(end)) continue;
        label = fmt::format("{}{}{}{}", begin, cut, end, tail);
        if (end.empty() || check_label(label)) return label;
    }
}

bool is_command_known(const std::vector<std::string>& command) noexcept {
    return !command.empty() && (command.size() > 1 || command.front() != unknown_command);
}

std::string shown_label(const Definition& definition) {
    return definition.label.empty() ? default_label(definition.command, definition.working_directory)
                                    : definition.label;
}

std::string name_text(std::string_view id, const Definition& definition) {
    constexpr std::size_t longest_made = 40;  // cells
    const std::string label = shown_label(definition);
    const bool is_made = label == default_label(definition.command, definition.working_directory);
    return fmt::format("{} {}", id, base::quote(is_made ? base::cut_middle(label, longest_made, "…") : label));
}

std::string command_line(const std::vector<std::string>& command) {
    if (!command.empty() && !is_command_known(command)) return std::string(unknown_command);
    std::string out;
    for (const std::string& word : command) {
        if (!out.empty()) out += ' ';
        out += base::shell_quote(word);
    }
    return out;
}

namespace {

constexpr std::size_t max_command_words = 4096, max_command_bytes = 1u << 20;  // a byte more for each word

}  // namespace

Result<std::vector<std::string>> split_command(std::string_view line) {
    std::vector<std::string> words;
    std::string word;
    bool in_word = false;
    const auto refuse = [&](std::string_view what) {
        return Error{
            ErrorCode::invalid,
            fmt::format("command: {} needs a shell; set shell to true, quote it, or give an array of words", what)};
    };
    for (std::size_t i = 0; i < line.size(); ++i) {
        const char c = line[i];
        switch (c) {
            case ' ':
            case '\t':
            case '\n':
            case '\r':
                if (in_word && words.size() == max_command_words)
                    return Error{ErrorCode::invalid, fmt::format("command: at most {} words", max_command_words)};
                if (in_word) words.push_back(std::move(word));
                word.clear();
                in_word = false;
                break;
            case '\'': {
                const std::size_t end = line.find('\'', i + 1);
                if (end == std::string_view::npos)
                    return Error{ErrorCode::invalid, "command: a single quote is never closed"};
                word.append(line.substr(i + 1, end - i - 1));
                in_word = true;
                i = end;
                break;
            }
            case '"': {
                in_word = true;
                for (++i; i < line.size() && line[i] != '"'; ++i) {
                    if (line[i] == '$' || line[i] == '`') return refuse(fmt::format("\"{}\"", line[i]));
                    if (line[i] == '\\' && i + 1 < line.size() &&
                        std::string_view("\"\\$`\n").find(line[i + 1]) != std::string_view::npos)
                        ++i;
                    word += line[i];
                }
                if (i >= line.size()) return Error{ErrorCode::invalid, "command: a double quote is never closed"};
                break;
            }
            case '\\':
                if (i + 1 >= line.size()) return Error{ErrorCode::invalid, "command: ends with a backslash"};
                word += line[++i];
                in_word = true;
                break;
            case '|':
            case '&':
            case ';':
            case '<':
            case '>':
            case '(':
            case ')':
            case '$':
            case '`':
            case '*':
            case '?': {
                const bool is_double =
                    i + 1 < line.size() && line[i + 1] == c && std::string_view("|&<>;").find(c) != line.npos;
                return refuse(fmt::format("\"{}\"", line.substr(i, is_double ? 2 : 1)));
            }
            case '#':
                if (!in_word) return refuse("a comment (\"#\")");
                word += c;
                break;
            case '~':
                if (!in_word) return refuse("\"~\"");
                word += c;
                break;
            default: word += c; in_word = true;
        }
    }
    if (in_word) words.push_back(std::move(word));
    if (words.empty()) return Error{ErrorCode::invalid, "command: must not be empty"};
    // `A=b program` sets a variable in a shell; here it would be looked for as a program.
    const std::string& first = words.front();
    const std::size_t equals = first.find('=');
    if (equals != std::string::npos && equals > 0 &&
        std::all_of(first.begin(), first.begin() + static_cast<std::ptrdiff_t>(equals),
                    [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }))
        return Error{ErrorCode::invalid,
                     fmt::format("command: the variable {} stands before the program; give it in environment",
                                 first.substr(0, equals))};
    return words;
}

Result<void> check_command(const std::vector<std::string>& command) {
    if (command.empty() || command.front().empty()) return Error{ErrorCode::invalid, "command: must name a program"};
    if (command.size() > max_command_words)
        return Error{ErrorCode::invalid,
                     fmt::format("command: at most {} words, got {}", max_command_words, command.size())};
    std::size_t bytes = 0;
    for (const std::string& word : command) {
        bytes += word.size() + 1;
        if (word.find('\0') != std::string::npos) return Error{ErrorCode::invalid, "command: a word holds a NUL byte"};
    }
    if (bytes > max_command_bytes)
        return Error{ErrorCode::invalid, fmt::format("command: at most 1 MiB, got {} bytes", bytes)};
    return boost::system::in_place_value;
}

Ending ending_of(const Outcome& outcome) {
    Ending out;
    out.exit_code = outcome.exit_code;
    if (outcome.signal) out.signal = signal_name(*outcome.signal);
    out.reason = outcome.reason;
    out.stopped_by = outcome.stopped_by;
    out.causes = outcome.causes;
    return out;
}

Result<RestartChoice> parse_restart(std::string_view text) {
    constexpr std::pair<std::string_view, RestartPolicy> known[] = {
        {"never", RestartPolicy::never},           {"no", RestartPolicy::never},
        {"on-failure", RestartPolicy::on_failure}, {"on_failure", RestartPolicy::on_failure},
        {"always", RestartPolicy::always},         {"unless-stopped", RestartPolicy::always}};
    constexpr std::int64_t most = 1'000'000;
    const std::size_t colon = text.find(':');
    const auto word = text.substr(0, colon);
    const auto found =
        std::find_if(std::begin(known), std::end(known), [&](const auto& each) { return each.first == word; });
    if (found == std::end(known))
        return Error{ErrorCode::invalid,
                     fmt::format("\"{}\" is not one of never, on-failure[:N], always", base::excerpt(text))};
    RestartChoice out{found->second, std::nullopt};
    if (colon == std::string_view::npos) return out;
    const auto number = text.substr(colon + 1);
    std::int64_t limit = 0;
    const auto [end, failed] = std::from_chars(number.data(), number.data() + number.size(), limit);
    const bool is_number = failed == std::errc{} && end == number.data() + number.size();
    if (!is_number || limit < 1 || limit > most || out.policy == RestartPolicy::never)
        return Error{ErrorCode::invalid,
                     fmt::format("\"{}\": behind on-failure: or always: stands how many quick failures in "
                                 "a row end it, from 1 to {}",
                                 base::excerpt(text), most)};
    out.limit = limit;
    return out;
}

std::string signal_name(int signal) {
    for (const auto& each : sendable)
        if (each.number == signal) return each.name;
    for (const auto& each : only_received)
        if (each.number == signal) return each.name;
    if (signal >= SIGRTMIN && signal <= SIGRTMAX) return fmt::format("SIGRTMIN+{}", signal - SIGRTMIN);
    return fmt::format("signal {}", signal);
}

std::optional<int> find_signal(std::string_view name) noexcept {
    for (const auto& each : sendable)
        if (name == each.name) return each.number;
    for (const auto& each : only_received)
        if (name == each.name) return each.number;
    for (const std::string_view prefix : {"SIGRTMIN+", "signal "}) {
        if (!name.starts_with(prefix)) continue;
        int number = 0;
        const char* const end = name.data() + name.size();
        const auto [stop, failed] = std::from_chars(name.data() + prefix.size(), end, number);
        if (failed != std::errc{} || stop != end || number < 0 || number > 64) return std::nullopt;
        return prefix == "signal " ? number : SIGRTMIN + number;
    }
    return std::nullopt;
}

std::vector<std::string_view> sendable_signals() {
    std::vector<std::string_view> out;
    for (const NamedSignal& each : sendable) out.emplace_back(each.name);
    return out;
}

Result<int> parse_signal(std::string_view text) {
    std::string upper;
    for (const char c : text) upper += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    if (const auto number = find_number(upper); number && *number < 65) {
        for (const auto& each : sendable)
            if (each.number == static_cast<int>(*number)) return each.number;
    }
    if (!upper.starts_with("SIG")) upper = "SIG" + upper;
    std::string accepted;
    for (const auto& each : sendable) {
        if (upper == each.name) return each.number;
        if (!accepted.empty()) accepted += ", ";
        accepted += each.name + 3;
    }
    return Error{ErrorCode::invalid,
                 fmt::format("signal: \"{}\" cannot be sent; one of {}", base::excerpt(text), accepted)};
}

}  // namespace persistproc::domain
