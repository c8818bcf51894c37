#include "cli/session/policy.hpp"

#include <fmt/format.h>

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

std::string describe(const Polled& view) {
    if (view.state == ProcessState::gave_up) return "it ended too often and is not restarted any more";
    if (view.state == ProcessState::failed)
        return view.detail.empty() ? "could not be started" : "could not be started: " + view.detail;
    if (view.state == ProcessState::lost)
        return view.detail.empty() ? "how it ended is not known" : "how it ended is not known: " + view.detail;
    return {};
}

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

std::vector<Action> Policy::go_on_with(std::uint32_t run, std::int64_t pid) {
    run_ = run;
    ended_.reset();
    said_backoff_ = false;
    if (phase_ == Phase::draining) phase_ = Phase::following;
    const std::string who = pid > 0 ? fmt::format(" (pid {})", pid) : std::string();
    return {Action{Act::say, 0, 0, fmt::format("restarted as {}.{}{}", id_, run, who)}};
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
        if (event.state != ProcessState::failed) return {};
        // One that failed early has no record to print. If there is one, it takes over while the rest is printed.
        return drain(no_status, fmt::format("{}.{} {}", id_, event.run, describe(event)));
    }
    if (event.run < run_) return {Action{Act::poll_soon}};
    switch (read_state(event.state)) {
        case Reading::lives:
            if (ended_) return {Action{Act::poll_soon}};
            return {};
        case Reading::may_return: {
            if (!ended_ || said_backoff_) return {};
            said_backoff_ = true;
            std::string text = ended_->signal ? "killed by " + domain::signal_name(*ended_->signal)
                                              : fmt::format("exited with code {}", exit_status_of(*ended_));
            return {Action{Act::say, 0, 0, text + "; it will be restarted"}};
        }
        case Reading::over: break;
    }
    RunEnd end{event.exit_code, event.signal, std::nullopt};
    if (ended_ && !end.exit_code && !end.signal) end = *ended_;
    if (event.state == ProcessState::lost) end = RunEnd{};
    const int status = exit_status_of(end);
    const std::string text = describe(event);
    if (ended_) return finish(status, text);
    std::vector<Action> out = drain(status);
    if (!text.empty()) out.push_back(Action{Act::say, 0, 0, text});
    return out;
}

std::vector<Action> Policy::handle(const PollFailed&, MonoTime now) {
    if (phase_ == Phase::following && ended_ && now - ended_at_ >= patience_without_daemon)
        return finish(exit_status_of(*ended_));
    return {};
}

std::vector<Action> Policy::handle(const Forgotten&, MonoTime) {
    if (phase_ != Phase::following) return {};
    return drain(ended_ ? exit_status_of(*ended_) : no_status);
}

std::vector<Action> Policy::handle(const PrintedAll& event, MonoTime) {
    if (phase_ != Phase::draining || event.mark != mark_) return {};
    return finish(status_, std::move(last_words_));
}

std::vector<Action> Policy::handle(const Interrupted&, MonoTime) {
    switch (phase_) {
        case Phase::following:
        case Phase::draining: return leave(true);
        case Phase::stopping: phase_ = Phase::forcing; return {Action{Act::force_stop}};
        case Phase::forcing: return finish(no_status, "left before it was gone");
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
    if (phase_ == Phase::following || phase_ == Phase::draining) return finish(no_status);
    return {};
}

std::vector<Action> Policy::handle(const StopAnswered& event, MonoTime) {
    if (phase_ != Phase::stopping && phase_ != Phase::forcing) return {};
    if (event.failed) return finish(no_status, event.failed->message);
    return drain(0);
}

std::vector<Action> Policy::leave(bool say_how_to_return) {
    if (on_exit_ == OnExit::stop) {
        phase_ = Phase::stopping;
        return {Action{Act::stop}};
    }
    std::vector<Action> out;
    if (say_how_to_return) out.push_back(Action{Act::say_detached});
    for (auto& action : finish(0)) out.push_back(std::move(action));
    return out;
}

std::vector<Action> Policy::drain(int status, std::string last_words) {
    phase_ = Phase::draining;
    status_ = status;
    last_words_ = std::move(last_words);
    return {Action{Act::drain, 0, ++mark_}};
}

std::vector<Action> Policy::finish(int status, std::string text) {
    phase_ = Phase::finished;
    std::vector<Action> out;
    if (!text.empty()) out.push_back(Action{Act::say, 0, 0, std::move(text)});
    out.push_back(Action{Act::finish, status});
    return out;
}

}  // namespace persistproc::cli::session
