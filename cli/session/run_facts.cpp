#include "cli/session/run_facts.hpp"

namespace persistproc::cli::session {

bool is_run_end(logstore::Event event) noexcept {
    return event == logstore::Event::exited || event == logstore::Event::killed ||
           event == logstore::Event::exec_failed;
}

RunEnded run_ended_of(logstore::Event event, std::int64_t value, std::uint32_t run, bool was_stopped) {
    RunEnded ended;
    ended.run = run;
    ended.how.was_stopped = was_stopped;
    const auto number = static_cast<int>(value);
    if (event == logstore::Event::exited) ended.how.exit_code = number;
    if (event == logstore::Event::killed) ended.how.signal = number;
    if (event == logstore::Event::exec_failed) ended.how.exec_error = number;
    return ended;
}

std::uint32_t run_of(const ProcessView& view) {
    const auto id = domain::find_process_id(view.id);
    return view.run && id ? domain::find_run_number(*view.run, *id).value_or(0) : 0;
}

Polled polled_of(const ProcessView& view) {
    Polled polled;
    polled.run = run_of(view);
    // A state that only a newer daemon knows says at least whether the run has ended.
    polled.state = view.state.known().value_or(view.ended_at ? ProcessState::exited : ProcessState::running);
    polled.exit_code = view.exit_code;
    if (view.signal) polled.signal = domain::find_signal(*view.signal);
    return polled;
}

ProcessView ended_view(ProcessView known, const std::string& run, const RunEnd& how) {
    if (known.run != run) known.started_at.reset();
    known.run = run;
    known.ended_at.reset();
    known.exit_code = how.exit_code;
    known.signal.reset();
    if (how.signal) known.signal = domain::signal_name(*how.signal);
    known.state = how.was_stopped  ? ProcessState::stopped
                  : how.exec_error ? ProcessState::failed
                  : how.signal     ? ProcessState::killed
                                   : ProcessState::exited;
    known.reason.reset();
    known.stopped_by.clear();
    known.causes.clear();
    return known;
}

}  // namespace persistproc::cli::session
