#pragma once
#include <optional>
#include <string>
#include <vector>

#include "common/domain/process.hpp"
#include "common/ops/operation.hpp"

namespace persistproc {
namespace ops {

enum class ProjectAction { up, down, restart, show };

/// Brings the processes of a project up or down, in the order of their dependencies, or says how they are. An agent's
/// `up` needs a person's consent to exactly these files; a person's is that consent.
struct RunProjectRequest {
    ProjectAction action = ProjectAction::show;
    std::string directory;
    std::vector<std::string> names;
    bool dry_run = false;
    std::optional<double> timeout_seconds;
    // Of the client alone.
    std::optional<std::string> file;  // instead of the one that is found there
    bool no_dependencies = false;     // up: without what they need; down: without what needs them
    bool anew = false;                // up: those begin anew, whatever has changed
    bool force = false;               // down: SIGKILL at once
    domain::Environment environment;  // up: set for all of them
    std::optional<std::vector<std::string>> base_environment;
    std::optional<std::int64_t> umask;
    std::vector<std::vector<std::int64_t>> limits;  // as StartRequest has them

    static constexpr Operation operation{
        .name = "run_project",
        .title = "Run project",
        .description =
            "Start (up), stop (down), restart or show the processes that a directory's persistproc.toml (or "
            "Procfile, process-compose.yaml, .claude/launch.json) defines, in the order of their "
            "dependencies. up returns when all are ready.",
        .effects = {.destructive = true, .idempotent = true, .open_world = true},
        .audit = "up",
        .sleeps = true,
    };

    template <class Each>
    static constexpr void fields(Each&& each) {
        using R = RunProjectRequest;
        using schema::field;
        each(schema::required("action", &R::action));
        each(schema::required("directory", &R::directory, "Absolute path; the file is looked for there and above")
                 .range(1, 4096)
                 .as_flag("C,working-directory", "DIR", "Look for the project's file there and above")
                 .also_typed("cwd workdir")
                 .of_kind(schema::ValueKind::directory));
        each(field("names", &R::names, "Of processes or groups; default all"));
        each(field("dry_run", &R::dry_run, "Only say what up would do"));
        each(field("timeout_seconds", &R::timeout_seconds, "To wait until ready (45)").range(0, 50));
        each(field("file", &R::file).client_only().range(1, 4096));
        each(field("no_dependencies", &R::no_dependencies).client_only());
        each(field("anew", &R::anew).client_only());
        each(field("force", &R::force).client_only());
        each(field("environment", &R::environment).client_only().secret());
        each(field("base_environment", &R::base_environment).client_only().secret());
        each(field("umask", &R::umask).client_only().range(0, 0777));
        each(field("limits", &R::limits).client_only());
    }
};

/// What was done, or would be, with one process.
struct ProjectStep {
    std::string process;
    std::string done;                // "kept", "begun", "replaced", "adopted", "removed", "restarted"
    std::vector<std::string> keys;   // of the file, that have changed
    std::vector<std::string> after;  // of a dry run: the processes that it would wait for; those it is restarted with

    template <class Each>
    static constexpr void fields(Each&& each) {
        using S = ProjectStep;
        each(schema::field("process", &S::process));
        each(schema::field("done", &S::done));
        each(schema::field("keys", &S::keys).absent_if_empty().left_out_if_absent());
        each(schema::field("after", &S::after).absent_if_empty().left_out_if_absent());
    }
};

struct RunProjectResponse {
    std::string file, name;
    std::vector<ProjectStep> steps;              // of an up
    std::vector<std::string> chosen;             // the names that the call was about
    std::vector<std::string> failed, pending;    // of those: cannot come up; are not ready yet
    std::vector<std::string> stopped;            // of those, on request, or done before; not of an up
    std::vector<domain::ProcessView> processes;  // of those, as far as there are any
    std::vector<std::string> notes;              // whatever else should be known

    template <class Each>
    static constexpr void fields(Each&& each) {
        using R = RunProjectResponse;
        using schema::field;
        each(field("file", &R::file));
        each(field("name", &R::name));
        each(field("steps", &R::steps));
        each(field("chosen", &R::chosen));
        each(field("failed", &R::failed));
        each(field("pending", &R::pending));
        each(field("stopped", &R::stopped).absent_if_empty());
        each(field("processes", &R::processes));
        each(field("notes", &R::notes));
    }
};

}  // namespace ops

namespace schema {
template <>
struct EnumNames<ops::ProjectAction> {
    using E = ops::ProjectAction;
    static constexpr std::pair<E, std::string_view> names[] = {
        {E::up, "up"}, {E::down, "down"}, {E::restart, "restart"}, {E::show, "show"}};
};
}  // namespace schema
}  // namespace persistproc

PERSISTPROC_REQUEST_CODECS(extern, persistproc::ops::RunProjectRequest)
PERSISTPROC_ANSWER_CODECS(extern, persistproc::ops::RunProjectResponse)
