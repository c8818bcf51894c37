#pragma once
#include "common/domain/process.hpp"
#include "common/ops/operation.hpp"

namespace persistproc::ops {

struct RestartRequest {
    std::string process;
    bool force = false;
    std::optional<double> grace_seconds;

    static constexpr Operation operation{
        .name = "restart_process",
        .title = "Restart process",
        .description =
            "Stop a process with everything it started, then start it again with the same command, directory and "
            "environment. "
            "Starts it when it is not running. Keeps id, label and output.",
        .effects = {.destructive = true},
        .audit = "restart",
    };

    template <class Each>
    static constexpr void fields(Each&& each) {
        using R = RestartRequest;
        each(schema::required("process", &R::process, "id, label, PID or command"));
        each(schema::field("force", &R::force, "SIGKILL at once").as_flag("force"));
        each(schema::field("grace_seconds", &R::grace_seconds, "Time before SIGKILL")
                 .range(0, 3600)
                 .as_flag("grace", "DURATION")
                 .in_form(&domain::optional_seconds_form)
                 .of_kind(schema::ValueKind::duration));
    }
};

struct RestartResponse : domain::ProcessView {
    std::optional<std::int64_t> old_pid;

    template <class Each>
    static constexpr void fields(Each&& each) {
        domain::ProcessView::fields(each);
        each(schema::field("old_pid", &RestartResponse::old_pid));
    }
};

}  // namespace persistproc::ops

PERSISTPROC_REQUEST_CODECS(extern, persistproc::ops::RestartRequest)
PERSISTPROC_ANSWER_CODECS(extern, persistproc::ops::RestartResponse)
