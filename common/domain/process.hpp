#pragma once
/// The words of the product as types: process, run, outcome, view. No I/O.
#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/process_identity.hpp"
#include "common/base/result.hpp"
#include "common/base/time.hpp"
#include "common/domain/cause.hpp"
#include "common/domain/membership.hpp"
#include "common/domain/readiness.hpp"
#include "common/domain/terminal.hpp"
#include "common/schema/field.hpp"

namespace persistproc {
namespace domain {

/// Processes and runs have numbers from 1 to this one: nine digits, as file names and targets are read.
inline constexpr std::uint32_t last_number = 999'999'999;
constexpr bool is_number(std::int64_t number) { return number >= 1 && number <= std::int64_t{last_number}; }

/// "p7". Counted per data directory, never reused. File names come from it alone.
struct ProcessId {
    std::uint32_t number = 0;
    friend auto operator<=>(const ProcessId&, const ProcessId&) = default;
};
/// "p7.2": the second run of p7.
struct RunId {
    ProcessId process;
    std::uint32_t number = 0;
    friend auto operator<=>(const RunId&, const RunId&) = default;
};

std::string to_string(ProcessId id);
std::string to_string(RunId id);
/// Pure. No value: the text is not an id.
std::optional<ProcessId> find_process_id(std::string_view text) noexcept;
/// A number of a process or run, as to_string writes it. Pure. No value: it is none.
std::optional<std::uint32_t> find_number(std::string_view text) noexcept;
/// Accepts "p7.2" for `process` p7, and a bare "2". No value: neither.
std::optional<std::uint32_t> find_run_number(std::string_view text, ProcessId process) noexcept;
/// "p7.2", of whatever process. Pure.
bool has_form_of_run(std::string_view text) noexcept;

enum class ProcessState {
    waiting,  // wanted up, and something it needs is not there yet
    starting,
    running,
    stopping,
    exited,
    killed,
    stopped,      // on request
    failed,       // could not be started
    backoff,      // will restart
    gave_up,      // crash loop
    lost,         // the outcome cannot be known; never invented
    unreachable,  // its shim lives but does not answer; retried, never touched
    unsupported,  // written by a newer major version; never touched
};
/// A run exists, or is about to: starting, running, stopping, unreachable.
bool is_live(ProcessState state) noexcept;
/// Its last run is over, and no other one is to follow.
bool has_ended(ProcessState state) noexcept;

enum class OutcomeReason {
    self,     // nobody asked persistproc for it, whoever sent a signal: the causes say more
    stopped,  // somebody asked for it
    oom,
    exec_failed,
    lost,
    not_ready,   // its checks did not hold in the time they had: it was ended for that
    unhealthy,   // its health checks failed: as above
    dependency,  // no run: a process of its project that it needs could not come up
};

/// How one run ended. At most one of `exit_code` and `signal` is set; neither means nobody can know.
struct Outcome {
    std::optional<int> exit_code;
    std::optional<int> signal;
    schema::Open<OutcomeReason> reason = OutcomeReason::self;  // a newer daemon may have known another
    WallTime ended_at{};
    std::string stopped_by;     // who asked for the stop
    std::vector<Cause> causes;  // why it could not be started, cannot be known, or was killed
    schema::Unknown unknown;

    template <class Each>
    static constexpr void fields(Each&& each) {
        using O = Outcome;
        using schema::field;
        each(field("exit_code", &O::exit_code));
        each(field("signal", &O::signal));
        each(field("reason", &O::reason));
        each(field("ended_at", &O::ended_at));
        each(field("stopped_by", &O::stopped_by).absent_if_empty());
        each(field("causes", &O::causes).absent_if_empty());
    }
};

/// How a run ended, as every answer tells it: a fact that joins it is told by all of them. Absent facts are null.
struct Ending {
    std::optional<int> exit_code;
    std::optional<std::string> signal;
    std::optional<schema::Open<OutcomeReason>> reason;
    std::string stopped_by;     // who asked for the stop
    std::vector<Cause> causes;  // why it failed, is lost, was killed, when it runs again, what is missing

    template <class Each>
    static constexpr void fields(Each&& each) {
        using E = Ending;
        using schema::field;
        each(field("exit_code", &E::exit_code));
        each(field("signal", &E::signal));
        each(field("reason", &E::reason));
        each(field("stopped_by", &E::stopped_by).absent_if_empty());
        each(field("causes", &E::causes).absent_if_empty());
    }
};
Ending ending_of(const Outcome& outcome);

enum class RestartPolicy { never, on_failure, always };

/// When a process that ended by itself is run again, in one word: "always", "on-failure:3".
struct RestartChoice {
    RestartPolicy policy = RestartPolicy::never;
    std::optional<std::int64_t> limit;  // as Definition::restart_limit
};
/// Also docker's words: no, unless-stopped. Errors: invalid.
Result<RestartChoice> parse_restart(std::string_view text);

}  // namespace domain

namespace schema {

template <>
struct EnumNames<domain::ProcessState> {
    using E = domain::ProcessState;
    static constexpr std::pair<E, std::string_view> names[] = {
        {E::waiting, "waiting"},        {E::starting, "starting"}, {E::running, "running"},
        {E::stopping, "stopping"},      {E::exited, "exited"},     {E::killed, "killed"},
        {E::stopped, "stopped"},        {E::failed, "failed"},     {E::backoff, "backoff"},
        {E::gave_up, "gave_up"},        {E::lost, "lost"},         {E::unreachable, "unreachable"},
        {E::unsupported, "unsupported"}};
};
template <>
struct EnumNames<domain::OutcomeReason> {
    using E = domain::OutcomeReason;
    static constexpr std::pair<E, std::string_view> names[] = {{E::self, "self"},
                                                               {E::stopped, "stopped"},
                                                               {E::oom, "oom"},
                                                               {E::exec_failed, "exec_failed"},
                                                               {E::lost, "lost"},
                                                               {E::not_ready, "not_ready"},
                                                               {E::unhealthy, "unhealthy"},
                                                               {E::dependency, "dependency"}};
};
template <>
struct EnumNames<domain::RestartPolicy> {
    using E = domain::RestartPolicy;
    static constexpr std::pair<E, std::string_view> names[] = {
        {E::never, "never"}, {E::on_failure, "on_failure"}, {E::always, "always"}};
};

}  // namespace schema

namespace domain {

/// Environment variables. Values never appear in an answer, a listing, a log or an error.
using Environment = std::map<std::string, std::string>;

/// What somebody may call a variable; what is inherited may have any name.
bool is_variable_name(std::string_view name) noexcept;
inline constexpr std::string_view variable_name_rule =
    "letters, digits, \"_\", \".\" and \"-\", the first a letter or \"_\"";
/// Errors: invalid (a name, a NUL byte); no value is repeated.
Result<void> check_environment(const Environment& environment);

/// Seconds as a number, or a duration as text ("10s", "1m30s").
extern const schema::Form<double> seconds_form;

/// The files of a process whose changes run it again.
struct Watch {
    std::string directory;           // absolute; patterns are relative to it
    std::vector<std::string> paths;  // globs (watch/glob.hpp)
    std::vector<std::string> ignore;
    double debounce_seconds = 0.3;
    bool gitignore = true;
    bool defaults = true;  // leaves out what is usually made and not written
    friend bool operator==(const Watch&, const Watch&) = default;

    template <class Each>
    static constexpr void fields(Each&& each) {
        using W = Watch;
        using schema::field;
        each(field("directory", &W::directory).only(schema::in_documents));
        each(schema::required("paths", &W::paths).range(1, 256).as_key("paths"));
        each(field("ignore", &W::ignore).range(0, 256).as_key("ignore"));
        each(field("debounce_seconds", &W::debounce_seconds).in_form(&seconds_form).range(0.01, 60).as_key("debounce"));
        each(field("gitignore", &W::gitignore).as_key("gitignore"));
        each(field("defaults", &W::defaults).as_key("defaults"));
    }
};

/// What the user asked to be run. The one place where a field of a definition is written down: requests and views take
/// its list of fields over, the store's documents and the runs' specs are its JSON. Environment values are not part of
/// it: they live in the run's `spec` alone.
struct Definition {
    std::vector<std::string> command;
    std::string working_directory;
    std::string label;
    bool label_given = false;  // else it is the default label, derived from command and directory
    bool shell = false;        // command is one word, given to /bin/sh -c
    RestartPolicy restart = RestartPolicy::never;
    std::optional<std::int64_t> restart_limit;  // gives up after so many quick failures in a row; else the daemon's own
    int stop_signal = 15;
    double grace_seconds = 10;
    Input input = Input::none;
    std::optional<TerminalSize> size;  // of its terminal, where it is not the usual one
    std::string description;           // what it is for, in the words of whoever started it
    std::string started_by;
    std::vector<std::string> variables;  // names of those that were set for it; their values stand in the spec alone
    // How the restart policy goes about it, where it is not as usual (core::RestartRule).
    std::optional<double> healthy_after_seconds, restart_delay_seconds, max_restart_delay_seconds;
    std::vector<int> never_codes;          // exit codes after which it is not run again
    std::vector<int> success_codes;        // exit codes that are no failure; empty: 0 alone
    Checks ready, health;                  // paths in them are relative to the working directory
    std::optional<Watch> watch;            // changes of these files run it again
    std::optional<Membership> membership;  // of a project; nothing: it was started by itself
    // Runs before the stop signal, within the grace, with its environment and directory.
    std::vector<std::string> stop_command;
    std::optional<std::int64_t> log_limit_bytes;  // of its output; else the daemon's own
    schema::Unknown unknown;                      // what a newer version has stored; kept

    template <class Each>
    static constexpr void fields(Each&& each);
};

/// A command is given as a list of words, or as one text. A text is read as its only word: whether it is split depends
/// on `shell` (see ops::StartRequest).
extern const schema::Form<std::vector<std::string>> command_form;
/// A signal by its name.
extern const schema::Form<int> signal_form;
extern const schema::Form<std::optional<double>> optional_seconds_form;
/// Bytes as a number, or a size as text ("64KiB").
extern const schema::Form<std::int64_t> bytes_form;
/// A run as text ("p3.2", or "2"); its number is taken as such.
extern const schema::Form<std::optional<std::string>> run_form;
/// A restart policy as text. What stands behind its colon is for whoever reads the whole request: see parse_restart.
extern const schema::Form<RestartPolicy> restart_form;

template <class Each>
constexpr void Definition::fields(Each&& each) {
    using D = Definition;
    using schema::field;
    using schema::ValueKind;
    constexpr auto unseen = schema::in_requests | schema::in_documents;  // in no view
    each(schema::required("command", &D::command, "Split like a shell does, none is run; or an array of words")
             .in_form(&command_form)
             .of_kind(ValueKind::command)
             .as_key("run")
             .taking_restart());
    each(schema::required("working_directory", &D::working_directory, "Absolute path")
             .range(1, 4096)
             .as_flag("C,working-directory", "DIR", "Where the command runs")
             .also_typed("cwd workdir")
             .of_kind(ValueKind::directory)
             .as_key("cwd")
             .taking_restart());
    each(field("label", &D::label, "Unique name; default: \"<command> in <directory>\"")
             .range(1, 200)
             .absent_if_empty()
             .as_flag("label", "NAME")
             .also_typed("name"));
    each(field("label_given", &D::label_given).only(schema::in_documents));
    each(field("shell", &D::shell, "Run the string through /bin/sh -c")
             .only(unseen)
             .as_flag("shell", "", "Run one word through /bin/sh -c"));
    each(field("restart", &D::restart, "never, always, on-failure, on-failure:3").only(unseen).in_form(&restart_form));
    each(field("restart_limit", &D::restart_limit)
             .only(schema::by_client | schema::in_documents)
             .range(1, 1000000)
             .left_out_if_absent());
    each(field("stop_signal", &D::stop_signal, "First signal of a stop")
             .only(unseen)
             .in_form(&signal_form)
             .range(1, 64)
             .as_flag("stop-signal", "SIGNAL", "First signal of a stop (SIGTERM)")
             .of_kind(ValueKind::signal)
             .as_key("stop_signal"));
    each(field("grace_seconds", &D::grace_seconds, "Time before SIGKILL")
             .only(unseen)
             .in_form(&seconds_form)
             .range(0, 3600)
             .as_flag("grace", "DURATION", "Time between it and SIGKILL (10s)")
             .also_typed("stop-timeout kill-timeout")
             .of_kind(ValueKind::duration)
             .as_key("grace"));
    each(field("input", &D::input).only(schema::by_client | schema::in_documents).absent_if_empty());
    each(field("size", &D::size, "Of the terminal: columns x rows (120x40)")
             .in_form(&terminal_size_form)
             .left_out_if_absent()
             .as_flag("size", "COLUMNSxROWS", "Size of its terminal (120x40; of run: that of yours)")
             .as_key("size")
             .taking_restart());
    each(field("description", &D::description, "What it is for")
             .range(1, 200)
             .line()
             .absent_if_empty()
             .as_flag("description", "TEXT", "What it is for; shown by status and list -o wide")
             .as_key("description"));
    each(field("started_by", &D::started_by).only(schema::in_answers | schema::in_documents).absent_if_empty());
    each(field("variables", &D::variables).only(schema::in_documents).absent_if_empty().left_out_if_absent());
    each(field("healthy_after_seconds", &D::healthy_after_seconds)
             .only(schema::in_documents)
             .range(0, 86400)
             .left_out_if_absent());
    each(field("restart_delay_seconds", &D::restart_delay_seconds)
             .only(schema::in_documents)
             .range(0, 3600)
             .left_out_if_absent());
    each(field("max_restart_delay_seconds", &D::max_restart_delay_seconds)
             .only(schema::in_documents)
             .range(0, 3600)
             .left_out_if_absent());
    each(field("never_codes", &D::never_codes).only(schema::in_documents).absent_if_empty().left_out_if_absent());
    each(field("success_codes", &D::success_codes).only(schema::in_documents).absent_if_empty().left_out_if_absent());
    each(field("ready", &D::ready, "port, /path, {log: RE2} or {command}")
             .only(unseen)
             .in_form(&checks_form)
             .absent_if_empty()
             .left_out_if_absent()
             .as_flag("ready", "CHECK",
                      "When it is ready: PORT, port (any), /path or http://localhost:PORT/path, log:RE2, command:CMD, "
                      "file:PATH, socket:PATH, notify; given twice, both"));
    each(field("health", &D::health)
             .only(schema::by_client | schema::in_documents)
             .in_form(&checks_form)
             .absent_if_empty()
             .left_out_if_absent()
             .as_flag("health", "CHECK",
                      "Once it is ready, asked every 10s; as --ready. It is run again when three in a row fail"));
    each(field("watch", &D::watch).only(schema::in_documents).left_out_if_absent());
    each(field("project", &D::membership).only(schema::in_documents).left_out_if_absent());
    each(field("stop_command", &D::stop_command).only(schema::in_documents).absent_if_empty().left_out_if_absent());
    each(field("log_limit_bytes", &D::log_limit_bytes).only(schema::in_documents).left_out_if_absent());
}

/// A process as every answer shows it (product contract, "Process view"): its definition, as far as that is shown, and
/// the facts. Absent facts are null.
struct ProcessView : Definition, Ending {
    std::string id;
    schema::Open<ProcessState> state = ProcessState::starting;
    std::optional<bool> ready;  // the present run is; hides the checks that say so. Nothing: there are none
    std::string detail;         // why it is not ready
    schema::Open<Input> input = Input::none;  // hides the definition's
    std::optional<std::string> url;
    std::optional<std::int64_t> pid;
    std::optional<WallTime> started_at;
    std::optional<WallTime> ended_at;
    std::optional<double> own_grace_seconds;  // where it is not the usual one; while it is stopped, that stop's
    std::optional<std::string> own_restart, own_stop_signal;  // likewise: "on_failure:3", "SIGINT"
    std::optional<std::string> run;
    std::int64_t restarts = 0;
    std::vector<int> ports;
    std::optional<double> cpu_percent;
    std::optional<std::int64_t> memory_bytes;
    std::optional<WallTime> last_output_at;
    std::optional<std::string> log_path;
    std::optional<ProjectPlace> project;
    schema::Unknown unknown;  // what a newer daemon says besides; hides that of the definition

    template <class Each>
    static constexpr void fields(Each&& each) {
        using V = ProcessView;
        using schema::field;
        each(field("id", &V::id));
        Definition::fields(each);
        each(field("state", &V::state));
        each(field("ready", &V::ready));
        each(field("detail", &V::detail).absent_if_empty().left_out_if_absent());
        each(field("url", &V::url).left_out_if_absent());
        each(field("input", &V::input));
        each(field("pid", &V::pid));
        each(field("started_at", &V::started_at));
        each(field("ended_at", &V::ended_at));
        Ending::fields(each);
        each(field("grace_seconds", &V::own_grace_seconds).left_out_if_absent());
        each(field("restart", &V::own_restart).left_out_if_absent());
        each(field("stop_signal", &V::own_stop_signal).left_out_if_absent());
        each(field("run", &V::run));
        each(field("restarts", &V::restarts));
        each(field("ports", &V::ports));
        each(field("cpu_percent", &V::cpu_percent));
        each(field("memory_bytes", &V::memory_bytes));
        each(field("last_output_at", &V::last_output_at));
        each(field("log_path", &V::log_path));
        each(field("project", &V::project).left_out_if_absent());
    }
};
/// As of its state; of one that only a newer version knows, by its facts.
bool is_live(const ProcessView& view) noexcept;
bool has_ended(const ProcessView& view) noexcept;
/// Whether something that it started runs: its program, or what an ended program left behind.
bool has_tree(const ProcessView& view) noexcept;

/// As the cause's own, naming what of the process could not be used: "./app: No such file or directory".
std::string cause_text(const ProcessView& view, const Cause& cause);
/// All of the process's.
std::string causes_text(const ProcessView& view);
bool has_cause(const ProcessView& view, CauseCode code) noexcept;

/// 1 to 200 bytes of UTF-8 without control or bidirectional characters, and without blanks at its ends. Errors:
/// invalid.
Result<void> check_label(std::string_view label);

/// Of one whose command is not known, or not understood, views show this one, which nobody can start.
inline constexpr std::string_view unknown_command = "(unknown)";
bool is_command_known(const std::vector<std::string>& command) noexcept;

/// "<command> in <working directory>", cut to fit a label.
std::string default_label(const std::vector<std::string>& command, std::string_view working_directory);

/// Its label, or the default one where it has none that is understood.
std::string shown_label(const Definition& definition);

/// `p3 "web"`: how a process is named to people and agents. A label that was made of a command is cut in its middle.
std::string name_text(std::string_view id, const Definition& definition);

/// The command as one line for people, quoted for a shell where needed.
std::string command_line(const std::vector<std::string>& command);

/// Splits like a POSIX shell does, without running one: quotes and backslashes; no expansion. Variables, globs,
/// pipes and other operators outside quotes are refused with a message that names `shell`. Errors: invalid.
Result<std::vector<std::string>> split_command(std::string_view line);

/// Limits on argv: 1 to 4096 items, 1 MiB in all, no NUL, first word not empty. Errors: invalid.
Result<void> check_command(const std::vector<std::string>& command);

/// "SIGTERM" for 15. Real-time signals are "SIGRTMIN+3".
std::string signal_name(int signal);
/// Names of those that may be sent, as "SIGTERM".
std::vector<std::string_view> sendable_signals();
/// Accepts "SIGTERM", "TERM", "term" and "15", of the signals that may be sent. Errors: invalid, with the list.
Result<int> parse_signal(std::string_view text);
/// The number of a signal by the name `signal_name` gives it; unlike `parse_signal` also of those that are only
/// received.
std::optional<int> find_signal(std::string_view name) noexcept;

}  // namespace domain

using domain::Definition;
using domain::Environment;
using domain::Outcome;
using domain::OutcomeReason;
using domain::ProcessId;
using domain::ProcessState;
using domain::ProcessView;
using domain::RunId;

}  // namespace persistproc

PERSISTPROC_ANSWER_CODECS(extern, persistproc::domain::ProcessView)
