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
        process.record.wanted = process.life.wanted();
        if (!was_stopped || now.intent != Intent::stop) return;
        process.record.intent = now.intent;
        process.record.intent_run = now.intent_run;
        process.record.intent_by = now.intent_by;
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

}  // namespace persistproc::core
