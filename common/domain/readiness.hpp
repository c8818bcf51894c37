#pragma once
/// What makes a run ready, and what keeps it healthy: definitions of checks. A run is ready once all of its checks have
/// held. What is looked at, and when, is decided elsewhere.
///
///     3000                 its tree listens on this port
///     "port"               … on the process's own port; where nobody has given it one: on any but a debugger's
///     "/healthz"           an HTTP answer from 200 to 399 at that port; also "http://localhost:N/path"
///     "notify"             it has said READY=1 (sd_notify)
///     {log = RE2}          a line of the run matches
///     {command = …}        it ends with 0; also {file = path}, {socket = path}: is there, newer than the run
///     [ …, … ]             all of these
///
/// A table may also hold `timeout`, `period`, `probe_timeout`, `initial_delay`, `successes`, `failures`, and of HTTP
/// `status` and `body`.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "common/base/result.hpp"
#include "common/schema/field.hpp"

namespace persistproc::domain {

/// Without a number: the process's own port.
struct PortCheck {
    std::optional<int> port;
    friend bool operator==(const PortCheck&, const PortCheck&) = default;
};
/// GET over HTTP/1.1 at the address of the listening socket.
struct HttpCheck {
    std::optional<int> port;
    std::string path;                                     // begins with "/"
    std::vector<std::pair<int, int>> status{{200, 399}};  // inclusive ranges
    std::string body;                                     // RE2; empty: any
    friend bool operator==(const HttpCheck&, const HttpCheck&) = default;
};
struct LogCheck {
    std::string pattern;  // RE2
    friend bool operator==(const LogCheck&, const LogCheck&) = default;
};
/// Runs with the process's environment and directory.
struct CommandCheck {
    std::vector<std::string> command;
    bool shell = false;  // command is one word, given to /bin/sh -c
    friend bool operator==(const CommandCheck&, const CommandCheck&) = default;
};
struct FileCheck {
    std::string path;
    friend bool operator==(const FileCheck&, const FileCheck&) = default;
};
struct SocketCheck {
    std::string path;
    friend bool operator==(const SocketCheck&, const SocketCheck&) = default;
};
struct NotifyCheck {
    friend bool operator==(const NotifyCheck&, const NotifyCheck&) = default;
};

struct Check {
    std::variant<PortCheck, HttpCheck, LogCheck, CommandCheck, FileCheck, SocketCheck, NotifyCheck> subject;
    std::optional<double> timeout_seconds;  // readiness: then the run is ended
    // Nothing: what is usual for the kind and the purpose.
    std::optional<double> period_seconds, probe_timeout_seconds;
    double initial_delay_seconds = 0;
    std::optional<std::int64_t> successes;  // in a row, until it holds
    std::optional<std::int64_t> failures;   // health: in a row, until it does not
    friend bool operator==(const Check&, const Check&) = default;
};

/// All must hold. Empty: no check.
using Checks = std::vector<Check>;

/// As it stands in a project's file or a request; written as a list of tables with what is not usual alone. Errors:
/// invalid, naming the member.
extern const schema::Form<Checks> checks_form;

/// As it is typed at a terminal: 3000, "/healthz", "http://localhost:3000/", "port", "notify", "log:RE2",
/// "command:CMD", "file:PATH", "socket:PATH", or a table as JSON. Errors: invalid. Pure.
Result<Check> parse_check(const std::string& text);

/// "port 3000", "GET /healthz", "log /ready/", "pg_isready -q", "file run.pid": for people, one line.
std::string check_text(const Check& check);

/// A shell's command where `text` needs one (operators, variables, an assignment or a builtin first, several lines),
/// else its words: `shell` says which. Pure.
struct TypedCommand {
    std::vector<std::string> command;
    bool shell = false;
};
TypedCommand read_typed_command(const std::string& text);

}  // namespace persistproc::domain
