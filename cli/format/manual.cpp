#include "cli/format/manual.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "cli/common_flags.hpp"
#include "cli/format/help.hpp"
#include "common/base/exit_status.hpp"
#include "common/base/version.hpp"

namespace persistproc::cli::format {

namespace {

/// Text that troff prints as it is.
std::string plain(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool begins_line = out.empty() || out.back() == '\n';
        const std::string_view rest = text.substr(i);
        if (begins_line && (text[i] == '.' || text[i] == '\'')) out += "\\&";
        if (text[i] == '\\')
            out += "\\e";
        else if (text[i] == '-')
            out += "\\-";
        else if (text[i] == '~')
            out += "\\(ti";
        else if (text[i] == '^')
            out += "\\(ha";
        else if (rest.starts_with("…"))
            out += "...", i += std::string_view("…").size() - 1;
        else
            out += text[i];
    }
    return out;
}

/// Sentences, in lines that fit a terminal: what troff reads has lines too, and mandoc(1) complains of long ones.
std::string prose(std::string_view text) {
    constexpr std::size_t widest = 78;
    std::string out;
    std::size_t column = 0;
    for (std::string_view rest = text; !rest.empty();) {
        const std::string_view word = rest.substr(0, rest.find(' '));
        rest.remove_prefix(std::min(word.size() + 1, rest.size()));
        std::string shown = plain(word);
        const bool is_next = column + 1 + shown.size() > widest;
        // A word that begins a line may look like a request to troff; within one it was no beginning.
        if (column > 0 && !is_next && shown.starts_with("\\&")) shown.erase(0, 2);
        if (column > 0) out += is_next ? '\n' : ' ';
        column = column == 0 || is_next ? shown.size() : column + 1 + shown.size();
        out += shown;
    }
    return out;
}

std::string title_line(std::string_view name, int section, std::string_view about) {
    std::string title(name);
    for (char& each : title)
        if (each >= 'a' && each <= 'z') each = static_cast<char>(each - 'a' + 'A');
    return fmt::format(".TH {} {} \"{}\" \"persistproc {}\" \"\"\n.SH NAME\n{} \\- {}\n", title, section,
                       base::version_date(), base::version(), name, plain(about));
}

std::string section(std::string_view title) { return fmt::format(".SH \"{}\"\n", title); }

std::string item(std::string_view term, std::string_view text) {
    return fmt::format(".TP\n.B {}\n{}\n", plain(term), prose(text));
}

/// The flags that --help lists, each with its sentence: two columns, the second goes on below itself.
std::vector<std::pair<std::string, std::string>> options_in(std::string_view help) {
    std::vector<std::pair<std::string, std::string>> out;
    while (!help.empty()) {
        std::string_view line = help.substr(0, help.find('\n'));
        help.remove_prefix(std::min(line.size() + 1, help.size()));
        const std::size_t indent = std::min(line.find_first_not_of(' '), line.size());
        line.remove_prefix(indent);
        if (indent > 0 && line.starts_with('-')) {
            const std::size_t gap = std::min(line.find("  "), line.size());
            out.emplace_back(line.substr(0, gap), std::string());
            line.remove_prefix(gap);
            line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
        } else if (indent == 0) {
            continue;  // a heading, or the description before them
        }
        if (out.empty() || line.empty()) continue;
        std::string& text = out.back().second;
        text += (text.empty() ? "" : " ") + std::string(line);
    }
    return out;
}

std::string flag_item(const Flag& flag) {
    std::string term = flag.facts.letter != 0 ? fmt::format("\\fB\\-{}\\fR, ", flag.facts.letter) : std::string();
    term += fmt::format("\\fB\\-\\-{}\\fR", plain(flag.name));
    if (flag.takes_value) term += fmt::format(" \\fI{}\\fR", plain(flag.facts.value_name));
    return fmt::format(".TP\n{}\n{}\n", term, prose(flag.facts.sentence()));
}

/// Whether it is a flag of every subcommand under another name, because the subcommand has one of that name.
bool is_renamed(const Flag& flag, CommonFlags& common) {
    const auto usual = flags_of(common);
    return std::none_of(usual.begin(), usual.end(), [&](const Flag& each) { return each.name == flag.name; });
}

std::string example(std::string_view text) { return fmt::format(".PP\n.nf\n.RS\n{}\n.RE\n.fi\n", plain(text)); }

constexpr ManualEntry variables[] = {
    {"PERSISTPROC_DATA_DIR", ManualEntry::both,
     "Where processes and their output are kept, unless --data-dir says so."},
    {"PERSISTPROC_PORT", ManualEntry::both, "Port of the daemon on 127.0.0.1, unless --port says so; 8947."},
    {"PERSISTPROC_AUTH", ManualEntry::both,
     "peer or token: what agents over TCP must show to a daemon that starts, unless --auth says so."},
    {"PERSISTPROC_COMPAT", ManualEntry::both,
     "1: a daemon that starts offers the tools of the Python persistproc, too, as with --compat."},
    {"PERSISTPROC_FORMAT", ManualEntry::client, "text or json, unless --format or --json says so."},
    {"PERSISTPROC_AUTOSTART", ManualEntry::client, "0: no daemon is started; for those that a service manager starts."},
    {"XDG_STATE_HOME", ManualEntry::both, "Holds the data directory; ~/.local/state."},
    {"XDG_CONFIG_HOME", ManualEntry::both, "Holds the file of settings; ~/.config."},
    {"XDG_RUNTIME_DIR", ManualEntry::both, "Holds the daemon's socket; without it the data directory does."},
    {"NOTIFY_SOCKET", ManualEntry::daemon, "Where a service manager hears that the daemon serves."},
    {"NO_COLOR", ManualEntry::client, "No colours, whatever it says, unless it is empty."}};

constexpr ManualEntry kept_files[] = {
    {"~/.config/persistproc/config.toml", ManualEntry::both,
     "Settings ($XDG_CONFIG_HOME/persistproc/config.toml where that is set): flags as keys of the tables [daemon], "
     "[client] and [run]. A flag counts more than a variable, a variable more than the file."},
    {"~/.local/state/persistproc", ManualEntry::both,
     "The data directory ($XDG_STATE_HOME/persistproc where that is set)."},
    {"DATA/procs/ID/log", ManualEntry::both,
     "The output of a process as plain bytes in numbered segments, beside an index."},
    {"DATA/persistproc.db", ManualEntry::both, "Definitions of processes and the history of what was asked for."},
    {"DATA/token", ManualEntry::both, "What agents over TCP show to a daemon that wants a token."},
    {"DATA/daemon.log", ManualEntry::both, "Messages of a daemon in the background."}};

std::string entries(std::string_view title, std::span<const ManualEntry> all, ManualEntry::Page page) {
    std::string out = section(title);
    for (const ManualEntry& each : all)
        if ((each.page & page) != 0) out += item(each.name, each.text);
    return out;
}

std::string environment_and_files(ManualEntry::Page page) {
    return entries("ENVIRONMENT", variables, page) + entries("FILES", kept_files, page);
}

constexpr std::pair<int, std::string_view> statuses[] = {
    {0, "Success."},
    {2, "A mistake in the command line or a request."},
    {base::directory_held_status, "Another daemon serves the data directory."},
    {124, "The time for a wait is over."},
    {125, "The daemon or an operation failed."},
    {126, "The program cannot be executed."},
    {127, "There is no such program."}};

}  // namespace

std::span<const ManualEntry> known_variables() { return variables; }

std::string client_manual() {
    std::string out = title_line("persistproc", 1, "keep programs running, and share them with coding agents");
    out += section("SYNOPSIS");
    out +=
        ".B persistproc\n[\\fIFLAGS\\fR] \\fISUBCOMMAND\\fR ...\n.br\n.B persistproc\n[\\fIFLAGS\\fR] "
        "\\fICMD\\fR [\\fIARGUMENT\\fR ...]\n";
    out += section("DESCRIPTION");
    out += prose(
        "A daemon starts and keeps long-running programs and records every byte they print. People use this program, "
        "coding agents the daemon's MCP tools; all see the same processes. Programs and their output outlive the "
        "client, "
        "the terminal and the daemon.");
    out +=
        "\n.PP\n" + prose(
                        "A first word that is no subcommand is the program of a command to run. Own flags end at the "
                        "first word of the command; all after it belongs to the program.");
    out += "\n.PP\n" +
           prose(
               "A TARGET is an id (p3), a label, a PID, or a command, which \"CMD in DIRECTORY\" narrows. "
               "Several matches are an error that lists them.") +
           "\n";
    out += ".PP\n" +
           prose(
               "A DURATION is 500ms, 10s, 1m30s, 2h or a number of seconds; a TIME is the age of something "
               "(2m), RFC 3339, a date, a clock time, today, yesterday, or Unix seconds, which a number is from " +
               std::to_string(base::least_unix_seconds) + " on; a smaller one is an age.") +
           "\n";
    out += section("FLAGS OF EVERY SUBCOMMAND, UNLESS IT HAS ITS OWN");
    CommonFlags common;
    for (const Flag& flag : flags_of(common)) out += flag_item(flag);
    out += section("SUBCOMMANDS");
    for (const Subcommand* each : all_subcommands()) {
        const ops::Typed& typed = each->typed;
        if (typed.summary.empty()) continue;
        out += fmt::format(".SS \"{}\"\n{}\n", plain(usage_line(*each)), prose(typed.text));
        if (!typed.aliases.empty()) out += fmt::format("Also: {}.\n", plain(typed.aliases));
        const auto arguments = each->make();
        std::vector<Flag> flags = each->flags(arguments.get());
        const auto own = static_cast<std::ptrdiff_t>(flags.size());
        add_common_flags(common, flags);
        for (const Flag& flag : flags)
            if (&flag - flags.data() < own || is_renamed(flag, common)) out += flag_item(flag);
        for (const ops::ExitStatus& status : typed.statuses)
            if (!status.text.empty()) out += item(fmt::format("Exit status {}", status.status), status.text);
        for (const std::string_view text : typed.examples)
            if (!text.empty()) out += example(text);
    }
    out += section("EXIT STATUS");
    for (const auto& [status, text] : statuses) out += item(std::to_string(status), text);
    out += ".PP\n" + prose("run and wait --exit end with the program's own status, or 128+N when signal N ended it.") +
           "\n";
    out += environment_and_files(ManualEntry::client) + section("SEE ALSO") + ".BR persistprocd (8)\n";
    return out;
}

std::string daemon_manual(std::string_view help) {
    std::string out = title_line("persistprocd", 8, "the daemon of persistproc");
    out += section("SYNOPSIS") + ".B persistprocd\n[\\fIFLAGS\\fR]\n" + section("DESCRIPTION");
    out += prose(
        "Starts programs on request, keeps each under a small process of its own, records what they print, and answers "
        "MCP "
        "on http://127.0.0.1:8947/mcp and on a socket for the client. Usually the client starts it when needed; "
        "persistproc "
        "serve runs it in the foreground. When it ends, or is killed, the programs run on, and the next daemon takes "
        "them "
        "over.");
    out += "\n" + section("OPTIONS");
    for (const auto& [term, text] : options_in(help)) out += item(term, text);
    out += section("EXIT STATUS");
    out += item("0", "It was asked to end.") + item("2", "A mistake in the flags.") +
           item(std::to_string(base::directory_held_status), "Another daemon serves the data directory.") +
           item("125", "It could not begin.");
    out += environment_and_files(ManualEntry::daemon) + section("SEE ALSO") + ".BR persistproc (1)\n";
    return out;
}

}  // namespace persistproc::cli::format
