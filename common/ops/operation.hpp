#pragma once
/// What is said of an operation, or of another subcommand, in one place: from it come the tools agents see, and the
/// help, the manual, the README's table and the completion people see. Texts are static.
#include <string_view>

#include "common/schema/field.hpp"

namespace persistproc::ops {

/// What a call does to the world, as MCP's annotations have it.
struct Effects {
    bool read_only = false;
    bool destructive = false;
    bool idempotent = false;
    bool open_world = false;  // starts programs that do what they like
};

struct ExitStatus {
    int status = 0;
    std::string_view text;
};

/// How a person asks for something at a terminal. That of an operation is its request's `typed`; the flags are the
/// request's own, and what only the client knows besides.
struct Typed {
    std::string_view name;
    std::string_view aliases;  // separated by blanks
    std::string_view words;    // what follows the flags: "TARGET… | all"
    std::string_view summary;  // half a line
    std::string_view text;     // whole sentences, without line breaks
    std::string_view examples[4];
    ExitStatus statuses[4];  // beside those that all subcommands have; the first with an empty text ends them
    // Completion: what the words are. After the first word of a command everything belongs to that command.
    schema::ValueKind words_kind = schema::ValueKind::text;
};

/// An operation of the daemon.
struct Operation {
    const char* name;   // of the tool
    const char* title;  // empty: the client's own
    const char* description;
    Effects effects;
    schema::Audience audience = schema::Audience::agent;  // client: never listed to agents, unknown to them
    std::string_view audit;                               // the word in the history; empty: it changes nothing
    bool sleeps = false;                                  // most of its time it waits for a process
};

}  // namespace persistproc::ops
