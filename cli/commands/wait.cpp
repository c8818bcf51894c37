#include "cli/commands/wait.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <chrono>
#include <filesystem>
#include <set>
#include <utility>

#include "cli/client.hpp"
#include "cli/commands/arguments.hpp"
#include "cli/daemon_start.hpp"
#include "cli/format/ending.hpp"
#include "cli/format/json_text.hpp"
#include "cli/format/process_text.hpp"
#include "cli/reader_gone.hpp"
#include "cli/run_survey.hpp"
#include "cli/session/last_words.hpp"
#include "cli/session/policy.hpp"
#include "cli/silent_daemon.hpp"
#include "cli/slow_end.hpp"
#include "cli/targets.hpp"
#include "common/async/notifier.hpp"
#include "common/async/task_group.hpp"
#include "common/base/file.hpp"
#include "common/base/text.hpp"
#include "common/ops/error.hpp"
#include "common/ops/wait_for_process.hpp"

namespace persistproc::cli::commands {

namespace {

using boost::asio::experimental::awaitable_operators::operator||;

/// The daemon answers within this time, so that a longer wait is several questions.
constexpr double longest_question_seconds = 600;
constexpr auto daemon_return_bound = std::chrono::seconds(10);
constexpr auto daemon_return_pause = std::chrono::milliseconds(100);
/// One that is back sooner is not missed. With what a question takes to fail, less than a second.
constexpr auto daemon_missed_after = std::chrono::milliseconds(400);

/// Nobody reads the answer, and it has not come: as one that SIGPIPE has ended.
constexpr int unread_status = 128 + SIGPIPE;

int exit_status_of(const ops::WaitMeta& meta) {
    session::RunEnd end;
    end.exit_code = meta.exit_code;
    if (meta.signal) end.signal = domain::find_signal(*meta.signal);
    const auto why = std::find_if(meta.causes.begin(), meta.causes.end(),
                                  [](const Cause& each) { return each.code == CauseCode::start_failed; });
    if (why != meta.causes.end()) end.exec_error = why->os_error.value_or(0);
    return session::exit_status_of(end);
}

/// `view`: of the process as it is now, or as it was.
std::string ended_text(ProcessView view, const ops::WaitMeta& meta, std::string_view missed = {}) {
    if (view.run != meta.run || domain::is_live(view)) {
        view.run = meta.run;
        view.started_at.reset();
        view.ended_at.reset();
        static_cast<domain::Ending&>(view) = meta;
        view.state = meta.stopped ? ProcessState::stopped : meta.signal ? ProcessState::killed : ProcessState::exited;
        if (const auto log = find_log(view)) session::complete_end(view, std::nullopt, *log);
    }
    return format::ending_text(view, base::wall_now(), missed);
}

std::chrono::nanoseconds time_of(double seconds) {
    constexpr double longest = 1e9;  // beyond anything that is waited for, and far from an overflow
    return std::chrono::nanoseconds(static_cast<std::int64_t>(std::min(seconds, longest) * 1e9));
}

/// The time is over: one sentence, whatever is waited for. `why`: of what is not ready; empty: not known.
Error not_in_time(const WaitArguments& options, const ProcessView& view, const std::string& why) {
    std::string what = "it did not end";
    if (options.request.pattern) what = "no line matched";
    if (options.request.port) what = fmt::format("port {} did not listen", *options.request.port);
    if (options.request.quiet_seconds) what = "it was not quiet";
    if (options.ready) what = "it was not ready";
    const std::string state = format::state_text(view, base::wall_now());
    return {ErrorCode::timeout, fmt::format("{} is {}; {} within {}{}", format::name_text(view), state, what,
                                            format::span_text(time_of(options.timeout_seconds.value_or(0))),
                                            why.empty() ? why : ": " + base::escape_line(why))};
}
Error no_daemon_in_time(const WaitArguments& options, const std::string& target) {
    return {ErrorCode::timeout, fmt::format("wait {}: no daemon answered within {}", base::excerpt(target),
                                            format::span_text(time_of(options.timeout_seconds.value_or(0))))};
}

/// `was_over`: it had ended before anybody waited, and nobody knows what had come by then.
std::string waited_for(const ops::WaitRequest& request, bool was_over = false) {
    if (was_over && request.until != ops::WaitCondition::pattern) return "this wait began";
    switch (request.until) {
        case ops::WaitCondition::pattern: return "a line matched";
        case ops::WaitCondition::port:
            return request.port ? fmt::format("port {} listened", *request.port) : "it listened";
        case ops::WaitCondition::quiet: return "it was quiet";
        case ops::WaitCondition::ready: return "it was ready";
        case ops::WaitCondition::exit: break;
    }
    return "it came";
}

/// `; port 3000 is held by p4 "web"; error at app.py:9: KeyError`, as far as that is why.
std::string why_text(const std::optional<ops::FailureFacts>& failure, const std::optional<ops::PrintedError>& printed) {
    const std::string held = failure ? ops::held_port_text(*failure) : std::string();
    std::string out = held.empty() ? held : "; " + held;
    if (printed) out += (printed->file ? "; error at " : "; error: ") + format::error_text(*printed);
    return out;
}

/// An error that it printed has ended the wait.
Error printed_before(const ops::WaitRequest& request, const ProcessView& view, const ops::PrintedError& printed) {
    return {ErrorCode::conflict, fmt::format("{} printed an error before {}: {}", format::name_text(view),
                                             waited_for(request), format::error_text(printed))};
}

/// `; lived 312 ms in run 4; port 3000 is held by …`, of one whose state says no more than that it runs again.
std::string all_of_why(const std::optional<ops::FailureFacts>& failure) {
    return failure && !failure->text.empty() ? "; " + failure->text : std::string();
}

/// What the daemon says of it names the run and not the process.
Error ended_before(Error failed, const ops::WaitRequest& request, bool was_over, const Result<ProcessView>& now) {
    if (failed.code != ErrorCode::conflict || !now || domain::is_live(*now) || !now->ended_at) return failed;
    failed.message = format::ending_text(*now, base::wall_now(), waited_for(request, was_over));
    return failed;
}

/// The run that has ended, if it failed; nothing: it did not, or has not.
std::optional<ProcessView> failed_run(const Result<ops::WaitMeta>& answer, const Result<ProcessView>& now) {
    if (!now) return std::nullopt;
    ProcessView out = *now;
    if (!answer) {
        const bool has_ended = answer.error().code == ErrorCode::conflict && format::has_failed(out);
        return has_ended ? std::optional(std::move(out)) : std::nullopt;
    }
    if (answer->outcome != ops::WaitOutcome::ended || answer->stopped || answer->exit_code == 0) return std::nullopt;
    out.run = answer->run;
    return out;
}

/// An answer, with the process as it was just after it.
struct Waited {
    ops::WaitMeta meta;
    ProcessView view;
    bool was_over = false;  // when the wait began
};

/// What was waited for has not come.
std::optional<Error> failure_of(const WaitArguments& options, const Waited& waited) {
    const ops::WaitMeta& meta = waited.meta;
    if (meta.outcome == ops::WaitOutcome::timed_out) return not_in_time(options, waited.view, meta.detail);
    if (meta.outcome == ops::WaitOutcome::ended && options.request.until != ops::WaitCondition::exit)
        return Error{ErrorCode::conflict, ended_text(waited.view, meta, waited_for(options.request, waited.was_over)) +
                                              why_text(meta.failure, meta.error)};
    return std::nullopt;
}

/// Of which the end is waited for; nothing: the daemon knows whether it is this one, or the one after a restart.
std::optional<std::string> run_to_end(const ProcessView& view) {
    if (view.state == ProcessState::stopping) return std::nullopt;
    const auto id = domain::find_process_id(view.id);
    const auto number = view.run && id ? domain::find_run_number(*view.run, *id) : std::nullopt;
    if (!number || view.state != ProcessState::backoff) return view.run;
    return to_string(RunId{*id, *number + 1});
}

/// When the run began and ended whose end was waited for, where that is known.
std::optional<ProcessView> ended_run(const Waited& waited) {
    if (waited.meta.outcome != ops::WaitOutcome::ended) return std::nullopt;
    ProcessView out = waited.view;
    if (out.run != waited.meta.run || domain::is_live(out)) {
        out.run = waited.meta.run;
        out.started_at.reset();
        out.ended_at.reset();
    }
    if (const auto log = find_log(out)) session::complete_end(out, std::nullopt, *log);
    return out;
}

/// In text.
void show(const Console& console, const WaitArguments& options, const Waited& waited) {
    const ops::WaitMeta& meta = waited.meta;
    if (meta.earlier_run && meta.run)
        console.note(
            fmt::format("{} is its next run: there was {} when this wait began", *meta.run, *meta.earlier_run));
    if (meta.match) {
        const std::string whose = options.targets.size() > 1 ? format::name_text(waited.view) + ": " : "";
        console.print(whose + base::escape_line(base::clean_output(*meta.match)) + "\n");
    } else if (meta.outcome == ops::WaitOutcome::port_open) {
        const std::string name = format::name_text(waited.view);
        console.note(meta.port ? fmt::format("{} listens on port {}", name, *meta.port) : name + " listens");
    } else if (meta.outcome == ops::WaitOutcome::ready) {
        const std::string name = format::name_text(waited.view);
        console.note(meta.url ? fmt::format("{} is ready at {}", name, base::escape_line(*meta.url))
                              : name + " is ready");
    } else if (meta.outcome == ops::WaitOutcome::ended) {
        console.note(ended_text(waited.view, meta) + why_text(meta.failure, meta.error));
    }
}

/// What it printed of why, below the line that says so.
void show_printed(const Console& console, const ops::PrintedError& printed) {
    if (console.quiet()) return;
    std::string out;
    for (std::string_view rest = printed.text; !rest.empty();) {
        const std::size_t end = std::min(rest.find('\n'), rest.size());
        out += "  " + base::escape_line(rest.substr(0, end)) + '\n';
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    base::write_all(STDERR_FILENO, out);
}

/// While no daemon answers: how long, and whether that has been said, once for all targets.
class Absence {
public:
    Absence(const Context& context, bool& is_told) : context_(context), is_told_(is_told) {}
    void begin(MonoTime now, const Error& failed) {
        if (!since_) since_ = now;
        // Its silence was told already.
        if (is_silence(failed)) return;
        if (now - *since_ < daemon_missed_after || std::exchange(is_told_, true)) return;
        context_.console.note(fmt::format("the daemon is gone; waiting up to {} for the next one; to start it: {}",
                                          format::span_text(daemon_return_bound),
                                          serve_command(context_.common.data_directory)));
    }
    void end() {
        if (since_) is_told_ = false;
        since_.reset();
    }
    bool is_over(MonoTime now) const { return since_ && now >= *since_ + daemon_return_bound; }
    bool lasts() const { return since_.has_value(); }

private:
    const Context& context_;
    bool& is_told_;
    std::optional<MonoTime> since_;
};

/// Why its run has failed goes into `line`.
Task<Result<Waited>> wait_for(Context context, const WaitArguments& options, std::string target, format::WaitLine& line,
                              bool& is_absence_told) {
    auto client = co_await DaemonClient::connect(context.executor, context.common);
    if (!client) co_return client.error();
    // The process as it is now: one that is forgotten and made anew meanwhile is another.
    auto view = co_await (*client)->find(target);
    async::SystemClock clock;
    const MonoTime begin = clock.now();
    const MonoTime end = options.timeout_seconds ? begin + time_of(*options.timeout_seconds) : MonoTime::max();
    Absence absence(context, is_absence_told);
    double passed = 0;
    while (true) {
        if (clock.now() >= end && (!view || absence.lasts())) co_return no_daemon_in_time(options, target);
        if (!view && view.error().code == ErrorCode::unavailable && clock.now() < begin + daemon_return_bound) {
            absence.begin(clock.now(), view.error());
            const MonoTime next = clock.now() + daemon_return_pause;
            co_await clock.sleep_until(next);
            view = co_await (*client)->find(target);
            continue;
        }
        if (!view) co_return view.error();
        const bool was_over =
            !domain::is_live(*view) && view->state != ProcessState::backoff && view->state != ProcessState::waiting;
        ops::WaitRequest request = options.request;
        request.process = view->id;
        // The run that is there now, or the next one where that waits to begin: an end before the question counts, that
        // of a run which follows does not.
        if (options.request.until == ops::WaitCondition::exit) request.run = run_to_end(*view);
        request.timeout_seconds = options.timeout_seconds
                                      ? std::clamp(*options.timeout_seconds - passed, 0.0, longest_question_seconds)
                                      : longest_question_seconds;
        const bool is_last = options.timeout_seconds && *options.timeout_seconds - passed <= longest_question_seconds;
        // What it prints while it becomes ready is no failure: it may try again.
        request.watch_errors = options.request.until != ops::WaitCondition::exit && !options.ready;
        std::optional<ops::WaitMeta> told;
        auto answer = co_await (*client)->wait(std::move(request), &told);
        if (!answer && answer.error().code == ErrorCode::unavailable) {
            // A daemon that is killed or upgraded comes back, and the next one knows the process: the question is asked
            // again, for a while.
            absence.begin(clock.now(), answer.error());
            if (absence.is_over(clock.now())) {
                std::filesystem::path data = context.common.data_directory;
                auto next = co_await DaemonClient::connect(context.executor, std::move(data));
                co_return next ? answer.error() : next.error();
            }
            const MonoTime next = std::min(end, clock.now() + daemon_return_pause);
            co_await clock.sleep_until(next);
            passed = std::chrono::duration<double>(clock.now() - begin).count();
            continue;
        }
        absence.end();
        const bool is_early = !is_last && (answer ? answer->outcome == ops::WaitOutcome::timed_out
                                                  : answer.error().code == ErrorCode::timeout);
        if (!is_early) {
            std::string id = view->id;
            auto now = co_await (*client)->find(std::move(id));
            if (told) {
                line.failure = std::move(told->failure);
                line.printed = std::move(told->error);
                line.tells_printed = told->outcome != ops::WaitOutcome::ended;
            }
            const ProcessView& newest = now ? *now : *view;
            if (!answer && answer.error().code == ErrorCode::timeout && options.timeout_seconds) {
                const std::string why = told ? told->detail : std::string();
                Error late = not_in_time(options, newest, why);
                late.message += all_of_why(line.failure);
                co_return late;
            }
            if (told && told->outcome == ops::WaitOutcome::error && line.printed) {
                Error failed_first = printed_before(options.request, newest, *line.printed);
                failed_first.message += all_of_why(line.failure);
                co_return failed_first;
            }
            auto failed = failed_run(answer, now);
            if (failed) {
                auto details = co_await (*client)->describe(std::move(failed->id), std::move(failed->run));
                if (details && details->failure) line.failure = std::move(details->failure);
                if (details && details->error) line.printed = std::move(details->error);
            }
            if (!answer) {
                Error refused = ended_before(answer.error(), options.request, was_over, now);
                refused.message += why_text(line.failure, line.printed);
                co_return refused;
            }
            Waited out;
            if (line.failure) answer->failure = line.failure;
            if (line.printed) answer->error = line.printed;
            out.meta = std::move(*answer);
            out.view = now ? std::move(*now) : std::move(*view);
            out.was_over = was_over;
            co_return out;
        }
        passed = std::chrono::duration<double>(clock.now() - begin).count();
    }
}

/// Completes once the time is over and the daemon was suspended, which answers nothing then.
Task<> until_suspended_too_long(std::filesystem::path data, std::optional<double> timeout_seconds) {
    async::SystemClock clock;
    constexpr double for_ever = 1e9;
    MonoTime next = clock.now() + time_of(timeout_seconds.value_or(for_ever));
    do {
        co_await clock.sleep_until(next);
        next = clock.now() + daemon_return_pause;
    } while (!is_stopped(find_lock_holder(data)));
}

/// As wait_for, and no longer than the time that was given.
Task<Result<Waited>> wait_in_time(Context context, const WaitArguments& options, std::string target,
                                  format::WaitLine& line, bool& is_absence_told) {
    const std::filesystem::path data = context.common.data_directory;
    auto waiting = wait_for(std::move(context), options, target, line, is_absence_told);
    auto limit = until_suspended_too_long(data, options.timeout_seconds);
    auto first = co_await (std::move(waiting) || std::move(limit));
    if (first.index() == 0) co_return std::move(std::get<0>(first));
    Error late = no_daemon_in_time(options, target);
    late.message += "; " + silent_daemon(data).message;
    co_return late;
}

/// Shared by the waits of one call; it outlives them.
struct Round {
    Context context;
    WaitArguments options;
    std::vector<format::WaitLine> lines;  // of each target
    std::size_t pending;
    async::Notifier changed;
    bool is_absence_told = false;
    bool tells = true;             // what came of each, in text
    std::set<std::string> told{};  // the processes, or failures, whose end was told: one may be named twice
};

Task<> wait_in(Round& round, std::size_t i) {
    std::string target = round.options.targets[i];
    format::WaitLine& line = round.lines[i];
    auto waited = co_await wait_in_time(round.context, round.options, std::move(target), line, round.is_absence_told);
    const Console& console = round.context.console;
    const bool tells = round.tells && !console.json();
    line.target = round.options.targets[i];
    line.failed = waited ? failure_of(round.options, *waited) : std::optional(waited.error());
    if (waited) line.came = waited->meta;
    if (waited) line.ended = ended_run(*waited);
    if (line.failed) {
        line.status = ops::exit_status(*line.failed);
        if (tells && round.told.insert(line.failed->message).second) {
            console.fail(*line.failed);
            if (line.printed && line.tells_printed) show_printed(console, *line.printed);
        }
    } else {
        const bool is_exit = round.options.request.until == ops::WaitCondition::exit;
        line.status = is_exit ? exit_status_of(waited->meta) : 0;
        if (tells && round.told.insert(waited->view.id).second) show(console, round.options, *waited);
    }
    --round.pending;
    round.changed.notify_all();
}

/// Completes when a signal ends the client, with its number; what was waited for goes on.
Task<int> leave(Round& round) {
    const Console& console = round.context.console;
    const int number = co_await await_ending_signal(round.context.executor, console);
    std::string names;
    for (std::size_t i = 0; i < round.lines.size(); ++i)
        if (round.lines[i].target.empty())
            names += (names.empty() ? "" : ", ") + base::excerpt(round.options.targets[i]);
    console.note(fmt::format("no longer waiting for {}", names));
    co_return number;
}

Task<> until_answered(Round& round) {
    while (round.pending > 0) co_await round.changed.wait();
}

Round make_round(Context context, WaitArguments options) {
    const std::size_t count = options.targets.size();
    const auto executor = context.executor;
    std::vector<format::WaitLine> lines(count);
    return Round{std::move(context), std::move(options), std::move(lines), count, async::Notifier(executor)};
}

/// Completes when all of them have been answered; or nobody wants that any more: with the exit status then.
Task<std::optional<int>> carry_out(Round& round) {
    const auto executor = round.context.executor;
    async::TaskGroup tasks(executor);
    for (std::size_t i = 0; i < round.lines.size(); ++i) {
        Task<> task = wait_in(round, i);
        tasks.spawn("wait", std::move(task));
    }
    auto waiting = until_answered(round);
    auto gone = until_reader_gone(executor);
    auto left = leave(round);
    const auto first = co_await (std::move(waiting) || std::move(gone) || std::move(left));
    co_await tasks.close();
    if (first.index() == 2) co_return end_by_signal(std::get<2>(first));
    if (first.index() == 1) co_return unread_status;
    co_return std::nullopt;
}

}  // namespace

Task<ReadyWait> wait_until_ready(Context context, std::vector<std::string> targets,
                                 std::optional<double> timeout_seconds) {
    WaitArguments options;
    options.targets = std::move(targets);
    options.ready = true;
    options.request.until = ops::WaitCondition::ready;
    options.timeout_seconds = timeout_seconds;
    Round round = make_round(std::move(context), std::move(options));
    round.tells = false;
    ReadyWait out;
    out.left = co_await carry_out(round);
    for (format::WaitLine& line : round.lines)
        out.each.push_back({std::move(line.failed), line.came ? line.came->url : std::nullopt});
    co_return out;
}

/// The flag for which a word behind a target was meant that names no process itself.
static std::string flag_for(const std::string& word) {
    const bool is_number = std::all_of(word.begin(), word.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (is_number) return "--port " + word;
    return word == "ready" || word == "exit" ? "--" + word : "--pattern " + base::shell_quote(word);
}

/// Why none of several is waited for: one is no process. Nobody would wait for the others first to be told; and without
/// a condition it may have been meant as one. Nothing: all is well, or cannot be known yet.
static Task<std::optional<Error>> refuse_unknown(Context context, std::vector<std::string> targets,
                                                 bool names_condition) {
    auto client = co_await DaemonClient::connect(context.executor, context.common);
    if (!client) co_return std::nullopt;
    std::string first;
    for (const std::string& target : targets) {
        const auto view = co_await (*client)->find(target);
        if (view && first.empty()) first = target;
        if (view || view.error().code != ErrorCode::not_found) continue;
        if (names_condition || first.empty()) co_return view.error();
        co_return Error{ErrorCode::not_found,
                        fmt::format("{}; as what to wait for: persistproc wait {} {}", view.error().message,
                                    base::shell_quote(base::excerpt(first)), flag_for(base::excerpt(target)))};
    }
    co_return std::nullopt;
}

static Task<int> wait(Context context, WaitArguments options) {
    const std::size_t count = options.targets.size();
    const Console console = context.console;
    if (find_lock_holder(context.common.data_directory) == 0) {
        // Once, before several ask at the same time: it may start the daemon.
        const auto there = co_await connect_to_read(context.executor, context.common);
        if (!there) co_return console.fail(there.error());
        if (!*there) co_return console.fail(no_such_process(options.targets.front()));
    }
    if (count > 1) {
        std::vector<std::string> targets = options.targets;
        const auto refused = co_await refuse_unknown(context, std::move(targets), options.names_condition);
        if (refused) co_return console.fail(*refused);
    }
    Round round = make_round(std::move(context), std::move(options));
    const auto left = co_await carry_out(round);
    if (left) co_return *left;
    const format::WaitLine& only = round.lines.front();
    if (console.json() && count > 1)
        console.print(format::waits_json(round.lines));
    else if (console.json())
        console.print(only.failed ? format::wait_failed_json(only) : format::wait_json(only));
    co_return format::wait_status(round.lines);
}

extern const Subcommand wait_subcommand = make_subcommand<wait>(ops::WaitRequest::typed);

}  // namespace persistproc::cli::commands
