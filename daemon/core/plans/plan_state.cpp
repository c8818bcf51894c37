#include "daemon/core/plans/plan_state.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace persistproc::core {

using Stage = ProjectPlan::Stage;

namespace {

constexpr std::size_t digest_digits = 16;  // kept: 64 bits of a keyed hash tell two definitions apart

bool ended_well(const Process& process) {
    const auto& outcome = process.life.outcome();
    if (!outcome || !outcome->exit_code) return false;
    const auto well = restart_rule(process.record.definition).success_codes;
    return std::find(well.begin(), well.end(), *outcome->exit_code) != well.end();
}

}  // namespace

project::Digests shortened(const project::Digests& digests) {
    project::Digests out;
    for (const auto& [key, digest] : digests) out[key] = digest.substr(0, digest_digits);
    return out;
}

bool has_same(const project::Digests& applied, const project::Digests& wanted, const std::string& key) {
    const auto then = applied.find(key), now = wanted.find(key);
    return then != applied.end() && now != wanted.end() && then->second == now->second;
}

bool is_as_written(const project::Digests& applied, const project::Digests& wanted) {
    return has_same(applied, wanted, std::string(project::written_key));
}

bool is_still_to_come(const Process& process) {
    return process.record.planned == Planned::waiting && process.record.pending_run > process.life.last_run();
}

bool is_done(const Process& process) {
    const auto& membership = process.record.definition.membership;
    return membership && membership->oneshot && process.is<Ended>() && ended_well(process);
}

bool is_undecided(const Process& process) {
    return !process.unread.empty() || (process.is<Unreachable>() && !process.run);
}

bool is_member(const Process& process, const std::string& file) {
    const auto& membership = process.record.definition.membership;
    return membership && membership->file == file;
}

bool is_same(const PlanFacts& a, const PlanFacts& b) {
    return a.run == b.run && a.has_tree == b.has_tree && a.may_have_strays == b.may_have_strays &&
           a.has_started == b.has_started && a.is_ready == b.is_ready && a.has_ended == b.has_ended &&
           a.ended_well == b.ended_well && a.is_final == b.is_final && a.is_past == b.is_past && a.printed == b.printed;
}

PlanFacts facts_of(const Process& process) {
    PlanFacts out;
    const auto& outcome = process.life.outcome();
    const bool is_live = process.has_tree();
    const bool is_over = !process.life.is_live() && process.life.last_run() > 0;
    const bool had_program = outcome && outcome->reason != OutcomeReason::exec_failed;
    out.run = process.life.last_run();
    out.has_tree = is_live;
    out.may_have_strays = process.may_have_strays();
    // A child that has a pid may not have executed the program yet, and may never.
    const bool may_run = process.is<Unreachable>() && process.run_state.exec_confirmed != 0;
    out.has_started = process.is<Running>() || process.is<Stopping>() || may_run || (is_over && had_program);
    out.is_ready = process.is<Running>() && process.ready.value_or(true);
    out.has_ended = is_over;
    out.ended_well = is_over && ended_well(process);
    out.is_final = !process.life.is_live() && !runs_again(process.life.phase());
    out.is_past = process.record.planned == Planned::failed && !is_live;
    return out;
}

std::optional<std::string> end_text(const Process& process) {
    if (facts_of(process).is_past) {
        // Or somebody stopped it before its turn.
        const auto& causes = process.record.plan_causes;
        const bool has_failed = std::any_of(causes.begin(), causes.end(), [](const Cause& each) {
            return each.code == CauseCode::dependency || each.code == CauseCode::not_begun;
        });
        return has_failed ? std::optional<std::string>("could not be started") : std::nullopt;
    }
    const auto& outcome = process.life.outcome();
    const bool is_over = outcome && !process.life.is_live() && process.record.planned != Planned::waiting;
    if (!is_over || outcome->reason == OutcomeReason::stopped) return std::nullopt;
    if (outcome->reason == OutcomeReason::exec_failed) return "could not be started";
    if (outcome->reason == OutcomeReason::not_ready) return "was not ready in time";
    if (outcome->reason == OutcomeReason::unhealthy) return "was not healthy";
    if (outcome->exit_code) return fmt::format("exited with code {}", *outcome->exit_code);
    if (outcome->signal) return "was killed by " + domain::signal_name(*outcome->signal);
    return std::nullopt;
}

Stage stage_of(const Process& process) {
    const ProcessRecord& record = process.record;
    const bool runs = process.life.is_live() || runs_again(process.life.phase());
    if (is_still_to_come(process)) return Stage::waiting;
    const bool has_any = runs || process.has_tree() || process.may_have_strays();
    if (record.planned == Planned::stopping) return has_any ? Stage::stopping : Stage::idle;
    if (runs) return Stage::up;
    if (record.planned == Planned::down || !record.planned) return Stage::idle;
    if (record.planned == Planned::failed) return Stage::failed;
    return is_done(process) ? Stage::up : Stage::failed;
}

}  // namespace persistproc::core
