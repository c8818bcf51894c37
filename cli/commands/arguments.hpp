#pragma once
/// What is typed after each subcommand, as values: the request itself, and what is the client's alone.
#include <optional>
#include <string>
#include <vector>

#include "cli/format/process_table.hpp"
#include "cli/subcommand.hpp"
#include "cli/words.hpp"
#include "common/config/daemon_settings.hpp"
#include "common/ops/agent_setup.hpp"
#include "common/ops/client_operations.hpp"
#include "common/ops/get_process_output.hpp"
#include "common/ops/list_processes.hpp"
#include "common/ops/project_operations.hpp"
#include "common/ops/restart_process.hpp"
#include "common/ops/start_process.hpp"
#include "common/ops/stop_process.hpp"
#include "common/ops/wait_for_process.hpp"

namespace persistproc {
namespace cli {

/// Whether it says how a process that is started is to be: nothing that a process which exists is asked with.
bool is_defining_flag(std::string_view name);

/// The word of a subcommand that is about one project: a directory or a file, where no flag names it. Errors: invalid.
Result<void> take_project(std::vector<std::string> words, const Given& given, std::string& into);

/// `request` is made whole by make_start_request.
struct StartArguments {
    ops::StartRequest request;
    std::vector<std::string> environment_files;
    bool colour = false;
    bool input = false;
    bool fresh = false;
    bool no_autostart = false;
    RestartChoice restart;         // of the request's definition
    std::string word;              // the only one, not behind `--`: it may name a process that exists
    std::optional<Error> unsplit;  // why the first word, which holds blanks, is no command line
    std::optional<Misplaced> misplaced;
    // What is typed if it is the names of processes: flags of ours may stand behind the first one. Empty behind `--`.
    std::vector<std::string> names;
    std::vector<TypedFlag> behind;
    std::string line;           // "persistproc start --label x": what was typed before the command, for advice
    bool dashes = false;        // `--` stands before the command: nothing in it is looked at
    bool implied = false;       // the word `run` was left out
    std::string defining_flag;  // one that was given; empty: none

    /// Nothing is said of the process but one word.
    bool is_bare() const { return !word.empty() && defining_flag.empty(); }

    template <class Each>
    static constexpr void fields(Each&& each) {
        using A = StartArguments;
        using schema::field;
        schema::inlined(&A::request, each);
        each(
            field("restart_choice", &A::restart)
                .as_flag("restart", "POLICY",
                         "When it ends by itself: never (default), on-failure or always; on-failure:3 gives up after 3 "
                         "quick failures in a row"));
        each(field("environment_files", &A::environment_files)
                 .as_flag("env-file", "FILE", "Variables from a file of KEY=VALUE lines")
                 .of_kind(schema::ValueKind::file));
        each(field("colour", &A::colour)
                 .as_flag("color", "",
                          "Ask the program for colours (FORCE_COLOR=1, CLICOLOR_FORCE=1); they are recorded, too"));
        each(field("input", &A::input)
                 .as_flag("i,input", "", "Keep its input open and silent, for programs that leave at its end"));
        each(field("fresh", &A::fresh).as_flag("fresh", "", "Replace one that is running"));
        each(field("no_autostart", &A::no_autostart)
                 .as_flag("no-autostart", "", "Fail when no daemon answers, instead of starting one"));
    }
    Result<void> take(std::vector<std::string> words, const Given& given);
};

/// Of what begins a run and returns: the command line's alone.
struct SettleArguments {
    std::optional<double> seconds;

    template <class Each>
    static constexpr void fields(Each&& each) {
        each(schema::field("settle", &SettleArguments::seconds)
                 .range(0, 3600)
                 .as_flag(
                     "settle", "DURATION",
                     "Watch it so long: one that fails within is told of, with status 1 (0.3s on a terminal, else 0)")
                 .of_kind(schema::ValueKind::duration));
    }
};

/// Of what begins a run: whether it returns once that is ready.
struct ReadyWaitArguments {
    bool wait = false;
    std::optional<double> timeout_seconds;  // nothing: as long as it takes

    template <class Each>
    static constexpr void fields(Each&& each) {
        using A = ReadyWaitArguments;
        using schema::field;
        each(field("wait", &A::wait)
                 .as_flag("wait", "",
                          "Return once it is ready (--ready; without any check: once it listens); with its own status "
                          "should it end first"));
        each(field("wait_timeout", &A::timeout_seconds)
                 .as_flag("wait-timeout", "DURATION", "Give up waiting after it, with status 124; it runs on")
                 .of_kind(schema::ValueKind::duration));
    }
    /// Errors: invalid (a time for no wait).
    Result<void> check() const;
};

/// `start`.
struct BackgroundArguments : StartArguments {
    SettleArguments settle;
    ReadyWaitArguments ready;

    template <class Each>
    static constexpr void fields(Each&& each) {
        StartArguments::fields(each);
        schema::inlined(&BackgroundArguments::settle, each);
        schema::inlined(&BackgroundArguments::ready, each);
    }
    Result<void> take(std::vector<std::string> words, const Given& given);
};

struct RunArguments {
    StartArguments start;
    OnExit on_exit = OnExit::detach;
    std::optional<std::uint64_t> history;
    bool raw = false;
    bool detach = false;
    ReadyWaitArguments ready;

    template <class Each>
    static constexpr void fields(Each&& each) {
        using A = RunArguments;
        using schema::field;
        each(field("on_exit", &A::on_exit)
                 .as_flag("on-exit", "ACTION",
                          "What Ctrl+C, SIGTERM and a closed terminal do: detach (default) or stop"));
        schema::inlined(&A::start, each);
        each(field("history", &A::history).as_flag("history", "N", "Show so many of the last lines when joining (10)"));
        each(field("raw", &A::raw).as_flag("raw", "", "Show times and events; escape sequences as they are"));
        each(field("detach", &A::detach).as_flag("d,detach", "", "Return once it runs, as persistproc start does"));
        schema::inlined(&A::ready, each);
    }
    Result<void> take(std::vector<std::string> words, const Given& given);
};

/// Targets as words, or --all. Errors: invalid (none).
Result<void> take_targets(std::vector<std::string> words, bool all, std::string_view subcommand,
                          std::vector<std::string>& into);

/// A request that is made once for each of some processes.
template <class Request>
struct TargetArguments {
    Request request;
    std::vector<std::string> targets;
    bool all = false;

    template <class Each>
    static constexpr void fields(Each&& each) {
        schema::inlined(&TargetArguments::request, each);
        each(schema::field("all", &TargetArguments::all).as_flag("all", "", "As the word all: every process"));
    }
    Result<void> take(std::vector<std::string> words, const Given& given) {
        return take_targets(std::move(words), all, given.subcommand, targets);
    }
};
using StopArguments = TargetArguments<ops::StopRequest>;
using FlushArguments = TargetArguments<ops::FlushRequest>;

struct RemoveArguments : TargetArguments<ops::RemoveRequest> {
    bool force = false;

    template <class Each>
    static constexpr void fields(Each&& each) {
        TargetArguments::fields(each);
        each(schema::field("force", &RemoveArguments::force).as_flag("f,force", "", "Stop those that run first"));
    }
};

struct RenameArguments {
    ops::RenameRequest request;

    template <class Each>
    static constexpr void fields(Each&&) {}
    Result<void> take(std::vector<std::string> words, const Given& given);
};

struct RestartArguments : TargetArguments<ops::RestartRequest> {
    std::vector<std::string> environment_files;
    bool update_environment = false;
    bool tty = false, no_tty = false, input = false;
    SettleArguments settle;

    template <class Each>
    static constexpr void fields(Each&& each) {
        using A = RestartArguments;
        using schema::field;
        TargetArguments<ops::RestartRequest>::fields(each);
        each(field("environment_files", &A::environment_files)
                 .as_flag("env-file", "FILE", "Variables from a file of KEY=VALUE lines")
                 .of_kind(schema::ValueKind::file));
        each(field("update_environment", &A::update_environment)
                 .as_flag("update-env", "", "Inherit this shell's variables instead; what -e has set stays"));
        each(field("tty", &A::tty).as_flag("tty", "", "On a terminal from now on"));
        each(field("no_tty", &A::no_tty).as_flag("no-tty", "", "Without a terminal, and with an empty input"));
        each(field("input", &A::input).as_flag("i,input", "", "With an input that is kept open and silent"));
        schema::inlined(&A::settle, each);
    }
    Result<void> take(std::vector<std::string> words, const Given& given);
};

struct StatusArguments {
    std::vector<std::string> targets;

    template <class Each>
    static constexpr void fields(Each&&) {}
    Result<void> take(std::vector<std::string> words, const Given& given);
};

struct SignalArguments {
    ops::SignalRequest request;
    std::vector<std::string> targets;
    bool all = false;

    template <class Each>
    static constexpr void fields(Each&& each) {
        schema::inlined(&SignalArguments::request, each);
        each(schema::field("all", &SignalArguments::all).as_flag("all", "", "As the word all: every process"));
    }
    Result<void> take(std::vector<std::string> words, const Given& given);
};

struct AuditArguments {
    ops::AuditRequest request;
    bool follow = false;

    template <class Each>
    static constexpr void fields(Each&& each) {
        schema::inlined(&AuditArguments::request, each);
        each(schema::field("follow", &AuditArguments::follow).as_flag("f,follow", "", "Go on with what is done next"));
    }
    Result<void> take(std::vector<std::string> words, const Given& given);
};

/// Of a subcommand that is about one project.
template <class Request>
struct ProjectArguments {
    Request request;
    std::string word;  // a directory or a file; empty: none

    template <class Each>
    static constexpr void fields(Each&& each) {
        schema::inlined(&ProjectArguments::request, each);
    }
    Result<void> take(std::vector<std::string> words, const Given& given) {
        return take_project(std::move(words), given, word);
    }
};
using CheckArguments = ProjectArguments<ops::CheckRequest>;
using AllowArguments = ProjectArguments<ops::AllowRequest>;
using RevokeArguments = ProjectArguments<ops::RevokeRequest>;

struct InitArguments {
    std::string directory;
    std::optional<std::string> from;

    template <class Each>
    static constexpr void fields(Each&& each) {
        each(schema::field("from", &InitArguments::from)
                 .range(1, 4096)
                 .as_flag("from", "FILE", "What another tool's file says")
                 .of_kind(schema::ValueKind::file));
    }
    Result<void> take(std::vector<std::string> words, const Given& given);
};

struct PortArguments {
    ops::PortRequest request;

    template <class Each>
    static constexpr void fields(Each&& each) {
        schema::inlined(&PortArguments::request, each);
    }
    Result<void> take(std::vector<std::string> words, const Given& given);
};

enum class ListOutput { table, wide };

struct ListArguments {
    ops::ListRequest request;  // for each of `targets`, or once where there is none
    std::vector<std::string> targets;
    ListOutput output = ListOutput::table;
    bool all = false;
    format::ListSort sort = format::ListSort::state;
    bool watch = false;
    std::optional<std::string> project;

    template <class Each>
    static constexpr void fields(Each&& each) {
        using A = ListArguments;
        using schema::field;
        each(field("all", &A::all).as_flag("a,all", "", "Also those that ended more than ten minutes ago"));
        schema::inlined(&A::request, each);
        each(field("sort", &A::sort)
                 .as_flag("sort", "KEY",
                          "By state (default: what lives first, the latest end first), id, label, uptime, cpu, memory "
                          "or restarts"));
        each(field("output", &A::output)
                 .as_flag("o,output", "OUTPUT",
                          "table (default), or wide: the command, who started it and its description, too"));
        each(field("project", &A::project)
                 .range(1, 4096)
                 .as_flag("project", "NAME", "Only the processes of a project: its name, or its file"));
        each(field("watch", &A::watch).as_flag("watch", "", "Show it anew every second, until Ctrl+C"));
    }
    Result<void> take(std::vector<std::string> words, const Given& given);
};

struct OutputArguments {
    ops::OutputRequest request;        // of one process
    std::vector<std::string> targets;  // none: what lives or has just ended
    bool lines_given = false;
    bool leaves_past = false;  // nothing is shown of what was printed before
    bool follow = false;
    bool timestamps = false;
    bool raw = false;
    bool ignore_case = false;
    std::optional<std::string> exclude;
    std::optional<std::int64_t> before, after;
    bool no_follow = false, only_out = false, only_err = false;

    bool is_of_one() const { return targets.size() == 1 && targets[0] != "all"; }
    bool is_of_all() const { return targets.empty() || targets[0] == "all"; }
    bool has_filter() const { return request.grep || exclude; }
    bool has_context() const { return request.context > 0 || before || after; }

    template <class Each>
    static constexpr void fields(Each&& each) {
        using A = OutputArguments;
        using schema::field;
        schema::inlined(&A::request, each);
        each(field("ignore_case", &A::ignore_case)
                 .as_flag("i,ignore-case", "", "--grep and --exclude take large and small letters for the same"));
        each(field("exclude", &A::exclude)
                 .range(1, 1024)
                 .as_flag("v,exclude", "RE2",
                          "No lines that match this; in one over 1 MiB it is looked for around the match alone"));
        each(field("before", &A::before)
                 .range(0, 100)
                 .as_flag("B,before-context", "N", "As -C, of what stands before the match"));
        each(field("after", &A::after)
                 .range(0, 100)
                 .as_flag("A,after-context", "N", "As -C, of what stands behind the match"));
        each(field("follow", &A::follow)
                 .as_flag(
                     "f,follow", "",
                     "Go on until the processes have ended; of all: until Ctrl+C, with those that start meanwhile"));
        each(field("no_follow", &A::no_follow)
                 .as_flag("no-follow", "", "Only what there is, which is the default")
                 .also_typed("nostream"));
        each(field("only_out", &A::only_out).as_flag("out", "", "Short for --stream stdout"));
        each(field("only_err", &A::only_err).as_flag("err", "", "Short for --stream stderr"));
        each(field("timestamps", &A::timestamps).as_flag("t,timestamps", "", "The local time of each line before it"));
        each(
            field("raw", &A::raw)
                .as_flag("raw", "", "Escape sequences as they are, also to a terminal; with --timestamps, events too"));
    }
    Result<void> take(std::vector<std::string> words, const Given& given);
};

struct WaitArguments {
    ops::WaitRequest request;
    std::vector<std::string> targets;
    bool exit = false;
    bool ready = false;
    std::optional<double> timeout_seconds;  // nothing: as long as it takes
    bool names_condition = false;

    template <class Each>
    static constexpr void fields(Each&& each) {
        using A = WaitArguments;
        using schema::field;
        schema::inlined(&A::request, each);
        each(
            field("ready", &A::ready)
                .as_flag("ready", "", "It is ready, as its checks say; without any, it listens and goes on listening"));
        each(field("exit", &A::exit).as_flag("exit", "", "The process has ended; its exit code is ours (default)"));
        each(field("timeout", &A::timeout_seconds)
                 .as_flag("timeout", "DURATION", "Give up after it, with status 124")
                 .of_kind(schema::ValueKind::duration));
    }
    Result<void> take(std::vector<std::string> words, const Given& given);
};

struct ShutdownArguments {
    ops::ShutdownRequest request;

    template <class Each>
    static constexpr void fields(Each&& each) {
        schema::inlined(&ShutdownArguments::request, each);
    }
};

struct ServeArguments {
    bool detach = false;
    bool replace = false;
    config::DaemonSettings settings;
    config::DaemonFlags flags;

    template <class Each>
    static constexpr void fields(Each&& each) {
        using A = ServeArguments;
        using schema::field;
        each(field("detach", &A::detach).as_flag("detach", "", "Put it in the background; return once it serves"));
        each(field("replace", &A::replace)
                 .as_flag("replace", "",
                          "Take over from a daemon that runs; its processes run on, its port and flags stay unless "
                          "others are given"));
        schema::inlined(&A::settings, each);
        schema::inlined(&A::flags, each);
    }
    Result<void> take(std::vector<std::string> words, const Given& given);
};

struct SetupArguments {
    std::vector<const ops::Agent*> agents;  // of known_agents(), each once; empty: none was named, or `all`
    bool all = false;                       // those that are installed; with `remove`: that have the entry
    ops::AgentScope scope = ops::AgentScope::user;
    std::string name = "persistproc";  // of the entry
    bool print = false;
    bool http = false;
    bool stdio = false;
    bool remove = false;

    template <class Each>
    static constexpr void fields(Each&& each) {
        using A = SetupArguments;
        using schema::field;
        each(field("scope", &A::scope)
                 .as_flag("scope", "SCOPE", "user (default): in all your projects; project: in this directory's"));
        each(field("print", &A::print)
                 .as_flag("print", "", "Show the client's command and what belongs into the file; write nothing"));
        each(field("name", &A::name).as_flag("name", "NAME", "Name of the entry (persistproc)"));
        each(field("http", &A::http)
                 .as_flag("http", "", "Write the daemon's URL: the client reaches one that runs, and starts none"));
        each(field("stdio", &A::stdio).as_flag("stdio", "", "Let the client start \"persistproc mcp\" (default)"));
        each(field("remove", &A::remove).as_flag("remove", "", "Take the entry out again, and nothing else"));
    }
    Result<void> take(std::vector<std::string> words, const Given& given);
};

struct McpArguments {
    bool no_autostart = false;
    bool verbose = false;

    template <class Each>
    static constexpr void fields(Each&& each) {
        each(schema::field("verbose", &McpArguments::verbose).as_flag("v,verbose", "", "Say on stderr what it does"));
        each(schema::field("no_autostart", &McpArguments::no_autostart)
                 .as_flag("no-autostart", "", "Answer with an error when no daemon runs, start none"));
    }
};

struct NoArguments {
    template <class Each>
    static constexpr void fields(Each&&) {}
};

}  // namespace cli

namespace schema {
template <>
struct EnumNames<cli::ListOutput> {
    using E = cli::ListOutput;
    static constexpr std::pair<E, std::string_view> names[] = {{E::table, "table"}, {E::wide, "wide"}};
};
template <>
struct EnumNames<ops::AgentScope> {
    using E = ops::AgentScope;
    static constexpr std::pair<E, std::string_view> names[] = {{E::user, "user"}, {E::project, "project"}};
};
}  // namespace schema
}  // namespace persistproc
