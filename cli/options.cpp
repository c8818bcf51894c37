#include "cli/options.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "cli/arguments.hpp"
#include "cli/format/help.hpp"
#include "common/base/text.hpp"
#include "common/base/time.hpp"
#include "common/rundir/daemon_paths.hpp"

namespace persistproc::cli {

namespace {

/// Values of every flag there is, as CLI11 converts them.
struct Values {
    bool help = false, version = false, json = false, verbose = false, quiet = false, no_autostart = false;
    std::string port, data_dir, format;
    // run, start
    std::string on_exit = "detach", restart, stop_signal, working_directory;
    std::optional<std::string> label;
    std::optional<double> grace;
    std::vector<std::string> variables, environment_files;
    bool fresh = false, shell = false;
    std::uint64_t history = 0;
    // serve, shutdown
    bool detach = false, keep = false, compat = false;
    std::optional<int> ready_fd;
    // stop, restart
    bool force = false;
    // list
    std::optional<std::string> state;
    // output
    std::optional<std::uint64_t> lines;
    bool follow = false, raw = false, timestamps = false;
    std::string stream = "combined";
    std::optional<std::string> since, until, grep, run, cursor;
    // wait
    std::optional<std::string> pattern, wait_port, wait_quiet, timeout;
    bool wait_exit = false, wait_ready = false;
    // setup
    std::string scope = "user", name = "persistproc";
    bool print = false, stdio = false;
};

/// CLI11 as far as it is let near a command line: it declares flags, converts and checks their values. Which words are
/// flags was decided before (arguments.hpp), because the rest belongs to the program that is run.
class FlagSet {
public:
    FlagSet() { app_.set_help_flag(); }

    Values values;

    template <class T>
    CLI::Option* value(const char* names, T& into, const char* text, const char* shown) {
        return app_.add_option(names, into, text)->type_name(shown)->allow_extra_args(false);
    }
    void flag(const char* names, bool& into, const char* text) { app_.add_flag(names, into, text); }

    std::vector<FlagShape> shapes() const {
        std::vector<FlagShape> out;
        for (const CLI::Option* option : app_.get_options()) {
            FlagShape shape;
            shape.long_name = option->get_lnames().front();
            if (!option->get_snames().empty()) shape.short_name = option->get_snames().front()[0];
            shape.takes_value = option->get_items_expected_max() > 0;
            out.push_back(std::move(shape));
        }
        return out;
    }

    std::vector<format::FlagHelp> help() const {
        std::vector<format::FlagHelp> out;
        for (const CLI::Option* option : app_.get_options()) {
            format::FlagHelp help;
            if (!option->get_snames().empty()) help.names = "-" + option->get_snames().front() + ", ";
            help.names += "--" + option->get_lnames().front();
            if (option->get_items_expected_max() > 0) help.names += " " + option->get_type_name();
            help.text = option->get_description();
            out.push_back(std::move(help));
        }
        return out;
    }

    Result<void> apply(const std::vector<std::pair<std::string, std::string>>& flags) {
        for (const auto& [name, given] : flags) {
            CLI::Option* option = app_.get_option("--" + name);
            const bool takes_value = option->get_items_expected_max() > 0;
            // Given twice, the later one counts; a list grows.
            if (option->get_expected_max() <= 1) option->clear();
            option->add_result(takes_value ? given : std::string("true"));
        }
        for (CLI::Option* option : app_.get_options()) {
            if (option->count() == 0) continue;
            try {
                option->run_callback();
            } catch (const CLI::Error& error) {
                std::string why = error.what();
                std::replace(why.begin(), why.end(), '\n', ' ');
                return Error{ErrorCode::invalid, base::escape_line(why)};
            }
        }
        return {};
    }

private:
    CLI::App app_;
};

template <std::size_t N>
CLI::IsMember one_of(const std::array<const char*, N>& names) {
    return CLI::IsMember(std::vector<std::string>(names.begin(), names.end()));
}

/// Looks at the text before CLI11 converts it, which takes "-5" for a very large number, and says what is wanted.
CLI::Validator whole_number() {
    return CLI::Validator(
        [](std::string& text) {
            constexpr std::size_t most_digits = 18;
            const bool is_number = !text.empty() && text.size() <= most_digits &&
                                   text.find_first_not_of("0123456789") == std::string::npos;
            return is_number ? std::string() : fmt::format("a whole number, got \"{}\"", text);
        },
        "", "whole number");
}

CLI::Validator grace_seconds() {
    return CLI::Validator(
        [](std::string& text) {
            constexpr double most = 3600;
            double seconds = -1;
            const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), seconds);
            const bool is_time =
                failed == std::errc() && end == text.data() + text.size() && seconds >= 0 && seconds <= most;
            return is_time ? std::string() : fmt::format("seconds from 0 to {}, got \"{}\"", most, text);
        },
        "", "seconds");
}

void declare_common(FlagSet& flags, bool in_wait = false) {
    Values& v = flags.values;
    // `wait` has a port and a quiet time of its own; the daemon's port is given before it.
    if (!in_wait) flags.value("--port", v.port, "Port of the daemon (PERSISTPROC_PORT, 8947)", "N");
    flags.value("--data-dir", v.data_dir, "Where processes and output are kept (PERSISTPROC_DATA_DIR)", "DIR");
    flags.value("--format", v.format, "text or json (PERSISTPROC_FORMAT)", "FORMAT")
        ->check(one_of(std::array{"text", "json"}));
    flags.flag("--json", v.json, "Short for --format json");
    flags.flag("-v,--verbose", v.verbose, "Say more");
    flags.flag(in_wait ? "-q,--silent" : "-q,--quiet", v.quiet, "Silence the client's own messages");
    flags.flag("-h,--help", v.help, "This text");
}

void declare_definition(FlagSet& flags) {
    Values& v = flags.values;
    flags.value("--label", v.label, "Unique name; default: \"<command> in <directory>\"", "NAME");
    flags.value("-C,--working-directory", v.working_directory, "Where the command runs", "DIR");
    flags.value("-e,--env", v.variables, "Set a variable; may be repeated", "KEY=VALUE")->take_all();
    flags.value("--env-file", v.environment_files, "Variables from a file of KEY=VALUE lines", "FILE")->take_all();
    flags.flag("--fresh", v.fresh, "Replace one that is running");
    flags.value("--restart", v.restart, "never, on-failure or always, when it ends by itself", "POLICY")
        ->check(one_of(std::array{"never", "on-failure", "on_failure", "always"}));  // as the tool spells it, too
    flags.value("--stop-signal", v.stop_signal, "First signal of a stop (SIGTERM)", "SIGNAL");
    flags.value("--grace", v.grace, "Seconds between it and SIGKILL (10)", "SECONDS")->check(grace_seconds());
    flags.flag("--shell", v.shell, "Run one word through /bin/sh -c");
    flags.flag("--no-autostart", v.no_autostart, "Fail when no daemon answers, instead of starting one");
}

void declare_run(FlagSet& flags) {
    Values& v = flags.values;
    flags
        .value("--on-exit", v.on_exit, "What Ctrl+C, SIGTERM and a closed terminal do: detach (default) or stop",
               "ACTION")
        ->check(one_of(std::array{"detach", "stop"}));
    declare_definition(flags);
    flags.value("--history", v.history, "Show this many lines first when joining", "N")->check(whole_number());
    flags.flag("--raw", v.raw, "Show times and events; escape sequences as they are");
}

void declare_start(FlagSet& flags) { declare_definition(flags); }

void declare_serve(FlagSet& flags) {
    Values& v = flags.values;
    flags.flag("--detach", v.detach, "Put it in the background; return once it serves");
    flags.flag("--compat", v.compat, "Offer agents the tools of the Python persistproc too (PERSISTPROC_COMPAT=1)");
    flags.value("--ready-fd", v.ready_fd, "Write a newline to this descriptor once it serves", "FD")
        ->check(CLI::Range(0, 65535));
}

void declare_stop(FlagSet& flags) {
    Values& v = flags.values;
    flags.flag("--force", v.force, "SIGKILL at once");
    flags.value("--grace", v.grace, "Seconds before SIGKILL", "SECONDS")->check(grace_seconds());
}

void declare_nothing(FlagSet&) {}

void declare_list(FlagSet& flags) {
    Values& v = flags.values;
    flags.value("-C,--working-directory", v.working_directory, "Only those in this directory", "DIR");
    flags.value("--state", v.state, "Only those in this state", "STATE");
}

void declare_output(FlagSet& flags) {
    Values& v = flags.values;
    flags.value("-n,--lines", v.lines, "Newest lines (100); 0: everything", "N")->check(whole_number());
    flags.flag("-f,--follow", v.follow, "Go on until the process has ended");
    flags.value("--since", v.since, "Age (2m) or RFC 3339", "TIME");
    flags.value("--until", v.until, "Age or RFC 3339", "TIME");
    flags.value("--stream", v.stream, "combined, stdout or stderr", "STREAM")
        ->check(one_of(std::array{"combined", "stdout", "stderr"}));
    flags.value("--grep", v.grep, "Only lines that match", "RE2");
    flags.value("--run", v.run, "Only this run (p3.2, or 2)", "RUN");
    flags.value("--cursor", v.cursor, "Only what came after it", "CURSOR");
    flags.flag("-t,--timestamps", v.timestamps, "The time of each line before it");
    flags.flag("--raw", v.raw, "Escape sequences as they are, also to a terminal; with --timestamps, events too");
}

void declare_wait(FlagSet& flags) {
    Values& v = flags.values;
    flags.value("--pattern", v.pattern, "A line of this run matches", "RE2");
    flags.value("--port", v.wait_port, "The process listens there", "N");
    flags.value("--quiet", v.wait_quiet, "No output for so long", "SECONDS");
    flags.flag("--exit", v.wait_exit, "The process has ended; its exit code is ours (default)");
    flags.flag("--ready", v.wait_ready, "The process is ready");
    flags.value("--timeout", v.timeout, "Give up after it, with status 124", "SECONDS");
}

void declare_shutdown(FlagSet& flags) { flags.flag("--keep", flags.values.keep, "Leave the processes running"); }

void declare_setup(FlagSet& flags) {
    Values& v = flags.values;
    flags.value("--scope", v.scope, "user (default): in all your projects; project: in this directory's", "SCOPE")
        ->check(one_of(std::array{"user", "project"}));
    flags.flag("--print", v.print, "Show the client's command and what belongs into the file; write nothing");
    flags.value("--name", v.name, "Name of the entry (persistproc)", "NAME");
    flags.flag("--stdio", v.stdio, "Let the client start \"persistproc mcp\", instead of a URL");
}

void declare_mcp(FlagSet& flags) {
    flags.flag("--no-autostart", flags.values.no_autostart, "Answer with an error when no daemon runs, start none");
}

using Declare = void (*)(FlagSet&);
struct Verb {
    const char* name;
    Declare declare;
    FlagPlace place = FlagPlace::anywhere;
};
constexpr Verb verbs[] = {
    {"serve", declare_serve},
    {"run", declare_run, FlagPlace::before_words},
    {"start", declare_start, FlagPlace::before_words},
    {"stop", declare_stop},
    {"restart", declare_stop},
    {"signal", declare_nothing},
    {"list", declare_list},
    {"status", declare_nothing},
    {"output", declare_output},
    {"wait", declare_wait},
    {"rm", declare_nothing},
    {"shutdown", declare_shutdown},
    {"setup", declare_setup},
    {"doctor", declare_nothing},
    {"version", declare_nothing},
    {"mcp", declare_mcp},
};
/// They are subcommands to come, never programs to run.
constexpr const char* reserved_words[] = {"send", "completion"};

std::string_view verb_of(std::string_view word) {
    if (word == "ls" || word == "ps") return "list";
    if (word == "logs") return "output";
    return word;
}

const Verb* find_verb(std::string_view word) {
    for (const Verb& verb : verbs)
        if (verb.name == verb_of(word)) return &verb;
    return nullptr;
}

void declare(FlagSet& flags, const Verb& verb) {
    verb.declare(flags);
    declare_common(flags, std::string_view(verb.name) == "wait");
}

Result<double> parse_seconds(const std::string& text, const char* flag) {
    auto duration = base::parse_duration(text);
    if (!duration) return base::with_context(duration.error(), flag);
    return std::chrono::duration<double>(*duration).count();
}

Result<CommonOptions> make_common(const Values& before, const Values& v) {
    CommonOptions common;
    auto data = rundir::resolve_data_directory(v.data_dir.empty() ? before.data_dir : v.data_dir);
    if (!data) return data.error();
    common.data_directory = data->native();
    const std::string& port = v.port.empty() ? before.port : v.port;
    auto number = port.empty() ? rundir::find_port() : rundir::parse_port(port, "--port");
    if (!number) return number.error();
    common.port = *number;
    std::string format = v.json ? "json" : !v.format.empty() ? v.format : before.json ? "json" : before.format;
    if (format.empty()) {
        const char* variable = std::getenv("PERSISTPROC_FORMAT");
        if (variable != nullptr) format = variable;
        if (!format.empty() && format != "text" && format != "json")
            return Error{ErrorCode::invalid,
                         fmt::format("PERSISTPROC_FORMAT: text or json, got \"{}\"", base::escape_line(format))};
    }
    common.format = format == "json" ? OutputFormat::json : OutputFormat::text;
    common.verbose = v.verbose || before.verbose;
    common.quiet = v.quiet || before.quiet;
    auto compat = rundir::find_compat();
    if (!compat) return compat.error();
    common.compat = v.compat || *compat;
    return common;
}

Result<DefinitionOptions> make_definition(Values& v, std::vector<std::string> command, const char* verb) {
    if (command.empty())
        return Error{ErrorCode::invalid, fmt::format("{0}: no command; try: persistproc {0} npm run dev", verb)};
    if (v.shell && command.size() != 1)
        return Error{ErrorCode::invalid, "--shell takes the command as one word; quote it: --shell 'a | b'"};
    DefinitionOptions out;
    out.command = std::move(command);
    out.label = std::move(v.label);
    out.working_directory = std::move(v.working_directory);
    out.variables = std::move(v.variables);
    out.environment_files = std::move(v.environment_files);
    if (!v.restart.empty())
        out.restart = v.restart == "always"  ? domain::RestartPolicy::always
                      : v.restart == "never" ? domain::RestartPolicy::never
                                             : domain::RestartPolicy::on_failure;
    if (!v.stop_signal.empty()) out.stop_signal = std::move(v.stop_signal);
    out.grace_seconds = v.grace;
    out.shell = v.shell;
    out.fresh = v.fresh;
    out.autostart = !v.no_autostart;
    return out;
}

Error missing_target(std::string_view verb) {
    return Error{
        ErrorCode::invalid,
        fmt::format("{}: which process? Give an id, label, PID or command (persistproc list shows them)", verb)};
}

Error too_many(std::string_view verb, const std::string& word) {
    return Error{ErrorCode::invalid, fmt::format("{}: unexpected \"{}\"", verb, base::escape_line(word))};
}

Result<RunOptions> make_run(Values& v, std::vector<std::string> words) {
    auto definition = make_definition(v, std::move(words), "run");
    if (!definition) return definition.error();
    RunOptions run;
    run.definition = std::move(*definition);
    run.on_exit = v.on_exit == "stop" ? OnExit::stop : OnExit::detach;
    run.history = v.history;
    run.raw = v.raw;
    return run;
}

Result<SignalOptions> make_signal(std::vector<std::string> words) {
    if (words.size() < 2)
        return Error{ErrorCode::invalid,
                     "signal: give a signal, then one or more processes: persistproc signal HUP web"};
    SignalOptions out;
    // `kill` users put the signal first, others last; a number that comes first is the signal.
    auto place = words.begin();
    auto signal = domain::parse_signal(*place);
    if (!signal) {
        auto last = domain::parse_signal(words.back());
        if (!last) return signal.error();
        place = words.end() - 1;
        signal = std::move(last);
    }
    out.signal = domain::signal_name(*signal);
    words.erase(place);
    out.targets = std::move(words);
    return out;
}

Result<OutputOptions> make_output(Values& v, const std::vector<std::string>& words) {
    if (words.empty()) return missing_target("output");
    if (words.size() > 1) return too_many("output", words[1]);
    OutputOptions out;
    out.target = words[0];
    out.lines_given = v.lines.has_value();
    out.lines = v.lines.value_or(100);
    out.follow = v.follow;
    out.since = std::move(v.since);
    out.until = std::move(v.until);
    out.grep = std::move(v.grep);
    out.run = std::move(v.run);
    out.cursor = std::move(v.cursor);
    out.stream = v.stream == "stdout"   ? StreamOption::out
                 : v.stream == "stderr" ? StreamOption::err
                                        : StreamOption::combined;
    out.timestamps = v.timestamps;
    out.raw = v.raw;
    if (out.follow && out.until) return Error{ErrorCode::invalid, "--until and --follow exclude each other"};
    return out;
}

Result<SetupOptions> make_setup(Values& v, const std::vector<std::string>& words, const CommonOptions& common) {
    std::string known;
    for (const api::Agent& agent : api::known_agents())
        known += fmt::format("{}{}", known.empty() ? "" : ", ", agent.name);
    if (words.empty()) return Error{ErrorCode::invalid, fmt::format("setup: for which client? Known: {}", known)};
    if (words.size() > 1) return too_many("setup", words[1]);
    SetupOptions out;
    out.agent = api::find_agent(words[0]);
    if (out.agent == nullptr)
        return Error{ErrorCode::invalid,
                     fmt::format("setup: unknown client \"{}\"; known: {}", base::escape_line(words[0]), known)};
    out.scope = v.scope == "project" ? api::AgentScope::project : api::AgentScope::user;
    if (out.scope == api::AgentScope::project && out.agent->project_file.empty())
        return Error{ErrorCode::invalid,
                     fmt::format("setup: {} has no file for projects; leave out --scope", out.agent->title)};
    constexpr std::size_t longest_name = 64;
    const bool is_name =
        !v.name.empty() && v.name.size() <= longest_name && std::all_of(v.name.begin(), v.name.end(), [](char c) {
            return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
        });
    if (!is_name)
        return Error{ErrorCode::invalid, fmt::format("--name: 1 to {} letters, digits, \"-\" and \"_\", got \"{}\"",
                                                     longest_name, base::escape_line(v.name))};
    out.name = std::move(v.name);
    out.print = v.print;
    out.stdio = v.stdio;
    if (!out.stdio && common.port == 0)
        return Error{ErrorCode::invalid, "--port: a client needs one that stays; give a port from 1 to 65535"};
    return out;
}

Result<WaitOptions> make_wait(Values& v, const std::vector<std::string>& words) {
    if (words.empty()) return missing_target("wait");
    if (words.size() > 1) return too_many("wait", words[1]);
    if (v.wait_ready)
        return Error{ErrorCode::invalid, "--ready: readiness checks are not available yet; use --pattern or --port"};
    WaitOptions out;
    out.target = words[0];
    int conditions = v.wait_exit ? 1 : 0;
    if (v.pattern) {
        out.until = WaitFor::pattern;
        out.pattern = *v.pattern;
        ++conditions;
    }
    if (v.wait_port) {
        auto port = rundir::parse_port(*v.wait_port, "--port");
        if (!port) return port.error();
        out.until = WaitFor::port;
        out.port = *port;
        ++conditions;
    }
    if (v.wait_quiet) {
        auto seconds = parse_seconds(*v.wait_quiet, "--quiet");
        if (!seconds) return seconds.error();
        out.until = WaitFor::quiet;
        out.quiet_seconds = *seconds;
        ++conditions;
    }
    if (conditions > 1) return Error{ErrorCode::invalid, "wait: one of --pattern, --port, --quiet and --exit"};
    if (v.timeout) {
        auto seconds = parse_seconds(*v.timeout, "--timeout");
        if (!seconds) return seconds.error();
        out.timeout_seconds = *seconds;
    }
    return out;
}

/// Fills `out.verb` from a subcommand's flags and words.
Result<void> make_verb(Invocation& out, std::string_view verb, Values& v, std::vector<std::string> words) {
    const auto store = [&](auto made) -> Result<void> {
        if (!made) return made.error();
        out.verb = std::move(*made);
        return {};
    };
    const auto none_expected = [&](auto made) -> Result<void> {
        if (!words.empty()) return too_many(verb, words[0]);
        out.verb = std::move(made);
        return {};
    };
    const auto with_targets = [&](auto made) -> Result<void> {
        if (words.empty()) return missing_target(verb);
        made.targets = std::move(words);
        out.verb = std::move(made);
        return {};
    };
    if (verb == "run") return store(make_run(v, std::move(words)));
    if (verb == "start") {
        auto definition = make_definition(v, std::move(words), "start");
        if (!definition) return definition.error();
        out.verb = StartOptions{std::move(*definition)};
        return {};
    }
    if (verb == "serve") return none_expected(ServeOptions{v.detach, v.ready_fd});
    if (verb == "stop") {
        StopOptions stop;
        stop.force = v.force;
        stop.grace_seconds = v.grace;
        return with_targets(std::move(stop));
    }
    if (verb == "restart") {
        RestartOptions restart;
        restart.force = v.force;
        restart.grace_seconds = v.grace;
        return with_targets(std::move(restart));
    }
    if (verb == "signal") return store(make_signal(std::move(words)));
    if (verb == "list") {
        if (words.size() > 1) return too_many("list", words[1]);
        ListOptions list;
        if (!words.empty() && words[0] != "all") list.target = words[0];
        if (!v.working_directory.empty()) list.working_directory = v.working_directory;
        list.state = v.state;
        out.verb = std::move(list);
        return {};
    }
    if (verb == "status") return with_targets(StatusOptions{});
    if (verb == "rm") return with_targets(RemoveOptions{});
    if (verb == "output") return store(make_output(v, words));
    if (verb == "wait") return store(make_wait(v, words));
    if (verb == "shutdown") return none_expected(ShutdownOptions{v.keep});
    if (verb == "setup") return store(make_setup(v, words, out.common));
    if (verb == "doctor") return none_expected(DoctorOptions{});
    if (verb == "mcp") return none_expected(McpOptions{!v.no_autostart});
    return none_expected(VersionOptions{});
}

/// Needs no settings, so that wrong ones cannot keep it from anybody.
Result<Invocation> make_help(std::string_view word) {
    Invocation out;
    if (word.empty()) {
        out.verb = HelpOptions{format::general_help()};
        return out;
    }
    const Verb* verb = find_verb(word);
    if (verb == nullptr)
        return Error{ErrorCode::invalid,
                     fmt::format("no subcommand \"{}\"; persistproc --help lists them", base::escape_line(word))};
    FlagSet flags;
    declare(flags, *verb);
    out.verb = HelpOptions{format::verb_help(verb->name, flags.help())};
    return out;
}

}  // namespace

Result<Invocation> parse_invocation(const std::vector<std::string>& arguments) {
    // Flags before the first word: those of every subcommand, and those of `run`, because the word may be a command.
    FlagSet head;
    declare_run(head);
    declare_common(head);
    head.flag("--version", head.values.version, "");
    auto split = split_arguments(arguments, head.shapes(), FlagPlace::before_words);
    if (!split) return split.error();
    const std::string first = split->words.empty() ? std::string() : split->words[0];

    const Verb* verb = split->dashes ? nullptr : find_verb(first);
    if (auto applied = head.apply(split->flags); !applied) return applied.error();
    Values no_values;
    if (head.values.help || (split->words.empty() && split->flags.empty()) || (!split->dashes && first == "help")) {
        const bool asks_for_one = first == "help" && split->words.size() > 1;
        return make_help(asks_for_one ? split->words[1] : verb != nullptr && first != "help" ? first : std::string());
    }
    Invocation out;
    if (head.values.version || verb == nullptr) {
        auto common = make_common(no_values, head.values);
        if (!common) return common.error();
        out.common = std::move(*common);
        if (head.values.version) {
            out.verb = VersionOptions{};
            return out;
        }
        if (split->words.empty())
            return Error{ErrorCode::invalid, "no subcommand and no command to run; see persistproc --help"};
        for (const char* reserved : reserved_words)
            if (!split->dashes && first == reserved)
                return Error{ErrorCode::invalid,
                             fmt::format("\"{0}\" is not available in this version; to run a program of that name: "
                                         "persistproc run {0}",
                                         first)};
        if (auto made = make_verb(out, "run", head.values, std::move(split->words)); !made) return made.error();
        return out;
    }

    FlagSet common_flags;
    declare_common(common_flags);
    const std::vector<FlagShape> common_shapes = common_flags.shapes();
    const bool is_run = std::string_view(verb->name) == "run";
    for (const auto& [name, value] : split->flags) {
        const bool is_common = std::any_of(common_shapes.begin(), common_shapes.end(),
                                           [&name = name](const FlagShape& each) { return each.long_name == name; });
        if (!is_common && !is_run)
            return Error{ErrorCode::invalid,
                         fmt::format("--{} stands after the subcommand, or does not belong to {}", name, first)};
    }
    FlagSet flags;
    declare(flags, *verb);
    const std::vector<std::string> rest(split->words.begin() + 1, split->words.end());
    auto own = split_arguments(rest, flags.shapes(), verb->place);
    if (!own) return base::with_context(own.error(), first);
    if (is_run) own->flags.insert(own->flags.begin(), split->flags.begin(), split->flags.end());
    if (auto applied = flags.apply(own->flags); !applied) return base::with_context(applied.error(), first);
    if (flags.values.help) return make_help(first);
    auto common = make_common(head.values, flags.values);
    if (!common) return common.error();
    out.common = std::move(*common);
    if (auto made = make_verb(out, verb->name, flags.values, std::move(own->words)); !made) return made.error();
    return out;
}

OutputFormat guess_format(const std::vector<std::string>& arguments) {
    const char* variable = std::getenv("PERSISTPROC_FORMAT");
    OutputFormat guess =
        variable != nullptr && std::string_view(variable) == "json" ? OutputFormat::json : OutputFormat::text;
    for (std::size_t i = 0; i < arguments.size() && arguments[i] != "--"; ++i) {
        if (arguments[i] == "--json" || arguments[i] == "--format=json") guess = OutputFormat::json;
        if (arguments[i] == "--format" && i + 1 < arguments.size())
            guess = arguments[i + 1] == "json" ? OutputFormat::json : OutputFormat::text;
    }
    return guess;
}

}  // namespace persistproc::cli
