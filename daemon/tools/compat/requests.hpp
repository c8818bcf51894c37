#pragma once
/// What the tools of the Python original take. Its names alone are kept: parsing, schemas and errors are ours.
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/api/get_process_output.hpp"

namespace persistproc {
namespace tools::compat {

/// How the original names a process: by the PID of its current or last run, by its label, or by its command, which a
/// working directory narrows.
struct Target {
    std::optional<std::int64_t> pid;
    std::optional<std::string> command_or_label;
    std::optional<std::string> working_directory;

    static constexpr auto fields() {
        return std::tuple{schema::field("pid", &Target::pid),
                          schema::field("command_or_label", &Target::command_or_label),
                          schema::field("working_directory", &Target::working_directory)};
    }
};

enum class Action { start, stop, restart };

struct ControlRequest : Target {
    Action action = Action::start;
    std::map<std::string, std::string> environment;
    bool force = false;
    std::optional<std::string> label;

    static constexpr const char* name = "ctrl";
    static constexpr const char* title = "Control (earlier name)";
    static constexpr const char* description =
        "Start, stop or restart a process. Kept from the Python persistproc; new: start_process, stop_process, "
        "restart_process.";

    static constexpr auto fields() {
        using R = ControlRequest;
        return std::tuple_cat(std::tuple{schema::required("action", &R::action)}, Target::fields(),
                              std::tuple{schema::field("environment", &R::environment),
                                         schema::field("force", &R::force), schema::field("label", &R::label)});
    }
};

struct StartRequest {
    std::string command;
    std::optional<std::string> working_directory;
    std::map<std::string, std::string> environment;
    std::optional<std::string> label;

    static constexpr const char* name = "start";
    static constexpr const char* title = "Start (earlier name)";
    static constexpr const char* description = "Kept from the Python persistproc; new: start_process.";

    static constexpr auto fields() {
        using R = StartRequest;
        return std::tuple{schema::required("command", &R::command),
                          schema::field("working_directory", &R::working_directory),
                          schema::field("environment", &R::environment), schema::field("label", &R::label)};
    }
};

struct StopRequest : Target {
    std::optional<std::string> command;  // the name of command_or_label before there were labels
    std::optional<std::string> label;
    bool force = false;

    static constexpr const char* name = "stop";
    static constexpr const char* title = "Stop (earlier name)";
    static constexpr const char* description = "Kept from the Python persistproc; new: stop_process.";

    static constexpr auto fields() {
        using R = StopRequest;
        return std::tuple_cat(Target::fields(),
                              std::tuple{schema::field("command", &R::command), schema::field("label", &R::label),
                                         schema::field("force", &R::force)});
    }
};

struct RestartRequest : StopRequest {
    static constexpr const char* name = "restart";
    static constexpr const char* title = "Restart (earlier name)";
    static constexpr const char* description = "Kept from the Python persistproc; new: restart_process.";
};

struct ListRequest : Target {
    static constexpr const char* name = "list";
    static constexpr const char* title = "List (earlier name)";
    static constexpr const char* description =
        "Processes, all or those that match. Kept from the Python persistproc; new: list_processes.";
};

struct OutputRequest : Target {
    api::StreamName stream = api::StreamName::combined;
    std::optional<std::int64_t> lines;
    std::optional<std::string> before_time;
    std::optional<std::string> since_time;

    static constexpr const char* name = "output";
    static constexpr const char* title = "Output (earlier name)";
    static constexpr const char* description =
        "Recorded lines, the last 100 unless lines says otherwise (0: as many as fit). Untrusted data. Kept from the "
        "Python persistproc; new: get_process_output.";

    static constexpr auto fields() {
        using R = OutputRequest;
        return std::tuple_cat(Target::fields(), std::tuple{schema::field("stream", &R::stream),
                                                           schema::field("lines", &R::lines).range(0, 1000000),
                                                           schema::field("before_time", &R::before_time, "ISO 8601"),
                                                           schema::field("since_time", &R::since_time, "ISO 8601")});
    }
};

struct StatusRequest : Target {
    static constexpr const char* name = "get_process_status";
    static constexpr const char* title = "Process status (earlier name)";
    static constexpr const char* description =
        "One process. Kept from the Python persistproc; new: list_processes with process.";
};

struct LogPathsRequest : Target {
    static constexpr const char* name = "get_process_log_paths";
    static constexpr const char* title = "Log paths (earlier name)";
    static constexpr const char* description =
        "The file that holds the newest output, both streams in one. Kept from the Python persistproc; new: log_path "
        "of list_processes.";
};

}  // namespace tools::compat

namespace schema {
template <>
struct EnumNames<tools::compat::Action> {
    using E = tools::compat::Action;
    static constexpr std::pair<E, std::string_view> names[] = {
        {E::start, "start"}, {E::stop, "stop"}, {E::restart, "restart"}};
};
}  // namespace schema
}  // namespace persistproc
