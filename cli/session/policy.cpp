#include "cli/session/policy.hpp"

#include <cerrno>

namespace persistproc::cli::session {

namespace {

constexpr int no_status = 125;

enum class Reading { lives, may_return, over };

Reading read_state(ProcessState state) {
    switch (state) {
        case ProcessState::starting:
        case ProcessState::running:
        case ProcessState::stopping:
        case ProcessState::unreachable:
        case ProcessState::unsupported: return Reading::lives;
        case ProcessState::waiting:
        case ProcessState::backoff: return Reading::may_return;
        case ProcessState::exited:
        case ProcessState::killed:
        case ProcessState::stopped:
        case ProcessState::failed:
        case ProcessState::gave_up:
        case ProcessState::lost: break;
    }
    return Reading::over;
}

Action say(std::string text) { return Action{.act = Act::say, .text = std::move(text)}; }

}  // namespace

int exit_status_of(const RunEnd& end) noexcept {
    if (end.exec_error) return *end.exec_error == ENOENT || *end.exec_error == ENOTDIR ? 127 : 126;
    if (end.exit_code) return *end.exit_code;
    if (end.signal) return 128 + *end.signal;
    return no_status;
}

std::vector<Action> Policy::on(const Event& event, MonoTime now) {
    if (phase_ == Phase::finished) return {};
    return std::visit([&](const auto& one) { return handle(one, now); }, event);
}

Action Policy::tell_end(std::uint32_t run) const {
    return Action{.act = Act::tell_end, .run = run, .how = ended_.value_or(RunEnd{})};
}

std::vector<Action> Policy::go_on_with(std::uint32_t run, std::int64_t pid) {
    std::vector<Action> out;
    // That it was stopped for it is said by the restart.
    if (ended_ && !told_end_ && !ended_->was_stopped) out.push_back(tell_end(run_));
    run_ = run;
    ended_.reset();
    told_end_ = false;
    if (phase_ == Phase::draining) phase_ = Phase::following;
    out.push_back(Action{.act = Act::tell_restarted, .run = run, .pid = pid});
    return out;
}

std::vector<Action> Policy::handle(const RunStarted& event, MonoTime) {
    if (event.run <= run_) return {};
    return go_on_with(event.run, event.pid);
}

std::vector<Action> Policy::handle(const RunEnded& event, MonoTime now) {
    std::vector<Action> out;
    if (event.run > run_) out = go_on_with(event.run, 0);
    if (event.run < run_) return out;
    ended_ = event.how;
    ended_at_ = now;
    if (phase_ == Phase::following) out.push_back(Action{Act::poll_now});
    return out;
}

std::vector<Action> Policy::handle(const Polled& event, MonoTime) {
    if (phase_ != Phase::following) return {};
    // A newer run's beginning will be printed; an older one means that the daemon has yet to hear of ours.
    if (event.run > run_) {
        if (read_state(event.state) != Reading::over) return {};
        // One that failed early has no record to print, nor has one whose records found no room. If there is one, it
        // takes over while the rest is printed.
        RunEnd end;
        if (event.state != ProcessState::lost) end = RunEnd{event.exit_code, event.signal, std::nullopt};
        return drain(exit_status_of(end), Action{.act = Act::tell_end, .run = event.run, .how = end});
    }
    if (event.run < run_) return {Action{Act::poll_soon}};
    switch (read_state(event.state)) {
        case Reading::lives:
            if (ended_) return {Action{Act::poll_soon}};
            return {};
        case Reading::may_return: {
            if (!ended_ || told_end_) return {};
            told_end_ = true;
            return {tell_end(run_)};
        }
        case Reading::over: break;
    }
    RunEnd end{event.exit_code, event.signal, std::nullopt};
    if (ended_ && !end.exit_code && !end.signal) end = *ended_;
    if (event.state == ProcessState::lost) end = RunEnd{};
    const int status = exit_status_of(end);
    return ended_ ? finish(status, tell_end(run_)) : drain(status, tell_end(run_));
}

std::vector<Action> Policy::handle(const PollFailed&, MonoTime now) {
    if (phase_ == Phase::following && ended_ && now - ended_at_ >= patience_without_daemon)
        return finish(exit_status_of(*ended_), tell_end(run_));
    return {};
}

std::vector<Action> Policy::handle(const Forgotten&, MonoTime) {
    if (phase_ != Phase::following) return {};
    return drain(ended_ ? exit_status_of(*ended_) : no_status, Action{.act = Act::tell_removed});
}

std::vector<Action> Policy::handle(const PrintedAll& event, MonoTime) {
    if (phase_ != Phase::draining || event.mark != mark_) return {};
    return finish(status_, std::move(last_words_));
}

std::vector<Action> Policy::handle(const Interrupted& event, MonoTime now) {
    // Only a person asks again: a terminal that is closed sends SIGHUP more than once (shell and kernel), and the stop
    // that it meant is to be seen to.
    const bool asks_again = event.signal == SIGINT;
    switch (phase_) {
        case Phase::following:
        case Phase::draining: return leave(true);
        case Phase::stopping:
            if (!asks_again) return {};
            phase_ = Phase::forcing;
            forced_at_ = now;
            return {Action{Act::force_stop}};
        case Phase::forcing:
            if (!asks_again || now - forced_at_ < patience_with_force) return {};
            return finish(no_status, say("left before it was gone"));
        case Phase::finished: break;
    }
    return {};
}

std::vector<Action> Policy::handle(const ReaderGone&, MonoTime) {
    if (phase_ == Phase::following || phase_ == Phase::draining) return leave(false);
    return {};
}

std::vector<Action> Policy::handle(const WriteFailed&, MonoTime) {
    // Nobody asked for an end of the program: it goes on, also with --on-exit stop. A stop that was asked for is seen
    // to.
    if (phase_ == Phase::following || phase_ == Phase::draining)
        return finish(no_status, Action{.act = Act::tell_unshown});
    return {};
}

std::vector<Action> Policy::handle(const StopAnswered& event, MonoTime) {
    if (phase_ != Phase::stopping && phase_ != Phase::forcing) return {};
    if (event.failed) return finish(no_status, say(event.failed->message));
    return drain(0, tell_end(run_));
}

std::vector<Action> Policy::leave(bool say_how_to_return) {
    if (on_exit_ == OnExit::stop) {
        phase_ = Phase::stopping;
        return {Action{Act::stop}};
    }
    std::vector<Action> out;
    if (say_how_to_return) out.push_back(Action{Act::tell_detached});
    for (auto& action : finish(0)) out.push_back(std::move(action));
    return out;
}

std::vector<Action> Policy::drain(int status, std::optional<Action> last_words) {
    phase_ = Phase::draining;
    status_ = status;
    last_words_ = std::move(last_words);
    return {Action{.act = Act::drain, .mark = ++mark_}};
}

std::vector<Action> Policy::finish(int status, std::optional<Action> last_words) {
    phase_ = Phase::finished;
    std::vector<Action> out;
    if (last_words) out.push_back(std::move(*last_words));
    out.push_back(Action{.act = Act::finish, .status = status});
    return out;
}

}  // namespace persistproc::cli::session
