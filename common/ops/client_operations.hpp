#pragma once
/// What the project's own client may ask beside the tools: calls of the same form, answered on the unix socket alone
/// and never listed to agents.
#include "common/domain/process.hpp"
#include "common/ops/failure_facts.hpp"
#include "common/ops/operation.hpp"

namespace persistproc::ops {

inline constexpr const char* of_the_client = "Of the persistproc client.";

/// Sends one signal to the program's process group. Answer: a process view.
struct SignalRequest {
    std::string process;
    std::string signal;
    static constexpr Operation operation{.name = "signal_process",
                                         .title = "",
                                         .description = of_the_client,
                                         .effects = {.open_world = true},
                                         .audience = schema::Audience::client,
                                         .audit = "signal"};
    static constexpr Typed typed{
        .name = "signal",
        .words = "SIGNAL TARGET… | all",
        .summary = "send a signal",
        .text = "Sends one signal to the program's process group.",
        .examples = {"persistproc signal HUP nginx", "persistproc signal -9 web"},
        .words_kind = schema::ValueKind::target,
    };
    template <class Each>
    static constexpr void fields(Each&& each) {
        each(schema::required("process", &SignalRequest::process));
        each(schema::required("signal", &SignalRequest::signal, "In another way: -s HUP, -HUP or -1")
                 .as_flag("s,signal", "SIGNAL")
                 .also_typed("%")
                 .of_kind(schema::ValueKind::signal));
    }
};

/// One process, with what views leave out because it does not change while it runs.
struct DescribeRequest {
    std::string process;
    std::optional<std::string> run;  // whose failure is told; absent: the newest one's, unless the process lives
    static constexpr Operation operation{.name = "describe_process",
                                         .title = "",
                                         .description = of_the_client,
                                         .effects = {.read_only = true, .idempotent = true},
                                         .audience = schema::Audience::client};
    template <class Each>
    static constexpr void fields(Each&& each) {
        each(schema::required("process", &DescribeRequest::process));
        each(schema::field("run", &DescribeRequest::run));
    }
};
/// A daemon of an older release tells the view alone.
struct ProcessDetails : domain::ProcessView {
    std::optional<schema::Open<domain::RestartPolicy>> restart_policy;
    std::optional<std::string> first_signal;  // of a stop
    std::optional<double> grace;              // seconds between it and SIGKILL
    std::vector<std::string> variable_names;  // that were asked for when it was started; never their values
    std::optional<std::int64_t> programs;     // in its tree
    std::vector<std::string> ready_checks, health_checks;  // as domain::check_text
    std::optional<bool> file_changed;  // its project's, since it was last applied to it; absent: it is of none
    // Of a restart policy: runs in a row that were shorter than `healthy_seconds`, and how many end it.
    std::optional<std::int64_t> quick_failures, most_quick_failures;
    std::optional<double> healthy_seconds;
    // Of its newest run, when that has failed: the last error it printed, and what else is known of it.
    std::optional<PrintedError> error;
    std::optional<FailureFacts> failure;
    template <class Each>
    static constexpr void fields(Each&& each) {
        using R = ProcessDetails;
        using schema::field;
        domain::ProcessView::fields(each);
        each(field("restart", &R::restart_policy));
        each(field("stop_signal", &R::first_signal));
        each(field("grace_seconds", &R::grace));
        each(field("variables", &R::variable_names));
        each(field("programs", &R::programs));
        each(field("ready_checks", &R::ready_checks).absent_if_empty().left_out_if_absent());
        each(field("health_checks", &R::health_checks).absent_if_empty().left_out_if_absent());
        each(field("project_file_changed", &R::file_changed).left_out_if_absent());
        each(field("quick_failures", &R::quick_failures));
        each(field("most_quick_failures", &R::most_quick_failures));
        each(field("healthy_seconds", &R::healthy_seconds));
        each(field("error", &R::error).left_out_if_absent());
        each(field("failure", &R::failure).left_out_if_absent());
    }
};

/// Forgets a process that is not running, with its output. Answer: its last view. Errors: conflict while it lives.
struct RemoveRequest {
    std::string process;
    static constexpr Operation operation{.name = "remove_process",
                                         .title = "",
                                         .description = of_the_client,
                                         .effects = {.destructive = true},
                                         .audience = schema::Audience::client,
                                         .audit = "remove"};
    static constexpr Typed typed{
        .name = "rm",
        .words = "TARGET… | all",
        .summary = "forget processes that are not running",
        .text = "Forgets processes that are not running, with their output.",
        .examples = {"persistproc rm old-web"},
        .words_kind = schema::ValueKind::target,
    };
    template <class Each>
    static constexpr void fields(Each&& each) {
        each(schema::required("process", &RemoveRequest::process));
    }
};

/// Gives a process another label. Answer: its view. Errors: conflict (another process has it), invalid.
struct RenameRequest {
    std::string process;
    std::string label;
    static constexpr Operation operation{.name = "rename_process",
                                         .title = "",
                                         .description = of_the_client,
                                         .effects = {.idempotent = true},
                                         .audience = schema::Audience::client,
                                         .audit = "rename"};
    static constexpr Typed typed{
        .name = "rename",
        .words = "TARGET LABEL",
        .summary = "give a process another label",
        .text = "Gives a process another label, whether it runs or not.",
        .examples = {"persistproc rename 'npm run dev' web", "persistproc rename web old-web"},
        .words_kind = schema::ValueKind::target,
    };
    template <class Each>
    static constexpr void fields(Each&& each) {
        each(schema::required("process", &RenameRequest::process));
        each(schema::required("label", &RenameRequest::label));
    }
};

/// Removes what a process has printed so far. Positions and cursors go on: what is gone is told like what the bound has
/// removed. Answer: its view.
struct FlushRequest {
    std::string process;
    static constexpr Operation operation{.name = "flush_output",
                                         .title = "",
                                         .description = of_the_client,
                                         .effects = {.destructive = true, .idempotent = true},
                                         .audience = schema::Audience::client,
                                         .audit = "flush"};
    static constexpr Typed typed{
        .name = "flush",
        .words = "TARGET… | all",
        .summary = "empty the recorded output",
        .text =
            "Removes what processes have printed so far; what they print from now on is recorded. Cursors stay "
            "valid.",
        .examples = {"persistproc flush web"},
        .words_kind = schema::ValueKind::target,
    };
    template <class Each>
    static constexpr void fields(Each&& each) {
        each(schema::required("process", &FlushRequest::process));
    }
};

/// Ends the daemon. Without `keep` every process is stopped first; the answer comes before the daemon leaves.
struct ShutdownRequest {
    bool keep = false;
    static constexpr Operation operation{.name = "shutdown_daemon",
                                         .title = "",
                                         .description = of_the_client,
                                         .effects = {.destructive = true},
                                         .audience = schema::Audience::client,
                                         .audit = "shutdown",
                                         .sleeps = true};
    static constexpr Typed typed{
        .name = "shutdown",
        .words = "",
        .summary = "end the daemon",
        .text = "Ends the daemon. Processes are stopped first, or left running with --keep.",
        .examples = {"persistproc shutdown --keep"},
    };
    template <class Each>
    static constexpr void fields(Each&& each) {
        each(schema::field("keep", &ShutdownRequest::keep, "Leave the processes running").as_flag("keep"));
    }
};
struct ShutdownResponse {
    std::vector<std::string> stopped;  // ids
    std::vector<std::string> kept;
    std::vector<std::string> reasons;    // why those of `kept` run on that were to be stopped: a line each, in order
    std::vector<std::string> untouched;  // that run on because another version keeps them
    template <class Each>
    static constexpr void fields(Each&& each) {
        each(schema::field("stopped", &ShutdownResponse::stopped));
        each(schema::field("kept", &ShutdownResponse::kept));
        each(schema::field("reasons", &ShutdownResponse::reasons).absent_if_empty().left_out_if_absent());
        each(schema::field("untouched", &ShutdownResponse::untouched));
    }
};

/// Who did what. Without values of variables, which stand nowhere but in a run's spec.
struct AuditRequest {
    std::optional<std::string> process;
    std::optional<std::string> since;
    std::int64_t lines = 100;
    std::int64_t after = 0;   // a number: only what came later
    double wait_seconds = 0;  // for the first entry, if there is none yet
    static constexpr Operation operation{.name = "read_audit",
                                         .title = "",
                                         .description = of_the_client,
                                         .effects = {.read_only = true, .idempotent = true},
                                         .audience = schema::Audience::client,
                                         .sleeps = true};
    static constexpr Typed typed{
        .name = "audit",
        .words = "[TARGET]",
        .summary = "who started, stopped and removed what",
        .text =
            "Who did what: starts, stops, restarts, signals, removals and shutdowns, by people and agents. The "
            "newest 10,000 are kept.",
        .examples = {"persistproc audit web", "persistproc audit -f --since 1h"},
        .words_kind = schema::ValueKind::target,
    };
    template <class Each>
    static constexpr void fields(Each&& each) {
        using R = AuditRequest;
        using schema::field;
        each(field("process", &R::process));
        each(field("since", &R::since)
                 .as_flag("since", "TIME", "Only what was done from then on")
                 .of_kind(schema::ValueKind::time));
        each(field("lines", &R::lines).range(0, 10000).as_flag("n,lines", "N", "The newest (100); 0: all"));
        each(field("after", &R::after).range(0, 9e15));
        each(field("wait_seconds", &R::wait_seconds).range(0, 600));
    }
};
struct AuditLine {
    std::int64_t number = 0;
    WallTime at{};
    std::string actor;
    std::string action;
    std::string process;  // an id, or a project's file; empty: the daemon itself
    std::string detail;   // the command of a start, "force" of a stop, …
    template <class Each>
    static constexpr void fields(Each&& each) {
        using R = AuditLine;
        using schema::field;
        each(field("number", &R::number));
        each(field("at", &R::at));
        each(field("actor", &R::actor));
        each(field("action", &R::action));
        each(field("process", &R::process).absent_if_empty());
        each(field("detail", &R::detail).absent_if_empty());
    }
};
struct AuditResponse {
    std::vector<AuditLine> entries;  // oldest first
    template <class Each>
    static constexpr void fields(Each&& each) {
        each(schema::field("entries", &AuditResponse::entries));
    }
};

/// Who is there: version, pid, endpoint of the daemon.
struct DaemonInfoRequest {
    static constexpr Operation operation{.name = "daemon_info",
                                         .title = "",
                                         .description = of_the_client,
                                         .effects = {.read_only = true, .idempotent = true},
                                         .audience = schema::Audience::client};
    template <class Each>
    static constexpr void fields(Each&&) {}
};
struct DaemonInfo {
    std::string version;
    std::string commit;  // that it was built from; empty: unknown
    std::int64_t pid = 0;
    std::string endpoint;      // "http://127.0.0.1:8947/mcp"
    bool needs_token = false;  // of agents over TCP
    std::string data_directory;
    std::int64_t processes = 0;
    std::string silent_shell;  // the user's, which as a login shell told no PATH in time
    template <class Each>
    static constexpr void fields(Each&& each) {
        using R = DaemonInfo;
        using schema::field;
        each(field("version", &R::version));
        each(field("commit", &R::commit));
        each(field("pid", &R::pid));
        each(field("endpoint", &R::endpoint));
        each(field("needs_token", &R::needs_token));
        each(field("data_directory", &R::data_directory));
        each(field("processes", &R::processes));
        each(field("silent_shell", &R::silent_shell).absent_if_empty().left_out_if_absent());
    }
};

}  // namespace persistproc::ops

PERSISTPROC_REQUEST_CODECS(extern, persistproc::ops::SignalRequest)
PERSISTPROC_REQUEST_CODECS(extern, persistproc::ops::DescribeRequest)
PERSISTPROC_ANSWER_CODECS(extern, persistproc::ops::ProcessDetails)
PERSISTPROC_REQUEST_CODECS(extern, persistproc::ops::RemoveRequest)
PERSISTPROC_REQUEST_CODECS(extern, persistproc::ops::RenameRequest)
PERSISTPROC_REQUEST_CODECS(extern, persistproc::ops::FlushRequest)
PERSISTPROC_REQUEST_CODECS(extern, persistproc::ops::ShutdownRequest)
PERSISTPROC_ANSWER_CODECS(extern, persistproc::ops::ShutdownResponse)
PERSISTPROC_REQUEST_CODECS(extern, persistproc::ops::AuditRequest)
PERSISTPROC_ANSWER_CODECS(extern, persistproc::ops::AuditLine)
PERSISTPROC_ANSWER_CODECS(extern, persistproc::ops::AuditResponse)
PERSISTPROC_REQUEST_CODECS(extern, persistproc::ops::DaemonInfoRequest)
PERSISTPROC_ANSWER_CODECS(extern, persistproc::ops::DaemonInfo)
