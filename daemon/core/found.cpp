#include "daemon/core/found.hpp"

#include <algorithm>

#include "common/base/random.hpp"
#include "common/ops/client_operations.hpp"
#include "common/ops/restart_process.hpp"
#include "common/ops/start_process.hpp"
#include "daemon/core/run/run_machine.hpp"

namespace persistproc::core {

namespace {

bool had_program(const RunRecord& run) { return run.pid != 0 || run.outcome; }

}  // namespace

std::vector<Remnant> match(StoreSnapshot snapshot, const std::vector<ProcessId>& directories) {
    std::vector<Remnant> out;
    out.reserve(std::max(snapshot.processes.size(), directories.size()));
    auto record = snapshot.processes.begin();
    auto directory = directories.begin();
    while (record != snapshot.processes.end() || directory != directories.end()) {
        Remnant each;
        const bool takes_record =
            record != snapshot.processes.end() && (directory == directories.end() || record->id <= *directory);
        each.id = takes_record ? record->id : *directory;
        each.found.id = each.id;
        if (directory != directories.end() && *directory == each.id) {
            each.has_directory = true;
            ++directory;
        }
        if (takes_record) each.record = std::move(*record++);
        out.push_back(std::move(each));
    }
    for (auto& run : snapshot.last_runs) {
        const auto owner = std::lower_bound(out.begin(), out.end(), run.id.process,
                                            [](const Remnant& each, ProcessId id) { return each.id < id; });
        if (owner != out.end() && owner->id == run.id.process) owner->last_run = std::move(run);
    }
    return out;
}

std::optional<std::uint32_t> known_ended(const Remnant& remnant) {
    if (!remnant.record || !remnant.last_run || !remnant.last_run->outcome) return std::nullopt;
    if (remnant.record->wanted != Wanted::down || remnant.record->intent == Intent::restart) return std::nullopt;
    return remnant.last_run->id.number;
}

bool has_ended(const Remnant& remnant) {
    const FoundProcess& found = remnant.found;
    return found.trouble.empty() && found.newest && found.newest->id.number == known_ended(remnant) &&
           !found.newest->shim_alive && !found.newest->other_format && found.newest->trouble.empty() &&
           found.newest->state.phase >= rundir::Phase::started;
}

bool is_failed_start(const FoundProcess& found, const ProcessRecord* record, const RunRecord* last_run) {
    if (record != nullptr && (record->last_run > 1 || (last_run != nullptr && last_run->outcome))) return false;
    if (!found.trouble.empty() || !found.newest) return false;
    const bool is_readable = found.newest->trouble.empty() && !found.newest->other_format;
    return found.runs == std::vector<std::uint32_t>{1} && is_readable &&
           found.newest->state.phase == rundir::Phase::exec_failed;
}

bool may_be_failed_start(const ProcessRecord& record, const RunRecord* last_run) {
    return record.last_run <= 1 && (last_run == nullptr || !had_program(*last_run));
}

bool is_pending(const FoundRun& run, const ProcessRecord& record, base::BootId boot) {
    const bool is_meant = record.planned == Planned::waiting && record.pending_run == run.id.number;
    if (!is_meant || run.shim_alive || run.other_format || !run.trouble.empty()) return false;
    if (run.state.phase >= rundir::Phase::started) return false;
    // A power cut may have taken the word that a program was started, but not the one that its start was asked for.
    return record.last_run < run.id.number || run.state.boot_id == boot || run.state.phase == rundir::Phase::aborted;
}

ProcessRecord record_from(const FoundProcess& found) {
    ProcessRecord record;
    record.id = found.id;
    record.last_run = found.runs.empty() ? 0 : found.runs.back();
    record.restarts = record.last_run > 0 ? record.last_run - 1 : 0;
    record.wanted = Wanted::up;  // a restart policy goes on; a run that was stopped says so itself
    if (found.newest && found.newest->spec) {
        record.definition = found.newest->spec->definition;
        record.request_key = found.newest->spec->request_key;
        record.created_at = base::from_ns(found.newest->state.started_wall_ns);
    } else {
        record.definition.working_directory = "/";
        record.definition.label = domain::default_label(record.definition.command, record.definition.working_directory);
    }
    if (record.definition.started_by.empty()) record.definition.started_by = "recovered";
    return record;
}

void remember(ProcessRecord& record, const std::vector<AuditEntry>& history) {
    for (const auto& each : history) {
        const std::string from = renamed_detail(record.definition.label, "");
        if (each.action == ops::StopRequest::operation.audit) {
            record.wanted = Wanted::down;
        } else if (each.action == ops::StartRequest::operation.audit ||
                   each.action == ops::RestartRequest::operation.audit) {
            record.wanted = Wanted::up;
        } else if (each.action == ops::RenameRequest::operation.audit && each.detail.starts_with(from)) {
            record.definition.label = each.detail.substr(from.size());
            record.definition.label_given = true;
        }
    }
}

bool was_begun_before(const ProcessRecord& record, base::BootId boot) {
    return record.boot && *record.boot != base::to_hex(boot);
}

bool has_lost_directory(const Remnant& remnant, base::BootId boot) {
    if (!remnant.record || remnant.has_directory || remnant.record->intent == Intent::remove) return false;
    if (remnant.record->is_without_directory) return true;
    // A start has a row of its run from its beginning, and in it what became of it.
    const auto& last = remnant.last_run;
    if (!last || had_program(*last)) return true;
    return was_begun_before(*remnant.record, boot) && remnant.record->intent != Intent::none;
}

std::optional<FoundRun> missing_run(const FoundProcess& found, const ProcessRecord& record,
                                    const std::optional<RunRecord>& last_run, base::BootId boot) {
    const std::uint32_t newest = found.runs.empty() ? 0 : found.runs.back();
    const bool is_known = last_run && had_program(*last_run);
    const bool is_newest_known = is_known && last_run->id.number >= record.last_run;
    FoundRun run;
    if (record.last_run > newest && record.intent != Intent::none && !is_newest_known &&
        was_begun_before(record, boot)) {
        run.id = RunId{record.id, record.last_run};
    } else if (is_known && last_run->id.number > newest) {
        run.id = last_run->id;
        recall_program(run, *last_run, record, boot);
    } else if (newest == 0 && record.last_run > 0 &&
               (record.is_without_directory || found.has_output || (!last_run && !record.planned))) {
        run.id = RunId{record.id, record.last_run};
    } else {
        return std::nullopt;
    }
    run.trouble = "its directory is missing";
    return run;
}

void recall_program(FoundRun& run, const RunRecord& known, const ProcessRecord& record, base::BootId boot) {
    rundir::RunState& state = run.state;
    if (known.pid == 0 || state.pid != 0) return;
    state.pid = static_cast<std::int32_t>(known.pid);
    if (known.started_at) state.started_wall_ns = base::to_ns(*known.started_at);
    if (was_begun_before(record, boot)) return;
    // The record says of its newest run alone in which boot it was begun.
    if (known.id.number == record.last_run) state.start_ticks = static_cast<std::uint64_t>(known.start_ticks);
    const bool is_marked = run.spec || state.nonce != rundir::Nonce{};
    if (!is_marked && !base::read_hex(known.mark, state.nonce)) state.nonce = {};
}

void doubt_state(FoundRun& run, const std::optional<RunRecord>& recorded) {
    // What follows an abortion is nothing.
    const bool may_go_on = run.state.phase < rundir::Phase::aborted && !run.shim_alive && !run.other_format;
    const bool is_known = recorded && recorded->id == run.id && recorded->pid != 0;
    if (may_go_on && is_known && run.trouble.empty()) run.trouble = "the newest record of its state is damaged";
}

Found classify(const FoundRun& run, const std::optional<Outcome>& recorded, Wanted wanted, base::BootId boot,
               WallTime now, bool is_before_restart) {
    const auto& state = run.state;
    if (run.other_format) return FoundUnsupported{*run.other_format};
    // A shim that has nothing left but to sync answers nobody, and its last word is on record.
    const bool is_leaving = run.trouble.empty() && state.phase == rundir::Phase::exited && state.tree_empty != 0;
    if (run.shim_alive && !is_leaving) {
        if (state.phase < rundir::Phase::started && run.trouble.empty()) return FoundStarting{};
        return FoundAlive{};
    }
    // A power cut may have taken the word that a program was started; not the word that none was.
    const bool may_lack_word =
        state.boot_id != base::BootId{} && state.boot_id != boot && state.phase != rundir::Phase::aborted;
    if (run.trouble.empty() && state.phase < rundir::Phase::started && !may_lack_word) return FoundNothing{};
    if (recorded) {
        if (wanted == Wanted::down) return FoundSettled{*recorded};
        return FoundEnded{*recorded, false};
    }
    if (state.phase == rundir::Phase::exited || state.phase == rundir::Phase::exec_failed)
        return FoundEnded{run::outcome_of(state)};
    const auto lost = [&](Cause why) { return FoundEnded{run::lost_outcome(std::move(why), now)}; };
    if (state.boot_id == rundir::copied) return lost(Cause{.code = CauseCode::data_copied});
    // What cannot be read does not say when it was begun; the store may.
    const bool says_when = run.trouble.empty() || state.boot_id != base::BootId{};
    if (says_when ? state.boot_id != boot : is_before_restart) return lost(Cause{.code = CauseCode::machine_restarted});
    if (!run.trouble.empty()) return lost(Cause{.code = CauseCode::run_damaged, .text = run.trouble});
    if (state.outcome_unknown != 0) return lost(Cause{.code = CauseCode::end_unseen});
    return lost(Cause{.code = CauseCode::shim_killed});
}

}  // namespace persistproc::core
