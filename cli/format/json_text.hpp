#pragma once
/// Answers as JSON documents: one line each, ended by a newline. Pure.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/domain/process.hpp"
#include "common/ops/failure_facts.hpp"
#include "common/ops/wait_for_process.hpp"

namespace persistproc::ops {
struct AuditLine;
struct AuditResponse;
struct CheckResponse;
struct DaemonInfo;
struct PortResponse;
struct ProcessDetails;
struct RunProjectResponse;
struct RevokeResponse;
struct ShutdownResponse;
}  // namespace persistproc::ops

namespace persistproc::cli::format {

/// {"error":{"code":…,"message":…}}
std::string error_json(const Error& error);
/// One process view.
std::string view_json(const ProcessView& view);
/// A view with what `status` knows besides.
std::string details_json(const ops::ProcessDetails& details);
/// {"processes":[…]}, and "error" beside it where one of several targets failed.
std::string views_json(const std::vector<ProcessView>& views, const std::optional<Error>& error = std::nullopt);

/// A view with more members after its own.
std::string started_json(const ProcessView& view, bool created);
/// `dependents`: labels of what was restarted after it.
std::string restarted_json(const ProcessView& view, std::optional<std::int64_t> old_pid,
                           const std::vector<std::string>& dependents);

/// One object with text members alone, in order.
using Texts = std::vector<std::pair<std::string, std::optional<std::string>>>;
std::string texts_json(const Texts& members);
/// {"<name>":[…]} of such objects.
std::string texts_list_json(const std::string& name, const std::vector<Texts>& objects);

std::string project_run_json(const ops::RunProjectResponse& answer);
std::string shutdown_json(const ops::ShutdownResponse& answer);
/// What became of a wait for one of several targets.
struct WaitLine {
    std::string target;
    std::optional<ops::WaitMeta> came;  // what the daemon said of it
    std::optional<Error> failed;        // what was waited for has not come
    int status = 0;                     // the exit status, were it the only one
    // Of a run that has failed.
    std::optional<ops::FailureFacts> failure{};
    std::optional<ops::PrintedError> printed{};
    bool tells_printed = false;          // in text, too: its run has not ended, where its output would be looked at
    std::optional<ProcessView> ended{};  // the run that ended, with when it began and ended as far as that is known
};
/// What the daemon said of one that has not failed, with "started_at" and "ended_at" of a run that ended.
std::string wait_json(const WaitLine& line);
/// Of one that has failed: {"error":{"code":…,"message":…}}, with "failure" and "printed" in it where they are known.
std::string wait_failed_json(const WaitLine& line);
/// {"waits":[…]}, one for each target and in their order: as wait_json, "exit_status", and "error" where it
/// failed; the first of these stands beside the list, too.
std::string waits_json(const std::vector<WaitLine>& waits);
/// The first that is not 0.
int wait_status(const std::vector<WaitLine>& waits);
/// {"entries":[…]}, and one of them.
std::string audit_json(const ops::AuditResponse& answer);
std::string audit_line_json(const ops::AuditLine& entry);
std::string ports_json(const ops::PortResponse& ports);
std::string revoked_json(const ops::RevokeResponse& answer);
std::string project_json(const ops::CheckResponse& project);
std::string daemon_json(const ops::DaemonInfo& info);

/// One line of `doctor`. {"checks":[{"name","status","detail","advice"},…]}; no advice is null.
struct CheckLine {
    std::string name;
    std::string_view status;  // "ok", "note" or "problem"
    std::string detail;
    std::string advice;
};
std::string checks_json(const std::vector<CheckLine>& checks);

/// What becomes of a process that is followed, between its lines: {"event":"exited","run":…,"exit_code":7}, with
/// "stopped_by", "restarts_at" and the like where they are known; {"event":"restarted","run":…,"pid":…}.
std::string ended_json(const ProcessView& view);
std::string restarted_event_json(std::string_view run, std::int64_t pid);
/// {"event":"forgotten"}: the process has been removed, with its output.
std::string forgotten_json();

/// Whose line or event it is, where there are several.
struct OwnerName {
    std::string id, label;
};
/// The same, of one of several.
std::string ended_json(const OwnerName& owner, const ProcessView& view);
std::string restarted_event_json(const OwnerName& owner, std::string_view run, std::int64_t pid);
std::string forgotten_json(const OwnerName& owner);
/// {"event":…,"process":…,"label":…}, with "run", "pid" or "bytes" where they are not 0, and what is said of it.
struct OwnerEvent {
    std::string_view event;  // "joined", "gap", "removed", "forgotten"
    std::string run;
    std::int64_t pid = 0, bytes = 0;
    std::string text;
};
std::string owner_event_json(const OwnerName& owner, const OwnerEvent& event);
/// The same, where there is one process alone.
std::string event_json(const OwnerEvent& event);

/// A recorded line. Bytes that are no UTF-8 become U+FFFD.
struct RecordedLine {
    std::string_view text;
    std::string_view stream;  // "stdout", "stderr" or "unknown"
    std::string run;
    std::optional<std::string> time;
    bool complete = true;
    std::optional<OwnerName> process = std::nullopt;
};
std::string line_json(const RecordedLine& line);

/// {"process":…,"lines":[…],"next_cursor":…,"evicted_bytes":…,"lost_bytes":…} in two parts, because there may be many
/// lines to write between them. A failure on the way stands as "error" in the end.
std::string lines_begin_json(std::string_view process_id);
std::string lines_end_json(std::string_view next_cursor, std::uint64_t evicted_bytes, std::uint64_t lost_bytes);
std::string lines_failed_json(const Error& error);

}  // namespace persistproc::cli::format
