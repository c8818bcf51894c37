#include "cli/settle.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include "cli/format/ending.hpp"
#include "cli/taken_port.hpp"
#include "common/base/file.hpp"
#include "common/base/text.hpp"
#include "common/ops/wait_for_process.hpp"

namespace persistproc::cli {

namespace {

constexpr std::size_t last_words = 10;  // lines

void say(const std::string& text) { base::write_all(STDERR_FILENO, text + "\n"); }

}  // namespace

std::chrono::nanoseconds settle_span(const std::optional<double>& asked) {
    constexpr double on_terminal = 0.3;  // seconds
    const double standard = ::isatty(STDOUT_FILENO) == 1 ? on_terminal : 0;
    return std::chrono::nanoseconds(static_cast<std::int64_t>(asked.value_or(standard) * 1e9));
}

Task<std::optional<ProcessView>> watch_beginning(DaemonClient& client, ProcessView started,
                                                 std::chrono::nanoseconds span) {
    ops::WaitRequest request;
    request.process = started.id;
    request.run = started.run;
    request.timeout_seconds = std::chrono::duration<double>(span).count();
    auto waited = co_await client.wait(std::move(request));
    if (!waited || waited->outcome != ops::WaitOutcome::ended) co_return std::nullopt;
    auto view = co_await client.find(started.id);
    // Run again already: what is known of the run that has ended.
    if (!view || view->run != started.run || domain::is_live(*view)) {
        ProcessView known = view ? *view : started;
        known.run = started.run;
        known.started_at = started.started_at;
        known.ended_at.reset();
        known.exit_code = waited->exit_code;
        known.signal = waited->signal;
        known.state = waited->signal ? ProcessState::killed : ProcessState::exited;
        known.causes.clear();
        if (waited->stopped) known.state = ProcessState::stopped;
        known.stopped_by = waited->stopped_by.value_or("");
        co_return known;
    }
    co_return std::move(*view);
}

bool has_begun_badly(const ProcessView& ended) {
    return format::has_failed(ended) || ended.state == ProcessState::stopped;
}

Task<> tell_failure(DaemonClient& client, ProcessView failed) {
    const auto lines = last_lines(failed, last_words);
    say(fmt::format("persistproc: {}{}", format::ending_text(failed, base::wall_now()),
                    lines.empty() ? "; it printed nothing" : "; its last output:"));
    const bool escape = ::isatty(STDERR_FILENO) == 1;
    for (const auto& line : lines) say("  " + (escape ? base::escape_for_terminal(line) : line));
    const std::string port = co_await explain_taken_port(client, std::move(failed));
    if (!port.empty()) say("persistproc: " + port);
}

}  // namespace persistproc::cli
