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
#include "common/schema/field.hpp"

namespace persistproc {
namespace domain {

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
/// Accepts "p7.2" for `process` p7, and a bare "2". No value: neither.
std::optional<std::uint32_t> find_run_number(std::string_view text, ProcessId process) noexcept;

enum class ProcessState {
    starting,
    running,
    stopping,
    exited,
    killed,
    failed,       // could not be started
    backoff,      // will restart
    gave_up,      // crash loop
    lost,         // the outcome cannot be known; never invented
    unreachable,  // its shim lives but does not answer; retried, never touched
    unsupported,  // written by a newer major version; never touched
};
/// A run exists, or is about to: starting, running, stopping, unreachable.
bool is_live(ProcessState state) noexcept;

enum class OutcomeReason { self, stopped, oom, exec_failed, lost };

/// Why a program could not be started: the step of the start that failed and its errno.
struct StartFailure {
    std::string stage;  // "chdir", "execve", …
    int os_error = 0;
};

/// How one run ended. At most one of `exit_code` and `signal` is set; neither means nobody can know.
struct Outcome {
    std::optional<int> exit_code;
    std::optional<int> signal;
    OutcomeReason reason = OutcomeReason::self;
    WallTime ended_at{};
    std::optional<StartFailure> failure;  // exec_failed only
    std::string detail;                   // lost only: why it cannot be known
};

enum class RestartPolicy { never, on_failure, always };

/// Environment variables. Values never appear in an answer, a listing, a log or an error.
using Environment = std::map<std::string, std::string>;

/// What the user asked to be run. Environment values are not part of it: they live in the run's `spec` alone.
struct Definition {
    std::string label;
    bool label_given = false;  // else it is the default label, derived from command and directory
    std::vector<std::string> command;
    bool shell = false;  // command is one word, given to /bin/sh -c
    std::string working_directory;
    int stop_signal = 15;
    double grace_seconds = 10;
    RestartPolicy restart = RestartPolicy::never;
    std::string started_by;
};

/// A process as every answer shows it (product contract, "Process view"). Absent facts are null.
struct ProcessView {
    std::string id;
    std::string label;
    std::vector<std::string> command;
    std::string working_directory;
    ProcessState state = ProcessState::starting;
    std::optional<bool> ready;
    std::optional<std::int64_t> pid;
    std::optional<WallTime> started_at;
    std::optional<WallTime> ended_at;
    std::optional<int> exit_code;
    std::optional<std::string> signal;
    std::optional<OutcomeReason> reason;
    std::optional<std::string> run;
    std::int64_t restarts = 0;
    std::vector<int> ports;
    std::optional<double> cpu_percent;
    std::optional<std::int64_t> memory_bytes;
    std::optional<WallTime> last_output_at;
    std::optional<std::string> log_path;
    std::optional<std::string> started_by;
    std::optional<std::string> detail;  // why it failed, is lost, or when it will restart

    static constexpr auto fields() {
        using V = ProcessView;
        using schema::field;
        return std::tuple{field("id", &V::id),
                          field("label", &V::label),
                          field("command", &V::command),
                          field("working_directory", &V::working_directory),
                          field("state", &V::state),
                          field("ready", &V::ready),
                          field("pid", &V::pid),
                          field("started_at", &V::started_at),
                          field("ended_at", &V::ended_at),
                          field("exit_code", &V::exit_code),
                          field("signal", &V::signal),
                          field("reason", &V::reason),
                          field("run", &V::run),
                          field("restarts", &V::restarts),
                          field("ports", &V::ports),
                          field("cpu_percent", &V::cpu_percent),
                          field("memory_bytes", &V::memory_bytes),
                          field("last_output_at", &V::last_output_at),
                          field("log_path", &V::log_path),
                          field("started_by", &V::started_by),
                          field("detail", &V::detail)};
    }
};

/// 1 to 200 bytes of UTF-8 without control or bidirectional characters. Errors: invalid.
Result<void> check_label(std::string_view label);

/// "<command> in <working directory>", cut to fit a label.
std::string default_label(const std::vector<std::string>& command, std::string_view working_directory);

/// The command as one line for people, quoted for a shell where needed.
std::string command_line(const std::vector<std::string>& command);

/// Splits like a POSIX shell does, without running one: quotes and backslashes; no expansion. Variables, globs,
/// pipes and other operators outside quotes are refused with a message that names `shell`. Errors: invalid.
Result<std::vector<std::string>> split_command(std::string_view line);

/// Limits on argv: 1 to 4096 items, 1 MiB in all, no NUL, first word not empty. Errors: invalid.
Result<void> check_command(const std::vector<std::string>& command);

/// "SIGTERM" for 15. Real-time signals are "SIGRTMIN+3".
std::string signal_name(int signal);
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

namespace schema {

template <>
struct EnumNames<ProcessState> {
    using E = ProcessState;
    static constexpr std::pair<E, std::string_view> names[] = {
        {E::starting, "starting"},       {E::running, "running"},        {E::stopping, "stopping"},
        {E::exited, "exited"},           {E::killed, "killed"},          {E::failed, "failed"},
        {E::backoff, "backoff"},         {E::gave_up, "gave_up"},        {E::lost, "lost"},
        {E::unreachable, "unreachable"}, {E::unsupported, "unsupported"}};
};
template <>
struct EnumNames<OutcomeReason> {
    using E = OutcomeReason;
    static constexpr std::pair<E, std::string_view> names[] = {{E::self, "self"},
                                                               {E::stopped, "stopped"},
                                                               {E::oom, "oom"},
                                                               {E::exec_failed, "exec_failed"},
                                                               {E::lost, "lost"}};
};
template <>
struct EnumNames<domain::RestartPolicy> {
    using E = domain::RestartPolicy;
    static constexpr std::pair<E, std::string_view> names[] = {
        {E::never, "never"}, {E::on_failure, "on_failure"}, {E::always, "always"}};
};

}  // namespace schema
}  // namespace persistproc
