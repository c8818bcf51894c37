#include "tests/simulation/shims.hpp"

#include <cerrno>

#include "tests/simulation/world.hpp"

namespace persistproc::simulation {

using rundir::ControlMessage;
using rundir::MessageType;
using rundir::Phase;
using rundir::Refusal;
using rundir::Stage;

namespace {

constexpr auto drain = 250ms;
constexpr auto log_wait = 200ms;
constexpr auto answers = 10s;
constexpr std::size_t most_channels = 8;

}  // namespace

Shim::Shim(World& world, Shims& all, RunId run, Pid pid, int daemon, bool takes_over)
    : world_(world), all_(all), run_(run), pid_(pid), daemon_(daemon), takes_over_(takes_over) {}

std::chrono::nanoseconds Shim::moment() const { return world_.random.delay(world_.mood.shim); }

void Shim::later(std::chrono::nanoseconds in, void (Shim::*step)()) {
    world_.time.plan(in, [&all = all_, pid = pid_, step] {
        Shim* self = all.find(pid);
        if (self == nullptr) return;
        if (self->is_frozen_)
            self->put_off_.push_back(step);
        else
            (self->*step)();
    });
}

// Start.

void Shim::open_run() {
    RunDirectory* directory = world_.disk.find(run_);
    if (directory == nullptr || directory->lock != 0) return exit();
    directory->lock = pid_;
    has_lock_ = true;
    state_ = directory->state;
    const bool same_boot = state_.boot_id == world_.disk.boot_id();
    const bool may_live = (state_.phase == Phase::started || state_.phase == Phase::exited) && state_.tree_empty == 0;
    const bool is_new = state_.phase == Phase::none || state_.phase == Phase::prepared;
    if (takes_over_ ? !may_live || !same_boot : !is_new) return exit();
    later(moment(), &Shim::get_ready);
}

void Shim::get_ready() {
    const RunDirectory* directory = world_.disk.find(run_);
    if (directory == nullptr) return exit();
    is_listening_ = true;
    if (!takes_over_) {
        state_.phase = Phase::prepared;
        state_.nonce = directory->spec.nonce;
        state_.boot_id = world_.disk.boot_id();
    }
    state_.shim_pid = pid_;
    state_.shim_start_ticks = static_cast<std::uint64_t>(pid_);
    if (write_state() != 0) return exit();
    send(channels_.front(), Packet{.message = message(MessageType::ready), .handed = {}, .is_end = false});
    finish_step();
}

/// Packets are read again.
void Shim::finish_step() {
    is_busy_ = false;
    plan_serve();
}

void Shim::exit() {
    is_gone_ = true;
    all_.leave(pid_);
}

void Shim::plan_serve() {
    if (serve_planned_ || is_busy_ || is_gone_) return;
    for (const auto& each : channels_) {
        if (each->to_shim.empty()) continue;
        serve_planned_ = true;
        return later(world_.random.delay(world_.mood.shim / 4), &Shim::serve);
    }
}

void Shim::serve() {
    serve_planned_ = false;
    if (is_busy_) return;
    for (std::size_t i = 0; i < channels_.size(); ++i) {
        const ChannelPtr channel = channels_[i];
        if (channel->to_shim.empty()) continue;
        const Packet packet = std::move(channel->to_shim.front());
        channel->to_shim.pop_front();
        if (packet.is_end) {
            channel->shim_closed = true;
            channels_.erase(channels_.begin() + static_cast<std::ptrdiff_t>(i));
            if (channel->is_start && (takes_over_ ? !took_over_ : state_.phase == Phase::prepared))
                return abort_start();
        } else {
            obey(channel, packet);
        }
        break;
    }
    if (!is_gone_) plan_serve();
}

void Shim::obey(const ChannelPtr& from, const Packet& packet) {
    const ControlMessage& received = packet.message;
    const auto refuse = [&](Refusal why, int error) {
        world_.record.note("shim {} of {} refuses {}: {}", pid_, to_string(run_), static_cast<int>(received.type),
                           rundir::refusal_name(why));
        ControlMessage answer = message(MessageType::refused, received.request);
        answer.refused_type = static_cast<std::uint16_t>(received.type);
        answer.refusal = why;
        answer.error = error;
        send(from, Packet{.message = answer, .handed = {}, .is_end = false});
    };
    if (received.epoch < state_.epoch) return refuse(Refusal::old_epoch, EPERM);
    const bool introduces =
        received.type == MessageType::hello || (received.type == MessageType::commit && from->is_start);
    if (!from->greeted && !introduces) return refuse(Refusal::not_greeted, EPERM);
    if (received.type == MessageType::hello && received.nonce != state_.nonce)
        return refuse(Refusal::foreign_run, EPERM);
    state_.epoch = received.epoch;
    if (introduces) from->takes_spares = (received.capabilities & rundir::capability_spares) != 0;
    switch (received.type) {
        case MessageType::hello:
            from->greeted = true;
            write_state();
            return send(from, Packet{.message = message(MessageType::state, received.request),
                                     .handed = handed_over(*from),
                                     .is_end = false});
        case MessageType::commit:
            if (takes_over_ ? took_over_ : state_.phase != Phase::prepared)
                return refuse(Refusal::wrong_time, EALREADY);
            from->greeted = true;
            return takes_over_ ? take_over(from, packet) : start_child();
        case MessageType::ended: return hear_end(received);
        case MessageType::stop: return stop_tree(from, received);
        case MessageType::signal: {
            int error = ESRCH;
            if (may_be_signalled() && !ended_) {
                world_.judge.signalled(run_, received);
                if (world_.kernel.signal_group(child_, received.signal)) error = 0;
            }
            ControlMessage answer = message(MessageType::done, received.request);
            answer.error = error;
            return send(from, Packet{.message = answer, .handed = {}, .is_end = false});
        }
        default: return refuse(Refusal::unknown_type, EPROTO);
    }
}

bool Shim::take_log() {
    ProcessDirectory* directory = world_.disk.find(run_.process);
    if (directory == nullptr || (directory->log_holder != 0 && directory->log_holder != pid_)) return false;
    directory->log_holder = pid_;
    has_log_ = true;
    return true;
}

void Shim::start_child() {
    is_busy_ = true;
    log_until_ = world_.time.now() + log_wait;
    fork_child();
}

void Shim::fork_child() {
    if (!take_log()) {
        if (world_.time.now() >= log_until_) return fail_start(Stage::log, EWOULDBLOCK);
        return later(10ms, &Shim::fork_child);
    }
    if (world_.random.percent(world_.mood.shim_disk_errors / 2)) return fail_start(Stage::log, EIO);
    if (world_.random.percent(world_.mood.exec_errors / 4)) return fail_start(Stage::fork, EAGAIN);
    child_ = world_.kernel.fork(run_, state_.nonce, pid_);
    later(moment(), &Shim::record_started);
}

void Shim::record_started() {
    state_.phase = Phase::started;
    state_.pid = child_;
    state_.start_ticks = static_cast<std::uint64_t>(child_);
    state_.started_wall_ns = world_.time.wall_ns();
    state_.started_boot_ns = static_cast<std::uint64_t>(world_.time.now().time_since_epoch().count());
    if (const int error = write_state()) return fail_start(Stage::log, error);
    has_pidfd_ = has_report_ = true;
    later(moment(), &Shim::tell_started);
}

void Shim::tell_started() {
    for (const auto& each : channels_)
        if (each->is_start)
            send(each, Packet{.message = message(MessageType::state), .handed = handed_over(*each), .is_end = false});
    later(moment(), &Shim::release_child);
}

void Shim::release_child() {
    std::optional<StartTrouble> trouble;
    if (world_.random.percent(world_.mood.exec_errors))
        trouble = StartTrouble{world_.random.percent(80) ? Stage::execve : Stage::chdir, ENOENT};
    world_.kernel.release(child_, trouble);
    finish_step();
    if (world_.kernel.report_of(run_).is_closed) later(moment(), &Shim::read_report);
}

void Shim::read_report() {
    Report& report = world_.kernel.report_of(run_);
    if (!has_report_ || !report.is_closed || is_gone_) return;
    if (is_busy_) return later(1ms, &Shim::read_report);
    has_report_ = false;
    if (report.trouble) {
        const StartTrouble trouble = *std::exchange(report.trouble, std::nullopt);
        return fail_start(trouble.stage, trouble.error);
    }
    if (is_final()) return;
    state_.exec_confirmed = 1;
    write_state();
    push_state();
}

void Shim::fail_start(Stage stage, int error) {
    if (child_ != 0) {
        world_.kernel.end(child_, Exit{127, false});
        if (!takes_over_) world_.kernel.reap(child_);
        reaped_ = true;
    }
    state_.phase = Phase::exec_failed;
    state_.stage = stage;
    state_.os_error = error;
    state_.ended_wall_ns = world_.time.wall_ns();
    write_end();
    push_state();
    finish_step();
    settle();
}

void Shim::abort_start() {
    if (!takes_over_) {
        state_.phase = Phase::aborted;
        write_state();
    }
    exit();
}

// The end.

bool Shim::is_final() const {
    return state_.phase == Phase::exited || state_.phase == Phase::exec_failed || state_.outcome_unknown != 0;
}

void Shim::look_at_children() {
    if (is_gone_) return;
    if (is_busy_) return later(1ms, &Shim::look_at_children);
    if (takes_over_) return look_at_foreign_child();
    const Inhabitant* child = world_.kernel.find(child_);
    if (child_ != 0 && !reaped_ && !ended_ && child != nullptr && child->is_zombie) {
        ended_ = child->exit;
        state_.ended_wall_ns = world_.time.wall_ns();
        // What it left behind holds its pipes, and is waited for a little.
        const bool held = !world_.kernel.living_below(pid_).empty();
        later(held ? drain : moment(), &Shim::record_exit);
    }
    settle();
}

void Shim::look_at_foreign_child() {
    if (!took_over_) return;
    const Inhabitant* child = world_.kernel.find(child_);
    if (!child_gone_ && (child == nullptr || child->is_zombie)) {
        child_gone_ = true;
        state_.ended_wall_ns = world_.time.wall_ns();
        decide_until_ = world_.time.now() + answers;
        decide_outcome();
    }
    settle();
}

void Shim::hear_end(const ControlMessage& received) {
    if (!takes_over_ || is_final()) return;
    look_at_foreign_child();
    if (!child_gone_ || ended_) return;
    if (received.end.how == rundir::ProgramEnd::How::unknown) {
        if (!world_.mood.kernel_tells_ends) decide_until_ = world_.time.now();
        return;
    }
    ended_ = Exit{received.end.value, received.end.how == rundir::ProgramEnd::How::killed};
}

void Shim::decide_outcome() {
    if (!child_gone_ || is_final() || exit_planned_) return;
    if (!ended_ && world_.mood.kernel_tells_ends && world_.kernel.find(child_) == nullptr)
        ended_ = world_.judge.true_exit(run_);
    const bool may_be_told = has_daemon() || world_.mood.kernel_tells_ends;
    if (!ended_ && (world_.time.now() >= decide_until_ || !may_be_told)) state_.outcome_unknown = 1;
    if (ended_ || state_.outcome_unknown != 0) {
        exit_planned_ = true;
        return later(moment(), &Shim::record_exit);
    }
    later(20ms, &Shim::decide_outcome);
}

void Shim::record_exit() {
    if (reaped_ || is_gone_) return;
    if (is_busy_) return later(1ms, &Shim::record_exit);
    // What the report says was written before the end.
    if (has_report_) {
        read_report();
        if (is_final() || is_gone_) return;
    }
    is_busy_ = true;
    if (ended_) {
        state_.phase = Phase::exited;
        state_.killed = ended_->killed ? 1 : 0;
        state_.exit_value = ended_->value;
    }
    write_end();
    later(moment(), &Shim::tell_exit);
}

void Shim::tell_exit() {
    if (!takes_over_) world_.kernel.reap(child_);
    reaped_ = true;
    push_state();
    finish_step();
    settle();
}

/// Leaves once nothing of the tree is there.
void Shim::settle() {
    if (!is_final() || (child_ != 0 && !reaped_) || is_busy_ || is_gone_ || settle_planned_) return;
    if (tree().empty()) {
        settle_planned_ = true;
        return later(moment(), &Shim::leave);
    }
    if (!takes_over_) return;  // it is told of each child's end
    tree_gap_ =
        tree_gap_ == 0ns ? std::chrono::nanoseconds(20ms) : std::min<std::chrono::nanoseconds>(tree_gap_ * 2, 1s);
    settle_planned_ = true;
    later(tree_gap_, &Shim::settle_again);
}

void Shim::settle_again() {
    settle_planned_ = false;
    settle();
}

void Shim::leave() {
    settle_planned_ = false;
    if (is_busy_ || !tree().empty()) return is_busy_ ? later(1ms, &Shim::settle_again) : settle();
    is_busy_ = true;
    if (ProcessDirectory* directory = world_.disk.find(run_.process); directory != nullptr && has_log_)
        if (directory->log_holder == pid_) directory->log_holder = 0;
    has_log_ = false;
    later(moment(), &Shim::record_empty);
}

void Shim::record_empty() {
    state_.tree_empty = 1;
    write_state();
    later(moment(), &Shim::part);
}

void Shim::part() {
    push_state();
    for (const auto& [serial, request] : stop_waiters_)
        for (const auto& each : channels_)
            if (each->serial == serial)
                send(each, Packet{.message = message(MessageType::tree_empty, request), .handed = {}, .is_end = false});
    exit();
}

// Taking over.

HandedOver Shim::handed_over(const Channel& to) const {
    HandedOver out;
    if (!to.takes_spares) return out;
    out.pipes = child_ != 0;
    if (is_final()) return out;
    if (has_pidfd_) out.child = child_;
    out.report = has_report_;
    return out;
}

void Shim::take_over(const ChannelPtr& from, const Packet& packet) {
    if (!take_log()) {
        ControlMessage answer = message(MessageType::refused, packet.message.request);
        answer.refusal = Refusal::failed;
        answer.error = EWOULDBLOCK;
        send(from, Packet{.message = answer, .handed = {}, .is_end = false});
        return abort_start();
    }
    took_over_ = true;
    if (state_.successors < 255) ++state_.successors;
    child_ = state_.pid;
    has_pidfd_ = packet.handed.child == child_ && child_ != 0;
    has_report_ = packet.handed.report;
    if (is_final()) child_gone_ = reaped_ = true;
    is_busy_ = true;
    write_state();
    later(moment(), &Shim::tell_takeover);
}

void Shim::tell_takeover() {
    push_state();
    finish_step();
    look_at_children();
    if (has_report_ && world_.kernel.report_of(run_).is_closed) later(moment(), &Shim::read_report);
}

// Requests.

std::vector<Pid> Shim::tree() const {
    return takes_over_ ? world_.kernel.marked(state_.nonce) : world_.kernel.living_below(pid_);
}

void Shim::stop_tree(const ChannelPtr& from, const ControlMessage& received) {
    if (state_.phase == Phase::prepared) {
        ControlMessage answer = message(MessageType::refused, received.request);
        answer.refusal = Refusal::wrong_time;
        answer.error = ESRCH;
        return send(from, Packet{.message = answer, .handed = {}, .is_end = false});
    }
    stop_waiters_.emplace_back(from->serial, received.request);
    world_.judge.stopped(run_, received, !ended_ && !is_final());
    const bool force = received.force;
    const int signal = force ? SIGKILL : received.signal != 0 ? received.signal : SIGTERM;
    if (!stop_active_) {
        stop_active_ = true;
        kill_gap_ = 2ms;
        if (!ended_ && !is_final()) {
            state_.stop_requested = 1;
            write_state();
            push_state();
        }
        if (!force) {
            if (may_be_signalled()) world_.kernel.signal_group(child_, signal);
            for (const Pid pid : tree()) world_.kernel.signal(pid, signal);
        }
    }
    const MonoTime kill_at =
        force ? world_.time.now() : world_.time.now() + std::chrono::milliseconds(received.grace_ms);
    if (kill_at < kill_at_) {
        kill_at_ = kill_at;
        later(kill_at - world_.time.now(), &Shim::kill_sweep);
    }
}

void Shim::kill_sweep() {
    if (is_gone_ || world_.time.now() < kill_at_) return;
    if (may_be_signalled()) world_.kernel.signal_group(child_, SIGKILL);
    const auto left = tree();
    for (const Pid pid : left) world_.kernel.signal(pid, SIGKILL);
    if (left.empty()) {
        kill_at_ = MonoTime::max();
        return;
    }
    kill_at_ = world_.time.now() + kill_gap_;
    later(kill_gap_, &Shim::kill_sweep);
    kill_gap_ = std::min<std::chrono::nanoseconds>(kill_gap_ * 4, 2s);
}

// Talking.

void Shim::write_end() {
    for (int attempt = 0; write_state() != 0 && attempt < 4; ++attempt) {
    }
}

int Shim::write_state() {
    ++state_.generation;
    return world_.disk.write_state(run_, state_);
}

ControlMessage Shim::message(MessageType type, std::uint64_t request) const {
    ControlMessage out;
    out.type = type;
    out.epoch = state_.epoch;
    out.request = request;
    out.capabilities = rundir::capability_spares;
    out.state = state_;
    return out;
}

void Shim::send(const ChannelPtr& to, Packet packet) { all_.deliver(to, std::move(packet)); }

void Shim::push_state() {
    for (const auto& each : channels_)
        if (each->greeted) send(each, Packet{.message = message(MessageType::state), .handed = {}, .is_end = false});
}

bool Shim::has_daemon() const {
    for (const auto& each : channels_)
        if (each->greeted) return true;
    return false;
}

// All of them.

ChannelPtr Shims::spawn(RunId run, int daemon, bool takes_over) {
    const Pid pid = world_.kernel.new_pid();
    auto shim = std::make_unique<Shim>(world_, *this, run, pid, daemon, takes_over);
    auto channel = std::make_shared<Channel>();
    channel->daemon = daemon;
    channel->shim = pid;
    channel->is_start = true;
    channel->serial = next_channel_++;
    shim->channels_.push_back(channel);
    Shim& started = *shim;
    living_.emplace(pid, std::move(shim));
    // Now and then the machine has no time for it.
    started.later(world_.random.one_in(60) ? world_.random.delay(20s) : started.moment(), &Shim::open_run);
    return channel;
}

ChannelPtr Shims::connect(RunId run, int daemon) {
    Shim* shim = keeper_of(run);
    if (shim == nullptr || !shim->is_listening_) return nullptr;
    auto channel = std::make_shared<Channel>();
    channel->daemon = daemon;
    channel->shim = shim->pid();
    channel->serial = next_channel_++;
    if (shim->channels_.size() >= most_channels) {
        const ChannelPtr oldest = shim->channels_.front();
        shim->channels_.erase(shim->channels_.begin());
        cut(oldest);
    }
    shim->channels_.push_back(channel);
    return channel;
}

void Shims::send_to_shim(const ChannelPtr& channel, Packet packet) {
    const MonoTime at = std::max(world_.time.now() + world_.random.delay(world_.mood.packets), channel->shim_hears_at);
    channel->shim_hears_at = at;
    world_.time.plan_at(at, [this, channel, packet = std::move(packet)] {
        Shim* shim = find(channel->shim);
        if (shim == nullptr || (channel->shim_closed && !packet.is_end)) return;
        channel->to_shim.push_back(packet);
        shim->plan_serve();
    });
}

void Shims::close_daemon_end(const ChannelPtr& channel) {
    if (channel->daemon_closed) return;
    channel->daemon_closed = true;
    channel->to_daemon.clear();
    channel->wake_daemon = nullptr;
    send_to_shim(channel, Packet{.message = {}, .handed = {}, .is_end = true});
}

void Shims::deliver(const ChannelPtr& channel, Packet packet) {
    if (channel->shim_closed && !packet.is_end) return;
    const MonoTime at =
        std::max(world_.time.now() + world_.random.delay(world_.mood.packets), channel->daemon_hears_at);
    channel->daemon_hears_at = at;
    world_.time.plan_at(at, [channel, packet = std::move(packet)] {
        if (channel->daemon_closed) return;
        channel->to_daemon.push_back(packet);
        if (channel->wake_daemon) channel->wake_daemon();
    });
}

void Shims::cut(const ChannelPtr& channel) {
    if (channel->shim_closed || channel->daemon_closed) return;
    world_.record.note("the connection with shim {} breaks", channel->shim);
    send_to_shim(channel, Packet{.message = {}, .handed = {}, .is_end = true});
    deliver(channel, Packet{.message = {}, .handed = {}, .is_end = true});
    channel->shim_closed = true;
}

void Shims::bury(Shim& shim) {
    if (RunDirectory* directory = world_.disk.find(shim.run_); directory != nullptr && directory->lock == shim.pid_)
        directory->lock = 0;
    if (ProcessDirectory* directory = world_.disk.find(shim.run_.process);
        directory != nullptr && directory->log_holder == shim.pid_)
        directory->log_holder = 0;
    for (const auto& each : shim.channels_) {
        deliver(each, Packet{.message = {}, .handed = {}, .is_end = true});
        each->shim_closed = true;
    }
    shim.is_gone_ = true;
    auto node = living_.extract(shim.pid_);
    // Whoever called may still be in one of its functions.
    std::shared_ptr<Shim> kept(std::move(node.mapped()));
    const int daemon = world_.daemon && world_.is_alive(kept->daemon_) ? kept->daemon_ : 0;
    world_.kernel.shim_died(kept->pid_, daemon);
    world_.time.plan(0ns, [kept] {});
    somebody_ended();
}

void Shims::leave(Pid pid) {
    Shim* shim = find(pid);
    if (shim == nullptr) return;
    world_.record.note("shim {} of {} leaves: phase {}", pid, to_string(shim->run_),
                       static_cast<int>(shim->state_.phase));
    bury(*shim);
}

void Shims::kill(Pid pid) {
    Shim* shim = find(pid);
    if (shim == nullptr) return;
    world_.record.note("shim {} of {} is killed in phase {}", pid, to_string(shim->run_),
                       static_cast<int>(shim->state_.phase));
    bury(*shim);
}

void Shims::freeze(Pid pid) {
    if (Shim* shim = find(pid)) {
        world_.record.note("shim {} of {} falls silent", pid, to_string(shim->run_));
        shim->is_frozen_ = true;
    }
}

void Shims::thaw(Pid pid) {
    Shim* shim = find(pid);
    if (shim == nullptr || !shim->is_frozen_) return;
    world_.record.note("shim {} of {} goes on", pid, to_string(shim->run_));
    shim->is_frozen_ = false;
    for (const auto step : std::exchange(shim->put_off_, {})) shim->later(shim->moment(), step);
}

void Shims::daemon_died(int daemon) {
    for (auto& [pid, shim] : living_) {
        if (shim->daemon_ == daemon) shim->daemon_ = 0;
        for (const auto& each : std::vector<ChannelPtr>(shim->channels_))
            if (each->daemon == daemon) close_daemon_end(each);
    }
}

void Shims::child_ended(Pid shim) {
    if (Shim* found = find(shim)) found->later(found->moment(), &Shim::look_at_children);
}

void Shims::report_closed(RunId run) {
    if (Shim* keeper = keeper_of(run)) keeper->later(keeper->moment(), &Shim::read_report);
}

void Shims::somebody_ended() {
    for (auto& [pid, shim] : living_)
        if (shim->took_over_ && !shim->child_gone_) shim->later(shim->moment(), &Shim::look_at_children);
}

Shim* Shims::find(Pid pid) {
    const auto found = living_.find(pid);
    return found == living_.end() ? nullptr : found->second.get();
}

Shim* Shims::keeper_of(RunId run) {
    const RunDirectory* directory = world_.disk.find(run);
    return directory == nullptr ? nullptr : find(directory->lock);
}

std::vector<Pid> Shims::living() const {
    std::vector<Pid> out;
    for (const auto& [pid, shim] : living_) out.push_back(pid);
    return out;
}

std::vector<ChannelPtr> Shims::open_channels() const {
    std::vector<ChannelPtr> out;
    for (const auto& [pid, shim] : living_)
        for (const auto& each : shim->channels_)
            if (!each->daemon_closed && !each->shim_closed) out.push_back(each);
    return out;
}

}  // namespace persistproc::simulation
