#include "common/ops/wait_for_process.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/this_coro.hpp>

#include "common/async/task_group.hpp"
#include "common/base/text.hpp"
#include "common/logstore/show.hpp"
#include "common/ops/list_processes.hpp"
#include "daemon/tools/describe.hpp"
#include "daemon/tools/failing.hpp"
#include "daemon/tools/reading.hpp"
#include "daemon/tools/tools.hpp"
#include "daemon/tools/typed_tool.hpp"
#include "daemon/tools/waiting.hpp"

namespace persistproc::tools {

namespace {

// Clients give up on a call after a minute; one that can poll a task has no such bound.
constexpr double longest_call = 50;  // seconds
constexpr double task_from = 10;     // seconds: shorter waits are not worth a task
constexpr auto progress_interval = std::chrono::seconds(5);
constexpr const char* result_key = "persistproc/result";

/// Who waits behind a start has just been told of what runs since; and what has come has come of what was named, whose
/// id stands in the cursor.
std::string who_in(const core::WaitResult& result, Introduced introduced) {
    const core::Located& process = result.process;
    const bool is_news = process.state != ProcessState::running || process.outcome || !process.causes.empty();
    const bool has_come = result.end != ops::WaitOutcome::timed_out && result.end != ops::WaitOutcome::ended;
    return (introduced == Introduced::yes || has_come) && !is_news ? "" : headline(process) + "; ";
}

/// Which run it is about, if not the one there was when the wait began.
std::string next_run(const core::WaitResult& result) {
    // Of one that has ended the end says it.
    if (result.run > result.begun_in && result.end != ops::WaitOutcome::ended)
        return fmt::format("in its next run, {}; ", to_string(RunId{result.process.id, result.run}));
    const bool is_awaited = result.end == ops::WaitOutcome::timed_out && result.process.runs_again;
    return is_awaited ? "its next run has not begun; " : "";
}

/// "; error at src/a.ts:3:5"; nothing where no place is told: what is printed speaks for itself.
std::string error_at(const std::optional<logstore::ErrorBlock>& error) {
    const std::string place = place_of(error);
    return place.empty() ? place : "; error" + place;
}

std::string unsearched_text(const core::WaitResult& result) {
    if (result.unsearched == 0) return "";
    return fmt::format("; there was no time for {} from the cursor on, which {} not searched",
                       base::counted(result.unsearched, "byte"), result.unsearched == 1 ? "was" : "were");
}

/// Why it is not ready: " (port 3000: nothing listens)".
std::string not_ready_text(const core::WaitResult& result) {
    return result.not_ready.empty() ? "" : fmt::format(" ({})", base::escape_line(result.not_ready));
}

/// What has not come, in the fewest words.
std::string_view awaited_text(ops::WaitCondition until) {
    switch (until) {
        case ops::WaitCondition::pattern: return "the pattern";
        case ops::WaitCondition::port: return "the port";
        case ops::WaitCondition::exit: return "it ended";
        case ops::WaitCondition::quiet: return "it was quiet";
        case ops::WaitCondition::ready: break;
    }
    return "it was ready";
}

/// `left`: as for `answer`.
std::string what_happened(const ops::WaitRequest& request, const core::WaitResult& result, double left,
                          Introduced introduced) {
    const std::string who =
        who_in(result, introduced) + (request.until == ops::WaitCondition::exit ? "" : next_run(result));
    switch (result.end) {
        // The line itself comes with the output below: what a program printed does not stand among our own facts.
        case ops::WaitOutcome::matched: return who + "last line matched";
        case ops::WaitOutcome::ready:
            return fmt::format("{}ready{}", who, result.process.url.empty() ? "" : " at " + result.process.url);
        case ops::WaitOutcome::port_open: return fmt::format("{}listens on port {}", who, result.port.value_or(0));
        case ops::WaitOutcome::quiet: return fmt::format("{}quiet for {} s", who, request.quiet_seconds.value_or(2));
        case ops::WaitOutcome::error:
            return fmt::format("{}error{} before {}", who, place_of(result.error), awaited_text(request.until));
        case ops::WaitOutcome::timed_out:
            if (left > 0)
                return fmt::format("{}not yet after {} s: {}{}. Still waiting: call again with timeout_seconds {}{}",
                                   who, longest_call, schema::enum_name(request.until), not_ready_text(result), left,
                                   request.until == ops::WaitCondition::pattern ? " and the cursor" : "");
            return fmt::format("{}not yet after {} s: {}{}", who, request.timeout_seconds,
                               schema::enum_name(request.until), not_ready_text(result) + unsearched_text(result));
        case ops::WaitOutcome::ended:
        case ops::WaitOutcome::still_waiting: break;
    }
    const std::string run = to_string(RunId{result.process.id, result.run});
    std::optional<Outcome> outcome = result.outcome;
    if (outcome && !result.process.is_live) outcome->causes.clear();  // the headline tells them
    if (request.until == ops::WaitCondition::exit)
        return result.process.is_live ? fmt::format("{}run {} {}", who, run, fate(outcome)) : headline(result.process);
    // How it ended is told by the headline, if that is of this run.
    const bool is_told = !result.process.is_live && result.process.ended_run == result.run;
    // What had come before nobody knows, but for what it printed.
    const bool was_over = result.was_over && request.until != ops::WaitCondition::pattern;
    return fmt::format("{}run {} {} before {}{}", who, run, is_told ? "ended" : fate(outcome),
                       was_over ? fmt::format("this wait began ({})", schema::enum_name(request.until))
                                : std::string(awaited_text(request.until)),
                       error_at(result.error));
}

/// Says every few seconds that the wait goes on, so that clients extend their patience.
Task<> tell_progress(async::Clock& clock, mcp::CallContext context, double seconds) {
    const MonoTime begin = clock.now();
    for (MonoTime next = begin + progress_interval;; next += progress_interval) {
        co_await clock.sleep_until(next);
        const double elapsed = std::chrono::duration<double>(next - begin).count();
        context.progress(elapsed, seconds, fmt::format("waited {} s", elapsed));
    }
}

Task<core::Waited> wait_with_progress(Backend backend, ops::WaitRequest request, double asked_seconds,
                                      mcp::CallContext context, core::Asker who) {
    async::TaskGroup progress(co_await boost::asio::this_coro::executor);
    if (context.wants_progress()) progress.spawn("progress", tell_progress(backend.clock, context, asked_seconds));
    co_return co_await backend.waiter.wait(std::move(request), who);
}

Task<Result<std::string>> id_of(Backend backend, std::string target) {
    const auto process = co_await backend.supervisor.locate(std::move(target));
    if (!process) co_return process.error();
    co_return to_string(process->id);
}

Task<core::Waited> look_once(Backend backend, ops::WaitRequest request, core::Asker who) {
    request.timeout_seconds = 0;
    return backend.waiter.wait(std::move(request), who);
}

/// What is true already is answered at once; a long wait becomes a task where the caller knows tasks, and is cut short
/// of a minute where it does not. `left` is set to the seconds that were cut off.
Task<core::Waited> wait_as_asked(Backend backend, ops::WaitRequest request, mcp::CallContext context,
                                 std::shared_ptr<double> left) {
    const double seconds = request.timeout_seconds;
    const core::Asker who = co_await asker_of(backend, context.principal, backend.waiter.is_crowded());
    if (seconds > task_from && context.can_become_task()) {
        auto seen = co_await look_once(backend, request, who);
        if (!seen || (*seen)->end != ops::WaitOutcome::timed_out) co_return seen;
        mcp::TaskTerms terms;
        terms.ttl = std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000)) + std::chrono::minutes(10);
        if (context.channel->become_task(terms)) co_return co_await backend.waiter.wait(std::move(request), who);
    }
    if (context.principal.audience() == schema::Audience::agent && seconds > longest_call) {
        *left = seconds - longest_call;
        request.timeout_seconds = longest_call;
    }
    const double queued = std::chrono::duration<double>(backend.clock.now() - context.arrived).count();
    const double asked = request.timeout_seconds;
    request.timeout_seconds = std::max(asked - queued, 0.0);
    co_return co_await wait_with_progress(backend, std::move(request), asked, std::move(context), who);
}

/// It runs again and again, and none of its runs lasts; or the run that there was when the wait began has failed, and
/// its policy has begun another.
bool is_looping(const core::WaitResult& waited) {
    const core::Located& process = waited.process;
    if (process.ended_run == 0) return false;
    const bool is_told = std::any_of(process.causes.begin(), process.causes.end(),
                                     [](const auto& each) { return each.code == CauseCode::quick_failures; });
    if (is_told || process.state == ProcessState::backoff) return true;
    const auto& outcome = process.last_outcome;
    return waited.begun_in > 0 && process.ended_run >= waited.begun_in && outcome &&
           outcome->reason != OutcomeReason::stopped;
}

/// Whether the run whose end was waited for ended by itself, and not well.
bool has_failed(const core::WaitResult& waited) {
    const auto& outcome = waited.outcome;
    return waited.end == ops::WaitOutcome::ended && outcome && outcome->reason != OutcomeReason::stopped &&
           outcome->exit_code != 0;
}

/// Nothing: what was waited for has come, or there is time left, or it is not asked.
Task<std::optional<core::Failure>> explain(Backend backend, const ops::WaitRequest& request,
                                           const core::WaitResult& waited, double left) {
    const bool is_over = waited.end == ops::WaitOutcome::timed_out && left <= 0;
    const bool is_failure = waited.end == ops::WaitOutcome::ended || waited.end == ops::WaitOutcome::error || is_over;
    if (!request.watch_errors || !is_failure) co_return std::nullopt;
    const RunId run{waited.process.id, waited.run};
    if (request.until == ops::WaitCondition::exit) {
        if (!has_failed(waited)) co_return std::nullopt;
        co_return co_await backend.failures.explain_ended(run);
    }
    std::optional<int> port;
    if (waited.error) port = logstore::refused_port(*waited.error);
    std::optional<int> awaited;
    if (request.until == ops::WaitCondition::port && request.port) awaited = static_cast<int>(*request.port);
    if (waited.end != ops::WaitOutcome::ended && is_looping(waited)) {
        const RunId ended{waited.process.id, waited.process.ended_run};
        auto of_last = co_await backend.failures.explain_ended(ended);
        if (of_last && waited.error) of_last->error.reset();
        co_return of_last;
    }
    auto ports = co_await backend.failures.find_complaints(run);
    if (port) ports.insert(ports.begin(), *port);
    // One that lives has nothing to compare its life with yet.
    const bool is_live = waited.end != ops::WaitOutcome::ended;
    if (is_live && ports.empty() && !awaited) co_return std::nullopt;
    auto failure = co_await backend.failures.explain(waited.process.id, waited.run, std::move(ports), awaited);
    if (is_live && !port && !failure.holder) co_return std::nullopt;
    if (is_live) failure.lived.reset();
    co_return failure;
}

ops::WaitMeta meta_of(const core::WaitResult& waited, double left) {
    ops::WaitMeta meta;
    meta.process = to_string(waited.process.id);
    meta.state = waited.process.state;
    meta.match = waited.match;
    if (meta.match) meta.match = base::clean_output(*meta.match);
    if (waited.port) meta.port = *waited.port;
    if (waited.end == ops::WaitOutcome::ready && !waited.process.url.empty()) meta.url = waited.process.url;
    meta.detail = waited.not_ready;
    if (waited.unsearched > 0)
        meta.detail = fmt::format("there was no time to look at {}", base::counted(waited.unsearched, "byte"));
    meta.run = to_string(RunId{waited.process.id, waited.run});
    if (waited.run > waited.begun_in && waited.begun_in > 0)
        meta.earlier_run = to_string(RunId{waited.process.id, waited.begun_in});
    if (const auto& outcome = waited.outcome) {
        static_cast<domain::Ending&>(meta) = domain::ending_of(*outcome);
        meta.stopped = outcome->reason == OutcomeReason::stopped;
        // With what has become of the process since.
        if (!waited.process.is_live) meta.causes = waited.process.causes;
    }
    meta.next_cursor = logstore::format_cursor(meta.process, waited.next);
    if (waited.error) meta.error = printed_error(*waited.error);
    const bool goes_on = waited.end == ops::WaitOutcome::timed_out && left > 0;
    meta.outcome = goes_on ? ops::WaitOutcome::still_waiting : waited.end;
    return meta;
}

/// Of a wait, as get_process_output shows them.
logstore::Shown show_lines(std::vector<logstore::Line> lines, const std::optional<std::string>& pattern) {
    logstore::LinePage page;
    page.lines = std::move(lines);
    logstore::ShowOptions options;
    options.grep = pattern;
    return logstore::show(std::move(page), options);
}

/// Whether the newest lines show something of it: else they are what the run ended with.
bool is_newest(const logstore::ErrorBlock& error, const core::WaitResult& waited) {
    return waited.lines.empty() || error.run != waited.run || error.end > waited.lines.front().position;
}

/// `left`: seconds that were asked for beyond what this call waited.
mcp::ToolResult answer(const ops::WaitRequest& request, const core::WaitResult& waited, double left,
                       const std::optional<core::Failure>& failure, Introduced introduced) {
    ops::WaitMeta meta = meta_of(waited, left);
    if (failure) meta.failure = facts_of(*failure, waited.process.id);
    std::optional<Error> failed;
    if (waited.end == ops::WaitOutcome::timed_out && left <= 0)
        failed = Error{ErrorCode::timeout, ""};
    else if (waited.end == ops::WaitOutcome::error)
        failed = Error{ErrorCode::conflict, ""};
    else if (waited.end == ops::WaitOutcome::ended && request.until != ops::WaitCondition::exit)
        failed = Error{ErrorCode::conflict, ""};
    std::string said = what_happened(request, waited, left, introduced);
    const std::string why = failure ? core::failure_text(*failure) : "";
    if (!why.empty()) said += "; " + why;
    logstore::ErrorBlock::Text output;
    if (waited.error) {
        output = waited.error->text();
    } else if (failure && failure->error && is_newest(*failure->error, waited)) {
        meta.error = printed_error(*failure->error);
        said += error_at(failure->error);
        output = failure->error->text();
    } else {
        logstore::Shown shown = show_lines(waited.lines, request.pattern);
        output = {std::move(shown.text), std::move(shown.marker)};
    }
    if (!output.marker.empty()) said += fmt::format(", marks {}", output.marker);
    mcp::ToolResult result;
    if (failed) {
        failed->message = said;
        result = mcp::tool_failure(*failed);
        result.text = fmt::format("{}: ", base::code_name(failed->code));
    }
    result.text += fmt::format("{}; cursor {}\n{}", said, meta.next_cursor, output.text);
    if (!result.meta.is_object()) result.meta = mcp::Json::object();
    result.meta[result_key] = schema::to_json(meta);
    return result;
}

/// The time that the call waits for its turn is of its own.
std::optional<std::chrono::nanoseconds> patience(const mcp::Json& arguments, schema::Audience audience) {
    const auto request = schema::parse<ops::WaitRequest>(arguments, audience);
    if (!request) return std::nullopt;
    const bool is_cut = audience == schema::Audience::agent && request->timeout_seconds > longest_call;
    const std::chrono::duration<double> longest(is_cut ? longest_call : request->timeout_seconds);
    return std::chrono::duration_cast<std::chrono::nanoseconds>(longest);
}

/// The members of a process's view as it is now, absent ones as null; nothing: it is gone.
Task<std::optional<mcp::Json>> view_members(Backend backend, std::string process) {
    ops::ListRequest request;
    request.process = std::move(process);
    const auto views = co_await backend.supervisor.list(std::move(request));
    if (!views || views->size() != 1) co_return std::nullopt;
    co_return schema::to_json(views->front());
}

void replace_members(mcp::Json& of, const mcp::Json& members) {
    for (const auto& [name, member] : members.items()) of.erase(name);
    const mcp::Json present = without_absent(members);
    for (const auto& [name, member] : present.items()) of[name] = member;
}

Task<mcp::ToolResult> wait(Backend backend, ops::WaitRequest request, mcp::CallContext context) {
    // Whatever the name stands for later, this process is meant.
    auto id = co_await id_of(backend, request.process);
    if (!id) co_return mcp::tool_failure(id.error());
    request.process = std::move(*id);
    co_return co_await wait_and_tell(backend, std::move(request), std::move(context));
}

}  // namespace

Task<mcp::ToolResult> wait_and_tell(Backend backend, ops::WaitRequest request, mcp::CallContext context,
                                    Introduced introduced) {
    if (context.principal.audience() == schema::Audience::agent) request.watch_errors = true;
    const auto left = std::make_shared<double>(0);
    ops::WaitRequest asked = request;
    const auto waited = co_await wait_as_asked(backend, std::move(asked), std::move(context), left);
    if (!waited) co_return mcp::tool_failure(waited.error());
    auto failure = co_await explain(backend, request, **waited, *left);
    // Who has just restarted it knows.
    if (failure && introduced == Introduced::yes) failure->restarted_by.clear();
    co_return answer(request, **waited, *left, failure, introduced);
}

Task<Result<void>> check_wait(Backend backend, std::optional<ops::WaitSpec> wait, mcp::Principal principal) {
    if (!wait) co_return Result<void>{};
    const core::Asker who = co_await asker_of(backend, principal, backend.waiter.is_crowded());
    const auto checked = co_await backend.waiter.check(std::move(*wait), who);
    if (!checked) co_return base::with_context(checked.error(), "wait");
    co_return Result<void>{};
}

Task<Result<void>> check_checks(Backend backend, domain::Checks checks, mcp::Principal principal) {
    if (checks.empty()) co_return Result<void>{};
    const core::Asker who = co_await asker_of(backend, principal, backend.waiter.is_crowded());
    co_return co_await backend.waiter.check(std::move(checks), who);
}

Task<mcp::ToolResult> then_wait(Backend backend, mcp::ToolResult started, std::string process,
                                std::optional<std::string> run, ops::WaitSpec spec, mcp::CallContext context) {
    ops::WaitRequest request;
    static_cast<ops::WaitSpec&>(request) = std::move(spec);
    const std::string id = process;
    request.process = std::move(process);
    request.run = std::move(run);
    context.note_done(started.text);
    context.arrived = backend.clock.now();
    auto waited = co_await wait_and_tell(backend, std::move(request), std::move(context), Introduced::yes);
    waited.text = started.text + '\n' + waited.text;
    if (started.structured) {
        auto now = co_await view_members(backend, id);
        if (now) replace_members(*started.structured, *now);
    }
    // Some clients show nothing else to the model.
    if (started.structured && waited.meta.is_object() && waited.meta.contains(result_key))
        (*started.structured)["wait"] = without_absent(waited.meta[result_key]);
    waited.structured = std::move(started.structured);
    co_return waited;
}

Tool wait_for_process(Backend backend) {
    auto handler = typed_handler<ops::WaitRequest>([backend](ops::WaitRequest request, mcp::CallContext context) {
        return wait(backend, std::move(request), std::move(context));
    });
    mcp::ToolDefinition definition = define<ops::WaitRequest>();
    definition.patience = patience;
    return {std::move(definition), std::move(handler)};
}

}  // namespace persistproc::tools
