#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/domain/process.hpp"
#include "common/ops/operation.hpp"
#include "common/ops/wait_spec.hpp"

namespace persistproc {
namespace ops {

/// When the process already runs.
enum class IfRunning { keep, restart, refuse };

/// Member of a request's `_meta` by which the bridge says what the environment of its agent is: an array of
/// "NAME=value".
inline constexpr const char* environment_meta = "persistproc/environment";

/// Tools of the Python original that start, too; the second one where its `action` is the first one's name.
inline constexpr const char* original_start = "start";
inline constexpr const char* original_control = "ctrl";

struct StartRequest {
    domain::Definition definition;    // its label is empty where none was given; the core derives one
    domain::Environment environment;  // set on top of the base
    IfRunning if_running = IfRunning::keep;
    // The id of a process that is to be started as it was defined. Nothing else but `if_running` and `request_key` is
    // read then.
    std::optional<std::string> process;
    std::optional<WaitSpec> wait;  // and answer with what came of it
    // What only the client at the user's terminal can know: its whole environment, umask and limits.
    std::optional<std::vector<std::string>> base_environment;  // else the daemon's own
    std::optional<std::int64_t> umask;
    std::vector<std::vector<std::int64_t>> limits;  // [resource, soft, hard], -1: unlimited
    bool tty = false;                               // what its definition says then, as agents ask for it
    bool bytes_as_text = false;                     // see carry_bytes
    // Names this request: asked again with the same key, because its daemon died, it starts nothing twice.
    std::optional<std::string> request_key;
    // Fields of the definition that were said although they are what is usual: only who typed them knows.
    std::vector<std::string> said;

    static constexpr Operation operation{
        .name = "start_process",
        .title = "Start process",
        .description =
            "Start a long-running command (dev server, watcher, database, worker) that outlives this session, or "
            "return the "
            "one that already runs. Not for commands that end at once.",
        .effects = {.open_world = true},
        .audit = "start",
        .sleeps = true,
    };
    static constexpr Typed typed{
        .name = "start",
        .words = "CMD… | TARGET…",
        .summary = "start it in the background",
        .text =
            "Starts the command in the background and returns once it runs. Words that are all ids or labels of "
            "processes, the first no program unless it stands alone, start those as they were defined, unless they "
            "run; flags that define a process do not go with them, and others may stand behind. Behind -- the words "
            "are a command.",
        .examples = {"persistproc start --label db postgres -D data", "persistproc start db",
                     "persistproc start db web"},
        .statuses = {{4, "there is no process at all, and the one word is no program"},
                     {126, "the program is not executable"},
                     {127, "no such program"}},
        .words_kind = schema::ValueKind::command,
    };

    template <class Each>
    static constexpr void fields(Each&& each) {
        using R = StartRequest;
        using schema::field;
        schema::inlined(&R::definition, each);
        each(field("environment", &R::environment, "Variables to set")
                 .secret()
                 .as_flag("e,env", "KEY=VALUE", "Set a variable; may be repeated"));
        each(field("tty", &R::tty, "On a terminal: for REPLs, prompts, TUIs")
                 .only(schema::by_agents)
                 .as_flag("t,tty", "", "Run it on a terminal: its output is one stream, and it prints at once"));
        each(field("if_running", &R::if_running, "When it already runs"));
        each(field("process", &R::process).client_only());
        each(field("wait", &R::wait, "Then wait: arguments of wait_for_process but process, cursor")
                 .in_form(&wait_form));
        each(field("base_environment", &R::base_environment).client_only().secret());
        each(field("umask", &R::umask).client_only().range(0, 0777));
        each(field("limits", &R::limits).client_only());
        each(field("bytes_as_text", &R::bytes_as_text).client_only());
        each(field("request_key", &R::request_key).client_only().range(16, 64));
        each(field("said", &R::said).client_only().absent_if_empty());
    }
    /// What no field tells alone: a text without `shell` is split into words, bytes are restored. Errors: invalid.
    Result<void> finish_reading(const schema::Json& arguments);
    /// Errors: invalid (the size of a terminal, without one).
    Result<void> check_terminal() const;
};

/// Arguments, directory and variables are bytes, JSON is text. Where one of them is no UTF-8, all are carried as
/// base::bytes_to_text and `bytes_as_text` says so; `restore_bytes` undoes it. Errors: invalid (text of another form).
void carry_bytes(StartRequest& request);
Result<void> restore_bytes(StartRequest& request);

/// The process view and whether this call made the run.
struct StartResponse : domain::ProcessView {
    bool created = false;
    std::string cursor;                   // where the output of its run begins
    std::optional<std::int64_t> old_pid;  // of the program that it replaces
    // Of one that was running already, or waited to run again: what was asked for and does not apply to it.
    std::vector<std::string> ignored_variables;  // names
    std::vector<std::string> ignored_settings;   // fields of the definition
    // Of a project's, which is begun alone: others of it that it needs, and that are not as it needs them.
    std::vector<std::string> lacking;

    template <class Each>
    static constexpr void fields(Each&& each) {
        domain::ProcessView::fields(each);
        using R = StartResponse;
        each(schema::field("created", &R::created));
        each(schema::field("cursor", &R::cursor).absent_if_empty().left_out_if_absent());
        each(schema::field("old_pid", &R::old_pid).left_out_if_absent());
        each(schema::field("ignored_variables", &R::ignored_variables).absent_if_empty().left_out_if_absent());
        each(schema::field("ignored_settings", &R::ignored_settings).absent_if_empty().left_out_if_absent());
        each(schema::field("lacking", &R::lacking).absent_if_empty().left_out_if_absent());
    }
};

}  // namespace ops

namespace schema {
template <>
struct EnumNames<ops::IfRunning> {
    using E = ops::IfRunning;
    static constexpr std::pair<E, std::string_view> names[] = {
        {E::keep, "return"}, {E::restart, "restart"}, {E::refuse, "error"}};
};
}  // namespace schema
}  // namespace persistproc

PERSISTPROC_REQUEST_CODECS(extern, persistproc::ops::StartRequest)
PERSISTPROC_ANSWER_CODECS(extern, persistproc::ops::StartResponse)
