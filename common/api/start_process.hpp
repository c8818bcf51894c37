#pragma once
#include <fmt/format.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/domain/process.hpp"
#include "common/schema/codec.hpp"

namespace persistproc {
namespace api {

/// A command as callers give it: one string, split like a shell would, or the words themselves.
struct CommandArgument {
    std::vector<std::string> words;
    std::optional<std::string> line;  // set when a string was given
};

enum class IfRunning { keep, restart, error };

struct StartRequest {
    CommandArgument command;
    std::string working_directory;
    std::optional<std::string> label;
    std::map<std::string, std::string> environment;
    bool shell = false;
    IfRunning if_running = IfRunning::keep;
    domain::RestartPolicy restart = domain::RestartPolicy::never;
    std::optional<std::string> stop_signal;
    std::optional<double> grace_seconds;
    // What only the client at the user's terminal can know: its whole environment, umask and limits.
    std::optional<std::vector<std::string>> base_environment;
    std::optional<std::int64_t> umask;
    std::vector<std::vector<std::int64_t>> limits;  // [resource, soft, hard], -1: unlimited
    bool bytes_as_text = false;                     // see carry_bytes
    // Names this request: asked again with the same key, because its daemon died, it starts nothing twice.
    std::optional<std::string> request_key;

    static constexpr const char* name = "start_process";
    static constexpr const char* title = "Start process";
    static constexpr const char* description =
        "Start a long-running command (dev server, watcher, database, worker) that outlives this session, or return "
        "the "
        "one already running. Its output is recorded: read it with get_process_output, wait for readiness with "
        "wait_for_process. Not for commands that end at once.";

    static constexpr auto fields() {
        using R = StartRequest;
        using schema::field;
        return std::tuple{schema::required("command", &R::command,
                                           "Command line, split like a shell without running one, or array of words"),
                          schema::required("working_directory", &R::working_directory, "Absolute path").range(1, 4096),
                          field("label", &R::label, "Unique name; default: \"<command> in <directory>\""),
                          field("environment", &R::environment, "Variables to set"),
                          field("shell", &R::shell, "Run the string through /bin/sh -c"),
                          field("if_running", &R::if_running, "When it already runs: return it, restart it, or fail"),
                          field("restart", &R::restart, "Restart when it ends by itself"),
                          field("stop_signal", &R::stop_signal, "First signal of a stop (SIGTERM)"),
                          field("grace_seconds", &R::grace_seconds, "Time before SIGKILL (10)").range(0, 3600),
                          field("base_environment", &R::base_environment).client_only(),
                          field("umask", &R::umask).client_only().range(0, 0777),
                          field("limits", &R::limits).client_only(),
                          field("bytes_as_text", &R::bytes_as_text).client_only(),
                          field("request_key", &R::request_key).client_only().range(16, 64)};
    }
};

/// Arguments, directory and variables are bytes, JSON is text. Where one of them is no UTF-8, all are carried as
/// base::bytes_to_text and `bytes_as_text` says so; `restore_bytes` undoes it. Errors: invalid (text of another form).
void carry_bytes(StartRequest& request);
Result<void> restore_bytes(StartRequest& request);

/// The process view and whether this call made the run.
struct StartResponse : domain::ProcessView {
    bool created = false;

    static constexpr auto fields() {
        return std::tuple_cat(domain::ProcessView::fields(),
                              std::tuple{schema::field("created", &StartResponse::created)});
    }
};

}  // namespace api

namespace schema {
template <>
struct EnumNames<api::IfRunning> {
    using E = api::IfRunning;
    static constexpr std::pair<E, std::string_view> names[] = {
        {E::keep, "return"}, {E::restart, "restart"}, {E::error, "error"}};
};
template <>
struct CustomCodec<api::CommandArgument> {
    static Json schema();
    static Result<api::CommandArgument> read(const Json& json, const std::string& path);
    static Json write(const api::CommandArgument& command);
};
}  // namespace schema
}  // namespace persistproc
