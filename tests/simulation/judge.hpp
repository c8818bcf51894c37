#pragma once
/// What must be true of every history (the invariants of the product), looked at where it happens and after each step.
/// The judge knows what really happened, from kernel and disk, and compares it with what the daemon says and does.
#include <map>
#include <optional>
#include <string>

#include "daemon/core/supervisor.hpp"
#include "tests/simulation/clients.hpp"
#include "tests/simulation/disk.hpp"
#include "tests/simulation/kernel.hpp"

namespace persistproc::simulation {

class Judge {
public:
    explicit Judge(World& world) : world_(world) {}

    // What happens.
    void prepared(const rundir::RunSpec& spec);
    void executed(const Inhabitant& program);
    void ended(const Inhabitant& program);
    void run_removed(RunId id, const std::map<std::uint32_t, RunDirectory>& among);
    void process_removed(ProcessId id, const ProcessDirectory& directory);
    void stopped(RunId run, const rundir::ControlMessage& message, bool is_live);
    void signalled(RunId run, const rundir::ControlMessage& message);
    void swept(const rundir::Nonce& mark);
    void committed(const core::ProcessRecord& record);
    void committed(const core::RunRecord& run);
    void not_committed(const core::StoreChange& change);
    void forgotten(ProcessId id);
    void audited(const core::AuditEntry& entry);

    // What clients are told.
    void asked(const Request& request);
    void answered(const Request& request);
    void started(const Request& request, const ops::StartResponse& result);
    void has_stopped(const Request& request, const ProcessView& view);
    void restarted(const Request& request, const ops::RestartResponse& result);
    void removed(const Request& request);
    void left(const Request& request, const std::vector<std::string>& stopped);
    void listed(const std::vector<ProcessView>& views);
    void seen(const ProcessView& view);

    /// After each step: what the daemon believes of every process.
    void look();
    /// When all trouble is over and time enough has passed.
    void look_at_calm();
    /// When everything was stopped.
    void look_at_end();

    std::optional<Exit> true_exit(RunId run) const;

private:
    struct Run {
        rundir::RunSpec spec;
        MonoTime begun_at{};  // when it was first heard of
        bool has_executed = false;
        MonoTime executed_at{};
        std::optional<Exit> exit;
        bool stop_reached = false;       // a stop came to its shim while the program lived
        std::optional<Outcome> outcome;  // as it was first told
        int believer = 0;                // the daemon that it was told to first
        bool is_recorded = false;        // in the database
        std::string actor;               // who is on record as having started it
    };
    struct Process {
        std::optional<MonoTime> stop_asked;  // of the last stop that was acknowledged
        std::string start_actor;             // of the newest start on record, and when that was
        MonoTime started_at{};
        std::optional<MonoTime> unrecorded;  // when the database last took no record of it
        bool is_removed = false;
        bool is_forgotten = false;
        std::uint32_t begun = 0;  // the youngest run that was begun; it may have got no directory
        int beginner = 0;         // the daemon that did
        MonoTime begun_at{};
        std::string key;  // of the start that its newest run, or an ancestor of it, came from
    };

    Run* find(RunId id);
    /// An outcome was told, or recorded.
    void outcome(RunId id, const Outcome& outcome, const char* where);
    bool is_forgotten(RunId id, const Run& run) const;
    void begun(RunId id);
    void licence_start(RunId id, Run& run);
    static bool is_of_project(const Request& request, const Run& run);
    bool may_be_stopped(RunId id, const Run& run) const;
    bool starts(const Request& request, const rundir::RunSpec& spec) const;
    bool brings_up(const Request& request, const rundir::RunSpec& spec) const;
    bool is_licensed_by_up(RunId id, const Run& run);
    void look_at_dependents(RunId id, const Run& run);
    void look_at_needs(RunId id, const Run& run);
    void look_at_waiting();
    const Run* newest_executed(const std::string& member, RunId* id = nullptr) const;

    World& world_;
    std::map<RunId, Run> runs_;
    std::map<rundir::Nonce, RunId> marks_;
    std::map<ProcessId, Process> processes_;
    std::map<std::uint64_t, RunId> used_;     // start-like requests, by serial: the run that each has had
    std::map<std::string, RunId> used_keys_;  // and what each began
    std::map<std::pair<std::uint64_t, std::string>, RunId> used_ups_;  // the run that each up has had of each process
    std::set<std::uint64_t> late_stops_;                               // told as done and still to come
};

}  // namespace persistproc::simulation
