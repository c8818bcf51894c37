#pragma once
#include "common/domain/process.hpp"
#include "common/schema/codec.hpp"

namespace persistproc::api {

struct StopRequest {
    std::string process;
    bool force = false;
    std::optional<double> grace_seconds;

    static constexpr const char* name = "stop_process";
    static constexpr const char* title = "Stop process";
    static constexpr const char* description =
        "Stop a process and everything it started; returns when all of it is gone. Stopping a stopped process "
        "succeeds.";

    static constexpr auto fields() {
        using R = StopRequest;
        return std::tuple{schema::required("process", &R::process, "id, label, PID or command"),
                          schema::field("force", &R::force, "SIGKILL at once"),
                          schema::field("grace_seconds", &R::grace_seconds, "Time before SIGKILL").range(0, 3600)};
    }
};

}  // namespace persistproc::api
