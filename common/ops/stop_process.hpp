#pragma once
#include "common/domain/process.hpp"
#include "common/ops/operation.hpp"

namespace persistproc::ops {

struct StopRequest {
    std::string process;
    bool force = false;
    std::optional<double> grace_seconds;

    static constexpr Operation operation{
        .name = "stop_process",
        .title = "Stop process",
        .description = "Stop a process and everything it started; returns when all of it is gone.",
        .effects = {.destructive = true, .idempotent = true},
        .audit = "stop",
        .sleeps = true,
    };
    static constexpr Typed typed{
        .name = "stop",
        .words = "TARGET… | all",
        .summary = "stop processes and everything they started",
        .text = "Stops processes and everything they started; returns when all of it is gone.",
        .examples = {"persistproc stop web", "persistproc stop --grace 2 p3 p4", "persistproc stop all"},
        .words_kind = schema::ValueKind::target,
    };

    template <class Each>
    static constexpr void fields(Each&& each) {
        using R = StopRequest;
        each(schema::required("process", &R::process, "id, label, PID or command"));
        each(schema::field("force", &R::force, "SIGKILL at once").as_flag("force").also_typed("f"));
        each(schema::field("grace_seconds", &R::grace_seconds, "Time before SIGKILL")
                 .range(0, 3600)
                 .as_flag("grace", "DURATION")
                 .also_typed("t time timeout")
                 .in_form(&domain::optional_seconds_form)
                 .of_kind(schema::ValueKind::duration));
    }
};

}  // namespace persistproc::ops

PERSISTPROC_REQUEST_CODECS(extern, persistproc::ops::StopRequest)
