#pragma once
#include "common/domain/process.hpp"
#include "common/schema/codec.hpp"

namespace persistproc::api {

struct RestartRequest {
    std::string process;
    bool force = false;
    std::optional<double> grace_seconds;

    static constexpr const char* name = "restart_process";
    static constexpr const char* title = "Restart process";
    static constexpr const char* description =
        "Stop a process with everything it started, then start it again with the same command, directory and "
        "environment. "
        "Starts it when it is not running. Keeps id, label and output.";

    static constexpr auto fields() {
        using R = RestartRequest;
        return std::tuple{schema::required("process", &R::process, "id, label, PID or command"),
                          schema::field("force", &R::force, "SIGKILL at once"),
                          schema::field("grace_seconds", &R::grace_seconds, "Time before SIGKILL").range(0, 3600)};
    }
};

struct RestartResponse : domain::ProcessView {
    std::optional<std::int64_t> old_pid;

    static constexpr auto fields() {
        return std::tuple_cat(domain::ProcessView::fields(),
                              std::tuple{schema::field("old_pid", &RestartResponse::old_pid)});
    }
};

}  // namespace persistproc::api
