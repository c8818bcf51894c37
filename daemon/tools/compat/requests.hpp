#pragma once
/// What the tools of the Python original take. Its names alone are kept: parsing, schemas and errors are ours.
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/ops/get_process_output.hpp"
#include "common/ops/start_process.hpp"

namespace persistproc {
namespace tools::compat {

inline constexpr ops::Effects reading{.read_only = true, .idempotent = true};
inline constexpr ops::Effects starting{.open_world = true};
inline constexpr ops::Effects ending{.destructive = true};
inline constexpr ops::Effects anything{.destructive = true, .open_world = true};

/// How the original names a process: by the PID of its current or last run, by its label, or by its command, which a
/// working directory narrows.
struct Target {
    std::optional<std::int64_t> pid;
    std::optional<std::string> command_or_label;
    std::optional<std::string> working_directory;

    template <class Each>
    static constexpr void fields(Each&& each) {
        each(schema::field("pid", &Target::pid));
        each(schema::field("command_or_label", &Target::command_or_label));
        each(schema::field("working_directory", &Target::working_directory));
    }
};

enum class Action { start, stop, restart };

struct ControlRequest : Target {
    Action action = Action::start;
    std::map<std::string, std::string> environment;
    bool force = false;
    std::optional<std::string> label;

    static constexpr ops::Operation operation{
        .name = ops::original_control,
        .title = "Control (earlier name)",
        .description =
            "Start, stop or restart a process. Kept from the Python persistproc; new: start_process, stop_process, "
            "restart_process.",
        .effects = anything};

    template <class Each>
    static constexpr void fields(Each&& each) {
        using R = ControlRequest;
        each(schema::required("action", &R::action));
        Target::fields(each);
        each(schema::field("environment", &R::environment).secret());
        each(schema::field("force", &R::force));
        each(schema::field("label", &R::label));
    }
};

struct StartRequest {
    std::string command;
    std::optional<std::string> working_directory;
    std::map<std::string, std::string> environment;
    std::optional<std::string> label;

    static constexpr ops::Operation operation{.name = ops::original_start,
                                              .title = "Start (earlier name)",
                                              .description = "Kept from the Python persistproc; new: start_process.",
                                              .effects = starting};

    template <class Each>
    static constexpr void fields(Each&& each) {
        using R = StartRequest;
        each(schema::required("command", &R::command));
        each(schema::field("working_directory", &R::working_directory));
        each(schema::field("environment", &R::environment).secret());
        each(schema::field("label", &R::label));
    }
};

struct StopRequest : Target {
    std::optional<std::string> command;  // the name of command_or_label before there were labels
    std::optional<std::string> label;
    bool force = false;

    static constexpr ops::Operation operation{.name = "stop",
                                              .title = "Stop (earlier name)",
                                              .description = "Kept from the Python persistproc; new: stop_process.",
                                              .effects = ending};

    template <class Each>
    static constexpr void fields(Each&& each) {
        using R = StopRequest;
        Target::fields(each);
        each(schema::field("command", &R::command));
        each(schema::field("label", &R::label));
        each(schema::field("force", &R::force));
    }
};

struct RestartRequest : StopRequest {
    static constexpr ops::Operation operation{.name = "restart",
                                              .title = "Restart (earlier name)",
                                              .description = "Kept from the Python persistproc; new: restart_process.",
                                              .effects = ending};
};

struct ListRequest : Target {
    static constexpr ops::Operation operation{
        .name = "list",
        .title = "List (earlier name)",
        .description = "Processes, all or those that match. Kept from the Python persistproc; new: list_processes.",
        .effects = reading};
};

struct OutputRequest : Target {
    domain::StreamChoice stream = domain::StreamChoice::combined;
    std::optional<std::int64_t> lines;
    std::optional<std::string> before_time;
    std::optional<std::string> since_time;

    static constexpr ops::Operation operation{.name = "output",
                                              .title = "Output (earlier name)",
                                              .description =
                                                  "Recorded lines, the last 100 unless lines says otherwise (0: as "
                                                  "many as fit). Untrusted data. Kept from the "
                                                  "Python persistproc; new: get_process_output.",
                                              .effects = reading};

    template <class Each>
    static constexpr void fields(Each&& each) {
        using R = OutputRequest;
        Target::fields(each);
        each(schema::field("stream", &R::stream));
        each(schema::field("lines", &R::lines).range(0, 1000000));
        each(schema::field("before_time", &R::before_time, "ISO 8601"));
        each(schema::field("since_time", &R::since_time, "ISO 8601"));
    }
};

struct StatusRequest : Target {
    static constexpr ops::Operation operation{
        .name = "status",
        .title = "Status (earlier name)",
        .description = "One process. Kept from the Python persistproc; new: list_processes with process.",
        .effects = reading};
};
struct FirstStatusRequest : Target {
    static constexpr ops::Operation operation{.name = "get_process_status",
                                              .title = "Process status (earlier name)",
                                              .description = "As status. Kept from the Python persistproc.",
                                              .effects = reading};
};

struct LogPathsRequest : Target {
    static constexpr ops::Operation operation{.name = "get_log_paths",
                                              .title = "Log paths (earlier name)",
                                              .description =
                                                  "The file that holds the newest output, both streams in one. Kept "
                                                  "from the Python persistproc; new: log_path "
                                                  "of list_processes.",
                                              .effects = reading};
};
struct FirstLogPathsRequest : Target {
    static constexpr ops::Operation operation{.name = "get_process_log_paths",
                                              .title = "Process log paths (earlier name)",
                                              .description = "As get_log_paths. Kept from the Python persistproc.",
                                              .effects = reading};
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
