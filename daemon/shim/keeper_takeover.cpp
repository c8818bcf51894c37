// A keeper was killed; another goes on with its run. The child, its pipes and what it started have noticed nothing.
#include <fcntl.h>

#include <cerrno>
#include <utility>

#include "common/base/kill_point.hpp"
#include "daemon/shim/keeper.hpp"

namespace persistproc::shim {

using logstore::Event;
using rundir::ControlMessage;
using rundir::MessageType;
using rundir::Phase;

namespace {

/// How long somebody may take to say how the child ended: the daemon, or the kernel, which may know only once the
/// child's new parent has reaped it; there are init processes that do that every few seconds.
constexpr std::uint64_t answers_ns = 10'000 * os::millisecond;
constexpr std::uint64_t ask_again_ns = 20 * os::millisecond;
constexpr std::uint64_t look_again_ns = 200 * os::millisecond;

}  // namespace

/// What a successor of this keeper would need now, for a daemon that keeps it.
Handed Keeper::handed_over(const Control::Connection& to) const noexcept {
    Handed out;
    if ((to.capabilities & rundir::capability_spares) == 0) return out;
    for (std::size_t i = 0; i < OutputBuffers::sources; ++i) out.sources[i] = pump_.descriptor(i);
    out.buffers = pump_.buffers();
    out.notify = notify_.descriptor();
    out.input = input_;
    if (is_final()) return out;
    out.child = child_;
    out.report = report_;
    return out;
}

void Keeper::take_over(Control::Connection& connection, Handed& handed, const ControlMessage& commit,
                       std::uint64_t now) noexcept {
    const logstore::Stream writing = pump_.inherit(std::exchange(handed.buffers, -1));
    base::kill_point("shim.takeover.inherited");
    if (const int err = open_log(writing)) {
        control_.refuse(connection, commit, rundir::Refusal::failed, err);
        return abort_start();
    }
    base::kill_point("shim.takeover.opened");
    part_ = Part::successor;
    release_spec();
    auto& state = state_.state();
    if (state.successors < 255) ++state.successors;
    Pump::Pipes pipes;
    for (std::size_t i = 0; i < OutputBuffers::sources; ++i) {
        pipes.ends[i] = std::exchange(handed.sources[i], -1);
        if (pipes.ends[i] >= 0) ::fcntl(pipes.ends[i], F_SETFL, O_NONBLOCK);
    }
    const std::size_t missing = pump_.resume(pipes, now);
    base::kill_point("shim.takeover.resumed");
    if (missing > 0) state.has_gaps = 1;
    log_.append_event(Event::taken_over, static_cast<std::int64_t>(missing));
    // Where the daemon has none, what was said since the keeper was killed is lost, and what is said from now on is
    // not.
    if (handed.notify >= 0)
        notify_.adopt(std::exchange(handed.notify, -1));
    else if (spec_.notifies)
        notify_.open(nonce_digits());
    pid_ = state.pid;
    child_ = std::exchange(handed.child, -1);
    report_ = std::exchange(handed.report, -1);
    if (!is_final()) input_ = std::exchange(handed.input, -1);
    has_terminal_ = Terminal::is_master(pump_.descriptor(0));
    if (has_terminal_) slave_ = Terminal::open_slave(pump_.descriptor(0));
    if (is_final()) {
        child_gone_ = reaped_ = true;
        pipes_held_ = !pump_.closed();
    }
    record();
    base::kill_point("shim.takeover.recorded");
    push_state();
    base::kill_point("shim.takeover.told");
    int outputs[OutputBuffers::sources];
    for (std::size_t i = 0; i < OutputBuffers::sources; ++i) outputs[i] = pump_.descriptor(i);
    if (slave_ >= 0) outputs[0] = slave_;
    tree_.take_over(is_final() ? base::PidIdentity{} : base::PidIdentity{state.pid, state.start_ticks}, outputs,
                    OutputBuffers::sources);
    // That was to know who has it: behind the program's end the keeper holds none.
    if (is_final()) close_ends_of_child();
    look_at_children(now);
}

/// The daemon had no descriptor of the program where it could not take one. Then its pid and time of start tell, and an
/// error tells nothing.
bool Keeper::program_has_ended(std::uint64_t now) noexcept {
    look_for_program_at_ = os::never;
    if (child_ >= 0) return os::has_ended(child_);
    const int found = os::open_process({pid_, state_.state().start_ticks});
    if (found == -ESRCH) return true;
    child_ = found >= 0 ? found : -1;
    if (child_ < 0) look_for_program_at_ = now + look_again_ns;
    return child_ >= 0 && os::has_ended(child_);
}

void Keeper::look_at_foreign_child(std::uint64_t now) noexcept {
    if (part_ != Part::successor || child_gone_ || !program_has_ended(now)) return;
    child_gone_ = true;
    tree_.set_program({});
    note_end_of_child(now);
    // A daemon that is its parent has the first word: to leave while it says that would be to hang up on it.
    decide_at_ = control_.has_daemon() ? now + ask_again_ns : now;
    decide_until_ = now + (child_ >= 0 ? answers_ns : 0);
    push_state();
}

void Keeper::hear_end(const ControlMessage& received, std::uint64_t now) noexcept {
    if (is_starter() || is_final()) return;
    look_at_foreign_child(now);
    if (!child_gone_ || ended_.pid != 0) return;
    using How = rundir::ProgramEnd::How;
    if (received.end.how != How::exited && received.end.how != How::killed) {
        // That daemon is not its parent either; the kernel may know, or nobody does.
        if (child_ < 0 || !os::tells_ends(child_)) state_.state().outcome_unknown = 1;
        return;
    }
    ended_.pid = pid_;
    ended_.killed = received.end.how == How::killed;
    ended_.value = received.end.value;
}

void Keeper::decide_outcome(std::uint64_t now) noexcept {
    if (!child_gone_ || ended_.pid != 0 || is_final()) {
        decide_at_ = os::never;
        return;
    }
    if (now < decide_at_) return;
    decide_at_ = now + ask_again_ns;
    const base::PidIdentity program{pid_, state_.state().start_ticks};
    ended_ = child_ >= 0 ? os::find_ended(child_, program) : os::Ended{};
    if (ended_.pid != 0) return;
    // A daemon that has not read yet that the program is gone stands still: its time begins when it goes on.
    if (child_ >= 0 && now >= decide_until_ && control_.has_unread()) decide_until_ = now + answers_ns;
    const bool may_be_told = control_.has_daemon() || (child_ >= 0 && os::tells_ends(child_));
    if (now >= decide_until_ || !may_be_told) state_.state().outcome_unknown = 1;
}

}  // namespace persistproc::shim
