#pragma once
/// What is typed after `up` and `down`.
#include <optional>
#include <string>
#include <vector>

#include "cli/console.hpp"
#include "cli/subcommand.hpp"
#include "common/ops/run_project.hpp"

namespace persistproc::cli {

/// Says why a command on a project has failed. Returns the exit status: 2 where that lies in its file, or there is
/// none, or nothing in it is named so.
int fail_for_project(const Console& console, const Error& error);

/// Which project.
struct ProjectChoice {
    std::string directory;  // empty: where it is typed
    std::optional<std::string> file;

    template <class Each>
    static constexpr void fields(Each&& each) {
        using C = ProjectChoice;
        each(schema::field("directory", &C::directory)
                 .range(1, 4096)
                 .as_flag("C,working-directory", "DIR", "Look for the project's file there and above")
                 .also_typed("cwd workdir")
                 .of_kind(schema::ValueKind::directory));
        each(schema::field("file", &C::file)
                 .range(1, 4096)
                 .as_flag("file", "FILE", "The project's file, whatever its name")
                 .of_kind(schema::ValueKind::file));
    }
};

struct UpArguments {
    ProjectChoice place;
    std::vector<std::string> names;
    bool no_dependencies = false;
    bool recreate = false;
    bool dry_run = false;
    bool follow = false;
    std::optional<double> timeout_seconds;
    domain::Environment environment;

    static constexpr ops::Typed typed{
        .name = "up",
        .words = "[NAME | GROUP]…",
        .summary = "bring a project's processes up, in the order of their dependencies",
        .text =
            "Reads the project's file (persistproc.toml, found in this directory or above, or another tool's), starts "
            "what does not run, begins anew what is not as the file says any more, and returns when all that was named "
            "is ready; what runs and has not changed is left alone. That is also the consent for agents to start "
            "exactly this: see persistproc allow.",
        .examples = {"persistproc up", "persistproc up api --timeout 60", "persistproc up --dry-run"},
        .statuses = {{1, "a process cannot come up; its last words are shown"},
                     {2, "the file is wrong, or there is none"},
                     {124, "not all are ready in the time given; everything goes on"}},
    };

    template <class Each>
    static constexpr void fields(Each&& each) {
        using A = UpArguments;
        using schema::field;
        schema::inlined(&A::place, each);
        each(field("no_dependencies", &A::no_dependencies)
                 .as_flag("no-deps", "", "Only those named, without what they need"));
        each(field("recreate", &A::recreate).as_flag("recreate", "", "Begin them anew, whatever has changed"));
        each(field("dry_run", &A::dry_run).as_flag("dry-run", "", "Say what would be done, and do nothing"));
        each(field("timeout_seconds", &A::timeout_seconds)
                 .range(0, 86400)
                 .as_flag("timeout", "DURATION", "Wait so long at most (for ever)")
                 .of_kind(schema::ValueKind::duration));
        each(field("environment", &A::environment)
                 .as_flag("e,env", "KEY=VALUE", "Set a variable for all of them; may be repeated"));
        each(field("follow", &A::follow).as_flag("f,follow", "", "Then show their output; Ctrl+C leaves them running"));
    }
    Result<void> take(std::vector<std::string> words, const Given& given);
};

struct DownArguments {
    ProjectChoice place;
    std::vector<std::string> names;
    bool only = false;
    bool force = false;

    static constexpr ops::Typed typed{
        .name = "down",
        .words = "[NAME | GROUP]…",
        .summary = "stop a project's processes, in the reverse order",
        .text =
            "Stops the project's processes, each once nothing that needs it is left; with names these, and what needs "
            "them. Returns when all of it is gone.",
        .examples = {"persistproc down", "persistproc down api"},
        .statuses = {{2, "the file is wrong, or there is none"}},
    };

    template <class Each>
    static constexpr void fields(Each&& each) {
        using A = DownArguments;
        schema::inlined(&A::place, each);
        each(schema::field("only", &A::only).as_flag("no-deps", "", "Only those named, not what needs them"));
        each(schema::field("force", &A::force).as_flag("force", "", "SIGKILL at once, without an order"));
    }
    Result<void> take(std::vector<std::string> words, const Given& given);
};

}  // namespace persistproc::cli
