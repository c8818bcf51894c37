#pragma once
/// The data directory in memory, and the daemon's way to it. An operation takes time, happens at once at some moment of
/// it, and is answered later; it may fail instead. One that a daemon's death cut off has happened or has not.
#include <map>
#include <set>

#include "common/rundir/spec.hpp"
#include "tests/simulation/kernel.hpp"

namespace persistproc::simulation {

struct RunDirectory {
    rundir::RunSpec spec;
    rundir::RunState state;
    Pid lock = 0;  // the shim that holds shim.lock
};
struct ProcessDirectory {
    std::map<std::uint32_t, RunDirectory> runs;
    Pid log_holder = 0;
};

class Disk {
public:
    explicit Disk(World& world) : world_(world) { boot_.fill(1); }

    ProcessDirectory* find(ProcessId id);
    RunDirectory* find(RunId id);
    const std::map<ProcessId, ProcessDirectory>& all() const noexcept { return all_; }

    /// A shim's write of its state; 0 or an errno.
    int write_state(RunId run, const rundir::RunState& state);
    void prepare(const rundir::RunSpec& spec);
    void remove_run(RunId id, const char* why);
    void remove_process(ProcessId id);
    void begin_removal(ProcessId id);
    void end_removal(ProcessId id) { removals_.erase(id); }
    const std::set<ProcessId>& removals() const noexcept { return removals_; }
    void collect_garbage(std::size_t keep_runs);

    const base::BootId& boot_id() const noexcept { return boot_; }

private:
    World& world_;
    std::map<ProcessId, ProcessDirectory> all_;
    std::set<ProcessId> removals_;
    base::BootId boot_{};
};

}  // namespace persistproc::simulation
