// What daemons ask for: the part of the keeper behind the control connections.
#include <signal.h>

#include <cerrno>

#include "common/base/kill_point.hpp"
#include "daemon/shim/keeper.hpp"

namespace persistproc::shim {

using logstore::Event;
using rundir::ControlMessage;
using rundir::MessageType;
using rundir::Phase;
using rundir::Refusal;

namespace {

constexpr std::uint64_t first_gap_ns = 2 * os::millisecond;
constexpr std::uint64_t longest_gap_ns = 100 * os::millisecond;
constexpr int walks_per_sweep = 8;

bool is_signal(int value) noexcept { return value >= 1 && value <= 64; }

}  // namespace

ControlMessage Keeper::message(MessageType type, std::uint64_t request) const noexcept {
    ControlMessage out;
    out.type = type;
    out.epoch = state_.state().epoch;
    out.request = request;
    out.capabilities = rundir::capability_spares;
    out.state = state_.state();
    return out;
}

void Keeper::serve_control(const pollfd* entries, std::size_t count, std::uint64_t now) noexcept {
    for (std::size_t i = 0; i < count; ++i) {
        if (entries[i].revents == 0) continue;
        if (entries[i].fd == control_.listener()) {
            control_.accept();
            continue;
        }
        Control::Connection* connection = control_.find(entries[i].fd);
        if (connection == nullptr) continue;
        const bool start = connection->start;
        ControlMessage received;
        Handed handed;
        switch (control_.receive(*connection, received, handed)) {
            case Control::Received::nothing: break;
            case Control::Received::message: obey(*connection, received, handed, now); break;
            case Control::Received::closed:
                if (start && awaits_commit()) abort_start();
                break;
        }
        handed.close();
    }
}

void Keeper::obey(Control::Connection& connection, const ControlMessage& received, Handed& handed,
                  std::uint64_t now) noexcept {
    auto& state = state_.state();
    const auto refuse = [&](Refusal why, int error) { control_.refuse(connection, received, why, error); };
    if (received.epoch < state.epoch) return refuse(Refusal::old_epoch, EPERM);
    const bool introduces =
        received.type == MessageType::hello || (received.type == MessageType::commit && connection.start);
    if (!connection.greeted && !introduces) return refuse(Refusal::not_greeted, EPERM);
    if (received.type == MessageType::hello && received.nonce != state.nonce)
        return refuse(Refusal::foreign_run, EPERM);
    state.epoch = received.epoch;
    if (introduces) connection.capabilities = received.capabilities;

    switch (received.type) {
        case MessageType::hello:
            connection.greeted = true;
            state_.write();
            return control_.send(connection, message(MessageType::state, received.request), handed_over(connection));
        case MessageType::commit:
            if (!awaits_commit()) return refuse(Refusal::wrong_time, EALREADY);
            connection.greeted = true;
            return is_starter() ? start_child() : take_over(connection, handed, received, now);
        case MessageType::ended: return hear_end(received, now);
        case MessageType::stop: return stop_tree(connection, received, now);
        case MessageType::signal: return send_signal(connection, received);
        case MessageType::flush: return clear_log(connection, received);
        // Ours to say, not to hear.
        default: return refuse(Refusal::unknown_type, EPROTO);
    }
}

void Keeper::send_signal(Control::Connection& connection, const ControlMessage& received) noexcept {
    int error = ESRCH;
    if (!is_signal(received.signal))
        error = EINVAL;
    else if (program_group() != 0 && ended_.pid == 0 && (is_starter() || !os::has_ended(child_)))
        error = tree_.signal_group(received.signal, program_group());
    if (error == 0 && received.signal == SIGKILL) {
        state_.state().kill_sent = 1;
        state_.write();
    }
    if (error == 0) log_.append_event(Event::signalled, received.signal);
    ControlMessage answer = message(MessageType::done, received.request);
    answer.error = error;
    control_.send(connection, answer);
}

void Keeper::clear_log(Control::Connection& connection, const ControlMessage& received) noexcept {
    ControlMessage answer = message(MessageType::done, received.request);
    answer.error = log_.clear();
    control_.send(connection, answer);
}

void Keeper::stop_tree(Control::Connection& connection, const ControlMessage& received, std::uint64_t now) noexcept {
    auto& state = state_.state();
    if (state.phase == Phase::prepared) return control_.refuse(connection, received, Refusal::wrong_time, ESRCH);
    auto& waiter = stop_.waiters[stop_.next_waiter++ % Control::max_connections];
    waiter = {connection.serial, received.request};

    const bool force = received.force;
    const int signal = force ? SIGKILL : is_signal(received.signal) ? received.signal : spec_.stop_signal;
    if (!stop_.active) {
        // What heard the stop of a keeper before this one may ignore its signal by now, while it cleans up.
        const bool hangs_up = has_terminal_ && state.stop_requested == 0;
        stop_.active = true;
        stop_.gap = first_gap_ns;
        if (ended_.pid == 0 && !is_final()) {
            state.stop_requested = 1;
            record();
            push_state();
        }
        base::kill_point("shim.stop.recorded");
        log_.append_event(Event::stopping, signal);
        if (!force) {
            if (!is_starter()) look_at_children(now);
            tree_.signal_and_continue(signal, program_group(), hangs_up);
        }
    }
    const std::uint64_t kill_at = force ? now : now + received.grace_ms * os::millisecond;
    if (kill_at < stop_.kill_at) stop_.kill_at = kill_at;
}

// What dies slowly or forks while it is looked for is met by the next walk or the next sweep; a process that SIGKILL
// has reached does not fork again, so the tree can only shrink.
void Keeper::kill_sweep(std::uint64_t now) noexcept {
    for (int walk = 0; walk < walks_per_sweep && !tree_is_empty_; ++walk) {
        if (!is_starter()) look_at_children(now);
        const int met = tree_.signal(SIGKILL, program_group());
        look_at_children(now);
        if (met == 0) break;
    }
    stop_.kill_at = tree_is_empty_ ? os::never : now + stop_.gap;
    stop_.gap = stop_.gap * 2 < longest_gap_ns ? stop_.gap * 2 : longest_gap_ns;
}

void Keeper::answer_stops() noexcept {
    for (const auto& waiter : stop_.waiters)
        if (waiter.connection != 0)
            control_.send_to(waiter.connection, message(MessageType::tree_empty, waiter.request));
}

}  // namespace persistproc::shim
