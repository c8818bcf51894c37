#pragma once
#include "common/domain/process.hpp"
#include "common/ops/operation.hpp"

namespace persistproc::ops {

/// The word of a state, also of one that this version does not know.
extern const schema::Form<std::optional<schema::Open<domain::ProcessState>>> state_form;
/// For one that nobody is in: names all that there are.
Error unknown_state(const schema::Open<domain::ProcessState>& state);

struct ListRequest {
    std::optional<std::string> process;
    std::optional<std::string> working_directory;
    std::optional<schema::Open<domain::ProcessState>> state;  // the daemon knows which there are
    bool columns = false;                                     // answered with a ListTable

    static constexpr Operation operation{
        .name = "list_processes",
        .title = "List processes",
        .description =
            "What people and agents run here, and what ended lately: state, PID, ports. Look here before starting a "
            "server "
            "or when a port is taken.",
        .effects = {.read_only = true, .idempotent = true},
    };
    static constexpr Typed typed{
        .name = "list",
        .aliases = "ls ps",
        .words = "[TARGET…]",
        .summary = "what runs, failed, or has just ended",
        .text =
            "What runs, what failed, and what ended in the last ten minutes: id, label, state and last exit, PID, "
            "uptime, restarts, ports, CPU, memory and directory, as much of it as the terminal is wide. Below it, how "
            "many more have ended: -a shows them; so does naming a TARGET or a state. With -q ids alone. JSON is "
            "always "
            "whole.",
        .examples = {"persistproc list", "persistproc list -a --sort memory",
                     "persistproc list --json --state running"},
        .words_kind = schema::ValueKind::target,
    };

    template <class Each>
    static constexpr void fields(Each&& each) {
        using R = ListRequest;
        each(schema::field("process", &R::process, "Only this one: id, label, PID or command"));
        each(schema::field("working_directory", &R::working_directory, "Only those in this directory")
                 .as_flag("C,working-directory", "DIR")
                 .also_typed("cwd workdir")
                 .of_kind(schema::ValueKind::directory));
        each(schema::field("state", &R::state)
                 .in_form(&state_form)
                 .as_flag("state", "STATE", "Only those in this state"));
        each(schema::field("columns", &R::columns).client_only());
    }
};

struct ListResponse {
    std::vector<domain::ProcessView> processes;
    std::optional<std::int64_t> more_ended;  // that an agent has not asked for

    template <class Each>
    static constexpr void fields(Each&& each) {
        each(schema::field("processes", &ListResponse::processes));
        each(schema::field("more_ended", &ListResponse::more_ended).left_out_if_absent());
    }
};

/// See schema::to_columns.
extern const schema::Form<std::vector<domain::ProcessView>> columns_form;

/// The same for whoever shows a table of many: without what no row shows (texts, places of logs, commands behind
/// labels), in a form that is quickly read.
struct ListTable {
    std::vector<domain::ProcessView> processes;

    template <class Each>
    static constexpr void fields(Each&& each) {
        each(schema::field("columns", &ListTable::processes).in_form(&columns_form));
    }
};

}  // namespace persistproc::ops

PERSISTPROC_REQUEST_CODECS(extern, persistproc::ops::ListRequest)
PERSISTPROC_ANSWER_CODECS(extern, persistproc::ops::ListResponse)
PERSISTPROC_ANSWER_CODECS(extern, persistproc::ops::ListTable)
