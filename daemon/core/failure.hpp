#pragma once
/// Why a run failed, as far as facts tell: for one answer in which whoever asked finds what to mend.
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "common/logstore/error_block.hpp"
#include "common/ops/failure_facts.hpp"
#include "common/rundir/port_holder.hpp"
#include "daemon/core/run_changes.hpp"
#include "daemon/core/run_directories.hpp"
#include "daemon/core/supervisor.hpp"

namespace persistproc::core {

struct Failure {
    std::uint32_t run = 0;                          // of its process so many were begun
    std::optional<std::chrono::nanoseconds> lived;  // until its end, or so far; none: it cannot be known
    std::string restarted_by;                       // who asked for the run, where it is known and it was not its first
    std::optional<std::chrono::nanoseconds> since_restart;  // where it is known, too
    std::optional<rundir::PortHolder> holder;               // of the port that it wanted and has not
    bool only_awaited = false;                              // who waits wants that port; nothing shows that it does
    std::optional<ProcessId> holder_process;                // where it is one of ours
    std::string holder_label;
    /// Meanwhile the kernel killed so many processes of its cgroup for want of memory; 0: none, or nobody knows.
    std::uint32_t memory_kills = 0;
    bool is_kill_told = false;                  // it is part of how the run ended
    std::uint32_t good_run = 0;                 // the last one before it that worked; 0: none is known
    std::vector<RunChange> changes;             // against that
    std::optional<logstore::ErrorBlock> error;  // the last one that the run printed; only of `explain_newest`
};

/// Whether its last run ended by itself and not well, and none goes on. Pure.
bool has_failed(const Located& process);
/// Whether a run did what it was for, as far as its end tells: it lived for 10 s; or it ended with 0, which counts
/// less. Pure.
bool has_lived(const rundir::RunState& state);
bool has_succeeded(const rundir::RunState& state);
/// Whether a run ended by itself, not well and before it had lived for 10 s: it has not worked, ready or not. Pure.
bool has_failed_early(const rundir::RunState& state);

/// Tells who has the port, where that is known. Pure.
void add_holder(const Failure& failure, ops::FailureFacts& facts);

/// "lived 312 ms in run 4; port 3000 is held by p2 "api": persistproc stop p2; since run 3, which worked: arguments …".
/// Pure.
std::string failure_text(const Failure& failure);

/// One executor, one thread; what it reads is read elsewhere.
class Failures {
public:
    /// All outlive it.
    Failures(async::Clock& clock, Supervisor& supervisor, RunDirectories& directories,
             boost::asio::thread_pool& threads)
        : clock_(clock), supervisor_(supervisor), directories_(directories), threads_(threads) {}

    /// `wanted_ports`: one of which it has not, the likelier ones first. `awaited_port`: that somebody waits for,
    /// whether the program wants it or not. What cannot be read is left out.
    Task<Failure> explain(ProcessId id, std::uint32_t run, std::vector<int> wanted_ports,
                          std::optional<int> awaited_port = std::nullopt);
    /// The ports that a run may have meant whose newest output says that one is taken, the likelier ones first.
    Task<std::vector<int>> find_complaints(RunId run);
    /// Nothing: it lives, or its last run did not fail.
    Task<std::optional<Failure>> explain_newest(ProcessId id);
    /// Of one that is known to have failed, whatever its process does by now. Nothing: the process is gone.
    Task<std::optional<Failure>> explain_ended(RunId ended);

private:
    Task<> find_holder(Failure& out, ProcessId id, int port);
    Task<bool> asks_for(RunId run, int port);
    Task<> find_good_run(Failure& out, ProcessId id);

    async::Clock& clock_;
    Supervisor& supervisor_;
    RunDirectories& directories_;
    boost::asio::thread_pool& threads_;
};

}  // namespace persistproc::core
