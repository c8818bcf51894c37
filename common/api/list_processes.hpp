#pragma once
#include "common/domain/process.hpp"
#include "common/schema/codec.hpp"

namespace persistproc::api {

struct ListRequest {
    std::optional<std::string> process;
    std::optional<std::string> working_directory;
    std::optional<domain::ProcessState> state;

    static constexpr const char* name = "list_processes";
    static constexpr const char* title = "List processes";
    static constexpr const char* description =
        "All processes people and agents started here: state, PID, ports, CPU, memory, last exit. Look here before "
        "starting "
        "a server or when a port is taken.";

    static constexpr auto fields() {
        using R = ListRequest;
        return std::tuple{schema::field("process", &R::process, "Only this one: id, label, PID or command"),
                          schema::field("working_directory", &R::working_directory, "Only those in this directory"),
                          schema::field("state", &R::state, "Only those in this state")};
    }
};

struct ListResponse {
    std::vector<domain::ProcessView> processes;

    static constexpr auto fields() { return std::tuple{schema::field("processes", &ListResponse::processes)}; }
};

}  // namespace persistproc::api
