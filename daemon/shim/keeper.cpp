#include "daemon/shim/keeper.hpp"

#include <signal.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "common/base/kill_point.hpp"
#include "daemon/shim/oom_kills.hpp"

namespace persistproc::shim {
namespace {

using logstore::Event;
using rundir::Phase;

/// From what is written to its sync. Together with the time that takes, within the second that the contract gives.
constexpr std::uint64_t sync_ns = 800 * os::millisecond;
constexpr std::uint64_t sync_behind_ns = 100 * os::millisecond;
/// From the last sync until what it needed is given back, which stops this process for as long as the kernel takes to
/// be sure that nobody uses it (tens of milliseconds): not while a program prints now and then.
constexpr std::uint64_t rest_ns = 5'000 * os::millisecond;
constexpr int record_attempts = 4;
/// A program may say as much as it likes of itself: its daemon hears so often of it, and other work comes in between.
constexpr std::uint64_t tell_gap_ns = 10 * os::millisecond;
constexpr int words_a_turn = 32;
constexpr std::uint64_t first_tree_gap_ns = 20 * os::millisecond;
constexpr std::uint64_t longest_tree_gap_ns = 1'000 * os::millisecond;
constexpr std::uint64_t longest_gap_of_parents_ns = 30'000 * os::millisecond;

}  // namespace

int Keeper::run() noexcept {
    while (!leaving_) {
        // A descriptor that is -1 is none to poll.
        const int foreign_child = !is_starter() && !child_gone_ ? child_ : -1;
        pollfd entries[4 + Pump::max_sources + Control::max_entries] = {
            {signals_, POLLIN, 0}, {report_, POLLIN, 0}, {foreign_child, POLLIN, 0}, {notify_.descriptor(), POLLIN, 0}};
        std::size_t count = 4;
        const std::size_t pipes_begin = count;
        count += pump_.add_entries(entries + count);
        const std::size_t control_begin = count;
        count += control_.add_entries(entries + count);
        os::wait(entries, count, deadline());

        const std::uint64_t now = os::now_ns();
        if (entries[0].revents != 0) {
            signalfd_siginfo taken[4];
            os::read(signals_, taken, sizeof taken);
            look_at_children(now);
        }
        if (entries[2].revents != 0 || now >= look_for_program_at_) look_at_children(now);
        pump_.serve(entries + pipes_begin, control_begin - pipes_begin, now,
                    (ended_.pid != 0 || child_gone_) && !reaped_);
        if (entries[1].revents != 0) read_report();
        if (entries[3].revents != 0) hear_program(now);
        if (now >= tell_at_) {
            tell_at_ = os::never;
            told_at_ = now;
            push_state();
        }
        serve_control(entries + control_begin, count - control_begin, now);
        if (stop_.active && now >= stop_.kill_at) kill_sweep(now);
        sync_in_time(now);
        if (note_recording()) {
            state_.write();
            push_state();
        }
        advance(now);
    }
    make_durable();
    return 0;
}

std::uint64_t Keeper::deadline() const noexcept {
    // Of a successor the end of the drain means nothing yet while it has still to hear how the program ended.
    const std::uint64_t drained_at = is_decided() ? drain_until_ : os::never;
    return std::min({pump_.deadline(), drained_at, linger_until_, sync_at_ != os::never ? sync_at_ : rest_at_,
                     stop_.kill_at, decide_at_, look_for_program_at_, look_at_tree_at_, tell_at_});
}

void Keeper::look_at_children(std::uint64_t now) noexcept {
    if (!is_starter()) return look_at_foreign_child(now);
    if (pid_ != 0 && !reaped_ && ended_.pid == 0) {
        ended_ = os::peek_ended(pid_);
        if (ended_.pid != 0) {
            note_end_of_child(now);
            base::kill_point("shim.exit.seen");
        }
    }
    // While the program's zombie is kept, waitid tells of that one alone.
    while (ended_.pid == 0 || reaped_) {
        const os::Ended orphan = os::peek_ended(0);
        if (orphan.pid == 0) {
            tree_is_empty_ = orphan.no_children;
            return;
        }
        if (orphan.pid == pid_ && !reaped_) return look_at_children(now);
        os::reap(orphan.pid);
        look_at_tree_at_ = os::never;  // that may have been the last of the tree among those that stay
    }
}

void Keeper::note_end_of_child(std::uint64_t now) noexcept {
    state_.state().ended_wall_ns = os::wall_ns();
    drain_until_ = now + drain_ns;
    close_ends_of_child();
}

/// From then on the terminal ends where nobody has it any more, and so does the input: what the program has left may be
/// waiting for that.
void Keeper::close_ends_of_child() noexcept {
    for (int* end : {&slave_, &input_}) {
        if (*end >= 0) ::close(*end);
        *end = -1;
    }
}

void Keeper::sync_in_time(std::uint64_t now) noexcept {
    const auto is_dirty = [this] { return log_.dirty() || is_state_dirty_; };
    if (now >= sync_at_) {
        log_.begin_sync();
        begin_state_sync();
        const bool is_under_way = log_.is_syncing() || state_sync_.under_way() > 0;
        if (log_.is_behind())
            sync_at_ = now + sync_behind_ns;
        else
            sync_at_ = is_dirty() || is_under_way ? now + sync_ns : os::never;
        rest_at_ = now + rest_ns;
    } else if (sync_at_ == os::never && is_dirty()) {
        sync_at_ = now + sync_ns;
    }
    if (sync_at_ != os::never || now < rest_at_) return;
    rest_at_ = os::never;
    log_.rest();
    state_sync_.close();
    os::release_stack();
}

int Keeper::record() noexcept {
    is_state_dirty_ = true;
    return state_.write();
}

/// An error of the device is noted with the run (note_recording), whose record of it goes to the other slot: other
/// bytes, that may be taken.
void Keeper::begin_state_sync() noexcept {
    int err = state_sync_.collect(false);
    if (state_sync_.under_way() == 0 && is_state_dirty_) {
        if (state_sync_.begin(state_file_) != 0 && ::fdatasync(state_file_) != 0) err = errno;
        is_state_dirty_ = false;
    }
    if (err != 0 && device_errno_ == 0) device_errno_ = static_cast<std::uint8_t>(err);
}

bool Keeper::is_final() const noexcept {
    const Phase phase = state_.state().phase;
    return phase == Phase::exited || phase == Phase::exec_failed || state_.state().outcome_unknown != 0;
}

void Keeper::advance(std::uint64_t now) noexcept {
    if (!is_starter()) decide_outcome(now);
    if (is_decided() && !reaped_ && (pump_.closed() || now >= drain_until_)) record_exit(now);
    if (!is_final() || (pid_ != 0 && !reaped_)) return;
    if (pipes_held_ && pump_.closed()) {
        log_.append_event(Event::output_closed, 0);
        pipes_held_ = false;
    }
    look_at_tree(now);
    if (!tree_is_empty_) return;
    // Nobody of the tree is left; whoever holds the pipes now was given them by other ways, and is not waited for long.
    if (!pump_.closed() && linger_until_ == os::never) linger_until_ = now + drain_ns;
    if (pump_.closed() || now >= linger_until_) leave();
}

/// Children that are no part of the tree may stay for ever, and a successor has none at all: then it is for us to look.
/// Of its own children a keeper hears when they end; only that one ceases to be part of the tree comes to it silently.
void Keeper::look_at_tree(std::uint64_t now) noexcept {
    if (!tree_is_empty_ && (look_at_tree_at_ == os::never || now >= look_at_tree_at_)) {
        tree_is_empty_ = tree_.is_empty();
        const bool is_first = look_at_tree_at_ == os::never;
        const std::uint64_t longest = is_starter() ? longest_gap_of_parents_ns : longest_tree_gap_ns;
        tree_gap_ = is_first ? first_tree_gap_ns : std::min(tree_gap_ * 2, longest);
        look_at_tree_at_ = now + tree_gap_;
    }
    if (tree_is_empty_) look_at_tree_at_ = os::never;
}

pid_t Keeper::program_group() const noexcept {
    const bool is_certain = !reaped_ && !child_gone_ && (is_starter() || child_ >= 0);
    return is_certain ? pid_ : 0;
}

void Keeper::record_exit(std::uint64_t now) noexcept {
    drain_until_ = os::never;
    pump_.flush();
    pipes_held_ = !pump_.closed();
    base::kill_point("shim.exit.drained");
    log_.check_files();
    note_recording();
    auto& state = state_.state();
    const bool is_known = ended_.pid != 0;
    if (is_known) log_.append_event(ended_.killed ? Event::killed : Event::exited, ended_.value);
    base::kill_point("shim.exit.logged");
    note_recording();
    if (is_known) {
        state.phase = Phase::exited;
        state.killed = ended_.killed;
        state.exit_value = ended_.value;
        note_oom_kills();
    }
    state.log_end = log_.position();
    record_end();
    base::kill_point("shim.exit.recorded");
    if (is_starter()) os::reap(pid_);
    reaped_ = true;
    tree_.set_program({});
    base::kill_point("shim.exit.reaped");
    look_at_children(now);
    look_at_tree(now);
    // Who is about to leave says all at once: an end without its tree's would look as if something were left running.
    if (!tree_is_empty_ || !pump_.closed()) push_state();
    base::kill_point("shim.exit.told");
}

/// Without a record this process would be the last that knows: another slot is tried before the zombie goes and anybody
/// is told.
void Keeper::record_end() noexcept {
    for (int attempt = 0; record() != 0 && attempt < record_attempts; ++attempt) {
    }
}

/// Of a SIGKILL that nobody here has sent the kernel may be the sender; of another bad end, of what it was that failed.
void Keeper::note_oom_kills() noexcept {
    auto& state = state_.state();
    const bool has_failed = (ended_.killed || ended_.value != 0) && state.kill_sent == 0 && state.stop_requested == 0;
    OomKills before;
    if (state.oom_kills_known != 0) before = {state.oom_kills, machine_oom_kills_};
    const std::int64_t kills = has_failed && before.in_cgroup >= 0 ? oom_kills_between(before, count_oom_kills()) : -1;
    state.oom_kills_known = kills >= 0;
    state.oom_kills = kills >= 0 ? static_cast<std::uint32_t>(kills) : 0;
}

void Keeper::leave() noexcept {
    pump_.close();
    if (pipes_held_) log_.append_event(Event::output_closed, 0);
    note_recording();
    // Given up before anyone is told: the next run may begin at once.
    log_.release();
    ::flock(log_directory_, LOCK_UN);
    base::kill_point("shim.leaving");
    state_.state().tree_empty = 1;
    record();
    base::kill_point("shim.emptied");
    push_state();
    answer_stops();
    control_.stop_listening(run_directory_);
    leaving_ = true;
}

/// Nobody waits for this process any more: it has told everything, and holds nothing. The log first, which the record
/// of the end speaks of. What the device refuses now, the state alone can still tell.
void Keeper::make_durable() noexcept {
    ::close(lock_);
    control_.close_all();
    base::kill_point("shim.left");
    const int log_error = log_.sync_released();
    auto& state = state_.state();
    if (log_error != 0 && state.recording != rundir::Recording::device_error) {
        state.recording = rundir::Recording::device_error;
        state.recording_errno = static_cast<std::uint8_t>(log_error);
        state_.write();
    }
    state_sync_.collect(true);
    // Another slot, other bytes, may be taken.
    for (int attempt = 0; ::fdatasync(state_file_) != 0 && attempt < record_attempts; ++attempt) state_.write();
}

/// Each word is on record before it is gone from the socket.
void Keeper::hear_program(std::uint64_t now) noexcept {
    for (int i = 0; i < words_a_turn; ++i) {
        const Heard heard = notify_.hear(state_.state());
        if (heard == Heard::nothing) return;
        if (heard == Heard::news) {
            record();
            if (tell_at_ == os::never) tell_at_ = std::max(now, told_at_ + tell_gap_ns);
        }
        notify_.drop();
    }
}

void Keeper::push_state() noexcept { control_.push(message(rundir::MessageType::state)); }

}  // namespace persistproc::shim
