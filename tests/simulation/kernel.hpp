#pragma once
/// Programs and what they start, as a kernel sees them: parents, subreapers, zombies, signals. A program does what
/// chance gave it when it was executed: it ends by itself or never, obeys SIGTERM or not, leaves descendants behind.
#include <csignal>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/domain/process.hpp"
#include "common/rundir/state.hpp"

namespace persistproc::simulation {

struct World;
using Pid = std::int32_t;

/// How a program ended, as only its kernel can say.
struct Exit {
    int value = 0;
    bool killed = false;
};

/// Who hears of a death: a shim, the daemon of an incarnation, or an init that reaps at once.
struct Parent {
    Pid shim = 0;
    int daemon = 0;  // with `shim` 0; both 0: init
};

struct Inhabitant {
    Pid pid = 0;
    RunId run;
    rundir::Nonce mark{};
    Parent parent;
    bool is_program = false;   // else a descendant of one
    bool is_released = false;  // an unreleased one is a fork that waits for its shim's word
    bool executed = false;
    bool in_group = true;  // of the program's process group
    bool obeys_term = true;
    bool is_zombie = false;
    Exit exit;
    std::chrono::nanoseconds dies_after{0};  // a signal that ends it
    bool is_dying = false;
};

/// Why a program was not executed.
struct StartTrouble {
    rundir::Stage stage = rundir::Stage::none;
    int error = 0;
};
/// The pipe that tells whether the execve of a run's program succeeded.
struct Report {
    Pid child = 0;  // whose it is: a number may be begun again
    bool is_closed = false;
    std::optional<StartTrouble> trouble;  // until somebody reads it
};

class Kernel {
public:
    explicit Kernel(World& world) : world_(world) {}

    /// The child of a start, before it is released.
    Pid fork(RunId run, const rundir::Nonce& mark, Pid shim);
    /// Its shim's word: it becomes the program, with all that chance makes it do, or says why it cannot.
    void release(Pid pid, std::optional<StartTrouble> trouble);
    /// It ends: zombie, or gone.
    void end(Pid pid, Exit exit);
    /// Kill(2) by somebody who has proved who it is. False: there is no such process any more.
    bool signal(Pid pid, int number);
    /// SIGKILL, and its end waited for, unless it hangs.
    void kill(Pid pid);
    bool signal_group(Pid program, int number);
    /// Of a zombie.
    void reap(Pid pid);

    const Inhabitant* find(Pid pid) const;
    /// Of a run: programs and descendants that live (no zombies).
    std::vector<Pid> alive_of(RunId run) const;
    std::vector<Pid> marked(const rundir::Nonce& mark) const;
    /// Whether the shim has any child left, zombies too.
    bool has_children(Pid shim) const;
    std::vector<Pid> living_below(Pid shim) const;
    std::optional<Pid> living_program(RunId run) const;

    /// A dead parent's children go to the next subreaper.
    void shim_died(Pid shim, int daemon);
    void daemon_died(int daemon);

    /// A daemon wants the zombie of `pid` kept until it lets go.
    void hold(Pid pid, int daemon);
    void let_go(Pid pid, int daemon);

    Report& report_of(RunId run) { return reports_[run]; }
    const std::map<Pid, Inhabitant>& all() const noexcept { return all_; }
    Pid new_pid() noexcept { return next_pid_++; }

private:
    void execute(Pid pid);
    void close_report(RunId run, Pid child, std::optional<StartTrouble> trouble);
    Pid new_descendant(const Inhabitant& of);
    void adopt(Inhabitant& orphan, int daemon);

    World& world_;
    std::map<Pid, Inhabitant> all_;
    std::map<RunId, Report> reports_;
    std::map<std::pair<int, Pid>, int> holds_;
    // No real process can have such a number: what looks at /proc finds nobody.
    Pid next_pid_ = 10'000'001;
};

std::string to_text(const Exit& exit);

}  // namespace persistproc::simulation
