#pragma once
/// Keepers of runs that follow daemon/shim step by step: lock, `prepared`, READY, COMMIT, fork, STARTED, release,
/// execve confirmed or failed; exit seen, drained, recorded, reaped, told; tree empty, left. Each step is an event of
/// its own, so that a keeper can be killed between any two. A successor takes over with what a packet carries.
/// Connections keep the order of packets and delay them; their ends come after what was sent before.
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "common/rundir/control.hpp"
#include "tests/simulation/kernel.hpp"
#include "tests/simulation/timeline.hpp"

namespace persistproc::simulation {

/// What a packet carries besides its bytes.
struct HandedOver {
    bool pipes = false;   // read ends and the memory of output on its way
    bool report = false;  // of the execve
    Pid child = 0;        // 0: no pidfd
};
struct Packet {
    rundir::ControlMessage message;
    HandedOver handed;
    bool is_end = false;  // of file
};

/// One connection. Both ends hold it; whoever is gone is marked so.
struct Channel {
    int daemon = 0;  // the incarnation at one end
    Pid shim = 0;
    std::uint64_t serial = 0;
    bool is_start = false;
    bool daemon_closed = false, shim_closed = false;
    std::deque<Packet> to_shim;    // arrived, not read
    std::deque<Packet> to_daemon;  // arrived, not read
    MonoTime shim_hears_at{}, daemon_hears_at{};
    std::function<void()> wake_daemon;
    bool greeted = false;
    bool takes_spares = false;
};
using ChannelPtr = std::shared_ptr<Channel>;

class Shims;

class Shim {
public:
    Shim(World& world, Shims& all, RunId run, Pid pid, int daemon, bool takes_over);

    RunId run() const noexcept { return run_; }
    Pid pid() const noexcept { return pid_; }
    int daemon() const noexcept { return daemon_; }
    bool is_frozen() const noexcept { return is_frozen_; }
    bool is_listening() const noexcept { return is_listening_; }
    const rundir::RunState& state() const noexcept { return state_; }

private:
    friend class Shims;

    void open_run();
    void get_ready();
    void plan_serve();
    void serve();
    void settle_again();
    void finish_step();
    void exit();
    void obey(const ChannelPtr& from, const Packet& packet);
    void start_child();
    void fork_child();
    void record_started();
    void tell_started();
    void release_child();
    void read_report();
    void fail_start(rundir::Stage stage, int error);
    void abort_start();
    void look_at_children();
    void look_at_foreign_child();
    void hear_end(const rundir::ControlMessage& message);
    void decide_outcome();
    void record_exit();
    void tell_exit();
    void settle();
    void leave();
    void record_empty();
    void part();
    void tell_takeover();
    void take_over(const ChannelPtr& from, const Packet& packet);
    bool take_log();
    void stop_tree(const ChannelPtr& from, const rundir::ControlMessage& message);
    void kill_sweep();
    std::vector<Pid> tree() const;
    HandedOver handed_over(const Channel& to) const;
    int write_state();
    void write_end();
    rundir::ControlMessage message(rundir::MessageType type, std::uint64_t request = 0) const;
    void send(const ChannelPtr& to, Packet packet);
    void push_state();
    bool has_daemon() const;
    bool is_final() const;
    bool may_be_signalled() const { return child_ != 0 && !reaped_ && !child_gone_; }
    /// The next step of this keeper, unless it is dead by then; one that is frozen takes it when it goes on.
    void later(std::chrono::nanoseconds in, void (Shim::*step)());
    std::chrono::nanoseconds moment() const;

    World& world_;
    Shims& all_;
    RunId run_;
    Pid pid_;
    int daemon_;  // its parent; 0: init
    bool takes_over_;
    rundir::RunState state_;
    std::vector<ChannelPtr> channels_;
    bool is_frozen_ = false;
    std::deque<void (Shim::*)()> put_off_;
    bool is_listening_ = false;
    bool has_lock_ = false;
    bool has_log_ = false;
    bool is_busy_ = true;  // in a step that reads no packets
    bool serve_planned_ = false;
    bool took_over_ = false;
    bool is_gone_ = false;
    Pid child_ = 0;
    bool has_pidfd_ = false;
    bool has_report_ = false;
    std::optional<Exit> ended_;
    bool exit_planned_ = false;
    bool child_gone_ = false;
    bool reaped_ = false;
    MonoTime log_until_{};
    MonoTime decide_until_{};
    bool settle_planned_ = false;
    std::chrono::nanoseconds tree_gap_{0};
    // the stop under way
    bool stop_active_ = false;
    MonoTime kill_at_ = MonoTime::max();
    std::chrono::nanoseconds kill_gap_{0};
    std::vector<std::pair<std::uint64_t, std::uint64_t>> stop_waiters_;  // channel, request
};

class Shims {
public:
    explicit Shims(World& world) : world_(world) {}

    /// A child of that daemon. The channel is its start channel.
    ChannelPtr spawn(RunId run, int daemon, bool takes_over);
    /// Nothing: nobody listens.
    ChannelPtr connect(RunId run, int daemon);
    void send_to_shim(const ChannelPtr& channel, Packet packet);
    void close_daemon_end(const ChannelPtr& channel);

    void kill(Pid pid);
    void freeze(Pid pid);
    void thaw(Pid pid);
    /// The connection breaks; what was on its way to the daemon may be lost.
    void cut(const ChannelPtr& channel);
    void daemon_died(int daemon);

    void child_ended(Pid shim);
    void report_closed(RunId run);
    void somebody_ended();

    Shim* find(Pid pid);
    Shim* keeper_of(RunId run);
    std::vector<Pid> living() const;
    std::vector<ChannelPtr> open_channels() const;

private:
    friend class Shim;
    void leave(Pid pid);
    void deliver(const ChannelPtr& channel, Packet packet);
    void bury(Shim& shim);

    World& world_;
    std::map<Pid, std::unique_ptr<Shim>> living_;
    std::uint64_t next_channel_ = 1;
};

}  // namespace persistproc::simulation
