#pragma once
/// The keeper of one run: parent of the child, owner of its pipes, writer of its output and its outcome.
///
///     prepared --commit--> started --report pipe closed--> (exec_confirmed) --child ends--> draining --> exited
///        |                    |                                                                            |
///        +--end of file       +--report--> exec_failed ------------------------------+                     |
///        v                                                                           v                     v
///     aborted: leave                                              no descendant left: tree_empty, leave
///
/// Rules. Child death is looked at before commands, so no signal reaches a pid that may be another's. An exit is
/// recorded in the order drain, event, record, reap, tell: the zombie is the backup until the record is written, and
/// the record proves the log before it. A stop is recorded before its first signal. After the exit the keeper stays, as
/// the descendants' subreaper and reader, until none is left. A daemon's death is an end of file.
///
/// Nobody waits for the disk: what is written outlives every death but a power cut. A second later it is durable, too:
/// synced in the background while the run goes on, and at its end in the foreground, after everything is told and given
/// up.
///
/// A keeper can be killed like anything else. Its daemon holds duplicates of the pipes, so the child notices nothing,
/// and starts a successor (`prepare` with `takes_over`) that reads on from `started` or `exited`. It is not the child's
/// parent: it knows the tree by its mark, and how the child ended from the daemon or from the kernel, or not at all.
#include <cstddef>
#include <cstdint>

#include "common/logstore/background_sync.hpp"
#include "common/logstore/writer.hpp"
#include "common/rundir/spec.hpp"
#include "common/rundir/state.hpp"
#include "daemon/shim/control.hpp"
#include "daemon/shim/notify_socket.hpp"
#include "daemon/shim/os.hpp"
#include "daemon/shim/pump.hpp"
#include "daemon/shim/terminal.hpp"
#include "daemon/shim/tree.hpp"

namespace persistproc::shim {

class Keeper {
public:
    Keeper() noexcept : state_(-1, rundir::RunState{}), pump_(log_) {}
    Keeper(const Keeper&) = delete;
    Keeper& operator=(const Keeper&) = delete;

    /// What a keeper does before it knows its run: session, signals, descriptors. Returns as `prepare`.
    int settle() noexcept;
    /// After `settle`: becomes the keeper of the run: lock, spec, control socket, `prepared`, `ready`. Returns 0, or
    /// the exit status of the program after one line on stderr.
    int prepare(const char* run_directory, bool takes_over) noexcept;
    /// Of a successor, before `prepare`: a process of the run that nothing else may name. Pid 0 is none.
    void know(base::PidIdentity process) noexcept { tree_.know(process); }
    /// Until nothing of the run is left. Returns the exit status of the program.
    int run() noexcept;

private:
    /// How long pipes may be held open by others before the exit is recorded without their end.
    static constexpr std::uint64_t drain_ns = 250 * os::millisecond;

    /// A whole-tree stop under way: who waits for it, and when the next SIGKILLs are due.
    struct Stop {
        struct Waiter {
            std::uint64_t connection = 0, request = 0;
        };
        bool active = false;
        std::uint64_t kill_at = os::never;
        std::uint64_t gap = 0;
        Waiter waiters[Control::max_connections];
        std::size_t next_waiter = 0;
    };

    /// Whether it began the run, or is to go on where a keeper was killed, or does.
    enum class Part { starter, heir, successor };
    bool is_starter() const noexcept { return part_ == Part::starter; }
    /// COMMIT is still to come: without it nothing is done.
    bool awaits_commit() const noexcept {
        return is_starter() ? state_.state().phase == rundir::Phase::prepared : part_ == Part::heir;
    }

    // keeper_start.cpp
    int open_run(const char* run_directory) noexcept;
    bool may_be_kept(const rundir::RunState& before) const noexcept;
    int load_spec() noexcept;
    void release_spec() noexcept;
    void make_mark() noexcept;
    const char* nonce_digits() const noexcept;
    void mark_environment() noexcept;
    void start_child() noexcept;
    int open_log(logstore::Stream recovered) noexcept;
    void fail_start(rundir::Stage stage, int error) noexcept;
    void read_report() noexcept;
    void abort_start() noexcept;

    // keeper.cpp
    std::uint64_t deadline() const noexcept;
    /// Whether it is known how the program ended, or known that nobody will tell.
    bool is_decided() const noexcept { return ended_.pid != 0 || state_.state().outcome_unknown != 0; }
    void look_at_children(std::uint64_t now) noexcept;
    void note_end_of_child(std::uint64_t now) noexcept;
    void close_ends_of_child() noexcept;
    void sync_in_time(std::uint64_t now) noexcept;
    void advance(std::uint64_t now) noexcept;
    void look_at_tree(std::uint64_t now) noexcept;
    void record_exit(std::uint64_t now) noexcept;
    void record_end() noexcept;
    void note_oom_kills() noexcept;
    void leave() noexcept;
    /// Writes the state, to be synced soon. Returns errno or 0.
    int record() noexcept;
    void begin_state_sync() noexcept;
    void make_durable() noexcept;
    bool is_final() const noexcept;
    /// Its process group, as long as it is certain whose that is; else 0.
    pid_t program_group() const noexcept;
    void push_state() noexcept;
    void hear_program(std::uint64_t now) noexcept;

    // keeper_takeover.cpp
    void take_over(Control::Connection& connection, Handed& handed, const rundir::ControlMessage& commit,
                   std::uint64_t now) noexcept;
    Handed handed_over(const Control::Connection& to) const noexcept;
    bool program_has_ended(std::uint64_t now) noexcept;
    void look_at_foreign_child(std::uint64_t now) noexcept;
    void hear_end(const rundir::ControlMessage& message, std::uint64_t now) noexcept;
    void decide_outcome(std::uint64_t now) noexcept;

    // keeper_recording.cpp
    /// Takes into the state how the recording stands. True: that has changed.
    bool note_recording() noexcept;
    void renew_log_directory() noexcept;

    // keeper_commands.cpp
    void serve_control(const pollfd* entries, std::size_t count, std::uint64_t now) noexcept;
    void obey(Control::Connection& connection, const rundir::ControlMessage& message, Handed& handed,
              std::uint64_t now) noexcept;
    void stop_tree(Control::Connection& connection, const rundir::ControlMessage& message, std::uint64_t now) noexcept;
    void clear_log(Control::Connection& connection, const rundir::ControlMessage& received) noexcept;
    void send_signal(Control::Connection& connection, const rundir::ControlMessage& message) noexcept;
    void kill_sweep(std::uint64_t now) noexcept;
    void answer_stops() noexcept;
    rundir::ControlMessage message(rundir::MessageType type, std::uint64_t request = 0) const noexcept;

    int run_directory_ = -1, lock_ = -1, state_file_ = -1, log_directory_ = -1;
    int signals_ = -1;
    int report_ = -1;  // read end of the child's report pipe, until it closes
    int slave_ = -1;   // of the program's terminal, while it lives
    int input_ = -1;   // write end of the program's standard input, where that is a pipe
    rundir::StateWriter state_;
    rundir::SpecView spec_;
    char* spec_memory_ = nullptr;
    std::size_t spec_memory_bytes_ = 0;
    logstore::Writer log_;
    Pump pump_;
    Control control_;
    NotifySocket notify_;
    Tree tree_;
    Stop stop_;

    pid_t pid_ = 0;
    os::Ended ended_;
    std::int64_t machine_oom_kills_ = -1;  // when the run began; -1: not known, as by a successor
    bool reaped_ = false;
    bool tree_is_empty_ = false;
    bool pipes_held_ = false;  // at the exit a descendant still had them
    bool has_terminal_ = false;
    bool leaving_ = false;

    Part part_ = Part::starter;

    // Of a successor.
    bool child_gone_ = false;  // but how it ended may not be known yet
    std::uint64_t decide_at_ = os::never, decide_until_ = os::never;
    std::uint64_t look_for_program_at_ = os::never;  // no descriptor of it could be had yet

    // When the tree may have become empty though none of our children ends.
    std::uint64_t look_at_tree_at_ = os::never, tree_gap_ = 0;

    int child_ = -1;  // pidfd
    char mark_[48] = {};
    std::uint8_t device_errno_ = 0;  // met by this keeper or one before it
    std::uint64_t drain_until_ = os::never;
    std::uint64_t linger_until_ = os::never;
    std::uint64_t sync_at_ = os::never, rest_at_ = os::never;
    std::uint64_t tell_at_ = os::never, told_at_ = 0;  // what the program says of itself
    logstore::BackgroundSync state_sync_;
    bool is_state_dirty_ = false;
};

}  // namespace persistproc::shim
