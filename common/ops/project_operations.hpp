#pragma once
/// What the client asks about projects as they lie on disk. None of it is for agents: that they may run what a project
/// says is for a person to decide.
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/domain/process.hpp"
#include "common/ops/operation.hpp"

namespace persistproc::ops {

/// Which project, and with which environment its files are read.
struct ProjectPlace {
    std::string directory;            // absolute: the file is looked for there and above
    std::optional<std::string> file;  // instead: this one, relative to the directory
    // Of whoever asks, as StartRequest has it.
    std::optional<std::vector<std::string>> base_environment;

    template <class Each>
    static constexpr void fields(Each&& each) {
        using P = ProjectPlace;
        each(schema::required("directory", &P::directory)
                 .range(1, 4096)
                 .as_flag("C,working-directory", "DIR", "Look for the project's file there and above")
                 .also_typed("cwd workdir")
                 .of_kind(schema::ValueKind::directory));
        each(schema::field("file", &P::file)
                 .range(1, 4096)
                 .as_flag("file", "FILE", "The project's file, whatever its name")
                 .also_typed("f")
                 .of_kind(schema::ValueKind::file));
        each(schema::field("base_environment", &P::base_environment).client_only().secret());
    }
};

/// Reads a project and says what it comes to. Nothing is run or written. Errors: not_found, denied. That its files are
/// wrong is no failure.
struct CheckRequest {
    ProjectPlace place;
    static constexpr Operation operation{.name = "check_project",
                                         .title = "",
                                         .description = "Of the persistproc client.",
                                         .effects = {.read_only = true, .idempotent = true},
                                         .audience = schema::Audience::client};
    static constexpr Typed typed{
        .name = "check",
        .words = "[DIR | FILE]",
        .summary = "read a project's file and show what it comes to",
        .text =
            "Reads a project's file, persistproc.toml or another tool's, and shows each process with its command, "
            "ports and checks, or what is wrong, as FILE:LINE:COLUMN. Runs nothing of it; the daemon, which keeps the "
            "book of ports, is started where it does not serve.",
        .examples = {"persistproc check", "persistproc check Procfile.dev"},
        .statuses = {{2, "the file is wrong, or there is none"}},
        .words_kind = schema::ValueKind::file,
    };
    template <class Each>
    static constexpr void fields(Each&& each) {
        schema::inlined(&CheckRequest::place, each);
    }
};

struct ProjectPort {
    std::string process;
    std::string name;  // empty: the process's only one
    std::string wish;  // "3000", "3000+", "auto"
    std::int64_t number = 0;
    bool booked = true;  // else it is the number that it would be given now

    template <class Each>
    static constexpr void fields(Each&& each) {
        using P = ProjectPort;
        each(schema::field("process", &P::process));
        each(schema::field("name", &P::name).absent_if_empty());
        each(schema::field("wish", &P::wish));
        each(schema::field("number", &P::number));
        each(schema::field("booked", &P::booked));
    }
};

/// A process as a project's files define it. Of variables the names.
struct ProjectProcess {
    std::string name, description;
    std::vector<std::string> command;
    bool shell = false;
    std::string working_directory;
    std::vector<std::string> depends_on;     // "db: ready"
    std::vector<std::string> ready, health;  // "port 3000"
    std::vector<std::string> variables;
    std::vector<std::string> watch, stop_command;
    domain::RestartPolicy restart = domain::RestartPolicy::never;
    bool oneshot = false;
    bool autostart = true;

    template <class Each>
    static constexpr void fields(Each&& each) {
        using P = ProjectProcess;
        using schema::field;
        each(field("name", &P::name));
        each(field("description", &P::description).absent_if_empty());
        each(field("command", &P::command));
        each(field("shell", &P::shell));
        each(field("working_directory", &P::working_directory));
        each(field("depends_on", &P::depends_on));
        each(field("ready", &P::ready));
        each(field("health", &P::health));
        each(field("variables", &P::variables));
        each(field("watch", &P::watch));
        each(field("stop_command", &P::stop_command));
        each(field("restart", &P::restart));
        each(field("oneshot", &P::oneshot));
        each(field("autostart", &P::autostart));
    }
};

struct CheckResponse {
    std::string file;                       // canonical path: who the project is
    std::string name;                       // empty: it has problems
    std::vector<std::string> problems;      // "FILE:3:5: what", in the order of the files
    std::vector<std::string> notes;         // of the same form: what may be meant otherwise
    std::vector<std::string> others;        // files of other tools beside it, which are not read
    std::vector<std::string> passed_over;   // files that are not believed, and why
    std::vector<ProjectProcess> processes;  // in the order in which they may start
    std::vector<ProjectPort> ports;
    std::string digest;    // of what an agent's `up` needs consent to
    bool allowed = false;  // a person has consented to that

    template <class Each>
    static constexpr void fields(Each&& each) {
        using R = CheckResponse;
        using schema::field;
        each(field("file", &R::file));
        each(field("name", &R::name).absent_if_empty());
        each(field("problems", &R::problems));
        each(field("notes", &R::notes));
        each(field("others", &R::others));
        each(field("passed_over", &R::passed_over));
        each(field("processes", &R::processes));
        each(field("ports", &R::ports));
        each(field("digest", &R::digest).absent_if_empty());
        each(field("allowed", &R::allowed));
    }
};

/// A person consents that agents run what the project's files say now, and its ports are booked. Answer: as of a check.
/// Errors: as of a check; invalid (its files are wrong), io, denied (whoever asks is a program of a process here).
struct AllowRequest {
    ProjectPlace place;
    static constexpr Operation operation{.name = "allow_project",
                                         .title = "",
                                         .description = "Of the persistproc client.",
                                         .effects = {.idempotent = true},
                                         .audience = schema::Audience::client,
                                         .audit = "allow"};
    static constexpr Typed typed{
        .name = "allow",
        .words = "[DIR | FILE]",
        .summary = "let agents start a project as it is now",
        .text =
            "Shows what a project would run, and lets agents start it. That holds for every byte of its files, its "
            "environment files among them, and for the values of variables that they name (${env.X}), at this place "
            "and in linked worktrees of the repository: what is changed is to be allowed anew. Scripts that its "
            "commands call are no part of that. Programs that persistproc runs cannot allow anything.",
        .examples = {"persistproc allow"},
        .statuses = {{2, "the file is wrong, or there is none"}},
        .words_kind = schema::ValueKind::file,
    };
    template <class Each>
    static constexpr void fields(Each&& each) {
        schema::inlined(&AllowRequest::place, each);
    }
};

/// Takes that back. What runs goes on. Anybody of the user may. Errors: not_found (no project there, and none that was
/// allowed), io.
struct RevokeRequest {
    ProjectPlace place;
    static constexpr Operation operation{.name = "revoke_project",
                                         .title = "",
                                         .description = "Of the persistproc client.",
                                         .effects = {.idempotent = true},
                                         .audience = schema::Audience::client,
                                         .audit = "revoke"};
    static constexpr Typed typed{
        .name = "revoke",
        .words = "[DIR | FILE]",
        .summary = "let agents start a project no more",
        .text = "Takes back what allow said, or what somebody's own up did. What runs goes on.",
        .examples = {"persistproc revoke"},
        .words_kind = schema::ValueKind::file,
    };
    template <class Each>
    static constexpr void fields(Each&& each) {
        schema::inlined(&RevokeRequest::place, each);
    }
};
struct RevokeResponse {
    std::string file;
    bool was_allowed = false;

    template <class Each>
    static constexpr void fields(Each&& each) {
        each(schema::field("file", &RevokeResponse::file));
        each(schema::field("was_allowed", &RevokeResponse::was_allowed));
    }
};

/// The numbers of a process's ports, which are its own from then on. Errors: as of a check; invalid (its files are
/// wrong), not_found (no such process or port; nearest), limit, io.
struct PortRequest {
    ProjectPlace place;
    std::string process;
    std::optional<std::string> name;  // of the port; else all of them
    static constexpr Operation operation{.name = "book_port",
                                         .title = "",
                                         .description = "Of the persistproc client.",
                                         .effects = {.idempotent = true},
                                         .audience = schema::Audience::client};
    static constexpr Typed typed{
        .name = "port",
        .words = "PROCESS [PORT]",
        .summary = "the number of a port of this project",
        .text =
            "Prints the number that a port of a process of this project has, whether it runs or not: of several "
            "ports each with its name. No other project gets it as long as this one is there.",
        .examples = {"persistproc port db", "psql -p $(persistproc port db)"},
        .statuses = {{2, "the file is wrong, or there is none, or it names no such port"}},
    };
    template <class Each>
    static constexpr void fields(Each&& each) {
        schema::inlined(&PortRequest::place, each);
        each(schema::required("process", &PortRequest::process));
        each(schema::field("name", &PortRequest::name));
    }
};
struct PortResponse {
    std::vector<ProjectPort> ports;

    template <class Each>
    static constexpr void fields(Each&& each) {
        each(schema::field("ports", &PortResponse::ports));
    }
};

}  // namespace persistproc::ops

PERSISTPROC_REQUEST_CODECS(extern, persistproc::ops::CheckRequest)
PERSISTPROC_ANSWER_CODECS(extern, persistproc::ops::CheckResponse)
PERSISTPROC_REQUEST_CODECS(extern, persistproc::ops::AllowRequest)
PERSISTPROC_REQUEST_CODECS(extern, persistproc::ops::RevokeRequest)
PERSISTPROC_ANSWER_CODECS(extern, persistproc::ops::RevokeResponse)
PERSISTPROC_REQUEST_CODECS(extern, persistproc::ops::PortRequest)
PERSISTPROC_ANSWER_CODECS(extern, persistproc::ops::PortResponse)
