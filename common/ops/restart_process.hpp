#pragma once
#include "common/domain/process.hpp"
#include "common/ops/operation.hpp"
#include "common/ops/stop_process.hpp"

namespace persistproc::ops {

/// Asked as a stop is.
struct RestartRequest : StopRequest {
    static constexpr Operation operation{
        .name = "restart_process",
        .title = "Restart process",
        .description =
            "Stop a process with everything it started, then start it again with the same command, directory and "
            "environment. "
            "Starts it when it is not running. Keeps id, label and output.",
        .effects = {.destructive = true},
        .audit = "restart",
        .sleeps = true,
    };
    static constexpr Typed typed{
        .name = "restart",
        .words = "TARGET… | all",
        .summary = "stop and start again",
        .text = "Stops and starts again, with the same command, directory and environment.",
        .examples = {"persistproc restart web"},
        .words_kind = schema::ValueKind::target,
    };
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
