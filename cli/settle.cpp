#include "cli/settle.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <filesystem>

#include "cli/daemon_start.hpp"
#include "cli/format/ending.hpp"
#include "cli/format/process_text.hpp"
#include "cli/reader_gone.hpp"
#include "cli/run_survey.hpp"
#include "cli/session/attach.hpp"
#include "cli/taken_port.hpp"
#include "common/base/file.hpp"
#include "common/base/text.hpp"
#include "common/logstore/error_block.hpp"
#include "common/logstore/reader.hpp"
#include "common/ops/wait_for_process.hpp"

namespace persistproc::cli {

namespace {

using boost::asio::experimental::awaitable_operators::operator||;

constexpr std::size_t last_words = 10;          // lines
constexpr std::uint64_t lines_looked_at = 400;  // in which the error may stand that ended the run
constexpr std::size_t bytes_looked_at = 64u << 10;

/// The newest lines that a run printed, oldest first. Blocks on the disk. Errors: those of find_log, and of reading.
Result<std::vector<logstore::Line>> newest_lines(const ProcessView& view) {
    std::vector<logstore::Line> out;
    const auto id = domain::find_process_id(view.id);
    if (!id || !view.run) return out;
    const auto directory = find_log(view);
    if (!directory) return directory.error();
    logstore::LineQuery query;
    query.run = domain::find_run_number(*view.run, *id);
    query.last = lines_looked_at;
    query.max_bytes = bytes_looked_at;
    auto page = logstore::read_lines(*directory, query);
    if (!page) return page.error();
    return std::move(page->lines);
}

/// What is wrong by the last error among `lines`, where those that are shown do not say it. Empty: they do, or there is
/// none.
std::string unsaid_error(const std::vector<logstore::Line>& lines, const std::string& working_directory) {
    const auto error = logstore::find_error(lines, working_directory, logstore::WhichError::last);
    if (!error || error->message.empty()) return {};
    const std::size_t hidden = lines.size() - std::min(lines.size(), last_words);
    for (std::size_t i = hidden; i < lines.size(); ++i)
        if (base::clean_output(lines[i].text).find(error->message) != std::string::npos) return {};
    const std::string place = error->place ? logstore::to_string(*error->place) + ": " : "";
    return base::escape_line(place + error->message);
}

}  // namespace

std::chrono::nanoseconds settle_span(const std::optional<double>& asked) {
    constexpr double on_terminal = 0.3;  // seconds
    const double standard = ::isatty(STDOUT_FILENO) == 1 ? on_terminal : 0;
    return std::chrono::nanoseconds(static_cast<std::int64_t>(asked.value_or(standard) * 1e9));
}

namespace {

constexpr std::chrono::milliseconds look_again{5};
/// A restart that has ended the run is seen through for so long, also where the time to watch is over.
constexpr std::chrono::seconds restart_bound{1};

/// Of one that somebody has removed meanwhile; `end`: how its run ended, where that was told.
Error removed(const ProcessView& was, const ops::WaitMeta* end) {
    const bool was_stopped = end != nullptr && end->stopped;
    return {ErrorCode::not_found,
            fmt::format("{} was {}removed{}", format::name_text(was), was_stopped ? "stopped and " : "",
                        was_stopped ? format::stopper_text(end->stopped_by) : "")};
}

/// The process once it is known that the run which `was` shows has ended: how that ended, or, where somebody has begun
/// another, that one. Errors: those of looking for it.
Task<Result<ProcessView>> view_after_end(DaemonClient& client, ProcessView was, ops::WaitMeta end, MonoTime until) {
    async::SystemClock clock;
    const MonoTime patience = std::max(until, clock.now() + restart_bound);
    auto view = co_await client.find(was.id);
    // A stop ends with that; of a restart another run follows.
    while (view && view->state == ProcessState::stopping && clock.now() < patience) {
        const MonoTime next = clock.now() + look_again;
        co_await clock.sleep_until(next);
        view = co_await client.find(was.id);
    }
    // Of one that has been followed by others nobody may know any more how it ended.
    const bool is_known = end.stopped || end.exit_code || end.signal;
    if (!view && view.error().code == ErrorCode::not_found) co_return removed(was, &end);
    if (!view && !is_known) co_return view.error();
    const bool is_same = view && view->run == was.run;
    if (is_same && !domain::is_live(*view)) co_return view;
    if (view && !is_same && (end.stopped || !is_known)) co_return view;
    // Run again by its policy: what is told of is the run that has ended.
    ProcessView known = view ? std::move(*view) : was;
    known.run = was.run;
    known.started_at = was.started_at;
    known.ended_at.reset();
    static_cast<domain::Ending&>(known) = end;
    known.state = end.signal ? ProcessState::killed : ProcessState::exited;
    if (end.stopped) known.state = ProcessState::stopped;
    co_return known;
}

Task<Result<ProcessView>> watch(Context context, DaemonClient& client, ProcessView started,
                                std::chrono::nanoseconds span, bool autostart) {
    async::SystemClock clock;
    const MonoTime until = clock.now() + span;
    const auto first_run = started.run;
    DaemonClient* asked = &client;
    std::unique_ptr<DaemonClient> next;
    while (true) {
        ops::WaitRequest request;
        request.process = started.id;
        request.run = started.run;
        request.timeout_seconds = std::max(0.0, std::chrono::duration<double>(until - clock.now()).count());
        auto waited = co_await asked->wait(std::move(request));
        if (waited && waited->outcome == ops::WaitOutcome::ended) {
            auto now = co_await view_after_end(*asked, started, std::move(*waited), until);
            if (!now || !domain::is_live(*now) || now->run == started.run) co_return now;
            started = std::move(*now);
            continue;
        }
        if (!waited && is_silence(waited.error())) co_return waited.error();
        if (waited || waited.error().code != ErrorCode::unavailable) {
            const bool is_as_known = waited && started.run == first_run;
            if (is_as_known) co_return started;
            // It was just being started when it was looked at, or is gone.
            auto now = co_await asked->find(started.id);
            if (!now && now.error().code == ErrorCode::not_found) co_return removed(started, nullptr);
            co_return now;
        }
        if (autostart && context.common.autostart)
            context.console.note("the daemon is gone; it is started again, to see how this goes on");
        auto connected = co_await connect_or_start(context.executor, context.common, autostart);
        if (!connected) co_return connected.error();
        next = std::move(*connected);
        asked = next.get();
    }
}

}  // namespace

Task<Result<ProcessView>> watch_beginning(Context context, DaemonClient& client, ProcessView started,
                                          std::chrono::nanoseconds span, bool autostart) {
    auto watching = watch(context, client, started, span, autostart);
    auto gone = until_reader_gone(context.executor);
    auto first = co_await (std::move(watching) || std::move(gone));
    if (first.index() == 1) co_return started;
    co_return std::move(std::get<0>(first));
}

void tell_leftovers_ended(const Console& console, ProcessView& begun) {
    if (console.json()) return;
    for (const Cause& each : begun.causes)
        if (each.code == CauseCode::leftovers_ended)
            console.note(fmt::format("{}: {}", format::name_text(begun), domain::cause_text(each)));
    std::erase_if(begun.causes, [](const Cause& each) { return each.code == CauseCode::leftovers_ended; });
}

bool has_begun_badly(const ProcessView& watched) {
    return format::has_failed(watched) || watched.state == ProcessState::stopped;
}

Task<> tell_failure(Context context, ProcessView failed) {
    auto newest = newest_lines(failed);
    const std::string ending = format::ending_text(failed, base::wall_now());
    std::string told = newest ? "; its last output:" : "; " + base::escape_line(newest.error().message);
    if (newest && newest->empty()) told = "; it printed nothing";
    const std::vector<logstore::Line> lines = newest ? std::move(*newest) : std::vector<logstore::Line>();
    std::string error;
    if (format::has_failed(failed)) error = unsaid_error(lines, failed.working_directory);
    if (!error.empty()) {
        context.console.say(ending + "; its last error: " + error);
        told = "its last output:";
    }
    context.console.say(error.empty() ? ending + told : told);
    format::OutputStyle style = session::style_for_terminal(context.console, failed, true, false);
    style.before = "  ";
    for (std::size_t i = lines.size() - std::min(lines.size(), last_words); i < lines.size(); ++i) {
        logstore::Line line = lines[i];
        line.stream = logstore::Stream::err;  // ours, on which all of it goes
        base::write_all(STDERR_FILENO, format::line_text(line, style, false));
    }
    // The one that it was started through may be gone by now.
    std::filesystem::path data = context.common.data_directory;
    auto client = co_await DaemonClient::connect(context.executor, std::move(data));
    if (!client) co_return;
    const std::string port = co_await explain_taken_port(**client, std::move(failed));
    if (!port.empty()) context.console.say(port);
}

std::string begun_line(const ProcessView& view) {
    return domain::is_live(view) ? format::process_line(view) : format::ending_text(view, base::wall_now());
}

std::string Beginnings::going_on(std::string_view many) const {
    if (asking > 0 || begun.empty()) return {};
    return begun.size() == 1 ? begun.front() : std::string(many);
}

Task<Result<ProcessView>> watch_one(Context context, DaemonClient& client, ProcessView begun, Beginnings& beginnings) {
    beginnings.begun.push_back(format::name_text(begun));
    tell_leftovers_ended(context.console, begun);
    if (beginnings.settle.count() == 0) co_return begun;
    auto watched = co_await watch_beginning(context, client, begun, beginnings.settle, true);
    if (!watched) co_return watched.error();
    if (has_begun_badly(*watched)) {
        beginnings.failed.insert(watched->id);
        co_await tell_failure(context, *watched);
    }
    co_return std::move(*watched);
}

}  // namespace persistproc::cli
