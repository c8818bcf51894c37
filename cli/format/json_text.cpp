#include "cli/format/json_text.hpp"

#include "common/base/text.hpp"
#include "common/ops/client_operations.hpp"
#include "common/ops/project_operations.hpp"
#include "common/ops/run_project.hpp"
#include "common/ops/wait_for_process.hpp"
#include "common/schema/json.hpp"

namespace persistproc::cli::format {

using schema::Json;

namespace {

/// Labels and commands of other people may hold bytes that are no UTF-8, or that a terminal obeys; the document stays
/// one all the same.
std::string document(const Json& json) {
    return base::escape_json(json.dump(-1, ' ', false, Json::error_handler_t::replace)) + "\n";
}

template <class T>
Json or_null(const std::optional<T>& value) {
    return value ? Json(*value) : Json();
}

Json error_object(const Error& error) {
    return Json{{"code", std::string(base::code_name(error))}, {"message", error.message}};
}

}  // namespace

std::string error_json(const Error& error) { return document(Json{{"error", error_object(error)}}); }

std::string view_json(const ProcessView& view) { return document(schema::to_json(view)); }

std::string details_json(const ops::ProcessDetails& details) { return document(schema::to_json(details)); }

std::string views_json(const std::vector<ProcessView>& views, const std::optional<Error>& error) {
    Json list = Json::array();
    for (const ProcessView& view : views) list.push_back(schema::to_json(view));
    Json out{{"processes", std::move(list)}};
    if (error) out["error"] = error_object(*error);
    return document(out);
}

std::string started_json(const ProcessView& view, bool created) {
    Json out = schema::to_json(view);
    out["created"] = created;
    return document(out);
}

std::string restarted_json(const ProcessView& view, std::optional<std::int64_t> old_pid,
                           const std::vector<std::string>& dependents) {
    Json out = schema::to_json(view);
    out["old_pid"] = or_null(old_pid);
    if (!dependents.empty()) out["dependents"] = dependents;
    return document(out);
}

static Json texts_object(const Texts& members) {
    Json out = Json::object();
    for (const auto& [name, value] : members) out[name] = or_null(value);
    return out;
}

std::string texts_json(const Texts& members) { return document(texts_object(members)); }

std::string texts_list_json(const std::string& name, const std::vector<Texts>& objects) {
    Json list = Json::array();
    for (const Texts& each : objects) list.push_back(texts_object(each));
    return document(Json{{name, std::move(list)}});
}

std::string project_run_json(const ops::RunProjectResponse& answer) { return document(schema::to_json(answer)); }
std::string shutdown_json(const ops::ShutdownResponse& answer) { return document(schema::to_json(answer)); }

/// What the daemon said, and when the run began and ended whose end that is.
static Json came_object(const WaitLine& line) {
    const Json all = schema::to_json(*line.came);
    Json out = Json::object();
    for (const auto& [name, member] : all.items())
        if (!member.is_null()) out[name] = member;
    if (line.came->failure && line.came->failure->text.empty()) out.erase("failure");
    if (!line.ended) return out;
    const Json facts = schema::to_json(*line.ended);
    for (const char* name : {"started_at", "ended_at"})
        if (!facts[name].is_null()) out[name] = facts[name];
    return out;
}

std::string wait_json(const WaitLine& line) { return document(came_object(line)); }

static Json error_of(const WaitLine& line) {
    Json out = error_object(*line.failed);
    if (line.failure && !line.failure->text.empty()) out["failure"] = schema::to_json(*line.failure);
    if (line.printed) out["printed"] = schema::to_json(*line.printed);
    return out;
}

std::string wait_failed_json(const WaitLine& line) { return document(Json{{"error", error_of(line)}}); }

std::string waits_json(const std::vector<WaitLine>& waits) {
    Json list = Json::array(), first;
    for (const WaitLine& each : waits) {
        Json line = each.came ? came_object(each) : Json{{"process", each.target}};
        line["exit_status"] = each.status;
        if (each.failed) line["error"] = error_of(each);
        if (each.failed && first.is_null()) first = line["error"];
        list.push_back(std::move(line));
    }
    Json out{{"waits", std::move(list)}};
    if (!first.is_null()) out["error"] = std::move(first);
    return document(out);
}

int wait_status(const std::vector<WaitLine>& waits) {
    for (const WaitLine& each : waits)
        if (each.status != 0) return each.status;
    return 0;
}

std::string audit_json(const ops::AuditResponse& answer) { return document(schema::to_json(answer)); }
std::string audit_line_json(const ops::AuditLine& entry) { return document(schema::to_json(entry)); }

std::string ports_json(const ops::PortResponse& ports) { return document(schema::to_json(ports)); }
std::string revoked_json(const ops::RevokeResponse& answer) { return document(schema::to_json(answer)); }
std::string project_json(const ops::CheckResponse& project) { return document(schema::to_json(project)); }

std::string daemon_json(const ops::DaemonInfo& info) { return document(schema::to_json(info)); }

std::string checks_json(const std::vector<CheckLine>& checks) {
    Json list = Json::array();
    for (const CheckLine& check : checks)
        list.push_back(Json{{"name", check.name},
                            {"status", std::string(check.status)},
                            {"detail", check.detail},
                            {"advice", check.advice.empty() ? Json() : Json(check.advice)}});
    return document(Json{{"checks", std::move(list)}});
}

static void add_owner(Json& out, const OwnerName& owner) {
    out["process"] = owner.id;
    out["label"] = base::to_valid_utf8(owner.label);
}

std::string line_json(const RecordedLine& line) {
    Json out = Json::object();
    if (line.process) add_owner(out, *line.process);
    out["time"] = or_null(line.time);
    out["stream"] = std::string(line.stream);
    out["run"] = line.run;
    out["text"] = base::to_valid_utf8(line.text);
    if (!line.complete) out["complete"] = false;
    return document(out);
}

/// `owner`: null: there is one process alone.
static std::string event_document(const OwnerName* owner, const OwnerEvent& event) {
    Json out{{"event", event.event}};
    if (owner != nullptr) add_owner(out, *owner);
    if (!event.run.empty()) out["run"] = event.run;
    if (event.pid > 0) out["pid"] = event.pid;
    if (event.bytes > 0) out["bytes"] = event.bytes;
    if (!event.text.empty()) out["text"] = event.text;
    return document(out);
}
std::string owner_event_json(const OwnerName& owner, const OwnerEvent& event) { return event_document(&owner, event); }
std::string event_json(const OwnerEvent& event) { return event_document(nullptr, event); }

static Json ended_object(const ProcessView& view, const OwnerName* owner) {
    // What waits to be restarted has ended all the same.
    const bool waits = view.state == ProcessState::backoff;
    const bool is_unstarted = view.reason && *view.reason == OutcomeReason::exec_failed;
    const std::string_view ended = is_unstarted ? "failed" : view.signal ? "killed" : "exited";
    Json out{{"event", waits ? ended : view.state.word()}};
    if (owner != nullptr) add_owner(out, *owner);
    if (view.run) out["run"] = *view.run;
    const Json facts = schema::to_json(view);
    for (const char* name : {"exit_code", "signal", "reason", "stopped_by", "causes", "started_at", "ended_at"})
        if (!facts[name].is_null()) out[name] = facts[name];
    for (const auto& each : view.causes)
        if (each.code == CauseCode::runs_again && each.at) out["restarts_at"] = base::format_rfc3339(*each.at);
    return out;
}

std::string ended_json(const ProcessView& view) { return document(ended_object(view, nullptr)); }
std::string ended_json(const OwnerName& owner, const ProcessView& view) { return document(ended_object(view, &owner)); }

std::string restarted_event_json(std::string_view run, std::int64_t pid) {
    Json out{{"event", "restarted"}, {"run", std::string(run)}};
    if (pid > 0) out["pid"] = pid;
    return document(out);
}
std::string restarted_event_json(const OwnerName& owner, std::string_view run, std::int64_t pid) {
    return owner_event_json(owner, OwnerEvent{.event = "restarted", .run = std::string(run), .pid = pid, .text = {}});
}

std::string forgotten_json() { return document(Json{{"event", "forgotten"}}); }
std::string forgotten_json(const OwnerName& owner) {
    return owner_event_json(owner, OwnerEvent{.event = "forgotten", .run = {}, .text = {}});
}

std::string lines_begin_json(std::string_view process_id) {
    return "{\"process\":" + Json(process_id).dump() + ",\"lines\":[";
}

std::string lines_end_json(std::string_view next_cursor, std::uint64_t evicted_bytes, std::uint64_t lost_bytes) {
    const Json end{{"next_cursor", next_cursor}, {"evicted_bytes", evicted_bytes}, {"lost_bytes", lost_bytes}};
    return "]," + document(end).substr(1);
}

std::string lines_failed_json(const Error& error) { return "]," + error_json(error).substr(1); }

}  // namespace persistproc::cli::format
