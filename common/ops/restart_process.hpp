#pragma once
#include "common/domain/process.hpp"
#include "common/ops/operation.hpp"
#include "common/ops/stop_process.hpp"
#include "common/ops/wait_spec.hpp"

namespace persistproc::ops {

/// Asked as a stop is. Another environment is the client's to ask for: an agent starts it anew with `if_running`.
struct RestartRequest : StopRequest {
    domain::Environment environment;                           // set on top of what it has, for later runs too
    std::optional<std::vector<std::string>> base_environment;  // in place of what it inherited
    std::optional<domain::Input> input;                        // from now on
    std::optional<domain::TerminalSize> size;                  // likewise
    bool bytes_as_text = false;                                // see carry_bytes
    bool dependents = false;                                   // and then what needs it in its project, and runs
    std::optional<WaitSpec> wait;                              // and answer with what came of it

    static constexpr Operation operation{
        .name = "restart_process",
        .title = "Restart process",
        .description =
            "Stop a process with all it started and start it again, with the same command and environment; start it "
            "when it "
            "does not run. Keeps id, label and output.",
        .effects = {.destructive = true},
        .audit = "restart",
        .sleeps = true,
    };
    static constexpr Typed typed{
        .name = "restart",
        .words = "TARGET… | all",
        .summary = "stop and start again",
        .text =
            "Stops and starts again, with the same command, directory and environment. What -e and --env-file set "
            "comes on top of that, for later runs too.",
        .examples = {"persistproc restart web", "persistproc restart -e PORT=3001 web",
                     "persistproc restart --update-env web       # with the variables of this shell"},
        .words_kind = schema::ValueKind::target,
    };

    template <class Each>
    static constexpr void fields(Each&& each) {
        using R = RestartRequest;
        using schema::field;
        StopRequest::fields(each);
        each(field("wait", &R::wait, "Then wait: arguments of wait_for_process but process, cursor")
                 .in_form(&wait_form));
        each(field("environment", &R::environment)
                 .client_only()
                 .secret()
                 .as_flag("e,env", "KEY=VALUE", "Set a variable, also for later runs; may be repeated"));
        each(field("base_environment", &R::base_environment).client_only().secret());
        each(field("input", &R::input).client_only());
        each(field("size", &R::size)
                 .client_only()
                 .in_form(&domain::terminal_size_form)
                 .as_flag("size", "COLUMNSxROWS", "Of its terminal, from now on"));
        each(field("bytes_as_text", &R::bytes_as_text).client_only());
        each(field("dependents", &R::dependents)
                 .client_only()
                 .as_flag("dependents", "", "Then also what needs it in its project, in order"));
    }
    /// Restores bytes. Errors: invalid.
    Result<void> finish_reading(const schema::Json& arguments);
};

/// As that of a start.
void carry_bytes(RestartRequest& request);

struct RestartResponse : domain::ProcessView {
    std::optional<std::int64_t> old_pid;
    std::string cursor;                   // where the output of its run begins
    std::vector<std::string> dependents;  // that were restarted after it: labels

    template <class Each>
    static constexpr void fields(Each&& each) {
        domain::ProcessView::fields(each);
        each(schema::field("old_pid", &RestartResponse::old_pid));
        each(schema::field("cursor", &RestartResponse::cursor).absent_if_empty().left_out_if_absent());
        each(schema::field("dependents", &RestartResponse::dependents).absent_if_empty().left_out_if_absent());
    }
};

}  // namespace persistproc::ops

PERSISTPROC_REQUEST_CODECS(extern, persistproc::ops::RestartRequest)
PERSISTPROC_ANSWER_CODECS(extern, persistproc::ops::RestartResponse)
