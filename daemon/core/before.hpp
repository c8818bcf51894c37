#pragma once
/// Undoing a change that could not be recorded, or that lost to a stop.
#include "daemon/core/process.hpp"

namespace persistproc::core {

/// All of a process that a request changes before it is recorded.
struct Before {
    explicit Before(const Process& process)
        : record(process.record), launch(process.launch), actor(process.actor), stops(process.stops) {}

    /// As if nothing had been asked. What a stop asked for meanwhile stays.
    void restore(Process& process) {
        const bool was_stopped = process.stops != stops;
        const ProcessRecord now = process.record;
        process.record = std::move(record);
        process.launch = std::move(launch);
        process.actor = std::move(actor);
        process.record.last_run = now.last_run;
        process.record.restarts = now.restarts;
        process.record.quick_failures = now.quick_failures;
        process.record.gave_up = now.gave_up;
        process.record.sent_signal = now.sent_signal;
        process.record.held_run = now.held_run;
        process.record.failed_checks = now.failed_checks;
        process.record.planned = now.planned;
        process.record.planned_by = now.planned_by;
        process.record.planned_alone = now.planned_alone;
        process.record.pending_run = now.pending_run;
        process.record.plan_causes = now.plan_causes;
        process.record.follow(process.life.wanted());
        if (!was_stopped || now.intent != Intent::stop) return;
        process.record.intent = now.intent;
        process.record.intent_run = now.intent_run;
        process.record.intent_by = now.intent_by;
        process.record.shut_down_run = now.shut_down_run;
        process.record.called_off_run = now.called_off_run;
        process.record.called_off_by = now.called_off_by;
    }

    /// Puts back what a start is asked for with, and nothing else.
    void keep_request(ProcessRecord& of) const {
        of.definition = record.definition;
        of.request_key = record.request_key;
    }

    ProcessRecord record;
    std::optional<LaunchContext> launch;
    std::string actor;
    std::uint64_t stops = 0;
};

/// What a process that does not run is again where its start fails: as if nobody had tried. The number of the run that
/// came to nothing is not used again.
struct AtRest {
    explicit AtRest(const Process& process)
        : before(process),
          life(process.life),
          run_state(process.run_state),
          cut_bytes(process.cut_bytes),
          nonce(process.nonce),
          ended_run(process.ended_run),
          restarts(process.record.restarts),
          quick_failures(process.record.quick_failures),
          gave_up(process.record.gave_up) {}

    void restore(Process& process) {
        const std::uint32_t failed = process.life.last_run();
        process.life = std::move(life);
        process.life.reserve(failed);
        before.restore(process);
        process.record.intent = Intent::none;
        process.record.restarts = restarts;
        process.record.quick_failures = quick_failures;
        process.record.gave_up = gave_up;
        process.run_state = run_state;
        process.cut_bytes = cut_bytes;
        process.nonce = nonce;
        process.ended_run = ended_run;
    }

    Before before;
    Lifecycle life;
    rundir::RunState run_state;
    std::uint64_t cut_bytes = 0;
    rundir::Nonce nonce;
    std::uint32_t ended_run = 0;
    std::int64_t restarts = 0;
    std::int64_t quick_failures = 0;
    bool gave_up = false;
};

}  // namespace persistproc::core
